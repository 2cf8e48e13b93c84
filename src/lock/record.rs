//! Locks on bytes of a file, or of a POSIX object.

use std::fs::File;
use std::io;

use super::{LockError, Wait};
use crate::sys::handle::{self, AsHandle};
use crate::sys::locks;
use crate::units::ByteRange;

/// Whether others may have a lock on the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Others may, who say so, too. The file must be open for reading. On Windows nobody writes
    /// these bytes then, not even who has the lock.
    Shared,
    /// Nobody may. The file must be open for writing.
    Exclusive,
}

/// A lock on bytes of a file, held until it is dropped (`F_OFD_SETLK`, fcntl(2); on Windows
/// `LockFileEx`).
///
/// It belongs to an open file of its own, so that threads exclude each other as processes do, and
/// closing another does not end it.
///
/// On Unix it is advisory: only those who ask for locks heed it. Those that fcntl(2) and lockf(3)
/// give, as Python's `fcntl.lockf`, are heeded both ways; flock(2) is another kind.
///
/// On Windows it is mandatory: while one that is [`Exclusive`](Sharing::Exclusive) is held, nobody
/// else reads or writes these bytes, and calls that try fail with `ERROR_LOCK_VIOLATION`. Nobody
/// else is also who holds it, by the file that it was asked for with. Maps alone reach them
/// meanwhile.
#[derive(Debug)]
#[must_use = "dropping it gives the lock up"]
pub struct RecordLock {
    file: File,
    range: ByteRange,
}

impl RecordLock {
    /// Locks the bytes, which may lie behind the file's end.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`], and what the system says: `EBADF` where the file is not open for
    /// what `sharing` needs, `InvalidInput` for a range without bytes. With a limit of time it
    /// looks again every few milliseconds, since the system's own queue knows none, and those who
    /// wait in that may be faster.
    pub fn lock(
        file: impl AsHandle,
        range: ByteRange,
        sharing: Sharing,
        wait: Wait,
    ) -> Result<Self, LockError> {
        loop {
            match Self::interruptible(&file, range, sharing, wait) {
                Err(LockError::Os(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                locked => return locked,
            }
        }
    }

    /// The same; where it waits for ever, a signal's handler ends that with `Interrupted`.
    pub(crate) fn interruptible(
        file: &impl AsHandle,
        range: ByteRange,
        sharing: Sharing,
        wait: Wait,
    ) -> Result<Self, LockError> {
        let file = locks::reopened(handle::of(&file))?;
        let is_exclusive = sharing == Sharing::Exclusive;
        if locks::lock_range(&file, range, is_exclusive, wait.duration())? {
            Ok(Self { file, range })
        } else {
            Err(LockError::TimedOut)
        }
    }
}

impl Drop for RecordLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread is about to start has the file
        // until it executes its program. Where this fails, closing has to do.
        drop(locks::unlock_range(&self.file, self.range));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_even_if_a_child_has_inherited_the_file() {
        // Windows shares one without a name with nobody.
        let file = tempfile::NamedTempFile::new().unwrap();
        let all = ByteRange::first(100);
        let lock = || RecordLock::lock(file.as_file(), all, Sharing::Exclusive, Wait::No);
        let held = lock().unwrap();
        // As fork(2) does it.
        let inherited = held.file.try_clone().unwrap();
        drop(held);
        assert!(lock().is_ok());
        drop(inherited);
    }
}
