//! Counting semaphores.

use std::io;

use super::{LockError, Wait};
use crate::options::{SemaphoreName, SystemVName};
use crate::sys::Errno;
use crate::sys::semaphores::{self, PosixSemaphore, SystemVSemaphore, WindowsSemaphore};
use crate::sys::sysv;

/// A number of things that processes take and give back.
///
/// The kinds differ in what becomes of what a killed process had taken: a System V semaphore gets
/// it back from the kernel (`SEM_UNDO`); of a POSIX semaphore and one of Windows it is gone, so
/// that whoever uses one should not wait for ever.
///
/// One of Windows goes with the last process that has it open, and its count with it: whoever
/// makes it keeps this value.
#[derive(Debug)]
pub struct Semaphore {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Posix(PosixSemaphore),
    SystemV(SystemVSemaphore),
    Windows(WindowsSemaphore),
}

/// One that was taken, given back when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives it back"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
}

impl Semaphore {
    /// Opens an existing one.
    ///
    /// # Errors
    ///
    /// What the system says: that there is none, or that it may not be used. `TimedOut` for a
    /// System V one whose maker gives it no count within a second.
    pub fn open(name: &SemaphoreName) -> Result<Self, LockError> {
        let kind = match name {
            SemaphoreName::Posix(name) => Kind::Posix(PosixSemaphore::open(name)?),
            SemaphoreName::SystemV(name) => Kind::SystemV(found(name)?.ready()?),
            SemaphoreName::Windows(name) => Kind::Windows(WindowsSemaphore::open(name)?),
        };
        Ok(Self { kind })
    }

    /// Makes a new one with that count, for those whom `mode` lets, whatever the umask.
    ///
    /// # Errors
    ///
    /// What the system says: that there is one, that a limit is reached. `InvalidInput` for more
    /// than 32,767, the highest count of all kinds; `Unsupported` for a mode of one of Windows that
    /// is not 0600.
    pub fn create(name: &SemaphoreName, count: u16, mode: u32) -> Result<Self, LockError> {
        if count > i16::MAX.cast_unsigned() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        }
        let kind = match name {
            SemaphoreName::Posix(name) => {
                Kind::Posix(PosixSemaphore::make(name, count.into(), mode)?)
            }
            SemaphoreName::SystemV(SystemVName::Id(_)) => {
                let why = "the system chooses the identifier of a new semaphore";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why).into());
            }
            SemaphoreName::SystemV(name) => {
                let key = sysv::key_of(name)?.unwrap_or(sysv::PRIVATE);
                Kind::SystemV(SystemVSemaphore::make(key, count, mode)?)
            }
            SemaphoreName::Windows(name) => {
                Kind::Windows(WindowsSemaphore::make(name, count, mode)?)
            }
        };
        Ok(Self { kind })
    }

    /// Removes it. Who waits for a System V one gets an error; who has a POSIX one goes on with it.
    ///
    /// # Errors
    ///
    /// What the system says; `Unsupported` for one of Windows, which goes with its last handle.
    pub fn remove(name: &SemaphoreName) -> Result<(), LockError> {
        match name {
            SemaphoreName::Posix(name) => Ok(semaphores::unlink(name)?),
            SemaphoreName::SystemV(name) => Ok(found(name)?.remove()?),
            SemaphoreName::Windows(_) => {
                let why = "a semaphore of Windows goes with its last handle, and not before";
                Err(io::Error::new(io::ErrorKind::Unsupported, why).into())
            }
        }
    }

    /// The identifier of a System V one.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        match &self.kind {
            Kind::Posix(_) | Kind::Windows(_) => None,
            Kind::SystemV(semaphore) => Some(semaphore.id()),
        }
    }

    /// Takes one, and gives it back when what comes back is dropped.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`], and what the system says: that it was removed, above all.
    pub fn acquire(&self, wait: Wait) -> Result<Permit<'_>, LockError> {
        let wait = wait.duration();
        let is_taken = match &self.kind {
            Kind::Posix(semaphore) => semaphore.acquire(wait)?,
            Kind::SystemV(semaphore) => semaphore.acquire(wait)?,
            Kind::Windows(semaphore) => semaphore.acquire(wait)?,
        };
        if is_taken { Ok(Permit { semaphore: self }) } else { Err(LockError::TimedOut) }
    }

    /// Gives one back, or adds one. What a process adds to a System V one beyond what it has taken
    /// goes when it ends, and is at most 32,767.
    ///
    /// # Errors
    ///
    /// What the system says: that there would be too many, or that it was removed.
    pub fn release(&self) -> Result<(), LockError> {
        match &self.kind {
            Kind::Posix(semaphore) => Ok(semaphore.release()?),
            Kind::SystemV(semaphore) => Ok(semaphore.release()?),
            Kind::Windows(semaphore) => Ok(semaphore.release()?),
        }
    }

    /// How many there are now.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn count(&self) -> Result<u32, LockError> {
        match &self.kind {
            Kind::Posix(semaphore) => Ok(semaphore.count()?),
            Kind::SystemV(semaphore) => Ok(semaphore.count()?),
            Kind::Windows(semaphore) => Ok(semaphore.count()?),
        }
    }
}

impl Permit<'_> {
    /// Keeps it: somebody else gives it back, by [`Semaphore::release`].
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // Where the semaphore is gone there is nothing to give back to.
        drop(self.semaphore.release());
    }
}

/// An existing one, whether it has its count or not.
fn found(name: &SystemVName) -> io::Result<SystemVSemaphore> {
    if let SystemVName::Id(id) = name {
        return SystemVSemaphore::by_id(*id);
    }
    // Without a key none is found; its identifier leads to it.
    let key = sysv::key_of(name)?.ok_or(io::Error::from(Errno::NOENT))?;
    SystemVSemaphore::find(key)
}
