//! Making blocks and holes (fcntl(2)).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rustix::io::Errno;

use super::errno::{checked, plain};
use crate::sys::file;
use crate::units::ByteRange;

/// Makes blocks up to the end of `range`, and the file longer if it ends before (`F_PREALLOCATE`,
/// fcntl(2)), which makes them behind the last one only.
///
/// # Errors
///
/// `EOPNOTSUPP` where the file system cannot, or the file has holes; `ENOSPC` where there is no
/// room.
pub(crate) fn reserve(file: &File, range: ByteRange) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let facts = file::facts(file)?;
    if facts.allocated < facts.len {
        return Err(Errno::OPNOTSUPP.into());
    }
    if facts.allocated < range.end() {
        let missing = range.end() - facts.allocated;
        let mut wanted = libc::fstore_t {
            fst_flags: libc::F_ALLOCATEALL,
            fst_posmode: libc::F_PEOFPOSMODE,
            fst_offset: 0,
            fst_length: i64::try_from(missing).map_err(|_| Errno::FBIG)?,
            fst_bytesalloc: 0,
        };
        // SAFETY: the call takes one `fstore_t`, which lives as long as it.
        checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PREALLOCATE, &raw mut wanted) })
            .map_err(plain)?;
    }
    if facts.len < range.end() { file::set_len(file, range.end()) } else { Ok(()) }
}

/// Makes a hole of `range`; the length stays (`F_PUNCHHOLE`, fcntl(2)).
///
/// # Errors
///
/// `EINVAL` where it does not begin and end with blocks, `EOPNOTSUPP` and `ENOTTY` where the file
/// system makes no holes.
pub(crate) fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let wanted = libc::fpunchhole_t {
        fp_flags: 0,
        reserved: 0,
        fp_offset: i64::try_from(range.start()).map_err(|_| Errno::FBIG)?,
        fp_length: i64::try_from(range.len()).map_err(|_| Errno::FBIG)?,
    };
    // SAFETY: the call takes one `fpunchhole_t`, which lives as long as it.
    checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PUNCHHOLE, &raw const wanted) })
        .map(drop)
        .map_err(plain)
}
