//! Moves the bytes of an open source into an open target.

use super::delta::Base;
use super::directory::Directory;
use super::source::{Shape, Source};
use crate::digest::TreeHash;
use crate::engine::choose::{Choice, Circumstances, LARGE_BYTES_MIN, Side, choose};
use crate::engine::delta::Compare;
use crate::engine::drive::{self, Pass, Spare, Threads};
use crate::engine::passes::ReadOnly;
use crate::engine::stream::{Hashing, Stream};
use crate::engine::{self, Before, Engine, Holes, Job, Outcome, Zeros};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::lock;
use crate::object::Object;
use crate::options::{
    CopyOptions, Endpoint, EngineChoice, EngineName, Flush, Reflink, Sparse, Verify,
};
use crate::report::{Delta, DeltaInto, EngineUse, Event, Flow, Observer};
use crate::sys::Errno;
use crate::sys::file::{self, Kind};
use crate::sys::file_system::{self, FileSystem};
use crate::sys::map;
use crate::units::ByteRange;

/// What a transfer came to.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) len: u64,
    pub(super) holes: u64,
    pub(super) engines: Vec<EngineUse>,
    pub(super) passed_over: Vec<(EngineName, String)>,
    pub(super) write_outs: u64,
    pub(super) delta: Option<Delta>,
    pub(super) hash: Option<blake3::Hash>,
}

/// One attempt at moving the bytes.
#[derive(Clone, Copy)]
pub(super) struct Transfer<'a> {
    pub(super) options: &'a CopyOptions,
    pub(super) observer: &'a dyn Observer,
    pub(super) source: &'a Source,
    pub(super) target: &'a dyn Object,
    pub(super) target_kind: Kind,
    pub(super) before: Before,
    pub(super) base: Base<'a>,
    /// Threads that would be idle otherwise.
    pub(super) spare: Option<&'a dyn Spare>,
    /// The directory whose file system gets new blocks, to be asked for free space.
    pub(super) space: Option<&'a Directory>,
}

/// Files below this are written without asking for free space first: nothing is saved by failing
/// before so few bytes.
const SPACE_CHECK_BYTES_MIN: u64 = 1 << 20;

/// Files up to this get their length from the one write that fills them, a system call less.
const ONE_WRITE_BYTES_MAX: u64 = 64 << 10;

impl Transfer<'_> {
    /// Moves all bytes, and gives the target its length.
    pub(super) fn run(&self) -> Result<Moved> {
        if self.source.shape == Shape::Stream || !self.has_offsets() {
            self.stream()
        } else {
            self.sized()
        }
    }

    /// Whether the target can be written at any place, and so be written again.
    pub(super) fn has_offsets(&self) -> bool {
        // Standard output goes on where it stands, even if it is a file.
        *self.target.endpoint() != Endpoint::Standard
            && matches!(self.target_kind, Kind::Regular | Kind::BlockDevice | Kind::Segment)
    }

    /// The length of a target that has one which is never changed.
    fn fixed_len(&self) -> Result<Option<u64>> {
        match self.target_kind {
            Kind::Segment => self.target.len().map(Some),
            _ => Ok(None),
        }
    }

    /// Whether the report has a hash.
    pub(super) fn wants_hash(&self) -> bool {
        self.options.hash || self.options.verify != Verify::No
    }

    fn stream(&self) -> Result<Moved> {
        const WHY: &str = "one side has no length or no offsets";
        let named = match (self.options.engine, self.options.reflink) {
            (EngineChoice::Only(engine), _) => Some(engine),
            (EngineChoice::Auto, Reflink::Always) => Some(EngineName::Reflink),
            (EngineChoice::Auto, Reflink::Auto | Reflink::Never) => None,
        };
        if let Some(engine) = named.filter(|engine| *engine != EngineName::Buffered) {
            return Err(self.refused(engine, WHY.to_owned()));
        }
        let len = (self.source.shape == Shape::Sized).then_some(self.source.facts.len);
        self.started(len)?;
        let is_file =
            self.target_kind == Kind::Regular && *self.target.endpoint() != Endpoint::Standard;
        let skips_zeros = is_file && self.options.sparse == Sparse::Always;
        if skips_zeros {
            self.allow_holes()?;
        }
        let streamed = Stream {
            source: self.source.object.as_ref(),
            len,
            target: self.target,
            room: self.fixed_len()?,
            zeros: if skips_zeros { Zeros::Skip } else { Zeros::Store },
            before: self.before,
            // What was sent cannot be read again to compare it with a source that grew.
            hashing: if self.wants_hash() || len.is_some() { Hashing::Yes } else { Hashing::No },
            observer: self.observer,
        }
        .copy()?;
        if is_file && (self.before == Before::Content || skips_zeros) {
            self.target.set_len(streamed.len)?;
        }
        let write_out = is_file && self.options.flush == Flush::Async;
        if write_out {
            self.target.start_write_out(ByteRange::first(streamed.len))?;
        }
        Ok(Moved {
            len: streamed.len,
            holes: streamed.holes,
            hash: streamed.hash,
            write_outs: u64::from(write_out),
            engines: vec![EngineUse {
                engine: EngineName::Buffered,
                bytes: streamed.len - streamed.holes,
                threads: 1,
                why: WHY.to_owned(),
                stopped: None,
            }],
            ..Moved::default()
        })
    }

    fn sized(&self) -> Result<Moved> {
        let len = self.source.facts.len;
        if !matches!(self.base, Base::Clone { equal: 1.., .. } | Base::Own { equal: 1.., .. }) {
            self.started(Some(len))?;
        }
        let whole = ByteRange::first(len);
        let tree = self.wants_hash().then(|| TreeHash::new(len));
        let (holes, zeros) = self.holes()?;
        if (holes, zeros) != (Holes::Ignore, Zeros::Store) {
            self.allow_holes()?;
        }
        let job = Job {
            source: self.source.object.as_ref(),
            target: self.target,
            holes,
            zeros,
            before: self.before,
            hash: tree.as_ref(),
            // What is read back from the medium has to be there first.
            flush: match self.options.verify {
                Verify::Medium => self.options.flush.max(Flush::Async),
                Verify::No | Verify::Cache => self.options.flush,
            },
            observer: self.observer,
        };
        let mut moved = Moved { len, ..Moved::default() };
        match self.base {
            Base::None if whole.is_empty() => {}
            Base::None => self.climb(&job, whole, &mut moved)?,
            Base::Itself => self.patch_itself(&job, &mut moved)?,
            Base::Clone { of, equal, .. } => {
                self.patch(&job, (of, equal), DeltaInto::Clone, &mut moved)?;
            }
            Base::Own { equal, into } => {
                self.patch(&job, (self.target, equal), into, &mut moved)?;
            }
        }
        // An existing target may have been longer; a block device has the length that it has.
        if self.target_kind == Kind::Regular && self.before == Before::Content {
            self.target.set_len(len)?;
        }
        if let Some(tree) = &tree {
            moved.hash = tree.finish();
        }
        Ok(moved)
    }

    /// Tries one engine after the other, each from where the one before stopped.
    fn climb(&self, job: &Job<'_>, whole: ByteRange, moved: &mut Moved) -> Result<()> {
        let mut rest = whole;
        let mut room_made = false;
        for Choice { engine: name, why } in choose(self.options, self.circumstances()?) {
            let engine = engine::by_name(name);
            if let Some(tree) = job.hash {
                tree.forget_early();
            }
            let pass = match engine.probe(job) {
                Outcome::Done => {
                    if name == EngineName::Mmap {
                        self.source.await_writers_of_map()?;
                    }
                    if name != EngineName::Reflink && !room_made {
                        self.make_room(name, job)?;
                        room_made = true;
                    }
                    self.pass(engine, job, rest)
                }
                outcome => Pass::ended(outcome),
            };
            moved.holes += pass.holes;
            moved.write_outs += pass.write_outs;
            let stopped = match pass.outcome {
                Outcome::Done => None,
                Outcome::Failed { error, .. } => return Err(error),
                Outcome::Unsupported { copied, ref why } => {
                    rest = rest.skip(copied);
                    Some(why.clone())
                }
            };
            match (&stopped, pass.moved) {
                (Some(why), 0) => moved.passed_over.push((name, why.clone())),
                _ => moved.engines.push(EngineUse {
                    engine: name,
                    bytes: pass.moved,
                    threads: pass.threads,
                    why: why.to_owned(),
                    stopped: stopped.clone(),
                }),
            }
            match stopped {
                None => return Ok(()),
                Some(why) if self.options.engine == EngineChoice::Only(name) => {
                    return Err(self.refused(name, why));
                }
                Some(_) => {}
            }
        }
        let why = match moved.passed_over.last() {
            Some((_, why)) => why.clone(),
            None => "no engine could go on".to_owned(),
        };
        Err(self.refused(EngineName::Reflink, why))
    }

    /// Reads a range of the source, for its hash.
    pub(super) fn read_for_hash(&self, job: &Job<'_>, range: ByteRange) -> Outcome {
        if range.is_empty() {
            return Outcome::Done;
        }
        let silent = Renamed { observer: self.observer, rename: |_| Event::Waiting };
        let reading = Job { flush: Flush::None, observer: &silent, ..*job };
        drive::run(&ReadOnly, &reading, range, self.threads()).outcome
    }

    fn pass(&self, engine: &dyn Engine, job: &Job<'_>, rest: ByteRange) -> Pass {
        if engine.name() != EngineName::Reflink {
            return drive::run(engine, job, rest, self.threads());
        }
        // A clone takes the holes with it, and is hashed by reading.
        let whole = Job { holes: Holes::Ignore, hash: None, flush: Flush::None, ..*job };
        let mut pass = drive::run(engine, &whole, rest, Threads::Own(None));
        if job.hash.is_some() && matches!(pass.outcome, Outcome::Done) {
            pass.outcome = self.read_for_hash(job, rest);
        }
        pass
    }

    /// Gives the target its length, so that it can be mapped and written at any place, and makes
    /// sure that there is space.
    fn make_room(&self, engine: EngineName, job: &Job<'_>) -> Result<()> {
        let facts = &self.source.facts;
        if let Some(directory) = self.space
            && facts.len >= SPACE_CHECK_BYTES_MIN
        {
            let needed = match self.options.sparse {
                Sparse::Auto => facts.allocated.min(facts.len),
                Sparse::Never => facts.len,
                Sparse::Always => 0,
            };
            let endpoint = self.target.endpoint();
            // Where it cannot be asked, or the file system compresses, the writes tell.
            let sure = matches!(
                self.target_file_system(),
                FileSystem::Ext | FileSystem::Xfs | FileSystem::Memory
            );
            let free = lock::free_bytes(directory.reachable_path()).ok().flatten().filter(|_| sure);
            if let Some(available) = free.filter(|available| *available < needed) {
                let cause = Cause::NoSpace { needed, available };
                return Err(Error::new(Operation::Reserve, endpoint, cause));
            }
        }
        // A small file gets its length from its one write.
        let one_write = facts.len <= ONE_WRITE_BYTES_MAX
            && matches!(engine, EngineName::Buffered | EngineName::Kernel)
            && (job.before, job.holes, job.zeros) == (Before::Blank, Holes::Ignore, Zeros::Store);
        if self.target_kind != Kind::Regular {
            return Ok(());
        }
        self.check_len(facts.len)?;
        let is_longer = self.before == Before::Content && self.target.len()? >= facts.len;
        if !is_longer && !one_write {
            self.target.set_len(facts.len)?;
        }
        Ok(())
    }

    /// Fails where a file may not be so long. A library user may have left SIGXFSZ as it is, which
    /// ends the process.
    pub(super) fn check_len(&self, len: u64) -> Result<()> {
        let len_max = self.space.map_or_else(file::len_max, Directory::file_len_max);
        if len > len_max {
            let error = std::io::Error::from(Errno::FBIG);
            return Err(Error::new(Operation::SetLen, self.target.endpoint(), error));
        }
        Ok(())
    }

    fn circumstances(&self) -> Result<Circumstances> {
        let file_system = self.target_file_system();
        let target_device = match self.space {
            Some(directory) => Some(directory.id().dev),
            None => {
                let facts = self.target.file().map(file::facts).transpose();
                facts.context(Operation::Stat, self.target.endpoint())?.map(|facts| facts.id.dev)
            }
        };
        Ok(Circumstances {
            len: self.source.facts.len,
            source: Side {
                file_system: self.source.file_system,
                regular: self.source.facts.kind == Kind::Regular,
                memory: self.source.object.file().is_none(),
            },
            target: Side {
                file_system,
                // A POSIX segment is one.
                regular: matches!(self.target_kind, Kind::Regular | Kind::Segment),
                memory: self.target.file().is_none(),
            },
            same_device: target_device == Some(self.source.id().dev),
            threads: if self.source.facts.len < LARGE_BYTES_MIN { 1 } else { self.threads().now() },
            target_blank: self.before == Before::Blank,
            stores_are_flushed: map::MUST_FLUSH_STORES,
        })
    }

    pub(super) fn threads(&self) -> Threads<'_> {
        match self.spare {
            Some(spare) => Threads::Spare(spare),
            None => Threads::Own(self.options.threads),
        }
    }

    fn target_file_system(&self) -> FileSystem {
        match self.space {
            Some(directory) => directory.file_system(),
            // Only a choice depends on it.
            None => match self.target.file() {
                Some(file) => file_system::of(file).unwrap_or(FileSystem::Other),
                None => FileSystem::Memory,
            },
        }
    }

    pub(super) fn started(&self, len: Option<u64>) -> Result<()> {
        match self.observer.event(Event::Started { len }) {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(drive::stopped(self.target)),
        }
    }

    pub(super) fn refused(&self, engine: EngineName, reason: String) -> Error {
        let cause = match self.options.reflink {
            Reflink::Always => Cause::Engine { engine: EngineName::Reflink, reason },
            _ => Cause::Engine { engine, reason },
        };
        Error::new(Operation::Copy, self.source.object.endpoint(), cause)
    }

    /// Whether what was moved equals the source's first bytes as they are now.
    pub(super) fn equals_source(&self, moved: &Moved) -> Result<bool> {
        if !self.has_offsets() {
            return match self.hash_of_source(moved.len) {
                Ok(found) => Ok(found.is_some() && found == moved.hash),
                Err(error) if matches!(error.cause, Cause::Shrank { .. }) => Ok(false),
                Err(error) => Err(error),
            };
        }
        let silent = Renamed { observer: self.observer, rename: |_| Event::Waiting };
        let job = self.plain_job(self.source.object.as_ref(), self.target, &silent);
        let whole = ByteRange::first(moved.len);
        match drive::run(&Compare, &job, whole, self.threads()).outcome {
            Outcome::Done => Ok(true),
            Outcome::Failed { error, .. } => match error.cause {
                Cause::Changed | Cause::Shrank { .. } => Ok(false),
                // A target that may be written, but not read.
                Cause::Os(os) if Errno::from_io_error(&os) == Some(Errno::BADF) => Ok(false),
                _ => Err(error),
            },
            Outcome::Unsupported { .. } => Ok(false),
        }
    }

    /// The hash of the target's first `len` bytes, read anew from what has them.
    pub(super) fn read_back(&self, from: &dyn Object, len: u64) -> Result<Option<blake3::Hash>> {
        let observer = Renamed { observer: self.observer, rename: as_read_back };
        self.hash_of(from, len, &observer)
    }

    /// The hash of the source's first `len` bytes.
    pub(super) fn hash_of_source(&self, len: u64) -> Result<Option<blake3::Hash>> {
        let silent = Renamed { observer: self.observer, rename: |_| Event::Waiting };
        self.hash_of(self.source.object.as_ref(), len, &silent)
    }

    fn hash_of(
        &self,
        object: &dyn Object,
        len: u64,
        observer: &dyn Observer,
    ) -> Result<Option<blake3::Hash>> {
        let tree = TreeHash::new(len);
        let job = Job { hash: Some(&tree), ..self.plain_job(object, object, observer) };
        if len > 0 {
            let whole = ByteRange::first(len);
            match drive::run(&ReadOnly, &job, whole, self.threads()).outcome {
                Outcome::Done => {}
                Outcome::Failed { error, .. } => return Err(error),
                Outcome::Unsupported { .. } => return Ok(None),
            }
        }
        Ok(tree.finish())
    }

    pub(super) fn plain_job<'b>(
        &self,
        source: &'b dyn Object,
        target: &'b dyn Object,
        observer: &'b dyn Observer,
    ) -> Job<'b> {
        Job {
            source,
            target,
            holes: Holes::Ignore,
            zeros: Zeros::Store,
            before: Before::Content,
            hash: None,
            flush: Flush::None,
            observer,
        }
    }
}

fn as_read_back(event: Event) -> Event {
    match event {
        Event::Copied { bytes } => Event::ReadBack { bytes },
        other => other,
    }
}

/// Tells the observer of one pass in the terms of another.
struct Renamed<'a> {
    observer: &'a dyn Observer,
    rename: fn(Event) -> Event,
}

impl Observer for Renamed<'_> {
    fn event(&self, event: Event) -> Flow {
        self.observer.event((self.rename)(event))
    }
}

/// Whether the pages of the target can be dropped, so that reading it back reads the medium.
pub(super) fn has_medium(file_system: FileSystem) -> bool {
    file_system != FileSystem::Memory
}
