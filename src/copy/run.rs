//! Carries a decision out: stages, publishes, links, or writes in place.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Copier;
use super::backup::{back_up, next_name};
use super::decide::Step;
use super::fill::Filling;
use super::session::{First, Precious, Session};
use super::source::Source;
use super::stage::{Publish, Staged, link_to, sweep};
use super::target::{Found, Place};
use crate::engine::Before;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::lock::{self, Locked};
use crate::metadata::{self, ModeAtEnd, Named, Unkeepable};
use crate::object::{FileObject, Object};
use crate::options::{BackupControl, Content, CopyOptions, Endpoint, Existing, Flush, Update};
use crate::report::{Consent, Event, Flow, InPlaceReason, Observer, Report, Way};
use crate::sys::attributes::Attributes;
use crate::sys::file::{self, Facts, Follow, Kind, OpenAs};
use crate::sys::{platform, streams};

/// One copy under way.
pub(super) struct Run<'a> {
    pub(super) options: &'a CopyOptions,
    pub(super) observer: &'a dyn Observer,
    session: Option<&'a Session>,
    pub(super) source: Source,
    found: &'a Found,
    pub(super) target: &'a Endpoint,
    pub(super) report: Report,
}

/// A temporary to be filled, or why the target cannot be replaced by one. Nothing has changed yet.
enum Staging<'a> {
    Ready(Staged<'a>, ModeAtEnd),
    Impossible(InPlaceReason),
}

impl<'a> Run<'a> {
    pub(super) fn new(
        copier: &Copier<'a>,
        source: Source,
        found: &'a Found,
        target: &'a Endpoint,
    ) -> Self {
        let report = Report::new(source.object.endpoint(), target, Way::Created);
        let Copier { options, observer, session } = *copier;
        Self { options, observer, session, source, found, target, report }
    }

    /// Writes the target and says what that came to.
    pub(super) fn write(mut self, step: Step) -> Result<Report> {
        self.check_directory()?;
        match (step, self.found) {
            (Step::InPlace(reason), _) => self.in_place(self.open_target()?, reason)?,
            (_, Found::Unnamed(_)) => {
                self.in_place(self.open_target()?, InPlaceReason::OpenFile)?;
            }
            (_, Found::Nothing(place)) => self.create(place, Way::Created)?,
            (Step::Replace, Found::Named { place, .. }) => self.replace(place)?,
            (Step::BackUpOnly, Found::Named { place, .. }) => self.back_up_only(place)?,
            (Step::Create | Step::Supersede, Found::Named { place, .. }) => {
                self.create(place, Way::Replaced)?;
            }
        }
        Ok(self.report)
    }

    /// Makes the target another name of the source's first copy.
    pub(super) fn link(mut self, step: Step, first: &First) -> Result<Report> {
        let (Found::Nothing(place) | Found::Named { place, .. }) = self.found else {
            return self.write(step);
        };
        let backup = self.back_up(place)?;
        let linked = link_to(place, &first.target).context(Operation::Link, self.target);
        self.settle(place, backup, linked)?;
        self.flush_directory(place)?;
        let First { target_id, len, hash, .. } = *first;
        let report = Report { way: Way::Linked, target_id: Some(target_id), len, ..self.report };
        Ok(Report { hash, ..report })
    }

    /// Makes a whole new file and gives it the name, whatever has it.
    fn create(&mut self, place: &Place, way: Way) -> Result<()> {
        let mut attributes = Attributes::from(&self.source.facts);
        if *self.source.object.endpoint() == Endpoint::Standard {
            // A pipe's own mode says nothing about a file; dd and a shell's `>` give this one.
            attributes.mode = 0o666;
        }
        let mode = metadata::new_file_mode(&attributes, &self.options.preserve);
        let staged = Staged::create(place, self.target, mode.at_open, self.precious())?;
        self.fill_and_publish(place, staged, mode.at_end, way)
    }

    /// Puts a file like the target in its place; where that cannot be, writes into it.
    fn replace(&mut self, place: &Place) -> Result<()> {
        // Opened as cp does, so that a target that this user may not write stays as it is.
        let old = match self.open_target() {
            Ok(old) => old,
            Err(error) => match os_code(&error) {
                Some(libc::EACCES | libc::EPERM) if self.options.existing == Existing::Force => {
                    return self.create(place, Way::Replaced);
                }
                // A program that runs keeps its file; the name gets the new one.
                Some(libc::ETXTBSY) => return self.replace_running(place, error),
                _ => return Err(error),
            },
        };
        match self.stage_like(place, &old)? {
            Staging::Ready(staged, mode) => {
                self.fill_and_publish(place, staged, mode, Way::Replaced)
            }
            Staging::Impossible(reason) => self.in_place(old, reason),
        }
    }

    /// Replaces a program that runs, which cannot be opened for writing: `error` says so.
    fn replace_running(&mut self, place: &Place, error: Error) -> Result<()> {
        let Some(path) = self.target.path() else { return Err(error) };
        let old = file::open_for_reading(path).context(Operation::Open, self.target)?;
        match self.stage_like(place, &old)? {
            Staging::Ready(staged, mode) => {
                self.fill_and_publish(place, staged, mode, Way::Replaced)
            }
            Staging::Impossible(_) => Err(error),
        }
    }

    /// Makes a temporary that has what the old file would keep.
    fn stage_like<'b>(&self, place: &'b Place, old: &File) -> Result<Staging<'b>>
    where
        'a: 'b,
    {
        let staged = match Staged::create(place, self.target, PRIVATE, self.precious()) {
            Err(error) if is_denied(&error) => {
                return Ok(Staging::Impossible(InPlaceReason::Directory));
            }
            other => other?,
        };
        let new = staged.object().handle();
        let (reason, operation, error) =
            match metadata::keep_of_replaced(old, new, &self.options.preserve) {
                Ok(()) => return Ok(Staging::Ready(staged, ModeAtEnd::AsItIs)),
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

    fn fill_and_publish(
        &mut self,
        place: &Place,
        mut staged: Staged<'_>,
        mode_at_end: ModeAtEnd,
        way: Way,
    ) -> Result<()> {
        self.report.way = way;
        self.fill(Filling {
            object: staged.object(),
            kind: Kind::Regular,
            before: Before::Blank,
            space: Some(&place.directory_path),
            mode_at_end,
        })?;
        check_close(staged.object())?;
        let backup = if way == Way::Replaced { self.back_up(place)? } else { None };
        let how = if way == Way::Replaced { Publish::OverExisting } else { Publish::IntoFreeName };
        let published = match staged.publish(how) {
            Err(error) if how == Publish::IntoFreeName && self.may_take(&error) => {
                self.report.way = Way::Replaced;
                staged.publish(Publish::OverExisting)
            }
            result => result,
        };
        self.settle(place, backup, published)?;
        self.flush_directory(place)?;
        self.report.leftovers = staged.close()?;
        Ok(())
    }

    /// Whether a name that was free at first, and has been taken meanwhile, is to be replaced: as
    /// it would have been, had it been taken before.
    fn may_take(&self, error: &Error) -> bool {
        os_code(error) == Some(libc::EEXIST)
            && self.options.update == Update::All
            && self.options.backup.control == BackupControl::None
            && self.observer.may_replace(self.target) == Consent::Given
    }

    /// Writes into the existing object.
    fn in_place(&mut self, file: File, reason: InPlaceReason) -> Result<()> {
        self.report.way = Way::InPlace(reason);
        let object = FileObject::new(file, self.target);
        let facts = file::facts(object.handle()).context(Operation::Stat, self.target)?;
        if self.options.content == Content::All && facts.kind == Kind::Regular {
            // Two runs that write into one file would mix, and both be content.
            match lock::try_lock(object.handle()).context(Operation::Lock, self.target)? {
                Locked::Held | Locked::Unsupported => {}
                Locked::Busy => return Err(Error::new(Operation::Lock, self.target, Cause::Busy)),
            }
            metadata::drop_privileged_bits(Named { file: object.handle(), endpoint: self.target })?;
        }
        let blank = facts.kind == Kind::Regular && facts.len == 0;
        self.fill(Filling {
            object: &object,
            kind: facts.kind,
            before: if blank { Before::Blank } else { Before::Content },
            space: None,
            mode_at_end: ModeAtEnd::AsItIs,
        })?;
        object.close()?;
        match self.found {
            Found::Named { place, .. } if facts.kind == Kind::Regular => {
                self.report.leftovers = sweep(place, self.precious());
                self.flush_directory(place)
            }
            _ => Ok(()),
        }
    }

    /// `cp --force --backup a a`: the backup is a copy, and the file stays as it is.
    fn back_up_only(&mut self, place: &Place) -> Result<()> {
        let name =
            next_name(place, &self.options.backup).context(Operation::BackUp, self.target)?;
        let backup = place.sibling(&name).context(Operation::BackUp, self.target)?;
        let way = match backup.id_of(&name).context(Operation::BackUp, self.target)? {
            None => Way::Created,
            Some(id) if self.precious().has(id) => {
                return Err(Error::new(Operation::BackUp, self.target, Cause::Displaced));
            }
            Some(_) => Way::Replaced,
        };
        let options = CopyOptions { backup: Default::default(), ..self.options.clone() };
        let inner = Copier { options: &options, observer: self.observer, session: None };
        let source = Source::open(self.source.object.endpoint())?;
        let mut run = Run::new(&inner, source, self.found, self.target);
        run.create(&backup, way)?;
        self.report = run.report;
        self.report.backup = self.target.path().map(|path| path.with_file_name(&name));
        Ok(())
    }

    /// Keeps what is replaced under another name, if that was asked for.
    fn back_up(&mut self, place: &Place) -> Result<Option<super::backup::Made>> {
        if self.found.facts().is_none() {
            return Ok(None);
        }
        let made = back_up(place, &self.options.backup, self.precious(), self.target)?;
        if let Some(made) = &made {
            let path = self.target.path();
            self.report.backup = path.map(|path| path.with_file_name(&made.name));
        }
        Ok(made)
    }

    /// Undoes a backup whose successor could not be put in its place.
    fn settle<T>(
        &self,
        place: &Place,
        backup: Option<super::backup::Made>,
        published: Result<T>,
    ) -> Result<T> {
        if let (Err(_), Some(backup)) = (&published, backup) {
            // The error of the copy is the one to tell.
            drop(backup.undo(place));
        }
        published
    }

    fn precious(&self) -> Precious<'a> {
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
            let error = io::Error::from_raw_os_error(libc::EACCES);
            return Err(Error::new(Operation::FlushDirectory, self.target, error));
        }
        Ok(())
    }

    fn flush_directory(&mut self, place: &Place) -> Result<()> {
        if self.options.flush == Flush::Sync {
            platform::sync_all(&place.directory).context(Operation::FlushDirectory, self.target)?;
            self.report.flushes.directories += 1;
        }
        Ok(())
    }

    /// Opens the existing target for writing, and makes sure that it is what was looked at, and
    /// not the source.
    fn open_target(&self) -> Result<File> {
        let file = match (self.target, self.found.facts().map(|facts| facts.kind)) {
            (Endpoint::Standard, _) => streams::standard_output(),
            (Endpoint::File(path), Some(Kind::Pipe | Kind::CharDevice)) => self.open_waiting(path),
            (Endpoint::File(path), _) => match file::open_for_writing(path, OpenAs::ReadWrite) {
                // A map needs both; everything else does without reading.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    file::open_for_writing(path, OpenAs::WriteOnly)
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

    /// Opens a FIFO or device; a FIFO's reader is waited for, as long as the observer likes.
    fn open_waiting(&self, path: &Path) -> io::Result<File> {
        loop {
            match file::open_for_writing(path, OpenAs::WriteOnly) {
                Err(error)
                    if error.kind() == io::ErrorKind::Interrupted
                        && self.observer.event(Event::Waiting) == Flow::Continue => {}
                result => return result,
            }
        }
    }

    fn leads_to(&self, facts: &Facts) -> Result<bool> {
        let Some(path) = self.target.path() else { return Ok(false) };
        let there = file::facts_of_path(path, Follow::Yes).context(Operation::Stat, self.target)?;
        Ok(there.is_some_and(|there| there.id == facts.id && there.kind == facts.kind))
    }

    fn refuse_if_source(&self, facts: &Facts) -> Result<()> {
        // Two ends of one terminal or pipe have one identity, and are not one file.
        if facts.id == self.source.id() && matches!(facts.kind, Kind::Regular | Kind::BlockDevice) {
            let cause = Cause::SameObject { other: self.target.clone() };
            return Err(Error::new(Operation::Copy, self.source.object.endpoint(), cause));
        }
        Ok(())
    }
}

/// The permission bits of a temporary that gets those of the old file before any content.
const PRIVATE: u32 = 0o600;

/// Asks for the errors that the system tells when a file is closed, while the temporary stays
/// open and so locked (close(2), "Dealing with error returns from close").
fn check_close(object: &FileObject) -> Result<()> {
    let another = object.handle().try_clone().context(Operation::Close, object.endpoint())?;
    file::close(another).context(Operation::Close, object.endpoint())
}

fn os_code(error: &Error) -> Option<i32> {
    error.os_error().and_then(io::Error::raw_os_error)
}

/// Whether the directory does not let this user make a file in it.
fn is_denied(error: &Error) -> bool {
    matches!(os_code(error), Some(libc::EACCES | libc::EPERM | libc::EROFS))
}
