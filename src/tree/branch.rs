//! One directory of a tree while it is copied.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::copy::{Directory, StagedDirectory};
use crate::error::{Context, Error, Operation, Result};
use crate::metadata::{self, Attributes, Losses, ModeAtEnd, Named};
use crate::options::{Endpoint, Keep, Preserve};
use crate::sys::attributes;
use crate::sys::names::{self, Listed};

/// A directory under way, from its making until all that is in it has been copied.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) parent: Option<Arc<Branch>>,
    pub(super) source: Directory,
    pub(super) target: Arc<Directory>,
    /// Whether it is new, and then its temporary name.
    pub(super) staged: Option<StagedDirectory>,
    /// Whether its files are flushed and named in batches.
    pub(super) batched: bool,
    pub(super) mode_at_end: ModeAtEnd,
    work: Mutex<Work>,
}

/// What is still to be done in a directory.
#[derive(Debug, Default)]
struct Work {
    /// Whether the source has names that were not read yet.
    unread: bool,
    /// Names that were read, and wait to be copied.
    read: Vec<Listed>,
    /// Threads that are copying some of its files.
    hands: usize,
    /// Subdirectories to be copied, the next one last.
    subdirectories: Vec<OsString>,
    /// What has to end before this does: subdirectories begun, and files that wait to be named.
    open: usize,
    /// Whether all its files are there.
    filled: bool,
    /// Whether somebody has been told that it is complete.
    complete: bool,
}

/// Names that a thread takes at once: enough to be worth the lock, few enough to be shared.
const TAKEN_AT_ONCE: usize = 16;

/// What follows from the end of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Next {
    /// Others are still at it.
    Nothing,
    /// All its files are there.
    Filled,
    /// All that is in it is there.
    Complete,
}

impl Branch {
    /// One whose names are to be read, or not.
    pub(super) fn new(
        parent: Option<Arc<Branch>>,
        source: Directory,
        (target, staged): (Arc<Directory>, Option<StagedDirectory>),
        batched: bool,
        mode_at_end: ModeAtEnd,
    ) -> Self {
        let work = Mutex::new(Work { unread: true, ..Work::default() });
        Self { parent, source, target, staged, batched, mode_at_end, work }
    }

    /// The names for messages.
    pub(super) fn endpoints(&self) -> (Endpoint, Endpoint) {
        (Endpoint::from(&self.source.path), Endpoint::from(&self.target.path))
    }

    /// Takes some names to copy, of which [`give_back`](Self::give_back) has to be told; none when
    /// there are no more, or others have them.
    ///
    /// # Errors
    ///
    /// Those of reading the directory, which then counts as read.
    pub(super) fn take(&self, into: &mut Vec<Listed>) -> Result<()> {
        let mut work = self.work();
        let mut result = Ok(());
        if work.read.is_empty() && work.unread {
            let mut read = std::mem::take(&mut work.read);
            if let Err(error) = names::list_some(&self.source, &mut read) {
                work.unread = false;
                let source = Endpoint::from(&self.source.path);
                result = Err(Error::new(Operation::Resolve, &source, error));
            }
            work.unread &= !read.is_empty();
            work.read = read;
        }
        let from = work.read.len().saturating_sub(TAKEN_AT_ONCE);
        into.extend(work.read.drain(from..));
        work.hands += usize::from(!into.is_empty());
        result
    }

    /// Whether another thread could take names.
    pub(super) fn has_names(&self) -> bool {
        let work = self.work();
        work.unread || !work.read.is_empty()
    }

    /// Lets go of what was taken, or of nothing; of the threads that find nothing more the last
    /// one learns that the directory is filled.
    pub(super) fn give_back(&self, taken: bool) -> Next {
        let mut work = self.work();
        work.hands -= usize::from(taken);
        let ended = !work.unread && work.read.is_empty() && work.hands == 0 && !work.filled;
        if !ended {
            return Next::Nothing;
        }
        work.filled = true;
        Next::Filled
    }

    /// Leaves out what was not begun.
    pub(super) fn abandon(&self) {
        let mut work = self.work();
        work.unread = false;
        work.read = Vec::new();
        work.subdirectories = Vec::new();
    }

    /// Remembers a subdirectory.
    pub(super) fn add_subdirectory(&self, name: OsString) {
        self.work().subdirectories.push(name);
    }

    /// Takes a subdirectory to be copied, which counts as begun; says whether there are more.
    pub(super) fn begin_subdirectory(&self) -> Option<(OsString, bool)> {
        let mut work = self.work();
        let name = work.subdirectories.pop()?;
        work.open += 1;
        Some((name, !work.subdirectories.is_empty()))
    }

    /// Whether subdirectories wait.
    pub(super) fn has_subdirectories(&self) -> bool {
        !self.work().subdirectories.is_empty()
    }

    /// Notes that something has to end first.
    pub(super) fn open_one(&self) {
        self.work().open += 1;
    }

    /// Notes the end of something that was open.
    pub(super) fn close_one(&self) -> Next {
        let mut work = self.work();
        work.open -= 1;
        Self::next(&mut work)
    }

    /// What is left when it has been filled.
    pub(super) fn after_filling(&self) -> Next {
        Self::next(&mut self.work())
    }

    fn next(work: &mut Work) -> Next {
        let ended = work.filled && work.open == 0 && work.subdirectories.is_empty();
        if ended && !work.complete {
            work.complete = true;
            Next::Complete
        } else {
            Next::Nothing
        }
    }

    /// Gives the target the attributes of the source, times last.
    pub(super) fn finish(&self, preserve: &Preserve) -> Result<Losses> {
        let (source_endpoint, target_endpoint) = self.endpoints();
        let mut losses = Losses::default();
        let source = Named { file: self.source.handle(), endpoint: &source_endpoint };
        let target = Named { file: self.target.handle(), endpoint: &target_endpoint };
        let attributes = Attributes::from(&self.source.facts);
        let at_end = self.mode_at_end;
        let kept =
            metadata::apply_preserved(source, &attributes, target, preserve, at_end, &mut losses);
        let narrowed = self.narrow(preserve, &target_endpoint);
        let stamped = metadata::stamp_times(&attributes, target, preserve.timestamps, &mut losses);
        kept.and(narrowed).and(stamped).map(|()| losses)
    }

    /// Takes from a new directory the rights that it was given to be filled.
    fn narrow(&self, preserve: &Preserve, target: &Endpoint) -> Result<()> {
        const OWNER: u32 = 0o700;
        let unwanted = OWNER & !self.source.facts.mode;
        if self.staged.is_none()
            || preserve.mode != Keep::No
            || preserve.default_mode
            || unwanted == 0
        {
            return Ok(());
        }
        let now = Attributes::of(self.target.handle()).context(Operation::Stat, target)?;
        attributes::set_mode(self.target.handle(), now.mode & !unwanted)
            .context(Operation::SetMode, target)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
