//! Goes through what is to be deleted, each directory after what is in it, however deep.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::prune::Prune;
use crate::change::{Action, Change, Reason};
use crate::error::{Cause, Context, Error, Kept, Operation, Result};
use crate::options::{Endpoint, ObjectId};
use crate::sys::file::{self, Facts, Kind};
use crate::sys::handle::{self, AsHandle, BorrowedHandle, OwnedHandle};
use crate::sys::names::{self, Follow, Spot};
use crate::sys::{attributes, mounts};

/// What is done with what is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is counted.
    Count,
    /// It is told of, as in a dry run.
    Tell,
    /// It is deleted.
    Delete,
}

/// What became of something, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TornDown {
    /// Names that are gone.
    pub(super) count: u64,
    /// Whether something stays: what the patterns protect, and the directories that it is in.
    pub(super) in_part: bool,
}

/// A name in a directory, and where it is told to be.
pub(super) struct Doomed<'p> {
    pub(super) name: &'p OsStr,
    /// Its path below the target's root, which a directory that was set aside has no more.
    pub(super) below: &'p Path,
    /// Whether something else takes its place, which has been told.
    pub(super) is_replaced: bool,
}

/// A directory that was entered, and is left when its names have been gone through.
struct Level {
    /// Closed where many others were entered below it.
    handle: Option<OwnedHandle>,
    id: ObjectId,
    name: OsString,
    /// Names that are still to be met.
    rest: Vec<OsString>,
    in_part: bool,
    /// The permission bits that it had, if it got more.
    mode_before: Option<u32>,
}

/// Directories in each other that are held open.
const OPEN_MAX: usize = 64;

/// One walk through what is to be deleted.
struct Teardown<'t, 'a, 'b> {
    prune: &'t Prune<'a, 'b>,
    purpose: Purpose,
    /// The path, below the target's root, of what is being met.
    below: PathBuf,
    levels: Vec<Level>,
    count: u64,
    is_replaced: bool,
}

impl Prune<'_, '_> {
    /// Goes through a name of a directory and all that is below it.
    ///
    /// # Errors
    ///
    /// The first; what was met before is gone. [`Cause::Kept`] for what is mounted, or belongs to
    /// the source, and when more would be deleted than may be.
    pub(super) fn tear_down(
        &self,
        directory: &impl AsHandle,
        doomed: &Doomed<'_>,
        purpose: Purpose,
    ) -> Result<TornDown> {
        let mut teardown = Teardown {
            prune: self,
            purpose,
            below: doomed.below.to_owned(),
            levels: Vec::new(),
            count: 0,
            is_replaced: doomed.is_replaced,
        };
        let ended = teardown.run(handle::of(&directory), doomed.name);
        teardown.give_back();
        Ok(TornDown { count: teardown.count, in_part: ended? })
    }
}

impl Teardown<'_, '_, '_> {
    /// Says whether something stays.
    fn run(&mut self, directory: BorrowedHandle<'_>, name: &OsStr) -> Result<bool> {
        let mut in_part = self.meet(directory, name)?;
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.rest.pop() else {
                in_part = self.leave(directory)?;
                continue;
            };
            if self.prune.stopped() {
                return Ok(true);
            }
            let Some(handle) = level.handle.take() else { return Err(self.replaced()) };
            let depth = self.levels.len();
            self.below.push(&name);
            let stays = self.meet(&handle, &name)?;
            if self.levels.len() == depth {
                self.below.pop();
                self.note(stays);
            }
            self.levels[depth - 1].handle = Some(handle);
        }
        Ok(in_part)
    }

    /// Takes back the rights in directories that were not left: after an error, or a stop.
    fn give_back(&mut self) {
        for level in self.levels.drain(..).rev() {
            if let (Some(handle), Some(mode)) = (level.handle, level.mode_before) {
                // What has failed already is the one to tell.
                drop(attributes::set_mode(&handle.into(), mode));
            }
        }
    }

    fn note(&mut self, in_part: bool) {
        if let Some(level) = self.levels.last_mut() {
            level.in_part |= in_part;
        }
    }

    /// Ends what is no directory, and enters what is one; says whether the former stays.
    fn meet(&mut self, directory: impl AsHandle, name: &OsStr) -> Result<bool> {
        let facts = names::facts_at(&directory, name).context(Operation::Stat, &self.endpoint())?;
        let Some(facts) = facts else { return Ok(false) };
        let is_directory = facts.kind == Kind::Directory;
        if self.prune.is_precious(facts.id) || !self.prune.may_go(&self.below, is_directory) {
            return Ok(true);
        }
        if self.prune.is_of_source(facts.id) {
            let cause = Cause::Kept(Kept::PartOfSource);
            return Err(Error::new(Operation::Remove, &self.endpoint(), cause));
        }
        if is_directory {
            self.enter(directory, name, &facts)?;
        } else {
            self.end(&facts, || names::unlink_at(&directory, name))?;
        }
        Ok(false)
    }

    /// Opens a directory and reads its names.
    fn enter(&mut self, parent: impl AsHandle, name: &OsStr, facts: &Facts) -> Result<()> {
        let endpoint = self.endpoint();
        let spot = Spot::within(&parent, name);
        let is_own = !file::is_superuser() && facts.uid == file::effective_uid();
        let opened = match self.purpose {
            // Its owner may have no right to write into it.
            Purpose::Delete if is_own => spot.open_made(),
            _ => spot.open_listable(Follow::No).map(|handle| (handle, None)),
        };
        let (handle, mode_before) = opened.context(Operation::Remove, &endpoint)?;
        let id = names::facts_of_handle(&handle).context(Operation::Stat, &endpoint)?.id;
        self.prune.refuse_kept(id, mounts::mount_id(&handle, OsStr::new("")), &endpoint)?;
        let mut rest = Vec::new();
        names::each_name_in(&handle, |name| rest.push(name.to_owned()))
            .context(Operation::Resolve, &endpoint)?;
        let name = name.to_owned();
        let in_part = false;
        self.levels.push(Level { handle: Some(handle), id, name, rest, in_part, mode_before });
        if let Some(far) = self.levels.len().checked_sub(OPEN_MAX + 1) {
            self.levels[far].handle = None;
        }
        Ok(())
    }

    /// Ends a directory whose names have all been met; says whether it stays.
    fn leave(&mut self, first: BorrowedHandle<'_>) -> Result<bool> {
        let Some(level) = self.levels.pop() else { return Ok(false) };
        let Some(handle) = level.handle else { return Err(self.replaced()) };
        let parent = match self.levels.last_mut() {
            None => None,
            Some(up) => match up.handle.take().or_else(|| above(&handle, up.id)) {
                None => return Err(self.replaced()),
                parent => parent,
            },
        };
        if !level.in_part {
            let facts = names::facts_of_handle(&handle);
            let facts = facts.context(Operation::Stat, &self.endpoint())?;
            drop(handle);
            let parent = parent.as_ref().map_or(first, handle::of);
            self.end(&facts, || names::remove_directory_at(parent, &level.name))?;
        } else if let Some(mode) = level.mode_before {
            let set = attributes::set_mode(&handle.into(), mode);
            set.context(Operation::SetMode, &self.endpoint())?;
        }
        if let Some(up) = self.levels.last_mut() {
            up.handle = parent;
            self.below.pop();
        }
        self.note(level.in_part);
        Ok(level.in_part)
    }

    /// Counts, tells or deletes one name.
    fn end(&mut self, facts: &Facts, remove: impl FnOnce() -> io::Result<()>) -> Result<()> {
        let endpoint = self.endpoint();
        let is_directory = facts.kind == Kind::Directory;
        if self.purpose == Purpose::Delete {
            self.prune.spend(&endpoint)?;
            remove().context(Operation::Remove, &endpoint)?;
        }
        self.count += 1;
        if self.purpose == Purpose::Count {
            return Ok(());
        }
        let kind = facts.kind.into();
        let trees = self.prune.trees;
        if self.purpose == Purpose::Delete {
            trees.tell_deleted(&endpoint, kind);
        }
        if !(self.is_replaced && self.levels.is_empty()) {
            let selected = trees.options.selection.has_path(&self.below, is_directory);
            let reason = if selected { Reason::Extra } else { Reason::Excluded };
            trees.tell_change(&endpoint, &Change::new(Action::Delete, kind, reason));
        }
        Ok(())
    }

    /// The name for messages of what is being met.
    fn endpoint(&self) -> Endpoint {
        self.prune.endpoint_of(&self.below)
    }

    fn replaced(&self) -> Error {
        Error::new(Operation::Remove, &self.endpoint(), Cause::Replaced)
    }
}

/// The directory that `below` is in, if it is the one of this identity.
fn above(below: &OwnedHandle, id: ObjectId) -> Option<OwnedHandle> {
    let handle = Spot::within(below, OsStr::new("..")).open_listable(Follow::No).ok()?;
    let is_it = names::facts_of_handle(&handle).is_ok_and(|facts| facts.id == id);
    is_it.then_some(handle)
}
