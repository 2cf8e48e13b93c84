//! Copies that the kernel makes.

use std::fs::File;
use std::io;

use rustix::io::Errno;

/// Shares the source's blocks with the target: not with a target that is there. macOS clones only
/// to a new name (clonefile(2)), and the target is open before its content comes.
///
/// # Errors
///
/// `EOPNOTSUPP`, always.
pub(crate) fn clone_file(_: &File, _: &File) -> io::Result<()> {
    Err(Errno::OPNOTSUPP.into())
}

/// No call of this system copies a range of a file.
///
/// # Errors
///
/// `ENOSYS`, always.
pub(crate) fn copy_file_range(_: &File, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(Errno::NOSYS.into())
}
