//! What semaphores are on Linux: files of a directory, waited for with a deadline.

use std::io;
use std::path::Path;
use std::time::Duration;

use libc::{c_int, sem_t};

use super::errno::{checked, errno_of_libc};
use super::posix_shm::DIRECTORY;
use super::semaphores::while_interrupted;
use crate::options::PosixName;

/// Gives a named one that was just made its mode, whatever the umask.
///
/// # Errors
///
/// Those of chmod(2).
pub(super) fn give_mode(name: &PosixName, mode: u32) -> io::Result<()> {
    let mut file = std::ffi::OsString::from("sem.");
    file.push(name.as_os_str());
    let path = Path::new(DIRECTORY).join(file);
    Ok(rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(mode))?)
}

/// How many there are now.
///
/// # Errors
///
/// Those of sem_getvalue(3).
pub(super) fn count_of(semaphore: *mut sem_t) -> io::Result<u32> {
    let mut count = 0;
    // SAFETY: sem_open(3) returned it, and it is open; the count is written to an integer.
    checked(unsafe { libc::sem_getvalue(semaphore, &raw mut count) })?;
    Ok(count.try_into().unwrap_or(0))
}

#[cfg(target_env = "gnu")]
pub(super) fn timed(semaphore: *mut sem_t, wait: Duration) -> io::Result<bool> {
    unsafe extern "C" {
        /// Since glibc 2.30 (sem_clockwait(3)).
        fn sem_clockwait(
            semaphore: *mut sem_t,
            clock: libc::clockid_t,
            deadline: *const libc::timespec,
        ) -> c_int;
    }
    let deadline = super::deadline::monotonic_in(wait);
    while_interrupted(|| {
        // SAFETY: as in `acquire`; the deadline is a time.
        unsafe { sem_clockwait(semaphore, libc::CLOCK_MONOTONIC, &raw const deadline) }
    })
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn timed(semaphore: *mut sem_t, wait: Duration) -> io::Result<bool> {
    crate::sys::clock::poll(Some(wait), || {
        // SAFETY: as in `acquire`.
        let taken = while_interrupted(|| unsafe { libc::sem_trywait(semaphore) })?;
        Ok(taken.then_some(()))
    })
    .map(|found| found.is_some())
}

/// Calls semtimedop(2).
///
/// # Errors
///
/// Those of the call.
pub(super) fn operate(
    id: c_int,
    operation: &mut libc::sembuf,
    wait: Option<Duration>,
) -> io::Result<()> {
    let timeout = wait.map(|wait| libc::timespec {
        tv_sec: wait.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: one operation, and a time or nothing, which live as long as the call.
    let returned = unsafe { libc::syscall(libc::SYS_semtimedop, id, operation, 1, timeout) };
    if returned == -1 { Err(errno_of_libc()) } else { Ok(()) }
}
