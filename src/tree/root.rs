//! Where a tree begins: its root, and whether it can be copied there at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::start::{Into, find};
use crate::copy::{Directory, Names, Place};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::lock::{self, Locked};
use crate::options::{CopyOptions, DirectoryLink, Endpoint, ObjectId, Span};
use crate::sys::Errno;
use crate::sys::file::{Facts, Kind};
use crate::sys::handle::OwnedHandle;
use crate::sys::names::{self, Follow, Spot};

/// The root of a tree, and where it is copied to.
pub(super) struct Root {
    pub(super) source: Directory,
    pub(super) target: Into,
}

/// Whether an operand is a directory, as `options` have it looked at.
pub(super) fn is_directory(source: &Endpoint, options: &CopyOptions) -> bool {
    let facts = source
        .path()
        .map(|path| names::facts_of_path(path, Follow::of_operands(options.dereference)));
    matches!(facts, Some(Ok(Some(Facts { kind: Kind::Directory, .. }))))
}

/// Fails for what cannot be mirrored: anything but a directory.
pub(super) fn must_be_directory(source: &Endpoint, options: &CopyOptions) -> Result<()> {
    let follow = Follow::of_operands(options.dereference);
    let facts = match source.path() {
        Some(path) => names::facts_of_path(path, follow).context(Operation::Stat, source)?,
        None => return Err(Error::new(Operation::Copy, source, Cause::NotDirectory)),
    };
    let missing = || io::Error::from(Errno::NOENT);
    match facts {
        Some(Facts { kind: Kind::Directory, .. }) => Ok(()),
        Some(_) => Err(Error::new(Operation::Copy, source, Cause::NotDirectory)),
        None => Err(Error::new(Operation::Stat, source, missing())),
    }
}

impl Root {
    /// Opens both sides.
    ///
    /// # Errors
    ///
    /// Those of opening them; [`Cause::IntoItself`] when the copy would be a part of the source,
    /// and [`Cause::SameObject`] when it would be the source.
    pub(super) fn open(
        source: (&Path, &Endpoint),
        target: (&Path, &Endpoint),
        options: &CopyOptions,
    ) -> Result<Self> {
        let (source_path, source) = source;
        let (target_path, target) = target;
        let directory = Spot::of_path(source_path)
            .open_directory(Follow::of_operands(options.dereference))
            .and_then(|handle| Directory::new(handle, tidy(source_path), Names::Shown))
            .context(Operation::Open, source)?;
        let into = match Place::at(target_path, target)? {
            Some(place) => {
                let ends_in_slash = names::ends_in_separator(target_path);
                let links =
                    if ends_in_slash { DirectoryLink::Followed } else { options.directory_link };
                find(place, links, target)?
            }
            // "/", "..", "a/.": what has no name of its own is there or nowhere.
            None => {
                let there = Spot::of_path(target_path)
                    .open_directory(Follow::Yes)
                    .and_then(|it| Directory::new(it, tidy(target_path), Names::Swept))
                    .context(Operation::Open, target)?;
                Into::Existing(Box::new(there))
            }
        };
        let root = Self { source: directory, target: into };
        // What is on another file system is no part of the copy then, and the target is not met.
        let meets = root.target_id().dev == root.source.id().dev;
        if meets || options.span != Span::OneFileSystem {
            root.refuse_itself(source, target)?;
        }
        if options.mirror.is_some() {
            root.refuse_within_target(source, target)?;
        }
        Ok(root)
    }

    /// Refuses a source that is in its own mirror, where it would be deleted.
    fn refuse_within_target(&self, source: &Endpoint, target: &Endpoint) -> Result<()> {
        let Into::Existing(directory) = &self.target else { return Ok(()) };
        if is_within(&self.source, directory.id()).context(Operation::Resolve, source)? {
            let cause = Cause::WithinTarget { target: target.clone() };
            return Err(Error::new(Operation::Copy, source, cause));
        }
        Ok(())
    }

    fn refuse_itself(&self, source: &Endpoint, target: &Endpoint) -> Result<()> {
        let id = self.source.id();
        let holder: &Directory = match &self.target {
            Into::Existing(directory) if directory.id() == id => {
                let cause = Cause::SameObject { other: target.clone() };
                return Err(Error::new(Operation::Copy, source, cause));
            }
            Into::Existing(directory) => directory,
            Into::New(place) | Into::Instead(place, _) => place.directory(),
            Into::Begun(begun) => begun.0.place().directory(),
        };
        if is_within(holder, id).context(Operation::Resolve, target)? {
            let cause = Cause::IntoItself { target: target.clone() };
            return Err(Error::new(Operation::Copy, source, cause));
        }
        Ok(())
    }

    /// Locks the target by its name, where directories cannot be locked.
    pub(super) fn try_lock_name(&self) -> io::Result<Option<(Locked, Vec<File>)>> {
        match &self.target {
            Into::Existing(directory) => lock::try_lock_name(&**directory, None),
            Into::New(place) | Into::Instead(place, _) => {
                lock::try_lock_name(&**place.directory(), Some(place.name()))
            }
            Into::Begun(_) => Ok(None),
        }
    }

    /// The identity of the copy's root, or of the directory that it will be in, which is no part
    /// of the source either.
    pub(super) fn target_id(&self) -> ObjectId {
        match &self.target {
            Into::Existing(directory) => directory.id(),
            Into::New(place) | Into::Instead(place, _) => place.directory().id(),
            Into::Begun(begun) => begun.0.place().directory().id(),
        }
    }
}

/// The path with one slash at its end where there are more: it is the beginning of others.
fn tidy(path: &Path) -> PathBuf {
    match names::ends_in_separator(path) {
        // With an empty name behind it, which is one separator at the end.
        true => names::without_separators(path).join(""),
        false => path.to_path_buf(),
    }
}

/// Whether a directory, or one that it is in, is the one of this identity.
fn is_within(directory: &Directory, id: ObjectId) -> io::Result<bool> {
    let mut at = directory.id();
    let mut handle: OwnedHandle = directory.handle().try_clone()?.into();
    loop {
        if at == id {
            return Ok(true);
        }
        let parent = match Spot::within(&handle, OsStr::new("..")).open_directory(Follow::No) {
            // Not searchable: if it is within all the same, that is noticed while it is copied.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
            parent => parent?,
        };
        let above = names::facts_of_handle(&parent)?.id;
        if above == at {
            return Ok(false);
        }
        (at, handle) = (above, parent);
    }
}
