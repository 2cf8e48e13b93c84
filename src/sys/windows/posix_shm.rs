//! POSIX shared memory, which this system does not have.

use std::fs::File;
use std::io;

use crate::options::PosixName;
use crate::sys::file::Facts;

pub(crate) const DIRECTORY: &str = "";
pub(crate) const READ: Flags = Flags;
pub(crate) const READ_WRITE: Flags = Flags;

/// What none is opened for.
#[derive(Clone, Copy)]
pub(crate) struct Flags;

/// Why there are none.
pub(crate) const ABSENCE: Option<&str> = Some("Windows has no POSIX shared memory");

/// Why no memory is an open file.
pub(crate) const NAMELESS_ABSENCE: Option<&str> =
    Some("Windows has no memory that is an open file (memfd_create)");

fn absent<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn open(_: &PosixName, _: Flags) -> io::Result<File> {
    absent()
}

pub(crate) fn facts(_: &PosixName) -> io::Result<Option<Facts>> {
    absent()
}

pub(crate) fn make(_: u32) -> io::Result<File> {
    absent()
}

pub(crate) fn make_reserved(_: u64, _: u32) -> io::Result<File> {
    absent()
}

pub(crate) fn publish(_: &File, _: &PosixName) -> io::Result<()> {
    absent()
}

pub(crate) fn unlink(_: &PosixName) -> io::Result<()> {
    absent()
}

pub(crate) fn list() -> io::Result<Vec<PosixName>> {
    Ok(Vec::new())
}

pub(crate) fn is_unused(_: &File) -> io::Result<Option<bool>> {
    absent()
}
