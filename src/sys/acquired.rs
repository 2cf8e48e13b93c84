//! Locks that tell of the death of an owner.

/// What became of an attempt to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "not every system has such locks")]
pub(crate) enum Acquired {
    /// It is held.
    Sound,
    /// It is held, and its owner died with it: it is made consistent before it is unlocked, or
    /// nobody ever gets it again.
    OwnerDied,
    /// Another has it, still.
    No,
    /// An owner's death was not repaired: nobody gets it again.
    NotRecoverable,
    /// This thread has it already.
    Deadlock,
}
