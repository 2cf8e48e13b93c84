//! Waiting for something that others do under a mutex.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::mutex::{Abandoned, MutexGuard};
use super::{Label, LockError, Place, Wait};
use crate::sys::futex;

/// Something to wait for that others do, and tell, while they have a mutex.
///
/// It is a number that grows with each telling; who waits, waits for it to change. Nothing in it
/// has an owner, so that nobody's death can break it. Who was to tell may die before that; so who
/// waits looks after its mutex ten times a second, and learns there that the owner died.
#[derive(Clone, Debug)]
pub struct Condvar {
    place: Place,
}

const LABEL: Label = Label { kind: 0x4356_0100, bytes: OFFSET + futex::BYTES };
const OFFSET: usize = Label::BYTES;

const _: () = assert!(LABEL.bytes as u64 <= Condvar::BYTES);

/// How long is waited before the mutex is looked after.
const LOOK_AFTER: Duration = Duration::from_millis(100);

impl Condvar {
    /// Bytes that a place needs.
    pub const BYTES: u64 = 64;

    /// Makes one, whatever was there; that nobody has a lock there is promised by who made the
    /// [`Place`].
    ///
    /// # Errors
    ///
    /// [`LockError::NotALock`] where the place has too few bytes.
    pub fn create(place: Place) -> Result<Self, LockError> {
        LABEL.make(&place, || futex::init(&place, OFFSET))?;
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

    /// Gives the mutex up while `must_wait` says so, and has it again in the end.
    ///
    /// # Errors
    ///
    /// Those of [`Mutex::lock`](super::Mutex::lock), without the mutex but for
    /// [`LockError::OwnerDied`]. [`LockError::TimedOut`] when the time is up: the mutex is given
    /// up then, too.
    pub fn wait_while(
        &self,
        mut guard: MutexGuard,
        wait: Wait,
        mut must_wait: impl FnMut() -> bool,
    ) -> Result<MutexGuard, LockError<Abandoned>> {
        let deadline = wait.deadline();
        while must_wait() {
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(LockError::TimedOut);
            }
            let seen = self.place.word(OFFSET).load(Ordering::SeqCst);
            let mutex = guard.mutex();
            drop(guard);
            let slice = Wait::until(deadline).duration().unwrap_or(LOOK_AFTER).min(LOOK_AFTER);
            futex::wait(&self.place, OFFSET, seen, slice)?;
            guard = match mutex.lock(Wait::until(deadline)) {
                // It was free in the last moment, perhaps: what is waited for may be there.
                Err(LockError::TimedOut) => mutex.lock(Wait::No)?,
                other => other?,
            };
        }
        Ok(guard)
    }

    /// Tells one of those who wait, at least. Called with the mutex held, so that nobody misses it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn notify_one(&self) -> Result<(), LockError> {
        self.notify(1)
    }

    /// Tells all who wait.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn notify_all(&self) -> Result<(), LockError> {
        self.notify(u32::MAX)
    }

    fn notify(&self, count: u32) -> Result<(), LockError> {
        Ok(futex::advance(&self.place, OFFSET, count)?)
    }
}
