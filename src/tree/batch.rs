//! Files and directories that are whole and wait, so that one flush does for all of them.
//!
//! `syncfs` writes what a whole file system has to write, in the order that suits the disk, and
//! commits its journal once; an `fsync` for each file would wait for the disk each time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};

use super::branch::Branch;
use super::changes::Fate;
use crate::copy::{Directory, Publication};
use crate::sync::lock;
use crate::sys::{Errno, file, flush};

/// What waits.
pub(super) enum Whole<'a> {
    /// A file that has a temporary name in the directory of a branch.
    /// What is to be told of it, if anything is, comes with it.
    File(Box<Publication<'a>>, Arc<Branch>, Option<Fate>),
    /// A directory that has one itself.
    Directory(Arc<Branch>),
}

impl Whole<'_> {
    fn needs_flush(&self) -> bool {
        match self {
            Self::File(publication, ..) => !publication.is_ordered(),
            Self::Directory(_) => true,
        }
    }
}

/// Files and directories that may wait at most.
const WAITING_MAX: u64 = 500;

/// Descriptors that each of them may hold: a file and both directories.
const DESCRIPTORS_EACH: u64 = 3;

/// Bytes that may wait, so that the disk is kept busy.
const WAITING_BYTES_MAX: u64 = 64 << 20;

/// What of a batch is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    /// Something waits for a flush.
    Waits,
    /// Something waits for its name.
    IsFlushed,
}

/// A flush that failed.
pub(super) struct FlushError {
    /// The system's number of the error.
    pub(super) code: i32,
    /// The directory that its file system was asked through, unless that has been told.
    pub(super) directory: Option<Arc<Directory>>,
}

/// What waits for one flush.
pub(super) struct Batch<'a> {
    waiting: Mutex<Waiting<'a>>,
    waiting_max: usize,
    /// What waits no more, and has to be given its names.
    flushed: Mutex<VecDeque<Whole<'a>>>,
    /// One handle of each file system, opened before anything was written to it: a handle learns
    /// of the failures since it was opened.
    file_systems: Mutex<HashMap<u64, Arc<Directory>>>,
    /// The number of the first error that a flush told. The system tells of a failure once, and
    /// not which files it hit: it may be those of a later batch as well.
    failed: OnceLock<i32>,
}

#[derive(Default)]
struct Waiting<'a> {
    whole: Vec<Whole<'a>>,
    bytes: u64,
    /// Whether something among them must not have its name before it is on the disk.
    needs_flush: bool,
}

impl<'a> Batch<'a> {
    /// One that leaves most of the descriptors that this process may have to others, when each of
    /// so many threads flushes what was full.
    pub(super) fn new(threads: usize) -> Self {
        let share = file::descriptors_max() / 4 / DESCRIPTORS_EACH / threads as u64;
        let waiting_max = usize::try_from(share.clamp(1, WAITING_MAX)).unwrap_or(1);
        Self {
            waiting: Mutex::default(),
            waiting_max,
            flushed: Mutex::default(),
            file_systems: Mutex::default(),
            failed: OnceLock::new(),
        }
    }

    /// Descriptors that it holds at most, when each of so many threads flushes what was full.
    pub(super) fn descriptors(&self, threads: usize) -> u64 {
        (self.waiting_max * threads) as u64 * DESCRIPTORS_EACH
    }

    /// Notes a directory that is written to.
    pub(super) fn note(&self, directory: &Arc<Directory>) {
        let mut file_systems = lock(&self.file_systems);
        file_systems.entry(directory.id().dev).or_insert_with(|| Arc::clone(directory));
    }

    /// Notes bytes that were written.
    pub(super) fn count(&self, bytes: u64) {
        lock(&self.waiting).bytes += bytes;
    }

    /// Adds something whole.
    pub(super) fn add(&self, whole: Whole<'a>) {
        let mut waiting = lock(&self.waiting);
        waiting.needs_flush |= whole.needs_flush();
        waiting.whole.push(whole);
    }

    /// Whether it is time for a flush.
    pub(super) fn is_full(&self) -> bool {
        let waiting = lock(&self.waiting);
        waiting.whole.len() >= self.waiting_max
            || (waiting.bytes >= WAITING_BYTES_MAX && !waiting.whole.is_empty())
    }

    /// What there is to do about it when there is nothing else.
    pub(super) fn rest(&self) -> Rest {
        if !lock(&self.flushed).is_empty() {
            Rest::IsFlushed
        } else if !lock(&self.waiting).whole.is_empty() {
            Rest::Waits
        } else {
            Rest::Nothing
        }
    }

    /// Has others give their names to these, too.
    pub(super) fn has_flushed(&self, whole: Vec<Whole<'a>>) {
        lock(&self.flushed).extend(whole);
    }

    /// Takes something that was flushed.
    pub(super) fn take_flushed(&self) -> Option<Whole<'a>> {
        lock(&self.flushed).pop_front()
    }

    /// Takes all that waits, and says whether it has to be flushed.
    pub(super) fn take(&self) -> (Vec<Whole<'a>>, bool) {
        let Waiting { whole, needs_flush, .. } = std::mem::take(&mut *lock(&self.waiting));
        (whole, needs_flush)
    }

    /// Brings everything that was written to the disk, and says how many file systems that was.
    ///
    /// # Errors
    ///
    /// The first that a file system tells, and which directory it was asked through; from then on
    /// the same each time.
    pub(super) fn flush(&self) -> Result<u64, FlushError> {
        let handles: Vec<_> = lock(&self.file_systems).values().cloned().collect();
        for directory in &handles {
            if let Err(error) = flush::sync_file_system(&**directory) {
                let code = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
                let is_first = self.failed.set(code).is_ok();
                return Err(FlushError {
                    code,
                    directory: is_first.then(|| Arc::clone(directory)),
                });
            }
        }
        match self.failed.get() {
            Some(&code) => Err(FlushError { code, directory: None }),
            None => Ok(handles.len() as u64),
        }
    }
}
