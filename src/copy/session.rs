//! What a run of several copies has to remember.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

use super::directory::{Directory, Names, Way as WayTo};
use super::stage::looks_temporary;
use super::target::Place;
use crate::error::{Cause, Error};
use crate::options::{BackupControl, CopyOptions, Endpoint, Keep, ObjectId};
use crate::report::{InPlaceReason, Report, Way};
use crate::sync::{lock, wait};
use crate::sys::Errno;
use crate::sys::file::{self, Facts, Kind};
use crate::sys::handle::OwnedHandle;
use crate::sys::names::{Follow, Spot, facts_of_path};

/// What the copies of one run have to know of each other: hard links among the sources, for
/// [`Preserve::links`](crate::Preserve::links), and files that no backup may displace.
///
/// It grows by the sources and, in a mirror, the targets that have several names, with backups by
/// the targets, and where all
/// symbolic links are followed and hard links kept, by all sources: some 200 bytes each.
#[derive(Debug, Default)]
pub struct Session {
    state: Mutex<State>,
    /// A first copy has ended, well or not.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    firsts: HashMap<ObjectId, Known>,
    made: HashSet<ObjectId>,
    /// Files that the run keeps for itself.
    protected: HashSet<ObjectId>,
    /// Targets with several names that stay, and the source that each is the copy of.
    kept: HashMap<ObjectId, ObjectId>,
}

/// What is known of a source with several names.
#[derive(Debug)]
enum Known {
    /// Its first copy is being made.
    UnderWay,
    /// It is there.
    Copied(Arc<First>),
}

/// What must be neither displaced nor removed, whatever its name: the source, and what the run
/// has made or means to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precious<'a> {
    pub(crate) source: ObjectId,
    pub(crate) session: Option<&'a Session>,
}

impl Precious<'_> {
    /// Whether this is.
    pub(super) fn has(self, id: ObjectId) -> bool {
        let knows = |session: &Session| {
            let state = session.state();
            state.made.contains(&id) || state.protected.contains(&id)
        };
        id == self.source || self.session.is_some_and(knows)
    }
}

/// The first copy of a source with several names.
#[derive(Debug)]
pub(super) struct First {
    pub(super) name: OsString,
    pub(super) target_id: ObjectId,
    pub(super) len: u64,
    pub(super) hash: Option<blake3::Hash>,
    /// Its directory, if that is still open.
    directory: Weak<Directory>,
    found: Found,
}

/// How a first copy's directory is found when it is not open any more.
#[derive(Debug)]
enum Found {
    /// As a part of a tree, whose root may be closed as well.
    Below { root: Weak<Directory>, root_path: PathBuf, root_id: ObjectId, path: Arc<Path> },
    /// As the operand that it was.
    ByPath(PathBuf),
}

impl First {
    /// Whether it is this object.
    pub(super) fn is(&self, id: ObjectId) -> bool {
        self.target_id == id
    }

    /// The directory that it is in.
    pub(super) fn open_directory(&self) -> io::Result<OwnedHandle> {
        if let Some(directory) = self.directory.upgrade() {
            return Ok(directory.handle().try_clone()?.into());
        }
        match &self.found {
            Found::Below { root, root_path, root_id, path } => {
                let root = match root.upgrade() {
                    Some(root) => root,
                    None => Arc::new(reopened(root_path, *root_id)?),
                };
                WayTo { root, path: Arc::clone(path) }.open()
            }
            Found::ByPath(path) => Spot::of_path(path).open_directory(Follow::Yes),
        }
    }
}

/// What to do with a source.
#[derive(Debug)]
pub(super) enum Claim<'a> {
    /// Copy it, whatever else has been copied.
    Alone,
    /// Copy it as the first of its names; the others wait until [`FirstClaim::settle`].
    First(FirstClaim<'a>),
    /// Make a link to its first copy.
    Another(Arc<First>),
}

/// The right, and the duty, to make the first copy of a source. Dropped without one, it leaves
/// that to the next name.
#[derive(Debug)]
pub(super) struct FirstClaim<'a> {
    session: &'a Session,
    source: Facts,
    settled: Option<Known>,
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
        self.state().protected.insert(id);
        Ok(())
    }

    /// Whether a file is one that was protected so.
    pub(crate) fn protects(&self, id: ObjectId) -> bool {
        self.state().protected.contains(&id)
    }

    /// Protects what has a temporary name for a reason from being taken for the leftover of a
    /// killed run.
    pub(crate) fn protect_id(&self, id: ObjectId) {
        self.state().made.insert(id);
    }

    /// Protects what is to be copied later from being taken for the leftover of a killed run,
    /// where it has such a name, or is in a directory that has.
    pub fn protect_source(&self, source: &Endpoint) {
        let above = source.path().into_iter().flat_map(Path::ancestors);
        for path in above.filter(|path| looks_temporary(path)) {
            if let Ok(Some(facts)) = facts_of_path(path, Follow::Yes) {
                self.state().made.insert(facts.id);
            }
        }
    }

    /// Says whether a source is to be copied or linked. Waits for a first copy that another
    /// thread is making: that one waits for nobody.
    pub(super) fn claim(&self, source: &Facts, options: &CopyOptions) -> Claim<'_> {
        if !wants_links(source, options) {
            return Claim::Alone;
        }
        let mut state = self.state();
        loop {
            match state.firsts.get(&source.id) {
                None => {
                    state.firsts.insert(source.id, Known::UnderWay);
                    let source = *source;
                    return Claim::First(FirstClaim { session: self, source, settled: None });
                }
                Some(Known::UnderWay) => {
                    state = wait(&self.ended, state);
                }
                Some(Known::Copied(first)) => return Claim::Another(Arc::clone(first)),
            }
        }
    }

    /// Whether an existing target with several names stays the copy of this source: the first that
    /// asks keeps it, and all of the same source's names.
    pub(super) fn keeps(&self, target: ObjectId, source: ObjectId) -> bool {
        *self.state().kept.entry(target).or_insert(source) == source
    }

    /// Notes what was made, if a backup, or a temporary of that name, could displace it.
    pub(crate) fn note(&self, options: &CopyOptions, report: &Report) {
        let has_temporary_name = || report.target.path().is_some_and(looks_temporary);
        if let Some(id) = report.target_id
            && (options.backup.control != BackupControl::None || has_temporary_name())
        {
            self.state().made.insert(id);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl FirstClaim<'_> {
    /// Makes the copy known to those who wait for it.
    pub(super) fn settle(mut self, place: &Place, report: &Report) {
        let is_copy = match report.way {
            Way::InPlace(why) => {
                !matches!(why, InPlaceReason::NotRegular | InPlaceReason::AttributesOnly)
            }
            _ => true,
        };
        if let (Some(id), true) = (report.target_id, is_copy) {
            self.know(place, id, report.len, report.hash);
        }
    }

    /// Makes something that was there known as the copy.
    pub(super) fn settle_as(mut self, place: &Place, id: ObjectId, len: u64) {
        self.know(place, id, len, None);
    }

    fn know(&mut self, place: &Place, target_id: ObjectId, len: u64, hash: Option<blake3::Hash>) {
        let directory = &place.directory;
        let found = match &directory.way {
            Some(WayTo { root, path }) => Found::Below {
                root: Arc::downgrade(root),
                root_path: root.reachable_path().to_path_buf(),
                root_id: root.id(),
                path: Arc::clone(path),
            },
            None => Found::ByPath(directory.reachable_path().to_path_buf()),
        };
        let first = First {
            name: place.name.clone(),
            target_id,
            len,
            hash,
            directory: Arc::downgrade(directory),
            found,
        };
        self.settled = Some(Known::Copied(Arc::new(first)));
    }
}

impl Drop for FirstClaim<'_> {
    fn drop(&mut self) {
        let mut state = self.session.state();
        match self.settled.take() {
            Some(known) => drop(state.firsts.insert(self.source.id, known)),
            None => drop(state.firsts.remove(&self.source.id)),
        }
        drop(state);
        self.session.ended.notify_all();
    }
}

/// The root of a tree that has been copied, if it is still there.
fn reopened(path: &Path, id: ObjectId) -> io::Result<Directory> {
    let handle = Spot::of_path(path).open_directory(Follow::Yes)?;
    let root = Directory::new(handle, path.to_path_buf(), Names::Shown)?;
    if root.id() == id { Ok(root) } else { Err(Errno::NOENT.into()) }
}

/// Whether an error of linking says that the first copy is not there any more.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error.cause, Cause::Replaced)
        || error.os_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Whether another name of this source may be met, which is to become a link to its copy: symbolic
/// links that are followed are such names, too.
pub(super) fn wants_links(source: &Facts, options: &CopyOptions) -> bool {
    use crate::options::{Dereference, Existing, Made};
    options.preserve.links != Keep::No
        && (source.links > 1 || options.dereference == Dereference::Always)
        && source.kind != Kind::Directory
        && (options.existing != Existing::InPlace || options.mirror.is_some())
        && options.made != Made::HardLink
}
