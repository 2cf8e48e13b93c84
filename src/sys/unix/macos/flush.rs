//! Having what was written on the disk.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::io::Errno;

use super::errno::plain;
use super::{file_system, pages};
use crate::sys::file_system::FileSystem;
use crate::sys::map::Msync;
use crate::sys::{file, views};
use crate::units::ByteRange;

/// Whether only who may write can flush: who may read can (fsync(2)).
pub(crate) const TAKES_RIGHT_TO_WRITE: bool = false;

/// Content, length and all attributes on the disk, past the device's own cache: `F_FULLFSYNC`
/// (fcntl(2)), since fsync(2) goes no further than the device.
///
/// # Errors
///
/// Those of the call; `EOPNOTSUPP` on a file system that has no such thing. Of those on other
/// machines it is not asked: what these do with their devices is theirs, and fsync(2) reaches them.
pub(crate) fn sync_all(file: impl AsFd) -> io::Result<()> {
    match rustix::fs::fcntl_fullfsync(&file) {
        Ok(()) => Ok(()),
        Err(Errno::NOTSUP | Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL)
            if file_system::of(&file)? == FileSystem::Network =>
        {
            Ok(rustix::fs::fsync(file)?)
        }
        Err(error) => Err(plain(error.into())),
    }
}

/// Content on the disk, and what is needed to read it.
pub(crate) fn sync_data(file: impl AsFd) -> io::Result<()> {
    sync_all(file)
}

/// No call tells whether a whole file system has reached the disk, so that each file is flushed by
/// itself.
///
/// # Errors
///
/// `ENOSYS`, always.
pub(crate) fn sync_file_system(_: impl AsFd) -> io::Result<()> {
    Err(Errno::NOSYS.into())
}

/// Starts the write-out of the dirty pages of `range`, without waiting for its end: through a map
/// of them (`MS_ASYNC`, msync(2)), since only maps have such a call.
pub(crate) fn start_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    through_maps(file, range, Msync::Async)
}

/// Waits until the pages of `range` have been handed to the device. Says nothing about the
/// device's own cache or the metadata: [`sync_all`] does that.
pub(crate) fn wait_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    through_maps(file, range, Msync::Sync)
}

/// Calls msync(2) for the pages of a range, as far as the file has them.
pub(super) fn through_maps(file: &File, range: ByteRange, how: Msync) -> io::Result<()> {
    views::each_window(file, range, |start, len| {
        // SAFETY: the caller of this closure has mapped the pages, and they stay so until it
        // returns.
        unsafe { pages::flush(start, len, how) }
    })
}

/// Writes all of `from` at `offset` and waits until that is on the disk.
///
/// # Errors
///
/// Those of writing, and of [`sync_all`].
pub(crate) fn write_through(file: &File, offset: u64, from: &[u8]) -> io::Result<()> {
    file::write_all_at(file, from, offset)?;
    sync_all(file)
}

/// Writes that are on the disk when they return cannot be had: `O_DSYNC` and `F_NOCACHE` go past
/// the page cache, but not past the device's own.
///
/// # Errors
///
/// `EOPNOTSUPP`, always.
pub(crate) fn open_direct(_: &Path) -> io::Result<File> {
    Err(Errno::OPNOTSUPP.into())
}
