//! Copies that the system makes.

use std::fs::File;
use std::io;

use windows_sys::Win32::System::Ioctl::{DUPLICATE_EXTENTS_DATA, FSCTL_DUPLICATE_EXTENTS_TO_FILE};

use super::native::control;
use super::{Errno, handle, volume};
use crate::sys::file;
use crate::units::ByteRange;

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

#[cfg(test)]
mod tests;
