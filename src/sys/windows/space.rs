//! Space on the volume, asked for where a store found none.

use std::fs::File;
use std::io;

use super::{Errno, platform};
use crate::units::ByteRange;

/// Why a page inside of the file cannot be stored to, as far as can be told without storing: there
/// is no space left.
///
/// # Errors
///
/// `ERROR_DISK_FULL` where there is none.
pub(crate) fn reserve_page(file: &File, _: ByteRange) -> io::Result<()> {
    if platform::free_bytes_of(file)? == 0 { Err(Errno::NOSPC.into()) } else { Ok(()) }
}
