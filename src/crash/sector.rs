//! What a disk writes whole or not at all.

/// Bytes of a sector, as memory is measured.
pub(crate) const SECTOR_BYTES: usize = 512;
