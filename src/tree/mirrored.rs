//! What a mirror does while its tree is walked: a name that is equal is left alone, and what the
//! target has too much is noted, to be deleted in the end.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use super::branch::Branch;
use super::changes::Fate;
use super::walk::Walk;
use crate::copy::{Copier, Directory, Ended, Origin, Place, is_live, set_aside, take_back};
use crate::error::{Cause, Context, Error, Kept, Operation, Result};
use crate::options::{CopyOptions, Endpoint, MirrorOptions, ObjectId};
use crate::sync::{into_inner, lock};
use crate::sys::Errno;
use crate::sys::attributes;
use crate::sys::file::{self, Kind};
use crate::sys::names::{self, Follow, Spot};

/// Both roots of a mirror.
pub(super) struct Roots {
    pub(super) source: Arc<Directory>,
    pub(super) target: Arc<Directory>,
}

/// A mirror under way whose target was there.
#[derive(Default)]
pub(super) struct Mirrored {
    roots: OnceLock<(Roots, bool)>,
    surplus: Mutex<Vec<Surplus>>,
    source_parts: Mutex<HashSet<ObjectId>>,
}

/// What was found while a tree was walked.
pub(super) struct Findings {
    pub(super) roots: Roots,
    /// Whether the source had no names at all.
    pub(super) source_was_empty: bool,
    pub(super) surplus: Vec<Surplus>,
    /// What is mounted in the source, or reached by a link from there, and may be in the target.
    pub(super) source_parts: HashSet<ObjectId>,
}

/// A directory, as it was on both sides, whose target has something too much.
pub(super) struct Surplus {
    /// Its path below the roots.
    pub(super) below: PathBuf,
    pub(super) source: ObjectId,
    pub(super) target: ObjectId,
    pub(super) names: Vec<OsString>,
    /// Names that directories have taken, and the names that what had them has now.
    pub(super) replaced: Vec<(OsString, OsString)>,
}

/// What is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// The source has nothing of its name, or what is not copied.
    Extra,
    /// A directory, where the source has something else.
    InTheWay,
}

impl Mirrored {
    /// Notes where the mirror begins, and whether its source is empty.
    pub(super) fn begin(&self, roots: Roots, source_is_empty: bool) {
        self.roots.set((roots, source_is_empty)).ok();
    }

    /// Notes a directory of the source that may be one of the target's under another name.
    pub(super) fn note_source(&self, directory: &Directory, above: &Directory) {
        if self.may_share(directory.id()) && directory.mount_id() != above.mount_id() {
            self.note_part(directory.id());
        }
    }

    /// Notes something that a link of the source leads to, and that may be in the target.
    pub(super) fn note_part(&self, id: ObjectId) {
        if self.may_share(id) {
            lock(&self.source_parts).insert(id);
        }
    }

    fn may_share(&self, id: ObjectId) -> bool {
        self.roots.get().is_some_and(|(roots, _)| id.dev == roots.target.id().dev)
    }

    /// What was found; nothing where the target is new.
    pub(super) fn end(self) -> Option<Findings> {
        let (roots, source_was_empty) = self.roots.into_inner()?;
        let surplus = into_inner(self.surplus);
        let source_parts = into_inner(self.source_parts);
        Some(Findings { roots, source_was_empty, surplus, source_parts })
    }
}

impl<'a> Walk<'a> {
    /// Makes a name of the target equal to that of the source, if it is not; what that came to,
    /// and what there is to be told of it. Nothing where a directory is in the way, which is
    /// noted, where it is left to a mirror of the whole tree, and in a dry run.
    pub(super) fn equalize(
        &self,
        (copier, mirror): (Copier<'a>, MirrorOptions),
        (branch, name): (&Branch, &OsStr),
        origin: Origin<'_>,
        kind: Option<Kind>,
        (place, target): (Place, &Endpoint),
    ) -> Result<Option<(Ended<'a>, Option<Fate>)>> {
        let plan = copier.plan(mirror.compare, origin, kind, (place, target))?;
        if self.is_for_whole(branch, name, &plan) {
            return Ok(None);
        }
        if plan.finds_directory() {
            self.refuse_left_out(branch, name, true, target)?;
            branch.note_excess(name.to_owned());
            return Ok(None);
        }
        let fate = self.trees.fate(&plan);
        if mirror.dry_run {
            copier.check_readable(&plan, origin)?;
            self.trees.tell_fate(target, fate);
            return Ok(None);
        }
        let ended = copier.carry_out(plan, origin, target)?;
        Ok(Some((ended, Some(fate))))
    }

    /// Fails for something that makes way only if the patterns do not protect it.
    fn refuse_left_out(
        &self,
        branch: &Branch,
        name: &OsStr,
        is_directory: bool,
        target: &Endpoint,
    ) -> Result<()> {
        let deletes = self.trees.options.mirror.is_some_and(|mirror| mirror.delete_excluded);
        if deletes || self.selects(branch, name, is_directory) {
            return Ok(());
        }
        Err(Error::new(Operation::Remove, target, Cause::Kept(Kept::LeftOut)))
    }

    /// Sets aside what is no directory where a mirror has one, and says which name it has now; in a
    /// dry run that is its own.
    pub(super) fn make_way(
        &self,
        branch: &Branch,
        (source, place): (&Directory, &Place),
        target: &Endpoint,
    ) -> Result<Option<OsString>> {
        let there = place.spot().facts(Follow::No).context(Operation::Stat, target)?;
        let Some(there) = there.filter(|there| there.kind != Kind::Directory) else {
            return Ok(None);
        };
        place.refuse_short_name(target)?;
        self.refuse_left_out(branch, place.name(), false, target)?;
        // What cannot be copied takes nothing's place.
        if !file::is_readable(source.handle()) {
            let denied = io::Error::from(Errno::ACCESS);
            return Err(Error::new(Operation::Open, &Endpoint::from(&source.path), denied));
        }
        if self.trees.options.is_dry_run() {
            return Ok(Some(place.name().to_owned()));
        }
        self.let_in(place.directory()).context(Operation::SetMode, target)?;
        self.trees.session.protect_id(there.id);
        set_aside(place.directory(), place.name()).context(Operation::Rename, target).map(Some)
    }

    /// Gives what was set aside its name again, for which there is no directory after all. If that
    /// fails it stays where it is; the error of the directory is the one to tell.
    pub(super) fn make_no_way(&self, place: &Place, aside: &OsStr) {
        if !self.trees.options.is_dry_run() {
            drop(take_back(place.directory(), aside, place.name()));
        }
    }

    /// Fails for a directory of a mirror's target that something is mounted on, which may be a part
    /// of the source under another name.
    pub(super) fn refuse_mounted(&self, directory: &Directory, above: &Directory) -> Result<()> {
        let may_be_source = directory.id().dev == self.device;
        if may_be_source && directory.mount_id() != above.mount_id() {
            let endpoint = Endpoint::from(&directory.path);
            return Err(Error::new(Operation::Open, &endpoint, Cause::Kept(Kept::Mounted)));
        }
        Ok(())
    }

    /// Gives the owner of a mirror's directory the right to change it, who lacks it now; the
    /// directory gets the source's mode in the end.
    pub(super) fn let_in(&self, target: &Directory) -> io::Result<bool> {
        match self.trees.options.mirror {
            Some(MirrorOptions { dry_run: false, .. }) => open_up(target),
            _ => Ok(false),
        }
    }

    /// The same after an error that may come from that; says whether it is worth another try.
    pub(super) fn lets_in(&self, target: &Directory, error: &Error) -> bool {
        let is_denied =
            error.os_error().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        is_denied && self.let_in(target).unwrap_or(false)
    }

    /// Notes what a directory of a mirror's target has too much, when all else in it has ended.
    pub(super) fn note_surplus(&self, branch: &Branch) -> Result<()> {
        let (names, replaced) = branch.take_excess();
        let has_none = names.is_empty() && replaced.is_empty();
        let (Some(mirrored), false) = (&self.mirrored, has_none) else { return Ok(()) };
        let handles = branch.handles()?;
        let (_, endpoint) = branch.endpoints();
        let below = self.below(branch);
        let directories = (&*handles.source, &*handles.target);
        let names =
            without_other_spellings(directories, names).context(Operation::Resolve, &endpoint)?;
        let mut found = Vec::new();
        for name in names {
            let excess = surplus_of(directories, (below, &name), self.trees.options);
            if excess.context(Operation::Stat, &endpoint)?.is_some() {
                found.push(name);
            }
        }
        if !found.is_empty() || !replaced.is_empty() {
            found.sort_unstable();
            let (source, target) = (branch.source.id, branch.target_id());
            let below = below.to_owned();
            lock(&mirrored.surplus).push(Surplus { below, source, target, names: found, replaced });
        }
        Ok(())
    }
}

/// Gives the owner of a directory the right to change it, if that is this user and lacks it.
pub(super) fn open_up(directory: &Directory) -> io::Result<bool> {
    const OWNER: u32 = 0o300;
    let lacks = directory.facts.mode & OWNER != OWNER;
    let is_own = directory.facts.uid == file::effective_uid() && !file::is_superuser();
    if lacks && is_own {
        attributes::set_mode(directory.handle(), directory.facts.mode | OWNER)?;
    }
    Ok(lacks && is_own)
}

/// What a name of the target is, if it is too much.
pub(super) fn surplus_of(
    (source, target): (&Directory, &Directory),
    (below, name): (&Path, &OsStr),
    options: &CopyOptions,
) -> io::Result<Option<Excess>> {
    let Some(there) = names::facts_at(target, name)? else { return Ok(None) };
    if is_live(target, name) {
        return Ok(None);
    }
    let follow = Follow::below_operands(options.dereference);
    let here = Spot::within(source, name).facts(follow)?;
    let is_directory = there.kind == Kind::Directory;
    let selects = |is_directory| options.selection.has_in(below, name, is_directory);
    // What is left out on either side is not touched, unless that was asked for.
    let is_selected = selects(is_directory)
        && here.as_ref().is_none_or(|here| selects(here.kind == Kind::Directory));
    let deletes_excluded = options.mirror.is_some_and(|mirror| mirror.delete_excluded);
    Ok(match here {
        _ if !is_selected => deletes_excluded.then_some(Excess::Extra),
        None => Some(Excess::Extra),
        Some(here) if is_directory && here.kind != Kind::Directory => Some(Excess::InTheWay),
        Some(_) => None,
    })
}

/// Leaves out names that are other spellings of the source's, in a target that does not tell them
/// apart: there, a name leads somewhere and is not in the directory's list.
fn without_other_spellings(
    (source, target): (&Directory, &Directory),
    mut names: Vec<OsString>,
) -> io::Result<Vec<OsString>> {
    let mut listed = HashSet::new();
    names::each_name_in(target, |name| {
        listed.insert(name.to_owned());
    })?;
    let mut unlisted = Vec::new();
    names::each_name_in(source, |name| {
        if !listed.contains(name) {
            unlisted.push(name.to_owned());
        }
    })?;
    for spelling in unlisted {
        let Some(there) = names::facts_at(target, &spelling)? else { continue };
        let mut others = Vec::with_capacity(names.len());
        for name in names {
            if names::facts_at(target, &name)?.is_none_or(|facts| facts.id != there.id) {
                others.push(name);
            }
        }
        names = others;
    }
    Ok(names)
}

/// The names in a directory of the target.
pub(super) fn names_of(target: &Directory) -> Result<HashSet<OsString>> {
    let mut names = HashSet::new();
    names::each_name_in(target, |name| {
        names.insert(name.to_owned());
    })
    .map_err(names::unread)
    .context(Operation::Resolve, &Endpoint::from(&target.path))?;
    Ok(names)
}
