//! Standard input and output, and whether they were there when the program started.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU8, Ordering};

/// One bit for each standard descriptor that was closed at the start.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Called by the C library before Rust's runtime, which opens /dev/null in the place of a
/// standard stream that is closed: from then on a copy to nowhere would look like a good one.
#[used]
// SAFETY: the section holds addresses of functions of this type, which are called once, before
// `main`, on the only thread; the function needs nothing that is not there yet.
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
// SAFETY: as above.
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static AT_START: extern "C" fn() = note_closed;

extern "C" fn note_closed() {
    for descriptor in 0..2 {
        // SAFETY: F_GETFD takes any number, passes no memory, and changes nothing.
        let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFD) };
        if flags == -1 {
            CLOSED.fetch_or(1 << descriptor, Ordering::Relaxed);
        }
    }
}

/// Standard input as a file of its own.
///
/// # Errors
///
/// `EBADF` if it was closed when the program started.
pub(crate) fn standard_input() -> io::Result<File> {
    own(rustix::stdio::stdin())
}

/// Standard output as a file of its own.
///
/// # Errors
///
/// `EBADF` if it was closed when the program started.
pub(crate) fn standard_output() -> io::Result<File> {
    own(rustix::stdio::stdout())
}

fn own(stream: impl AsFd) -> io::Result<File> {
    let bit = 1 << stream.as_fd().as_raw_fd();
    if CLOSED.load(Ordering::Relaxed) & bit != 0 {
        return Err(rustix::io::Errno::BADF.into());
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(stream, 3)?.into())
}
