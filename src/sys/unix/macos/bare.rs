//! Handles of what is not opened for its content. There is no `O_PATH`: a symbolic link is opened
//! itself (`O_SYMLINK`, open(2)), a directory for searching (`O_SEARCH`), and all else as for
//! reading, without waiting.
//!
//! So what may not be read has no handle but a directory, a socket has none, and a device is
//! opened.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::acl;
use super::errno::errno_of_libc;
use crate::sys::names::Follow;

/// Of a directory for searching only (`sys/fcntl.h`), and so of its handles' flags.
const EXECUTE: OFlags = OFlags::from_bits_retain(libc::O_EXEC.cast_unsigned());

/// A handle of whatever is there that is not for its content.
pub(super) fn open(
    directory: BorrowedFd<'_>,
    path: &Path,
    follow: Follow,
) -> rustix::io::Result<OwnedFd> {
    let itself = match follow {
        Follow::Yes => OFlags::empty(),
        Follow::No => OFlags::SYMLINK,
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | itself;
    match rustix::fs::openat(directory, path, flags, Mode::empty()) {
        Err(Errno::ACCESS) => match open_directory(directory, path, follow) {
            Err(Errno::NOTDIR) => Err(Errno::ACCESS),
            opened => opened,
        },
        opened => opened,
    }
}

/// The same of a directory that may not be read.
pub(super) fn open_directory(
    directory: BorrowedFd<'_>,
    path: &Path,
    follow: Follow,
) -> rustix::io::Result<OwnedFd> {
    let nofollow = match follow {
        Follow::Yes => OFlags::empty(),
        Follow::No => OFlags::NOFOLLOW,
    };
    let flags = EXECUTE | OFlags::DIRECTORY | OFlags::CLOEXEC | nofollow;
    rustix::fs::openat(directory, path, flags, Mode::empty())
}

/// Whether a handle of these flags (`F_GETFL`) allows neither reading nor flushing.
pub(super) fn is_bare(flags: OFlags) -> bool {
    flags.contains(EXECUTE)
}

/// The text of the symbolic link that a handle is of (freadlink(2), macOS 13).
pub(super) fn read_link(link: impl AsFd) -> io::Result<OsString> {
    let mut text = vec![0_u8; TEXT_BYTES];
    // SAFETY: the buffer has so many bytes, of which the call writes some.
    let len =
        unsafe { libc::freadlink(link.as_fd().as_raw_fd(), text.as_mut_ptr().cast(), text.len()) };
    match usize::try_from(len) {
        Err(_) => Err(errno_of_libc()),
        Ok(len) if len == text.len() => Err(Errno::NAMETOOLONG.into()),
        Ok(len) => {
            text.truncate(len);
            Ok(OsString::from_vec(text))
        }
    }
}

/// No link has as many (`MAXPATHLEN`, `sys/param.h`, is 1024).
const TEXT_BYTES: usize = 4096;

/// No path leads to the object that a handle is of.
///
/// # Errors
///
/// `EBADF`, always: what the handle does not allow cannot be done.
pub(super) fn by_path<T>(
    _: impl AsFd,
    _: impl FnOnce(&str) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    Err(Errno::BADF)
}

/// The length of the list of names of the extended attributes of a name in a directory; more, if it
/// has an access control list.
pub(super) fn attribute_names_len(directory: impl AsFd, name: &OsStr) -> rustix::io::Result<usize> {
    let file = File::from(open(directory.as_fd(), Path::new(name), Follow::No)?);
    let has_acl = acl::exists(&file);
    let has_acl = has_acl.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(rustix::fs::flistxattr_query(&file)? + usize::from(has_acl))
}

/// The same file, opened once more for the same, by the path that it has now (`F_GETPATH`).
///
/// # Errors
///
/// Those of open(2); `ESTALE` where that path leads to another file meanwhile.
pub(super) fn reopened(file: BorrowedFd<'_>, access: OFlags) -> Result<OwnedFd, Errno> {
    let path = rustix::fs::getpath(file)?;
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let again = rustix::fs::open(path, flags, Mode::empty())?;
    let (before, now) = (rustix::fs::fstat(file)?, rustix::fs::fstat(&again)?);
    if (before.st_dev, before.st_ino) != (now.st_dev, now.st_ino) {
        return Err(Errno::STALE);
    }
    Ok(again)
}
