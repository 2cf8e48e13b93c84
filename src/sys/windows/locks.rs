//! Locks on bytes of files (`LockFileEx`).
//!
//! Unlike those of Unix they keep others from reading and writing these bytes, but for those who
//! have mapped the file.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_ALREADY_EXISTS;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_READ_DATA, FILE_WRITE_DATA, LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY,
    LockFileEx, UnlockFileEx,
};

use windows_sys::Win32::System::Threading::CreateEventW;

use super::errno::checked;
use super::handle::{self, AsHandle, BorrowedHandle};
use super::{Errno, names};
use crate::error::Holder;
use crate::sys::clock;
use crate::units::ByteRange;

/// The byte that stands for the whole file: none is there, so that nobody is kept from any.
const STANDS_FOR_ALL: ByteRange = ByteRange::between(i64::MAX as u64 - 1, i64::MAX as u64);

/// Locks the file against others that do so, without waiting.
///
/// # Errors
///
/// `WouldBlock` when another has it; `INVAL` or `OPNOTSUPP` where it has no bytes to lock, as of a
/// directory.
pub(crate) fn try_lock(file: &File) -> io::Result<()> {
    match set(file, STANDS_FOR_ALL, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY)? {
        Some(()) => Ok(()),
        None => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Locks what has a name in a directory, or the directory itself, by objects of the kernel that are
/// there as long as somebody has them open: who makes one has the lock.
///
/// One is called by a hash of the path, so that a directory is the same before and after it is
/// made, and one by a hash of the number of a directory that is there: that stays when it is
/// renamed.
///
/// # Errors
///
/// `WouldBlock` when another has it, and those of `CreateEventW`.
pub(crate) fn try_lock_name(
    directory: &impl AsHandle,
    name: Option<&OsStr>,
) -> io::Result<Option<Vec<File>>> {
    let mut keys = Vec::new();
    if let Ok(path) = names::path_of_handle(directory) {
        let path = name.map_or_else(|| path.clone(), |name| path.join(name));
        keys.push(blake3::hash(names::fold(path.as_os_str()).as_encoded_bytes()));
    }
    if name.is_none() || keys.is_empty() {
        let id = crate::sys::file::facts(directory)?.id;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&id.dev.to_le_bytes()).update(&id.ino.to_le_bytes());
        hasher.update(names::fold(name.unwrap_or_default()).as_encoded_bytes());
        keys.push(hasher.finalize());
    }
    let held: io::Result<Vec<_>> = keys.into_iter().map(make_event).collect();
    held.map(Some)
}

/// Makes the event that is called by this. One that is there is closed at once: who waits for its
/// end would be one of those who have it.
fn make_event(key: blake3::Hash) -> io::Result<File> {
    // All sessions of this machine see it there.
    let called: Vec<u16> =
        format!("Global\\mycp-{}", key.to_hex()).encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a NUL and lives as long as the call.
    let made = unsafe { CreateEventW(std::ptr::null(), 1, 0, called.as_ptr()) };
    // Asked at once: success says by this whether there was one.
    let error = super::errno::last();
    if made.is_null() {
        return Err(error);
    }
    // SAFETY: the call has made the handle for this process, and nobody else has it.
    let file = File::from(unsafe { OwnedHandle::from_raw_handle(made) });
    match error.raw_os_error() == Some(ERROR_ALREADY_EXISTS.cast_signed()) {
        true => Err(io::ErrorKind::WouldBlock.into()),
        false => Ok(file),
    }
}

/// Gives up the lock of [`try_lock`].
///
/// # Errors
///
/// Those of `UnlockFileEx`.
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    free(file, STANDS_FOR_ALL)
}

/// The same file, opened once more for the same: locks belong to a handle.
///
/// # Errors
///
/// Those of opening it.
pub(crate) fn reopened(file: BorrowedHandle<'_>) -> io::Result<File> {
    let both = [FILE_READ_DATA | FILE_WRITE_DATA, FILE_READ_DATA, FILE_WRITE_DATA];
    let mut opened = Err(Errno::ACCESS.into());
    for access in both {
        opened = super::attributes::reopened(&file, access).map(File::from);
        if opened.is_ok() {
            break;
        }
    }
    opened
}

/// Locks a range of a file, waiting so long or for ever; whether it could be had.
///
/// Who waits for ever stands in a queue. The call knows no limit of time: with one it is looked
/// again and again, and others may be faster.
///
/// # Errors
///
/// Those of `LockFileEx`.
pub(crate) fn lock_range(
    file: &File,
    range: ByteRange,
    is_exclusive: bool,
    wait: Option<Duration>,
) -> io::Result<bool> {
    if range.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let kind = if is_exclusive { LOCKFILE_EXCLUSIVE_LOCK } else { 0 };
    let had = match wait {
        None => set(file, range, kind)?,
        Some(_) => clock::poll(wait, || set(file, range, kind | LOCKFILE_FAIL_IMMEDIATELY))?,
    };
    Ok(had.is_some())
}

/// Locks a range; `None` where others have some of it.
fn set(file: &File, range: ByteRange, flags: u32) -> io::Result<Option<()>> {
    let mut place = super::file::at(range.start());
    let [low, high] = halves(range.len());
    // SAFETY: the call is over when it returns, because the handle is not an overlapped one: of
    // what others give `reopened` makes one that is not.
    let locked =
        checked(unsafe { LockFileEx(handle::raw(file), flags, 0, low, high, &raw mut place) });
    match locked {
        Ok(()) => Ok(Some(())),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::AGAIN) => Ok(None),
            _ => Err(error),
        },
    }
}

fn free(file: &File, range: ByteRange) -> io::Result<()> {
    let mut place = super::file::at(range.start());
    let [low, high] = halves(range.len());
    // SAFETY: as in `set`.
    checked(unsafe { UnlockFileEx(handle::raw(file), 0, low, high, &raw mut place) })
}

fn halves(number: u64) -> [u32; 2] {
    [number & u64::from(u32::MAX), number >> 32].map(|half| u32::try_from(half).unwrap_or(0))
}

/// Gives up a lock of this handle on a range.
///
/// # Errors
///
/// Those of `UnlockFileEx`.
pub(crate) fn unlock_range(file: &File, range: ByteRange) -> io::Result<()> {
    free(file, range)
}

/// Who holds a lock is not told.
pub(crate) fn holder(_: impl AsHandle) -> Option<Holder> {
    None
}

#[cfg(test)]
mod tests;
