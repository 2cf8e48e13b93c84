//! The parts of a tree that a mirror is limited to, where somebody has watched what changes.
//!
//! The walk goes the way to each part, and no other: in a directory that is only on the way nothing
//! is looked at but the next one. What the target does not have yet is copied whole.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::branch::{Branch, Handles, Listing};
use super::walk::Walk;
use crate::copy::{Directory, Plan};
use crate::sys::file::Kind;
use crate::sys::names::{Follow, Listed, Spot};

/// Names below a source that may have changed.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    root: Part,
    names: u64,
}

#[derive(Debug, Default)]
struct Part {
    /// Whether something was told of it.
    told: bool,
    /// Whether its names are looked at, if it is a directory.
    looked_at: bool,
    /// Whether it is new, so that all below it is looked at.
    is_new: bool,
    below: HashMap<OsString, Self>,
}

/// What was told of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It has changed, or is gone.
    Changed,
    /// It was not there, or was something else.
    New,
}

/// What is looked at in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The directories that lead to parts, and not what it is itself.
    Way,
    /// Its names, and below it what leads to parts.
    Names,
    /// All that is below it.
    Whole,
}

impl Parts {
    /// Adds the name that has this path below the source, and the directory that it is in; the
    /// source itself has an empty path.
    pub(crate) fn add(&mut self, path: &Path, told: Told) {
        let mut part = &mut self.root;
        let mut names = path.iter().peekable();
        while let Some(name) = names.next() {
            part.looked_at |= names.peek().is_none();
            // No copy of the name is made where it is known.
            if !part.below.contains_key(name) {
                part.below.insert(name.to_owned(), Part::default());
            }
            let Some(next) = part.below.get_mut(name) else { return };
            part = next;
        }
        self.names += u64::from(!part.told);
        part.told = true;
        part.looked_at = true;
        part.is_new |= told == Told::New;
    }

    /// How many names were told of.
    pub(crate) fn count(&self) -> u64 {
        self.names
    }

    /// The paths of what is new.
    pub(crate) fn new_ones(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        self.root.find_new(&mut PathBuf::new(), &mut found);
        found
    }

    /// What is looked at in the directory of this path; nothing where it is no part, and leads to
    /// none.
    fn scope(&self, path: &Path) -> Option<Scope> {
        let mut part = &self.root;
        for name in path {
            if part.is_new {
                return Some(Scope::Whole);
            }
            part = part.below.get(name)?;
        }
        Some(match part {
            Part { is_new: true, .. } => Scope::Whole,
            Part { looked_at: true, .. } => Scope::Names,
            _ => Scope::Way,
        })
    }

    /// The names in a directory that lead to parts.
    fn ways(&self, path: &Path) -> Vec<Listed> {
        let part = path.iter().try_fold(&self.root, |part, name| part.below.get(name));
        let names = part.into_iter().flat_map(|part| part.below.keys());
        names.map(|name| Listed { name: name.clone(), kind: None }).collect()
    }
}

impl Part {
    fn find_new(&self, path: &mut PathBuf, found: &mut Vec<PathBuf>) {
        if self.is_new {
            return found.push(path.clone());
        }
        for (name, part) in &self.below {
            path.push(name);
            part.find_new(path, found);
            path.pop();
        }
    }
}

impl Walk<'_> {
    /// What is looked at in a directory of the source, whose target is there.
    pub(super) fn scope_at(&self, source: &Path) -> Scope {
        let Some(parts) = self.trees.parts else { return Scope::Whole };
        let below = source.strip_prefix(&self.root).unwrap_or(source);
        // What is no part was begun since the target did not have it.
        parts.scope(below).unwrap_or(Scope::Whole)
    }

    fn scope(&self, branch: &Branch) -> Scope {
        if branch.is_new { Scope::Whole } else { self.scope_at(branch.source_path()) }
    }

    /// Whether a directory is only on the way to a part.
    pub(super) fn is_way(&self, branch: &Branch) -> bool {
        self.scope(branch) == Scope::Way
    }

    /// The names by which the way goes on.
    pub(super) fn ways(&self, source: &Directory) -> Listing {
        let below = source.path.strip_prefix(&self.root).unwrap_or(&source.path);
        let read = self.trees.parts.map(|parts| parts.ways(below)).unwrap_or_default();
        Listing { read, unread: false }
    }

    /// Whether a subdirectory is a part, leads to one, or is not there yet in the target.
    pub(super) fn descends(&self, branch: &Branch, handles: &Handles, name: &OsStr) -> bool {
        let Some(parts) = self.trees.parts else { return true };
        let has_target = || {
            let there = Spot::within(&*handles.target, name).facts(Follow::No);
            there.is_ok_and(|there| there.is_some_and(|it| it.kind == Kind::Directory))
        };
        match self.scope(branch) {
            Scope::Whole => true,
            Scope::Names => parts.scope(&self.below(branch).join(name)).is_some() || !has_target(),
            Scope::Way if has_target() => true,
            // To make it would change the directory, which is no part.
            Scope::Way => {
                self.trees.wants_whole.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    /// Whether a name is left as it is, since it may have to be linked with names that are in no
    /// part.
    pub(super) fn is_for_whole(&self, branch: &Branch, name: &OsStr, plan: &Plan) -> bool {
        let Some(parts) = self.trees.parts else { return false };
        if !plan.is_shared(self.trees.options) {
            return false;
        }
        // One that is equal may be a link of others now.
        let is_new = || parts.scope(&self.below(branch).join(name)) == Some(Scope::Whole);
        let is_left = plan.change.is_some() || is_new();
        self.trees.wants_whole.fetch_or(is_left, Ordering::Relaxed);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(told: &[(&str, Told)]) -> Parts {
        let mut parts = Parts::default();
        for (path, told) in told {
            parts.add(Path::new(path), *told);
        }
        parts
    }

    #[test]
    fn a_name_is_looked_at_in_its_directory_and_what_is_new_whole() {
        let parts = parts(&[("a/b/c", Told::Changed), ("a/n", Told::New)]);
        for (path, scope) in [
            ("", Some(Scope::Way)),
            ("a", Some(Scope::Names)),
            ("a/b", Some(Scope::Names)),
            ("a/b/c", Some(Scope::Names)),
            ("a/b/d", None),
            ("a/n", Some(Scope::Whole)),
            ("a/n/x/y", Some(Scope::Whole)),
            ("b", None),
        ] {
            assert_eq!(parts.scope(Path::new(path)), scope, "{path}");
        }
    }

    #[test]
    fn each_name_counts_once_and_what_is_in_a_new_one_is_not_told_again() {
        let told = [
            ("a", Told::Changed),
            ("b/d/e", Told::New),
            ("b/d/e/f", Told::New),
            ("a", Told::Changed),
            ("a", Told::New),
        ];
        let parts = parts(&told);
        assert_eq!(parts.count(), 3);
        assert_eq!(parts.scope(Path::new("a/x")), Some(Scope::Whole));
        let mut found = parts.new_ones();
        found.sort();
        assert_eq!(found, [PathBuf::from("a"), PathBuf::from("b/d/e")]);
    }

    #[test]
    fn the_source_itself_can_be_a_part() {
        let parts = parts(&[("", Told::Changed)]);
        assert_eq!(parts.scope(Path::new("")), Some(Scope::Names));
        assert_eq!(parts.scope(Path::new("a")), None);
        assert_eq!(parts.count(), 1);
    }
}
