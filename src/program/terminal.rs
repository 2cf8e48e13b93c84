//! Text that does to a terminal no more than to be seen.

/// A character, or a mark in place of one that would move a terminal's cursor.
pub(crate) fn harmless(c: char) -> char {
    if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }
}
