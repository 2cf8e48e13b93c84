//! Mutexes in shared memory whose waiters are told when the owner dies. The threads of macOS have
//! no robust ones (`pthread.h`), and one that is locked for ever when its owner dies is not made.

use std::io;
use std::time::Instant;

use crate::sys::place::Place;
use crate::sys::robust::Acquired;

/// Bytes of a mutex, where there are any.
pub(crate) const MUTEX_BYTES: usize = 40;

fn absent<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "macOS has no mutexes that tell of the death of their owner",
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

/// None can be locked.
///
/// # Errors
///
/// As above.
pub(crate) fn lock(_: &Place, _: usize, _: Option<Instant>) -> io::Result<Acquired> {
    absent()
}

/// None can be repaired.
///
/// # Errors
///
/// As above.
pub(crate) fn make_consistent(_: &Place, _: usize) -> io::Result<()> {
    absent()
}

/// None can be held.
pub(crate) fn unlock(_: &Place, _: usize) {}
