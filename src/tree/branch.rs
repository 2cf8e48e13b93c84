//! One directory of a tree while it is copied.
//!
//! It is, one after the other, and each once:
//!
//! - *being filled*: threads take its names ([`Branch::take`], [`Branch::give_back`]);
//! - *filled*: no name is left and nobody is at one ([`Next::Filled`]). Now, or after a flush, it
//!   gets its name, and its subdirectories can be begun;
//! - *complete*: no subdirectory and no file waits or is under way ([`Next::Complete`]). It gets
//!   its attributes, and its parent is told ([`Branch::close_child`]).
//!
//! Whoever brings it to the next state, under the lock of `work`, is told so, and does what
//! follows. A deep one that only waits for one subdirectory is *resting* meanwhile: its handles
//! are closed, and no other subdirectory is begun.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::change::Change;
use crate::copy::{Directory, StagedDirectory, is_temporary_name};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::ModeAtEnd;
use crate::options::{Endpoint, ObjectId};
use crate::sync::lock;
use crate::sys::file::{Facts, Kind};
use crate::sys::names::{self, Listed};

/// A directory under way, from its making until all that is in it has been copied.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) parent: Option<Arc<Branch>>,
    /// How many directories it is in.
    depth: usize,
    handles: Mutex<Option<Handles>>,
    /// What the source was when it was opened.
    pub(super) source: Facts,
    source_path: PathBuf,
    /// What the target was when it was opened.
    pub(super) target: Facts,
    target_path: PathBuf,
    /// What has become of it by its making, in a mirror.
    pub(super) change: Option<Change>,
    /// The permission bits of a new target, where it needed more to be filled.
    pub(super) mode_before: Option<u32>,
    /// Whether this run has made the target, or would have in earnest.
    pub(super) is_new: bool,
    is_absent: bool,
    /// The temporary name of a new one, as long as it has one.
    staged: Mutex<Option<StagedDirectory>>,
    /// Whether its files are flushed and named in batches.
    pub(super) batched: bool,
    pub(super) mode_at_end: ModeAtEnd,
    work: Mutex<Work>,
}

/// Both sides, held open.
#[derive(Clone, Debug)]
pub(super) struct Handles {
    pub(super) source: Arc<Directory>,
    pub(super) target: Arc<Directory>,
}

/// Directories in each other that are held open; below these, one that only waits for the one in
/// it is closed, so that a tree can be deeper than a process can have files open.
const OPEN_DEPTH_MAX: usize = 64;

/// How far the names of a directory have been read.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) read: Vec<Listed>,
    /// Whether there may be more.
    pub(super) unread: bool,
}

/// How a target's directory came to be.
#[derive(Debug)]
pub(super) enum Made {
    /// It was there.
    Before,
    /// It was made under its name, since no file was among its first names.
    Named,
    /// It was made under a temporary name.
    Staged(StagedDirectory),
}

impl Listing {
    /// Reads as many names as one call yields, and a second time where these are all directories;
    /// all of them where some may have to be refused.
    ///
    /// # Errors
    ///
    /// Those of getdents(2); `EBADF` for a directory that may not be read.
    pub(super) fn begin(source: &Directory) -> io::Result<Self> {
        if names::SPELLING == names::Spelling::Restricted {
            return Ok(Self { read: names::list_all(source)?, unread: false });
        }
        let mut listing = Self { read: Vec::new(), unread: true };
        names::list_some(source, &mut listing.read)?;
        if listing.has_no_file() && !listing.read.is_empty() {
            let mut more = Vec::new();
            names::list_some(source, &mut more)?;
            listing.unread = !more.is_empty();
            listing.read.append(&mut more);
        }
        listing.unread &= !listing.read.is_empty();
        Ok(listing)
    }

    /// Whether there is nothing but directories among what was read.
    pub(super) fn has_no_file(&self) -> bool {
        self.read.iter().all(|listed| listed.kind == Some(Kind::Directory))
    }
}

/// What is still to be done in a directory.
#[derive(Debug, Default)]
struct Work {
    /// Whether the source has names that were not read yet.
    unread: bool,
    /// Whether one of those that were looks like a temporary's.
    has_temporary: bool,
    /// Names that were read, and wait to be copied.
    read: Vec<Listed>,
    /// Whether other threads know that there are more of them than one takes.
    shared: bool,
    /// Names that the target of a mirror had, less those of the source that were read; and those
    /// that are in the way of something else, or are left out.
    excess: HashSet<OsString>,
    /// Names that directories have taken, and the names that what had them has now.
    replaced: Vec<(OsString, OsString)>,
    /// Threads that are copying some of its files.
    hands: usize,
    /// Subdirectories to be copied, the next one last.
    subdirectories: Vec<OsString>,
    /// Subdirectories that were begun, and have to end before this does.
    open: usize,
    /// Those of them that still need its handles to be opened.
    beginning: usize,
    /// Whether its handles are closed until the one subdirectory that is open has ended.
    resting: bool,
    /// Files that wait to be named.
    waiting: usize,
    /// Whether all its files are there.
    filled: bool,
    /// Whether somebody has been told that it is complete.
    complete: bool,
}

/// Names that a thread takes at once: enough to be worth the lock, few enough to be shared.
const TAKEN_AT_ONCE: usize = 16;

/// What follows from the end of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Next {
    /// Others are still at it.
    Nothing,
    /// Its subdirectories can be begun again.
    Rested,
    /// All its files are there.
    Filled,
    /// All that is in it is there.
    Complete,
}

impl Branch {
    /// One whose names are to be read, or not.
    pub(super) fn new(
        parent: Option<Arc<Branch>>,
        handles: Handles,
        Listing { read, unread }: Listing,
        (made, change): (Made, Option<Change>),
        batched: bool,
        mode_of_new: ModeAtEnd,
    ) -> Self {
        let (is_new, staged) = match made {
            Made::Before => (false, None),
            Made::Named => (true, None),
            Made::Staged(staged) => (true, Some(staged)),
        };
        let has_temporary = read.iter().any(looks_temporary);
        if !unread {
            handles.source.note_names(has_temporary);
        }
        let work = Mutex::new(Work { unread, has_temporary, read, ..Work::default() });
        Self {
            depth: parent.as_ref().map_or(0, |parent| parent.depth + 1),
            parent,
            source: handles.source.facts,
            source_path: handles.source.path.clone(),
            target: handles.target.facts,
            is_absent: handles.target.is_absent(),
            change,
            target_path: handles.target.path.clone(),
            mode_before: handles.target.mode_before,
            handles: Mutex::new(Some(handles)),
            is_new,
            staged: Mutex::new(staged),
            batched,
            mode_at_end: if is_new { mode_of_new } else { ModeAtEnd::AsItIs },
            work,
        }
    }

    /// Whether the target still has its temporary name.
    pub(super) fn is_staged(&self) -> bool {
        lock(&self.staged).is_some()
    }

    /// Takes the temporary name, to end it.
    pub(super) fn take_staged(&self) -> Option<StagedDirectory> {
        lock(&self.staged).take()
    }

    /// The source's name.
    pub(super) fn source_path(&self) -> &Path {
        &self.source_path
    }

    /// The names for messages.
    pub(super) fn endpoints(&self) -> (Endpoint, Endpoint) {
        (Endpoint::from(&self.source_path), Endpoint::from(&self.target_path))
    }

    /// The names for messages of what has `name` in it.
    pub(super) fn endpoints_of(&self, name: &OsStr) -> (Endpoint, Endpoint) {
        (joined(&self.source_path, name), joined(&self.target_path, name))
    }

    /// Both sides.
    ///
    /// # Errors
    ///
    /// [`Cause::Replaced`] when it was closed, and was not found again.
    pub(super) fn handles(&self) -> Result<Handles> {
        let handles = lock(&self.handles).clone();
        handles.ok_or_else(|| {
            Error::new(Operation::Open, &Endpoint::from(&self.source_path), Cause::Replaced)
        })
    }

    /// The identity of the target.
    pub(super) fn target_id(&self) -> ObjectId {
        self.target.id
    }

    /// Notes what the target of a mirror has.
    pub(super) fn note_target(&self, names: HashSet<OsString>) {
        let mut work = self.work();
        work.excess = names;
        let Work { read, excess, .. } = &mut *work;
        for Listed { name, .. } in read {
            excess.remove(name);
        }
    }

    /// Notes a name of the target that is to be looked at in the end.
    pub(super) fn note_excess(&self, name: OsString) {
        self.work().excess.insert(name);
    }

    /// Notes that a directory has taken a name, and which name what had it has now.
    pub(super) fn note_replaced(&self, name: OsString, aside: OsString) {
        self.work().replaced.push((name, aside));
    }

    /// What the target may have too much, and what has made way in it.
    pub(super) fn take_excess(&self) -> (Vec<OsString>, Vec<(OsString, OsString)>) {
        let mut work = self.work();
        let excess = std::mem::take(&mut work.excess).into_iter().collect();
        (excess, std::mem::take(&mut work.replaced))
    }

    /// Closes both sides, if the tree is deep here and nothing is done in them before the one
    /// subdirectory that is under way has ended. That one must not have been reached by a link:
    /// they are found again as what it is in.
    pub(super) fn rest(&self) {
        let mut work = self.work();
        let is_filled = work.filled && work.waiting == 0;
        let waits = is_filled && work.open == 1 && work.beginning == 0;
        if waits && self.depth >= OPEN_DEPTH_MAX {
            lock(&self.handles).take();
            work.resting = true;
        }
    }

    /// Opens them again, from a subdirectory of each. A directory that was moved meanwhile is not
    /// found.
    fn resume(&self, child: &Self) {
        let mut handles = lock(&self.handles);
        if handles.is_none()
            && let Ok(below) = child.handles()
            && let Ok(source) = below.source.above(&self.source_path, self.source.id, false)
            && let Ok(target) =
                below.target.above(&self.target_path, self.target.id, self.is_absent)
        {
            *handles = Some(Handles { source: Arc::new(source), target: Arc::new(target) });
        }
    }

    /// Notes the end of a subdirectory, which is closed: those that it is in may hold on to it.
    pub(super) fn close_child(&self, child: &Self) -> Next {
        // Held, so that it is not put to rest in between.
        let mut work = self.work();
        self.resume(child);
        lock(&child.handles).take();
        work.open -= 1;
        let rested = std::mem::take(&mut work.resting);
        if rested && !work.subdirectories.is_empty() {
            return Next::Rested;
        }
        Self::next(&mut work)
    }

    /// Takes some names to copy, of which [`give_back`](Self::give_back) has to be told; none when
    /// there are no more, or others have them.
    ///
    /// # Errors
    ///
    /// Those of reading the directory, which then counts as read.
    pub(super) fn take(&self, into: &mut Vec<Listed>) -> Result<()> {
        let mut work = self.work();
        let mut result = Ok(());
        if work.read.is_empty() && work.unread {
            let mut read = std::mem::take(&mut work.read);
            let listed = self.handles().and_then(|handles| {
                names::list_some(&*handles.source, &mut read)
                    .context(Operation::Resolve, &Endpoint::from(&self.source_path))?;
                work.has_temporary |= read.iter().any(looks_temporary);
                for Listed { name, .. } in &read {
                    work.excess.remove(name);
                }
                if read.is_empty() {
                    handles.source.note_names(work.has_temporary);
                }
                Ok(())
            });
            if listed.is_err() {
                work.unread = false;
                work.excess.clear();
                read.clear();
                result = listed;
            }
            work.unread &= !read.is_empty();
            work.read = read;
        }
        let from = work.read.len().saturating_sub(TAKEN_AT_ONCE);
        into.extend(work.read.drain(from..));
        work.hands += usize::from(!into.is_empty());
        result
    }

    /// Whether another thread could take names.
    pub(super) fn has_names(&self) -> bool {
        let work = self.work();
        work.unread || !work.read.is_empty()
    }

    /// Lets go of what was taken, or of nothing; of the threads that find nothing more the last
    /// one learns that the directory is filled.
    pub(super) fn give_back(&self, taken: bool) -> Next {
        let mut work = self.work();
        work.hands -= usize::from(taken);
        let ended = !work.unread && work.read.is_empty() && work.hands == 0 && !work.filled;
        if !ended {
            return Next::Nothing;
        }
        work.filled = true;
        Next::Filled
    }

    /// Leaves out what was not begun.
    pub(super) fn abandon(&self) {
        Self::leave_out(&mut self.work());
    }

    /// The same as long as it is being filled, since the run is to stop.
    pub(super) fn stop(&self) {
        let mut work = self.work();
        if !work.filled {
            Self::leave_out(&mut work);
        }
    }

    fn leave_out(work: &mut Work) {
        work.unread = false;
        work.read = Vec::new();
        work.subdirectories = Vec::new();
        // What was not read looks as if it were too much.
        work.excess = HashSet::new();
    }

    /// Remembers a subdirectory.
    pub(super) fn add_subdirectory(&self, name: OsString) {
        self.work().subdirectories.push(name);
    }

    /// Takes a subdirectory to be copied, which counts as begun; says whether there are more.
    /// [`begun`](Self::begun) has to be told when the handles are not needed for it any more.
    pub(super) fn begin_subdirectory(&self) -> Option<(OsString, bool)> {
        let mut work = self.work();
        if work.resting {
            return None;
        }
        let name = work.subdirectories.pop()?;
        work.open += 1;
        work.beginning += 1;
        Some((name, !work.subdirectories.is_empty()))
    }

    /// Notes that a subdirectory has been opened, or could not be.
    pub(super) fn begun(&self) {
        self.work().beginning -= 1;
    }

    /// Whether subdirectories wait.
    pub(super) fn has_subdirectories(&self) -> bool {
        !self.work().subdirectories.is_empty()
    }

    /// Whether other threads are to be told of names that they can take; says so once.
    pub(super) fn is_to_be_shared(&self) -> bool {
        let mut work = self.work();
        let shares = !work.shared && !work.read.is_empty();
        work.shared |= shares;
        shares
    }

    /// Whether they have been told.
    pub(super) fn is_shared(&self) -> bool {
        self.work().shared
    }

    /// Notes that a file waits for its name.
    pub(super) fn file_waits(&self) {
        self.work().waiting += 1;
    }

    /// Notes that it waits no more.
    pub(super) fn file_ended(&self) -> Next {
        let mut work = self.work();
        work.waiting -= 1;
        Self::next(&mut work)
    }

    /// Notes that a subdirectory could not be begun.
    pub(super) fn close_one(&self) -> Next {
        let mut work = self.work();
        work.open -= 1;
        Self::next(&mut work)
    }

    /// What is left when it has been filled.
    pub(super) fn after_filling(&self) -> Next {
        Self::next(&mut self.work())
    }

    fn next(work: &mut Work) -> Next {
        let waits = work.open > 0 || work.waiting > 0 || !work.subdirectories.is_empty();
        let ended = work.filled && !waits;
        if ended && !work.complete {
            work.complete = true;
            Next::Complete
        } else {
            Next::Nothing
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        lock(&self.work)
    }
}

fn looks_temporary(listed: &Listed) -> bool {
    is_temporary_name(&listed.name)
}

/// `directory/name`, with no more room than it needs.
fn joined(directory: &Path, name: &OsStr) -> Endpoint {
    let mut path = PathBuf::with_capacity(directory.as_os_str().len() + 1 + name.len());
    path.push(directory);
    path.push(name);
    Endpoint::from(path)
}
