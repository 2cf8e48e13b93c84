//! Whether what a program was told that it has is there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::crash::simulated::observe::{Attributes, Object, Observed};
use crate::crash::simulated::record::{Moment, SECTOR};
use crate::crash::simulated::stores::{Claim, Property};

/// A claim that was acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Acknowledged {
    /// A crash at that moment or later comes after it.
    pub(crate) at: Moment,
    pub(crate) claim: Claim,
    /// What the file had then.
    pub(crate) attributes: Attributes,
}

/// How often something that was acknowledged is there, of how often it was looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// Times that it was there.
    pub kept: u64,
    /// Times that it was looked for.
    pub of: u64,
}

impl Kept {
    fn add(&mut self, is_kept: bool) {
        self.kept += u64::from(is_kept);
        self.of += 1;
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.kept += other.kept;
        self.of += other.of;
    }

    /// Times that it was lost.
    #[must_use]
    pub const fn lost(self) -> u64 {
        self.of - self.kept
    }
}

/// What of acknowledged stores is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stores {
    /// For each property.
    pub kept: BTreeMap<Property, Kept>,
    /// Ranges that are neither as they were nor as they were stored.
    pub torn: u64,
}

impl Stores {
    pub(crate) fn join(&mut self, other: Self) {
        for (property, kept) in other.kept {
            self.kept.entry(property).or_default().join(kept);
        }
        self.torn += other.torn;
    }

    fn add(&mut self, property: Property, is_kept: bool) {
        self.kept.entry(property).or_default().add(is_kept);
    }

    /// What a state has of that, which was claimed before it.
    pub(crate) fn judge<'a>(
        (before, after): (&Observed, &Observed),
        claims: impl Iterator<Item = &'a Acknowledged>,
        state: &Observed,
    ) -> Self {
        let mut stores = Self::default();
        for Acknowledged { claim, attributes, .. } in claims {
            let there = state.objects.get(&claim.path);
            let old = before.objects.get(&claim.path);
            let new = after.objects.get(&claim.path);
            if claim.is_named {
                // The name may lead to the older file still.
                let leads = there.is_some_and(|it| old.is_none_or(|old| it.content != old.content));
                stores.add(Property::Name, leads);
                if !leads {
                    continue;
                }
            }
            let is_version = |version: Option<&Object>| {
                let sectors = claim.start / SECTOR..claim.end.div_ceil(SECTOR);
                sectors.into_iter().all(|at| mark(there, at) == mark(version, at))
            };
            let (is_new, is_old) = (is_version(new), is_version(old));
            stores.add(Property::Data, is_new);
            stores.torn += u64::from(!is_new && !is_old);
            stores.add(Property::Size, there.is_some_and(|it| it.content.len >= claim.end));
            stores.add(
                Property::Attributes,
                there.is_some_and(|it| has_attributes(&it.attributes, attributes)),
            );
        }
        stores
    }
}

/// The mark of a sector; that of zeros where there is none.
fn mark(object: Option<&Object>, at: u64) -> u64 {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    object.and_then(|it| it.content.sectors.get(at).copied()).unwrap_or(0)
}

/// Whether an object has at least those attributes: a later store makes it younger.
fn has_attributes(there: &Attributes, claimed: &Attributes) -> bool {
    (there.mode, there.owner) == (claimed.mode, claimed.owner) && there.modified >= claimed.modified
}
