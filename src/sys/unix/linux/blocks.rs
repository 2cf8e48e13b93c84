//! Making blocks and holes (fallocate(2)).

use std::fs::File;
use std::io;

use rustix::fs::FallocateFlags;

use crate::units::ByteRange;

/// Makes blocks for `range`, and the file longer if it ends before.
///
/// # Errors
///
/// `EOPNOTSUPP` where the file system cannot.
pub(crate) fn reserve(file: &File, range: ByteRange) -> io::Result<()> {
    allocate(file, FallocateFlags::empty(), range)
}

/// Makes a hole of `range`; the length stays.
pub(crate) fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    allocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, range)
}

fn allocate(file: &File, flags: FallocateFlags, range: ByteRange) -> io::Result<()> {
    if range.is_empty() {
        // fallocate(2): EINVAL for a length of 0.
        return Ok(());
    }
    Ok(rustix::io::retry_on_intr(|| {
        rustix::fs::fallocate(file, flags, range.start(), range.len())
    })?)
}
