//! Locks on bytes of files, and on files.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::fs::OFlags;

use super::bare;
use super::errno::errno_of_libc;
use crate::sys::clock;
use crate::units::ByteRange;

pub(crate) use super::lockers::holder;

/// The same file, opened once more for the same: locks belong to an open file.
///
/// # Errors
///
/// Those of open(2).
pub(crate) fn reopened(file: BorrowedFd<'_>) -> io::Result<File> {
    let access = rustix::fs::fcntl_getfl(file)? & OFlags::RWMODE;
    Ok(bare::reopened(file, access)?.into())
}

/// Locks a range of a file, waiting so long or for ever; whether it could be had.
///
/// Who waits for ever stands in a queue. The system knows no limit of time: with one it is looked
/// again and again, and others may be faster.
///
/// # Errors
///
/// Those of fcntl(2), `F_OFD_SETLK`; `Interrupted` by a signal's handler, where it waits for ever.
pub(crate) fn lock_range(
    file: &File,
    range: ByteRange,
    is_exclusive: bool,
    wait: Option<Duration>,
) -> io::Result<bool> {
    let number = |value: u64| i64::try_from(value).map_err(|_| io::ErrorKind::InvalidInput);
    if range.is_empty() {
        // The call would take it for all bytes up to the end.
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let kind = if is_exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
    let mut lock = all_bytes(kind)?;
    lock.l_start = number(range.start())?;
    lock.l_len = number(range.len())?;
    let set = |command| {
        // SAFETY: the call reads one `flock`, which it is given.
        match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const lock) } {
            -1 => match errno_of_libc() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                error if error.raw_os_error() == Some(libc::EACCES) => Ok(None),
                error => Err(error),
            },
            _ => Ok(Some(())),
        }
    };
    let had = match wait {
        None => set(libc::F_OFD_SETLKW)?,
        Some(_) => clock::poll(wait, || set(libc::F_OFD_SETLK))?,
    };
    Ok(had.is_some())
}

/// The numbers of kinds of locks are declared as one type, and kept in another.
#[cfg(target_os = "macos")]
type Kind = libc::c_short;
#[cfg(not(target_os = "macos"))]
type Kind = libc::c_int;

/// What fcntl(2) takes for all bytes from the first on.
fn all_bytes(kind: Kind) -> io::Result<libc::flock> {
    // SAFETY: it has numbers only, for which all zeros are a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    #[cfg_attr(
        target_os = "macos",
        expect(clippy::useless_conversion, reason = "it is wider on Linux")
    )]
    let kind = kind.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    lock.l_type = kind;
    lock.l_whence = libc::SEEK_SET.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(lock)
}

/// Locks the whole file against others that do so, without waiting (flock(2)).
///
/// Called as `fs2::FileExt::...`, because std has methods of the same names.
///
/// # Errors
///
/// `WouldBlock` when another has it, and those of flock(2).
pub(crate) fn try_lock(file: &File) -> io::Result<()> {
    fs2::FileExt::try_lock_exclusive(file)
}

/// Directories are locked as files are.
///
/// # Errors
///
/// None.
pub(crate) fn try_lock_name(
    _: &impl AsFd,
    _: Option<&std::ffi::OsStr>,
) -> io::Result<Option<Vec<File>>> {
    Ok(None)
}

/// Gives up the lock of [`try_lock`] before the file is closed.
///
/// # Errors
///
/// Those of flock(2).
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    fs2::FileExt::unlock(file)
}

/// Gives up all locks of ranges that this open file has, whoever else has it open.
///
/// # Errors
///
/// Those of fcntl(2).
pub(crate) fn unlock_range(file: &File, _: ByteRange) -> io::Result<()> {
    let lock = all_bytes(libc::F_UNLCK)?;
    // SAFETY: the call reads one `flock`, which it is given.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) } {
        -1 => Err(errno_of_libc()),
        _ => Ok(()),
    }
}
