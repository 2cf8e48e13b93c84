//! The system's cache of files.

use std::fs::File;
use std::io;

use windows_sys::Wdk::Storage::FileSystem::FILE_OPEN;
use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_NORMAL;

use super::handle;
use super::native::{self, How};
use crate::units::ByteRange;

/// Drops the pages of the file from the cache: opening it without buffering does, unless somebody
/// has mapped it.
pub(crate) fn drop_cache(file: &File) -> io::Result<()> {
    use windows_sys::Wdk::Storage::FileSystem::FILE_NO_INTERMEDIATE_BUFFERING;
    use windows_sys::Win32::Storage::FileSystem::FILE_READ_DATA;
    let how = How {
        access: FILE_READ_DATA,
        disposition: FILE_OPEN,
        options: FILE_NO_INTERMEDIATE_BUFFERING,
        attributes: FILE_ATTRIBUTE_NORMAL,
    };
    native::open(Some(handle::raw(file)), &[], how).map(drop)
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
