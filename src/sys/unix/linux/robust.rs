//! Mutexes in shared memory whose waiters are told when the owner dies: robust ones of pthreads.
//!
//! Sources: pthread_mutexattr_setrobust(3), pthread_mutex_consistent(3).

use std::io;
use std::time::{Duration, Instant};

use libc::{c_int, pthread_mutex_t};

use super::deadline;
use crate::sys::place::Place;
use crate::sys::robust::Acquired;

/// Bytes of a mutex.
pub(crate) const MUTEX_BYTES: usize = size_of::<pthread_mutex_t>();

/// Makes a mutex at an offset of the place.
///
/// # Errors
///
/// `Unsupported` where the system has no robust ones.
pub(crate) fn init(place: &Place, offset: usize) -> io::Result<()> {
    let mut attributes = std::mem::MaybeUninit::uninit();
    // SAFETY: it initialises what it is given.
    checked(unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
    let attributes = attributes.as_mut_ptr();
    // SAFETY: the attributes are initialised, here and in the next three.
    checked(unsafe {
        libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: as above.
    checked(unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) })?;
    // SAFETY: as above.
    checked(unsafe {
        libc::pthread_mutexattr_settype(attributes, libc::PTHREAD_MUTEX_ERRORCHECK)
    })?;
    // SAFETY: the mutex has room at this address, which stays mapped; that nobody else touches it
    // is the promise that the place was made with.
    checked(unsafe { libc::pthread_mutex_init(place.address(offset), attributes) })?;
    // SAFETY: the attributes are initialised, and not used again.
    checked(unsafe { libc::pthread_mutexattr_destroy(attributes) })
}

/// Locks it, waiting until `deadline`, or for ever.
///
/// # Errors
///
/// Those that [`Acquired`] does not tell.
pub(crate) fn lock(
    place: &Place,
    offset: usize,
    deadline: Option<Instant>,
) -> io::Result<Acquired> {
    let mutex: *mut pthread_mutex_t = place.address(offset);
    match deadline {
        // SAFETY: the mutex was initialised, and stays mapped as long as the place lives, which
        // whoever holds the lock keeps.
        None => acquired(unsafe { libc::pthread_mutex_lock(mutex) }),
        Some(deadline) => timed(mutex, deadline.saturating_duration_since(Instant::now())),
    }
}

/// A time of nothing locks what is free. glibc's `pthread_mutex_trylock` (2.36) is not used for
/// that: it says of a mutex that nobody repaired that it is not recoverable, but leaves it locked,
/// so that the next one waits for ever.
#[cfg(target_env = "gnu")]
fn timed(mutex: *mut pthread_mutex_t, rest: Duration) -> io::Result<Acquired> {
    let deadline = deadline::monotonic_in(rest);
    // SAFETY: as in `lock`; the time is one.
    acquired(unsafe { pthread_mutex_clocklock(mutex, libc::CLOCK_MONOTONIC, &raw const deadline) })
}

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    /// Since glibc 2.30 (pthread_mutex_clocklock(3)).
    fn pthread_mutex_clocklock(
        mutex: *mut pthread_mutex_t,
        clock: libc::clockid_t,
        deadline: *const libc::timespec,
    ) -> c_int;
}

#[cfg(not(target_env = "gnu"))]
fn timed(mutex: *mut pthread_mutex_t, rest: Duration) -> io::Result<Acquired> {
    crate::sys::clock::poll(Some(rest), || {
        // SAFETY: as in `lock`.
        let tried = acquired(unsafe { libc::pthread_mutex_trylock(mutex) })?;
        Ok(Some(tried).filter(|tried| *tried != Acquired::No))
    })
    .map(|found| found.unwrap_or(Acquired::No))
}

/// Tells that what the mutex guards is whole again.
///
/// # Errors
///
/// `EINVAL` when the calling thread has not got it as [`Acquired::OwnerDied`].
pub(crate) fn make_consistent(place: &Place, offset: usize) -> io::Result<()> {
    // SAFETY: as in `lock`.
    checked(unsafe { libc::pthread_mutex_consistent(place.address(offset)) })
}

/// Gives it up; the calling thread has it.
pub(crate) fn unlock(place: &Place, offset: usize) {
    // SAFETY: as in `lock`. The type checks whose it is, and fails, without effect, for others.
    unsafe { libc::pthread_mutex_unlock(place.address(offset)) };
}

fn acquired(returned: c_int) -> io::Result<Acquired> {
    Ok(match returned {
        0 => Acquired::Sound,
        libc::EOWNERDEAD => Acquired::OwnerDied,
        libc::EBUSY | libc::ETIMEDOUT => Acquired::No,
        libc::ENOTRECOVERABLE => Acquired::NotRecoverable,
        libc::EDEADLK => Acquired::Deadlock,
        error => return Err(io::Error::from_raw_os_error(error)),
    })
}

fn checked(returned: c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(returned)) }
}
