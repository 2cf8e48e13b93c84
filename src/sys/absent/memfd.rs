//! Files that are nowhere but in memory, of systems that have none.

use std::fs::File;
use std::io;

use crate::sys::memfd::Seal;

/// Memory without a name cannot be had as a file.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn file_in_memory(_: &str) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing can be ruled out for memory.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn add_seals(_: &File, _: &[Seal]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// As [`add_seals`].
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn seals(_: &File) -> io::Result<Vec<Seal>> {
    Err(io::ErrorKind::Unsupported.into())
}
