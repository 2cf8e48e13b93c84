//! Space on the file system, asked for where a store found none.

use std::fs::File;
use std::io;

use rustix::io::Errno;

use crate::units::ByteRange;

/// Makes blocks for a page inside of the file, which fails as the store into it did: no space, no
/// quota. A write of the byte itself would overwrite what others store there.
///
/// # Errors
///
/// What the store failed with.
#[cfg(any(target_os = "linux", target_os = "android"))]
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
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn reserve_page(file: &File, _: ByteRange) -> io::Result<()> {
    free_space(file)
}

/// An error if the file system has no block left.
fn free_space(file: &File) -> io::Result<()> {
    if rustix::fs::fstatvfs(file)?.f_bavail == 0 { Err(Errno::NOSPC.into()) } else { Ok(()) }
}
