//! Tells of what a mirror changes, or would.
//!
//! Which of several hard links is made a link to which other depends on which thread comes first.
//! So that a dry run tells what a real one does, names with others are kept until all are known:
//! one that is in need of nothing itself has changed if the names that share its object are not the
//! same before and after.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::Trees;
use crate::change::{Action, Change, Reason};
use crate::copy::{NameOf, Plan};
use crate::options::{Endpoint, ObjectId};
use crate::report::ObjectKind;
use crate::sync::lock;

/// What becomes of a name.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) change: Option<Change>,
    pub(super) kind: ObjectKind,
    /// Whose other names it may share.
    pub(super) shared: Option<NameOf>,
}

/// Names that share objects with others, on one side at least.
#[derive(Debug, Default)]
pub(super) struct Linked {
    names: Mutex<Vec<(Endpoint, Fate)>>,
    /// Objects of the target that had several names.
    targets: Mutex<HashSet<ObjectId>>,
}

impl Trees<'_> {
    /// Whether somebody is told of changes.
    pub(super) fn tells_changes(&self) -> bool {
        self.options.mirror.is_some_and(|mirror| mirror.changes || mirror.dry_run)
    }

    /// What there is to be told of a name, before anything is done with it: its target has fewer
    /// names perhaps than before this run.
    pub(super) fn fate(&self, plan: &Plan) -> Fate {
        let name_of = plan.name_of();
        let mut shared = None;
        if self.tells_changes() {
            let mut targets = lock(&self.linked.targets);
            if plan.is_shared(self.options) {
                targets.extend(name_of.target);
                shared = Some(name_of);
            } else if name_of.target.is_some_and(|target| targets.contains(&target)) {
                shared = Some(name_of);
            }
        }
        Fate { change: plan.change.clone(), kind: plan.kind(), shared }
    }

    /// Tells of a change, at once or when all names are known.
    pub(super) fn tell_fate(&self, target: &Endpoint, fate: Fate) {
        if !self.tells_changes() {
            return;
        }
        if fate.shared.is_some() {
            lock(&self.linked.names).push((target.clone(), fate));
        } else if let Some(change) = &fate.change {
            self.tell_change(target, change);
        }
    }

    /// Tells of a change, now.
    pub(super) fn tell_change(&self, target: &Endpoint, change: &Change) {
        if self.tells_changes() {
            *self.summary().changes.get_or_insert(0) += 1;
            self.watch.changed(target, change);
        }
    }

    /// Tells of the names that were kept, in the order of the names.
    pub(super) fn tell_linked(&self) {
        let mut linked = std::mem::take(&mut *lock(&self.linked.names));
        let (before, after) = (Before::of(&linked), After::of(&linked));
        linked.sort_unstable_by(|(left, _), (right, _)| left.path().cmp(&right.path()));
        for (target, Fate { change, kind, shared }) in linked {
            let regrouped = shared.filter(|shared| !before.is_the_same(&after, shared));
            let relinked = regrouped.map(|_| Change::new(Action::Link, kind, Reason::Links));
            if let Some(change) = change.or(relinked) {
                self.tell_change(&target, &change);
            }
        }
    }
}

/// How many of the names each object of the target has before.
struct Before(HashMap<ObjectId, usize>);

/// How many of the names each object of the source has, and which object of the target has all of
/// them, if one does.
struct After(HashMap<ObjectId, (usize, Option<ObjectId>)>);

impl Before {
    fn of(linked: &[(Endpoint, Fate)]) -> Self {
        let mut counts = HashMap::new();
        for id in linked.iter().filter_map(|(_, fate)| fate.shared?.target) {
            *counts.entry(id).or_default() += 1;
        }
        Self(counts)
    }

    fn is_the_same(&self, After(after): &After, shared: &NameOf) -> bool {
        match after.get(&shared.source) {
            Some(&(names, Some(target))) => self.0.get(&target) == Some(&names),
            _ => false,
        }
    }
}

impl After {
    fn of(linked: &[(Endpoint, Fate)]) -> Self {
        let mut groups = HashMap::new();
        for NameOf { source, target } in linked.iter().filter_map(|(_, fate)| fate.shared) {
            let (names, of_all) = groups.entry(source).or_insert((0, target));
            *names += 1;
            *of_all = of_all.filter(|id| Some(*id) == target);
        }
        Self(groups)
    }
}
