//! Sleeping until a word in shared memory changes. Systems older than macOS 14.4 cannot; and no
//! condition is waited for without a mutex, of which there are none here.

use std::io;
use std::time::Duration;

use crate::sys::place::Place;

/// Bytes of the word.
pub(crate) const BYTES: usize = size_of::<u32>();

fn absent<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "macOS has no mutexes to wait for a condition with",
    ))
}

/// None can be made.
///
/// # Errors
///
/// `Unsupported`, always; so below.
pub(crate) fn init(_: &Place, _: usize) -> io::Result<()> {
    absent()
}

/// Nobody can sleep so.
///
/// # Errors
///
/// As above.
pub(crate) fn wait(_: &Place, _: usize, _: u32, _: Duration) -> io::Result<()> {
    absent()
}

/// Nobody sleeps so.
///
/// # Errors
///
/// As above.
pub(crate) fn advance(_: &Place, _: usize, _: u32) -> io::Result<()> {
    absent()
}
