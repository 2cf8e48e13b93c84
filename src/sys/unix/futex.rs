//! Sleeping until a word in shared memory changes (futex(2)).

use std::io;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec};

/// Sleeps until the word is not `seen`, or somebody wakes, or the time is up, or for no reason.
///
/// # Errors
///
/// Those of futex(2) that are none of these.
pub(crate) fn wait(word: &AtomicU32, seen: u32, time: Duration) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    match futex::wait(word, Flags::empty(), seen, Some(&timeout)) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Wakes so many of those who sleep.
///
/// # Errors
///
/// Those of futex(2).
pub(crate) fn wake(word: &AtomicU32, count: u32) -> io::Result<()> {
    // The kernel counts in signed numbers.
    Ok(futex::wake(word, Flags::empty(), count.min(i32::MAX.cast_unsigned())).map(drop)?)
}
