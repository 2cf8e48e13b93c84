//! The source, held open, and whether it is still what it was.

use std::io;

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::object::{FileObject, Object};
use crate::options::{Endpoint, ObjectId};
use crate::sys::file::{self, Facts, Kind};
use crate::sys::platform::{self, FileSystem};

/// An open source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) object: FileObject,
    /// What it was when it was opened.
    pub(super) facts: Facts,
    pub(super) file_system: FileSystem,
    pub(super) shape: Shape,
}

/// How the bytes of a source are got at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// At offsets, up to a length that is known.
    Sized,
    /// One after the other, up to an end that shows itself.
    Stream,
}

/// What became of a source while it was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// It is longer, and has been written to.
    Longer,
    /// It was written to, or cut.
    Otherwise,
}

impl Source {
    /// Opens the source. A FIFO's writer is not waited for; a directory is refused.
    pub(super) fn open(endpoint: &Endpoint) -> Result<Self> {
        let file = match endpoint {
            Endpoint::File(path) => file::open_for_reading(path),
            Endpoint::Standard => file::standard_input(),
        }
        .context(Operation::Open, endpoint)?;
        let facts = file::facts(&file).context(Operation::Stat, endpoint)?;
        let file_system = platform::file_system(&file).context(Operation::Stat, endpoint)?;
        let mut source = Self {
            object: FileObject::new(file, endpoint),
            facts,
            file_system,
            shape: Shape::Stream,
        };
        source.settle()?;
        Ok(source)
    }

    fn settle(&mut self) -> Result<()> {
        let endpoint = self.object.endpoint();
        let handle = self.object.handle();
        if self.facts.kind != Kind::Regular && matches!(endpoint, Endpoint::File(_)) {
            file::set_blocking(handle).context(Operation::Open, endpoint)?;
        }
        self.shape = match self.facts.kind {
            Kind::Directory => {
                return Err(Error::new(Operation::Copy, endpoint, Cause::IsDirectory));
            }
            // Standard input counts from where it stands, which need not be the begin.
            _ if *endpoint == Endpoint::Standard => Shape::Stream,
            Kind::Regular if self.file_system == FileSystem::Pseudo => Shape::Stream,
            Kind::Regular if self.facts.len == 0 => self.shape_of_empty()?,
            Kind::Regular => Shape::Sized,
            Kind::BlockDevice => {
                self.facts.len = file::device_len(handle).context(Operation::Stat, endpoint)?;
                Shape::Sized
            }
            Kind::CharDevice | Kind::Pipe | Kind::Symlink => Shape::Stream,
        };
        self.await_writers()
    }

    /// A file of length 0 that has bytes all the same is made up by the system as it is read.
    fn shape_of_empty(&self) -> Result<Shape> {
        let mut byte = [0];
        if self.object.read_at(0, &mut byte)? == 0 {
            return Ok(Shape::Sized);
        }
        // Or it has just grown: then it has a length now.
        Ok(if self.object.len()? == 0 { Shape::Stream } else { Shape::Sized })
    }

    /// Waits for a write that is under way, so that [`change`](Self::change) notices it.
    ///
    /// A write sets the times first and stores the bytes then, holding the inode's lock. One that
    /// had set the times before they were looked at would go unnoticed; so that lock is waited
    /// for: `SEEK_DATA` takes it on ext4 and tmpfs, a read on XFS. Whoever writes after this sets
    /// the times after they were looked at.
    pub(super) fn await_writers(&self) -> Result<()> {
        if self.shape != Shape::Sized || self.facts.kind != Kind::Regular {
            return Ok(());
        }
        if self.facts.len > 0 {
            // Not knowing holes is no failure here.
            drop(platform::next_data(self.object.handle(), 0));
            self.object.read_at(0, &mut [0])?;
        }
        Ok(())
    }

    /// The identity of the source.
    pub(super) fn id(&self) -> ObjectId {
        self.facts.id
    }

    /// Compares the source with what it was when it was opened.
    pub(super) fn change(&self) -> Result<Change> {
        if self.shape != Shape::Sized || self.facts.kind != Kind::Regular {
            return Ok(Change::None);
        }
        let endpoint = self.object.endpoint();
        let now = file::facts(self.object.handle()).context(Operation::Stat, endpoint)?;
        let was = self.facts;
        // The change time too: the modification time can be put back. It also changes with the
        // mode, the owner and the number of links, which are no change of content, but a copy
        // more of such a file does no harm.
        let same_times = now.modified == was.modified && now.changed == was.changed;
        Ok(if now.len == was.len && same_times {
            Change::None
        } else if now.len > was.len {
            Change::Longer
        } else {
            Change::Otherwise
        })
    }

    /// Looks at the source anew, to copy it again from the begin.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let endpoint = self.object.endpoint();
        self.facts = file::facts(self.object.handle()).context(Operation::Stat, endpoint)?;
        self.await_writers()
    }

    /// The length now, for a warning.
    pub(super) fn len_now(&self) -> Result<u64> {
        self.object.len()
    }
}

/// Whether the error is only that holes cannot be found.
pub(super) fn is_no_holes_known(error: &Error) -> bool {
    error.os_error().is_some_and(|error: &io::Error| crate::object::is_unsupported(error))
}
