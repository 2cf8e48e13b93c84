//! What a run of several copies has to remember.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::options::{BackupControl, CopyOptions, Endpoint, Keep, ObjectId};
use crate::report::{Report, Way};
use crate::sys::file::{self, Facts, Follow, Kind};

/// What the copies of one run have to know of each other: hard links among the sources, for
/// [`Preserve::links`](crate::Preserve::links), and files that no backup may displace.
///
/// It grows by the sources that have several names, and with backups by the targets.
#[derive(Debug, Default)]
pub struct Session {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    firsts: HashMap<ObjectId, First>,
    made: HashSet<ObjectId>,
}

/// What must be neither displaced nor removed, whatever its name: the source, and what the run
/// has made or means to copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Precious<'a> {
    pub(super) source: ObjectId,
    pub(super) session: Option<&'a Session>,
}

impl Precious<'_> {
    /// Whether this is.
    pub(super) fn has(self, id: ObjectId) -> bool {
        id == self.source || self.session.is_some_and(|session| session.state().made.contains(&id))
    }
}

/// The first copy of a source with several names.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) target: PathBuf,
    pub(super) target_id: ObjectId,
    pub(super) len: u64,
    pub(super) hash: Option<blake3::Hash>,
}

impl Session {
    /// One that knows of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Protects this open file, a manifest for example: no backup takes its place, and it is not
    /// taken for the leftover of a killed run, whatever its name.
    ///
    /// # Errors
    ///
    /// Those of fstat(2).
    pub fn protect(&self, file: &File) -> io::Result<()> {
        let id = file::facts(file)?.id;
        self.state().made.insert(id);
        Ok(())
    }

    /// Protects what is to be copied later from being taken for the leftover of a killed run,
    /// where it has such a name.
    pub fn protect_source(&self, source: &Endpoint) {
        if let Endpoint::File(path) = source
            && super::stage::looks_temporary(path)
            && let Ok(Some(facts)) = file::facts_of_path(path, Follow::Yes)
        {
            self.state().made.insert(facts.id);
        }
    }

    /// Where a source was copied to first, if that is still there and links to it are wanted.
    pub(super) fn first(&self, source: &Facts, options: &CopyOptions) -> Option<First> {
        if !wants_links(source, options) {
            return None;
        }
        let first = self.state().firsts.get(&source.id).cloned()?;
        // Another copy of this run, or somebody else, may have replaced it.
        let there = file::facts_of_path(&first.target, Follow::No).ok()??;
        (there.kind == Kind::Regular && there.id == first.target_id).then_some(first)
    }

    /// Notes what was made.
    pub(super) fn note(&self, source: &Facts, options: &CopyOptions, report: &Report) {
        let (Endpoint::File(path), Some(target_id)) = (&report.target, report.target_id) else {
            return;
        };
        let mut state = self.state();
        if options.backup.control != BackupControl::None {
            state.made.insert(target_id);
        }
        if wants_links(source, options) && !matches!(report.way, Way::InPlace(_)) {
            let Report { len, hash, .. } = *report;
            let first = First { target: path.clone(), target_id, len, hash };
            state.firsts.insert(source.id, first);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wants_links(source: &Facts, options: &CopyOptions) -> bool {
    use crate::options::{Content, Existing};
    options.preserve.links != Keep::No
        && source.links > 1
        && source.kind == Kind::Regular
        && options.content == Content::All
        && options.existing != Existing::InPlace
}
