//! Tables and paragraphs of text.

use std::time::Duration;

/// How wide a paragraph is.
const WIDTH: usize = 96;

/// Rows of words, the first one their heads; each column is as wide as its widest word, the last
/// one as it comes.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    aligned(rows, [Side::Left; N])
}

/// The same, with all numbers of a column below each other.
pub(crate) fn table_of_numbers<const N: usize>(rows: &[[String; N]]) -> String {
    let is_number = |word: &str| word == "-" || word.starts_with(|c: char| c.is_ascii_digit());
    let body = rows.get(1..).unwrap_or_default();
    let sides = std::array::from_fn(|at| match body.iter().all(|row| is_number(&row[at])) {
        true => Side::Right,
        false => Side::Left,
    });
    aligned(rows, sides)
}

/// Where the words of a column stand.
#[derive(Clone, Copy, Debug)]
enum Side {
    Left,
    Right,
}

fn aligned<const N: usize>(rows: &[[String; N]], sides: [Side; N]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, word) in widths.iter_mut().zip(row) {
            *width = (*width).max(word.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((width, side), word) in widths.iter().zip(sides).zip(row) {
            line += &match side {
                Side::Left => format!("{word:<width$}  "),
                Side::Right => format!("{word:>width$}  "),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A paragraph whose lines begin with `indent`, the first one with `lead` instead.
pub(crate) fn paragraph(lead: &str, indent: &str, words: &str) -> String {
    let mut text = String::new();
    let mut line = lead.to_owned();
    let mut is_empty = true;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text += &line;
            text.push('\n');
            line = indent.to_owned();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    text + &line + "\n"
}

/// A time with three digits.
pub(crate) fn short(time: Duration) -> String {
    let nanoseconds = time.as_secs_f64() * 1e9;
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    match value {
        v if unit == "ns" || v >= 100.0 => format!("{v:.0} {unit}"),
        v if v >= 10.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["a", "bb", "c"], ["ddd", "", "e"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a    bb  c\nddd      e\n");
    }

    #[test]
    fn numbers_stand_below_each_other_and_words_do_not_move() {
        let rows = [["of", "n", "took"], ["a", "7", "12 ms"], ["bb", "-", "3 us"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(table_of_numbers(&rows), "of  n   took\na   7  12 ms\nbb  -   3 us\n");
    }

    #[test]
    fn a_paragraph_is_broken_between_words() {
        let text = paragraph("- ", "  ", &"word ".repeat(30));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("- word") && lines[1].starts_with("  word"), "{text}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH && !line.ends_with(' ')), "{text}");
        assert_eq!(text.matches("word").count(), 30);
    }
}
