//! Whether what a program was told that it has is there.

use std::collections::BTreeMap;
use std::path::PathBuf;

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

/// Something that was acknowledged and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) property: Property,
    pub(crate) path: PathBuf,
    pub(crate) what: String,
}

impl Stores {
    pub(crate) fn join(&mut self, other: Self) {
        for (property, kept) in other.kept {
            self.kept.entry(property).or_default().join(kept);
        }
        self.torn += other.torn;
    }

    /// What a state has of that, which was claimed before it; and what it has not.
    pub(crate) fn judge<'a>(
        versions: (&Observed, &Observed),
        claims: impl Iterator<Item = &'a Acknowledged>,
        state: &Observed,
    ) -> (Self, Vec<Missing>) {
        let (mut stores, mut missing) = (Self::default(), Vec::new());
        for acknowledged in claims {
            let found = stores.look(versions, acknowledged, state);
            for (property, is_kept) in found {
                stores.kept.entry(property).or_default().add(is_kept);
                if !is_kept {
                    let (path, what) =
                        (acknowledged.claim.path.clone(), acknowledged.lost(property));
                    missing.push(Missing { property, path, what });
                }
            }
        }
        (stores, missing)
    }

    /// Which properties of a store are there, of those that can be looked for.
    fn look(
        &mut self,
        (before, after): (&Observed, &Observed),
        Acknowledged { claim, attributes, .. }: &Acknowledged,
        state: &Observed,
    ) -> Vec<(Property, bool)> {
        let mut found = Vec::new();
        let there = state.objects.get(&claim.path);
        let old = before.objects.get(&claim.path);
        let new = after.objects.get(&claim.path);
        if claim.is_named {
            // The name may lead to the older file still.
            let leads = there.is_some_and(|it| old.is_none_or(|old| it.content != old.content));
            found.push((Property::Name, leads));
            if !leads {
                return found;
            }
        }
        let is_version = |version: Option<&Object>| {
            let sectors = claim.start / SECTOR..claim.end.div_ceil(SECTOR);
            sectors.into_iter().all(|at| mark(there, at) == mark(version, at))
        };
        let (is_new, is_old) = (is_version(new), is_version(old));
        self.torn += u64::from(!is_new && !is_old);
        let has = |is: &dyn Fn(&Object) -> bool| there.is_some_and(is);
        found.push((Property::Data, is_new));
        found.push((Property::Size, has(&|it| it.content.len >= claim.end)));
        let attributes = has(&|it| has_attributes(&it.attributes, attributes));
        found.push((Property::Attributes, attributes));
        found
    }
}

impl Acknowledged {
    /// What it means that a property is lost.
    fn lost(&self, property: Property) -> String {
        let Claim { start, end, .. } = self.claim;
        match property {
            Property::Data => format!("its bytes {start}..{end} are not as they were stored"),
            Property::Size => format!("it ends before byte {end}, up to which it was stored"),
            Property::Attributes => "it has older attributes than it had then".to_owned(),
            Property::Name => "the name does not lead to what was stored".to_owned(),
        }
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
