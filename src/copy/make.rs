//! Makes what has no content to be moved: symbolic links, special files, and links to the source.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use super::decide::{self, Making};
use super::publish::{back_up_found, flush_directory, settle};
use super::session::{First, Precious};
use super::source::Origin;
use super::stage::{Publish, link_to, make_at};
use super::target::{Found, Place};
use super::{Copier, Ended};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::{self, Attributes, Losses, ModeAtEnd, Named};
use crate::options::{BackupControl, Endpoint, Keep, Preserve};
use crate::report::{Consent, Done, ObjectKind, Report, Skip, Way};
use crate::sys::file::{Facts, Kind};
use crate::sys::names::{self, Follow, Spot};

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    /// An object like the source.
    Like,
    /// A hard link to it.
    HardLink(Follow),
    /// A symbolic link to it.
    SymbolicLink,
}

/// A link or special file to be made.
pub(super) struct Maker<'a, 'b> {
    pub(super) copier: &'b Copier<'a>,
    pub(super) origin: Origin<'b>,
    pub(super) facts: Facts,
    pub(super) what: Thing,
    pub(super) target: &'b Endpoint,
}

impl<'a> Maker<'a, '_> {
    /// Makes it where `found` was found.
    pub(super) fn make(&self, found: &Found) -> Result<Ended<'a>> {
        let Self { copier, origin, ref facts, target, .. } = *self;
        let options = copier.options;
        let (Found::Nothing(place) | Found::Named { place, .. }) = found else {
            let cause = Cause::Unsupported("it has no name that could be replaced");
            return Err(Error::new(Operation::Create, target, cause));
        };
        self.refuse_only_copy(found)?;
        let source = (origin.endpoint(), facts);
        let there = copier.target_facts(origin, facts.id, found)?;
        let how =
            match decide::decide_made(options, copier.follow(origin), source, (target, there))? {
                Making::Skip(skip) => return Ok(Ended::Now(Done::Skipped(skip))),
                Making::Make(how) => how,
            };
        if how == Publish::OverExisting && copier.observer.may_replace(target) == Consent::Refused {
            return Ok(Ended::Now(Done::Skipped(Skip::Declined)));
        }
        let way = match (self.what, how) {
            (Thing::HardLink(_), _) => Way::LinkedToSource,
            (Thing::SymbolicLink, _) => Way::SymbolicLink,
            (Thing::Like, Publish::IntoFreeName) => Way::Created,
            (Thing::Like, Publish::OverExisting) => Way::Replaced,
        };
        let mut report = Report::new(origin.endpoint(), target, way);
        let precious = Precious { source: facts.id, session: copier.session };
        let backup = back_up_found(found, options, precious, target, &mut report)?;
        let made = self.make_at(place, how, &mut report);
        settle(place, backup, made)?;
        if copier.later.is_none() {
            flush_directory(place, options, target, &mut report)?;
        }
        Ok(Ended::now(report))
    }

    /// Makes another name of the first copy of the source.
    pub(super) fn link(&self, found: &Found, first: &First) -> Result<Ended<'a>> {
        let Self { copier, origin, ref facts, target, .. } = *self;
        let (Found::Nothing(place) | Found::Named { place, .. }) = found else {
            return self.make(found);
        };
        let source = (origin.endpoint(), facts);
        let there = copier.target_facts(origin, facts.id, found)?;
        match decide::decide_made(copier.options, copier.follow(origin), source, (target, there))? {
            Making::Skip(skip) => return Ok(Ended::Now(Done::Skipped(skip))),
            Making::Make(Publish::OverExisting)
                if copier.observer.may_replace(target) == Consent::Refused =>
            {
                return Ok(Ended::Now(Done::Skipped(Skip::Declined)));
            }
            Making::Make(_) => {}
        }
        let mut report = Report::new(origin.endpoint(), target, Way::Linked);
        report.kind = facts.kind.into();
        report.target_id = Some(first.target_id);
        let precious = Precious { source: facts.id, session: copier.session };
        let backup = back_up_found(found, copier.options, precious, target, &mut report)?;
        let linked = link_to(place, first, target);
        settle(place, backup, linked)?;
        if copier.later.is_none() {
            flush_directory(place, copier.options, target, &mut report)?;
        }
        Ok(Ended::now(report))
    }

    /// A link that takes the place of what it leads to would be the end of that.
    fn refuse_only_copy(&self, found: &Found) -> Result<()> {
        let Some(there) = found.facts() else { return Ok(()) };
        let makes_link = self.what == Thing::SymbolicLink || self.facts.kind == Kind::Symlink;
        let backs_up = self.copier.options.backup.control != BackupControl::None;
        let has_others = there.links > 1 && backs_up;
        if !makes_link || there.kind == Kind::Symlink || has_others {
            return Ok(());
        }
        let behind = self.origin.spot().map(|spot| spot.facts(Follow::Yes));
        match behind {
            Some(Ok(Some(behind))) if behind.id == there.id => {
                let cause = Cause::SameObject { other: self.target.clone() };
                Err(Error::new(Operation::Copy, self.origin.endpoint(), cause))
            }
            _ => Ok(()),
        }
    }

    fn make_at(&self, place: &Place, how: Publish, report: &mut Report) -> Result<()> {
        let target = self.target;
        match self.what {
            Thing::HardLink(follow) => {
                let Some(spot) = self.origin.spot() else { return Ok(()) };
                report.kind = self.facts.kind.into();
                let link = |name: &OsStr| names::link_into(spot, &place.directory, name, follow);
                make_at(place, how, link, |_| Ok(()), (Operation::Link, target))
            }
            Thing::SymbolicLink => {
                report.kind = ObjectKind::SymbolicLink;
                let text = self.text_of_link(place)?;
                let leads_to_directory = self.facts.kind == Kind::Directory;
                let link = |name: &OsStr| {
                    names::make_link_at(&text, &place.directory, name, leads_to_directory)
                };
                let mut losses = Losses::default();
                let dress = |name: &OsStr| self.dress_link(place, name, &mut losses);
                make_at(place, how, link, dress, (Operation::Link, target))?;
                report.warnings.extend(losses.into_warnings());
                report.target_id = place.id_of(&place.name).context(Operation::Stat, target)?;
                Ok(())
            }
            Thing::Like => self.make_like(place, how, report),
        }
    }

    /// Gives a symbolic link to the source the attributes of the source that are kept.
    fn dress_link(&self, place: &Place, name: &OsStr, losses: &mut Losses) -> Result<()> {
        let Self { copier, origin, ref facts, target, .. } = *self;
        // As cp, which leaves its owner as it is.
        let preserve = &Preserve { ownership: Keep::No, ..copier.options.preserve };
        let Some(source) = origin.spot() else { return Ok(()) };
        if [preserve.timestamps, preserve.xattr, preserve.context] == [Keep::No; 3] {
            return Ok(());
        }
        let source = source.handle_of(copier.follow(origin));
        let source = File::from(source.context(Operation::Open, origin.endpoint())?);
        let source = Named { file: &source, endpoint: origin.endpoint() };
        let link = Spot::within(&place.directory, name).handle();
        let link = File::from(link.context(Operation::Open, target)?);
        let link = Named { file: &link, endpoint: target };
        let attributes = Attributes::from(facts);
        dress(source, (&attributes, Kind::Symlink), link, preserve, ModeAtEnd::AsItIs, losses)
    }

    /// What a symbolic link to the source has to say.
    fn text_of_link(&self, place: &Place) -> Result<std::ffi::OsString> {
        let source = self.origin.endpoint().path().unwrap_or(Path::new(""));
        let target = self.target.path().unwrap_or(Path::new(""));
        let beside = target.parent().is_none_or(|parent| parent.as_os_str().is_empty());
        // A relative one would lead somewhere else from another directory.
        let here = || names::facts_of_path(Path::new("."), Follow::Yes);
        let is_here =
            beside || matches!(here(), Ok(Some(facts)) if facts.id == place.directory.id());
        if source.is_absolute() || is_here {
            Ok(source.as_os_str().to_owned())
        } else {
            let why = "relative symbolic links can be made in the current directory only";
            Err(Error::new(Operation::Link, self.target, Cause::Unsupported(why)))
        }
    }

    fn make_like(&self, place: &Place, how: Publish, report: &mut Report) -> Result<()> {
        let Self { copier, origin, ref facts, target, .. } = *self;
        let Some(spot) = origin.spot() else { return Ok(()) };
        let follow = copier.follow(origin);
        let source = spot.handle_of(follow).context(Operation::Open, origin.endpoint())?;
        let source = File::from(source);
        let now = names::facts_of_handle(&source).context(Operation::Stat, origin.endpoint())?;
        if now.id != facts.id || now.kind != facts.kind {
            return Err(Error::new(Operation::Open, origin.endpoint(), Cause::Replaced));
        }
        report.kind = facts.kind.into();
        // As it was before it was looked through: that sets the access time of a link.
        let attributes = Attributes::from(facts);
        let preserve = copier.options.preserve;
        let mut losses = Losses::default();
        let source_named = Named { file: &source, endpoint: origin.endpoint() };
        let is_link = facts.kind == Kind::Symlink;
        let mode = metadata::new_file_mode(&attributes, &preserve);
        let at_end = if is_link { ModeAtEnd::AsItIs } else { mode.at_end };
        let finish = |name: &OsStr| {
            let spot = Spot::within(&place.directory, name);
            let new = File::from(spot.handle().context(Operation::Open, target)?);
            let new = Named { file: &new, endpoint: target };
            dress(source_named, (&attributes, facts.kind), new, &preserve, at_end, &mut losses)
        };
        let context = (Operation::Create, target);
        if is_link {
            let text = names::read_link(&source).context(Operation::Read, origin.endpoint())?;
            let link = |name: &OsStr| {
                names::make_link_at(&text, &place.directory, name, facts.leads_to_directory())
            };
            make_at(place, how, link, finish, context)?;
        } else {
            let special =
                |name: &OsStr| names::make_special_at(&place.directory, name, &now, mode.at_open);
            make_at(place, how, special, finish, context)?;
        }
        report.warnings.extend(losses.into_warnings());
        report.target_id = place.id_of(&place.name).context(Operation::Stat, target)?;
        Ok(())
    }
}

/// Gives what was made the attributes of the source.
fn dress(
    source: Named<'_>,
    (attributes, kind): (&Attributes, Kind),
    new: Named<'_>,
    preserve: &Preserve,
    mode_at_end: ModeAtEnd,
    losses: &mut Losses,
) -> Result<()> {
    // A symbolic link has no permissions of its own.
    let mode = if kind == Kind::Symlink { Keep::No } else { preserve.mode };
    let wanted = Preserve { mode, ..*preserve };
    metadata::apply_preserved(source, attributes, new, &wanted, mode_at_end, losses)?;
    metadata::stamp_times(attributes, new, preserve.timestamps, losses)
}
