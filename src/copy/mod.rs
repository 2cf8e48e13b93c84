//! One object to another: look, decide, stage, move, verify, publish.

mod backup;
mod decide;
mod fill;
mod run;
mod session;
mod source;
mod stage;
mod target;
mod transfer;

use std::time::Instant;

pub use session::Session;

use decide::{Decision, Name, TargetFacts};
use run::Run;
use source::Source;
use target::{Found, Mounted, Place};

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::object::Object;
use crate::options::{CopyOptions, Endpoint, Flush};
use crate::report::{Consent, Done, InPlaceReason, Observer, Report, Skip};
use crate::sys::file::{self, Facts};
use crate::sys::platform;

/// Copies objects with one set of options.
///
/// # Example
///
/// ```
/// use mycp::{Copier, CopyOptions, Done, Endpoint, Flush};
///
/// let directory = tempfile::tempdir()?;
/// let (source, target) = (directory.path().join("a"), directory.path().join("b"));
/// std::fs::write(&source, "the only photograph")?;
///
/// let options = CopyOptions { flush: Flush::Sync, ..CopyOptions::default() };
/// let done = Copier::new(&options).copy(&Endpoint::from(source), &Endpoint::from(&target))?;
/// let Done::Copied(report) = done else { panic!("there was nothing to skip") };
/// assert_eq!((report.len, report.flushes.files, report.flushes.directories), (19, 1, 1));
/// assert_eq!(std::fs::read(target)?, b"the only photograph");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Copier<'a> {
    options: &'a CopyOptions,
    observer: &'a dyn Observer,
    session: Option<&'a Session>,
}

/// Copies `source` to `target` with the default options: whole or not at all, by the engine that
/// suits, flushed when the system likes.
///
/// # Errors
///
/// Whatever fails. The target is then as it was, unless it was written in place
/// ([`Way::InPlace`](crate::Way::InPlace)), or it was the last step that failed: closing the new
/// file.
///
/// # Example
///
/// ```
/// let directory = tempfile::tempdir()?;
/// let (source, target) = (directory.path().join("a"), directory.path().join("b"));
/// std::fs::write(&source, "content")?;
/// let report = mycp::copy(&source, &target)?;
/// assert_eq!(report.len, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn copy(source: impl Into<Endpoint>, target: impl Into<Endpoint>) -> Result<Report> {
    let options = CopyOptions::default();
    let (source, target) = (source.into(), target.into());
    match Copier::new(&options).copy(&source, &target)? {
        Done::Copied(report) => Ok(*report),
        // The default options have no reason to skip.
        Done::Skipped(_) => Err(Error::new(Operation::Copy, &target, Cause::Exists)),
    }
}

impl<'a> Copier<'a> {
    /// A copier with these options that nobody watches.
    #[must_use]
    pub fn new(options: &'a CopyOptions) -> Self {
        Self { options, observer: &(), session: None }
    }

    /// The same, watched by `observer`.
    #[must_use]
    pub fn observer(self, observer: &'a dyn Observer) -> Self {
        Self { observer, ..self }
    }

    /// The same, as one of several copies, which know of each other: without a session no hard
    /// links are made ([`Preserve::links`](crate::Preserve::links)).
    #[must_use]
    pub fn session(self, session: &'a Session) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Copies `source` to `target`, the very object: a directory as target is an error.
    ///
    /// # Errors
    ///
    /// Whatever fails. The target is then as it was, unless it was written in place, or a step
    /// after the renaming failed: flushing the directory, closing the file.
    pub fn copy(&self, source: &Endpoint, target: &Endpoint) -> Result<Done> {
        let started = Instant::now();
        let source = Source::open(source)?;
        let found = target::look(target, decide::follow(self.options))?;
        let step = match self.decide(&source, &found, target)? {
            Decision::Skip(skip) => return self.skipped(skip, &found, target),
            Decision::Write(step) => step,
        };
        if found.facts().is_some() && self.observer.may_replace(target) == Consent::Refused {
            return Ok(Done::Skipped(Skip::Declined));
        }
        let facts = source.facts;
        let first = self.session.and_then(|session| session.first(&facts, self.options));
        let run = Run::new(self, source, &found, target);
        let mut report = match first {
            Some(first) => run.link(step, &first)?,
            None => run.write(step)?,
        };
        if let Some(session) = self.session {
            session.note(&facts, self.options, &report);
        }
        report.elapsed = started.elapsed();
        Ok(Done::Copied(Box::new(report)))
    }

    fn decide(&self, source: &Source, found: &Found, target: &Endpoint) -> Result<Decision> {
        let facts = match found {
            Found::Nothing(_) => None,
            Found::Unnamed(facts) => {
                let name = Name::Bound(InPlaceReason::OpenFile);
                Some(TargetFacts { facts: *facts, name })
            }
            Found::Named { place, facts, mounted } => {
                let name = name_of(place, facts, *mounted, source)?;
                let mut facts = *facts;
                // What cannot be found out here leaves it as it is: written in place.
                let backup = &self.options.backup;
                if facts.links == 2
                    && backup::is_own_backup(place, backup, facts.id).unwrap_or(false)
                {
                    facts.links = 1;
                }
                Some(TargetFacts { facts, name })
            }
        };
        let source = (source.object.endpoint(), &source.facts);
        decide::decide(self.options, source, (target, facts))
    }

    /// A target that is left as it is may have been written by a run that did not flush.
    fn skipped(&self, skip: Skip, found: &Found, target: &Endpoint) -> Result<Done> {
        if self.options.flush == Flush::Sync
            && skip == Skip::NotOlder
            && let (Endpoint::File(path), Found::Named { place, .. }) = (target, found)
        {
            let file = file::open_for_reading(path).context(Operation::Flush, target)?;
            platform::sync_all(&file).context(Operation::Flush, target)?;
            platform::sync_all(&place.directory).context(Operation::FlushDirectory, target)?;
        }
        Ok(Done::Skipped(skip))
    }
}

/// Whether the target's name can be given to a new file.
fn name_of(place: &Place, facts: &Facts, mounted: Mounted, source: &Source) -> Result<Name> {
    let endpoint = source.object.endpoint();
    if facts.id == source.id()
        && let Some(path) = endpoint.path()
        && place.is_entry(path).context(Operation::Stat, endpoint)?
    {
        return Ok(Name::SourcesOwn);
    }
    Ok(if mounted == Mounted::Yes {
        Name::Bound(InPlaceReason::MountPoint)
    } else if !place.sticky_allows(facts.uid) {
        Name::Bound(InPlaceReason::Directory)
    } else {
        Name::Free
    })
}
