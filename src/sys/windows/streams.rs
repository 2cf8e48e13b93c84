//! Standard input and output.

use std::fs::File;
use std::io;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;

use super::Errno;
use super::handle::{self, AsHandle};

/// Standard input as a file of its own.
///
/// # Errors
///
/// `BADF` if there is none.
pub(crate) fn standard_input() -> io::Result<File> {
    own(&io::stdin())
}

/// Standard output as a file of its own.
///
/// # Errors
///
/// `BADF` if there is none.
pub(crate) fn standard_output() -> io::Result<File> {
    own(&io::stdout())
}

fn own(stream: &impl AsHandle) -> io::Result<File> {
    // Duplicated, the second would be this process: it has the number that stands for that.
    if [std::ptr::null_mut(), INVALID_HANDLE_VALUE].contains(&handle::raw(stream)) {
        return Err(Errno::BADF.into());
    }
    Ok(handle::of(stream).try_clone_to_owned()?.into())
}
