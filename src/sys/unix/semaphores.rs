//! Counting semaphores of processes: POSIX ones by name, and System V ones with undo.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::ptr::NonNull;
use std::time::Duration;

use libc::{c_int, sem_t};
use rustix::path::Arg;

use super::errno::{checked, errno_of_libc};
use super::waits;
use crate::options::{PosixName, SectionName};

/// A named POSIX semaphore (sem_overview(7)), closed when it is dropped.
#[derive(Debug)]
pub(crate) struct PosixSemaphore {
    semaphore: NonNull<sem_t>,
}

// SAFETY: sem_wait(3) and its like may be called by any thread.
unsafe impl Send for PosixSemaphore {}
// SAFETY: as above, at the same time.
unsafe impl Sync for PosixSemaphore {}

impl PosixSemaphore {
    /// Opens an existing one.
    ///
    /// # Errors
    ///
    /// Those of sem_open(3).
    pub(crate) fn open(name: &PosixName) -> io::Result<Self> {
        with_slash(name).into_with_c_str(|name| {
            // SAFETY: the name is a C string; no further arguments are read without O_CREAT.
            Ok(Self::opened(unsafe { libc::sem_open(name.as_ptr(), 0) }))
        })?
    }

    /// Makes a new one with that count; its mode is `mode` whatever the umask.
    ///
    /// # Errors
    ///
    /// Those of sem_open(3).
    pub(crate) fn make(name: &PosixName, count: u32, mode: u32) -> io::Result<Self> {
        let made = with_slash(name).into_with_c_str(|name| {
            let flags = libc::O_CREAT | libc::O_EXCL;
            // SAFETY: the name is a C string, and O_CREAT takes these two numbers.
            Ok(Self::opened(unsafe { libc::sem_open(name.as_ptr(), flags, mode & 0o777, count) }))
        })??;
        waits::give_mode(name, mode & 0o777)?;
        Ok(made)
    }

    fn opened(semaphore: *mut sem_t) -> io::Result<Self> {
        match NonNull::new(semaphore) {
            Some(semaphore) if semaphore.as_ptr() != libc::SEM_FAILED => Ok(Self { semaphore }),
            _ => Err(errno_of_libc()),
        }
    }

    /// Takes one, waiting so long or for ever; whether there was one.
    ///
    /// # Errors
    ///
    /// Those of sem_wait(3), but for a signal's.
    pub(crate) fn acquire(&self, wait: Option<Duration>) -> io::Result<bool> {
        let semaphore = self.semaphore.as_ptr();
        match wait {
            // SAFETY: sem_open(3) returned it, and it is open as long as this lives; so below.
            None => while_interrupted(|| unsafe { libc::sem_wait(semaphore) }),
            Some(Duration::ZERO) => {
                // SAFETY: as above.
                while_interrupted(|| unsafe { libc::sem_trywait(semaphore) })
            }
            Some(wait) => waits::timed(semaphore, wait),
        }
    }

    /// Gives one back.
    ///
    /// # Errors
    ///
    /// `EOVERFLOW` at SEM_VALUE_MAX.
    pub(crate) fn release(&self) -> io::Result<()> {
        // SAFETY: as in `acquire`.
        checked(unsafe { libc::sem_post(self.semaphore.as_ptr()) }).map(drop)
    }

    /// How many there are now.
    ///
    /// # Errors
    ///
    /// Those of sem_getvalue(3).
    pub(crate) fn count(&self) -> io::Result<u32> {
        waits::count_of(self.semaphore.as_ptr())
    }
}

impl Drop for PosixSemaphore {
    fn drop(&mut self) {
        // SAFETY: sem_open(3) returned it, and it is not used any more.
        unsafe { libc::sem_close(self.semaphore.as_ptr()) };
    }
}

/// Removes the name.
///
/// # Errors
///
/// Those of sem_unlink(3).
pub(crate) fn unlink(name: &PosixName) -> io::Result<()> {
    with_slash(name).into_with_c_str(|name| {
        // SAFETY: the name is a C string.
        Ok(checked(unsafe { libc::sem_unlink(name.as_ptr()) }).map(drop))
    })?
}

fn with_slash(name: &PosixName) -> Vec<u8> {
    [b"/", name.as_os_str().as_bytes()].concat()
}

/// Calls again where a signal interrupted it; false where it is told to wait, or did so in vain.
pub(super) fn while_interrupted(mut call: impl FnMut() -> c_int) -> io::Result<bool> {
    loop {
        match checked(call()).map_err(|error| (error.raw_os_error(), error)) {
            Ok(_) => return Ok(true),
            Err((Some(libc::EINTR), _)) => {}
            Err((Some(libc::EAGAIN | libc::ETIMEDOUT), _)) => return Ok(false),
            Err((_, error)) => return Err(error),
        }
    }
}

/// A named semaphore of Windows. None can be opened.
#[derive(Debug)]
pub(crate) enum WindowsSemaphore {}

impl WindowsSemaphore {
    pub(crate) fn open(_: &SectionName) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "semaphores of such a name are Windows' own",
        ))
    }

    pub(crate) fn make(name: &SectionName, _: u16, _: u32) -> io::Result<Self> {
        Self::open(name)
    }

    pub(crate) fn acquire(&self, _: Option<Duration>) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn release(&self) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn count(&self) -> io::Result<u32> {
        match *self {}
    }
}

/// A set of one System V semaphore (semget(2)), taken with undo (`SEM_UNDO`): what a process has
/// taken is given back when it dies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemVSemaphore {
    id: c_int,
}

/// How long one that has been made, but not yet got its count, is waited for.
const MAKER_WAIT: Duration = Duration::from_secs(1);

impl SystemVSemaphore {
    /// Finds the one with that key.
    ///
    /// # Errors
    ///
    /// Those of semget(2).
    pub(crate) fn find(key: i32) -> io::Result<Self> {
        // SAFETY: it takes no pointer.
        Ok(Self { id: checked(unsafe { libc::semget(key, 0, 0) })? })
    }

    /// The one with that identifier.
    ///
    /// # Errors
    ///
    /// None; it is looked for when it is used.
    pub(crate) fn by_id(id: i32) -> io::Result<Self> {
        Ok(Self { id })
    }

    /// The same, after its maker has given it its count.
    ///
    /// # Errors
    ///
    /// Those of semctl(2); `TimedOut` where nobody gives it one.
    pub(crate) fn ready(self) -> io::Result<Self> {
        // A new one has the count 0 and no time of a last operation, until its maker adds to it
        // (Stevens, UNIX Network Programming 2, 11.2). Makers who set the count (SETVAL), as
        // Python's sysv_ipc, leave no time, but a count.
        let is_ready = || {
            let is_used = self.facts()?.sem_otime != 0;
            Ok((is_used || self.count()? > 0).then_some(()))
        };
        match crate::sys::clock::poll(Some(MAKER_WAIT), is_ready)? {
            Some(()) => Ok(self),
            None => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "nobody has given it its count, or has ever used it",
            )),
        }
    }

    /// Makes a new one with that count; key 0 is `IPC_PRIVATE`.
    ///
    /// # Errors
    ///
    /// Those of semget(2) and semop(2).
    pub(crate) fn make(key: i32, count: u16, mode: u32) -> io::Result<Self> {
        let mode = c_int::try_from(mode & 0o777).map_err(|_| io::ErrorKind::InvalidInput)?;
        let flags = libc::IPC_CREAT | libc::IPC_EXCL | mode;
        // SAFETY: it takes no pointer.
        let made = Self { id: checked(unsafe { libc::semget(key, 1, flags) })? };
        let count = i16::try_from(count).map_err(|_| io::ErrorKind::InvalidInput)?;
        // An operation that changes nothing, for the time of the last one, if the count is 0.
        let given = made.operate(count, libc::IPC_NOWAIT, None);
        if let Err(error) = given {
            drop(made.remove());
            return Err(error);
        }
        Ok(made)
    }

    /// Its identifier.
    pub(crate) fn id(self) -> i32 {
        self.id
    }

    /// Takes one, waiting so long or for ever; whether there was one.
    ///
    /// # Errors
    ///
    /// Those of semop(2), but for a signal's.
    pub(crate) fn acquire(self, wait: Option<Duration>) -> io::Result<bool> {
        let started = std::time::Instant::now();
        loop {
            let rest = wait.map(|wait| wait.saturating_sub(started.elapsed()));
            let flags = if rest == Some(Duration::ZERO) { libc::IPC_NOWAIT } else { 0 };
            match self.operate(-1, flags | libc::SEM_UNDO, rest) {
                Ok(()) => return Ok(true),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) if wait.is_some() => return Ok(false),
                    _ => return Err(error),
                },
            }
        }
    }

    /// Gives one back, and forgets that it was to be given back when this process dies.
    ///
    /// # Errors
    ///
    /// `ERANGE` at the highest count.
    pub(crate) fn release(self) -> io::Result<()> {
        self.operate(1, libc::SEM_UNDO, None)
    }

    /// How many there are now.
    ///
    /// # Errors
    ///
    /// Those of semctl(2).
    pub(crate) fn count(self) -> io::Result<u32> {
        // SAFETY: GETVAL takes no further argument.
        let count = checked(unsafe { libc::semctl(self.id, 0, libc::GETVAL) })?;
        Ok(count.try_into().unwrap_or(0))
    }

    /// Removes it; who waits for it gets an error.
    ///
    /// # Errors
    ///
    /// Those of semctl(2).
    pub(crate) fn remove(self) -> io::Result<()> {
        // SAFETY: IPC_RMID takes no further argument.
        checked(unsafe { libc::semctl(self.id, 0, libc::IPC_RMID) }).map(drop)
    }

    fn facts(self) -> io::Result<libc::semid_ds> {
        // SAFETY: it has numbers only, for which all zeros are a value.
        let mut found: libc::semid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: IPC_STAT fills in one `semid_ds`, which it is given.
        checked(unsafe { libc::semctl(self.id, 0, libc::IPC_STAT, &raw mut found) })?;
        Ok(found)
    }

    fn operate(self, add: i16, flags: c_int, wait: Option<Duration>) -> io::Result<()> {
        let flags = i16::try_from(flags).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut operation = libc::sembuf { sem_num: 0, sem_op: add, sem_flg: flags };
        waits::operate(self.id, &mut operation, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removes it, however the test ends.
    struct Made(SystemVSemaphore);

    impl Drop for Made {
        fn drop(&mut self) {
            drop(self.0.remove());
        }
    }

    /// A set as other programs make it, without an operation.
    fn made_by_others() -> Made {
        // SAFETY: it takes no pointer.
        let id = unsafe { libc::semget(libc::IPC_PRIVATE, 1, libc::IPC_CREAT | 0o600) };
        Made(SystemVSemaphore { id: checked(id).unwrap() })
    }

    #[test]
    fn one_whose_count_was_set_is_ready_before_anybody_has_used_it() {
        let made = made_by_others();
        let error = made.0.ready().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // SAFETY: SETVAL takes a number.
        checked(unsafe { libc::semctl(made.0.id, 0, libc::SETVAL, 1) }).unwrap();
        assert_eq!(made.0.ready().unwrap().count().unwrap(), 1);
        assert!(made.0.acquire(Some(Duration::ZERO)).unwrap());
        assert!(!made.0.ready().unwrap().acquire(Some(Duration::ZERO)).unwrap());
    }
}
