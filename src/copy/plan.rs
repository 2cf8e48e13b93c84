//! What a mirror does to one name: first the look, with which a dry run ends, then what follows.

use std::ffi::OsStr;
use std::time::Instant;

use super::directory::Directory;
use super::run::Run;
use super::session::{Claim, Session, wants_links};
use super::source::{Origin, Source};
use super::target::{self, Found, Place};
use super::{Copier, Ended, Maker, Thing, Treatment};
use crate::change::{self, Change, Details};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::{self, Named};
use crate::object::FileObject;
use crate::options::{Compare, CopyOptions, Endpoint, Keep, ObjectId};
use crate::report::{Done, ObjectKind, Skip};
use crate::sys::attributes;
use crate::sys::file::{self, Facts, Kind};
use crate::sys::names::{self, Follow};

/// What was found of a name on both sides, and what is to be done to its target.
#[derive(Debug)]
pub(crate) struct Plan {
    treatment: Treatment,
    source: Facts,
    found: Found,
    /// What is to be done, if anything is.
    pub(crate) change: Option<Change>,
}

/// The objects that a name belongs to on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameOf {
    pub(crate) source: ObjectId,
    pub(crate) target: Option<ObjectId>,
}

impl Plan {
    /// What the source is.
    pub(crate) fn kind(&self) -> ObjectKind {
        self.source.kind.into()
    }

    /// Whether a directory has the name.
    pub(crate) fn finds_directory(&self) -> bool {
        self.found.facts().is_some_and(|there| there.kind == Kind::Directory)
    }

    /// Whose name this is.
    pub(crate) fn name_of(&self) -> NameOf {
        let target = self.found.facts().map(|there| there.id);
        NameOf { source: self.source.id, target }
    }

    /// Whether other names may have to be linked with this one, or are now.
    pub(crate) fn is_shared(&self, options: &CopyOptions) -> bool {
        let has_other = self.found.facts().is_some_and(|there| there.links > 1);
        (has_other && options.preserve.links != Keep::No) || wants_links(&self.source, options)
    }
}

impl<'a> Copier<'a> {
    /// Looks at a name on both sides, and decides what is to be done. Nothing is changed.
    ///
    /// `kind` is what the source's directory says that it is.
    ///
    /// # Errors
    ///
    /// Those of looking; with [`Compare::Content`] those of reading.
    pub(crate) fn plan(
        &self,
        compare: Compare,
        origin: Origin<'_>,
        kind: Option<Kind>,
        (place, target): (Place, &Endpoint),
    ) -> Result<Plan> {
        let treatment = self.treatment(origin, kind)?;
        let source = self.facts_of(origin, treatment)?;
        let found = target::look_at(place, target)?;
        let look = || self.look_closer(compare, (origin, &source), treatment, &found, target);
        let change = change::decide((self.options, compare), &source, found.facts(), look)?;
        Ok(Plan { treatment, source, found, change })
    }

    /// Fails where the source's content is to be copied, and cannot be read.
    ///
    /// # Errors
    ///
    /// Those of opening it.
    pub(crate) fn check_readable(&self, plan: &Plan, origin: Origin<'_>) -> Result<()> {
        let copies = plan.change.as_ref().is_some_and(|change| !change.keeps_content());
        match plan.treatment {
            Treatment::Content(follow) if copies => Source::open(origin, follow).map(drop),
            _ => Ok(()),
        }
    }

    /// Does what was planned.
    ///
    /// # Errors
    ///
    /// As [`Copier::copy`].
    pub(crate) fn carry_out(
        &self,
        plan: Plan,
        origin: Origin<'_>,
        target: &Endpoint,
    ) -> Result<Ended<'a>> {
        let started = Instant::now();
        let Plan { treatment, source, found, change } = plan;
        let keeps = (self.options, self.session);
        let stays = change.as_ref().is_none_or(Change::keeps_content)
            && found.facts().is_some_and(|there| may_keep(keeps, &source, there));
        // The attributes of one with other names would be theirs, too.
        let is_single = found.facts().is_some_and(|there| there.links == 1);
        let ended = match (change, treatment) {
            (None, _) if stays => {
                return self.pass_over(Skip::Equal, origin, || Ok(source), &found, target);
            }
            (_, Treatment::Content(follow))
                if stays && is_single && source.kind == Kind::Regular =>
            {
                self.keep_content((origin, &source), follow, &found, target)?
            }
            // Others are made anew, which costs no more.
            (_, Treatment::Content(follow)) => self.content(origin, follow, &found, target)?,
            (_, Treatment::Make(thing, facts)) => {
                self.make(origin, thing, facts, &found, target)?
            }
        };
        Ok(self.ended(ended, started))
    }

    /// Compares what no facts tell: content, the text of a link, extended attributes.
    fn look_closer(
        &self,
        compare: Compare,
        (origin, facts): (Origin<'_>, &Facts),
        treatment: Treatment,
        found: &Found,
        target: &Endpoint,
    ) -> Result<Details> {
        let (mut content_equal, mut xattr_equal) = (true, true);
        let Found::Named { place, .. } = found else {
            return Ok(Details { content_equal, xattr_equal });
        };
        let follow = match treatment {
            Treatment::Content(follow) => follow,
            Treatment::Make(..) => self.follow(origin),
        };
        let is_link = facts.kind == Kind::Symlink;
        if facts.kind == Kind::Regular && compare == Compare::Content {
            content_equal = self.content_equal(origin, follow, found, target)?;
        }
        if !content_equal || (!is_link && have_no_attributes(origin, follow, place)) {
            return Ok(Details { content_equal, xattr_equal });
        }
        let Some(spot) = origin.spot() else { return Ok(Details { content_equal, xattr_equal }) };
        let source = spot.handle_of(follow).context(Operation::Stat, origin.endpoint())?;
        let target_handle = place.spot().handle().context(Operation::Stat, target)?;
        if is_link {
            let here = names::read_link(&source).context(Operation::Stat, origin.endpoint())?;
            let there = names::read_link(&target_handle).context(Operation::Stat, target)?;
            content_equal = here == there;
        }
        if content_equal {
            let (source, there) = (source.into(), target_handle.into());
            let source = Named { file: &source, endpoint: origin.endpoint() };
            let there = Named { file: &there, endpoint: target };
            xattr_equal = metadata::extended_equal(source, there, &self.options.preserve)?;
        }
        Ok(Details { content_equal, xattr_equal })
    }

    /// Compares the bytes of two files. What cannot be read is not equal.
    fn content_equal(
        &self,
        origin: Origin<'_>,
        follow: Follow,
        found: &Found,
        target: &Endpoint,
    ) -> Result<bool> {
        let source = Source::open(origin, follow)?;
        let mut run = Run::new(self, origin, source, found, target);
        let Found::Named { place, .. } = found else { return Ok(false) };
        let Some(old) = run.old_content(place) else { return Ok(false) };
        Ok(run.compare(&old)?.is_some_and(|compared| compared.difference.is_none()))
    }

    /// Gives a file whose content is the source's its attributes.
    fn keep_content(
        &self,
        (origin, seen): (Origin<'_>, &Facts),
        follow: Follow,
        found: &Found,
        target: &Endpoint,
    ) -> Result<Ended<'a>> {
        let Found::Named { place, facts: there } = found else {
            return Err(Error::new(Operation::Open, target, Cause::Replaced));
        };
        let source = Source::open(origin, follow)?;
        let facts = source.facts;
        let stamps = |facts: &Facts| (facts.id, facts.len, facts.modified, facts.changed);
        if stamps(&facts) != stamps(seen) {
            // It is not what was found equal.
            return self.content(origin, follow, found, target);
        }
        let old = place.spot().open_for_reading(Follow::No).context(Operation::Open, target)?;
        let old = FileObject::new(old, target);
        let id = file::facts(old.handle()).context(Operation::Stat, target)?.id;
        if id != there.id {
            return Err(Error::new(Operation::Open, target, Cause::Replaced));
        }
        let run = || Run::new(self, origin, source, found, target);
        match self.session.map_or(Claim::Alone, |session| session.claim(&facts, self.options)) {
            Claim::Another(first) if !first.is(id) => {
                // Windows gives nothing the name of a file that is open, but for some file systems.
                drop(old);
                let what = Thing::Like;
                Maker { copier: self, origin, facts, what, target }.link(found, &first)
            }
            Claim::Another(_) => Ok(Ended::Now(Done::Skipped(Skip::Equal))),
            Claim::First(claim) => {
                let ended = run().keep(place, old, None)?;
                claim.settle_as(place, id, facts.len);
                Ok(ended)
            }
            Claim::Alone => run().keep(place, old, None),
        }
    }
}

/// Whether a target may go on to be the source's copy: not if it is one of another source already,
/// which is no other name of this one.
pub(super) fn may_keep(
    (options, session): (&CopyOptions, Option<&Session>),
    source: &Facts,
    target: &Facts,
) -> bool {
    let is_shared = target.links > 1 && options.preserve.links != Keep::No;
    !is_shared || session.is_none_or(|session| session.keeps(target.id, source.id))
}

/// Whether both sides are known to have no extended attributes, for the fewest system calls.
fn have_no_attributes(origin: Origin<'_>, follow: Follow, place: &Place) -> bool {
    let Origin::Entry { directory, name, .. } = origin else { return false };
    let none = |directory: &Directory, name: &OsStr| {
        attributes::has_names_at(directory.handle(), name).is_ok_and(|has| !has)
    };
    follow == Follow::No && none(directory, name) && none(place.directory(), place.name())
}
