//! Takes what an existing target holds, and stores only what differs (`--delta`).
//!
//! Where the file system can clone, the old file is cloned and the clone is patched: it takes the
//! name as a whole, at the price of the pages that differ. Else every byte is stored into a new
//! file; or, in place, into the target itself, which is made to look stale on the disk before the
//! first store, so that after a crash nobody takes a mixture for a copy.
//!
//! What a killed run had stored of a large file is compared in the same way, and completed.

use super::Ended;
use super::fill::Filling;
use super::publish::flush_directory;
use super::run::Run;
use super::source::{Change, Shape, Stamps, stamps};
use super::stage::sweep;
use super::target::{Found, Place};
use super::transfer::{Moved, Transfer};
use crate::change;
use crate::engine::delta::{Compare, Patch};
use crate::engine::drive::{self, Pass};
use crate::engine::means_unsupported;
use crate::engine::{Before, Job, Outcome};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::{self, Losses, ModeAtEnd, Named};
use crate::object::{FileObject, Object};
use crate::options::{Content, EngineName, Flush};
use crate::report::{Delta, DeltaInto, Done, Skip, Way};
use crate::sys::file::{self, Facts, Kind};
use crate::sys::file_system::{self, FileSystem};
use crate::sys::names::Follow;
use crate::sys::{attributes, clone};
use crate::units::ByteRange;

/// Files of a mirror up to this length are stored whole where they differ: to clone an old one, and
/// to compare it with the clone, takes longer than to write it.
const STORED_WHOLE_MAX: u64 = 64 << 10;

/// What the target holds that need not be stored again.
#[derive(Clone, Copy)]
pub(super) enum Base<'a> {
    /// Nothing: every byte is stored.
    None,
    /// What it held before.
    Itself,
    /// What this file holds, whose clone it is. It equals the source up to `equal`, if it is still
    /// what it was when it was cloned.
    Clone { of: &'a FileObject, equal: u64, facts: Facts },
    /// What it holds, and nobody else sees. It equals the source up to `equal`.
    Own { equal: u64, into: DeltaInto },
}

impl Base<'_> {
    /// A clone whose original does not count any more.
    pub(super) const OWN_CLONE: Self = Self::Own { equal: 0, into: DeltaInto::Clone };
}

/// What the comparison of two objects came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Where they differ first, or a little before; `None` when they do not.
    pub(super) difference: Option<u64>,
    /// Threads that compared them.
    pub(super) threads: usize,
}

impl<'a> Run<'a, '_> {
    /// Whether what the target holds is to be compared.
    pub(super) fn compares(&self, target: &FileObject) -> bool {
        self.options.compares_content()
            && self.options.content == Content::All
            && self.source.facts.kind == Kind::Regular
            && self.source.shape == Shape::Sized
            && file::is_readable(target.handle())
    }

    /// Whether a mirror replaces a file that differs without a look at its content: a small one of
    /// another length, and one that gets the source's own blocks, which are neither stored nor
    /// flushed.
    pub(super) fn stores_whole(&self, place: &Place) -> bool {
        let (here, there) = (self.source.facts.len, self.found.facts().map(|there| there.len));
        let is_unequal = here <= STORED_WHOLE_MAX && there != Some(here);
        let is_cloned = self.may_share_blocks(&place.directory)
            && matches!(place.directory.file_system(), FileSystem::Xfs | FileSystem::Btrfs);
        self.options.mirror.is_some() && (is_unequal || is_cloned)
    }

    /// An existing file whose content may be that of a new one that takes its name.
    pub(super) fn old_content(&self, place: &Place) -> Option<FileObject> {
        let Found::Named { facts, .. } = self.found else { return None };
        if !self.options.compares_content() || facts.kind != Kind::Regular {
            return None;
        }
        // What cannot be read is not compared.
        let old = place.spot().open_for_reading(Follow::No).ok()?;
        let is_it = file::facts(&old).is_ok_and(|opened| opened.id == facts.id);
        is_it.then(|| FileObject::new(old, self.target))
    }

    /// Compares the source with an existing file, if that was asked for.
    pub(super) fn compare(&mut self, old: &FileObject) -> Result<Option<Comparison>> {
        if !self.compares(old) {
            return Ok(None);
        }
        let transfer = self.transfer(existing(old));
        transfer.started(Some(self.source.facts.len))?;
        let mut compared = match transfer.compare(old) {
            Err(error) if matches!(error.cause, Cause::Shrank { .. }) => {
                Comparison { difference: Some(0), threads: 1 }
            }
            compared => compared?,
        };
        if compared.difference.is_none() && self.source.change()? != Change::None {
            // Whether they are equal is to be seen by storing then.
            compared.difference = Some(0);
        }
        Ok(Some(compared))
    }

    /// Whether a file whose content equals the source's has all its attributes as well.
    pub(super) fn has_attributes(&self, old: &FileObject) -> bool {
        let (source, target) = self.both(old);
        file::facts(old.handle()).is_ok_and(|there| {
            change::of_attributes(self.options, &self.source.facts, &there).is_empty()
        }) && metadata::extended_equal(source, target, &self.options.preserve)
            .is_ok_and(|equal| equal)
    }

    fn both<'n>(&'n self, target: &'n FileObject) -> (Named<'n>, Named<'n>) {
        let named = Named { file: target.handle(), endpoint: self.target };
        // Memory has no extended attributes, and has none to compare with.
        (self.source.named().unwrap_or(named), named)
    }

    /// Takes from a mirror's target the extended attributes that the source has not.
    pub(super) fn remove_extra(&mut self, target: &FileObject) -> Result<()> {
        let mut losses = Losses::default();
        let (source, there) = self.both(target);
        metadata::remove_extra(source, there, &self.options.preserve, &mut losses)?;
        self.report.warnings.extend(losses.into_warnings());
        Ok(())
    }

    /// Leaves a file that equals the source, but for its attributes, as was seen by comparing the
    /// bytes, or was not.
    pub(super) fn keep(
        mut self,
        place: &Place,
        old: FileObject,
        compared: Option<Comparison>,
    ) -> Result<Ended<'a>> {
        let len = self.source.facts.len;
        if self.options.mirror.is_some() {
            if self.has_attributes(&old) {
                return Ok(Ended::Now(Done::Skipped(Skip::Equal)));
            }
            self.remove_extra(&old)?;
        }
        let transfer = self.transfer(existing(&old));
        let hash = if transfer.wants_hash() { transfer.hash_of_source(len)? } else { None };
        let delta = compared.map(|Comparison { threads, .. }| {
            let into = DeltaInto::Nothing;
            Delta { into, stored: 0, threads }
        });
        let report = &mut self.report;
        (report.way, report.len, report.hash, report.delta) = (Way::Kept, len, hash, delta);
        // As any other copy does.
        metadata::drop_privileged_bits(Named { file: old.handle(), endpoint: self.target })?;
        self.finish(existing(&old))?;
        old.close()?;
        self.report.leftovers = sweep(place, self.precious());
        flush_directory(place, self.options, self.target, &mut self.report)?;
        Ok(Ended::now(self.report))
    }

    /// Clones an old file that differs into the new one, where the file system can and it pays.
    pub(super) fn clone_into<'c>(
        &mut self,
        old: &'c FileObject,
        compared: Option<Comparison>,
        new: &FileObject,
    ) -> Result<Base<'c>> {
        let Some(Comparison { difference: Some(equal), threads }) = compared else {
            return Ok(Base::None);
        };
        if self.options.mirror.is_some() && self.source.facts.len <= STORED_WHOLE_MAX {
            return Ok(Base::None);
        }
        let facts = file::facts(old.handle()).context(Operation::Stat, self.target)?;
        match clone::clone_file(old.handle(), new.handle()) {
            Ok(()) if tells_changes(&facts, new) => Ok(Base::Clone { of: old, equal, facts }),
            Ok(()) => Ok(Base::OWN_CLONE),
            Err(error) if means_unsupported(&error) => {
                let into = DeltaInto::NewFile;
                self.report.delta = Some(Delta { into, stored: 0, threads });
                Ok(Base::None)
            }
            Err(error) => Err(Error::new(Operation::Clone, new.endpoint(), error)),
        }
    }
}

/// A file that is there, and has its name.
fn existing(object: &FileObject) -> Filling<'_> {
    Filling {
        object,
        kind: Kind::Regular,
        before: Before::Content,
        base: Base::Itself,
        space: None,
        mode_at_end: ModeAtEnd::AsItIs,
    }
}

/// Whether a change of a file from now on would show in its times.
fn tells_changes(facts: &Facts, clone: &FileObject) -> bool {
    let file_system = file_system::of(clone.handle()).unwrap_or(FileSystem::Other);
    stamps(facts, file_system) == Stamps::Tell
}

/// Whether what a file holds may be something else than its clone: pages that were equal by then
/// were not stored into the clone.
///
/// Cloning writes everything out, so that a store through a map sets the times as a write does.
pub(super) fn has_changed(old: &FileObject, facts: &Facts) -> Result<bool> {
    let now = file::facts(old.handle()).context(Operation::Stat, old.endpoint())?;
    Ok((now.len, now.modified, now.changed) != (facts.len, facts.modified, facts.changed)
        || file::may_have_silent_writer(old.handle()))
}

impl Transfer<'_> {
    /// Stores what differs into the target, which is made to look stale before, so that after a
    /// crash nobody takes it for a copy.
    pub(super) fn patch_itself(&self, job: &Job<'_>, moved: &mut Moved) -> Result<()> {
        let Comparison { difference, threads } = self.compare(self.target)?;
        let Some(offset) = difference else {
            moved.delta = Some(Delta { into: DeltaInto::Nothing, stored: 0, threads });
            return self.hash_source(job);
        };
        make_stale(self.target)?;
        self.patch(job, (self.target, offset), DeltaInto::Target, moved)
    }

    /// Stores what differs between the source and `base`, from the first difference on.
    pub(super) fn patch(
        &self,
        job: &Job<'_>,
        (base, equal): (&dyn Object, u64),
        into: DeltaInto,
        moved: &mut Moved,
    ) -> Result<()> {
        let len = self.source.facts.len;
        let patch = Patch::new(base)?;
        if self.target.len()? < len {
            self.check_len(len)?;
            self.target.set_len(len)?;
        }
        let flush = job.flush.max(Flush::Async);
        let unhashed = Job { hash: None, flush, ..*job };
        let rest = ByteRange::between(equal, len);
        let pass = match rest.is_empty() {
            true => Pass::ended(Outcome::Done),
            false => drive::run(&patch, &unhashed, rest, self.threads()),
        };
        moved.holes += pass.holes;
        moved.write_outs += pass.write_outs;
        moved.delta = Some(Delta { into, stored: pass.moved, threads: pass.threads });
        match pass.outcome {
            Outcome::Done => self.hash_source(job),
            Outcome::Failed { error, .. } => Err(error),
            Outcome::Unsupported { why, .. } => Err(self.refused(EngineName::Mmap, why)),
        }
    }

    /// Hashes the source, where what was stored of it is not all.
    fn hash_source(&self, job: &Job<'_>) -> Result<()> {
        if job.hash.is_none() {
            return Ok(());
        }
        match self.read_for_hash(job, ByteRange::first(self.source.facts.len)) {
            Outcome::Failed { error, .. } => Err(error),
            Outcome::Done | Outcome::Unsupported { .. } => Ok(()),
        }
    }

    /// Compares the source with an existing file, up to the first difference.
    fn compare(&self, base: &dyn Object) -> Result<Comparison> {
        let (len, base_len) = (self.source.facts.len, base.len()?);
        let common = ByteRange::first(len.min(base_len));
        let unequal_lens = (len != base_len).then_some(common.end());
        if common.is_empty() {
            return Ok(Comparison { difference: unequal_lens, threads: 1 });
        }
        let job = self.plain_job(self.source.object.as_ref(), base, self.observer);
        let Pass { outcome, threads, .. } = drive::run(&Compare, &job, common, self.threads());
        let difference = match outcome {
            Outcome::Done => unequal_lens,
            Outcome::Failed { copied, error } if matches!(error.cause, Cause::Changed) => {
                Some(copied)
            }
            Outcome::Failed { error, .. } => return Err(error),
            Outcome::Unsupported { .. } => Some(0),
        };
        Ok(Comparison { difference, threads })
    }
}

/// Gives a file that is to be written into a modification time that is no source's, on the disk.
pub(super) fn make_stale(target: &dyn Object) -> Result<()> {
    if let Some(file) = target.file() {
        attributes::set_modified_now(file).context(Operation::SetTimes, target.endpoint())?;
    }
    target.flush()
}
