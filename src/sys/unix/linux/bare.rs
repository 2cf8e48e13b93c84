//! Handles of what is not opened for reading or writing (`O_PATH`, open(2)): of symbolic links,
//! sockets and devices, and of what may not be read.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::sys::names::Follow;

/// A handle of whatever is there that allows no reading and no writing of its content.
pub(super) fn open(
    directory: BorrowedFd<'_>,
    path: &Path,
    follow: Follow,
) -> rustix::io::Result<OwnedFd> {
    opened(directory, path, follow, OFlags::PATH)
}

/// The same of a directory that may not be read.
pub(super) fn open_directory(
    directory: BorrowedFd<'_>,
    path: &Path,
    follow: Follow,
) -> rustix::io::Result<OwnedFd> {
    opened(directory, path, follow, OFlags::PATH | OFlags::DIRECTORY)
}

fn opened(
    directory: BorrowedFd<'_>,
    path: &Path,
    follow: Follow,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let nofollow = match follow {
        Follow::Yes => OFlags::empty(),
        Follow::No => OFlags::NOFOLLOW,
    };
    rustix::fs::openat(directory, path, flags | nofollow | OFlags::CLOEXEC, Mode::empty())
}

/// Whether a handle of these flags (`F_GETFL`) allows neither reading nor flushing.
pub(super) fn is_bare(flags: OFlags) -> bool {
    flags.contains(OFlags::PATH)
}

/// The text of the symbolic link that a handle is of.
pub(super) fn read_link(link: impl AsFd) -> io::Result<OsString> {
    Ok(OsString::from_vec(rustix::fs::readlinkat(link, "", Vec::new())?.into_bytes()))
}

/// Does by the link that `/proc/self/fd` has of a handle what the handle itself does not allow.
pub(super) fn by_path<T>(
    handle: impl AsFd,
    call: impl FnOnce(&str) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    call(&format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd()))
}

/// The length of the list of names of the extended attributes of a name in a directory, through
/// `/proc`, of which each step takes as long as the question.
pub(super) fn attribute_names_len(
    directory: impl AsFd,
    name: &std::ffi::OsStr,
) -> rustix::io::Result<usize> {
    by_path(directory, |path| rustix::fs::llistxattr_query(Path::new(path).join(name)))
}

/// The same file, opened once more for the same.
///
/// # Errors
///
/// Those of open(2).
pub(super) fn reopened(file: BorrowedFd<'_>, access: OFlags) -> Result<OwnedFd, Errno> {
    by_path(file, |path| rustix::fs::open(path, access | OFlags::CLOEXEC, Mode::empty()))
}
