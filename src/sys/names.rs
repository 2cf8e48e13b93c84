//! Names: what they lead to, and making, changing and removing them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, is_separator};

use os_str_bytes::OsStrBytesExt;

use super::file::Kind;
use super::handle::AsHandle;
use crate::options::Dereference;

pub(crate) use super::system::names::*;

/// Whether a symbolic link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Yes,
    No,
}

impl Follow {
    /// Whether a symbolic link that is an operand is followed.
    pub(crate) fn of_operands(dereference: Dereference) -> Self {
        match dereference {
            Dereference::Always | Dereference::Operands => Self::Yes,
            Dereference::Never => Self::No,
        }
    }

    /// Whether one that is below an operand is.
    pub(crate) fn below_operands(dereference: Dereference) -> Self {
        match dereference {
            Dereference::Always => Self::Yes,
            Dereference::Operands | Dereference::Never => Self::No,
        }
    }
}

/// Whether to open for reading as well, which a map needs, or for writing only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenAs {
    ReadWrite,
    WriteOnly,
}

/// A name in a directory, and what it leads to where the directory says so.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) name: OsString,
    pub(crate) kind: Option<Kind>,
}

/// What names the system takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Each that a directory can list, and no two for one.
    Free,
    /// Some are refused ([`refusal`]), and some lead to one file ([`fold`]).
    Restricted,
}

/// Whether two names lead to one file in every directory.
pub(crate) fn are_one(one: &OsStr, other: &OsStr) -> bool {
    one == other || (SPELLING == Spelling::Restricted && fold(one) == fold(other))
}

/// The names in a directory that none has been read of, all of them.
pub(crate) fn list_all(directory: impl AsHandle) -> io::Result<Vec<Listed>> {
    let (mut all, mut some) = (Vec::new(), Vec::new());
    loop {
        list_some(&directory, &mut some)?;
        if some.is_empty() {
            return Ok(all);
        }
        all.append(&mut some);
    }
}

/// The longest name of a file that all common file systems take, as [`len_of`] counts.
pub(crate) const LEN_MAX: usize = 255;

/// The beginning of a name that is no longer than that, without half a character at its end.
pub(crate) fn cut(name: &OsStr, len_max: usize) -> OsString {
    if len_of(name) <= len_max { name.to_os_string() } else { cut_to(name, len_max) }
}

/// Whether a path ends with a separator, which says that a directory is meant.
pub(crate) fn ends_in_separator(path: &Path) -> bool {
    let last = path.as_os_str().as_encoded_bytes().last();
    last.is_some_and(|byte| is_separator(char::from(*byte)))
}

/// The path without the separators at its end; nothing is left of a root.
pub(crate) fn without_separators(path: &Path) -> &Path {
    let mut rest = path.as_os_str();
    while let Some(shorter) =
        ['/', '\\'].into_iter().filter(|it| is_separator(*it)).find_map(|it| rest.strip_suffix(it))
    {
        rest = shorter;
    }
    Path::new(rest)
}

/// Whether a path without separators at its end has a last component that is a name: none is `.`,
/// `..`, or what a volume is called by.
pub(crate) fn ends_in_name(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    let last = bytes.rsplit(|byte| is_separator(char::from(*byte))).next();
    path.file_name().is_some() && !matches!(last, Some(b"." | b".."))
}
