//! Gives an open target its content and attributes, as far towards the disk as asked for.

use super::delta::{Base, has_changed};
use super::directory::{Directory, Names};
use super::run::Run;
use super::session::wants_links;
use super::source::{Change, Shape};
use super::transfer::{Moved, Transfer, has_medium};
use crate::engine::Before;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::{self, Losses, ModeAtEnd, Named};
use crate::object::{FileObject, Object};
use crate::options::{Content, Flush, Keep, OnChange, Verify};
use crate::report::{Delta, Report, Warning, Way};
use crate::sys::attributes::Attributes;
use crate::sys::cache;
use crate::sys::file::{self, Kind};
use crate::sys::file_system::{self, FileSystem};

/// What is written, and what it is like.
#[derive(Clone, Copy)]
pub(super) struct Filling<'a> {
    pub(super) object: &'a dyn Object,
    pub(super) kind: Kind,
    pub(super) before: Before,
    pub(super) base: Base<'a>,
    /// The directory whose file system gets new blocks.
    pub(super) space: Option<&'a Directory>,
    pub(super) mode_at_end: ModeAtEnd,
}

/// Whether what was moved is the source.
enum Judgement {
    Good(Option<Warning>),
    Changed,
}

impl Run<'_, '_> {
    /// Moves the bytes, sets the attributes, reads back, stamps the times and flushes.
    pub(super) fn fill(&mut self, filling: Filling<'_>) -> Result<()> {
        if self.options.content == Content::All {
            let moved = self.move_bytes(filling)?;
            self.take_over(moved);
        }
        self.finish(filling)
    }

    /// Does what is left when the bytes are there.
    pub(super) fn finish(&mut self, filling: Filling<'_>) -> Result<()> {
        let object = filling.object;
        let attributes = Attributes::from(&self.source.facts);
        let preserve = &self.options.preserve;
        let mut losses = Losses::default();
        // A device or segment that is written to keeps its own attributes.
        let target = object.file().filter(|_| filling.kind == Kind::Regular);
        let target = target.map(|file| Named { file, endpoint: self.target });
        if let Some(target) = target {
            let source = self.source.named();
            let mode_at_end = filling.mode_at_end;
            metadata::apply_preserved(
                source,
                &attributes,
                target,
                preserve,
                mode_at_end,
                &mut losses,
            )?;
        }
        self.verify(filling)?;
        // Who has the times already looks no newer with them.
        let is_stamped = self.report.way == Way::Kept
            && object.file().is_some_and(|file| {
                file::facts(file).is_ok_and(|facts| facts.modified == self.source.facts.modified)
            });
        let has_its_name = matches!(self.report.way, Way::InPlace(_) | Way::Kept);
        if let Some(target) = target.filter(|_| preserve.timestamps != Keep::No) {
            if self.flushes_content(filling) && has_its_name && !is_stamped {
                // Under its final name the file must not look done before its content is: a
                // journal may write the times of the inode first.
                self.flush(object)?;
            }
            // Last, when no map is left: a store through one sets the time as late as that
            // (mmap(2)).
            metadata::stamp_times(&attributes, target, preserve.timestamps, &mut losses)?;
        }
        self.report.warnings.extend(losses.into_warnings());
        let is_first_flush = !has_its_name && self.flushes_content(filling);
        if target.is_some() && is_first_flush || self.options.flush == Flush::Sync {
            self.flush(object)?;
        }
        let is_hidden = filling.space.is_some_and(|directory| directory.names == Names::Hidden);
        if !is_hidden || wants_links(&self.source.facts, self.options) {
            let facts = object.file().map(file::facts).transpose();
            let facts = facts.context(Operation::Stat, self.target)?;
            self.report.target_id = facts.map(|facts| facts.id);
        }
        Ok(())
    }

    /// Whether the content has to be on the disk before anybody can take it for a copy: unless
    /// somebody else sees to that before it gets its name.
    fn flushes_content(&self, filling: Filling<'_>) -> bool {
        let is_flushed_later = self.later.is_some() && filling.space.is_some();
        match is_flushed_later {
            // Its options say what is left of that.
            true => self.options.flush == Flush::Sync,
            false => self.options.flushes_content(),
        }
    }

    fn flush(&mut self, object: &dyn Object) -> Result<()> {
        object.flush()?;
        self.report.flushes.files += 1;
        Ok(())
    }

    fn take_over(&mut self, moved: Moved) {
        let wants_hash = self.options.hash || self.options.verify != Verify::No;
        let report: &mut Report = &mut self.report;
        report.len = moved.len;
        report.holes = moved.holes;
        report.engines = moved.engines;
        report.passed_over = moved.passed_over;
        report.delta = match (report.delta, moved.delta) {
            (_, Some(delta)) => Some(delta),
            (Some(delta), None) => Some(Delta { stored: moved.len - moved.holes, ..delta }),
            (None, None) => None,
        };
        report.flushes.started += moved.write_outs;
        report.hash = moved.hash.filter(|_| wants_hash);
    }

    pub(super) fn transfer<'b>(&'b self, filling: Filling<'b>) -> Transfer<'b> {
        Transfer {
            options: self.options,
            observer: self.observer,
            source: &self.source,
            target: filling.object,
            target_kind: filling.kind,
            before: filling.before,
            base: filling.base,
            spare: self.spare,
            space: filling.space,
        }
    }

    /// Moves the bytes, again if the source changed meanwhile and that is the rule.
    fn move_bytes(&mut self, mut filling: Filling<'_>) -> Result<Moved> {
        let retries_max = match self.options.on_change {
            OnChange::Fail => 0,
            OnChange::Default | OnChange::Retry => 1,
            // Cut while it is read, it has to be read anew to be copied as it is found.
            OnChange::Warn => 10,
        };
        loop {
            let transfer = self.transfer(filling);
            let moved = transfer.run();
            if let (
                Base::Clone { of, facts, .. },
                Ok(_) | Err(Error { cause: Cause::Shrank { .. }, .. }),
            ) = (filling.base, &moved)
                && has_changed(of, &facts)?
            {
                // The clone holds what it held: that is compared now.
                filling.base = Base::OWN_CLONE;
                continue;
            }
            let failure = match moved {
                Ok(moved) => match self.judge(&transfer, &moved)? {
                    Judgement::Good(warning) => {
                        self.report.warnings.extend(warning);
                        return Ok(moved);
                    }
                    Judgement::Changed => {
                        Error::new(Operation::Copy, self.source.object.endpoint(), Cause::Changed)
                    }
                },
                Err(error) if self.is_untrue_length(&error) && transfer.has_offsets() => {
                    // mqueue, some of FUSE, whose files may be of another time at each look: it
                    // says to be longer than it is.
                    if self.source.file_system == FileSystem::Fuse
                        || matches!(self.source.change()?, Change::None | Change::Doubtful)
                    {
                        self.source.become_stream()?;
                        self.reset(&mut filling)?;
                        continue;
                    }
                    // It was cut, and has grown again.
                    Error::new(Operation::Copy, self.source.object.endpoint(), Cause::Changed)
                }
                Err(error) if self.is_shrunk_source(&error) => error,
                Err(error) => return Err(error),
            };
            // What was sent into a pipe cannot be taken back.
            if !transfer.has_offsets() || self.report.retries == retries_max {
                return Err(failure);
            }
            self.report.retries += 1;
            self.source.refresh()?;
            self.reset(&mut filling)?;
        }
    }

    /// Makes the target ready for being filled anew.
    fn reset(&self, filling: &mut Filling<'_>) -> Result<()> {
        if filling.kind == Kind::Segment {
            return self.reset_segment(filling);
        }
        // What is written in order begins the target: on Windows, what was written at offsets has
        // moved the handle's position.
        if let (Shape::Stream, Some(file)) = (self.source.shape, filling.object.file()) {
            file::seek_to(file, 0).context(Operation::Write, filling.object.endpoint())?;
        }
        match (filling.base, filling.before) {
            (Base::Clone { .. }, _) => {
                filling.base = Base::OWN_CLONE;
                Ok(())
            }
            (Base::Own { into, .. }, _) => {
                filling.base = Base::Own { equal: 0, into };
                Ok(())
            }
            (_, Before::Blank) => filling.object.set_len(0),
            (_, Before::Content) => Ok(()),
        }
    }

    /// The same for a segment, whose length stays what it is: that of the source as it was when the
    /// segment was made.
    fn reset_segment(&self, filling: &mut Filling<'_>) -> Result<()> {
        let (len, needed) = (filling.object.len()?, self.source.facts.len);
        let fits = match (self.source.shape, filling.before) {
            (Shape::Stream, _) => true,
            (Shape::Sized, Before::Blank) => needed == len,
            (Shape::Sized, Before::Content) => needed <= len,
        };
        if !fits {
            return Err(Error::new(Operation::Copy, self.source.object.endpoint(), Cause::Changed));
        }
        filling.before = Before::Content;
        Ok(())
    }

    /// Whether the error says that the source ended before the length that it still claims.
    fn is_untrue_length(&self, error: &Error) -> bool {
        error.operation == Operation::Read
            && error.endpoint == *self.source.object.endpoint()
            && self.source.facts.kind == Kind::Regular
            && self.source.shape == Shape::Sized
            && error.os_error().is_some_and(|os| os.kind() == std::io::ErrorKind::UnexpectedEof)
    }

    /// Whether the error says that the source was cut. A device that ends early is broken.
    fn is_shrunk_source(&self, error: &Error) -> bool {
        matches!(error.cause, Cause::Shrank { .. })
            && error.endpoint == *self.source.object.endpoint()
            && self.source.facts.kind == Kind::Regular
    }

    fn judge(&self, transfer: &Transfer<'_>, moved: &Moved) -> Result<Judgement> {
        let change = self.source.change()?;
        let warning = match (change, self.options.on_change) {
            (Change::None, _) => return Ok(Judgement::Good(None)),
            (Change::Longer | Change::Otherwise, OnChange::Warn) => {
                return Ok(Judgement::Good(Some(Warning::Changed)));
            }
            (Change::Otherwise, _) | (Change::Longer, OnChange::Fail | OnChange::Retry) => {
                return Ok(Judgement::Changed);
            }
            (Change::Longer, OnChange::Default) => {
                let now = self.source.len_now()?;
                Some(Warning::Grew { copied: moved.len, now })
            }
            (Change::Doubtful, _) => None,
        };
        // Appending and rewriting look alike from outside, and so do a new mode and new content
        // with the old times put back. What is there now tells.
        self.source.await_writers()?;
        Ok(match (transfer.equals_source(moved)?, self.options.on_change) {
            (true, _) => Judgement::Good(warning),
            (false, OnChange::Warn) => Judgement::Good(Some(Warning::Changed)),
            (false, _) => Judgement::Changed,
        })
    }

    /// Reads the target back and compares it with what was copied.
    fn verify(&mut self, filling: Filling<'_>) -> Result<()> {
        let object = filling.object;
        if self.options.content == Content::AttributesOnly || self.options.verify == Verify::No {
            return Ok(());
        }
        let mut medium = None;
        // A segment is on no medium.
        if self.options.verify == Verify::Medium && filling.kind != Kind::Segment {
            self.flush(object)?;
            medium = self.medium_of(object)?;
        }
        let from = medium.as_ref().map_or(object, |medium| medium as &dyn Object);
        let found = self.transfer(filling).read_back(from, self.report.len)?;
        if found.is_none() || found != self.report.hash {
            return Err(Error::new(Operation::Verify, self.target, Cause::Mismatch));
        }
        self.report.verified = self.report.len;
        Ok(())
    }

    /// Has the next read come from the medium, as far as this system can: of what is returned, or
    /// else of the object itself.
    fn medium_of(&mut self, object: &dyn Object) -> Result<Option<FileObject>> {
        let Some(file) = object.file() else { return Ok(None) };
        let file_system = file_system::of(file).unwrap_or(FileSystem::Other);
        if !has_medium(file_system) {
            return Ok(None);
        }
        let medium = FileObject::past_cache(file, self.target)?;
        if medium.is_none() {
            cache::drop_cache(file).context(Operation::Verify, self.target)?;
            let bytes = cache::cached_bytes(file, self.report.len)
                .context(Operation::Verify, self.target)?;
            if bytes > 0 {
                self.report.warnings.push(Warning::ReadBackFromMemory { bytes });
            }
        }
        Ok(medium)
    }
}
