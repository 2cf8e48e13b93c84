//! Files that are nowhere but in memory, and what is ruled out for them, by whoever has them open
//! (`F_ADD_SEALS`, fcntl(2)).

use std::fs::File;
use std::io;

use rustix::fs::{MemfdFlags, SealFlags};

use crate::sys::memfd::Seal;

/// Makes a file that is nowhere but in memory, and can be sealed (memfd_create(2)); `name` is for
/// whoever looks into `/proc`.
pub(crate) fn file_in_memory(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create(name, flags)?.into())
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
