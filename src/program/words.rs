//! Options whose values are words or whole numbers.

use std::error::Error;
use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command};

/// The words that an option takes, and what each means.
pub(crate) type Words<T> = &'static [(&'static str, T)];

/// Finds in the words of an option what was typed.
type Read<W, T> = fn(Words<W>, &str) -> Result<T, String>;

/// Reads the value of an option, and knows the words for who completes or describes it.
#[derive(Clone, Copy)]
pub(crate) struct Value<W: 'static, T> {
    words: Words<W>,
    read: Read<W, T>,
}

impl<W, T> Value<W, T> {
    /// One that `read` takes from the words.
    pub(crate) const fn new(words: Words<W>, read: Read<W, T>) -> Self {
        Self { words, read }
    }
}

impl<W, T> TypedValueParser for Value<W, T>
where
    W: Copy + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        typed: &OsStr,
    ) -> Result<T, clap::Error> {
        let Self { words, read } = *self;
        // A function is a parser, too; its error names option and value.
        (move |typed: &str| read(words, typed)).parse_ref(command, argument, typed)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(|(word, _)| PossibleValue::new(*word))))
    }
}

/// One word of `words`.
pub(crate) const fn choice<T: Copy + PartialEq>(words: Words<T>) -> Value<T, T> {
    Value { words, read: meaning }
}

/// The meaning of `typed`: one of the words, or an abbreviation of words that mean the same.
pub(crate) fn meaning<T: Copy + PartialEq>(words: Words<T>, typed: &str) -> Result<T, String> {
    if let Some((_, exact)) = words.iter().find(|(word, _)| *word == typed) {
        return Ok(*exact);
    }
    let mut fitting = words.iter().filter(|(word, _)| word.starts_with(typed));
    match fitting.next() {
        Some((_, first)) if fitting.all(|(_, other)| other == first) => Ok(*first),
        _ => Err(list(words)),
    }
}

fn list<T>(words: Words<T>) -> String {
    let mut text = String::from("it can be ");
    for (index, (word, _)) in words.iter().enumerate() {
        let before = match index {
            0 => "",
            _ if index + 1 == words.len() => " or ",
            _ => ", ",
        };
        text.push_str(before);
        text.push_str(word);
    }
    text
}

/// Reads one of `values`, whose words stand in the help with what each means.
pub(crate) fn one_of<const N: usize, T>(
    values: [T; N],
    word: fn(T) -> (&'static str, &'static str),
) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + Sync + 'static,
{
    let words = values.map(|value| match word(value) {
        (word, "") => PossibleValue::new(word),
        (word, meaning) => PossibleValue::new(word).help(meaning),
    });
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// Reads a whole number, and says which can be given where it is none of them.
pub(crate) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |typed| {
        let number = typed.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            format!("it can be any whole number from {} to {}", range.start(), range.end())
        })
    }
}

/// Reads nine permission bits.
pub(crate) fn octal_mode(typed: &str) -> Result<u32, &'static str> {
    let mode = u32::from_str_radix(typed, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or("it can be three octal digits, such as 600 or 640")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_from_its_range_only() {
        let read = whole::<u8>(1..=300);
        assert_eq!(read("1"), Ok(1));
        assert_eq!(read("255"), Ok(255));
        for wrong in ["", "0", "-1", "1.5", "x", "256", "301", "99999999999999999999"] {
            let error = read(wrong).unwrap_err();
            assert_eq!(error, "it can be any whole number from 1 to 300", "{wrong}");
        }
    }
}
