//! Free space, and the advisory lock that tells a live temporary from a dead one.
//!
//! Of `fs2` only locks and free space are used: its `allocate` reports a wrong error, and its
//! `duplicate` loses close-on-exec.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::Holder;
use crate::sys::Errno;
use crate::sys::file;
use crate::sys::handle::AsHandle;
use crate::sys::locks;
use crate::sys::names::{Follow, Spot};

/// What an attempt to lock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    /// The lock is held until the file is closed, which the end of the process does, too.
    Held,
    /// Another process holds it.
    Busy,
    /// The file system has no locks.
    Unsupported,
}

/// Locks the file exclusively against other runs, without waiting (flock(2)).
///
/// # Errors
///
/// Any but those that [`Locked`] tells.
pub(crate) fn try_lock(file: &File) -> io::Result<Locked> {
    match locks::try_lock(file) {
        Ok(()) => Ok(Locked::Held),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Locked::Busy),
        Err(error) => match Errno::from_io_error(&error) {
            // `EBADF`: a directory that may not be read.
            Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::BADF) => {
                Ok(Locked::Unsupported)
            }
            _ => Err(error),
        },
    }
}

/// Locks what has a name in a directory, or is to have it, where a directory itself cannot be
/// locked; `None` where it can. The lock is held until all of the files are closed; there are none
/// when another process holds it.
///
/// # Errors
///
/// Those of making the lock.
pub(crate) fn try_lock_name(
    directory: &impl AsHandle,
    name: Option<&OsStr>,
) -> io::Result<Option<(Locked, Vec<File>)>> {
    match locks::try_lock_name(directory, name) {
        Ok(files) => Ok(files.map(|files| (Locked::Held, files))),
        // `PermissionDenied`: another user has it.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(Some((Locked::Busy, Vec::new())))
        }
        Err(error) => Err(error),
    }
}

/// The process that has locked the file, where the system tells: it may take more than one look,
/// since its list is not made in one moment.
pub(crate) fn holder(file: &File) -> Option<Holder> {
    const LOOKS: usize = 3;
    (0..LOOKS).find_map(|look| {
        if look > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        locks::holder(file)
    })
}

/// Locks a directory against other runs, and other threads, that take this lock, waiting for
/// them. It is held until all that this returns is closed.
///
/// # Errors
///
/// `WouldBlock` when another process holds it for longer than any run does.
pub(crate) fn lock_directory(directory: impl AsHandle) -> io::Result<Vec<File>> {
    // Opened once more: a second descriptor of one open file would share its locks (flock(2)).
    let itself = Spot::within(&directory, OsStr::new("."));
    let file = File::from(itself.open_directory(Follow::Yes)?);
    let started = Instant::now();
    loop {
        // Of no file's name, and not the lock of the mirrors, who make backups in what they lock.
        match try_lock_name(&directory, Some(OsStr::new("."))) {
            Ok(Some((Locked::Held, locks))) => return Ok(locks),
            Ok(Some(_)) => {}
            Ok(None) if try_lock(&file)? != Locked::Busy => return Ok(vec![file]),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
        if started.elapsed() > DIRECTORY_WAIT_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Gives up the lock of [`try_lock`] before the file is closed.
///
/// # Errors
///
/// Those of flock(2).
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    locks::unlock(file)
}

/// Far longer than it takes to rename two files and to flush their directory.
const DIRECTORY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Bytes that this user may still fill on the file system of `directory`; `None` where it does
/// not tell (some FUSE and all unlimited tmpfs say that there are no blocks at all).
///
/// # Errors
///
/// Those of statvfs(3).
pub(crate) fn free_bytes(directory: &Path) -> io::Result<Option<u64>> {
    let space = fs2::statvfs(directory)?;
    if space.total_space() == 0 {
        return Ok(None);
    }
    // The blocks that are set aside for the superuser are free to it.
    Ok(Some(if file::is_superuser() { space.free_space() } else { space.available_space() }))
}
