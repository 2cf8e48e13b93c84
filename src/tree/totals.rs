//! How much there is to copy, counted beside the copying.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::options::{CopyOptions, Directories, Endpoint, Selection, Span};
use crate::sys::file::Kind;
use crate::sys::names::{self, Follow, Spot};
use crate::sys::threads;

/// How much there is to copy, as far as it has been counted.
#[derive(Debug, Default)]
pub struct Totals {
    objects: AtomicU64,
    bytes: AtomicU64,
    complete: AtomicBool,
}

/// What of the options counts.
#[derive(Clone, Copy)]
struct Scope<'a> {
    follow: Follow,
    span: Span,
    selection: &'a Selection,
    device: u64,
    stop: &'a AtomicBool,
}

/// Directories below each other that are counted: more would take more descriptors than there are.
const DEPTH_MAX: usize = 100;

impl Totals {
    /// Objects and bytes found so far, and whether that is all.
    #[must_use]
    pub fn so_far(&self) -> (u64, u64, bool) {
        // The end first: what it says is then true of the others.
        let complete = self.complete.load(Ordering::Acquire);
        (self.objects.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed), complete)
    }

    /// Counts the objects at and below `sources`, as far as `options` have them copied, until
    /// `stop`, on a thread that gives way to all others. What cannot be read is not counted:
    /// copying it will tell.
    pub fn count(&self, sources: &[Endpoint], options: &CopyOptions, stop: &AtomicBool) {
        threads::give_way();
        let of_operands = Follow::of_operands(options.dereference);
        let below = Follow::below_operands(options.dereference);
        let mut whole = true;
        for path in sources.iter().filter_map(Endpoint::path) {
            let Ok(Some(facts)) = names::facts_of_path(path, of_operands) else { continue };
            self.add(facts.kind, facts.len);
            if facts.kind == Kind::Directory && options.directories == Directories::Copied {
                let device = facts.id.dev;
                let (span, selection) = (options.span, &options.selection);
                let scope = Scope { follow: below, span, selection, device, stop };
                let root = (Spot::of_path(path), Path::new(""));
                whole &= self.count_below(root, of_operands, scope, 0);
            }
        }
        if whole && !stop.load(Ordering::Relaxed) {
            self.complete.store(true, Ordering::Release);
        }
    }

    fn add(&self, kind: Kind, len: u64) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        if kind == Kind::Regular {
            self.bytes.fetch_add(len, Ordering::Relaxed);
        }
    }

    /// Says whether everything was counted.
    fn count_below(
        &self,
        (at, below): (Spot<'_>, &Path),
        follow: Follow,
        scope: Scope<'_>,
        depth: usize,
    ) -> bool {
        let Ok(directory) = at.open_listable(follow) else { return true };
        let mut whole = depth < DEPTH_MAX;
        let mut listed = Vec::new();
        while whole && names::list_some(&directory, &mut listed).is_ok() && !listed.is_empty() {
            for entry in listed.drain(..) {
                if scope.stop.load(Ordering::Relaxed) {
                    return false;
                }
                let spot = Spot::within(&directory, &entry.name);
                let Ok(Some(facts)) = spot.facts(scope.follow) else { continue };
                let is_directory = facts.kind == Kind::Directory;
                if !scope.selection.has_in(below, &entry.name, is_directory) {
                    continue;
                }
                self.add(facts.kind, facts.len);
                let goes_on = scope.span == Span::All || facts.id.dev == scope.device;
                if is_directory && goes_on {
                    let path = below.join(&entry.name);
                    whole &= self.count_below((spot, &path), scope.follow, scope, depth + 1);
                }
            }
        }
        whole
    }
}
