//! A range of a file through views, where a call takes memory and not a file.

use std::fs::File;
use std::io;

use super::file;
use super::map::Access;
use super::system::{pages, view};
use crate::units::ByteRange;

/// Bytes that are mapped at once.
const WINDOW_BYTES: u64 = 64 << 20;

/// Maps the pages of a range one window after the other, as far as the file has them, and calls
/// `act` with the begin and the length of each, which stay mapped until it returns. None is
/// touched.
///
/// # Errors
///
/// Those of mapping, and the first of `act`.
pub(super) fn each_window(
    file: &File,
    range: ByteRange,
    mut act: impl FnMut(*mut u8, usize) -> io::Result<()>,
) -> io::Result<()> {
    let len = file::facts(file)?.len;
    let start = range.start() - range.start() % pages::page_bytes() as u64;
    let mut rest = ByteRange::between(start.min(len), range.end().min(len));
    while !rest.is_empty() {
        let (window, tail) = rest.split_at(WINDOW_BYTES);
        let bytes = usize::try_from(window.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let view = view::of_file(file, window.start(), bytes, Access::Read)?;
        act(view.as_mut_ptr(), bytes)?;
        rest = tail;
    }
    Ok(())
}
