//! What it was that a crash took: each change of the disk, told as what is in its bytes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::crash::simulated::observe::{Object, mark};
use crate::crash::simulated::oracle::Oracle;
use crate::crash::simulated::record::{Change, SECTOR};
use crate::crash::simulated::states::State;
use crate::units::ByteRange;

/// A change of the disk that did not arrive, or not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Its number among those that were pending.
    pub number: usize,
    /// The bytes of the disk that it changes.
    pub range: ByteRange,
    /// Those of them that arrived; none, mostly.
    pub arrived: ByteRange,
    /// What it would have stored there.
    pub stored: Stored,
}

/// What is in the bytes of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stored {
    /// What a file holds, before or after.
    File {
        /// Which, relative to the root; one of those that hold the same.
        path: PathBuf,
        /// Which bytes of it, in whole sectors.
        range: ByteRange,
    },
    /// Zeros.
    Zeros,
    /// Nothing that a file holds: metadata, as far as the program has left all that it wrote.
    Other,
}

/// Where in which file each sector is.
pub(crate) struct Places<'a>(HashMap<u64, (&'a Path, u64)>);

impl<'a> Places<'a> {
    /// Of one content in several files, the one that the program makes or changes comes first.
    pub(crate) fn of(oracle: &'a Oracle) -> Self {
        let (before, after) = oracle.versions();
        let new = oracle.changed().filter_map(|(path, _, new)| Some((path, new?)));
        let all = after.objects.iter().chain(&before.objects);
        let all = all.map(|(path, object)| (path.as_path(), object));
        let mut places = HashMap::new();
        for (path, Object { content, .. }) in new.chain(all) {
            for (at, mark) in (0..).zip(&content.sectors) {
                places.entry(*mark).or_insert((path, at));
            }
        }
        Self(places)
    }

    /// What a state lacks.
    pub(crate) fn losses(&self, state: &State) -> Vec<Loss> {
        let loss = |number: usize| {
            let change = state.crash.pending.get(number)?;
            let (range, arrived) = (change.range(), state.choice.part(number)?);
            Some(Loss { number, range, arrived, stored: self.stored(change) })
        };
        state.lacking().into_iter().filter_map(loss).collect()
    }

    /// What a change stores: of most of its sectors that are not zero.
    fn stored(&self, change: &Change) -> Stored {
        let Change::Write { data, .. } = change else { return Stored::Zeros };
        let marks = data.chunks(usize::try_from(SECTOR).unwrap_or(usize::MAX)).map(mark);
        let marks: Vec<_> = marks.filter(|mark| *mark != 0).collect();
        let mut files: HashMap<&Path, (usize, u64, u64)> = HashMap::new();
        for (path, at) in marks.iter().filter_map(|mark| self.0.get(mark)) {
            let (count, first, last) = files.entry(path).or_insert((0, *at, *at));
            (*count, *first, *last) = (*count + 1, *at.min(first), *at.max(last));
        }
        let most = files.into_iter().max_by_key(|(path, (count, ..))| (*count, *path));
        match most {
            _ if marks.is_empty() => Stored::Zeros,
            Some((path, (count, first, last))) if count * 2 > marks.len() => {
                let range = ByteRange::between(first * SECTOR, (last + 1) * SECTOR);
                Stored::File { path: path.to_owned(), range }
            }
            _ => Stored::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_told_by_what_is_in_it() {
        let sector = |byte: u8| vec![byte; 512];
        let [name, other] = ["name", "other"].map(Path::new);
        let places = [(7, (name, 3)), (8, (name, 4)), (9, (other, 0))];
        let places = places.map(|(byte, place)| (mark(&sector(byte)), place));
        let places = Places(places.into());
        let stored = |bytes: &[u8]| {
            let data: Vec<u8> = bytes.iter().flat_map(|byte| sector(*byte)).collect();
            places.stored(&Change::Write { offset: 0, data: data.into() })
        };
        let file = |path: &Path, start, end| {
            let range = ByteRange::between(start * SECTOR, end * SECTOR);
            Stored::File { path: path.to_owned(), range }
        };
        assert_eq!(stored(&[7, 8, 0, 0]), file(name, 3, 5));
        assert_eq!(stored(&[7, 9, 8]), file(name, 3, 5));
        assert_eq!(stored(&[9]), file(other, 0, 1));
        assert_eq!(stored(&[7, 9]), Stored::Other);
        assert_eq!(stored(&[1, 2, 7]), Stored::Other);
        assert_eq!(stored(&[0, 0]), Stored::Zeros);
        assert_eq!(places.stored(&Change::Zero(ByteRange::first(9))), Stored::Zeros);
    }
}
