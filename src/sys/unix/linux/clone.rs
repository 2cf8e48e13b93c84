//! Copies that the kernel makes.

use std::fs::File;
use std::io;

/// Shares the source's blocks with the target: `FICLONE` (ioctl_ficlone(2)).
pub(crate) fn clone_file(source: &File, target: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(target, source)?)
}

/// Copies in the kernel; fewer bytes than asked for are no error, and 0 is not always the end.
pub(crate) fn copy_file_range(
    source: &File,
    target: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    let mut source_offset = offset;
    let mut target_offset = offset;
    Ok(rustix::io::retry_on_intr(|| {
        rustix::fs::copy_file_range(
            source,
            Some(&mut source_offset),
            target,
            Some(&mut target_offset),
            len,
        )
    })?)
}
