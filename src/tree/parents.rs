//! The directories that `--parents` makes between the target's directory and its name.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::{self, Attributes, Losses, ModeAtEnd, Named};
use crate::options::{CopyOptions, Endpoint, Flush};
use crate::sys::handle::{self, OwnedHandle};
use crate::sys::names::{self, Follow, Spot};
use crate::sys::{Errno, flush};

/// Directories that get the attributes of those that the source is in, when it has been copied.
#[derive(Debug)]
pub(super) struct Parents {
    parents: Vec<Parent>,
    /// The directory that they are below.
    below: OwnedHandle,
}

#[derive(Debug)]
struct Parent {
    source: File,
    target: File,
    source_path: PathBuf,
    target_path: PathBuf,
    /// What becomes of the target's mode, if it was made for this.
    made: Option<Made>,
}

/// The mode of a directory that was made.
#[derive(Debug)]
struct Made {
    /// The permission bits that it had, where it needed more to be filled.
    mode_before: Option<u32>,
    mode_at_end: ModeAtEnd,
}

impl Parents {
    /// Makes the directories that are missing between `below` and the name of `target`, each like
    /// the one of the source that it stands for.
    pub(super) fn make(
        options: &CopyOptions,
        below: &Path,
        source: &Endpoint,
        target: &Endpoint,
    ) -> Result<Self> {
        let open = |path: &Path| Spot::of_path(path).open_directory(Follow::Yes);
        let mut target_at = open(below).context(Operation::Open, &Endpoint::from(below))?;
        let below_again = target_at.try_clone().context(Operation::Open, target)?;
        let mut parents = Self { parents: Vec::new(), below: below_again };
        let parent = source.path().and_then(Path::parent);
        let (Some(parent), Some(_)) = (parent, target.path()) else { return Ok(parents) };
        let (mut source_at, mut source_now) = (None::<OwnedHandle>, PathBuf::new());
        let mut target_now = below.to_path_buf();
        for component in parent.components() {
            source_now.push(component);
            if matches!(component, Component::RootDir | Component::Prefix(_)) {
                source_at = Some(open(&source_now).context(Operation::Open, source)?);
                continue;
            }
            let name = component.as_os_str();
            target_now.push(name);
            let source_endpoint = Endpoint::from(&source_now);
            let target_endpoint = Endpoint::from(&target_now);
            let from = match &source_at {
                Some(directory) => Spot::within(directory, name),
                None => Spot::of_path(&source_now),
            };
            let from =
                from.open_directory(Follow::Yes).context(Operation::Open, &source_endpoint)?;
            let step = Step { options, target: &target_endpoint, source: &source_endpoint };
            let (to, made) = step.take(&from, &target_at, name)?;
            parents.parents.push(Parent {
                source: step.file(&from)?,
                target: step.file(&to)?,
                source_path: source_now.clone(),
                target_path: target_now.clone(),
                made,
            });
            (source_at, target_at) = (Some(from), to);
        }
        Ok(parents)
    }

    /// The names of those that were made.
    pub(super) fn made(&self) -> impl Iterator<Item = (Endpoint, Endpoint)> {
        let made = self.parents.iter().filter(|parent| parent.made.is_some());
        made.map(|it| (Endpoint::from(&it.source_path), Endpoint::from(&it.target_path)))
    }

    /// Gives them their attributes, the deepest first, and brings them to the disk, if the options
    /// say so; what each could not be given is told to `tell`.
    ///
    /// # Errors
    ///
    /// The first. The others have been done as far as they could.
    pub(super) fn finish(
        self,
        options: &CopyOptions,
        tell: impl Fn(&Endpoint, &Endpoint, Losses),
    ) -> Result<()> {
        let mut result = Ok(());
        let mut last = None;
        for parent in self.parents.into_iter().rev() {
            let Some(made) = &parent.made else { continue };
            let source = Endpoint::from(&parent.source_path);
            let target = Endpoint::from(&parent.target_path);
            let mut losses = Losses::default();
            let finished = parent.finish(made, options, (&source, &target), &mut losses);
            tell(&source, &target, losses);
            result = result.and(finished);
            last = Some(target);
        }
        if let (Flush::Sync, Some(target)) = (options.flush, last) {
            // The name of the first one.
            let flushed = flush::sync_all(&self.below);
            result = result.and(flushed.context(Operation::FlushDirectory, &target));
        }
        result
    }
}

impl Parent {
    fn finish(
        &self,
        made: &Made,
        options: &CopyOptions,
        (source, target): (&Endpoint, &Endpoint),
        losses: &mut Losses,
    ) -> Result<()> {
        let preserve = &options.preserve;
        let from = Named { file: &self.source, endpoint: source };
        let to = Named { file: &self.target, endpoint: target };
        let attributes = Attributes::of(from.file).context(Operation::Stat, source)?;
        let kept =
            metadata::apply_preserved(from, &attributes, to, preserve, made.mode_at_end, losses);
        let narrowed = metadata::narrow_directory(&attributes, to, preserve, made.mode_before);
        let stamped = metadata::stamp_times(&attributes, to, preserve.timestamps, losses);
        let flushed = match options.flush {
            Flush::Sync => flush::sync_all(to.file).context(Operation::Flush, target),
            Flush::None | Flush::Async => Ok(()),
        };
        kept.and(narrowed).and(stamped).and(flushed)
    }
}

/// One component on the way.
struct Step<'a> {
    options: &'a CopyOptions,
    source: &'a Endpoint,
    target: &'a Endpoint,
}

impl Step<'_> {
    /// Opens the target's directory of that name; makes it, if there is nothing, and says then
    /// what becomes of its mode.
    fn take(
        &self,
        from: &OwnedHandle,
        within: &OwnedHandle,
        name: &std::ffi::OsStr,
    ) -> Result<(OwnedHandle, Option<Made>)> {
        let spot = Spot::within(within, name);
        let open = || spot.open_directory(Follow::Yes);
        match open() {
            Ok(there) => return Ok((there, None)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTDIR) => {
                return Err(Error::new(Operation::Create, self.target, Cause::NotDirectory));
            }
            Err(error) => return Err(Error::new(Operation::Open, self.target, error)),
        }
        let facts =
            names::facts_of_handle(handle::of(&from)).context(Operation::Stat, self.source)?;
        let attributes = Attributes::from(&facts);
        let mode = metadata::new_directory_mode(&attributes, &self.options.preserve);
        names::make_directory_at(within, name, mode.at_open)
            .context(Operation::Create, self.target)?;
        let (handle, mode_before) = spot.open_made().context(Operation::Open, self.target)?;
        Ok((handle, Some(Made { mode_before, mode_at_end: mode.at_end })))
    }

    fn file(&self, directory: &OwnedHandle) -> Result<File> {
        Ok(File::from(directory.try_clone().context(Operation::Open, self.target)?))
    }
}
