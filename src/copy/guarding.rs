//! Locks that are held while segments are copied, so that a snapshot is of one moment.

use std::io;
use std::time::{Duration, Instant};

use crate::error::{Cause, Error, Operation, Result};
use crate::lock::{LockError, Permit, RecordLock, Semaphore, Sharing, Wait};
use crate::options::{Endpoint, Guarding, ObjectId, SegmentChoices, SegmentName, SemaphoreName};
use crate::report::{Event, Flow, Observer};
use crate::shm::{self, Access, Segment};
use crate::sys::Errno;
use crate::units::ByteRange;

/// Locks that are given up when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Guards {
    records: Vec<Record>,
    _semaphore: Option<Taken>,
}

/// A locked object.
#[derive(Debug)]
struct Record {
    name: SegmentName,
    id: Option<ObjectId>,
    _lock: RecordLock,
}

/// One of a semaphore.
#[derive(Debug)]
struct Taken(Semaphore);

impl Drop for Taken {
    fn drop(&mut self) {
        // Where the semaphore is gone there is nothing to give back to.
        drop(self.0.release());
    }
}

/// How long is waited before the observer is asked whether to go on.
const SLICE: Duration = Duration::from_millis(100);

/// Locks what the options say of these two.
pub(super) fn guard(
    choices: &SegmentChoices,
    observer: &dyn Observer,
    source: &Endpoint,
    target: &Endpoint,
) -> Result<Guards> {
    let patience = Patience { wait: choices.wait, started: Instant::now(), observer };
    let mut guards = Guards::default();
    match &choices.guarding {
        Guarding::No => {}
        Guarding::Record => {
            for (endpoint, sharing) in [(source, Sharing::Shared), (target, Sharing::Exclusive)] {
                if let Endpoint::Segment(name) = endpoint {
                    guards.records.extend(patience.record(name, endpoint, sharing)?);
                }
            }
        }
        Guarding::Semaphore(name) => {
            let segment = if let Endpoint::Segment(_) = source { source } else { target };
            if let Endpoint::Segment(_) = segment {
                guards._semaphore = Some(patience.semaphore(name, segment)?);
            }
        }
    }
    Ok(guards)
}

impl Guards {
    /// Makes sure that the names still lead to what is locked: what was copied is that, too.
    pub(super) fn check(&self) -> Result<()> {
        for Record { name, id, .. } in &self.records {
            if shm::status(name)?.object_id != *id {
                let endpoint = Endpoint::Segment(name.clone());
                return Err(Error::new(Operation::Lock, &endpoint, Cause::Replaced));
            }
        }
        Ok(())
    }
}

/// Whether a wait is cut into pieces, to ask the observer in between.
#[derive(Clone, Copy)]
enum Slice {
    /// The system has a queue, in which places are lost so; signals end the wait.
    None,
    Some,
}

struct Patience<'a> {
    wait: Wait,
    started: Instant,
    observer: &'a dyn Observer,
}

impl Patience<'_> {
    /// Locks all bytes of an object, if there is one.
    fn record(
        &self,
        name: &SegmentName,
        endpoint: &Endpoint,
        sharing: Sharing,
    ) -> Result<Option<Record>> {
        // Of System V segments also where one is yet to be made: others find it while it is filled.
        let unsupported = || {
            let why = match name {
                SegmentName::Section(_) => {
                    "sections have no bytes that could be locked: name a semaphore"
                }
                _ => "System V segments have no bytes that could be locked: name a semaphore",
            };
            Error::new(Operation::Lock, endpoint, Cause::Unsupported(why))
        };
        shm::reachable(Operation::Lock, endpoint)?;
        if let SegmentName::SystemV(_) | SegmentName::Section(_) = name {
            return Err(unsupported());
        }
        let access = match sharing {
            Sharing::Shared => Access::Read,
            Sharing::Exclusive => Access::ReadWrite,
        };
        let segment = match Segment::options().access(access).open(name) {
            // A target that is yet to be made.
            Err(error)
                if sharing == Sharing::Exclusive
                    && error.os_error().and_then(Errno::from_io_error) == Some(Errno::NOENT) =>
            {
                return Ok(None);
            }
            opened => opened?,
        };
        let id = segment.status()?.object_id;
        let file = segment.into_file().map_err(|_| unsupported())?;
        let slice = if self.wait == Wait::Forever { Slice::None } else { Slice::Some };
        let lock = self.until_had(endpoint, slice, |wait| {
            // As far as a file can reach, as lockf(3) does it.
            let all = ByteRange::first(i64::MAX.cast_unsigned());
            RecordLock::interruptible(&file, all, sharing, wait)
        })?;
        let record = Record { name: name.clone(), id, _lock: lock };
        Ok(Some(record))
    }

    fn semaphore(&self, name: &SemaphoreName, endpoint: &Endpoint) -> Result<Taken> {
        let refused = |error: LockError| {
            let text = match error {
                LockError::Os(error) => format!("semaphore {name}: {error}"),
                error => format!("semaphore {name}: {error}"),
            };
            Error::new(Operation::Lock, endpoint, io::Error::other(text))
        };
        let semaphore = Semaphore::open(name).map_err(refused)?;
        self.until_had(endpoint, Slice::Some, |wait| semaphore.acquire(wait).map(Permit::keep))?;
        Ok(Taken(semaphore))
    }

    /// Tries as long as the options and the observer like: again and again, or until a signal
    /// comes where it is not in slices.
    fn until_had<T>(
        &self,
        endpoint: &Endpoint,
        slice: Slice,
        mut lock: impl FnMut(Wait) -> Result<T, LockError>,
    ) -> Result<T> {
        loop {
            let rest = match self.wait {
                Wait::No => Duration::ZERO,
                Wait::For(time) => time.saturating_sub(self.started.elapsed()),
                Wait::Forever => Duration::MAX,
            };
            let wait = match slice {
                Slice::None => Wait::Forever,
                Slice::Some => Wait::For(rest.min(SLICE)),
            };
            let cause = match lock(wait) {
                Ok(locked) => return Ok(locked),
                Err(LockError::TimedOut) if rest <= SLICE => Cause::Busy { holder: None },
                Err(LockError::Os(error)) if error.kind() != io::ErrorKind::Interrupted => {
                    Cause::Os(error)
                }
                Err(LockError::TimedOut | LockError::Os(_)) => {
                    if self.observer.event(Event::Waiting) == Flow::Continue {
                        continue;
                    }
                    Cause::Stopped
                }
                Err(error) => Cause::Os(io::Error::other(error.to_string())),
            };
            return Err(Error::new(Operation::Lock, endpoint, cause));
        }
    }
}
