//! What a mirror deletes: the last part of it, and only when nothing has failed.
//!
//! What was found too much while the tree was copied (see `mirrored`) is looked at anew, through
//! handles that are reached from the roots as they were then, and deleted only if it still is. A
//! directory where the source has something else is set aside, the other is copied, and the
//! directory goes; or it gets its name again.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Trees;
use super::mirrored::{Excess, Findings, Surplus, open_up, surplus_of};
use super::teardown::{Doomed, Purpose, TornDown};
use crate::change::{Action, Change, Reason};
use crate::copy::{Directory, Ended, Names, Origin, Place, set_aside, take_back};
use crate::error::{Cause, Context, Error, Kept, Operation, Result};
use crate::metadata::Attributes;
use crate::options::{Endpoint, Flush, Keep, MirrorOptions, ObjectId};
use crate::report::Done;
use crate::sys::file::Kind;
use crate::sys::handle::OwnedHandle;
use crate::sys::names::{self, Follow, Spot};
use crate::sys::{attributes, flush};

/// What is to be deleted of a mirror's target.
pub(super) struct Prune<'a, 'b> {
    pub(super) trees: &'b Trees<'a>,
    mirror: MirrorOptions,
    found: Findings,
    /// Names that may still be deleted.
    left: Cell<Option<u64>>,
    /// Whether no more may be.
    is_over: Cell<bool>,
}

/// A directory on both sides.
struct Pair {
    source: Arc<Directory>,
    target: Arc<Directory>,
}

impl<'a, 'b> Prune<'a, 'b> {
    pub(super) fn new(trees: &'b Trees<'a>, mirror: MirrorOptions, found: Findings) -> Self {
        let left = Cell::new(mirror.max_delete);
        Self { trees, mirror, found, left, is_over: Cell::new(false) }
    }

    /// Deletes what is too much, or tells what would be deleted. What cannot be deleted is told,
    /// and does not stop the rest.
    pub(super) fn run(mut self) {
        let mut surplus = std::mem::take(&mut self.found.surplus);
        if surplus.is_empty() || self.stopped() {
            return;
        }
        surplus.sort_unstable_by(|left, right| left.below.cmp(&right.below));
        if let Err(error) = self.check(&surplus) {
            return self.tell(Path::new(""), error);
        }
        for surplus in surplus {
            if self.stopped() {
                return;
            }
            if let Err(error) = self.clear(&surplus) {
                self.tell(&surplus.below, error);
            }
        }
    }

    fn purpose(&self) -> Purpose {
        if self.mirror.dry_run { Purpose::Tell } else { Purpose::Delete }
    }

    /// Whether nothing more is to be deleted.
    pub(super) fn stopped(&self) -> bool {
        self.is_over.get() || self.trees.is_stopped()
    }

    fn tell(&self, below: &Path, error: Error) {
        let source = joined(&self.found.roots.source.path, below);
        self.trees.tell(&source.into(), &self.endpoint_of(below), Err(error));
    }

    /// The name for messages of what has this path below the target's root.
    pub(super) fn endpoint_of(&self, below: &Path) -> Endpoint {
        joined(&self.found.roots.target.path, below).into()
    }

    /// Whether a name is not protected by the patterns.
    pub(super) fn may_go(&self, below: &Path, is_directory: bool) -> bool {
        let selection = &self.trees.options.selection;
        self.mirror.delete_excluded || selection.has_path(below, is_directory)
    }

    /// Whether the run keeps it for itself: the list of what was copied.
    pub(super) fn is_precious(&self, id: ObjectId) -> bool {
        self.trees.session.protects(id)
    }

    /// Whether the source reaches it by a mount or a link.
    pub(super) fn is_of_source(&self, id: ObjectId) -> bool {
        self.found.source_parts.contains(&id)
    }

    /// Takes one from the number of names that may be deleted.
    pub(super) fn spend(&self, endpoint: &Endpoint) -> Result<()> {
        match self.left.get() {
            Some(0) => {
                self.is_over.set(true);
                Err(Error::new(Operation::Remove, endpoint, Cause::Kept(Kept::Uncounted)))
            }
            left => {
                self.left.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }

    /// Fails for a directory that something is mounted on, or that belongs to the source: what is
    /// in it is not the target's.
    pub(super) fn refuse_kept(
        &self,
        id: ObjectId,
        mount_id: Option<u64>,
        endpoint: &Endpoint,
    ) -> Result<()> {
        let Findings { roots, source_parts, .. } = &self.found;
        let is_mounted = id.dev != roots.target.id().dev || mount_id != roots.target.mount_id();
        let why = match () {
            () if id == roots.source.id() => Kept::Source,
            () if source_parts.contains(&id) => Kept::PartOfSource,
            () if is_mounted => Kept::Mounted,
            () => return Ok(()),
        };
        Err(Error::new(Operation::Remove, endpoint, Cause::Kept(why)))
    }

    /// Fails when nothing may be deleted.
    fn check(&self, surplus: &[Surplus]) -> Result<()> {
        let target = self.endpoint_of(Path::new(""));
        let refuse = |why| Err(Error::new(Operation::Remove, &target, Cause::Kept(why)));
        if self.trees.summary().failed > 0 {
            return refuse(Kept::Failures);
        }
        let mut is_empty = true;
        let source = &self.found.roots.source;
        names::each_name_in(&**source, |_| is_empty = false)
            .context(Operation::Resolve, &Endpoint::from(&source.path))?;
        if (is_empty || self.found.source_was_empty) && !self.mirror.allow_empty {
            return refuse(Kept::SourceEmpty);
        }
        if let Some(max) = self.mirror.max_delete {
            let counts = surplus.iter().map(|surplus| self.count(surplus));
            let count: u64 = counts.sum::<Result<_>>()?;
            if count > max {
                return refuse(Kept::TooMany { count, max });
            }
        }
        Ok(())
    }

    /// How many names would be deleted.
    fn count(&self, surplus: &Surplus) -> Result<u64> {
        let pair = self.open(surplus)?;
        let mut count = 0;
        for (name, _) in self.still_too_much(&pair, surplus)? {
            let below = surplus.below.join(name);
            let doomed = Doomed { name, below: &below, is_replaced: false };
            count += self.tear_down(&*pair.target, &doomed, Purpose::Count)?.count;
        }
        for (name, aside) in &surplus.replaced {
            count += self.clear_replaced(&pair, (name, aside), surplus, Purpose::Count)?;
        }
        Ok(count)
    }

    /// Opens a directory on both sides, as they were found.
    fn open(&self, surplus: &Surplus) -> Result<Pair> {
        let roots = &self.found.roots;
        let options = self.trees.options;
        let open = |root: &Arc<Directory>, follow, id| {
            let path = joined(&root.path, &surplus.below);
            let endpoint = Endpoint::from(&path);
            let mut at = root.handle().try_clone().map(Into::into);
            for name in &surplus.below {
                at = at.and_then(|at: OwnedHandle| Spot::within(&at, name).open_directory(follow));
            }
            let directory = at
                .and_then(|handle| Directory::new(handle, path, Names::Swept))
                .context(Operation::Open, &endpoint)?;
            match directory.id() == id {
                true => Ok(directory),
                false => Err(Error::new(Operation::Open, &endpoint, Cause::Replaced)),
            }
        };
        let follow_source = Follow::below_operands(options.dereference);
        let source = Arc::new(open(&roots.source, follow_source, surplus.source)?);
        let target = open(&roots.target, Follow::No, surplus.target)?;
        if target.id() != roots.target.id() {
            let endpoint = Endpoint::from(&target.path);
            self.refuse_kept(target.id(), target.mount_id(), &endpoint)?;
        }
        let target = Arc::new(target.copied_from(&source));
        Ok(Pair { source, target })
    }

    /// Those of the names that were too much which still are.
    fn still_too_much<'s>(
        &self,
        pair: &Pair,
        surplus: &'s Surplus,
    ) -> Result<Vec<(&'s OsString, Excess)>> {
        let endpoint = Endpoint::from(&pair.target.path);
        let mut found = Vec::new();
        for name in &surplus.names {
            let directories = (&*pair.source, &*pair.target);
            let excess = surplus_of(directories, (&surplus.below, name), self.trees.options);
            if let Some(excess) = excess.context(Operation::Stat, &endpoint)? {
                found.push((name, excess));
            }
        }
        Ok(found)
    }

    fn clear(&self, surplus: &Surplus) -> Result<()> {
        let pair = self.open(surplus)?;
        let endpoint = Endpoint::from(&pair.target.path);
        let names = self.still_too_much(&pair, surplus)?;
        if !self.mirror.dry_run {
            open_up(&pair.target).context(Operation::SetMode, &endpoint)?;
        }
        for (name, excess) in names {
            if self.stopped() {
                break;
            }
            let below = surplus.below.join(name);
            if let Err(error) = self.clear_name(&pair, name, &below, excess) {
                self.tell(&below, error);
            }
        }
        for (name, aside) in &surplus.replaced {
            if self.stopped() {
                break;
            }
            if let Err(error) = self.clear_replaced(&pair, (name, aside), surplus, self.purpose()) {
                self.tell(&surplus.below.join(name), error);
            }
        }
        if self.mirror.dry_run { Ok(()) } else { self.end(&pair, &endpoint) }
    }

    /// Deletes what has made way for a directory, or counts it.
    fn clear_replaced(
        &self,
        pair: &Pair,
        (name, aside): (&OsStr, &OsStr),
        surplus: &Surplus,
        purpose: Purpose,
    ) -> Result<u64> {
        let below = surplus.below.join(name);
        let doomed = Doomed { name: aside, below: &below, is_replaced: true };
        let there = names::facts_at(&*pair.target, aside);
        match there.context(Operation::Stat, &self.endpoint_of(&below))? {
            Some(there) if there.kind != Kind::Directory => {
                self.tear_down(&*pair.target, &doomed, purpose).map(|it| it.count)
            }
            _ => Ok(0),
        }
    }

    fn clear_name(&self, pair: &Pair, name: &OsStr, below: &Path, excess: Excess) -> Result<()> {
        match excess {
            Excess::Extra => {
                let doomed = Doomed { name, below, is_replaced: false };
                self.tear_down(&*pair.target, &doomed, self.purpose()).map(drop)
            }
            Excess::InTheWay => self.replace(pair, name, below),
        }
    }

    /// Gives a directory back what deleting has changed, and brings it to the disk.
    fn end(&self, Pair { source, target }: &Pair, endpoint: &Endpoint) -> Result<()> {
        let options = self.trees.options;
        let now = names::facts_of_handle(target.handle()).context(Operation::Stat, endpoint)?;
        if now.mode != target.facts.mode {
            attributes::set_mode(target.handle(), target.facts.mode)
                .context(Operation::SetMode, endpoint)?;
        }
        if options.preserve.timestamps != Keep::No {
            let Attributes { accessed, modified, .. } = Attributes::from(&source.facts);
            attributes::set_times(target.handle(), accessed, modified)
                .context(Operation::SetTimes, endpoint)?;
        }
        if options.flush == Flush::Sync {
            flush::sync_all(&**target).context(Operation::FlushDirectory, endpoint)?;
        }
        Ok(())
    }

    /// Puts what the source has in the place of a directory.
    fn replace(&self, pair: &Pair, name: &OsStr, below: &Path) -> Result<()> {
        let (source, target) =
            (Endpoint::from(pair.source.path.join(name)), self.endpoint_of(below));
        let whole = Doomed { name, below, is_replaced: true };
        let TornDown { in_part, .. } = self.tear_down(&*pair.target, &whole, Purpose::Count)?;
        if in_part {
            return Err(Error::new(Operation::Remove, &target, Cause::Kept(Kept::HoldsLeftOut)));
        }
        let facts = Spot::within(&*pair.source, name)
            .facts(Follow::below_operands(self.trees.options.dereference))
            .context(Operation::Stat, &source)?;
        let Some(facts) = facts else { return Ok(()) };
        let change = Change::new(Action::Replace, facts.kind.into(), Reason::Kind);
        if self.mirror.dry_run {
            self.trees.tell_change(&target, &change);
            return self.tear_down(&*pair.target, &whole, Purpose::Tell).map(drop);
        }
        let aside = set_aside(&pair.target, name).context(Operation::Rename, &target)?;
        let origin = Origin::Entry { directory: &pair.source, name, endpoint: &source };
        let place = Place::new(&pair.target, name);
        let copied = self.trees.copier().object(origin, None, Some(place), &target);
        let done = copied.and_then(|ended| match ended {
            Ended::Now(done) => Ok(done),
            Ended::Later(publication) => publication.publish().map(Done::Copied),
        });
        match done {
            Ok(done) => self.trees.tell(&source, &target, Ok(done)),
            Err(error) => {
                // Nothing is deleted after an error of copying.
                self.is_over.set(true);
                take_back(&pair.target, &aside, name).context(Operation::Rename, &target)?;
                return Err(error);
            }
        }
        self.trees.tell_change(&target, &change);
        let doomed = Doomed { name: &aside, ..whole };
        self.tear_down(&*pair.target, &doomed, Purpose::Delete).map(drop)
    }
}

/// The path of what is below a root, which itself gets no slash.
fn joined(root: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { root.to_owned() } else { root.join(below) }
}
