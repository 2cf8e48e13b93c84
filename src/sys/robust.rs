//! Locks that tell of the death of an owner.

use std::io;
use std::time::Instant;

use super::place::Place;

pub(crate) use super::system::robust::*;

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

/// Whether a thread has it, perhaps this one; the death of an owner is forgotten.
///
/// # Errors
///
/// As [`lock`].
pub(crate) fn is_held(place: &Place, offset: usize) -> io::Result<bool> {
    Ok(match lock(place, offset, Some(Instant::now()))? {
        Acquired::Sound | Acquired::OwnerDied => {
            unlock(place, offset);
            false
        }
        Acquired::NotRecoverable => false,
        Acquired::No | Acquired::Deadlock => true,
    })
}
