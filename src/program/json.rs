//! Lines of JSON, and names in it: it is text, where names of files are bytes.

use std::ffi::OsStr;

use serde::Serialize;

/// A name as text; what is not UTF-8 of it is replaced.
pub(crate) type Name = String;
/// The bytes of a name in hexadecimal, where the text has lost some.
pub(crate) type Hex = String;

/// The text of a name, and its bytes where that has lost some.
pub(crate) fn name(name: impl AsRef<OsStr>) -> (Name, Option<Hex>) {
    let name = name.as_ref();
    (name.to_string_lossy().into_owned(), hex(name))
}

/// The bytes of a name that is not UTF-8; on Windows those of WTF-8.
pub(crate) fn hex(name: impl AsRef<OsStr>) -> Option<Hex> {
    let name = name.as_ref();
    match name.to_str() {
        Some(_) => None,
        None => Some(name.as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

/// A line of JSON, with its end.
pub(crate) fn line(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::samples::not_unicode;

    #[test]
    fn bytes_are_told_where_the_text_has_lost_some() {
        assert_eq!(name("ä b"), ("ä b".to_owned(), None));
        let bytes = if cfg!(windows) { "61eda080" } else { "61ff" };
        assert_eq!(name(not_unicode()), ("a\u{fffd}".to_owned(), Some(bytes.to_owned())));
    }
}
