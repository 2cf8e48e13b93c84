//! The page cache.

use std::fs::File;
use std::io;

use super::flush::through_maps;
use super::pages;
use crate::sys::map::Msync;
use crate::units::ByteRange;

pub(crate) use super::uncached::Uncached;

/// Drops the pages of the file from the page cache (`MS_INVALIDATE`, msync(2)).
pub(crate) fn drop_cache(file: &File) -> io::Result<()> {
    through_maps(file, ByteRange::first(u64::MAX), Msync::SyncInvalidate)
}

/// Starts to read a range into the page cache (`F_RDADVISE`, fcntl(2)).
pub(crate) fn read_ahead(file: &File, range: ByteRange) -> io::Result<()> {
    // The call counts in signed numbers of 32 bits.
    const BYTES_MAX: u64 = 1 << 30;
    if range.is_empty() {
        return Ok(());
    }
    Ok(rustix::fs::fcntl_rdadvise(file, range.start(), range.len().min(BYTES_MAX))?)
}

/// How many of the first `len` bytes of the file are in the page cache: what mincore(2) says of
/// maps that are not touched.
pub(crate) fn cached_bytes(file: &File, len: u64) -> io::Result<u64> {
    pages::resident_bytes(file, len)
}
