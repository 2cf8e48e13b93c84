//! Deadlines as the C library takes them.

use std::time::Duration;

/// The moment of `CLOCK_MONOTONIC` that is so far away.
pub(super) fn monotonic_in(rest: Duration) -> libc::timespec {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    );
    let then = now.saturating_add(rest);
    libc::timespec {
        tv_sec: libc::time_t::try_from(then.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: then.subsec_nanos().into(),
    }
}
