//! What semaphores are on macOS: nothing is waited for with a deadline, so that it is looked again
//! and again, and others may be faster.

use std::io;
use std::time::Duration;

use libc::{c_int, sem_t};

use super::errno::checked;
use super::semaphores::while_interrupted;
use crate::options::PosixName;
use crate::sys::attributes::file_mode_mask;
use crate::sys::clock;

/// Gives a named one that was just made its mode, whatever the umask; it has it already, or never
/// gets it.
///
/// # Errors
///
/// `Unsupported` where the umask takes some of it away: no call changes it afterwards. The name is
/// removed again.
pub(super) fn give_mode(name: &PosixName, mode: u32) -> io::Result<()> {
    if mode & file_mode_mask() == 0 {
        return Ok(());
    }
    super::semaphores::unlink(name)?;
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "the umask takes away some of its rights, and macOS does not give them back",
    ))
}

/// How many there are now: nobody is told, since `sem_getvalue` is not there.
///
/// # Errors
///
/// `Unsupported`, always.
pub(super) fn count_of(_: *mut sem_t) -> io::Result<u32> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "macOS does not tell the count of a POSIX semaphore",
    ))
}

/// Takes one, waiting so long; whether there was one.
///
/// # Errors
///
/// Those of sem_trywait(2), but for a signal's.
pub(super) fn timed(semaphore: *mut sem_t, wait: Duration) -> io::Result<bool> {
    let found = clock::poll(Some(wait), || {
        // SAFETY: sem_open(2) returned it, and it is open.
        let taken = while_interrupted(|| unsafe { libc::sem_trywait(semaphore) })?;
        Ok(taken.then_some(()))
    })?;
    Ok(found.is_some())
}

/// Calls semop(2), which knows no deadline.
///
/// # Errors
///
/// Those of the call; `EAGAIN` when the time is up.
pub(super) fn operate(
    id: c_int,
    operation: &mut libc::sembuf,
    wait: Option<Duration>,
) -> io::Result<()> {
    let Some(wait) = wait else { return call(id, operation) };
    let at_once = i16::try_from(libc::IPC_NOWAIT).map_err(|_| io::ErrorKind::InvalidInput)?;
    operation.sem_flg |= at_once;
    let done = clock::poll(Some(wait), || match call(id, operation) {
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(None),
        done => done.map(Some),
    })?;
    done.ok_or_else(|| io::Error::from_raw_os_error(libc::EAGAIN))
}

fn call(id: c_int, operation: &mut libc::sembuf) -> io::Result<()> {
    // SAFETY: it is one operation, which lives as long as the call.
    checked(unsafe { libc::semop(id, operation, 1) }).map(drop)
}
