//! What is ruled out for memory, by whoever has it open (`F_ADD_SEALS`, fcntl(2)).

use std::fs::File;
use std::io;

use rustix::fs::SealFlags;

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

const ALL: [(Seal, SealFlags); 5] = [
    (Seal::Shrink, SealFlags::SHRINK),
    (Seal::Grow, SealFlags::GROW),
    (Seal::Write, SealFlags::WRITE),
    (Seal::FutureWrite, SealFlags::FUTURE_WRITE),
    (Seal::Further, SealFlags::SEAL),
];

/// Adds seals.
pub(crate) fn add_seals(file: &File, seals: &[Seal]) -> io::Result<()> {
    let wanted = ALL.iter().filter(|(seal, _)| seals.contains(seal));
    let flags = wanted.fold(SealFlags::empty(), |flags, (_, flag)| flags | *flag);
    Ok(rustix::fs::fcntl_add_seals(file, flags)?)
}

/// The seals that it has.
pub(crate) fn seals(file: &File) -> io::Result<Vec<Seal>> {
    let flags = rustix::fs::fcntl_get_seals(file)?;
    Ok(ALL.iter().filter(|(_, flag)| flags.contains(*flag)).map(|(seal, _)| *seal).collect())
}
