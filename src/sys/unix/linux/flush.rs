//! Having what was written on the disk.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use super::errno::errno_of_libc;
use crate::units::ByteRange;

/// Whether only who may write can flush: who may read can (fsync(2)).
pub(crate) const TAKES_RIGHT_TO_WRITE: bool = false;

/// Content, length and all attributes on the disk.
pub(crate) fn sync_all(file: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(file)?)
}

/// Content on the disk, and what is needed to read it.
pub(crate) fn sync_data(file: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fdatasync(file)?)
}

/// Waits until everything of the file system that `handle` is on has reached the disk (syncfs(2)).
pub(crate) fn sync_file_system(handle: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(handle)?)
}

/// Starts the write-out of the dirty pages of `range`, without waiting for its end.
pub(crate) fn start_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    sync_file_range(file, range, libc::SYNC_FILE_RANGE_WRITE)
}

/// Waits until the pages of `range` have been handed to the device. Says nothing about the
/// device's own cache or the metadata: [`sync_all`] does that.
pub(crate) fn wait_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    sync_file_range(
        file,
        range,
        libc::SYNC_FILE_RANGE_WAIT_BEFORE
            | libc::SYNC_FILE_RANGE_WRITE
            | libc::SYNC_FILE_RANGE_WAIT_AFTER,
    )
}

fn sync_file_range(file: &File, range: ByteRange, flags: libc::c_uint) -> io::Result<()> {
    let offset = i64::try_from(range.start()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let len = i64::try_from(range.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    if len == 0 {
        // A length of 0 means "to the end of the file" (sync_file_range(2)).
        return Ok(());
    }
    // SAFETY: no memory is passed; the descriptor is open for as long as `file` is borrowed.
    let result = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, flags) };
    if result == 0 { Ok(()) } else { Err(errno_of_libc()) }
}

/// Writes all of `from` at `offset` and waits until that is on the disk, with what is needed to
/// read it (RWF_DSYNC, pwritev2(2)).
///
/// # Errors
///
/// Those of the call; `WriteZero` when it takes no more.
pub(crate) fn write_through(file: &File, mut offset: u64, mut from: &[u8]) -> io::Result<()> {
    use rustix::io::{ReadWriteFlags, pwritev2};
    while !from.is_empty() {
        let rest = [io::IoSlice::new(from)];
        let written =
            rustix::io::retry_on_intr(|| pwritev2(file, &rest, offset, ReadWriteFlags::DSYNC))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        offset += written as u64;
        from = &from[written..];
    }
    Ok(())
}

/// Opens an existing file for writes that go past the page cache and are on the disk when they
/// return. They must begin and end at multiples of a block, in memory too.
///
/// # Errors
///
/// `EINVAL` where the file system has no such writes; some say so only when one is made.
pub(crate) fn open_direct(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // Of rustix's flags, `DSYNC` is `O_SYNC` on Linux.
    File::options().write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC).open(path)
}
