//! A lock in a segment that one has at a time.

use std::marker::PhantomData;

use super::{Label, LockError, Place, Wait};
use crate::sys::robust::{self, Acquired, MUTEX_BYTES};

/// A lock in a segment that one thread of all processes has at a time.
#[derive(Clone, Debug)]
pub struct Mutex {
    place: Place,
}

/// The lock, held. Dropping it gives it up.
#[derive(Debug)]
#[must_use = "dropping it gives the lock up"]
pub struct MutexGuard {
    // A place of its own: it stays mapped as long as this thread has the lock, even if the guard
    // is forgotten.
    place: Place,
    /// Who locks it has to unlock it.
    not_send: PhantomData<*const ()>,
}

/// The lock of an owner who died. Dropping it gives it up as beyond repair: all who want it get
/// [`LockError::NotRecoverable`] from then on.
#[derive(Debug)]
#[must_use = "dropping it gives the lock up as beyond repair"]
pub struct Abandoned(MutexGuard);

const LABEL: Label = Label { kind: 0x4d58_0100, bytes: OFFSET + MUTEX_BYTES };
const OFFSET: usize = Label::BYTES;

const _: () = assert!(LABEL.bytes as u64 <= Mutex::BYTES);

impl Mutex {
    /// Bytes that a place needs.
    pub const BYTES: u64 = 64;

    /// Makes one, whatever was there; that nobody takes a lock there meanwhile is promised by who
    /// made the [`Place`].
    ///
    /// # Errors
    ///
    /// [`LockError::NotALock`] where the place has too few bytes, [`LockError::TimedOut`] while
    /// somebody has the one that is there, and what the system says.
    pub fn create(place: Place) -> Result<Self, LockError> {
        // Who has it has it in a list of the system, through the memory that would be overwritten.
        if LABEL.check(&place).is_ok() && robust::is_held(&place, OFFSET)? {
            return Err(LockError::TimedOut);
        }
        LABEL.make(&place, || robust::init(&place, OFFSET))?;
        Ok(Self { place })
    }

    /// Finds the one that another process has made.
    ///
    /// # Errors
    ///
    /// [`LockError::NotALock`].
    pub fn open(place: Place) -> Result<Self, LockError> {
        LABEL.check(&place)?;
        Ok(Self { place })
    }

    /// Locks it.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] with the lock, when its owner has died.
    pub fn lock(&self, wait: Wait) -> Result<MutexGuard, LockError<Abandoned>> {
        let acquired = robust::lock(&self.place, OFFSET, wait.deadline())?;
        let guard = || MutexGuard { place: self.place.clone(), not_send: PhantomData };
        match acquired {
            Acquired::Sound => Ok(guard()),
            Acquired::OwnerDied => Err(LockError::OwnerDied(Abandoned(guard()))),
            Acquired::No => Err(LockError::TimedOut),
            Acquired::NotRecoverable => Err(LockError::NotRecoverable),
            Acquired::Deadlock => Err(LockError::Deadlock),
        }
    }
}

impl MutexGuard {
    /// The lock that it is of.
    pub(super) fn mutex(&self) -> Mutex {
        Mutex { place: self.place.clone() }
    }
}

impl Drop for MutexGuard {
    fn drop(&mut self) {
        robust::unlock(&self.place, OFFSET);
    }
}

impl Abandoned {
    /// The lock, after what it guards was made whole.
    ///
    /// # Errors
    ///
    /// What the system says; the lock is beyond repair then.
    pub fn repaired(self) -> Result<MutexGuard, LockError> {
        robust::make_consistent(&self.0.place, OFFSET)?;
        Ok(self.0)
    }
}
