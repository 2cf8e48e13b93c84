//! Files that are nowhere but in memory, and what can be ruled out for them.

pub(crate) use super::system::memfd::*;

/// Something that a seal rules out, for all processes and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seal {
    /// It gets no shorter: who maps it has all of it (`F_SEAL_SHRINK`).
    Shrink,
    /// It gets no longer (`F_SEAL_GROW`).
    Grow,
    /// Its bytes do not change (`F_SEAL_WRITE`).
    Write,
    /// No map for writing is made any more; those that are there can be stored to
    /// (`F_SEAL_FUTURE_WRITE`, Linux 5.1).
    FutureWrite,
    /// No other seals are added (`F_SEAL_SEAL`).
    Further,
}
