//! How a directory of a tree is begun: both sides are opened, and what is missing is made.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use super::branch::{Branch, Handles, Listing, Made};
use super::mirrored::{Roots, names_of};
use super::parts::Scope;
use super::settle::not_named;
use super::walk::Walk;
use crate::change::{Action, Change, Reason};
use crate::copy::{
    Contents, Directory, Names, Place, Precious, StagedDirectory, is_temporary_name, make_named,
    sweep_directory,
};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::{self, Attributes};
use crate::options::{DirectoryLink, Endpoint, Span, Verify};
use crate::report::{Done, ObjectKind, Report, Way};
use crate::sys::names::{self, Follow};
use crate::sys::{Errno, file, file_system};

/// Where a directory is copied to.
pub(super) enum Into {
    /// A directory that is there.
    Existing(Box<Directory>),
    /// One to be made.
    New(Place),
    /// One to be made where a mirror has something else, which has the other name now; in a dry run
    /// still its own.
    Instead(Place, OsString),
    /// One that has been made under a temporary name, and is empty.
    Begun(Box<(StagedDirectory, Directory)>),
}

impl Into {
    /// What becomes of a mirror's target by that; of one that is there is still to be seen.
    fn change(&self) -> Option<Change> {
        let kind = ObjectKind::Directory;
        match self {
            Self::Existing(_) => None,
            Self::New(_) | Self::Begun(_) => Some(Change::new(Action::Create, kind, Reason::New)),
            Self::Instead(..) => Some(Change::new(Action::Replace, kind, Reason::Kind)),
        }
    }
}

impl Walk<'_> {
    /// Makes the target's directory, or takes the one that is there; what fails is told.
    pub(super) fn start(
        &self,
        parent: Option<Arc<Branch>>,
        source: Directory,
        into: Into,
    ) -> Option<Arc<Branch>> {
        let source_endpoint = Endpoint::from(&source.path);
        let target_endpoint = match &into {
            Into::Existing(directory) => Endpoint::from(&directory.path),
            Into::New(place) | Into::Instead(place, _) => Endpoint::from(place.path()),
            Into::Begun(begun) => Endpoint::from(begun.0.place().path()),
        };
        let way = match into {
            Into::Existing(_) => Way::Merged,
            Into::New(_) | Into::Begun(_) => Way::Created,
            Into::Instead(..) => Way::Replaced,
        };
        let aside = match &into {
            Into::Instead(place, aside) => Some((place.clone(), aside.clone())),
            _ => None,
        };
        let begun = self.branch(parent.clone(), source, into);
        if let (Some((place, aside)), Some(parent)) = (aside, parent) {
            match &begun {
                Ok(_) => parent.note_replaced(place.name().to_owned(), aside),
                Err(_) => self.make_no_way(&place, &aside),
            }
        }
        match begun {
            Ok(branch) if self.trees.options.is_dry_run() || self.is_way(&branch) => Some(branch),
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
        let is_there = matches!(into, Into::Existing(_));
        let is_way = is_there && self.scope_at(&source.path) == Scope::Way;
        let listing = if is_way { Ok(self.ways(&source)) } else { self.listing(&source) };
        let has_no_file = listing.as_ref().is_ok_and(Listing::has_no_file);
        let change = options.mirror.and_then(|_| into.change());
        let (target, made) = self.make(into, &source, mode.at_open, has_no_file)?;
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
        let was_there = matches!(made, Made::Before);
        let excess = match was_there && !is_way {
            true => self.look_through(&source, &target)?,
            false => HashSet::new(),
        };
        let batched = options.flushes_content()
            && !options.is_dry_run()
            && options.verify == Verify::No
            && file::can_flush(&*target).unwrap_or(false)
            && file_system::sync_tells_errors(target.file_system());
        if batched {
            self.batch.note(&target);
        }
        let mut listing = listing.unwrap_or_else(|error| {
            let endpoint = Endpoint::from(&source.path);
            let error = Error::new(Operation::Open, &endpoint, error);
            self.trees.tell(&endpoint, &Endpoint::from(&target.path), Err(error));
            Listing::default()
        });
        if let (Some(mirrored), true, true) = (&self.mirrored, was_there, parent.is_none()) {
            let (source, target) = (Arc::clone(&source), Arc::clone(&target));
            mirrored.begin(Roots { source, target }, listing.read.is_empty() && !listing.unread);
        }
        let handles = Handles { source, target };
        self.refuse_names(&handles, &mut listing);
        let made = (made, change);
        let branch = Branch::new(parent, handles, listing, made, batched, mode.at_end);
        branch.note_target(excess);
        Ok(Arc::new(branch))
    }

    /// Makes the target's directory, if it is not there.
    fn make(
        &self,
        into: Into,
        source: &Directory,
        mode: u32,
        has_no_file: bool,
    ) -> Result<(Directory, Made)> {
        let place = match into {
            Into::Existing(directory) => return Ok((*directory, Made::Before)),
            Into::Begun(begun) => {
                let (staged, directory) = *begun;
                if !has_no_file {
                    return Ok((directory, Made::Staged(staged)));
                }
                let endpoint = Endpoint::from(staged.place().path());
                let named = staged.publish_empty(directory, self.precious(source));
                let named = named.map_err(|error| not_named(error, &endpoint))?;
                return Ok((named, Made::Named));
            }
            Into::New(place) | Into::Instead(place, _) => place,
        };
        let endpoint = Endpoint::from(place.path());
        if self.trees.options.is_dry_run() {
            let absent = Directory::absent(&place).context(Operation::Open, &endpoint)?;
            return Ok((absent, Made::Named));
        }
        let (options, precious) = (self.trees.options, self.precious(source));
        let contents = Contents { source, options, precious };
        let made = match has_no_file || !names::DIRECTORIES_MOVE {
            true => make_named(&place, mode, contents).map(|it| (it, Made::Named)),
            false => StagedDirectory::create(place, mode, contents)
                .map(|(staged, directory)| (directory, Made::Staged(staged))),
        };
        made.context(Operation::Create, &endpoint)
    }

    fn precious(&self, source: &Directory) -> Precious<'_> {
        Precious { source: source.id(), session: Some(self.trees.session) }
    }

    /// Removes what killed runs left in a directory that was there; of a mirror only returns the
    /// names that it has.
    fn look_through(
        &self,
        source: &Directory,
        target: &Arc<Directory>,
    ) -> Result<HashSet<OsString>> {
        let options = self.trees.options;
        let precious = self.precious(source);
        if options.mirror.is_none() {
            // What cannot be swept is in nobody's way.
            drop(sweep_directory(target, source, precious, options));
            return Ok(HashSet::new());
        }
        if self.is_left_out(source) {
            return Ok(HashSet::new());
        }
        let names = names_of(target)?;
        // They are too much like everything else that the source has not: deleted in the end.
        if names.iter().any(|name| is_temporary_name(name)) {
            target.keep_leftovers();
        }
        Ok(names)
    }

    /// Whether a directory is on another file system than the tree's root, and those are left out.
    pub(super) fn is_left_out(&self, source: &Directory) -> bool {
        self.trees.options.span == Span::OneFileSystem && source.id().dev != self.device
    }

    /// The first names of a directory; none of one that is on another file system, where these are
    /// left out.
    fn listing(&self, source: &Directory) -> io::Result<Listing> {
        if self.is_left_out(source) {
            return Ok(Listing::default());
        }
        Listing::begin(source).map_err(names::unread)
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
            place.refuse_short_name(target)?;
            let directory = Directory::new(handle, place.path(), Names::Swept)
                .context(Operation::Stat, target)?;
            Ok(Into::Existing(Box::new(directory)))
        }
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT) if is_free(&place, target)? => Ok(Into::New(place)),
            Some(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => {
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
