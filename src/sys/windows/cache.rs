//! The system's cache of files.

use std::fs::File;
use std::io;

use windows_sys::Wdk::Storage::FileSystem::{FILE_NO_INTERMEDIATE_BUFFERING, FILE_OPEN};
use windows_sys::Win32::Storage::FileSystem::{FILE_ATTRIBUTE_NORMAL, FILE_READ_DATA};

use super::handle;
use super::native::{self, How};
use crate::sys::file;
use crate::units::ByteRange;

/// Nothing drops what is cached of a file that somebody has open for reads and writes through the
/// cache, as the caller has: it is to be read past the cache ([`Uncached`]).
pub(crate) fn drop_cache(_: &File) -> io::Result<()> {
    Ok(())
}

/// A file that is read from its volume and not from the cache (`FILE_NO_INTERMEDIATE_BUFFERING`).
/// What the cache has that is not on the volume yet is written there before.
#[derive(Debug)]
pub(crate) struct Uncached(File);

impl Uncached {
    /// Begin and length of a read are multiples of this, in the file and in memory. It is that of
    /// all volumes on disks with sectors of 4 KiB or less.
    const GRANULE_BYTES: usize = 4096;

    /// The same file, opened once more; `None` where it cannot be opened so.
    pub(crate) fn of(file: &File) -> Option<Self> {
        let how = How {
            access: FILE_READ_DATA,
            disposition: FILE_OPEN,
            options: FILE_NO_INTERMEDIATE_BUFFERING,
            attributes: FILE_ATTRIBUTE_NORMAL,
        };
        native::open(Some(handle::raw(file)), &[], how).ok().map(|handle| Self(File::from(handle)))
    }

    /// Reads at `offset`. A short count is no error; 0 is the end.
    ///
    /// # Errors
    ///
    /// Those of `ReadFile`; `ERROR_INVALID_PARAMETER` where sectors are larger.
    pub(crate) fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let granule = Self::GRANULE_BYTES;
        let lead = usize::try_from(offset % granule as u64).unwrap_or(0);
        let len = (lead + into.len()).next_multiple_of(granule);
        let mut room = vec![0; len + granule];
        let skipped = room.as_ptr().align_offset(granule);
        let buffer = &mut room[skipped..][..len];
        let read = file::read_at(&self.0, offset - lead as u64, buffer)?;
        let count = read.saturating_sub(lead).min(into.len());
        into[..count].copy_from_slice(&buffer[lead..][..count]);
        Ok(count)
    }
}

/// No call reads ahead from a file that is not mapped.
pub(crate) fn read_ahead(_: &File, _: ByteRange) -> io::Result<()> {
    Ok(())
}

/// How many of the first `len` bytes of the file are in the cache: no call tells, so that all of
/// them may be.
pub(crate) fn cached_bytes(_: &File, len: u64) -> io::Result<u64> {
    Ok(len)
}

#[cfg(test)]
mod tests;
