//! Having what was written on the disk.

use std::fs::File;
use std::io;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{
    FILE_APPEND_DATA, FILE_FLAG_NO_BUFFERING, FILE_FLAG_WRITE_THROUGH, FILE_WRITE_DATA,
    FlushFileBuffers,
};

use super::errno::checked;
use super::handle::{self, AsHandle};
use super::{Errno, attributes};
use crate::sys::map::Msync;
use crate::sys::{file, views};
use crate::units::ByteRange;

/// Whether only who may write can flush: of a directory, who may make names in it.
pub(crate) const TAKES_RIGHT_TO_WRITE: bool = true;

/// Content, length and all attributes on the disk (`FlushFileBuffers`), and of a directory its
/// names.
pub(crate) fn sync_all(file: impl AsHandle) -> io::Result<()> {
    // SAFETY: it takes a handle.
    match checked(unsafe { FlushFileBuffers(handle::raw(&file)) }) {
        // A handle for reading cannot flush; another one of the same file can.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::ACCESS) => {
            // Either will do, and of a directory they are the rights to make names in it.
            let again = attributes::reopened(&file, FILE_WRITE_DATA)
                .or_else(|_| attributes::reopened(&file, FILE_APPEND_DATA))
                .or_else(|_| attributes::reopened_to_write(&file))?;
            // SAFETY: as above.
            checked(unsafe { FlushFileBuffers(handle::raw(&again)) })
        }
        flushed => flushed,
    }
}

/// Content on the disk, and what is needed to read it.
pub(crate) fn sync_data(file: impl AsHandle) -> io::Result<()> {
    sync_all(file)
}

/// Only administrators may flush a volume, so that each file is flushed by itself.
///
/// # Errors
///
/// `NOSYS`, always.
pub(crate) fn sync_file_system(_: impl AsHandle) -> io::Result<()> {
    Err(Errno::NOSYS.into())
}

/// Starts the write-out of the changed pages of `range`, without waiting for the disk: through a
/// view of them, since only views have such a call (`FlushViewOfFile`).
pub(crate) fn start_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    views::each_window(file, range, |start, len| {
        // SAFETY: the pages are mapped until this returns.
        unsafe { super::pages::flush(start, len, Msync::Async) }
    })
}

/// Waits until the pages of `range` have been handed to the system below: the call that starts that
/// returns no sooner.
pub(crate) fn wait_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    start_write_out(file, range)
}

/// Writes all of `from` at `offset` and waits until that is on the disk, by a handle that writes
/// through: one of `file::to_write_through`.
///
/// # Errors
///
/// Those of writing.
pub(crate) fn write_through(file: &File, offset: u64, from: &[u8]) -> io::Result<()> {
    file::write_all_at(file, from, offset)
}

/// Opens an existing file for writes that go past the cache and are on the disk when they return.
/// They must begin and end at multiples of a sector, in memory too.
pub(crate) fn open_direct(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    let flags = FILE_FLAG_NO_BUFFERING | FILE_FLAG_WRITE_THROUGH;
    File::options().write(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests;
