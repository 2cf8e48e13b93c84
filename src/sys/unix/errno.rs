//! What libc's calls fail with.

use std::ffi::c_int;
use std::io;

use rustix::io::Errno;

/// The error of a libc call that has just failed.
#[expect(clippy::disallowed_methods, reason = "the one place that may ask, right after the call")]
pub(super) fn errno_of_libc() -> io::Error {
    io::Error::last_os_error()
}

/// What a call returned: -1 is failure.
pub(super) fn checked(returned: c_int) -> io::Result<c_int> {
    if returned == -1 { Err(errno_of_libc()) } else { Ok(returned) }
}

/// "Not supported" has two numbers on macOS, of which the callers know one.
pub(super) fn plain(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::NOTSUP) => Errno::OPNOTSUPP.into(),
        _ => error,
    }
}
