//! One object to another: look, decide, stage, move, verify, publish.

mod backup;
mod decide;
mod delta;
mod directory;
mod fill;
mod guarding;
mod holes;
mod leftover;
mod leftover_directory;
mod make;
mod plan;
mod publish;
mod run;
mod segment;
mod session;
mod source;
mod stage;
mod staged_directory;
mod target;
mod transfer;

use std::time::Instant;

pub use session::Session;

pub(crate) use directory::{Directory, Names};
pub(crate) use leftover_directory::Contents;
pub(crate) use plan::{NameOf, Plan};
pub(crate) use publish::Publication;
pub(crate) use session::Precious;
pub(crate) use source::Origin;
pub(crate) use stage::{is_live, is_temporary_name, set_aside, take_back};
pub(crate) use staged_directory::{Making, StagedDirectory, make_named, sweep_directory};
pub(crate) use target::Place;

use decide::{Name, Step, TargetFacts};
use make::{Maker, Thing};
use run::Run;
use session::Claim;
use source::Source;
use target::{Found, Mounted};

use crate::engine::drive::Spare;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{CopyOptions, Endpoint, Flush, Made, ObjectId, Special};
use crate::report::{Consent, Done, InPlaceReason, Observer, Report, Skip};
use crate::sys::file::{self, Facts, Kind};
use crate::sys::names::Follow;
use crate::sys::{Errno, flush, streams};

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
    /// How files are filled that are flushed and named later, where that is wanted.
    later: Option<Later<'a>>,
    /// Threads that would be idle otherwise.
    spare: Option<&'a dyn Spare>,
}

/// The options with which files are filled that are flushed and named later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Later<'a> {
    pub(crate) small: &'a CopyOptions,
    /// With an early start of the write-out, which pays for large ones only.
    pub(crate) large: &'a CopyOptions,
}

/// How far an object's copy has come.
pub(crate) enum Ended<'a> {
    /// It is done.
    Now(Done),
    /// The flush and the name are still to come.
    Later(Box<Publication<'a>>),
}

impl Ended<'_> {
    fn now(report: Box<Report>) -> Self {
        Self::Now(Done::Copied(report))
    }
}

/// What becomes of a source.
#[derive(Clone, Copy, Debug)]
enum Treatment {
    /// Its content is copied.
    Content(Follow),
    /// Something without content is made.
    Make(Thing, Facts),
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
        Self { options, observer: &(), session: None, later: None, spare: None }
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

    /// The same, helped by threads of `spare` that have nothing else to do.
    pub(crate) fn spare(self, spare: &'a dyn Spare) -> Self {
        Self { spare: Some(spare), ..self }
    }

    /// The same, but files are filled with the options `later` and neither flushed nor named: that
    /// is for the caller to do.
    pub(crate) fn later(self, later: Later<'a>) -> Self {
        Self { later: Some(later), ..self }
    }

    /// Copies `source` to `target`, the very object: a directory as target is an error, and so is
    /// one as source.
    ///
    /// # Errors
    ///
    /// Whatever fails. The target is then as it was, unless it was written in place, or a step
    /// after the renaming failed: flushing the directory, closing the file.
    pub fn copy(&self, source: &Endpoint, target: &Endpoint) -> Result<Done> {
        if self.options.mirror.is_some() {
            let cause = Cause::Unsupported("a mirror is one of directories");
            return Err(Error::new(Operation::Copy, source, cause));
        }
        match self.operand(source, target)? {
            Ended::Now(done) => Ok(done),
            Ended::Later(publication) => publication.publish().map(Done::Copied),
        }
    }

    /// Copies an operand that is no directory, under the locks that were asked for.
    pub(crate) fn operand(&self, source: &Endpoint, target: &Endpoint) -> Result<Ended<'a>> {
        let guards = guarding::guard(&self.options.segments, self.observer, source, target)?;
        let ended = self.object(Origin::Operand(source), None, None, target)?;
        guards.check()?;
        Ok(ended)
    }

    /// Copies an object that is no directory to `place`, or where `target` leads.
    ///
    /// `kind` is what the source's directory says that it is.
    pub(crate) fn object(
        &self,
        origin: Origin<'_>,
        kind: Option<Kind>,
        place: Option<Place>,
        target: &Endpoint,
    ) -> Result<Ended<'a>> {
        let started = Instant::now();
        let treatment = self.treatment(origin, kind)?;
        let follow = match treatment {
            Treatment::Content(_) => decide::follow(self.options),
            Treatment::Make(..) => Follow::No,
        };
        let found = match place {
            Some(place) => target::look_at(place, target)?,
            None => target::look(target, follow, self.options.existing)?,
        };
        let source = || self.facts_of(origin, treatment);
        if let Some(skip) = decide::skip(self.options, source, (target, found.facts()))? {
            let facts = || self.facts_of(origin, treatment);
            return self.pass_over(skip, origin, facts, &found, target);
        }
        decide::refuse_directory((target, found.facts()))?;
        let ended = match treatment {
            Treatment::Content(follow) => self.content(origin, follow, &found, target)?,
            Treatment::Make(thing, facts) => self.make(origin, thing, facts, &found, target)?,
        };
        Ok(self.ended(ended, started))
    }

    /// Notes what was made, and how long it took.
    fn ended(&self, mut ended: Ended<'a>, started: Instant) -> Ended<'a> {
        match &mut ended {
            Ended::Now(Done::Copied(report)) => {
                if let Some(session) = self.session {
                    session.note(self.options, report);
                }
                report.elapsed = started.elapsed();
            }
            Ended::Later(publication) => publication.report.elapsed = started.elapsed(),
            Ended::Now(Done::Skipped(_)) => {}
        }
        ended
    }

    /// Whether a source that is a symbolic link is followed.
    fn follow(&self, origin: Origin<'_>) -> Follow {
        match origin {
            Origin::Operand(_) => Follow::of_operands(self.options.dereference),
            Origin::Entry { .. } => Follow::below_operands(self.options.dereference),
        }
    }

    fn treatment(&self, origin: Origin<'_>, kind: Option<Kind>) -> Result<Treatment> {
        let CopyOptions { made, special, .. } = *self.options;
        let follow = self.follow(origin);
        let says_nothing = kind == Some(Kind::Regular) || follow == Follow::Yes;
        let reads = kind == Some(Kind::Regular) || special == Special::Read;
        if origin.spot().is_none() {
            return Ok(Treatment::Content(Follow::Yes));
        }
        if made == Made::Copy && says_nothing && reads {
            return Ok(Treatment::Content(follow));
        }
        let facts = self.look_at_source(origin, follow)?;
        Ok(match (made, facts.kind) {
            (Made::HardLink, _) => Treatment::Make(Thing::HardLink(follow), facts),
            (Made::SymbolicLink, _) => Treatment::Make(Thing::SymbolicLink, facts),
            (Made::Copy, Kind::Symlink) => Treatment::Make(Thing::Like, facts),
            (Made::Copy, Kind::Regular) => Treatment::Content(follow),
            (Made::Copy, _) if special == Special::Made => Treatment::Make(Thing::Like, facts),
            (Made::Copy, _) => Treatment::Content(follow),
        })
    }

    /// What the source is, before it is opened.
    fn facts_of(&self, origin: Origin<'_>, treatment: Treatment) -> Result<Facts> {
        match treatment {
            Treatment::Make(_, facts) => Ok(facts),
            Treatment::Content(follow) => self.look_at_source(origin, follow),
        }
    }

    fn look_at_source(&self, origin: Origin<'_>, follow: Follow) -> Result<Facts> {
        let endpoint = origin.endpoint();
        let facts = match (origin.spot(), endpoint) {
            (Some(spot), _) => spot.facts(follow),
            (None, Endpoint::Segment(name)) => Ok(segment::look(name)?),
            (None, _) => streams::standard_input().and_then(file::facts).map(Some),
        };
        let missing = || std::io::Error::from(Errno::NOENT);
        let facts = facts.and_then(|facts| facts.ok_or_else(missing));
        let facts = facts.context(Operation::Stat, endpoint)?;
        if facts.kind == Kind::Directory {
            return Err(Error::new(Operation::Copy, endpoint, Cause::IsDirectory));
        }
        Ok(facts)
    }

    /// Leaves the target as it is. One of the source's kind that is not older stands for its copy:
    /// other names of the source become links to it, and it becomes one to the first of them.
    fn pass_over(
        &self,
        skip: Skip,
        origin: Origin<'_>,
        source: impl FnOnce() -> Result<Facts>,
        found: &Found,
        target: &Endpoint,
    ) -> Result<Ended<'a>> {
        if let (
            Skip::NotOlder | Skip::Equal,
            Some(session),
            Found::Named { place, facts: there, .. },
        ) = (skip, self.session, found)
        {
            let facts = source()?;
            match session.claim(&facts, self.options) {
                Claim::Another(first) if !first.is(there.id) => {
                    let what = Thing::Like;
                    return Maker { copier: self, origin, facts, what, target }.link(found, &first);
                }
                Claim::First(claim) if there.kind == facts.kind => {
                    claim.settle_as(place, there.id, there.len);
                }
                Claim::First(_) | Claim::Another(_) | Claim::Alone => {}
            }
        }
        self.skipped(skip, found, target).map(Ended::Now)
    }

    /// Copies what has content.
    fn content(
        &self,
        origin: Origin<'_>,
        follow: Follow,
        found: &Found,
        target: &Endpoint,
    ) -> Result<Ended<'a>> {
        let source = Source::open(origin, follow)?;
        let is_special = source.facts.kind != Kind::Regular && origin.spot().is_some();
        if is_special && self.options.special == Special::Made {
            // It was a file when it was looked at. Reading a FIFO waits for who writes into it.
            return Err(Error::new(Operation::Open, origin.endpoint(), Cause::Replaced));
        }
        let step = self.decide(origin, &source, found, target)?;
        if found.facts().is_some() && self.observer.may_replace(target) == Consent::Refused {
            return Ok(Ended::Now(Done::Skipped(Skip::Declined)));
        }
        let claim = self.session.map_or(Claim::Alone, |it| it.claim(&source.facts, self.options));
        let mut copier = *self;
        let claim = match claim {
            Claim::Another(first) => {
                let run = Run::new(self, origin, source, found, target);
                match run.link(step, &first) {
                    // Another copy of this run, or somebody else, has replaced the first one.
                    Err(error) if session::is_gone(&error) => {}
                    linked => return linked,
                }
                return Run::new(self, origin, Source::open(origin, follow)?, found, target)
                    .write(step);
            }
            Claim::First(claim) => {
                // Links to it are made as soon as it has its name.
                copier.later = None;
                Some(claim)
            }
            Claim::Alone => None,
        };
        let ended = Run::new(&copier, origin, source, found, target).write(step)?;
        match (claim, &ended, found) {
            (
                Some(claim),
                Ended::Now(Done::Copied(report)),
                Found::Nothing(place) | Found::Named { place, .. },
            ) => claim.settle(place, report),
            (
                Some(claim),
                Ended::Now(Done::Skipped(Skip::Equal)),
                Found::Named { place, facts },
            ) => claim.settle_as(place, facts.id, facts.len),
            _ => {}
        }
        Ok(ended)
    }

    /// Makes a link or a special file.
    fn make(
        &self,
        origin: Origin<'_>,
        what: Thing,
        facts: Facts,
        found: &Found,
        target: &Endpoint,
    ) -> Result<Ended<'a>> {
        let maker = Maker { copier: self, origin, facts, what, target };
        match self.session.map_or(Claim::Alone, |it| it.claim(&facts, self.options)) {
            Claim::Another(first) => match maker.link(found, &first) {
                Err(error) if session::is_gone(&error) => maker.make(found),
                linked => linked,
            },
            Claim::First(claim) => {
                let ended = maker.make(found)?;
                if let (Ended::Now(Done::Copied(report)), Found::Nothing(place))
                | (Ended::Now(Done::Copied(report)), Found::Named { place, .. }) =
                    (&ended, found)
                {
                    claim.settle(place, report);
                }
                Ok(ended)
            }
            Claim::Alone => maker.make(found),
        }
    }

    fn decide(
        &self,
        origin: Origin<'_>,
        source: &Source,
        found: &Found,
        target: &Endpoint,
    ) -> Result<Step> {
        let facts = self.target_facts(origin, source.id(), found)?;
        let source = (source.object.endpoint(), &source.facts);
        decide::decide(self.options, source, (target, facts))
    }

    /// What the decision has to know of the target.
    fn target_facts(
        &self,
        origin: Origin<'_>,
        source: ObjectId,
        found: &Found,
    ) -> Result<Option<TargetFacts>> {
        Ok(match found {
            Found::Nothing(_) => None,
            Found::Segment(facts) => facts.map(|facts| {
                let name = Name::Bound(InPlaceReason::Segment);
                TargetFacts { facts, name }
            }),
            Found::Unnamed(facts) => {
                let name = Name::Bound(InPlaceReason::OpenFile);
                Some(TargetFacts { facts: *facts, name })
            }
            Found::Named { place, facts } => {
                let name = name_of(place, facts, place.mounted(facts), (origin, source))?;
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
        })
    }

    /// A target that is left as it is may have been written by a run that did not flush.
    fn skipped(&self, skip: Skip, found: &Found, target: &Endpoint) -> Result<Done> {
        if self.options.flush == Flush::Sync
            && self.later.is_none()
            && matches!(skip, Skip::NotOlder | Skip::Equal)
            && let Found::Named { place, .. } = found
        {
            let file =
                place.spot().open_for_reading(Follow::No).context(Operation::Flush, target)?;
            flush::sync_all(&file).context(Operation::Flush, target)?;
            flush::sync_all(&place.directory).context(Operation::FlushDirectory, target)?;
        }
        Ok(Done::Skipped(skip))
    }
}

/// Whether the target's name can be given to a new file.
fn name_of(
    place: &Place,
    facts: &Facts,
    mounted: Mounted,
    (origin, source): (Origin<'_>, ObjectId),
) -> Result<Name> {
    if facts.id == source && place.is_entry(origin).context(Operation::Stat, origin.endpoint())? {
        return Ok(Name::SourcesOwn);
    }
    Ok(if mounted == Mounted::Yes {
        Name::Bound(InPlaceReason::MountPoint)
    } else if !place.sticky_allows(facts.uid) {
        Name::Bound(InPlaceReason::Directory)
    } else if matches!(origin, Origin::Entry { .. }) {
        Name::InTree
    } else {
        Name::Free
    })
}
