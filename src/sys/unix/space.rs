//! Data and holes, and space on the file system.

use std::fs::File;
use std::io;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::errno::plain;
use crate::units::ByteRange;

pub(crate) use super::blocks::{punch_hole, reserve};

/// Asks for the begin of the data, and forgets the answer: on some file systems that waits for
/// whoever is writing.
#[cfg(target_os = "linux")]
pub(crate) fn seek_data(file: &File) {
    rustix::fs::seek(file, SeekFrom::Data(0)).ok();
}

/// Nothing here waits for whoever is writing.
#[cfg(target_os = "macos")]
pub(crate) fn seek_data(_: &File) {}

/// What is stored through maps counts as data at once.
pub(crate) fn settle_data(_: &File) -> io::Result<()> {
    Ok(())
}

/// What is not written of a file is a hole without being asked for.
pub(crate) fn allow_holes(_: &File) -> io::Result<()> {
    Ok(())
}

/// The first stretch of data at or behind `offset`; `None` when there is none to the end.
///
/// # Errors
///
/// `EINVAL` and `EOPNOTSUPP`, and `ENOTTY` on macOS: the file system does not know its holes.
pub(crate) fn next_data(file: &File, offset: u64) -> io::Result<Option<ByteRange>> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(start) => start,
        // "or there are no more data beyond the offset" (lseek(2)): the only errno that ends
        // the search. Any other one is a failure, never the end of the data.
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(plain(error.into())),
    };
    let end = match rustix::fs::seek(file, SeekFrom::Hole(start)) {
        Ok(end) => end,
        // The file was cut between the two calls.
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(plain(error.into())),
    };
    Ok(Some(ByteRange::between(start, end)))
}

/// Makes blocks for a page inside of the file, which fails as the store into it did: no space, no
/// quota. A write of the byte itself would overwrite what others store there.
///
/// # Errors
///
/// What the store failed with.
#[cfg(target_os = "linux")]
pub(crate) fn reserve_page(file: &File, page: ByteRange) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    let reserved = rustix::io::retry_on_intr(|| {
        rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, page.start(), page.len())
    });
    match reserved {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) | Ok(()) => free_space(file),
        Err(error) => Err(error.into()),
    }
}

/// As above, as far as can be told without making blocks.
///
/// # Errors
///
/// `ENOSPC` where there is none left.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve_page(file: &File, _: ByteRange) -> io::Result<()> {
    free_space(file)
}

/// An error if the file system has no block left.
fn free_space(file: &File) -> io::Result<()> {
    if rustix::fs::fstatvfs(file)?.f_bavail == 0 { Err(Errno::NOSPC.into()) } else { Ok(()) }
}
