//! A mirror, set up step by step.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use super::{Operand, Summary, Trees, Watch};
use crate::change::Change;
use crate::copy::Session;
use crate::error::{Error, Result};
use crate::options::{
    Compare, CopyOptions, Dereference, Directories, Endpoint, Flush, LockWait, MirrorOptions,
    Preserve, Selection, Special,
};
use crate::report::{Done, Event, Flow, Observer, Warning};
use crate::sync::{into_inner, lock};

/// Makes a directory equal to another one: `mycp --mirror`.
///
/// # Example
///
/// ```
/// use mycp::tree::Mirror;
///
/// let place = tempfile::tempdir()?;
/// let (source, target) = (place.path().join("source"), place.path().join("target"));
/// std::fs::create_dir(&source)?;
/// std::fs::create_dir(&target)?;
/// std::fs::write(source.join("photograph"), "content")?;
/// std::fs::write(target.join("old"), "content")?;
///
/// let mirror = Mirror::new(&source, &target).max_delete(1);
/// let planned: Vec<String> =
///     mirror.plan()?.iter().map(|(_, change)| change.to_string()).collect();
/// assert!(planned.contains(&"create new".to_owned()));
/// assert!(planned.contains(&"delete extra".to_owned()));
///
/// let summary = mirror.run(&())?;
/// assert_eq!((summary.files, summary.deleted), (1, 1));
/// assert_eq!(mirror.plan()?, []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mirror {
    operand: Operand,
    options: CopyOptions,
    mirror: MirrorOptions,
}

impl Mirror {
    /// A mirror of the directory `source`, with the attributes of `-a`; `target` is made if it is
    /// not there.
    #[must_use]
    pub fn new(source: impl Into<Endpoint>, target: impl Into<Endpoint>) -> Self {
        let options = CopyOptions {
            delta: true,
            preserve: Preserve::ALL,
            directories: Directories::Copied,
            dereference: Dereference::Never,
            special: Special::Made,
            ..CopyOptions::default()
        };
        let operand = Operand { source: source.into(), target: target.into(), parents_below: None };
        Self { operand, options, mirror: MirrorOptions::default() }
    }

    /// What makes content equal; [`Compare::Quick`] without it.
    #[must_use]
    pub fn compare(mut self, compare: Compare) -> Self {
        self.mirror.compare = compare;
        self
    }

    /// Deletes nothing if that would be more names than this.
    #[must_use]
    pub fn max_delete(mut self, names: u64) -> Self {
        self.mirror.max_delete = Some(names);
        self
    }

    /// Leaves out names, on both sides.
    #[must_use]
    pub fn selection(mut self, selection: Selection) -> Self {
        self.options.selection = selection;
        self
    }

    /// Deletes from the target what the selection leaves out.
    #[must_use]
    pub fn delete_excluded(mut self) -> Self {
        self.mirror.delete_excluded = true;
        self
    }

    /// Empties the target where the source is empty, which is an error otherwise.
    #[must_use]
    pub fn allow_empty(mut self) -> Self {
        self.mirror.allow_empty = true;
        self
    }

    /// How long another mirror of the same target is waited for; not at all without it.
    #[must_use]
    pub fn lock_wait(mut self, wait: LockWait) -> Self {
        self.mirror.lock_wait = wait;
        self
    }

    /// How far towards the disk everything is brought; the content of what is copied is brought
    /// there in any case, before it gets the source's times.
    #[must_use]
    pub fn flush(mut self, flush: Flush) -> Self {
        self.options.flush = flush;
        self
    }

    /// Takes so many threads at most; as many as there are cores without it.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.options.threads = Some(threads);
        self
    }

    /// Makes the target equal, and tells `watch` of each object and each change.
    ///
    /// # Errors
    ///
    /// [`Incomplete`] when objects failed, of each of which the watch is told, or when the watch
    /// has stopped the run. What could be copied has been then; of what is too much nothing is
    /// deleted after a failure to copy.
    pub fn run(&self, watch: &dyn Watch) -> Result<Summary, Incomplete> {
        let (summary, ended) = self.go(watch, MirrorOptions { changes: true, ..self.mirror });
        match (ended, summary.failed) {
            (Ended::ByItself, 0) => Ok(summary),
            (ended, _) => Err(Incomplete { summary, stopped: ended == Ended::Stopped }),
        }
    }

    /// What [`run`](Self::run) would change, in the order of the names. Nothing is touched.
    ///
    /// # Errors
    ///
    /// The first object that could not be looked at, or what keeps the mirror from deleting.
    pub fn plan(&self) -> Result<Vec<(Endpoint, Change)>> {
        let plan = Plan::default();
        self.go(&plan, MirrorOptions { dry_run: true, ..self.mirror });
        if let Some(error) = into_inner(plan.failed) {
            return Err(error);
        }
        let mut changes = into_inner(plan.changes);
        changes.sort_unstable_by(|(left, _), (right, _)| left.path().cmp(&right.path()));
        Ok(changes)
    }

    fn go(&self, watch: &dyn Watch, mirror: MirrorOptions) -> (Summary, Ended) {
        let options = CopyOptions { mirror: Some(mirror), ..self.options.clone() };
        let session = Session::new();
        session.protect_source(&self.operand.source);
        let trees = Trees::new(&options, watch, &session);
        trees.copy(&self.operand);
        let ended = if trees.is_stopped() { Ended::Stopped } else { Ended::ByItself };
        (trees.finish(), ended)
    }
}

/// A mirror whose target may not equal its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the target may differ from the source: {}", why(*.stopped, .summary))]
#[non_exhaustive]
pub struct Incomplete {
    /// How far it has come.
    pub summary: Summary,
    /// Whether the watch has stopped it.
    pub stopped: bool,
}

fn why(stopped: bool, summary: &Summary) -> String {
    match stopped {
        true => "the mirror was stopped".to_owned(),
        false => format!("objects that failed: {}", summary.failed),
    }
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    ByItself,
    Stopped,
}

/// Nobody.
impl Watch for () {
    fn entry(&self, _: &Endpoint, _: &Endpoint, _: Result<Done>) {}
    fn warning(&self, _: &Endpoint, _: &Endpoint, _: &Warning) {}
}

/// Collects what a dry run tells.
#[derive(Default)]
struct Plan {
    changes: Mutex<Vec<(Endpoint, Change)>>,
    /// The first failure.
    failed: Mutex<Option<Error>>,
}

impl Observer for Plan {
    fn event(&self, _: Event) -> Flow {
        Flow::Continue
    }
}

impl Watch for Plan {
    fn entry(&self, _: &Endpoint, _: &Endpoint, result: Result<Done>) {
        if let Err(error) = result {
            lock(&self.failed).get_or_insert(error);
        }
    }

    fn warning(&self, _: &Endpoint, _: &Endpoint, _: &Warning) {}

    fn changed(&self, target: &Endpoint, change: &Change) {
        let mut changes = lock(&self.changes);
        changes.push((target.clone(), change.clone()));
    }
}
