//! Both sides mapped: bytes move by memcpy from one map to the other.
//!
//! The target's pages are stored without its inode's lock, so that threads add up where buffered
//! writes queue. Each thread maps one block of both sides, copies and unmaps, so that what is
//! resident is bounded by construction.

use super::{Engine, Holes, Job, Lane, Outcome, Zeros};
use crate::error::{Cause, Error, Operation};
use crate::object::{Object, PAGE, is_unsupported};
use crate::options::EngineName;
use crate::sys::Errno;
use crate::sys::map::{self, Access, Advice, Fault, Mapping, Side, cause_of_fault};
use crate::units::ByteRange;

/// The engine.
pub(super) struct Mapped;

/// Bytes of a window. ext4 and XFS keep the target's pages in folios of up to 2 MiB, and a window
/// that covers one, at its alignment, is faulted in by one huge entry; smaller or shifted windows
/// take 512 faults a folio and are ten times slower.
const WINDOW_BYTES: u64 = 2 << 20;

impl Engine for Mapped {
    fn name(&self) -> EngineName {
        EngineName::Mmap
    }

    fn block_bytes(&self) -> u64 {
        WINDOW_BYTES
    }

    // What is resident is two windows a thread: 64 MiB at most.
    fn threads_max(&self) -> usize {
        16
    }

    fn probe(&self, job: &Job<'_>) -> Outcome {
        if !map::REACHES_PAST_END && job.target.len().is_ok_and(|len| len == 0) {
            // Nothing can be tried before there is a byte.
            return Outcome::Done;
        }
        match Maps::new(job, ByteRange::first(1)) {
            Ok(_) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    fn prepare(&self, job: &Job<'_>, range: ByteRange) -> Outcome {
        match job.holes {
            Holes::Ignore if job.zeros == Zeros::Store => reserve(job, range),
            _ => Outcome::Done,
        }
    }

    fn copy_segment(&self, job: &Job<'_>, segment: ByteRange, lane: &mut Lane) -> Outcome {
        if job.holes == Holes::Seek && job.zeros == Zeros::Store {
            match reserve(job, segment) {
                Outcome::Done => {}
                other => return other,
            }
        }
        let maps = match Maps::new(job, segment) {
            Ok(maps) => maps,
            Err(outcome) => return outcome,
        };
        let copied = if lane.must_see(job) {
            maps.copy_seen(job, lane)
        } else {
            maps.copy_unseen(job, lane)
        };
        match (maps.flush_stores(job), copied) {
            (Ok(()), copied) | (Err(_), copied @ Outcome::Failed { .. }) => copied,
            (Err(error), _) => Outcome::failed(error),
        }
    }
}

/// Makes blocks for the range, so that a full disk is an error number and not a signal.
fn reserve(job: &Job<'_>, range: ByteRange) -> Outcome {
    // In an existing target the blocks are there already, or the store into a hole makes them.
    match job.target.reserve(range) {
        Ok(()) => Outcome::Done,
        // The stores make the blocks then. The guard turns what they raise into an error, and where
        // they raise nothing their flush fails (`Maps::flush_stores`).
        Err(error) if error.os_error().is_some_and(is_unsupported) => Outcome::Done,
        Err(error) => Outcome::failed(error),
    }
}

/// The size of the target's folios.
fn folios(job: &Job<'_>) -> Advice {
    if job.holes == Holes::Ignore && job.zeros == Zeros::Store {
        // As large as can be. Else the kernel begins with small ones and works its way up: 2,900
        // faults for the first 16 MiB, 390 with this.
        Advice::HugePages
    } else {
        // Single pages. A store makes blocks for the whole folio, holes included.
        Advice::Random
    }
}

/// Does it again if it fails at first: of a file system that is all but full, a page that could not
/// be had may be had a moment later, and nobody could say then why it failed.
fn twice<T>(action: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    action().or_else(|_| action())
}

/// One segment of both sides, mapped.
struct Maps {
    segment: ByteRange,
    source: Mapping,
    target: Mapping,
}

impl Maps {
    fn new(job: &Job<'_>, segment: ByteRange) -> Result<Self, Outcome> {
        let map = |object: &dyn Object, access| {
            object.map(segment, access).map_err(|error| match error.os_error() {
                // ENODEV: a file system without maps; EACCES: one without shared writable ones,
                // or a handle that is not open for reading; EINVAL: the same, elsewhere.
                Some(os)
                    if is_unsupported(os) || Errno::from_io_error(os) == Some(Errno::ACCESS) =>
                {
                    Outcome::cannot(format!("{} cannot be mapped: {os}", object.endpoint()))
                }
                // Address space or the number of maps is used up.
                Some(os) if os.kind() == std::io::ErrorKind::OutOfMemory => {
                    Outcome::cannot(format!("{} cannot be mapped now: {os}", object.endpoint()))
                }
                _ => Outcome::failed(error),
            })
        };
        let source = map(job.source, Access::Read)?;
        let target = map(job.target, Access::ReadWrite)?;
        // A hint: where it is not known, it is slower or denser, not wrong.
        drop(target.advise(0..target.len(), folios(job)));
        Ok(Self { segment, source, target })
    }

    /// From map to map.
    fn copy_unseen(&self, job: &Job<'_>, lane: &mut Lane) -> Outcome {
        let len = self.source.len();
        let copy = || Mapping::copy_between(&self.source, 0, &self.target, 0, len);
        match twice(copy) {
            Ok(()) => {
                lane.moved += len as u64;
                Outcome::Done
            }
            Err(fault) => self.explain(job, 0, &fault),
        }
    }

    /// Through the lane's buffer, so that what is hashed is what is stored, whatever happens to
    /// the source meanwhile.
    fn copy_seen(&self, job: &Job<'_>, lane: &mut Lane) -> Outcome {
        let mut rest = self.segment;
        while !rest.is_empty() {
            let at = self.index(rest.start());
            let buffer = match lane.buffer(job.source, rest.len()) {
                Ok(buffer) => buffer,
                Err(error) => return Outcome::Failed { copied: at as u64, error },
            };
            let len = buffer.len();
            if let Err(fault) = self.source.read_at(at, buffer) {
                return self.explain(job, at, &fault);
            }
            let mut fault = None;
            let stored = lane.deliver(job, rest.start(), len, |offset, bytes| {
                let write = || self.target.write_at(self.index(offset), bytes);
                twice(write).map_err(|found| {
                    let error =
                        Error::new(Operation::Write, job.target.endpoint(), Cause::Inaccessible);
                    fault = Some((self.index(offset), found));
                    error
                })
            });
            if let Some((at, fault)) = fault {
                return self.explain(job, at, &fault);
            }
            if let Err(error) = stored {
                return Outcome::Failed { copied: rest.start() - self.segment.start(), error };
            }
            rest = rest.skip(len as u64);
        }
        Outcome::Done
    }

    /// Writes out what was stored, where that must not be left for later.
    fn flush_stores(&self, job: &Job<'_>) -> Result<(), Error> {
        // Memory is written nowhere.
        if job.target.file().is_none() {
            return Ok(());
        }
        let failed = |error| Error::new(Operation::Write, job.target.endpoint(), error);
        self.target.flush_stores().map_err(|error| failed(error).at(self.segment))
    }

    /// Where `offset` of the object is in the maps.
    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset - self.segment.start()).unwrap_or(usize::MAX)
    }

    /// What a fault means, that happened in a copy that began at index `begin` of the maps.
    fn explain(&self, job: &Job<'_>, begin: usize, fault: &Fault) -> Outcome {
        let copied = (begin + fault.done) as u64;
        let (object, operation) = match fault.side {
            Side::Source => (job.source, Operation::Read),
            Side::Target => (job.target, Operation::Write),
        };
        let at = self.segment.start() + fault.at as u64;
        // The hardware tells the page.
        let page_end = PAGE.next(at).min(self.segment.end());
        let bytes = ByteRange::between(at, page_end);
        let Some(file) = object.file() else {
            let error = Error::new(operation, object.endpoint(), Cause::Inaccessible).at(bytes);
            return Outcome::Failed { copied, error };
        };
        match cause_of_fault(file, at, fault) {
            // The system can read or write the place otherwise: let another engine do so.
            Cause::Inaccessible => Outcome::Unsupported {
                copied,
                why: format!("the map of {} failed at byte {at}", object.endpoint()),
            },
            cause => {
                let error = Error::new(operation, object.endpoint(), cause).at(bytes);
                Outcome::Failed { copied, error }
            }
        }
    }
}
