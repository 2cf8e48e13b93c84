//! POSIX shared memory (shm_open(2)): objects of the kernel, which nobody lists, and which get
//! their length once. They can only be mapped, and end with a page.
//!
//! None is made here: each has its name before it has its bytes, and others would see it without
//! them; it cannot be made without a name, or be renamed.

use std::fs::File;
use std::io;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::shm::{self, OFlags};

use crate::options::PosixName;
use crate::sys::file::Facts;
use crate::sys::names;

/// Why there are none: there are.
pub(crate) const ABSENCE: Option<&str> = None;

/// Why there can be none without a name.
pub(crate) const NAMELESS_ABSENCE: Option<&str> =
    Some("macOS has no memory without a name that is an open file");

/// What lists them would be called, for messages.
pub(crate) const DIRECTORY: &str = "shm:/";

/// Opens it for reading only.
pub(crate) const READ: OFlags = OFlags::RDONLY;

/// Opens it for both.
pub(crate) const READ_WRITE: OFlags = OFlags::RDWR;

/// The longest name, the slash counted (`PSHMNAMLEN`, `sys/posix_shm.h`).
const NAME_BYTES_MAX: usize = 31;

fn absent<T>(why: &'static str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// Opens an existing object.
///
/// # Errors
///
/// Those of shm_open(2); `ENAMETOOLONG` for more than 31 bytes, the slash counted.
pub(crate) fn open(name: &PosixName, flags: OFlags) -> io::Result<File> {
    Ok(shm::open(with_slash(name)?, flags, Mode::empty())?.into())
}

fn with_slash(name: &PosixName) -> io::Result<std::ffi::OsString> {
    let mut path = std::ffi::OsString::from("/");
    path.push(name.as_os_str());
    if path.len() > NAME_BYTES_MAX {
        return Err(Errno::NAMETOOLONG.into());
    }
    Ok(path)
}

/// The facts of an object, as far as it may be opened; `None` where there is none.
///
/// # Errors
///
/// Those of shm_open(2) and fstat(2).
pub(crate) fn facts(name: &PosixName) -> io::Result<Option<Facts>> {
    match open(name, READ) {
        Ok(file) => names::facts_of_handle(&file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// None is made.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn make(_: u32) -> io::Result<File> {
    absent("macOS makes POSIX shared memory only where others see it before it has its bytes")
}

/// As [`make`].
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn make_reserved(_: u64, mode: u32) -> io::Result<File> {
    make(mode)
}

/// As [`make`].
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn publish(_: &File, _: &PosixName) -> io::Result<()> {
    make(0).map(drop)
}

/// Removes the name; the memory goes when nobody has it open or mapped.
///
/// # Errors
///
/// Those of shm_unlink(2).
pub(crate) fn unlink(name: &PosixName) -> io::Result<()> {
    Ok(shm::unlink(with_slash(name)?)?)
}

/// Nobody is told which objects there are.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn list() -> io::Result<Vec<PosixName>> {
    absent("macOS does not tell which objects there are")
}

/// Whether no other process has it open or mapped: nobody is told.
///
/// # Errors
///
/// None.
pub(crate) fn is_unused(_: &File) -> io::Result<Option<bool>> {
    Ok(None)
}
