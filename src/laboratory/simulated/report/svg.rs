//! Pictures as SVG, readable on light ground and on dark.

use std::fmt::{Display, Write};

use crate::program::table::paragraph;

/// How wide every picture is.
pub(super) const WIDTH: f64 = 720.0;

/// Where the content begins, from the left and from the top.
pub(super) const MARGIN: f64 = 24.0;

/// Between two lines of text.
const LINE: f64 = 16.0;

/// The colours of ground and ink follow the reader's; those of the data are told apart on both.
const STYLE: &str = "\
text{font-family:sans-serif;font-size:12px;fill:#1f2328}\
.title{font-size:15px;font-weight:bold}\
.faint{fill:#59636e}\
.ground{fill:#ffffff}\
.blank{fill:#d1d9e0}\
.frame{fill:none;stroke:#1f2328;stroke-width:2}\
.grid{fill:none;stroke:#d1d9e0}\
@media(prefers-color-scheme:dark){\
text{fill:#e6edf3}\
.faint{fill:#9198a1}\
.ground{fill:#0d1117}\
.blank{fill:#3d444d}\
.frame{stroke:#e6edf3}\
.grid{stroke:#3d444d}}\
text.black{fill:#000000}\
text.white{fill:#ffffff}";

/// Where a text is, of the point that it is put at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Right,
    Around,
    Left,
}

/// A picture, drawn from the top to the bottom.
#[derive(Debug)]
pub(super) struct Svg {
    title: String,
    body: String,
    /// What is below has not been drawn on yet.
    pub(super) bottom: f64,
}

impl Svg {
    /// A picture with its title.
    pub(super) fn new(title: &str) -> Self {
        let mut svg = Self { title: title.to_owned(), body: String::new(), bottom: 2.0 * MARGIN };
        svg.text((MARGIN, 30.0), Anchor::Right, "title", title);
        svg
    }

    /// A rectangle from its upper left corner on, in a colour.
    pub(super) fn rectangle(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        fill: &str,
    ) {
        self.shape((x, y), (width, height), &format!("fill=\"{}\"", Escaped(fill)));
    }

    /// The same in a class of the style.
    pub(super) fn box_of(&mut self, at: (f64, f64), extent: (f64, f64), class: &str) {
        self.shape(at, extent, &format!("class=\"{}\"", Escaped(class)));
    }

    fn shape(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), how: &str) {
        let body = &mut self.body;
        writeln!(
            body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {how}/>"
        )
        .ok();
    }

    /// A line of text, its foot at a point.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Right => "start",
            Anchor::Around => "middle",
            Anchor::Left => "end",
        };
        writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{}\">{}</text>",
            Escaped(class),
            Escaped(text)
        )
        .ok();
    }

    /// A line through points, in a colour; `dashes` as SVG has them.
    pub(super) fn line(&mut self, points: &[(f64, f64)], colour: &str, dashes: &str) {
        let how = format!(
            "fill=\"none\" stroke=\"{}\" stroke-width=\"2.5\" stroke-dasharray=\"{}\"",
            Escaped(colour),
            Escaped(dashes)
        );
        self.path(points, &how);
    }

    /// A line of the grid.
    pub(super) fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.path(&[from, to], "class=\"grid\"");
    }

    fn path(&mut self, points: &[(f64, f64)], how: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(self.body, "<polyline points=\"{}\" {how}/>", points.join(" ")).ok();
    }

    /// Lines of text below all that is there, as wide as the picture.
    pub(super) fn caption(&mut self, words: &str) {
        self.bottom += LINE;
        for line in paragraph("", "", words).lines() {
            self.bottom += LINE;
            self.text((MARGIN, self.bottom), Anchor::Right, "faint", line);
        }
    }

    /// The picture as a file.
    pub(super) fn finish(self) -> String {
        let height = self.bottom + MARGIN;
        let title = Escaped(&self.title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {WIDTH} \
             {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// Text in an element or an attribute. Characters that XML has no way to write are replaced.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_does_not_become_markup() {
        let mut svg = Svg::new("a<b & \"c\"\u{1b}");
        svg.rectangle((0.0, 1.0), (2.0, 3.25), "#\"/>");
        let text = svg.finish();
        assert_eq!(text.matches("a&lt;b &amp; &quot;c&quot;\u{fffd}</t").count(), 2, "{text}");
        assert!(text.contains("height=\"3.2\" fill=\"#&quot;/&gt;\"/>"), "{text}");
    }

    #[test]
    fn a_caption_makes_the_picture_higher() {
        let mut svg = Svg::new("title");
        svg.caption(&"word ".repeat(60));
        let text = svg.finish();
        assert_eq!(text.matches("class=\"faint\"").count(), 4);
        assert!(text.contains("viewBox=\"0 0 720 152\""), "{text}");
    }
}
