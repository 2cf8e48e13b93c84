//! Carries a decision out.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Copier;
use super::backup::{back_up, backup_name};
use super::decide::Step;
use super::links::{First, link_to};
use super::source::{Change, Source};
use super::stage::{Publish, Staged};
use super::target::{Found, Place};
use super::transfer::{Moved, Transfer, has_medium};
use crate::engine::Before;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::{self, ModeAtEnd, Named, Unkeepable};
use crate::object::{FileObject, Object};
use crate::options::{Content, CopyOptions, Endpoint, Existing, Flush, OnChange, Verify};
use crate::report::{InPlaceReason, Observer, Report, Warning, Way};
use crate::sys::attributes::Attributes;
use crate::sys::file::{self, Facts, Kind, OpenAs};
use crate::sys::platform;

/// One copy under way.
pub(super) struct Run<'a> {
    options: &'a CopyOptions,
    observer: &'a dyn Observer,
    source: Source,
    found: &'a Found,
    target: &'a Endpoint,
    report: Report,
}

/// Whether a file could be put in the place of another.
enum Replacing {
    Done,
    /// No; nothing has changed.
    Impossible(InPlaceReason),
}

/// What is written, and what it is like.
#[derive(Clone, Copy)]
struct Filling<'a> {
    object: &'a FileObject,
    kind: Kind,
    before: Before,
    space: Option<&'a Path>,
    mode_at_end: ModeAtEnd,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        copier: &Copier<'a>,
        source: Source,
        found: &'a Found,
        target: &'a Endpoint,
    ) -> Self {
        let report = Report::new(source.object.endpoint(), target, Way::Created);
        let Copier { options, observer, .. } = *copier;
        Self { options, observer, source, found, target, report }
    }

    /// Writes the target and says what that came to.
    pub(super) fn write(mut self, step: Step) -> Result<Report> {
        match (step, self.found) {
            (Step::InPlace(reason), _) => self.in_place(self.open_target()?, reason)?,
            (_, Found::Nothing(place)) => {
                self.replace(place, None, Publish::IntoFreeName)?;
            }
            (Step::Replace, Found::Named { place, .. }) => self.replace_or_in_place(place)?,
            (Step::BackUpOnly, Found::Named { place, .. }) => self.back_up_only(place)?,
            (_, Found::Named { place, .. }) => {
                self.report.way = Way::Replaced;
                self.replace(place, None, Publish::OverExisting)?;
            }
            (_, Found::Unnamed(_)) => {
                self.in_place(self.open_target()?, InPlaceReason::NotRegular)?;
            }
        }
        Ok(self.report)
    }

    /// Makes the target another name of `first`.
    pub(super) fn link(mut self, step: Step, first: &First) -> Result<Report> {
        let (Found::Nothing(place) | Found::Named { place, .. }) = self.found else {
            return self.write(step);
        };
        self.back_up(place)?;
        link_to(place, &first.target, self.target)?;
        self.flush_directory(place)?;
        self.report.way = Way::Linked;
        self.report.len = first.len;
        self.report.hash = first.hash;
        Ok(self.report)
    }

    /// Keeps what is replaced under another name, if that was asked for.
    fn back_up(&mut self, place: &Place) -> Result<()> {
        if self.found.facts().is_some()
            && let Some(name) = backup_name(place, &self.options.backup, self.target)?
        {
            let source = (self.source.object.endpoint(), self.source.id());
            self.report.backup = Some(back_up(place, &name, source, self.target)?);
        }
        Ok(())
    }

    /// Puts a file like the target in its place; where that cannot be, writes into it.
    fn replace_or_in_place(&mut self, place: &Place) -> Result<()> {
        self.report.way = Way::Replaced;
        // Opened as cp does, so that a target that this user may not write stays as it is.
        let old = match self.open_target() {
            Ok(old) => Some(old),
            Err(_) if self.options.existing == Existing::Force => None,
            // A program that runs keeps its file; the name gets the new one.
            Err(error) if os_code(&error) == Some(libc::ETXTBSY) => match self.target.path() {
                Some(path) => {
                    Some(file::open_for_reading(path).context(Operation::Open, self.target)?)
                }
                None => return Err(error),
            },
            Err(error) => return Err(error),
        };
        match self.replace(place, old.as_ref(), Publish::OverExisting)? {
            Replacing::Done => Ok(()),
            Replacing::Impossible(reason) => match old {
                Some(old) => self.in_place(old, reason),
                None => self.in_place(self.open_target()?, reason),
            },
        }
    }

    /// Makes a whole file beside the target and gives it the target's name. With `old` the new
    /// file gets the attributes that the old one would keep.
    fn replace(&mut self, place: &Place, old: Option<&File>, how: Publish) -> Result<Replacing> {
        let source_attributes = attributes_of(&self.source.facts);
        let preserve = &self.options.preserve;
        let mode = metadata::new_file_mode(&source_attributes, preserve);
        let at_open = if old.is_some() { PRIVATE } else { mode.at_open };
        let staged = match Staged::create(place, self.target, at_open) {
            Err(error) if old.is_some() && is_denied(&error) => {
                return Ok(Replacing::Impossible(InPlaceReason::Directory));
            }
            other => other?,
        };
        let mut mode_at_end = mode.at_end;
        if let Some(old) = old {
            mode_at_end = ModeAtEnd::AsItIs;
            match metadata::keep_of_replaced(old, staged.object().handle(), preserve) {
                Ok(()) => {}
                Err(Unkeepable::Owner(error)) if metadata::is_refused(&error) => {
                    return Ok(Replacing::Impossible(InPlaceReason::Owner));
                }
                Err(Unkeepable::Attributes(error)) if metadata::is_refused(&error) => {
                    return Ok(Replacing::Impossible(InPlaceReason::Attributes));
                }
                Err(Unkeepable::Owner(error) | Unkeepable::Attributes(error)) => {
                    return Err(Error::new(Operation::SetAttributes, self.target, error));
                }
            }
        }
        let filling = Filling {
            object: staged.object(),
            kind: Kind::Regular,
            before: Before::Blank,
            space: Some(&place.directory_path),
            mode_at_end,
        };
        self.fill(filling)?;
        check_close(staged.object())?;
        if how == Publish::OverExisting {
            self.back_up(place)?;
        }
        let (object, leftovers) = staged.publish(how)?;
        self.report.leftovers = leftovers;
        self.flush_directory(place)?;
        object.close()?;
        Ok(Replacing::Done)
    }

    /// Writes into the existing object.
    fn in_place(&mut self, file: File, reason: InPlaceReason) -> Result<()> {
        self.report.way = Way::InPlace(reason);
        let object = FileObject::new(file, self.target);
        let facts = file::facts(object.handle()).context(Operation::Stat, self.target)?;
        self.refuse_if_source(&facts)?;
        metadata::drop_privileged_bits(Named { file: object.handle(), endpoint: self.target })?;
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
                self.flush_directory(place)
            }
            _ => Ok(()),
        }
    }

    /// `cp --force --backup a a`: the backup is a copy, and the file stays as it is.
    fn back_up_only(&mut self, place: &Place) -> Result<()> {
        let Some(name) = backup_name(place, &self.options.backup, self.target)? else {
            return Ok(());
        };
        let backup = place.sibling(&name).context(Operation::BackUp, self.target)?;
        let how = match backup.id_of(&name).context(Operation::BackUp, self.target)? {
            None => Publish::IntoFreeName,
            Some(id) if id == self.source.id() => {
                let cause = Cause::SameObject { other: self.target.clone() };
                return Err(Error::new(Operation::BackUp, self.target, cause));
            }
            Some(_) => Publish::OverExisting,
        };
        let options = CopyOptions { backup: Default::default(), ..self.options.clone() };
        let inner = Copier { options: &options, observer: self.observer, links: None };
        let source = Source::open(self.source.object.endpoint())?;
        let mut run = Run::new(&inner, source, self.found, self.target);
        run.replace(&backup, None, how)?;
        self.report = run.report;
        self.report.backup = self.target.path().map(|path| path.with_file_name(&name));
        Ok(())
    }

    /// Gives an open target its content and attributes, as far towards the disk as asked for.
    fn fill(&mut self, filling: Filling<'_>) -> Result<()> {
        let object = filling.object;
        if self.options.content == Content::All {
            let moved = self.move_bytes(filling)?;
            self.take_over(moved);
        }
        let named = Named { file: object.handle(), endpoint: self.target };
        let source =
            Named { file: self.source.object.handle(), endpoint: self.source.object.endpoint() };
        let attributes = attributes_of(&self.source.facts);
        let preserve = &self.options.preserve;
        // A device that is written to keeps its own attributes.
        let takes_attributes = filling.kind == Kind::Regular;
        if takes_attributes {
            metadata::apply_preserved(source, &attributes, named, preserve, filling.mode_at_end)?;
        }
        self.verify(filling)?;
        if takes_attributes {
            // Last, when no map is left: a store through one sets the time as late as that
            // (mmap(2)).
            metadata::stamp_times(&attributes, named, preserve.timestamps)?;
        }
        if self.options.flush == Flush::Sync {
            object.flush()?;
            self.report.flushes.files += 1;
        }
        let facts = file::facts(object.handle()).context(Operation::Stat, self.target)?;
        self.report.target_id = Some(facts.id);
        Ok(())
    }

    fn take_over(&mut self, moved: Moved) {
        let report = &mut self.report;
        report.len = moved.len;
        report.holes = moved.holes;
        report.engines = moved.engines;
        report.passed_over = moved.passed_over;
        report.flushes.started += moved.write_outs;
        report.hash = moved.hash;
    }

    /// Moves the bytes, again if the source changed meanwhile and that is the rule.
    fn move_bytes(&mut self, filling: Filling<'_>) -> Result<Moved> {
        loop {
            let transfer = Transfer {
                options: self.options,
                observer: self.observer,
                source: &self.source,
                target: filling.object,
                target_kind: filling.kind,
                before: filling.before,
                space: filling.space,
            };
            let failure = match transfer.run() {
                Ok(moved) => match self.judge(&transfer, moved)? {
                    Judgement::Good(moved, warning) => {
                        self.report.warnings.extend(warning);
                        return Ok(moved);
                    }
                    Judgement::Changed => {
                        Error::new(Operation::Copy, self.source.object.endpoint(), Cause::Changed)
                    }
                },
                Err(error) if matches!(error.cause, Cause::Shrank { .. }) => error,
                Err(error) => return Err(error),
            };
            let once_more = self.options.on_change != OnChange::Fail && self.report.retries == 0;
            if !once_more {
                return Err(failure);
            }
            self.report.retries += 1;
            self.source.refresh()?;
            if filling.before == Before::Blank {
                filling.object.set_len(0)?;
            }
        }
    }

    /// Whether what was moved is the source.
    fn judge(&self, transfer: &Transfer<'_>, moved: Moved) -> Result<Judgement> {
        let change = self.source.change()?;
        Ok(match (change, self.options.on_change) {
            (Change::None, _) => Judgement::Good(moved, None),
            (_, OnChange::Warn) => Judgement::Good(moved, Some(Warning::Changed)),
            (Change::Longer, OnChange::Default) => {
                // Appending and rewriting look alike from outside. What is there now tells.
                self.source.await_writers()?;
                if transfer.equals_source(moved.len)? {
                    let now = self.source.len_now()?;
                    let warning = Warning::Grew { copied: moved.len, now };
                    Judgement::Good(moved, Some(warning))
                } else {
                    Judgement::Changed
                }
            }
            (Change::Longer | Change::Otherwise, _) => Judgement::Changed,
        })
    }

    /// Reads the target back and compares it with what was copied.
    fn verify(&mut self, filling: Filling<'_>) -> Result<()> {
        let object = filling.object;
        if self.options.content == Content::AttributesOnly || self.options.verify == Verify::No {
            return Ok(());
        }
        if self.options.verify == Verify::Medium {
            object.flush()?;
            self.report.flushes.files += 1;
            let file_system =
                platform::file_system(object.handle()).context(Operation::Stat, self.target)?;
            if has_medium(file_system) {
                platform::drop_cache(object.handle()).context(Operation::Verify, self.target)?;
                match platform::cached_bytes(object.handle(), self.report.len) {
                    Ok(0) => {}
                    Ok(bytes) => {
                        self.report.warnings.push(Warning::ReadBackFromMemory { bytes });
                    }
                    Err(error) => return Err(Error::new(Operation::Verify, self.target, error)),
                }
            }
        }
        let transfer = Transfer {
            options: self.options,
            observer: self.observer,
            source: &self.source,
            target: object,
            target_kind: filling.kind,
            before: filling.before,
            space: None,
        };
        let found = transfer.read_back(self.report.len)?;
        if found.is_none() || found != self.report.hash {
            return Err(Error::new(Operation::Verify, self.target, Cause::Mismatch));
        }
        self.report.verified = self.report.len;
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
            (Endpoint::Standard, _) => file::standard_output(),
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
            Some(found) if found.id != facts.id => {
                Err(Error::new(Operation::Open, self.target, Cause::Replaced))
            }
            _ => Ok(file),
        }
    }

    /// Opens a FIFO or device; a FIFO's reader is waited for, as long as the observer likes.
    fn open_waiting(&self, path: &Path) -> io::Result<File> {
        loop {
            match file::open_for_writing(path, OpenAs::WriteOnly) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    let event = crate::report::Event::Waiting;
                    if self.observer.event(event) == crate::report::Flow::Stop {
                        return Err(error);
                    }
                }
                result => return result,
            }
        }
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

enum Judgement {
    Good(Moved, Option<Warning>),
    Changed,
}

/// The permission bits of a temporary that gets those of the old file before any content.
const PRIVATE: u32 = 0o600;

fn attributes_of(facts: &Facts) -> Attributes {
    Attributes {
        mode: facts.mode,
        uid: facts.uid,
        gid: facts.gid,
        accessed: facts.accessed,
        modified: facts.modified,
    }
}

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
