//! What becomes of a directory whose files are all there: its name, its attributes, and the way to
//! the disk.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use super::batch::{FlushError, Whole};
use super::branch::{Branch, Next};
use super::changes::Fate;
use super::finish::Finished;
use super::mirrored::{Findings, Mirrored};
use super::walk::Walk;
use crate::copy::Precious;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{Endpoint, Flush};
use crate::report::{Done, ObjectKind};
use crate::sys::Errno;
use crate::sys::flush;
use crate::sys::names::{Follow, Spot};

/// Why a new directory has not got its name.
pub(super) fn not_named(error: io::Error, target: &Endpoint) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Error::new(Operation::Create, target, Cause::Appeared),
        _ => Error::new(Operation::Rename, target, error),
    }
}

/// The flush of the directory above, where a name that was there before needs none if nobody may:
/// in some directories few have the right that it takes.
fn needed(flushed: io::Result<()>, is_new: bool) -> io::Result<()> {
    match flushed {
        Err(error)
            if flush::TAKES_RIGHT_TO_WRITE
                && !is_new
                && Errno::from_io_error(&error) == Some(Errno::ACCESS) =>
        {
            Ok(())
        }
        flushed => flushed,
    }
}

impl<'a> Walk<'a> {
    /// Gives a directory whose files are all there its name, now or after a flush.
    pub(super) fn filled(&self, branch: &Arc<Branch>) {
        if branch.batched && branch.is_staged() {
            self.batch.add(Whole::Directory(Arc::clone(branch)));
        } else {
            self.publish(branch);
        }
    }

    fn publish(&self, branch: &Arc<Branch>) {
        if let Err(error) = self.name(branch) {
            branch.abandon();
            let (source, target) = branch.endpoints();
            self.trees.tell(&source, &target, Err(error));
        }
        if branch.has_subdirectories() {
            self.crew.filled(branch);
        } else if branch.after_filling() == Next::Complete {
            self.complete(branch);
        }
    }

    fn name(&self, branch: &Branch) -> Result<()> {
        let Some(staged) = branch.take_staged() else { return Ok(()) };
        let (_, target) = branch.endpoints();
        let publish = || {
            let directory = branch.handles()?.target;
            // What was not come to keeps its temporary name, for the next run.
            if !self.stopped() {
                staged.remove_kept(&directory);
            }
            if self.flushes_each(branch) {
                flush::sync_all(&*directory).context(Operation::Flush, &target)?;
            }
            staged.publish(&directory).map_err(|error| not_named(error, &target))
        };
        publish().inspect_err(|_| staged.remove())?;
        // Beside others something was left only for a copy to go on with.
        if branch.parent.is_none() || self.trees.options.delta {
            let (source, session) = (branch.source.id, Some(self.trees.session));
            staged.sweep(Precious { source, session });
        }
        Ok(())
    }

    /// Brings a directory, and the name of the tree's root, to the disk.
    fn flush_each(&self, branch: &Branch, target: &Endpoint) -> Result<()> {
        let directory = branch.handles()?.target;
        flush::sync_all(&*directory).context(Operation::Flush, target)?;
        if branch.parent.is_none() {
            Spot::within(&*directory, OsStr::new(".."))
                .open_directory(Follow::No)
                .and_then(|above| needed(flush::sync_all(above), branch.is_new))
                .context(Operation::FlushDirectory, target)?;
        }
        Ok(())
    }

    /// Whether each object of a directory is flushed by itself.
    fn flushes_each(&self, branch: &Branch) -> bool {
        let options = self.trees.options;
        options.flush == Flush::Sync && !branch.batched && !options.is_dry_run()
    }

    /// Finishes a directory that has everything in it, and those that it completes.
    pub(super) fn complete(&self, branch: &Arc<Branch>) {
        let mut branch = Arc::clone(branch);
        loop {
            if !self.is_way(&branch) {
                self.finish(&branch);
            }
            let Some(parent) = branch.parent.as_ref().map(Arc::clone) else { return };
            match parent.close_child(&branch) {
                Next::Complete => branch = parent,
                Next::Rested => return self.crew.filled(&parent),
                // One other is under way perhaps.
                Next::Nothing | Next::Filled => return self.rest(&parent),
            }
        }
    }

    fn finish(&self, branch: &Branch) {
        let (source, target) = branch.endpoints();
        if let Err(error) = self.note_surplus(branch) {
            self.trees.tell(&source, &target, Err(error));
        }
        let finished = branch.finish(self.trees.options).and_then(|finished| {
            if self.flushes_each(branch) {
                self.flush_each(branch, &target)?;
            }
            Ok(finished)
        });
        match finished {
            Ok(Finished { losses, change }) => {
                let kind = ObjectKind::Directory;
                self.trees.tell_fate(&target, Fate { change, kind, shared: None });
                self.trees.tell_losses(&source, &target, losses);
            }
            Err(error) => self.trees.tell(&source, &target, Err(error)),
        }
    }

    /// Brings what waits to the disk, and gives it its names.
    pub(super) fn flush(&self) {
        let (waiting, needs_flush) = self.batch.take();
        let flushed = if needs_flush { self.batch.flush() } else { Ok(0) };
        match flushed {
            Ok(count) => {
                self.trees.count_flushes(count);
                self.batch.has_flushed(waiting);
                self.crew.flushed();
                self.release_all();
            }
            Err(error) => {
                self.fail_flush(&error);
                for whole in waiting {
                    self.refuse(whole, error.code);
                }
            }
        }
    }

    /// Gives what was flushed its names, beside other threads that do so.
    pub(super) fn release_all(&self) {
        while let Some(whole) = self.batch.take_flushed() {
            self.release(whole);
        }
    }

    fn release(&self, whole: Whole<'a>) {
        match whole {
            Whole::Directory(branch) => self.publish(&branch),
            Whole::File(publication, branch, fate) => {
                let (source, target) = (publication.source().clone(), publication.target().clone());
                let done = publication.publish().map(Done::Copied);
                let is_done = done.is_ok();
                self.trees.tell(&source, &target, done);
                if let (Some(fate), true) = (fate, is_done) {
                    self.trees.tell_fate(&target, fate);
                }
                self.file_ended(&branch);
            }
        }
    }

    fn file_ended(&self, branch: &Arc<Branch>) {
        if branch.file_ended() == Next::Complete {
            self.complete(branch);
        } else {
            self.rest(branch);
        }
    }

    /// Lets go of what may not be on the disk: it gets no name.
    fn refuse(&self, whole: Whole<'a>, code: i32) {
        let error = |target: &Endpoint| {
            let error = io::Error::from_raw_os_error(code);
            Err(Error::new(Operation::Flush, target, error))
        };
        match whole {
            Whole::Directory(branch) => {
                if let Some(staged) = branch.take_staged() {
                    staged.remove();
                }
                branch.abandon();
                let (source, target) = branch.endpoints();
                self.trees.tell(&source, &target, error(&target));
                if branch.after_filling() == Next::Complete {
                    self.complete(&branch);
                }
            }
            Whole::File(publication, branch, _) => {
                let (source, target) = (publication.source().clone(), publication.target().clone());
                drop(publication);
                self.trees.tell(&source, &target, error(&target));
                self.file_ended(&branch);
            }
        }
    }

    /// Brings the names and attributes of the whole tree to the disk; returns what a mirror may
    /// have to delete.
    pub(super) fn end(self) -> Option<Findings> {
        let options = self.trees.options;
        if options.flush == Flush::Sync && !options.is_dry_run() {
            match self.batch.flush() {
                Ok(count) => self.trees.count_flushes(count),
                Err(error) => self.fail_flush(&error),
            }
        }
        self.mirrored.and_then(Mirrored::end)
    }

    fn fail_flush(&self, error: &FlushError) {
        if let Some(directory) = &error.directory {
            self.trees.fail_flush(directory, io::Error::from_raw_os_error(error.code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_is_denied_counts_where_the_name_is_new() {
        let denied = || Err(io::Error::from(Errno::ACCESS));
        assert_eq!(needed(denied(), false).is_ok(), flush::TAKES_RIGHT_TO_WRITE);
        assert!(needed(denied(), true).is_err());
        for is_new in [false, true] {
            assert!(needed(Ok(()), is_new).is_ok());
            assert!(needed(Err(io::Error::from(Errno::IO)), is_new).is_err());
        }
    }
}
