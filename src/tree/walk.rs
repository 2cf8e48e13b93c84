//! The copying of one tree, from its root to the last flush.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;

use super::Trees;
use super::batch::{Batch, Whole};
use super::branch::{Branch, Handles, Listing, Made, Next};
use super::crew::{Crew, Idle, Task};
use super::root::Root;
use crate::copy::{
    Copier, Directory, Ended, Later, Names, Origin, Place, Precious, StagedDirectory,
    sweep_directory,
};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::{self, Attributes};
use crate::options::{Dereference, DirectoryLink, Endpoint, ObjectId, Span, Verify};
use crate::report::{Done, Event, Flow, ObjectKind, Report, Way};
use crate::sys::file::{self, Kind};
use crate::sys::names::{Follow, Listed, Spot};
use crate::sys::platform;

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
    root: PathBuf,
    /// The file system that the tree is on.
    device: u64,
    /// The root of the copy, which must not be met in the source.
    target_root: ObjectId,
}

/// Copies the tree at `root`.
pub(super) fn copy<'a>(trees: &'a Trees<'a>, later: Later<'a>, idle: &'a Idle, root: Root) {
    let threads = trees.threads();
    let walk = Walk {
        copier: trees.copier().spare(idle),
        trees,
        later,
        crew: Crew::new(threads, idle),
        batch: Batch::new(threads),
        root: root.source.path.clone(),
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
    walk.end();
}

/// Where a directory is copied to.
pub(super) enum Into {
    /// A directory that is there.
    Existing(Box<Directory>),
    /// One to be made.
    New(Place),
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

    fn stopped(&self) -> bool {
        self.trees.watch.event(Event::Waiting) == Flow::Stop
    }

    /// Copies what has a name in a directory; a subdirectory is remembered for later.
    fn entry(&self, branch: &Arc<Branch>, handles: &Handles, name: OsString, kind: Option<Kind>) {
        let follow = Follow::below_operands(self.trees.options.dereference);
        let known = kind.filter(|kind| *kind != Kind::Symlink || follow == Follow::No);
        let kind = match known {
            Some(kind) => Some(kind),
            // What cannot be looked at is told by the copying.
            None => {
                let facts = Spot::within(&*handles.source, &name).facts(follow);
                facts.ok().flatten().map(|facts| facts.kind)
            }
        };
        let is_directory = kind == Some(Kind::Directory);
        if !self.selects(branch, &name, is_directory) {
            return;
        }
        if is_directory {
            branch.add_subdirectory(name);
        } else {
            self.object(branch, handles, &name, kind);
        }
    }

    /// Whether a name in a directory is one of those that are copied.
    fn selects(&self, branch: &Branch, name: &OsStr, is_directory: bool) -> bool {
        let path = branch.source_path();
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        self.trees.options.selection.has_in(below, name, is_directory)
    }

    fn object(&self, branch: &Arc<Branch>, handles: &Handles, name: &OsStr, kind: Option<Kind>) {
        let (source, target) = branch.endpoints_of(name);
        let origin = Origin::Entry { directory: &handles.source, name, endpoint: &source };
        let place = Place::new(&handles.target, name);
        let copier = if branch.batched { self.copier.later(self.later) } else { self.copier };
        match copier.object(origin, kind, Some(place), &target) {
            Ok(Ended::Now(done)) => {
                if let (Done::Copied(report), true) = (&done, branch.batched) {
                    self.batch.count(report.len);
                }
                self.trees.tell(&source, &target, Ok(done));
            }
            Ok(Ended::Later(publication)) => {
                self.batch.count(publication.len());
                branch.file_waits();
                self.batch.add(Whole::File(publication, Arc::clone(branch)));
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
            find(place, self.trees.options.directory_link, &target)?
        };
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

    /// Makes the target's directory, or takes the one that is there; what fails is told.
    fn start(
        &self,
        parent: Option<Arc<Branch>>,
        source: Directory,
        into: Into,
    ) -> Option<Arc<Branch>> {
        let source_endpoint = Endpoint::from(&source.path);
        let target_endpoint = match &into {
            Into::Existing(directory) => Endpoint::from(&directory.path),
            Into::New(place) => Endpoint::from(place.path()),
        };
        let way = match into {
            Into::Existing(_) => Way::Merged,
            Into::New(_) => Way::Created,
        };
        match self.branch(parent, source, into) {
            Ok(branch) => {
                let mut report = Report::new(&source_endpoint, &target_endpoint, way);
                report.kind = ObjectKind::Directory;
                report.target_id = Some(branch.target_id());
                self.trees.session.note(self.trees.options, &report);
                let done = Ok(Done::Copied(report));
                self.trees.tell(&source_endpoint, &target_endpoint, done);
                Some(branch)
            }
            Err(error) => {
                self.trees.tell(&source_endpoint, &target_endpoint, Err(error));
                None
            }
        }
    }

    fn branch(
        &self,
        parent: Option<Arc<Branch>>,
        source: Directory,
        into: Into,
    ) -> Result<Arc<Branch>> {
        let options = self.trees.options;
        let attributes = Attributes::from(&source.facts);
        let mode = metadata::new_directory_mode(&attributes, &options.preserve);
        let precious = Precious { source: source.id(), session: Some(self.trees.session) };
        let listing = self.listing(&source);
        let (target, made) = match into {
            Into::Existing(directory) => (*directory, Made::Before),
            Into::New(place) => {
                let endpoint = Endpoint::from(place.path());
                let has_files = !listing.as_ref().is_ok_and(Listing::has_no_file);
                if has_files {
                    StagedDirectory::create(place, mode.at_open, precious)
                        .map(|(staged, directory)| (directory, Made::Staged(staged)))
                } else {
                    Directory::make(&place, mode.at_open).map(|it| (it, Made::Named))
                }
                .context(Operation::Create, &endpoint)?
            }
        };
        let target = match &parent {
            None => target,
            Some(parent) => {
                let above = parent.handles()?.target;
                let way = target.path.file_name().map(|name| above.way_to(name));
                target.reached_by(way).beside(&above)
            }
        };
        let source = Arc::new(source);
        let target = Arc::new(target.copied_from(&source));
        if matches!(made, Made::Before) {
            // What cannot be swept is in nobody's way.
            drop(sweep_directory(&target, &source, precious));
        }
        let batched = options.flushes_content()
            && options.verify == Verify::No
            && file::can_flush(&*target).unwrap_or(false)
            && platform::sync_tells_errors(target.file_system());
        if batched {
            self.batch.note(&target);
        }
        let listing = listing.unwrap_or_else(|error| {
            let endpoint = Endpoint::from(&source.path);
            let error = Error::new(Operation::Open, &endpoint, error);
            self.trees.tell(&endpoint, &Endpoint::from(&target.path), Err(error));
            Listing::default()
        });
        let handles = Handles { source, target };
        Ok(Arc::new(Branch::new(parent, handles, listing, made, batched, mode.at_end)))
    }

    /// Whether a directory is on another file system than the tree's root, and those are left out.
    fn is_left_out(&self, source: &Directory) -> bool {
        self.trees.options.span == Span::OneFileSystem && source.id().dev != self.device
    }

    /// The first names of a directory; none of one that is on another file system, where these are
    /// left out.
    fn listing(&self, source: &Directory) -> io::Result<Listing> {
        if self.is_left_out(source) {
            return Ok(Listing::default());
        }
        Listing::begin(source).map_err(|error| match error.raw_os_error() {
            // It was opened without the right to read it.
            Some(libc::EBADF) => io::Error::from_raw_os_error(libc::EACCES),
            _ => error,
        })
    }
}

/// Finds the directory of that name, or that there is none.
pub(super) fn find(place: Place, links: DirectoryLink, target: &Endpoint) -> Result<Into> {
    let follow = match links {
        DirectoryLink::Refused => Follow::No,
        DirectoryLink::Followed => Follow::Yes,
    };
    match place.spot().open_directory(follow) {
        Ok(handle) => {
            let directory = Directory::new(handle, place.path(), Names::Swept)
                .context(Operation::Stat, target)?;
            Ok(Into::Existing(Box::new(directory)))
        }
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT) if is_free(&place, target)? => Ok(Into::New(place)),
            Some(libc::ENOTDIR | libc::ELOOP | libc::ENOENT) => {
                Err(Error::new(Operation::Create, target, Cause::NotDirectory))
            }
            _ => Err(Error::new(Operation::Open, target, error)),
        },
    }
}

/// Whether a name that leads nowhere is free: it may be a link's.
fn is_free(place: &Place, target: &Endpoint) -> Result<bool> {
    let facts = place.spot().facts(Follow::No).context(Operation::Stat, target)?;
    Ok(facts.is_none())
}
