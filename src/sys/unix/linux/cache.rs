//! The page cache.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rustix::fs::Advice;

use super::errno::errno_of_libc;
use super::pages;
use crate::units::ByteRange;

pub(crate) use super::uncached::Uncached;

/// Drops the clean pages of the file from the page cache.
pub(crate) fn drop_cache(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, Advice::DontNeed)?)
}

/// Starts to read a range into the page cache.
pub(crate) fn read_ahead(file: &File, range: ByteRange) -> io::Result<()> {
    match std::num::NonZeroU64::new(range.len()) {
        // No length means "to the end of the file" (posix_fadvise(2)).
        None => Ok(()),
        len => Ok(rustix::fs::fadvise(file, range.start(), len, Advice::WillNeed)?),
    }
}

/// How many of the first `len` bytes of the file are in the page cache.
///
/// Asked with `cachestat` (Linux 6.5); where the kernel has no such call, by mapping the file
/// and `mincore`, piece by piece.
pub(crate) fn cached_bytes(file: &File, len: u64) -> io::Result<u64> {
    const CACHESTAT: libc::c_long = 451;
    #[repr(C)]
    struct Range {
        offset: u64,
        len: u64,
    }
    // linux/mman.h: struct cachestat
    #[repr(C)]
    #[derive(Default)]
    struct Statistics {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }
    if len == 0 {
        return Ok(0);
    }
    let range = Range { offset: 0, len };
    let mut statistics = Statistics::default();
    // SAFETY: both pointers lead to live structures of the layout that the kernel expects, and the
    // second may be written.
    let result = unsafe {
        libc::syscall(CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut statistics, 0)
    };
    if result == 0 {
        return Ok(statistics.cached.saturating_mul(rustix::param::page_size() as u64).min(len));
    }
    let error = errno_of_libc();
    match error.raw_os_error() {
        // An older kernel, or a filter that does not know the call.
        Some(libc::ENOSYS | libc::EPERM | libc::EOPNOTSUPP) => pages::resident_bytes(file, len),
        _ => Err(error),
    }
}
