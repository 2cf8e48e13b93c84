//! Sectors that tell what they are: whose, of which place, and of which generation.
//!
//! A sector is what a disk writes whole or not at all. Each one here can be judged
//! alone, so that a page of which only some sectors arrived is seen for what it is. All bytes
//! follow from the stamp, and no two sectors are alike, so that nothing is gained by compressing or
//! by storing equal blocks once.

use crate::crash::sector::SECTOR_BYTES;

/// The first bytes of each.
const MAGIC: [u8; 8] = *b"mycpsect";

/// Where the filling begins: behind the magic and the four numbers of the stamp.
const FILLING_AT: usize = 40;

/// Where the checksum begins, which is the rest.
const CHECKSUM_AT: usize = SECTOR_BYTES - 8;

/// What a sector says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    /// The run that wrote it.
    pub(crate) run: u64,
    /// The file of that run.
    pub(crate) file: u64,
    /// How often this place was written; a higher one is newer.
    pub(crate) generation: u64,
    /// Its place in the file, in bytes.
    pub(crate) offset: u64,
}

/// What a sector was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sector {
    /// Whole, and this is its stamp.
    Written(Stamp),
    /// Zeros only.
    Zero,
    /// Anything else: never written by [`write`], or damaged.
    Foreign,
}

/// Fills a sector.
pub(crate) fn write(stamp: Stamp, into: &mut [u8; SECTOR_BYTES]) {
    into[..8].copy_from_slice(&MAGIC);
    let numbers = [stamp.run, stamp.file, stamp.generation, stamp.offset];
    for (bytes, number) in into[8..FILLING_AT].chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&into[..FILLING_AT]);
    hasher.finalize_xof().fill(&mut into[FILLING_AT..CHECKSUM_AT]);
    let checksum = checksum(into);
    into[CHECKSUM_AT..].copy_from_slice(&checksum);
}

/// Tells what a sector is.
pub(crate) fn classify(sector: &[u8; SECTOR_BYTES]) -> Sector {
    if sector.iter().all(|byte| *byte == 0) {
        return Sector::Zero;
    }
    if sector[..8] != MAGIC || sector[CHECKSUM_AT..] != checksum(sector) {
        return Sector::Foreign;
    }
    let mut numbers = [0; 4];
    for (number, bytes) in numbers.iter_mut().zip(sector[8..FILLING_AT].as_chunks::<8>().0) {
        *number = u64::from_le_bytes(*bytes);
    }
    let [run, file, generation, offset] = numbers;
    Sector::Written(Stamp { run, file, generation, offset })
}

/// The checksum of what is before it.
fn checksum(sector: &[u8; SECTOR_BYTES]) -> [u8; 8] {
    let mut checksum = [0; 8];
    checksum.copy_from_slice(&blake3::hash(&sector[..CHECKSUM_AT]).as_bytes()[..8]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { run: 7, file: 1, generation: 3, offset: 4096 };

    fn written(stamp: Stamp) -> [u8; SECTOR_BYTES] {
        let mut sector = [0; SECTOR_BYTES];
        write(stamp, &mut sector);
        sector
    }

    #[test]
    fn a_written_sector_tells_its_stamp() {
        let largest = Stamp { run: u64::MAX, file: u64::MAX, generation: 0, offset: u64::MAX };
        for stamp in [STAMP, largest] {
            assert_eq!(classify(&written(stamp)), Sector::Written(stamp));
        }
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        for at in 0..SECTOR_BYTES {
            let mut sector = written(STAMP);
            sector[at] ^= 1;
            assert_eq!(classify(&sector), Sector::Foreign, "byte {at}");
        }
    }

    #[test]
    fn a_sector_of_two_generations_is_none() {
        let (old, new) = (written(STAMP), written(Stamp { generation: 4, ..STAMP }));
        for at in 1..SECTOR_BYTES {
            let mut mixed = new;
            mixed[at..].copy_from_slice(&old[at..]);
            // Both begin alike.
            if mixed != old && mixed != new {
                assert_eq!(classify(&mixed), Sector::Foreign, "from byte {at} on");
            }
        }
    }

    #[test]
    fn zeros_are_zeros_and_one_bit_is_foreign() {
        let mut sector = [0; SECTOR_BYTES];
        assert_eq!(classify(&sector), Sector::Zero);
        sector[SECTOR_BYTES - 1] = 1;
        assert_eq!(classify(&sector), Sector::Foreign);
    }

    #[test]
    fn sectors_of_different_places_are_different_everywhere() {
        let (left, right) = (written(STAMP), written(Stamp { offset: 4608, ..STAMP }));
        let equal = (FILLING_AT..SECTOR_BYTES).filter(|at| left[*at] == right[*at]).count();
        assert!(equal < 20, "{equal} equal bytes");
    }
}
