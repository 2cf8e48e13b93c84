//! `pread` and `pwrite` through a buffer: works everywhere, and never raises a signal.

use super::{Engine, Job, Lane, Outcome};
use crate::error::{Error, Result};
use crate::object::{Object, early_end};
use crate::options::EngineName;
use crate::units::ByteRange;

/// The engine.
pub(super) struct Buffered;

impl Engine for Buffered {
    fn name(&self) -> EngineName {
        EngineName::Buffered
    }

    fn block_bytes(&self) -> u64 {
        2 << 20
    }

    // A buffered write holds the target's inode lock, so that only the reading runs beside it.
    fn threads_max(&self) -> usize {
        2
    }

    fn copy_segment(&self, job: &Job<'_>, segment: ByteRange, lane: &mut Lane) -> Outcome {
        let mut rest = segment;
        while !rest.is_empty() {
            match copy_some(job, rest, lane) {
                Ok(count) => rest = rest.skip(count),
                Err(error) => {
                    return Outcome::Failed { copied: rest.start() - segment.start(), error };
                }
            }
        }
        Outcome::Done
    }
}

/// Copies what one read gives from the start of `rest`: more than nothing.
fn copy_some(job: &Job<'_>, rest: ByteRange, lane: &mut Lane) -> Result<u64> {
    let count = read_some(job.source, rest, lane)?;
    lane.deliver(job, rest.start(), count, |at, bytes| job.target.write_at(at, bytes))?;
    Ok(count as u64)
}

/// Fills the lane's buffer from the start of `rest`: with more than nothing.
pub(super) fn read_some(
    source: &dyn Object,
    rest: ByteRange,
    lane: &mut Lane,
) -> Result<usize, Error> {
    match source.read_at(rest.start(), lane.buffer(source, rest.len())?)? {
        0 => Err(early_end(source, rest)),
        count => Ok(count),
    }
}
