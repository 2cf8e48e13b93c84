//! Data and holes, and space on the volume.

use std::fs::File;
use std::io;

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ALLOCATION_INFO, FILE_ATTRIBUTE_COMPRESSED, FILE_ATTRIBUTE_OFFLINE,
    FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, FILE_ATTRIBUTE_RECALL_ON_OPEN,
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_SPARSE_FILE, FILE_STANDARD_INFO,
    FileAllocationInfo, FileStandardInfo,
};
use windows_sys::Win32::System::Ioctl::{
    FILE_ALLOCATED_RANGE_BUFFER, FILE_ZERO_DATA_INFORMATION, FSCTL_QUERY_ALLOCATED_RANGES,
    FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA,
};

use super::handle::AsHandle;
use super::native::control;
use super::{Errno, flush, volume};
use crate::sys::file;
use crate::units::ByteRange;

/// Nothing here waits for whoever is writing.
pub(crate) fn seek_data(_: &File) {}

/// Has what is stored through maps of a file with holes count as data: a page that is not on the
/// volume yet has no room there, and might pass for a hole.
///
/// # Errors
///
/// Those of writing the pages out.
pub(crate) fn settle_data(file: &File) -> io::Result<()> {
    if has_holes(super::file::basic(file)?.FileAttributes) {
        flush::start_write_out(file, ByteRange::first(u64::MAX))?;
    }
    Ok(())
}

/// Whether a file of these attributes can have holes that its volume tells of. The bytes of one
/// whose content is elsewhere (of cloud storage, of an archive, of the volume's deduplication) have
/// no room on the volume, and are there when they are read.
const fn has_holes(attributes: u32) -> bool {
    const ELSEWHERE: u32 = FILE_ATTRIBUTE_REPARSE_POINT
        | FILE_ATTRIBUTE_OFFLINE
        | FILE_ATTRIBUTE_RECALL_ON_OPEN
        | FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS;
    attributes & FILE_ATTRIBUTE_SPARSE_FILE != 0 && attributes & ELSEWHERE == 0
}

/// Has what is not written of a new file be holes, where the volume has such (`FSCTL_SET_SPARSE`).
///
/// # Errors
///
/// Those of the call, but for "there are none".
pub(crate) fn allow_holes(file: &File) -> io::Result<()> {
    match make_sparse(file) {
        Ok(()) => Ok(()),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            _ => Err(error),
        },
    }
}

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
    if !has_holes(super::file::basic(file)?.FileAttributes) {
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
        if free_bytes(file).is_ok_and(|free| free < missing) {
            return Err(Errno::NOSPC.into());
        }
        let wanted = FILE_ALLOCATION_INFO { AllocationSize: end };
        // SAFETY: that is the structure of the class.
        unsafe { super::file::set(file, FileAllocationInfo, &wanted) }?;
    }
    file::set_len(file, range.end())
}

fn make_sparse(file: &File) -> io::Result<()> {
    // SAFETY: the call takes nothing, and nothing comes out.
    unsafe { control::<_, u8>(file, FSCTL_SET_SPARSE, &(), &mut []) }.map(drop)
}

/// Makes a hole of `range`; the length stays (`FSCTL_SET_SPARSE`, `FSCTL_SET_ZERO_DATA`).
pub(crate) fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    let number = |value: u64| i64::try_from(value).map_err(|_| io::Error::from(Errno::FBIG));
    make_sparse(file)?;
    let wanted = FILE_ZERO_DATA_INFORMATION {
        FileOffset: number(range.start())?,
        BeyondFinalZero: number(range.end())?,
    };
    // SAFETY: that is what the call takes, and nothing comes out.
    unsafe { control::<_, u8>(file, FSCTL_SET_ZERO_DATA, &wanted, &mut []) }.map(drop)
}

/// Why a page inside of the file cannot be stored to, as far as can be told without storing: there
/// is no space left.
///
/// # Errors
///
/// `ERROR_DISK_FULL` where there is none.
pub(crate) fn reserve_page(file: &File, _: ByteRange) -> io::Result<()> {
    if free_bytes(file)? == 0 { Err(Errno::NOSPC.into()) } else { Ok(()) }
}

/// Bytes that this user may still fill on the volume of an open object.
///
/// # Errors
///
/// Those of `NtQueryVolumeInformationFile`.
fn free_bytes(object: &impl AsHandle) -> io::Result<u64> {
    let sizes = volume::sizes_of(object)?;
    Ok(sizes.available_clusters.saturating_mul(sizes.cluster_bytes()))
}

#[cfg(test)]
mod tests;
