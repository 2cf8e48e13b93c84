//! What a killed run had stored of a large file, to go on from (`--delta`).
//!
//! It is nothing but bytes that need not be stored again where they are equal: each is compared
//! with the source. Its attributes become those of a new temporary.
//!
//! Gone on with is the temporary of a file. One that had its own name in a directory that was still
//! being filled gets a temporary one when that is gone on with (`copy::leftover_directory`).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;

use super::Directory;
use super::delta::{Base, Comparison};
use super::leftover_directory::is_private;
use super::run::Run;
use super::session::Precious;
use super::source::Shape;
use super::stage::{Staged, each_temporary, target_name};
use super::target::Place;
use crate::engine::drive;
use crate::error::{Cause, Context, Operation, Result};
use crate::lock::{self, Locked};
use crate::object::{FileObject, Object};
use crate::options::{Content, CopyOptions, EngineChoice, Reflink, Sparse, Update};
use crate::report::{DeltaInto, Event, Flow};
use crate::sys::file::{self, Facts, Kind};
use crate::sys::names::{self, Follow, OpenAs, Spot};
use crate::sys::{attributes, clone};

/// Less is stored again in some hundredths of a second, and not worth the looking.
const ADOPTED_BYTES_MIN: u64 = 16 << 20;

/// The temporary of a killed run, locked.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) file: File,
    pub(super) name: OsString,
}

/// What others may do with a temporary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    /// The permission bits that a new one is made with.
    pub(super) at_open: u32,
    /// What owner and mode it gets in the end are those of.
    pub(super) at_end: Option<Facts>,
}

impl Rights {
    /// Whether nobody can have opened a leftover who could not open a new temporary, or what
    /// becomes of it: a handle that was opened early would read what is written now.
    fn allow(&self, facts: &Facts, file: &File) -> bool {
        const OTHERS: u32 = 0o077;
        let own = facts.uid == file::effective_uid();
        if own && facts.mode & OTHERS & !self.at_open == 0 {
            return true;
        }
        let Some(end) = self.at_end else { return false };
        let has_owner = own || facts.uid == end.uid;
        let has_group = facts.gid == file::effective_gid() || facts.gid == end.gid;
        has_owner
            && has_group
            && facts.mode & OTHERS & !end.mode == 0
            && attributes::names(file).is_ok_and(|names| !names.contains(attributes::ACL))
    }
}

impl<'a> Run<'a, '_> {
    /// What a killed run left for this target that is worth going on with: of several the one with
    /// the most.
    pub(super) fn leftover(&self, place: &Place, rights: Rights) -> Option<Leftover> {
        let source = &self.source;
        let is_worth_it = goes_on(self.options)
            && place.directory.has_leftovers()
            && source.shape == Shape::Sized
            && is_worth_it(&source.facts);
        if !is_worth_it {
            return None;
        }
        let mut found = Vec::new();
        each_temporary(place, 0, |name, facts| {
            if is_large(&facts) {
                found.push((facts.allocated, name));
            }
        });
        found.sort_by(|(left, _), (right, _)| right.cmp(left));
        let precious = self.precious();
        // What cannot be taken is left to those who remove leftovers.
        found.into_iter().find_map(|(_, name)| take(place, name, precious, rights).ok().flatten())
    }

    /// Decides what the new file begins with: a clone of the old one, what a killed run left, or
    /// nothing.
    pub(super) fn choose_base<'c>(
        &mut self,
        staged: &mut Staged<'a>,
        old: Option<(&'c FileObject, Option<Comparison>)>,
        leftover: Option<Leftover>,
    ) -> Result<Base<'c>> {
        let Some(leftover) = leftover else {
            return match old {
                Some((old, compared)) => self.clone_into(old, compared, staged.object()),
                None => Ok(Base::None),
            };
        };
        if old.is_none() && self.can_be_cloned(staged)? {
            staged.discard(leftover);
            return Ok(Base::None);
        }
        let equal = match self.equal_len(&leftover) {
            Ok(equal) => equal,
            Err(error) if matches!(error.cause, Cause::Stopped) => return Err(error),
            // Of one that cannot be read nothing is taken; what else is the matter will show.
            Err(_) => {
                staged.discard(leftover);
                return self.choose_base(staged, old, None);
            }
        };
        if let Some((old, compared)) = old
            && !self.is_better(&leftover, equal, (old, compared))?
        {
            let base = self.clone_into(old, compared, staged.object())?;
            if !matches!(base, Base::None) {
                staged.discard(leftover);
                self.tell_equal(old, compared)?;
                return Ok(base);
            }
        }
        Ok(match staged.adopt(leftover) {
            true => Base::Own { equal, into: DeltaInto::Leftover },
            false => Base::None,
        })
    }

    /// Whether the new file is about to share the source's blocks: that takes no reading. It is
    /// blank again afterwards.
    fn can_be_cloned(&self, staged: &Staged<'_>) -> Result<bool> {
        let new = staged.object();
        let is_shared = self.may_share_blocks(&staged.place().directory)
            && self
                .source
                .object
                .file()
                .is_some_and(|source| clone::clone_file(source, new.handle()).is_ok());
        if is_shared {
            new.set_len(0)?;
        }
        Ok(is_shared)
    }

    /// Whether a file that is made in a directory may share the source's blocks.
    pub(super) fn may_share_blocks(&self, directory: &Directory) -> bool {
        let CopyOptions { reflink, sparse, engine, .. } = self.options;
        (*reflink, *sparse) == (Reflink::Auto, Sparse::Auto)
            && *engine == EngineChoice::Auto
            && directory.id().dev == self.source.id().dev
    }

    /// How far a leftover equals the source.
    fn equal_len(&mut self, leftover: &Leftover) -> Result<u64> {
        let again = leftover.file.try_clone().context(Operation::Open, self.target)?;
        let compared = self.compare(&FileObject::new(again, self.target))?;
        Ok(compared.map_or(0, |it| it.difference.unwrap_or(self.source.facts.len)))
    }

    /// Whether a leftover is a better begin than a clone of the old file: it equals the source
    /// farther, and holds no less behind that.
    fn is_better(
        &self,
        leftover: &Leftover,
        equal: u64,
        (old, compared): (&FileObject, Option<Comparison>),
    ) -> Result<bool> {
        let allocated = |file: &File| {
            file::facts(file).map(|facts| facts.allocated).context(Operation::Stat, self.target)
        };
        let old_equal = compared.and_then(|it| it.difference).unwrap_or(0);
        Ok(equal > old_equal && allocated(&leftover.file)? >= allocated(old.handle())?)
    }

    /// Begins to tell anew, from the bytes of the old file that are known to be equal.
    fn tell_equal(&self, old: &FileObject, compared: Option<Comparison>) -> Result<()> {
        let bytes = compared.and_then(|it| it.difference).unwrap_or(0);
        let events = [Event::Started { len: Some(self.source.facts.len) }, Event::Copied { bytes }];
        match events.into_iter().all(|event| self.observer.event(event) == Flow::Continue) {
            true => Ok(()),
            false => Err(drive::stopped(old)),
        }
    }
}

/// Whether a copy goes on with what a killed run left.
pub(super) fn goes_on(options: &CopyOptions) -> bool {
    options.compares_content()
        && options.content == Content::All
        && options.reflink != Reflink::Always
}

/// Whether it is large enough, by the blocks that it has: its length is set before it has any.
pub(super) fn is_large(facts: &Facts) -> bool {
    facts.kind == Kind::Regular && facts.allocated >= ADOPTED_BYTES_MIN
}

/// Locks a leftover, if no live run has it and it is nothing else.
fn take(
    place: &Place,
    name: OsString,
    precious: Precious<'_>,
    rights: Rights,
) -> io::Result<Option<Leftover>> {
    let spot = Spot::within(&place.directory, &name);
    let file = spot.open_for_writing(OpenAs::ReadWrite, Follow::No)?;
    if lock::try_lock(&file)? != Locked::Held {
        return Ok(None);
    }
    let facts = file::facts(&file)?;
    // With another name it is somebody's file, who linked it here or had it linked.
    let is_leftover = is_large(&facts)
        && facts.links == 1
        && rights.allow(&facts, &file)
        && !precious.has(facts.id)
        && !place.directory.is_content(&name);
    // While the lock is held no run takes it for a dead one.
    let has_its_name = place.id_of(&name)? == Some(facts.id);
    Ok((is_leftover && has_its_name).then_some(Leftover { file, name }))
}

/// Whether what has this temporary name in `target` is to be kept for the copy of the file of
/// `source` whose temporary it is.
pub(super) fn is_awaited(
    (source, target): (&Directory, &Directory),
    name: &OsStr,
    options: &CopyOptions,
) -> io::Result<bool> {
    // What patterns leave out is copied by nobody.
    let is_copied = options.selection.is_all();
    let Some(whose) = target_name(name).filter(|_| goes_on(options) && is_copied) else {
        return Ok(false);
    };
    let facts = names::facts_at(target, name)?;
    let Some(facts) = facts.filter(|facts| is_large(facts) || is_private(facts)) else {
        return Ok(false);
    };
    let Some(here) = facts_of_source(source, whose, options)? else { return Ok(false) };
    let there = names::facts_at(target, whose)?;
    if facts.kind == Kind::Directory {
        // Into one that is there files go one by one.
        let is_new = there.is_none_or(|there| there.kind != Kind::Directory);
        return Ok(here.kind == Kind::Directory && is_new);
    }
    let replaces = options.update == Update::All;
    Ok(is_worth_it(&here)
        && there.is_none_or(|there| {
            replaces && (here.len != there.len || !there.was_modified_at(here.modified))
        }))
}

/// Whether a file that has this name in the source is large enough to be gone on with.
pub(super) fn is_large_source(
    source: &Directory,
    name: &OsStr,
    options: &CopyOptions,
) -> io::Result<bool> {
    Ok(facts_of_source(source, name, options)?.is_some_and(|here| is_worth_it(&here)))
}

/// What has this name in the source, as the copy looks at it.
fn facts_of_source(
    source: &Directory,
    name: &OsStr,
    options: &CopyOptions,
) -> io::Result<Option<Facts>> {
    Spot::within(source, name).facts(Follow::below_operands(options.dereference))
}

fn is_worth_it(source: &Facts) -> bool {
    source.kind == Kind::Regular && source.len >= ADOPTED_BYTES_MIN
}
