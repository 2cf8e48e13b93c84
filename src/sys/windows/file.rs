//! Open objects.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_APPEND_DATA, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_SYSTEM,
    FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO, FILE_BEGIN, FILE_END_OF_FILE_INFO, FILE_ID_INFO,
    FILE_INFO_BY_HANDLE_CLASS, FILE_READ_DATA, FILE_STANDARD_INFO, FILE_TYPE_CHAR, FILE_TYPE_DISK,
    FILE_TYPE_PIPE, FILE_WRITE_DATA, FileAttributeTagInfo, FileBasicInfo, FileEndOfFileInfo,
    FileIdInfo, FileStandardInfo, GetFileInformationByHandle, GetFileInformationByHandleEx,
    GetFileType, ReadFile, SetFileInformationByHandle, SetFilePointerEx, WriteFile,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};
use windows_sys::Win32::System::Threading::WaitForSingleObject;

use super::errno::{checked, last, status};
use super::handle::{self, AsHandle};
use super::{file_system, flush};
use crate::options::ObjectId;
use crate::sys::file::{Facts, Kind, Ready, Timestamp};

/// Bit 29 of a reparse tag: another name is behind it, as behind links ([MS-FSCC] 2.1.2.1).
const NAME_SURROGATE: u32 = 0x2000_0000;

/// What the permission bits of an object without the read-only flag say, and with it: this system
/// has access control lists in their place, which are not asked.
const WRITABLE: u32 = 0o666;
const READ_ONLY: u32 = 0o444;
const SEARCHABLE: u32 = 0o111;

/// Bits of a [`Facts::mode`] above the permission bits.
pub(super) const HIDDEN: u32 = 1 << 16;
pub(super) const SYSTEM: u32 = 1 << 17;

/// The permission bits and flags that file attributes are told as.
pub(super) fn mode_of(attributes: u32) -> u32 {
    let permissions = if attributes & FILE_ATTRIBUTE_READONLY == 0 { WRITABLE } else { READ_ONLY };
    let search = if attributes & FILE_ATTRIBUTE_DIRECTORY == 0 { 0 } else { SEARCHABLE };
    let hidden = if attributes & FILE_ATTRIBUTE_HIDDEN == 0 { 0 } else { HIDDEN };
    let system = if attributes & FILE_ATTRIBUTE_SYSTEM == 0 { 0 } else { SYSTEM };
    permissions | search | hidden | system
}

/// What file attributes and the tag of a reparse point say of an object on a volume.
pub(super) fn kind_of(attributes: u32, tag: u32) -> Kind {
    if attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 && tag & NAME_SURROGATE != 0 {
        Kind::Symlink
    } else if attributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
        Kind::Directory
    } else {
        Kind::Regular
    }
}

/// 100 ns from 1601 to 1970.
const EPOCH: i64 = 116_444_736_000_000_000;
const PER_SECOND: i64 = 10_000_000;

/// The moment that a `FILETIME` is.
pub(super) fn timestamp(time: i64) -> Timestamp {
    let since = time.saturating_sub(EPOCH);
    let nanoseconds = since.rem_euclid(PER_SECOND) * 100;
    Timestamp {
        seconds: since.div_euclid(PER_SECOND),
        nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
    }
}

/// The `FILETIME` of a moment, cut to its steps of 100 ns.
pub(super) fn file_time(time: Timestamp) -> i64 {
    let steps = i64::from(time.nanoseconds / 100);
    time.seconds.saturating_mul(PER_SECOND).saturating_add(steps).saturating_add(EPOCH)
}

/// What `GetFileInformationByHandleEx` tells of one class, whose structure `T` is.
///
/// # Safety
///
/// `T` is the structure of the class, and has no value that is not one.
pub(super) unsafe fn query<T>(
    object: &impl AsHandle,
    class: FILE_INFO_BY_HANDLE_CLASS,
) -> io::Result<T> {
    let mut found = MaybeUninit::<T>::zeroed();
    let bytes = u32::try_from(size_of::<T>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: it writes as many bytes as it is told that there are.
    checked(unsafe {
        let into = found.as_mut_ptr().cast::<c_void>();
        GetFileInformationByHandleEx(handle::raw(object), class, into, bytes)
    })?;
    // SAFETY: it was filled in, and the caller answers for its values.
    Ok(unsafe { found.assume_init() })
}

/// The basic information of an object: attributes and times.
pub(super) fn basic(object: &impl AsHandle) -> io::Result<FILE_BASIC_INFO> {
    // SAFETY: that is the structure of the class, of numbers only.
    unsafe { query(object, FileBasicInfo) }
}

/// The facts of an open object.
pub(crate) fn facts(handle: impl AsHandle) -> io::Result<Facts> {
    // SAFETY: it takes a handle.
    match unsafe { GetFileType(handle::raw(&handle)) } {
        FILE_TYPE_DISK => facts_on_volume(&handle),
        FILE_TYPE_PIPE => Ok(nameless(Kind::Pipe)),
        FILE_TYPE_CHAR => Ok(nameless(Kind::CharDevice)),
        // Zero is an error, or a type that nobody knows, which is none.
        _ => Err(match last() {
            error if error.raw_os_error() == Some(0) => io::ErrorKind::Unsupported.into(),
            error => error,
        }),
    }
}

/// Whether an object is a file or a directory, or a link to one.
pub(super) fn is_on_volume(object: &impl AsHandle) -> bool {
    // SAFETY: it takes a handle.
    unsafe { GetFileType(handle::raw(object)) == FILE_TYPE_DISK }
}

fn facts_on_volume(object: &impl AsHandle) -> io::Result<Facts> {
    let basic = basic(object)?;
    // SAFETY: that is the structure of the class, of numbers only.
    let standard: FILE_STANDARD_INFO = unsafe { query(object, FileStandardInfo) }?;
    let tag = if basic.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        0
    } else {
        // SAFETY: as above.
        let found: FILE_ATTRIBUTE_TAG_INFO = unsafe { query(object, FileAttributeTagInfo) }?;
        found.ReparseTag
    };
    Ok(Facts {
        id: id_of(object)?,
        kind: kind_of(basic.FileAttributes, tag),
        len: standard.EndOfFile.cast_unsigned(),
        allocated: standard.AllocationSize.cast_unsigned(),
        links: standard.NumberOfLinks.into(),
        device: 0,
        uid: 0,
        gid: 0,
        mode: mode_of(basic.FileAttributes),
        accessed: timestamp(basic.LastAccessTime),
        modified: timestamp(basic.LastWriteTime),
        changed: timestamp(basic.ChangeTime),
        born: Some(timestamp(basic.CreationTime)),
    })
}

/// The serial number of the volume, and the number of the file on it, of 128 bits where the volume
/// has such (`FileIdInfo`).
fn id_of(object: &impl AsHandle) -> io::Result<ObjectId> {
    // SAFETY: that is the structure of the class, of numbers only.
    if let Ok(found) = unsafe { query::<FILE_ID_INFO>(object, FileIdInfo) } {
        let ino = u128::from_le_bytes(found.FileId.Identifier);
        return Ok(ObjectId { dev: found.VolumeSerialNumber, ino });
    }
    // Servers and FAT know shorter ones.
    let mut found = MaybeUninit::<BY_HANDLE_FILE_INFORMATION>::zeroed();
    // SAFETY: it fills in the structure that it is given.
    checked(unsafe { GetFileInformationByHandle(handle::raw(object), found.as_mut_ptr()) })?;
    // SAFETY: it has numbers only.
    let found = unsafe { found.assume_init() };
    let ino = u128::from(found.nFileIndexHigh) << 32 | u128::from(found.nFileIndexLow);
    Ok(ObjectId { dev: found.dwVolumeSerialNumber.into(), ino })
}

/// What is on no volume: a pipe, or a device.
fn nameless(kind: Kind) -> Facts {
    let never = Timestamp { seconds: 0, nanoseconds: 0 };
    Facts {
        id: ObjectId { dev: u64::MAX, ino: 0 },
        kind,
        len: 0,
        allocated: 0,
        links: 1,
        device: 0,
        uid: 0,
        gid: 0,
        mode: WRITABLE,
        accessed: never,
        modified: never,
        changed: never,
        born: None,
    }
}

/// All handles that are made here wait.
pub(crate) fn set_blocking(_: impl AsHandle) -> io::Result<()> {
    Ok(())
}

/// Bytes of one transfer, which the system counts in 32 bits.
const TRANSFER_MAX: usize = 1 << 30;

/// An offset as `ReadFile` and `WriteFile` take it.
pub(super) fn at(offset: u64) -> OVERLAPPED {
    let [low, high] = [offset & u64::from(u32::MAX), offset >> 32];
    OVERLAPPED {
        Internal: 0,
        InternalHigh: 0,
        Anonymous: OVERLAPPED_0 {
            Anonymous: OVERLAPPED_0_0 {
                Offset: u32::try_from(low).unwrap_or(0),
                OffsetHigh: u32::try_from(high).unwrap_or(0),
            },
        },
        hEvent: std::ptr::null_mut(),
    }
}

/// Reads at `offset`; fewer bytes than asked for, or 0 at the end, are no error. The handle's own
/// position moves.
pub(crate) fn read_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    read(file, Some(offset), into)
}

fn read(object: &impl AsHandle, offset: Option<u64>, into: &mut [u8]) -> io::Result<usize> {
    let len = u32::try_from(into.len().min(TRANSFER_MAX)).unwrap_or(u32::MAX);
    let mut place = offset.map(at);
    let place = place.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let mut count = 0;
    // SAFETY: the buffer has so many bytes, and the call is over when it returns, because the
    // handle is not an overlapped one: none is made here, and `streams` refuses others' that are.
    let done = checked(unsafe {
        ReadFile(handle::raw(object), into.as_mut_ptr(), len, &raw mut count, place)
    });
    match done {
        Ok(()) => Ok(count as usize),
        // With an offset the end is an error, and so is that of a pipe.
        Err(error) if is_end(&error) => Ok(0),
        Err(error) => Err(error),
    }
}

fn is_end(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(i32::cast_unsigned);
    matches!(number, Some(ERROR_HANDLE_EOF | ERROR_BROKEN_PIPE))
}

/// Writes at `offset`; fewer bytes than given are no error. The handle's own position moves.
pub(crate) fn write_at(file: &File, offset: u64, from: &[u8]) -> io::Result<usize> {
    write(file, Some(offset), from)
}

fn write(object: &impl AsHandle, offset: Option<u64>, from: &[u8]) -> io::Result<usize> {
    let len = u32::try_from(from.len().min(TRANSFER_MAX)).unwrap_or(u32::MAX);
    let mut place = offset.map(at);
    let place = place.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let mut count = 0;
    // SAFETY: as in `read`.
    checked(unsafe { WriteFile(handle::raw(object), from.as_ptr(), len, &raw mut count, place) })?;
    Ok(count as usize)
}

/// Reads at the handle's own position.
pub(crate) fn read_next(handle: impl AsHandle, into: &mut [u8]) -> io::Result<usize> {
    read(&handle, None, into)
}

/// Writes at the handle's own position.
pub(crate) fn write_next(handle: impl AsHandle, from: &[u8]) -> io::Result<usize> {
    write(&handle, None, from)
}

/// Moves the handle's own position there.
pub(crate) fn seek_to(handle: impl AsHandle, offset: u64) -> io::Result<()> {
    let offset = i64::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let handle = handle::raw(&handle);
    // SAFETY: the new position is not asked for.
    checked(unsafe { SetFilePointerEx(handle, offset, std::ptr::null_mut(), FILE_BEGIN) })
}

/// There are no groups that files are given to.
pub(crate) fn may_give_group(_: u32) -> bool {
    false
}

/// What a handle may be used for (`FileAccessInformation`).
fn access_of(object: &impl AsHandle) -> io::Result<u32> {
    use windows_sys::Wdk::Storage::FileSystem::{FileAccessInformation, NtQueryInformationFile};
    use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
    let mut access = 0_u32;
    let mut block = MaybeUninit::<IO_STATUS_BLOCK>::zeroed();
    // SAFETY: the class has one number of 32 bits, which there is room for.
    status(unsafe {
        NtQueryInformationFile(
            handle::raw(object),
            block.as_mut_ptr(),
            (&raw mut access).cast(),
            4,
            FileAccessInformation,
        )
    })?;
    Ok(access)
}

/// Whether a handle with these rights can have written: no other can be flushed.
const fn writes(access: u32) -> bool {
    access & (FILE_WRITE_DATA | FILE_APPEND_DATA) != 0
}

/// Whether a handle was opened for reading.
pub(crate) fn is_readable(handle: impl AsHandle) -> bool {
    access_of(&handle).is_ok_and(|access| access & FILE_READ_DATA != 0)
}

/// Whether the handle was opened for reading and writing.
pub(crate) fn is_writable(handle: impl AsHandle) -> bool {
    let both = FILE_READ_DATA | FILE_WRITE_DATA;
    access_of(&handle).is_ok_and(|access| access & both == both)
}

/// Whether a directory's handle can be flushed: only if it was opened with the right to make names
/// in it.
pub(crate) fn can_flush(directory: impl AsHandle) -> io::Result<bool> {
    // The rights to make files and directories are those to write and to append.
    Ok(writes(access_of(&directory)?))
}

/// Whether somebody may be writing into the file without its times telling: "the last write time is
/// not fully updated until all handles used for writing have been closed" (`WriteFile`), and what
/// is stored through a view sets it later still.
///
/// Who has the file open for writing, or mapped so, keeps it from being opened by one who shares it
/// with no writer, which is tried; that takes the right to read data, since others are not about
/// sharing. Whoever opens the file for writing in that moment is refused. Whatever else keeps it
/// from being opened leaves the question open.
pub(crate) fn may_have_silent_writer(file: &File) -> bool {
    use super::native::{self, How};
    use windows_sys::Wdk::Storage::FileSystem::{FILE_OPEN, FILE_OPEN_REPARSE_POINT};
    use windows_sys::Win32::Storage::FileSystem::{
        FILE_ATTRIBUTE_NORMAL, FILE_SHARE_DELETE, FILE_SHARE_READ,
    };
    let how = How {
        access: FILE_READ_DATA,
        disposition: FILE_OPEN,
        options: FILE_OPEN_REPARSE_POINT,
        attributes: FILE_ATTRIBUTE_NORMAL,
    };
    let share = FILE_SHARE_READ | FILE_SHARE_DELETE;
    native::open_shared(Some(handle::raw(file)), &[], how, share).is_err()
}

/// Waits until the handle is ready, at an end, or in error; `false` when `timeout` comes first.
///
/// Only a console tells that something can be read; everything else is ready when it is asked,
/// and a read of it waits.
pub(crate) fn wait_ready(
    handle: impl AsHandle,
    ready: Ready,
    timeout: Duration,
) -> io::Result<bool> {
    if ready == Ready::ToWrite || !is_console(&handle) {
        return Ok(true);
    }
    let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX - 1);
    // SAFETY: it takes a handle.
    match unsafe { WaitForSingleObject(handle::raw(&handle), milliseconds) } {
        WAIT_OBJECT_0 => Ok(true),
        WAIT_TIMEOUT => Ok(false),
        _ => Err(last()),
    }
}

/// Whether it is a console, and not another device: those have no mode of a console.
fn is_console(object: &impl AsHandle) -> bool {
    use windows_sys::Win32::System::Console::GetConsoleMode;
    let mut mode = 0;
    // SAFETY: it fills in the number that it is given.
    unsafe { GetConsoleMode(handle::raw(object), &raw mut mode) != 0 }
}

/// No limit is set to the length of files.
pub(crate) fn len_max() -> u64 {
    u64::MAX
}

/// Sets the length; a longer one reads as zeros.
///
/// # Errors
///
/// `ERROR_USER_MAPPED_FILE` (1224) for a shorter one while somebody has mapped the file.
pub(crate) fn set_len(file: &File, len: u64) -> io::Result<()> {
    let end = i64::try_from(len).map_err(|_| super::Errno::FBIG)?;
    // SAFETY: that is the structure of the class.
    unsafe { set(file, FileEndOfFileInfo, &FILE_END_OF_FILE_INFO { EndOfFile: end }) }
}

/// Calls `SetFileInformationByHandle` for one class, whose structure `T` is.
///
/// # Safety
///
/// `T` is the structure of the class.
pub(super) unsafe fn set<T>(
    object: &impl AsHandle,
    class: FILE_INFO_BY_HANDLE_CLASS,
    wanted: &T,
) -> io::Result<()> {
    let bytes = u32::try_from(size_of::<T>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let from = std::ptr::from_ref(wanted).cast();
    // SAFETY: it reads as many bytes as it is told that there are, and the caller answers for
    // their meaning.
    checked(unsafe { SetFileInformationByHandle(handle::raw(object), class, from, bytes) })
}

/// Whether the name of a file is on the disk only when the file itself is flushed under it: on FAT
/// the flush of a directory does nothing, and that of a file takes its directories with it.
pub(crate) const NAME_GOES_WITH_FILE: bool = true;

/// Closes the file and reports what the system says to that.
///
/// `CloseHandle` says nothing of what is still to be written. Of a file on another machine, which
/// may be gone by then, that is asked for before, as NFS does it at each close.
pub(crate) fn close(file: File) -> io::Result<()> {
    use std::os::windows::io::IntoRawHandle;
    use windows_sys::Win32::Foundation::CloseHandle;
    if access_of(&file).is_ok_and(writes) && file_system::is_remote(&file) {
        flush::sync_all(&file)?;
    }
    // SAFETY: the handle was owned by `file`, which gives it up here.
    checked(unsafe { CloseHandle(file.into_raw_handle()) })
}

/// Nobody here may do what only the superuser may.
pub(crate) fn is_superuser() -> bool {
    false
}

/// All objects belong to this user, as far as numbers tell: owners have none here.
pub(crate) fn effective_uid() -> u32 {
    0
}

/// As with users.
pub(crate) fn effective_gid() -> u32 {
    0
}

/// A table of handles grows without anybody waiting for it.
pub(crate) fn reserve_descriptors(_: impl AsHandle, _: u64) {}

/// Handles are limited by memory only, some 16 million for a process; it is a limit that keeps
/// memory small.
pub(crate) fn descriptors_max() -> u64 {
    1 << 16
}

/// There is no limit to be raised.
pub(crate) fn raise_descriptors_max() {}

/// The file as `flush::write_through` takes it: opened again, for writes that are on the disk
/// when they return (`FILE_FLAG_WRITE_THROUGH`).
///
/// # Errors
///
/// Those of opening it.
pub(crate) fn to_write_through(file: &File) -> io::Result<File> {
    use super::native::{self, How};
    use windows_sys::Wdk::Storage::FileSystem::{FILE_OPEN, FILE_WRITE_THROUGH};
    use windows_sys::Win32::Foundation::GENERIC_WRITE;
    use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_NORMAL;
    let how = How {
        access: GENERIC_WRITE,
        disposition: FILE_OPEN,
        options: FILE_WRITE_THROUGH,
        attributes: FILE_ATTRIBUTE_NORMAL,
    };
    Ok(native::open(Some(handle::raw(file)), &[], how)?.into())
}

#[cfg(test)]
mod tests;
