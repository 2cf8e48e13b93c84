//! A pass over an object that moves nothing: reading it for its hash.

use super::buffered::read_some;
use super::{Engine, Job, Lane, Outcome};
use crate::object::Object;
use crate::options::EngineName;
use crate::units::ByteRange;

/// Reads the source, for its hash.
pub(crate) struct ReadOnly;

/// As many bytes as a thread hashes at once.
const BLOCK_BYTES: u64 = 2 << 20;

/// How far ahead of the reading the device is kept busy. The kernel's own read-ahead is 128 KiB on
/// most devices, and takes two threads that share a descriptor for random access.
const AHEAD_BYTES: u64 = 16 << 20;

impl Engine for ReadOnly {
    fn name(&self) -> EngineName {
        EngineName::Buffered
    }

    fn block_bytes(&self) -> u64 {
        BLOCK_BYTES
    }

    fn threads_max(&self) -> usize {
        64
    }

    fn prepare(&self, job: &Job<'_>, range: ByteRange) -> Outcome {
        begin_reading(job.source, range);
        Outcome::Done
    }

    fn copy_segment(&self, job: &Job<'_>, segment: ByteRange, lane: &mut Lane) -> Outcome {
        go_on_reading(job.source, segment);
        let mut rest = segment;
        while !rest.is_empty() {
            let count = match read_some(job.source, rest, lane) {
                Ok(count) => count,
                Err(error) => {
                    return Outcome::Failed { copied: rest.start() - segment.start(), error };
                }
            };
            lane.hash_buffer(count);
            rest = rest.skip(count as u64);
        }
        Outcome::Done
    }
}

/// Has the begin of a range that will be read in order read into memory.
pub(super) fn begin_reading(object: &dyn Object, range: ByteRange) {
    object.read_ahead(range.split_at(AHEAD_BYTES).0);
}

/// The same for what comes some way behind a segment that is read now.
pub(super) fn go_on_reading(object: &dyn Object, segment: ByteRange) {
    let start = segment.start().saturating_add(AHEAD_BYTES);
    object.read_ahead(ByteRange::between(start, start.saturating_add(segment.len())));
}
