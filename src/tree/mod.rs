//! Many objects: directories with all that is in them, by several threads.
//!
//! `walk` copies one tree: `root` opens both sides and refuses a copy into itself; `crew` says what
//! each thread does next; `start` makes a directory, `branch` is one under way, `settle` gives it
//! its name and `finish` its attributes; `batch` holds what waits for a flush.
//!
//! In a mirror, `claim` locks the target, `mirrored` compares and notes what is too much, `changes`
//! tells what was decided, and `prune` deletes in the end, with `teardown` for whole directories.
//! `parts` limits one to what has changed (`--watch`).
//!
//! A directory that is new gets a temporary name, locked as that of a file is. Its files are made
//! in it under their own names, which nobody sees yet, so that a file costs no more system calls
//! than it has to. Then the directory gets its name, and only then its subdirectories are begun: a
//! run that is killed leaves temporaries that hold nothing but files, one for each directory that
//! was being filled. In a directory that is there, each file is staged.

mod batch;
mod branch;
mod changes;
mod claim;
mod crew;
mod finish;
mod mirror;
mod mirrored;
mod parents;
mod parts;
mod prune;
mod root;
mod settle;
mod spelling;
mod start;
mod teardown;
mod totals;
mod walk;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

pub use mirror::{Incomplete, Mirror};
pub(crate) use parts::{Parts, Told};
pub use totals::Totals;

use changes::Linked;
use crew::Idle;
use prune::Prune;

use crate::change::Change;
use crate::copy::{Copier, Directory, Later, Session};
use crate::engine::drive::threads_or_cores;
use crate::error::{Cause, Error, Holder, Operation, Result};
use crate::metadata::Losses;
use crate::options::{CopyOptions, Directories, Endpoint, Flush, Made, Update};
use crate::report::{Done, Event, Flow, ObjectKind, Observer, Report, Skip, Warning, Way};
use crate::sync::lock;

/// Is told what became of each object.
pub trait Watch: Observer {
    /// Takes notice of the end of one object's copy, successful or not. A directory is told of
    /// when it has been made, and once more for each error that it meets later. Called from any
    /// of the copy's threads, and from several at once.
    fn entry(&self, source: &Endpoint, target: &Endpoint, result: Result<Done>);

    /// Takes notice of what a directory could not be given after it was told of as made. Called
    /// as [`entry`](Self::entry) is.
    fn warning(&self, source: &Endpoint, target: &Endpoint, warning: &Warning);

    /// Takes notice of something that a mirror has deleted from its target: in the end, what is in
    /// a directory before it. Not in a dry run.
    fn deleted(&self, _target: &Endpoint, _kind: ObjectKind) {}

    /// Takes notice of what a mirror has changed, or, in a dry run, of what it would change: once
    /// for each name, in no certain order, where [`MirrorOptions`](crate::MirrorOptions) asks for
    /// it. A deletion is one, too.
    fn changed(&self, _target: &Endpoint, _change: &Change) {}

    /// Takes notice that a mirror waits for the lock of its target, and for whom where the system
    /// tells; once for each target ([`LockWait`](crate::LockWait)).
    fn waits(&self, _target: &Endpoint, _holder: Option<&Holder>) {}
}

/// What is to be copied, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// The object, a directory perhaps.
    pub source: Endpoint,
    /// The name of its copy.
    pub target: Endpoint,
    /// The directory below which the target's missing directories are made, with the attributes
    /// of the source's (`--parents`).
    pub parents_below: Option<PathBuf>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Regular files that were copied.
    pub files: u64,
    /// Directories that were made or merged into.
    pub directories: u64,
    /// Symbolic links, FIFOs, sockets and devices that were made.
    pub others: u64,
    /// Names that were made hard links.
    pub links: u64,
    /// Bytes of the files that were copied.
    pub bytes: u64,
    /// Objects that were left alone.
    pub skipped: u64,
    /// Objects that failed.
    pub failed: u64,
    /// Names that a mirror has deleted.
    pub deleted: u64,
    /// Changes that were made, or in a dry run would be; `None` where nobody asked for them.
    pub changes: Option<u64>,
    /// Times that a file system was flushed for many of them at once; what was flushed singly is
    /// in the objects' reports.
    pub flushes: u64,
}

/// Copies operands, directories with all that is in them, with one set of options.
pub struct Trees<'a> {
    options: &'a CopyOptions,
    watch: &'a dyn Watch,
    session: &'a Session,
    summary: Mutex<Summary>,
    linked: Linked,
    /// Whether the watch has said that the run is to stop.
    stopped: AtomicBool,
    /// What a mirror is limited to.
    parts: Option<&'a Parts>,
    /// Whether something was left that only a mirror of the whole tree can do.
    wants_whole: AtomicBool,
}

impl<'a> Trees<'a> {
    /// A run with these options, watched by `watch`.
    #[must_use]
    pub fn new(options: &'a CopyOptions, watch: &'a dyn Watch, session: &'a Session) -> Self {
        Self {
            options,
            watch,
            session,
            summary: Mutex::default(),
            linked: Linked::default(),
            stopped: AtomicBool::new(false),
            parts: None,
            wants_whole: AtomicBool::new(false),
        }
    }

    /// The same, limited to these parts of a mirror's source and its target.
    pub(crate) fn limited_to(self, parts: &'a Parts) -> Self {
        Self { parts: Some(parts), ..self }
    }

    /// Whether a mirror that was limited to parts has left something to one of the whole tree:
    /// names that may have to be linked with others.
    pub(crate) fn wants_whole(&self) -> bool {
        self.wants_whole.load(Ordering::Relaxed)
    }

    /// Copies one operand, and returns when it is done: by as many threads as the options say,
    /// in no certain order. What fails is told to the watch, and does not stop the rest. With
    /// [`Flush::Sync`] what was not told as failed is on the disk then.
    pub fn copy(&self, operand: &Operand) {
        let Operand { source, target, parents_below } = operand;
        if self.options.mirror.is_some() {
            if let Err(error) = root::must_be_directory(source, self.options) {
                return self.tell(source, target, Err(error));
            }
            // What is above the target is not the mirror's.
            return self.copy_tree(source, target);
        }
        let parents = match parents_below {
            None => None,
            Some(below) => match parents::Parents::make(self.options, below, source, target) {
                Ok(parents) => {
                    for (source, target) in parents.made() {
                        let mut report = Report::new(&source, &target, Way::Created);
                        report.kind = ObjectKind::Directory;
                        self.tell(&source, &target, Ok(Done::Copied(report)));
                    }
                    Some(parents)
                }
                Err(error) => return self.tell(source, target, Err(error)),
            },
        };
        if self.options.directories == Directories::Copied
            && root::is_directory(source, self.options)
        {
            self.copy_tree(source, target);
        } else {
            let result = self.copier().copy(source, target);
            self.tell(source, target, result);
        }
        if let Some(parents) = parents {
            let tell = |source: &_, target: &_, losses| self.tell_losses(source, target, losses);
            if let Err(error) = parents.finish(self.options, tell) {
                self.tell(source, target, Err(error));
            }
        }
    }

    fn copy_tree(&self, source: &Endpoint, target: &Endpoint) {
        let (Some(source_path), Some(target_path)) = (source.path(), target.path()) else {
            let cause = Cause::IsDirectory;
            return self.tell(source, target, Err(Error::new(Operation::Copy, source, cause)));
        };
        let root = self.open_root((source_path, source), (target_path, target));
        let (small, large) = (
            CopyOptions { flush: Flush::None, ..self.options.clone() },
            CopyOptions { flush: Flush::Async, ..self.options.clone() },
        );
        match root {
            Ok((root, _lock)) => {
                let later = Later { small: &small, large: &large };
                let found = walk::copy(self, later, &Idle::default(), root);
                self.tell_linked();
                if let (Some(mirror), Some(found)) = (self.options.mirror, found) {
                    Prune::new(self, mirror, found).run();
                }
            }
            Err(error) => {
                let is_itself = matches!(error.cause, Cause::SameObject { .. });
                let result = match (self.options.update, self.options.made) {
                    (Update::None, _) if is_itself => Ok(Done::Skipped(Skip::Exists)),
                    (_, Made::HardLink) if is_itself => Ok(Done::Skipped(Skip::Linked)),
                    _ => Err(error),
                };
                self.tell(source, target, result);
            }
        }
    }

    /// Ends the run and says what it came to.
    pub fn finish(self) -> Summary {
        *self.summary()
    }

    fn copier(&self) -> Copier<'_> {
        Copier::new(self.options).observer(self.watch).session(self.session)
    }

    fn threads(&self) -> usize {
        threads_or_cores(self.options.threads)
    }

    fn summary(&self) -> MutexGuard<'_, Summary> {
        lock(&self.summary)
    }

    /// Whether the run is to stop. Once the watch has said so it is.
    fn is_stopped(&self) -> bool {
        if self.watch.event(Event::Waiting) == Flow::Stop {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.stopped.load(Ordering::Relaxed)
    }

    /// Counts what was deleted, and tells the watch.
    fn tell_deleted(&self, target: &Endpoint, kind: ObjectKind) {
        self.summary().deleted += 1;
        self.watch.deleted(target, kind);
    }

    /// Counts file systems that were flushed.
    fn count_flushes(&self, count: u64) {
        self.summary().flushes += count;
    }

    /// Counts what became of an object, and tells the watch.
    fn tell(&self, source: &Endpoint, target: &Endpoint, result: Result<Done>) {
        let mut summary = self.summary();
        match &result {
            Ok(Done::Copied(report)) => match (report.way, report.kind) {
                (Way::Linked | Way::LinkedToSource, _) => summary.links += 1,
                (_, ObjectKind::File) => {
                    summary.files += 1;
                    summary.bytes += report.len;
                }
                (_, ObjectKind::Directory) => summary.directories += 1,
                _ => summary.others += 1,
            },
            Ok(Done::Skipped(_)) => summary.skipped += 1,
            Err(_) => summary.failed += 1,
        }
        drop(summary);
        self.watch.entry(source, target, result);
    }

    /// Tells what a directory could not be given, when all that is in it has been copied.
    fn tell_losses(&self, source: &Endpoint, target: &Endpoint, losses: Losses) {
        for warning in losses.into_warnings() {
            self.watch.warning(source, target, &warning);
        }
    }

    /// Tells that a file system could not be flushed.
    fn fail_flush(&self, directory: &Directory, error: std::io::Error) {
        let endpoint = Endpoint::from(&directory.path);
        let error = Error::new(Operation::Flush, &endpoint, error);
        self.tell(&endpoint, &endpoint, Err(error));
    }
}
