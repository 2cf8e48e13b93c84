//! Locks between processes, which outlive those that hold them.
//!
//! Shared memory has no order of its own: two processes that store there need a lock. One that a
//! killed holder keeps for ever is worse than none, and so is one that is handed on as if nothing
//! had happened. So whoever gets the lock of a dead owner is told, by [`LockError::OwnerDied`],
//! with the lock in it: to repair what the lock guards, and go on.
//!
//! | lock | where | when a holder is killed |
//! | --- | --- | --- |
//! | [`Mutex`] | in a segment | the next one is told |
//! | [`RwLock`] | in a segment | of a writer the next one is told; a reader breaks nothing |
//! | [`Condvar`] | in a segment | who waits is told, by its mutex |
//! | [`Semaphore`], System V | by key | what it had taken is given back by the kernel |
//! | [`Semaphore`], POSIX, Windows | by name | what it had taken is gone: do not wait for ever |
//! | [`RecordLock`] | on bytes of a file or a POSIX object | it is free |
//!
//! On Windows the locks in a segment work among all processes that may open each other's objects of
//! the kernel: those of one user. What waits there is an object whose name is in the segment, and
//! goes when nobody uses it; that an owner died is in the segment, too.
//!
//! A panic is no such death: while a thread unwinds, its guards give their locks up as if all were
//! whole, so that what panics with one is to be caught and repaired by itself.
//!
//! All take a [`Wait`]. Times are of the monotonic clock, which nobody sets.
//!
//! ```
//! use mycp::lock::{Mutex, Place, Wait};
//! use mycp::shm::{self, Creation, Segment, SegmentName};
//!
//! # #[cfg(unix)]
//! let name: SegmentName = format!("shm:/mycp-lock-{}", std::process::id()).parse()?;
//! # #[cfg(windows)]
//! # let name: SegmentName = format!("win:Local\\mycp-lock-{}", std::process::id()).parse()?;
//! let segment = Segment::options().creation(Creation::New { len: 4096 }).open(&name)?;
//! # #[cfg(unix)]
//! shm::remove(&name)?;
//! let region = segment.map()?;
//! // SAFETY: nothing but this lock uses the first 64 bytes.
//! let place = unsafe { Place::new(&region, 0, Mutex::BYTES) };
//! let mutex = Mutex::create(place.ok_or("too short")?)?;
//! let guard = mutex.lock(Wait::Forever)?;
//! region.write_at(64, b"what it guards")?;
//! drop(guard);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advisory;
mod condvar;
mod mutex;
mod record;
mod rwlock;
mod semaphore;

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub use crate::options::{LockWait as Wait, SemaphoreName};
pub use crate::sys::place::{PLACE_ALIGNMENT, Place, SharedMemory};
pub use condvar::Condvar;
pub use mutex::{Abandoned, Mutex, MutexGuard};
pub use record::{RecordLock, Sharing};
pub use rwlock::{AbandonedWrite, ReadGuard, RwLock, WriteGuard};
pub use semaphore::{Permit, Semaphore};

pub(crate) use advisory::{
    Locked, free_bytes, holder, lock_directory, try_lock, try_lock_name, unlock,
};

impl Wait {
    /// When it ends; `None` is never.
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::No => Some(Instant::now()),
            // What is too far away to be counted never comes.
            Self::For(time) => Instant::now().checked_add(time),
            Self::Forever => None,
        }
    }

    /// What is left until a deadline.
    fn until(deadline: Option<Instant>) -> Self {
        deadline.map_or(Self::Forever, |deadline| {
            Self::For(deadline.saturating_duration_since(Instant::now()))
        })
    }

    /// The time to wait; `None` is for ever.
    fn duration(self) -> Option<Duration> {
        match self {
            Self::No => Some(Duration::ZERO),
            Self::For(time) => Some(time),
            Self::Forever => None,
        }
    }
}

/// Why a lock is not simply held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError<Lock = std::convert::Infallible> {
    /// It is held, but its owner died with it: what it guards may be half done. Dropping what is
    /// in here gives the lock up as beyond repair; its `repaired` goes on.
    #[error("its owner died: what it guards may be half done")]
    OwnerDied(Lock),
    /// Others had it for as long as it was waited for.
    #[error("others have it")]
    TimedOut,
    /// The death of an owner was not repaired. It has to be made anew.
    #[error("its owner died, and nobody has repaired what it guards")]
    NotRecoverable,
    /// This thread has it already.
    #[error("this thread has it already")]
    Deadlock,
    /// There is no such lock at that place: none has been made, or its maker died on the way, or it
    /// is another kind, or one of a program with other types.
    #[error("there is no such lock at that place")]
    NotALock,
    /// The system says so.
    #[error(transparent)]
    Os(#[from] io::Error),
}

impl<Lock> LockError<Lock> {
    /// The same with another lock in it.
    fn map<Other>(self, change: impl FnOnce(Lock) -> Other) -> LockError<Other> {
        match self {
            Self::OwnerDied(lock) => LockError::OwnerDied(change(lock)),
            Self::TimedOut => LockError::TimedOut,
            Self::NotRecoverable => LockError::NotRecoverable,
            Self::Deadlock => LockError::Deadlock,
            Self::NotALock => LockError::NotALock,
            Self::Os(error) => LockError::Os(error),
        }
    }
}

impl LockError {
    /// The same, as an error of something that may have an owner who died.
    fn widen<Other>(self) -> LockError<Other> {
        self.map(|never| match never {})
    }
}

/// What is written before a lock, so that nothing else is taken for one.
#[derive(Clone, Copy)]
struct Label {
    /// The kind, and the version of its layout.
    kind: u32,
    /// Bytes of the parts, which differ between 32 and 64 bits.
    bytes: usize,
}

impl Label {
    /// Where it is.
    const OFFSET: usize = 0;
    /// Bytes that it takes, so that what follows is aligned.
    const BYTES: usize = 8;

    fn ready(self) -> u32 {
        // No two kinds, and no two sizes of one, are the same.
        self.kind ^ u32::try_from(self.bytes).unwrap_or(u32::MAX)
    }

    /// Makes a lock by `init`, and labels it then.
    fn make(self, place: &Place, init: impl FnOnce() -> io::Result<()>) -> Result<(), LockError> {
        if place.len() < self.bytes {
            return Err(LockError::NotALock);
        }
        let label = place.word(Self::OFFSET);
        label.store(0, Ordering::SeqCst);
        init()?;
        label.store(self.ready(), Ordering::SeqCst);
        Ok(())
    }

    /// Looks whether there is such a lock.
    fn check(self, place: &Place) -> Result<(), LockError> {
        let is_it = place.len() >= self.bytes
            && place.word(Self::OFFSET).load(Ordering::SeqCst) == self.ready();
        if is_it { Ok(()) } else { Err(LockError::NotALock) }
    }
}
