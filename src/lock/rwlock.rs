//! A lock in a segment that many readers have at a time, or one writer.

use std::hash::{BuildHasher, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Label, LockError, Place, Wait};
use crate::sys::robust::{self, Acquired, MUTEX_BYTES};

/// A lock in a segment that up to 64 threads of all processes have for reading at a time, or one
/// for writing.
///
/// It is made of robust mutexes, so that the kernel tells of every death: one for each reader, and
/// a gate before them. A reader passes the gate and takes any of the others; a writer keeps the
/// gate, so that no new readers come, and takes them all. `pthread_rwlock_t` has no robust kind: a
/// killed reader keeps it for ever.
///
/// Who waits, waits at the gate: readers do not starve writers, nor writers readers. A thread that
/// has it for reading and asks for it again waits for a writer who waits for that thread.
#[derive(Clone, Debug)]
pub struct RwLock {
    place: Place,
}

/// The lock for reading, held. Dropping it gives it up.
#[derive(Debug)]
#[must_use = "dropping it gives the lock up"]
pub struct ReadGuard {
    place: Place,
    slot: usize,
    not_send: PhantomData<*const ()>,
}

/// The lock for writing, held. Dropping it gives it up.
#[derive(Debug)]
#[must_use = "dropping it gives the lock up"]
pub struct WriteGuard {
    // Given up after this says that nobody is writing.
    closed: Closed,
}

/// The lock for writing, of a writer who died. Dropping it gives it up as beyond repair.
#[derive(Debug)]
#[must_use = "dropping it gives the lock up as beyond repair"]
pub struct AbandonedWrite(Closed);

/// The gate and all readers' mutexes, held.
#[derive(Debug)]
struct Closed {
    place: Place,
    not_send: PhantomData<*const ()>,
}

const READERS_MAX: usize = 64;

/// How long one of the readers' mutexes is waited for, before all are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

const LABEL: Label = Label { kind: 0x5257_0100, bytes: slot(READERS_MAX) };
/// Whether somebody may be writing, or has died so.
const WRITING: usize = Label::BYTES;
const GATE: usize = 16;
/// Each on its own line of the cache, or so.
const SLOT_BYTES: usize = MUTEX_BYTES.next_multiple_of(64);

const fn slot(number: usize) -> usize {
    64 + number * SLOT_BYTES
}

const _: () = assert!(GATE + MUTEX_BYTES <= slot(0));
const _: () = assert!(slot(READERS_MAX) as u64 <= RwLock::BYTES);

impl RwLock {
    /// Bytes that a place needs.
    pub const BYTES: u64 = 4160;

    /// Makes one, whatever was there; that nobody takes a lock there meanwhile is promised by who
    /// made the [`Place`].
    ///
    /// # Errors
    ///
    /// [`LockError::NotALock`] where the place has too few bytes, [`LockError::TimedOut`] while
    /// somebody has the one that is there, and what the system says.
    pub fn create(place: Place) -> Result<Self, LockError> {
        if LABEL.check(&place).is_ok() {
            // As with a mutex.
            for offset in (0..READERS_MAX).map(slot).chain([GATE]) {
                if robust::is_held(&place, offset)? {
                    return Err(LockError::TimedOut);
                }
            }
        }
        LABEL.make(&place, || {
            place.word(WRITING).store(0, Ordering::SeqCst);
            robust::init(&place, GATE)?;
            (0..READERS_MAX).try_for_each(|number| robust::init(&place, slot(number)))
        })?;
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

    /// Locks it for reading.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] with the lock for writing, when a writer has died.
    pub fn read(&self, wait: Wait) -> Result<ReadGuard, LockError<AbandonedWrite>> {
        let deadline = wait.deadline();
        let gate = self.pass_gate(deadline)?;
        let slot = self.take_any(deadline).map_err(LockError::widen)?;
        drop(gate);
        Ok(ReadGuard { place: self.place.clone(), slot, not_send: PhantomData })
    }

    /// Locks it for writing.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] with the lock, when a writer has died.
    pub fn write(&self, wait: Wait) -> Result<WriteGuard, LockError<AbandonedWrite>> {
        let deadline = wait.deadline();
        let gate = self.pass_gate(deadline)?;
        self.take_all(deadline).map_err(LockError::widen)?;
        self.place.word(WRITING).store(1, Ordering::SeqCst);
        std::mem::forget(gate);
        Ok(WriteGuard { closed: self.closed() })
    }

    /// Has the gate. Where a writer died the lock for writing comes as the error.
    fn pass_gate(&self, deadline: Option<Instant>) -> Result<Gate<'_>, LockError<AbandonedWrite>> {
        let acquired = robust::lock(&self.place, GATE, deadline)?;
        let gate = Gate(&self.place);
        match acquired {
            Acquired::Sound => return Ok(gate),
            Acquired::OwnerDied => {}
            other => {
                std::mem::forget(gate);
                return Err(refused(other).widen());
            }
        }
        if self.place.word(WRITING).load(Ordering::SeqCst) == 0 {
            // It died on its way, and has changed nothing.
            robust::make_consistent(&self.place, GATE)?;
            return Ok(gate);
        }
        // No reader is left: the writer had waited for all of them. If this fails the gate is
        // given up as it is, and stays closed.
        self.take_all(deadline).map_err(LockError::widen)?;
        std::mem::forget(gate);
        Err(LockError::OwnerDied(AbandonedWrite(self.closed())))
    }

    fn closed(&self) -> Closed {
        Closed { place: self.place.clone(), not_send: PhantomData }
    }

    /// Takes a reader's mutex, whichever is free, or is the first to be.
    fn take_any(&self, deadline: Option<Instant>) -> Result<usize, LockError> {
        // Where threads begin is spread, so that they seldom meet.
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u8(0);
        let first = usize::try_from(hasher.finish() % READERS_MAX as u64).unwrap_or(0);
        loop {
            let mut busy = None;
            for number in (0..READERS_MAX).map(|step| (first + step) % READERS_MAX) {
                // Without waiting.
                match self.take_slot(number, Some(Instant::now())) {
                    Ok(()) => return Ok(number),
                    Err(LockError::TimedOut) => busy = Some(number),
                    // This thread reads already, by that one.
                    Err(LockError::Deadlock) => {}
                    Err(error) => return Err(error),
                }
            }
            let Some(number) = busy else { return Err(LockError::Deadlock) };
            let turn = Instant::now() + LOOK_AGAIN;
            let until = deadline.map_or(turn, |deadline| deadline.min(turn));
            match self.take_slot(number, Some(until)) {
                Err(LockError::TimedOut) if deadline.is_none_or(|it| Instant::now() < it) => {}
                taken => return taken.map(|()| number),
            }
        }
    }

    /// Takes all readers' mutexes, or none.
    fn take_all(&self, deadline: Option<Instant>) -> Result<(), LockError> {
        for number in 0..READERS_MAX {
            if let Err(error) = self.take_slot(number, deadline) {
                (0..number).for_each(|taken| robust::unlock(&self.place, slot(taken)));
                return Err(error);
            }
        }
        Ok(())
    }

    fn take_slot(&self, number: usize, deadline: Option<Instant>) -> Result<(), LockError> {
        match robust::lock(&self.place, slot(number), deadline)? {
            Acquired::Sound => Ok(()),
            // A reader's death breaks nothing, and of a writer's the gate tells.
            Acquired::OwnerDied => Ok(robust::make_consistent(&self.place, slot(number))?),
            other => Err(refused(other)),
        }
    }
}

fn refused(acquired: Acquired) -> LockError {
    match acquired {
        Acquired::NotRecoverable => LockError::NotRecoverable,
        Acquired::Deadlock => LockError::Deadlock,
        Acquired::Sound | Acquired::OwnerDied | Acquired::No => LockError::TimedOut,
    }
}

/// The gate, until it is dropped.
struct Gate<'a>(&'a Place);

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        robust::unlock(self.0, GATE);
    }
}

impl Drop for ReadGuard {
    fn drop(&mut self) {
        robust::unlock(&self.place, slot(self.slot));
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        self.closed.place.word(WRITING).store(0, Ordering::SeqCst);
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        (0..READERS_MAX).for_each(|number| robust::unlock(&self.place, slot(number)));
        robust::unlock(&self.place, GATE);
    }
}

impl AbandonedWrite {
    /// The lock, after what it guards was made whole.
    ///
    /// # Errors
    ///
    /// What the system says; the lock is beyond repair then.
    pub fn repaired(self) -> Result<WriteGuard, LockError> {
        robust::make_consistent(&self.0.place, GATE)?;
        Ok(WriteGuard { closed: self.0 })
    }
}
