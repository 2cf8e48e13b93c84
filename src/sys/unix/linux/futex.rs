//! Sleeping until a word in shared memory changes (futex(2)).

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec};

use crate::sys::place::Place;

/// Bytes of the word, and of what belongs to it.
pub(crate) const BYTES: usize = size_of::<u32>();

/// Makes the word at an offset of the place: 0.
///
/// # Errors
///
/// None.
pub(crate) fn init(place: &Place, offset: usize) -> io::Result<()> {
    place.word(offset).store(0, Ordering::SeqCst);
    Ok(())
}

/// Sleeps until the word is not `seen`, or somebody wakes, or the time is up, or for no reason.
///
/// # Errors
///
/// Those of futex(2) that are none of these.
pub(crate) fn wait(place: &Place, offset: usize, seen: u32, time: Duration) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    match futex::wait(place.word(offset), Flags::empty(), seen, Some(&timeout)) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Adds one to the word, and wakes so many of those who sleep.
///
/// # Errors
///
/// Those of futex(2).
pub(crate) fn advance(place: &Place, offset: usize, count: u32) -> io::Result<()> {
    let word = place.word(offset);
    word.fetch_add(1, Ordering::SeqCst);
    // The kernel counts in signed numbers.
    Ok(futex::wake(word, Flags::empty(), count.min(i32::MAX.cast_unsigned())).map(drop)?)
}
