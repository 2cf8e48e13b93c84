//! What only Windows has, or has in its own way.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::path::Path;

use windows_sys::Wdk::Storage::FileSystem::FILE_OPEN;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ALLOCATION_INFO, FILE_APPEND_DATA, FILE_ATTRIBUTE_COMPRESSED, FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_SPARSE_FILE, FILE_FLAG_NO_BUFFERING, FILE_FLAG_WRITE_THROUGH,
    FILE_STANDARD_INFO, FILE_WRITE_DATA, FileAllocationInfo, FileStandardInfo, FlushFileBuffers,
};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    DUPLICATE_EXTENTS_DATA, FILE_ALLOCATED_RANGE_BUFFER, FILE_ZERO_DATA_INFORMATION,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE, FSCTL_QUERY_ALLOCATED_RANGES, FSCTL_SET_COMPRESSION,
    FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA,
};

use super::Errno;
use super::errno::checked;
use super::handle::{self, AsHandle, OwnedHandle};
use super::native::{self, How};
use super::volume;
use crate::sys::file;
use crate::sys::map::Msync;
use crate::sys::seal::Seal;
use crate::sys::views;
use crate::units::ByteRange;

pub(crate) use super::names::rename_no_replace;
pub(crate) use crate::sys::volume::FileSystem;

/// The kind of file system that holds the object.
pub(crate) fn file_system(handle: impl AsHandle) -> io::Result<FileSystem> {
    if is_remote(&handle) {
        return Ok(FileSystem::Network);
    }
    Ok(kind_of_name(&volume::of(&handle)?.file_system))
}

/// The kind of file system that drivers call so: those of other systems' file systems use their
/// names, and WinFsp begins with `FUSE` what is served through it.
fn kind_of_name(name: &str) -> FileSystem {
    match name.to_ascii_lowercase().as_str() {
        "ext2" | "ext3" | "ext4" => FileSystem::Ext,
        "btrfs" => FileSystem::Btrfs,
        other if other.starts_with("fuse") => FileSystem::Fuse,
        _ => FileSystem::Other,
    }
}

/// Whether an object is on another machine: only then is there a protocol to be told.
pub(super) fn is_remote(object: &impl AsHandle) -> bool {
    use windows_sys::Win32::Storage::FileSystem::{
        FILE_REMOTE_PROTOCOL_INFO, FileRemoteProtocolInfo,
    };
    // SAFETY: that is the structure of the class, of numbers only.
    let told =
        unsafe { super::file::query::<FILE_REMOTE_PROTOCOL_INFO>(object, FileRemoteProtocolInfo) };
    told.is_ok()
}

/// Whether two changes of a file never get the same times: the clock that stamps them has steps of
/// some milliseconds.
pub(crate) fn stamps_are_fine(_: FileSystem) -> bool {
    false
}

/// The system's name and release, such as `Windows 10.0.19045`.
pub(crate) fn kernel() -> String {
    use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
    use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;
    // SAFETY: it has numbers only, for which all zeros are a value.
    let mut found: OSVERSIONINFOW = unsafe { std::mem::zeroed() };
    found.dwOSVersionInfoSize = u32::try_from(size_of::<OSVERSIONINFOW>()).unwrap_or(0);
    // SAFETY: it fills in the structure, whose length it was told; it always succeeds.
    unsafe { RtlGetVersion(&raw mut found) };
    format!("Windows {}.{}.{}", found.dwMajorVersion, found.dwMinorVersion, found.dwBuildNumber)
}

/// Calls `DeviceIoControl` with one structure in, and as many of another out as there is room for;
/// returns the bytes that came.
///
/// # Safety
///
/// They are the structures of the call, of numbers only but for handles that are open.
pub(super) unsafe fn control<In, Out>(
    object: &impl AsHandle,
    code: u32,
    wanted: &In,
    found: &mut [Out],
) -> io::Result<usize> {
    let bytes = |len: usize| u32::try_from(len).map_err(|_| io::ErrorKind::InvalidInput);
    let mut count = 0;
    // SAFETY: both lengths are those of what is passed, and the caller answers for the meaning.
    checked(unsafe {
        DeviceIoControl(
            handle::raw(object),
            code,
            std::ptr::from_ref(wanted).cast::<c_void>(),
            bytes(size_of::<In>())?,
            found.as_mut_ptr().cast(),
            bytes(size_of_val(found))?,
            &raw mut count,
            std::ptr::null_mut(),
        )
    })?;
    Ok(count as usize)
}

/// Gives a new, empty file the compression of an old one. A volume that has no such thing has
/// nothing to keep.
pub(crate) fn keep_flags(old: &File, new: &File) {
    let is_compressed = super::file::basic(old)
        .is_ok_and(|basic| basic.FileAttributes & FILE_ATTRIBUTE_COMPRESSED != 0);
    if is_compressed {
        const DEFAULT_FORMAT: u16 = 1;
        // SAFETY: that is what the call takes, and nothing comes out.
        unsafe { control::<_, u8>(new, FSCTL_SET_COMPRESSION, &DEFAULT_FORMAT, &mut []) }.ok();
    }
}

/// The number of a mount: names are on the volume of their directory, and junctions are links.
pub(crate) fn mount_id(_: impl AsHandle, _: &std::ffi::OsStr) -> Option<u64> {
    None
}

/// Opens a directory several steps below another one: one step after the other has to do.
///
/// # Errors
///
/// `NOSYS`, always.
pub(crate) fn open_beneath(_: impl AsHandle, _: &Path) -> io::Result<OwnedHandle> {
    Err(Errno::NOSYS.into())
}

/// Shares the source's clusters with the target, which gets the source's length ("block cloning":
/// `FSCTL_DUPLICATE_EXTENTS_TO_FILE`).
///
/// # Errors
///
/// `OPNOTSUPP` where the volume has no such thing; ReFS has.
pub(crate) fn clone_file(source: &File, target: &File) -> io::Result<()> {
    // Less than 4 GiB at a time ("Block cloning on ReFS", Microsoft).
    const STEP: u64 = 1 << 30;
    let len = file::facts(source)?.len;
    let cluster = volume::sizes_of(target)?.cluster_bytes().max(1);
    let len_before = file::facts(target)?.len;
    file::set_len(target, len)?;
    let whole = ByteRange::first(len.next_multiple_of(cluster));
    let mut rest = whole;
    loop {
        let (head, tail) = rest.split_at(STEP);
        let number = |value: u64| i64::try_from(value).map_err(|_| io::Error::from(Errno::FBIG));
        let wanted = DUPLICATE_EXTENTS_DATA {
            FileHandle: handle::raw(source),
            SourceFileOffset: number(head.start())?,
            TargetFileOffset: number(head.start())?,
            ByteCount: number(head.len())?,
        };
        // SAFETY: that is what the call takes, with the handle of an open file; nothing comes out.
        unsafe { control::<_, u8>(target, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &wanted, &mut []) }
            // What had no bytes is taken for blank by those who do without the clone.
            .inspect_err(|_| drop(file::set_len(target, len_before)))?;
        if tail.is_empty() {
            return Ok(());
        }
        rest = tail;
    }
}

/// No call of this system copies a range of a file.
///
/// # Errors
///
/// `NOSYS`, always.
pub(crate) fn copy_file_range(_: &File, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(Errno::NOSYS.into())
}

/// Nothing here waits for whoever is writing.
pub(crate) fn seek_data(_: &File) {}

/// The first stretch of data at or behind `offset`; `None` when there is none to the end
/// (`FSCTL_QUERY_ALLOCATED_RANGES`).
///
/// # Errors
///
/// `OPNOTSUPP` means that the volume does not know its holes.
pub(crate) fn next_data(file: &File, offset: u64) -> io::Result<Option<ByteRange>> {
    let len = file::facts(file)?.len;
    if offset >= len {
        return Ok(None);
    }
    if super::file::basic(file)?.FileAttributes & FILE_ATTRIBUTE_SPARSE_FILE == 0 {
        return Ok(Some(ByteRange::between(offset, len)));
    }
    let number = |value: u64| i64::try_from(value).map_err(|_| io::Error::from(Errno::FBIG));
    let wanted =
        FILE_ALLOCATED_RANGE_BUFFER { FileOffset: number(offset)?, Length: number(len - offset)? };
    let mut found = [FILE_ALLOCATED_RANGE_BUFFER { FileOffset: 0, Length: 0 }];
    // SAFETY: these are the structures of the call.
    let asked = unsafe { control(file, FSCTL_QUERY_ALLOCATED_RANGES, &wanted, &mut found) };
    use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
    match asked {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        // There are others behind it.
        Err(error) if error.raw_os_error() == Some(ERROR_MORE_DATA.cast_signed()) => {}
        Err(error) => return Err(error),
    }
    let start = found[0].FileOffset.cast_unsigned();
    let end = start.saturating_add(found[0].Length.cast_unsigned());
    Ok(Some(ByteRange::between(start.max(offset), end.min(len))))
}

/// Makes room for `range`, and the file longer if it ends before (`FileAllocationInfo`).
///
/// # Errors
///
/// `NOSPC` where there is none; `OPNOTSUPP` for a file that is sparse or compressed, whose room is
/// found when it is written.
pub(crate) fn reserve(file: &File, range: ByteRange) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    // SAFETY: that is the structure of the class, of numbers only.
    let before: FILE_STANDARD_INFO = unsafe { super::file::query(file, FileStandardInfo) }?;
    let end = i64::try_from(range.end()).map_err(|_| Errno::FBIG)?;
    // Such a file has less room than its length, and an allocation of less cuts it.
    let attributes = super::file::basic(file)?.FileAttributes;
    if attributes & (FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_COMPRESSED) != 0 {
        return Err(Errno::OPNOTSUPP.into());
    }
    // Any other has room for all of its length.
    if end <= before.EndOfFile {
        return Ok(());
    }
    if before.AllocationSize < end {
        let missing = u64::try_from(end - before.AllocationSize.max(0)).unwrap_or(0);
        if free_bytes_of(file).is_ok_and(|free| free < missing) {
            return Err(Errno::NOSPC.into());
        }
        let wanted = FILE_ALLOCATION_INFO { AllocationSize: end };
        // SAFETY: that is the structure of the class.
        unsafe { super::file::set(file, FileAllocationInfo, &wanted) }?;
    }
    file::set_len(file, range.end())
}

/// Makes a hole of `range`; the length stays (`FSCTL_SET_SPARSE`, `FSCTL_SET_ZERO_DATA`).
pub(crate) fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    let number = |value: u64| i64::try_from(value).map_err(|_| io::Error::from(Errno::FBIG));
    // SAFETY: the call takes nothing, and nothing comes out.
    unsafe { control::<_, u8>(file, FSCTL_SET_SPARSE, &(), &mut []) }?;
    let wanted = FILE_ZERO_DATA_INFORMATION {
        FileOffset: number(range.start())?,
        BeyondFinalZero: number(range.end())?,
    };
    // SAFETY: that is what the call takes, and nothing comes out.
    unsafe { control::<_, u8>(file, FSCTL_SET_ZERO_DATA, &wanted, &mut []) }.map(drop)
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

/// Content on the disk, and what is needed to read it.
pub(crate) fn sync_data(file: impl AsHandle) -> io::Result<()> {
    sync_all(file)
}

/// Content, length and all attributes on the disk (`FlushFileBuffers`), and of a directory its
/// names.
pub(crate) fn sync_all(file: impl AsHandle) -> io::Result<()> {
    // SAFETY: it takes a handle.
    match checked(unsafe { FlushFileBuffers(handle::raw(&file)) }) {
        // A handle for reading cannot flush; another one of the same file can.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::ACCESS) => {
            // Either will do, and of a directory they are the rights to make names in it.
            let again = super::attributes::reopened(&file, FILE_WRITE_DATA)
                .or_else(|_| super::attributes::reopened(&file, FILE_APPEND_DATA))?;
            // SAFETY: as above.
            checked(unsafe { FlushFileBuffers(handle::raw(&again)) })
        }
        flushed => flushed,
    }
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

/// A file without a name cannot be made.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn unnamed_file(_: impl AsHandle) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens an existing file for writes that go past the cache and are on the disk when they return.
/// They must begin and end at multiples of a sector, in memory too.
pub(crate) fn open_direct(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    let flags = FILE_FLAG_NO_BUFFERING | FILE_FLAG_WRITE_THROUGH;
    File::options().write(true).custom_flags(flags).open(path)
}

/// There are no labels of security modules.
pub(crate) fn has_security_contexts() -> bool {
    false
}

/// Has the calling thread run only when no other wants to.
pub(crate) fn give_way() {
    use windows_sys::Win32::System::Threading::{
        GetCurrentThread, SetThreadPriority, THREAD_MODE_BACKGROUND_BEGIN,
    };
    // SAFETY: it takes nothing; what it returns stands for this thread.
    let thread = unsafe { GetCurrentThread() };
    // SAFETY: it takes the thread and a number.
    unsafe { SetThreadPriority(thread, THREAD_MODE_BACKGROUND_BEGIN) };
}

/// Only administrators may flush a volume, so that each file is flushed by itself.
///
/// # Errors
///
/// `NOSYS`, always.
pub(crate) fn sync_file_system(_: impl AsHandle) -> io::Result<()> {
    Err(Errno::NOSYS.into())
}

/// As [`sync_file_system`].
pub(crate) fn sync_tells_errors(_: FileSystem) -> bool {
    false
}

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

/// Memory without a name cannot be had as a file.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn file_in_memory(_: &str) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing can be sealed.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn add_seals(_: &File, _: &[Seal]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// As [`add_seals`].
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn seals(_: &File) -> io::Result<Vec<Seal>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Bytes that this user may still fill on the volume of an open object.
///
/// # Errors
///
/// Those of `NtQueryVolumeInformationFile`.
pub(crate) fn free_bytes_of(object: &impl AsHandle) -> io::Result<u64> {
    let sizes = volume::sizes_of(object)?;
    Ok(sizes.available_clusters.saturating_mul(sizes.cluster_bytes()))
}

#[cfg(test)]
mod tests;
