//! The source, held open, and whether it is still what it was.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use super::directory::Directory;
use super::segment::{self, Opened, SegmentObject};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::metadata::Named;
use crate::object::{FileObject, Object};
use crate::options::{Endpoint, ObjectId};
use crate::sys::file::{self, Facts, Kind};
use crate::sys::file_system::{self, FileSystem};
use crate::sys::names::{Follow, Spot};
use crate::sys::{space, streams};

/// An open source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) object: Box<dyn Object>,
    /// What it was when it was opened.
    pub(super) facts: Facts,
    pub(super) file_system: FileSystem,
    pub(super) shape: Shape,
    /// Whether it may change once more without its times changing.
    stamps: Stamps,
}

/// Where a source is found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin<'a> {
    /// Under the name that the user gave.
    Operand(&'a Endpoint),
    /// In a directory of a tree; `endpoint` is for messages only.
    Entry { directory: &'a Directory, name: &'a OsStr, endpoint: &'a Endpoint },
}

impl<'a> Origin<'a> {
    /// The name for messages.
    pub(crate) fn endpoint(self) -> &'a Endpoint {
        match self {
            Self::Operand(endpoint) | Self::Entry { endpoint, .. } => endpoint,
        }
    }

    /// Where it can be looked at and opened; nowhere for standard input.
    pub(crate) fn spot(self) -> Option<Spot<'a>> {
        match self {
            Self::Operand(endpoint) => endpoint.path().map(Spot::of_path),
            Self::Entry { directory, name, .. } => Some(Spot::within(directory, name)),
        }
    }
}

/// Whether a change of an object would show in its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamps {
    Tell,
    /// It was changed so shortly before they were looked at that another change can have the same
    /// ones: most kernels count in ticks of up to 10 ms.
    TooFresh,
}

/// Bytes that one read yields on any file system: no more than an engine's buffer takes.
const READ_AT_ONCE_MAX: u64 = 64 << 10;

/// Bytes that one call writes within [`WRITTEN_WITHIN`], on the slowest disk.
const QUICKLY_WRITTEN_MAX: u64 = 1 << 20;

const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// Twice the longest tick.
const FRESH: Duration = Duration::from_millis(20);

/// Longer than the steps of 2 s in which FAT keeps times.
const FRESH_WITHOUT_CHANGE: Duration = Duration::from_secs(4);

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
    /// Its length and modification time are the same, but that says too little: its change time
    /// differs, as after a change of its mode, or the clock of the times is too coarse, or somebody
    /// has it open whose writes set them late.
    Doubtful,
    /// It is longer, and has been written to.
    Longer,
    /// It was written to, or cut.
    Otherwise,
}

impl Source {
    /// Opens the source. A FIFO's writer is not waited for; a directory is refused.
    pub(super) fn open(origin: Origin<'_>, follow: Follow) -> Result<Self> {
        let endpoint = origin.endpoint();
        let file = match (origin.spot(), endpoint) {
            (Some(spot), _) => spot.open_for_reading(follow),
            (None, Endpoint::Segment(name)) => match segment::open_source(name)? {
                Opened::File(file) => Ok(file),
                Opened::Memory(memory, facts) => return Ok(Self::of_memory(memory, *facts)),
            },
            (None, _) => streams::standard_input(),
        }
        .context(Operation::Open, endpoint)?;
        let facts = file::facts(&file).context(Operation::Stat, endpoint)?;
        let file_system = match origin {
            Origin::Entry { directory, .. } if directory.facts.id.dev == facts.id.dev => {
                directory.file_system()
            }
            // Only choices depend on it.
            _ => file_system::of(&file).unwrap_or(FileSystem::Other),
        };
        let mut source = Self {
            object: Box::new(FileObject::new(file, endpoint)),
            facts,
            file_system,
            shape: Shape::Stream,
            stamps: stamps(&facts, file_system),
        };
        source.settle()?;
        Ok(source)
    }

    /// Memory that no file is behind. Its length cannot change, and stores into it leave no trace.
    fn of_memory(memory: SegmentObject, facts: Facts) -> Self {
        Self {
            object: Box::new(memory),
            facts,
            file_system: FileSystem::Memory,
            shape: Shape::Sized,
            stamps: Stamps::Tell,
        }
    }

    fn settle(&mut self) -> Result<()> {
        let endpoint = self.object.endpoint();
        let Some(handle) = self.object.file() else { return Ok(()) };
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
            Kind::BlockDevice | Kind::Segment => Shape::Sized,
            Kind::CharDevice | Kind::Pipe | Kind::Socket | Kind::Symlink => Shape::Stream,
        };
        self.await_writers()
    }

    /// A file of length 0 that has bytes all the same is made up by the system as it is read.
    fn shape_of_empty(&self) -> Result<Shape> {
        let stores_all = matches!(
            self.file_system,
            FileSystem::Ext | FileSystem::Xfs | FileSystem::Btrfs | FileSystem::Memory
        );
        if stores_all {
            return Ok(Shape::Sized);
        }
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
    /// the times after they were looked at. What is read in one go anyway needs no other read. And
    /// no write to a small file that has set the times a minute ago is still under way.
    pub(super) fn await_writers(&self) -> Result<()> {
        let is_empty = self.facts.len == 0;
        if self.shape != Shape::Sized || self.facts.kind != Kind::Regular || is_empty {
            return Ok(());
        }
        let is_old = || self.facts.age().is_some_and(|age| age > WRITTEN_WITHIN);
        if self.facts.len <= QUICKLY_WRITTEN_MAX && is_old() {
            return Ok(());
        }
        if self.file_system != FileSystem::Xfs {
            self.object.file().map(space::seek_data);
        }
        let seeking_does = matches!(self.file_system, FileSystem::Ext | FileSystem::Memory);
        if !seeking_does && self.facts.len > READ_AT_ONCE_MAX {
            self.object.read_at(0, &mut [0])?;
        }
        Ok(())
    }

    /// The same for a source that is mapped: loads from a map wait for nobody.
    pub(super) fn await_writers_of_map(&self) -> Result<()> {
        self.object.read_at(0, &mut [0]).map(drop)
    }

    /// The file behind it, for its extended attributes: memory has none.
    pub(super) fn named(&self) -> Option<Named<'_>> {
        let endpoint = self.object.endpoint();
        self.object.file().map(|file| Named { file, endpoint })
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
        if self.facts.len == 0 {
            // Nothing was read: its copy is what it was at one instant, when it was looked at.
            return Ok(Change::None);
        }
        let Some(handle) = self.object.file() else { return Ok(Change::None) };
        let now = file::facts(handle).context(Operation::Stat, self.object.endpoint())?;
        let was = self.facts;
        Ok(if now.len > was.len {
            Change::Longer
        } else if now.len != was.len || now.modified != was.modified {
            Change::Otherwise
        } else if now.changed != was.changed
            || self.stamps == Stamps::TooFresh
            || file::may_have_silent_writer(handle)
        {
            // The modification time can be put back; the change time cannot.
            Change::Doubtful
        } else {
            Change::None
        })
    }

    /// Looks at the source anew, to copy it again from the begin.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let Some(handle) = self.object.file() else { return Ok(()) };
        self.facts = file::facts(handle).context(Operation::Stat, self.object.endpoint())?;
        self.stamps = stamps(&self.facts, self.file_system);
        self.await_writers()
    }

    /// Takes a file whose length is not true as what it is: something that is read to its end.
    pub(super) fn become_stream(&mut self) -> Result<()> {
        self.shape = Shape::Stream;
        let Some(handle) = self.object.file() else { return Ok(()) };
        file::seek_to(handle, 0).context(Operation::Read, self.object.endpoint())
    }

    /// The length now, for a warning.
    pub(super) fn len_now(&self) -> Result<u64> {
        self.object.len()
    }
}

pub(super) fn stamps(facts: &Facts, file_system: FileSystem) -> Stamps {
    let fresh = if facts.tells_changes() { FRESH } else { FRESH_WITHOUT_CHANGE };
    if file_system::stamps_are_fine(file_system) || facts.age().is_some_and(|age| age > fresh) {
        Stamps::Tell
    } else {
        Stamps::TooFresh
    }
}

/// Whether the error is only that holes cannot be found.
pub(super) fn is_no_holes_known(error: &Error) -> bool {
    error.os_error().is_some_and(|error: &io::Error| crate::object::is_unsupported(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file::Timestamp;

    #[test]
    fn a_file_that_tells_no_change_is_fresh_for_longer_than_2_seconds() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(now.as_secs()).unwrap();
        for (age, expected) in [(-2, Stamps::TooFresh), (1, Stamps::TooFresh), (60, Stamps::Tell)] {
            let modified = Timestamp { seconds: seconds - age, nanoseconds: 0 };
            let facts = Facts { modified, changed: Timestamp::NEVER, ..Facts::example(1) };
            assert_eq!(stamps(&facts, FileSystem::Other), expected, "{age}");
        }
    }

    #[test]
    fn a_source_that_somebody_may_write_in_silence_is_doubtful() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source");
        std::fs::write(&path, b"old content").unwrap();
        std::thread::sleep(FRESH * 3);
        let endpoint = Endpoint::from(path.as_path());
        let source = Source::open(Origin::Operand(&endpoint), Follow::Yes).unwrap();
        assert_eq!(source.change().unwrap(), Change::None);
        let reader = std::fs::File::open(&path).unwrap();
        assert_eq!(source.change().unwrap(), Change::None);
        let writer = std::fs::File::options().write(true).open(&path).unwrap();
        // Elsewhere each write sets the times.
        let expected = if cfg!(windows) { Change::Doubtful } else { Change::None };
        assert_eq!(source.change().unwrap(), expected);
        drop((reader, writer));
        assert_eq!(source.change().unwrap(), Change::None);
    }
}
