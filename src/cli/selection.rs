//! Patterns as they were typed, and files of them.

use std::ffi::{OsStr, OsString};
use std::fs;

use super::order::Selecting;
use super::request::Refusal;
use crate::options::{Quoted, Selection};

/// What the patterns and files leave of a tree, in the order in which they were typed.
pub(super) fn read(typed: &[(Selecting, OsString)]) -> Result<Selection, Refusal> {
    let mut lines = Vec::new();
    for (selecting, value) in typed {
        match selecting {
            Selecting::Exclude => lines.push(pattern(value)?),
            Selecting::Include => lines.push(format!("!{}", pattern(value)?)),
            Selecting::From => lines.extend(lines_of(value)?),
        }
    }
    Selection::new(lines).map_err(|error| Refusal::Usage(error.to_string()))
}

/// A pattern as a line: what would make it a comment, or one that includes, is meant as itself.
fn pattern(typed: &OsStr) -> Result<String, Refusal> {
    match typed.to_str() {
        None => Err(Refusal::Usage(format!("pattern {} is not UTF-8", Quoted(typed.as_ref())))),
        Some("") => Err(Refusal::usage("a pattern is not empty")),
        Some(text) if text.contains('\n') => {
            Err(Refusal::Usage(format!("pattern {} is of several lines", Quoted(typed.as_ref()))))
        }
        Some(text) if text.starts_with(['#', '!']) => Ok(format!("\\{text}")),
        Some(text) => Ok(text.to_owned()),
    }
}

fn lines_of(file: &OsStr) -> Result<Vec<String>, Refusal> {
    if file == "-" {
        return Err(Refusal::usage("--exclude-from needs a file; one of the name - is ./-"));
    }
    let name = Quoted(file.as_ref());
    let text =
        fs::read(file).map_err(|error| Refusal::Operand(format!("cannot read {name}: {error}")))?;
    let text = String::from_utf8(text)
        .map_err(|_| Refusal::Operand(format!("cannot read {name}: it is not UTF-8")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.lines().map(str::to_owned).collect())
}
