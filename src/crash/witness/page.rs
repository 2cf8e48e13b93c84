//! One page: its sectors, and what they make of it.

use crate::crash::sector::SECTOR_BYTES;

use super::event::{RunId, Store};
use super::mode::Mode;
use super::sector::{self, Sector, Stamp};

/// Bytes of a page, the unit of stores: that of memory on most machines.
pub(crate) const PAGE_BYTES: usize = 4096;

/// The same, for offsets. (`usize` has at most 64 bits on every platform.)
pub(crate) const PAGE_LEN: u64 = PAGE_BYTES as u64;

/// The bytes of a page, where writes past the page cache want them.
#[repr(align(4096))]
pub(crate) struct PageBytes(pub(crate) [u8; PAGE_BYTES]);

/// Where a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The run.
    pub(crate) run: RunId,
    /// How it is stored.
    pub(crate) mode: Mode,
    /// Its number among those of the mode.
    pub(crate) page: u64,
}

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// It is not there: no name, or the file ends before.
    Missing,
    /// The system cannot read it.
    Unreadable,
    /// All sectors are of this generation.
    Whole(u64),
    /// Sectors of different generations, or some of them zeros. This is the oldest; none for zeros.
    Torn {
        /// The oldest.
        oldest: Option<u64>,
        /// The newest.
        newest: Option<u64>,
    },
    /// Zeros only.
    Zero,
    /// A sector that is no sector of this program: damaged, or somebody else's.
    Foreign,
    /// A sector of another place, file or run.
    Misplaced,
}

impl Content {
    /// The generation that all of the page has reached.
    pub(crate) fn reached(self) -> Option<u64> {
        match self {
            Self::Whole(generation) => Some(generation),
            Self::Torn { oldest, .. } => oldest,
            Self::Missing | Self::Unreadable | Self::Zero | Self::Foreign | Self::Misplaced => None,
        }
    }

    /// The newest generation in it.
    pub(crate) fn newest(self) -> Option<u64> {
        match self {
            Self::Torn { newest, .. } => newest,
            other => other.reached(),
        }
    }
}

impl Slot {
    /// The place that a store is for.
    pub(crate) fn of(run: RunId, store: Store) -> Self {
        Self { run, mode: store.mode, page: store.page }
    }

    /// The offset of the page among those of its mode.
    pub(crate) fn offset(self) -> u64 {
        self.page * PAGE_LEN
    }

    fn stamp(self, generation: u64, sector: u64) -> Stamp {
        let offset = self.offset() + sector * SECTOR_BYTES as u64;
        Stamp { run: self.run.0, file: self.mode.file(), generation, offset }
    }

    /// Fills a page for this place.
    pub(crate) fn fill(self, generation: u64, into: &mut [u8; PAGE_BYTES]) {
        for (number, sector) in (0..).zip(into.as_chunks_mut().0) {
            sector::write(self.stamp(generation, number), sector);
        }
    }

    /// What each sector of a page that was read from this place is; `Foreign` is a damaged one.
    fn sectors(self, bytes: &[u8; PAGE_BYTES]) -> [Found; PAGE_BYTES / SECTOR_BYTES] {
        let mut found = [Found::Zero; PAGE_BYTES / SECTOR_BYTES];
        for (number, (found, bytes)) in (0..).zip(found.iter_mut().zip(bytes.as_chunks().0)) {
            *found = match sector::classify(bytes) {
                Sector::Zero => Found::Zero,
                Sector::Foreign => Found::Foreign,
                Sector::Written(stamp) if stamp == self.stamp(stamp.generation, number) => {
                    Found::Generation(stamp.generation)
                }
                Sector::Written(_) => Found::Misplaced,
            };
        }
        found
    }

    /// What became of the page at this place, and of its sectors; those of `claimed` and later are
    /// the new ones.
    pub(crate) fn classify(
        self,
        bytes: &[u8; PAGE_BYTES],
        claimed: Option<u64>,
    ) -> (Content, Sectors) {
        let found = self.sectors(bytes);
        let mut sectors = Sectors::default();
        for sector in found {
            *match sector {
                Found::Generation(generation) if Some(generation) >= claimed => &mut sectors.new,
                Found::Generation(_) => &mut sectors.old,
                Found::Zero => &mut sectors.zero,
                Found::Foreign | Found::Misplaced => &mut sectors.foreign,
            } += 1;
        }
        (content(&found), sectors)
    }
}

/// What a sector of a page was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Generation(u64),
    Zero,
    Foreign,
    Misplaced,
}

/// How many sectors are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sectors {
    /// Of the generation that is claimed, or a later one.
    pub(crate) new: u64,
    /// Of an older generation.
    pub(crate) old: u64,
    /// Zeros.
    pub(crate) zero: u64,
    /// Of another place, or nothing of this program.
    pub(crate) foreign: u64,
}

fn content(found: &[Found]) -> Content {
    if found.contains(&Found::Misplaced) {
        return Content::Misplaced;
    }
    if found.contains(&Found::Foreign) {
        return Content::Foreign;
    }
    let generations = found.iter().map(|sector| match sector {
        Found::Generation(generation) => Some(*generation),
        Found::Zero | Found::Foreign | Found::Misplaced => None,
    });
    // None, for zeros, is less than any generation.
    let (oldest, newest) = (generations.clone().min().flatten(), generations.max().flatten());
    match (oldest, newest) {
        (None, None) => Content::Zero,
        (Some(oldest), Some(newest)) if oldest == newest => Content::Whole(oldest),
        _ => Content::Torn { oldest, newest },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::flush::SyncMode;

    const SLOT: Slot = Slot { run: RunId(7), mode: Mode::InPlace(SyncMode::Msync), page: 3 };

    fn page(slot: Slot, generation: u64) -> [u8; PAGE_BYTES] {
        let mut bytes = [0; PAGE_BYTES];
        slot.fill(generation, &mut bytes);
        bytes
    }

    fn content(bytes: &[u8; PAGE_BYTES]) -> Content {
        SLOT.classify(bytes, None).0
    }

    #[test]
    fn a_page_is_whole_at_its_place_only() {
        let bytes = page(SLOT, 4);
        assert_eq!(content(&bytes), Content::Whole(4));
        for slot in [
            Slot { run: RunId(8), ..SLOT },
            Slot { mode: Mode::InPlace(SyncMode::None), ..SLOT },
            Slot { page: 4, ..SLOT },
        ] {
            assert_eq!(slot.classify(&bytes, None).0, Content::Misplaced);
        }
        let mut turned = bytes;
        turned.rotate_left(SECTOR_BYTES);
        assert_eq!(content(&turned), Content::Misplaced);
    }

    #[test]
    fn a_page_of_which_some_sectors_arrived_is_torn() {
        for sectors in 1..PAGE_BYTES / SECTOR_BYTES {
            let (mut mixed, at) = (page(SLOT, 2), sectors * SECTOR_BYTES);
            mixed[..at].copy_from_slice(&page(SLOT, 5)[..at]);
            assert_eq!(content(&mixed), Content::Torn { oldest: Some(2), newest: Some(5) });
            mixed[at..].fill(0);
            assert_eq!(content(&mixed), Content::Torn { oldest: None, newest: Some(5) });
        }
        assert_eq!(content(&[0; PAGE_BYTES]), Content::Zero);
    }

    #[test]
    fn sectors_are_counted_as_new_old_zero_and_foreign() {
        let mut mixed = page(SLOT, 2);
        mixed[..SECTOR_BYTES].copy_from_slice(&page(SLOT, 3)[..SECTOR_BYTES]);
        mixed[SECTOR_BYTES..2 * SECTOR_BYTES].fill(0);
        mixed[PAGE_BYTES - 1] ^= 1;
        let (content, sectors) = SLOT.classify(&mixed, Some(3));
        assert_eq!(content, Content::Foreign);
        assert_eq!(sectors, Sectors { new: 1, old: 5, zero: 1, foreign: 1 });
    }

    #[test]
    fn garbage_is_foreign_and_nothing_worse() {
        let mut noise = blake3::Hasher::new().finalize_xof();
        for round in 0..500_usize {
            let mut bytes = page(SLOT, round as u64);
            let at = round % PAGE_BYTES;
            let to = PAGE_BYTES.min(at + 1 + round);
            noise.fill(&mut bytes[at..to]);
            assert!(matches!(content(&bytes), Content::Foreign | Content::Whole(_)));
            noise.fill(&mut bytes);
            assert_eq!(content(&bytes), Content::Foreign);
        }
    }
}
