//! What is ruled out for memory, by whoever has it open (`F_ADD_SEALS`, fcntl(2)).

use std::fs::File;
use std::io;

use rustix::fs::SealFlags;

use crate::sys::seal::Seal;

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
