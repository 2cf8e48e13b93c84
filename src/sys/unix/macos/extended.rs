//! What files have besides the attributes of POSIX.

use std::fs::File;
use std::os::fd::AsRawFd;

pub(super) use super::bare::attribute_names_len;

/// Gives a new, empty file that flag of an old one that backups obey: no dump (chflags(2)). A file
/// system that has no such flags has nothing to keep.
pub(crate) fn keep_flags(old: &File, new: &File) {
    let flags = |file: &File| rustix::fs::fstat(file).map(|stat| stat.st_flags);
    if let (Ok(old), Ok(flags)) = (flags(old), flags(new))
        && old & libc::UF_NODUMP != 0
    {
        // SAFETY: it takes numbers, and the descriptor is open.
        unsafe { libc::fchflags(new.as_raw_fd(), flags | libc::UF_NODUMP) };
    }
}

/// There are no labels of security modules that a copy could keep.
pub(crate) fn has_security_contexts() -> bool {
    false
}
