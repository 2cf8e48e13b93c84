//! The copying of one tree, from its root to the last flush.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;

use super::Trees;
use super::batch::{Batch, Whole};
use super::branch::{Branch, Handles, Next};
use super::crew::{Crew, Idle, Task};
use super::mirrored::{Findings, Mirrored};
use super::root::Root;
use super::start::{Into, find};
use crate::copy::{Copier, Directory, Ended, Later, Names, Origin, Place};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{Dereference, DirectoryLink, ObjectId};
use crate::report::Done;
use crate::sys::file::{self, Kind};
use crate::sys::names::{Follow, Listed, Spot};

/// Descriptors that trees which are not very deep take.
const OPEN_MAX: u64 = 256;

/// One tree under way.
pub(super) struct Walk<'a> {
    pub(super) trees: &'a Trees<'a>,
    copier: Copier<'a>,
    later: Later<'a>,
    pub(super) crew: Crew<'a>,
    pub(super) batch: Batch<'a>,
    /// The name of the tree's root in the source.
    pub(super) root: PathBuf,
    /// What a mirror has to remember.
    pub(super) mirrored: Option<Mirrored>,
    /// The file system that the tree is on.
    pub(super) device: u64,
    /// The root of the copy, which must not be met in the source.
    target_root: ObjectId,
}

/// Copies the tree at `root`.
///
/// Of a mirror returns what may have to be deleted; nothing where the target is new.
pub(super) fn copy<'a>(
    trees: &'a Trees<'a>,
    later: Later<'a>,
    idle: &'a Idle,
    root: Root,
) -> Option<Findings> {
    let threads = trees.threads();
    let walk = Walk {
        copier: trees.copier().spare(idle),
        trees,
        later,
        crew: Crew::new(threads, idle),
        batch: Batch::new(threads),
        root: root.source.path.clone(),
        mirrored: trees.options.mirror.map(|_| Mirrored::default()),
        device: root.source.id().dev,
        target_root: root.target_id(),
    };
    let waiting = if trees.options.flushes_content() { walk.batch.descriptors(threads) } else { 0 };
    file::reserve_descriptors(root.source.handle(), waiting + OPEN_MAX);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had, there are fewer.
            if Builder::new().spawn_scoped(scope, || walk.work(None)).is_err() {
                walk.crew.lacks_one();
            }
        }
        let Root { source, target, .. } = root;
        walk.work(walk.start(None, source, target));
    });
    walk.end()
}

/// Lets the other threads go when one panics, as an observer may: they would wait for it.
struct ReleasedByPanic<'a, 'b>(&'b Crew<'a>);

impl Drop for ReleasedByPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}

impl<'a> Walk<'a> {
    /// What each thread does until the tree is copied.
    fn work(&self, mut branch: Option<Arc<Branch>>) {
        let _released = ReleasedByPanic(&self.crew);
        let mut names = Vec::new();
        loop {
            if let Some(branch) = branch.take() {
                self.copy_files(&branch, &mut names);
            }
            if self.batch.is_full() {
                self.flush();
            }
            match self.crew.next(|| self.batch.rest()) {
                Task::Help(other) => branch = Some(other),
                Task::Begin(parent, name) => branch = self.begin(&parent, name),
                Task::Release => self.release_all(),
                Task::Flush => self.flush(),
                Task::End => return,
            }
        }
    }

    /// Copies files of a directory until all its names are taken.
    fn copy_files(&self, branch: &Arc<Branch>, names: &mut Vec<Listed>) {
        loop {
            if self.stopped() {
                branch.stop();
            }
            let result = branch.take(names);
            let taken = !names.is_empty();
            if branch.is_to_be_shared() {
                self.crew.share(branch);
            }
            if let Err(error) = result.and_then(|()| self.copy_taken(branch, names)) {
                let (source, target) = branch.endpoints();
                self.trees.tell(&source, &target, Err(error));
            }
            let next = branch.give_back(taken);
            if !taken || next == Next::Filled {
                if branch.is_shared() {
                    self.crew.taken(branch);
                }
                if next == Next::Filled {
                    self.filled(branch);
                }
                return;
            }
            if self.batch.is_full() {
                self.flush();
            }
        }
    }

    fn copy_taken(&self, branch: &Arc<Branch>, names: &mut Vec<Listed>) -> Result<()> {
        // Nothing was taken of a directory that others have ended, and closed perhaps.
        if names.is_empty() {
            return Ok(());
        }
        let handles = branch.handles().inspect_err(|_| names.clear())?;
        for Listed { name, kind } in names.drain(..) {
            self.entry(branch, &handles, name, kind);
        }
        Ok(())
    }

    pub(super) fn stopped(&self) -> bool {
        self.trees.is_stopped()
    }

    /// Copies what has a name in a directory; a subdirectory is remembered for later.
    fn entry(&self, branch: &Arc<Branch>, handles: &Handles, name: OsString, kind: Option<Kind>) {
        let follow = Follow::below_operands(self.trees.options.dereference);
        let known = kind.filter(|kind| *kind != Kind::Symlink || follow == Follow::No);
        let kind = match known {
            Some(kind) => Some(kind),
            // What cannot be looked at is told by the copying.
            None => {
                let facts = Spot::within(&*handles.source, &name).facts(follow).ok().flatten();
                if let (Some(mirrored), Some(facts)) = (&self.mirrored, facts) {
                    mirrored.note_part(facts.id);
                }
                facts.map(|facts| facts.kind)
            }
        };
        let is_directory = kind == Some(Kind::Directory);
        if !self.selects(branch, &name, is_directory) {
            let deletes = self.trees.options.mirror.is_some_and(|mirror| mirror.delete_excluded);
            if deletes && !branch.is_new && !self.is_way(branch) {
                branch.note_excess(name);
            }
            return;
        }
        if is_directory {
            if self.descends(branch, handles, &name) {
                branch.add_subdirectory(name);
            }
        } else if !self.is_way(branch) {
            self.object(branch, handles, &name, kind);
        }
    }

    /// Whether a name in a directory is one of those that are copied.
    pub(super) fn selects(&self, branch: &Branch, name: &OsStr, is_directory: bool) -> bool {
        self.trees.options.selection.has_in(self.below(branch), name, is_directory)
    }

    /// The path of a directory below the root.
    pub(super) fn below<'b>(&self, branch: &'b Branch) -> &'b Path {
        let path = branch.source_path();
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    fn object(&self, branch: &Arc<Branch>, handles: &Handles, name: &OsStr, kind: Option<Kind>) {
        let (source, target) = branch.endpoints_of(name);
        let origin = Origin::Entry { directory: &handles.source, name, endpoint: &source };
        let place = || Place::new(&handles.target, name);
        let copier = if branch.batched { self.copier.later(self.later) } else { self.copier };
        let result = match self.trees.options.mirror {
            None => {
                let ended = copier.object(origin, kind, Some(place()), &target);
                ended.map(|ended| Some((ended, None)))
            }
            Some(mirror) => {
                let equalize = || {
                    let at = (&**branch, name);
                    self.equalize((copier, mirror), at, origin, kind, (place(), &target))
                };
                equalize().or_else(|error| match self.lets_in(&handles.target, &error) {
                    true => equalize(),
                    false => Err(error),
                })
            }
        };
        match result {
            Ok(None) => {}
            Ok(Some((Ended::Now(done), fate))) => {
                if let (Done::Copied(report), true) = (&done, branch.batched) {
                    self.batch.count(report.len);
                }
                self.trees.tell(&source, &target, Ok(done));
                if let Some(fate) = fate {
                    self.trees.tell_fate(&target, fate);
                }
            }
            Ok(Some((Ended::Later(publication), fate))) => {
                self.batch.count(publication.len());
                branch.file_waits();
                self.batch.add(Whole::File(publication, Arc::clone(branch), fate));
            }
            Err(error) => self.trees.tell(&source, &target, Err(error)),
        }
    }

    /// Begins a subdirectory; what fails is told.
    fn begin(&self, parent: &Arc<Branch>, name: OsString) -> Option<Arc<Branch>> {
        let begun = if self.stopped() { Ok(None) } else { self.open(parent, &name).map(Some) };
        let branch = match begun {
            Ok(Some((source, into))) => self.start(Some(Arc::clone(parent)), source, into),
            Ok(None) => None,
            Err(error) => {
                let (source, target) = parent.endpoints_of(&name);
                self.trees.tell(&source, &target, Err(error));
                None
            }
        };
        parent.begun();
        if branch.is_some() {
            self.rest(parent);
        } else if parent.close_one() == Next::Complete {
            self.complete(parent);
        }
        branch
    }

    /// Has a directory rest, if it may.
    pub(super) fn rest(&self, branch: &Branch) {
        let options = self.trees.options;
        let follows = options.dereference == Dereference::Always
            || options.directory_link == DirectoryLink::Followed;
        if !follows {
            branch.rest();
        }
    }

    /// Opens a subdirectory of the source, and finds what it is copied to.
    fn open(&self, parent: &Arc<Branch>, name: &OsStr) -> Result<(Directory, Into)> {
        let (endpoint, target) = parent.endpoints_of(name);
        let handles = parent.handles()?;
        let path = handles.source.path.join(name);
        let follow = Follow::below_operands(self.trees.options.dereference);
        let source = Spot::within(&*handles.source, name)
            .open_directory(follow)
            .and_then(|handle| Directory::new(handle, path, Names::Shown))
            .context(Operation::Open, &endpoint)?
            .beside(&handles.source);
        if follow == Follow::Yes && self.is_above(parent, source.id()) {
            return Err(Error::new(Operation::Copy, &endpoint, Cause::Loop));
        }
        if source.id() == self.target_root && !self.is_left_out(&source) {
            return Err(Error::new(Operation::Copy, &endpoint, Cause::IntoItself { target }));
        }
        let place = Place::new(&handles.target, name);
        let into = if parent.is_new {
            // This run has made the directory: what is there will be noticed in the end.
            Into::New(place)
        } else {
            match self.trees.options.mirror {
                None => find(place, self.trees.options.directory_link, &target)?,
                Some(_) => match self.make_way(parent, (&source, &place), &target)? {
                    Some(aside) => Into::Instead(place, aside),
                    None => find(place, DirectoryLink::Refused, &target)?,
                },
            }
        };
        if let (Some(_), Into::Existing(directory)) = (self.trees.options.mirror, &into) {
            self.refuse_mounted(directory, &handles.target)?;
        }
        if !matches!(into, Into::Existing(_)) && !parent.is_new {
            self.let_in(&handles.target).context(Operation::SetMode, &target)?;
        }
        if let Some(mirrored) = &self.mirrored {
            mirrored.note_source(&source, &handles.source);
        }
        Ok((source, into))
    }

    fn is_above(&self, branch: &Arc<Branch>, id: ObjectId) -> bool {
        let mut next = Some(branch);
        while let Some(branch) = next {
            if branch.source.id == id {
                return true;
            }
            next = branch.parent.as_ref();
        }
        false
    }
}
