//! Carries a decision out for a source with content: stages, links, or writes in place.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::backup::next_name;
use super::decide::Step;
use super::delta::{Base, Comparison, make_stale};
use super::directory::{Directory, Names};
use super::fill::Filling;
use super::leftover::Rights;
use super::plan::may_keep;
use super::publish::{Publication, back_up_found, flush_directory, settle};
use super::session::{First, Precious, Session};
use super::source::{Origin, Source};
use super::stage::{Staged, link_to, sweep};
use super::target::{Found, Place};
use super::{Copier, Ended, Later};
use crate::engine::Before;
use crate::engine::choose::LARGE_BYTES_MIN;
use crate::engine::drive::Spare;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::lock::{self, Locked};
use crate::metadata::{self, ModeAtEnd, Named, Unkeepable};
use crate::object::FileObject;
use crate::options::{Content, CopyOptions, Endpoint, EngineName, Existing, Flush, Keep, Verify};
use crate::report::{Done, EngineUse, Event, Flow, InPlaceReason, Observer, Report, Way};
use crate::sys::attributes::Attributes;
use crate::sys::file::{self, Facts, Kind};
use crate::sys::file_system::FileSystem;
use crate::sys::names::{Follow, OpenAs, Spot};
use crate::sys::{Errno, streams};

/// One copy under way.
pub(super) struct Run<'a, 'b> {
    pub(super) options: &'a CopyOptions,
    pub(super) observer: &'a dyn Observer,
    pub(super) later: Option<Later<'a>>,
    pub(super) spare: Option<&'a dyn Spare>,
    pub(super) session: Option<&'a Session>,
    origin: Origin<'b>,
    pub(super) source: Source,
    pub(super) found: &'b Found,
    pub(super) target: &'b Endpoint,
    pub(super) report: Box<Report>,
    /// Whether it was asked for that everything is on the disk, whoever sees to it.
    flushes: bool,
}

/// A temporary to be filled, or why the target cannot be replaced by one. Nothing has changed yet.
#[allow(clippy::large_enum_variant, reason = "one at a time lives for a moment, on the stack")]
enum Staging<'a> {
    Ready(Staged<'a>, ModeAtEnd),
    Impossible(InPlaceReason),
}

impl<'a, 'b> Run<'a, 'b> {
    pub(super) fn new(
        copier: &Copier<'a>,
        origin: Origin<'b>,
        source: Source,
        found: &'b Found,
        target: &'b Endpoint,
    ) -> Self {
        let report = Report::new(source.object.endpoint(), target, Way::Created);
        let Copier { options, observer, session, later, spare } = *copier;
        // What is read back has to be on the medium first.
        let later = later.filter(|_| options.verify == Verify::No);
        let flushes = options.flush == Flush::Sync;
        Self {
            options,
            observer,
            later,
            spare,
            session,
            origin,
            source,
            found,
            target,
            report,
            flushes,
        }
    }

    /// Writes the target and says what that came to.
    pub(super) fn write(self, step: Step) -> Result<Ended<'a>> {
        self.check_directory()?;
        if let (Found::Segment(_), Endpoint::Segment(name)) = (self.found, self.target) {
            return self.write_segment(name);
        }
        match (step, self.found) {
            (Step::InPlace(reason), found) => match (self.open_target(), found) {
                (Ok(file), _) => {
                    let target = FileObject::new(file, self.target);
                    self.in_place(target, reason)
                }
                // A socket, for example, cannot be opened.
                (Err(error), Found::Named { place, .. })
                    if self.options.existing == Existing::Force && error.os_error().is_some() =>
                {
                    self.create(place, Way::Replaced)
                }
                (Err(error), _) => Err(error),
            },
            (_, Found::Unnamed(_) | Found::Segment(_)) => {
                let file = FileObject::new(self.open_target()?, self.target);
                self.in_place(file, InPlaceReason::OpenFile)
            }
            (_, Found::Nothing(place)) => self.create(place, Way::Created),
            (Step::Replace, Found::Named { place, .. }) => self.replace(place),
            (Step::BackUpOnly, Found::Named { place, .. }) => self.back_up_only(place),
            (Step::Create | Step::Supersede, Found::Named { place, .. }) => {
                self.create(place, Way::Replaced)
            }
        }
    }

    /// Makes the target another name of the source's first copy.
    pub(super) fn link(mut self, step: Step, first: &First) -> Result<Ended<'a>> {
        let (Found::Nothing(place) | Found::Named { place, .. }) = self.found else {
            return self.write(step);
        };
        let (options, precious) = (self.options, self.precious());
        let backup = back_up_found(self.found, options, precious, self.target, &mut self.report)?;
        let linked = link_to(place, first, self.target);
        settle(place, backup, linked)?;
        if self.later.is_none() {
            flush_directory(place, options, self.target, &mut self.report)?;
        }
        let First { target_id, len, hash, .. } = *first;
        let report = &mut self.report;
        (report.way, report.target_id, report.len, report.hash) =
            (Way::Linked, Some(target_id), len, hash);
        Ok(Ended::now(self.report))
    }

    /// Makes a whole new file and gives it the name, whatever has it.
    fn create(mut self, place: &Place, way: Way) -> Result<Ended<'a>> {
        let mut attributes = Attributes::from(&self.source.facts);
        if *self.source.object.endpoint() == Endpoint::Standard {
            // A pipe's own mode says nothing about a file; dd and a shell's `>` give this one.
            attributes.mode = 0o666;
        }
        let old = if self.stores_whole(place) { None } else { self.old_content(place) };
        let difference = match &old {
            Some(old) => self.compare(old)?,
            None => None,
        };
        if let Some(Comparison { difference: None, .. }) = difference
            && let Some(there) = self.found.facts()
            && may_keep((self.options, self.session), &self.source.facts, there)
            && (there.links == 1 || old.as_ref().is_some_and(|old| self.has_attributes(old)))
            && let Some(old) = old
        {
            return self.keep(place, old, difference);
        }
        let preserve = &self.options.preserve;
        let mode = match place.directory.birth() {
            Some(birth) => metadata::new_hidden_file_mode(&attributes, preserve, birth),
            None => metadata::new_file_mode(&attributes, preserve),
        };
        let rights = Rights {
            at_open: mode.at_open,
            at_end: (preserve.mode != Keep::No).then_some(self.source.facts),
        };
        let leftover = self.leftover(place, rights);
        let mut staged = Staged::create(place, self.target, mode.at_open, self.precious())?;
        let known = old.as_ref().map(|old| (old, difference));
        let base = self.choose_base(&mut staged, known, leftover)?;
        self.fill_new(&staged, mode.at_end, way, base)?;
        self.publish(staged, old)
    }

    /// Puts a file like the target in its place; where that cannot be, writes into it.
    fn replace(mut self, place: &Place) -> Result<Ended<'a>> {
        // Opened as cp does, so that a target that this user may not write stays as it is.
        let old = match self.open_target() {
            Ok(old) => old,
            Err(error) => match errno(&error) {
                // A program that runs keeps its file; the name gets the new one.
                Some(Errno::TXTBSY) => return self.replace_running(place, error),
                Some(_) if self.options.existing == Existing::Force => {
                    return self.create(place, Way::Replaced);
                }
                _ => return Err(error),
            },
        };
        let old = FileObject::new(old, self.target);
        let compared = self.compare(&old)?;
        if let Some(Comparison { difference: None, .. }) = compared {
            return self.keep(place, old, compared);
        }
        let there = file::facts(old.handle()).context(Operation::Stat, self.target)?;
        let rights = Rights { at_open: PRIVATE, at_end: Some(there) };
        let leftover = self.leftover(place, rights);
        match self.stage_like(place, old.handle())? {
            Staging::Ready(mut staged, mode) => {
                let base = self.choose_base(&mut staged, Some((&old, compared)), leftover)?;
                self.fill_new(&staged, mode, Way::Replaced, base)?;
                self.publish(staged, Some(old))
            }
            Staging::Impossible(reason) => self.in_place(old, reason),
        }
    }

    /// Replaces a program that runs, which cannot be opened for writing: `error` says so.
    fn replace_running(mut self, place: &Place, error: Error) -> Result<Ended<'a>> {
        let old =
            place.spot().open_for_reading(Follow::No).context(Operation::Open, self.target)?;
        match self.stage_like(place, &old)? {
            Staging::Ready(staged, mode) => {
                self.fill_new(&staged, mode, Way::Replaced, Base::None)?;
                drop(old);
                self.publish(staged, None)
            }
            Staging::Impossible(_) => Err(error),
        }
    }

    /// Makes a temporary that has what the old file would keep.
    fn stage_like(&mut self, place: &Place, old: &File) -> Result<Staging<'a>> {
        let staged = match Staged::create(place, self.target, PRIVATE, self.precious()) {
            Err(error) if is_denied(&error) => {
                return Ok(Staging::Impossible(InPlaceReason::Directory));
            }
            other => other?,
        };
        let new = staged.object().handle();
        let (reason, operation, error) =
            match metadata::keep_of_replaced(old, new, &self.options.preserve) {
                Ok(losses) => {
                    self.report.warnings.extend(losses.into_warnings());
                    return Ok(Staging::Ready(staged, ModeAtEnd::AsItIs));
                }
                Err(Unkeepable::Owner(error)) => (InPlaceReason::Owner, Operation::SetOwner, error),
                Err(Unkeepable::Attributes(error)) => {
                    (InPlaceReason::Attributes, Operation::SetAttributes, error)
                }
            };
        if metadata::is_unkeepable(&error) {
            Ok(Staging::Impossible(reason))
        } else {
            Err(Error::new(operation, self.target, error))
        }
    }

    fn fill_new(
        &mut self,
        staged: &Staged<'a>,
        mode_at_end: ModeAtEnd,
        way: Way,
        base: Base<'_>,
    ) -> Result<()> {
        self.report.way = way;
        // What is flushed and named later needs no flush of its own.
        if let Some(Later { small, large }) = self.later {
            let is_large = self.source.facts.len >= LARGE_BYTES_MIN;
            self.options = if is_large { large } else { small };
        }
        let space = Arc::clone(&staged.place().directory);
        self.fill(Filling {
            object: staged.object(),
            kind: Kind::Regular,
            before: match base {
                Base::None => Before::Blank,
                Base::Itself | Base::Clone { .. } | Base::Own { .. } => Before::Content,
            },
            base,
            space: Some(&space),
            mode_at_end,
        })
    }

    /// Gives a file that is whole its name, or has that done later, in the place of `old`.
    fn publish(self, staged: Staged<'a>, old: Option<FileObject>) -> Result<Ended<'a>> {
        // Windows gives nothing the name of a file that is open, but for some file systems.
        drop(old);
        let space = Arc::clone(&staged.place().directory);
        let is_ordered = !self.flushes && keeps_order(&self.report, &space);
        let publication = Publication {
            options: self.options,
            observer: self.observer,
            precious: self.precious(),
            staged,
            found: self.found.facts().is_some(),
            target: self.target.clone(),
            report: self.report,
            is_ordered,
        };
        // In a directory that gets its name later, a file gets its own at once.
        if self.later.is_some() && space.names != Names::Hidden {
            Ok(Ended::Later(Box::new(publication)))
        } else {
            publication.publish().map(Ended::now)
        }
    }

    /// Writes into the existing object.
    fn in_place(mut self, object: FileObject, reason: InPlaceReason) -> Result<Ended<'a>> {
        self.report.way = Way::InPlace(reason);
        let facts = file::facts(object.handle()).context(Operation::Stat, self.target)?;
        if self.options.content == Content::All && facts.kind == Kind::Regular {
            // Two runs that write into one file would mix, and both be content.
            match lock::try_lock(object.handle()).context(Operation::Lock, self.target)? {
                Locked::Held | Locked::Unsupported => {}
                Locked::Busy => {
                    let holder = lock::holder(object.handle());
                    return Err(Error::new(Operation::Lock, self.target, Cause::Busy { holder }));
                }
            }
            metadata::drop_privileged_bits(Named { file: object.handle(), endpoint: self.target })?;
        }
        if self.options.mirror.is_some() && facts.kind == Kind::Regular {
            self.remove_extra(&object)?;
        }
        let blank = facts.kind == Kind::Regular && facts.len == 0;
        let compares = facts.kind == Kind::Regular && self.compares(&object);
        let flushes = self.options.flush == Flush::Sync && facts.kind == Kind::Regular;
        if flushes && !blank && !compares && self.options.content == Content::All {
            make_stale(&object)?;
        }
        self.fill(Filling {
            object: &object,
            kind: facts.kind,
            before: if blank { Before::Blank } else { Before::Content },
            base: if compares { Base::Itself } else { Base::None },
            space: None,
            mode_at_end: ModeAtEnd::AsItIs,
        })?;
        object.close()?;
        if let Found::Named { place, .. } = self.found
            && facts.kind == Kind::Regular
        {
            self.report.leftovers = sweep(place, self.precious());
            flush_directory(place, self.options, self.target, &mut self.report)?;
        }
        Ok(Ended::now(self.report))
    }

    /// `cp --force --backup a a`: the backup is a copy, and the file stays as it is.
    fn back_up_only(self, place: &Place) -> Result<Ended<'a>> {
        let name =
            next_name(place, &self.options.backup).context(Operation::BackUp, self.target)?;
        let backup = place.sibling(&name);
        let way = match backup.id_of(&name).context(Operation::BackUp, self.target)? {
            None => Way::Created,
            Some(id) if self.precious().has(id) => {
                return Err(Error::new(Operation::BackUp, self.target, Cause::Displaced));
            }
            Some(_) => Way::Replaced,
        };
        let options = CopyOptions { backup: Default::default(), ..self.options.clone() };
        let inner = Copier::new(&options).observer(self.observer);
        let source = Source::open(self.origin, Follow::Yes)?;
        let run = Run::new(&inner, self.origin, source, self.found, self.target);
        let Ended::Now(Done::Copied(mut report)) = run.create(&backup, way)? else {
            return Err(Error::new(Operation::BackUp, self.target, Cause::Displaced));
        };
        report.backup = self.target.path().map(|path| path.with_file_name(&name));
        Ok(Ended::Now(Done::Copied(report)))
    }

    pub(super) fn precious(&self) -> Precious<'a> {
        Precious { source: self.source.id(), session: self.session }
    }

    /// Finds out before anything is written whether the directory can be flushed.
    fn check_directory(&self) -> Result<()> {
        let (Found::Nothing(place) | Found::Named { place, .. }) = self.found else {
            return Ok(());
        };
        if self.options.flush == Flush::Sync
            && !file::can_flush(&place.directory).context(Operation::Stat, self.target)?
        {
            let error = io::Error::from(Errno::ACCESS);
            return Err(Error::new(Operation::FlushDirectory, self.target, error));
        }
        Ok(())
    }

    /// Opens the existing target for writing, and makes sure that it is what was looked at, and
    /// not the source.
    fn open_target(&self) -> Result<File> {
        let waits = matches!(
            self.found.facts().map(|facts| facts.kind),
            Some(Kind::Pipe | Kind::CharDevice)
        );
        let file = match self.target_spot() {
            None => streams::standard_output(),
            Some((spot, follow)) if waits => self.open_waiting(spot, follow),
            Some((spot, follow)) => match spot.open_for_writing(OpenAs::ReadWrite, follow) {
                // A map needs both; everything else does without reading.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    spot.open_for_writing(OpenAs::WriteOnly, follow)
                }
                result => result,
            },
        }
        .context(Operation::Open, self.target)?;
        let facts = file::facts(&file).context(Operation::Stat, self.target)?;
        self.refuse_if_source(&facts)?;
        match self.found.facts() {
            // An overlay gives a file another number when it is opened for writing: then its name
            // leads to what was opened. Else somebody else has replaced it.
            Some(found) if found.id != facts.id && !self.leads_to(&facts)? => {
                Err(Error::new(Operation::Open, self.target, Cause::Replaced))
            }
            _ => Ok(file),
        }
    }

    /// Where the existing target is: a name that was found is not followed any further.
    fn target_spot(&self) -> Option<(Spot<'_>, Follow)> {
        match self.found {
            Found::Nothing(place) | Found::Named { place, .. } => Some((place.spot(), Follow::No)),
            Found::Unnamed(_) | Found::Segment(_) => {
                Some((Spot::of_path(self.target.path()?), Follow::Yes))
            }
        }
    }

    /// Opens a FIFO or device; a FIFO's reader is waited for, as long as the observer likes.
    fn open_waiting(&self, spot: Spot<'_>, follow: Follow) -> io::Result<File> {
        loop {
            match spot.open_for_writing(OpenAs::WriteOnly, follow) {
                Err(error)
                    if error.kind() == io::ErrorKind::Interrupted
                        && self.observer.event(Event::Waiting) == Flow::Continue => {}
                result => return result,
            }
        }
    }

    fn leads_to(&self, facts: &Facts) -> Result<bool> {
        let Some((spot, follow)) = self.target_spot() else { return Ok(false) };
        let there = spot.facts(follow).context(Operation::Stat, self.target)?;
        Ok(there.is_some_and(|there| there.id == facts.id && there.kind == facts.kind))
    }

    pub(super) fn refuse_if_source(&self, facts: &Facts) -> Result<()> {
        // Two ends of one terminal or pipe have one identity, and are not one file.
        if facts.id == self.source.id() && matches!(facts.kind, Kind::Regular | Kind::BlockDevice) {
            let cause = Cause::SameObject { other: self.target.clone() };
            return Err(Error::new(Operation::Copy, self.source.object.endpoint(), cause));
        }
        Ok(())
    }
}

/// Whether a new file never has its name, and the source's times, on the disk before its content:
/// one that is nothing but a clone. Cloning brings the source's pages to the disk first, and its
/// own change of the map of blocks is in the file system's journal, or tree, before those of times
/// and name (ioctl_ficlonerange(2); `generic_remap_file_range_prep` in the kernel's
/// fs/remap_range.c).
fn keeps_order(report: &Report, directory: &Directory) -> bool {
    let is_clone = |used: &EngineUse| used.engine == EngineName::Reflink;
    !report.engines.is_empty()
        && report.engines.iter().all(is_clone)
        && matches!(directory.file_system(), FileSystem::Xfs | FileSystem::Btrfs)
}

/// The permission bits of a temporary that gets those of the old file before any content.
const PRIVATE: u32 = 0o600;

/// What the system says, if it is the system that has failed.
pub(super) fn errno(error: &Error) -> Option<Errno> {
    error.os_error().and_then(Errno::from_io_error)
}

/// Whether the directory does not let this user make a file in it.
fn is_denied(error: &Error) -> bool {
    matches!(errno(error), Some(Errno::ACCESS | Errno::PERM | Errno::ROFS))
}
