//! What differs between two objects: found through two maps, and stored.

use super::buffered::read_some;
use super::passes::{begin_reading, go_on_reading};
use super::{Before, Engine, Job, Lane, Outcome, ZEROS, Zeros, data_within, zeroed};
use crate::error::{Cause, Error, Operation, Result};
use crate::object::{Object, PAGE, early_end};
use crate::options::EngineName;
use crate::sys::map::{Access, Mapping};
use crate::units::ByteRange;

/// Compares the target with the source; a difference is [`Cause::Changed`], and ends the pass at
/// the place where it is.
///
/// A hole equals zeros.
pub(crate) struct Compare;

/// Stores what differs between the source and what the target holds; the rest stays as it is, so
/// that no page is dirtied, and no block written, for nothing.
///
/// Differences are stored by page.
pub(crate) struct Patch<'a> {
    /// What the target holds: the target itself, or what it is a clone of.
    base: &'a dyn Object,
    base_len: u64,
}

/// As much as is mapped at once, of each side by each thread. 1 GiB took two threads 0.25 s with
/// 2 MiB, 0.24 with 4, 0.22 with 8, and 0.20 with 16.
const BLOCK_BYTES: u64 = 8 << 20;

/// More threads than these wait for the memory.
const THREADS_MAX: usize = 8;

/// Below this reading is cheaper than mapping, and than looking for holes and reading ahead.
const MAPPED_BYTES_MIN: u64 = 1 << 20;

/// Bytes that are read at once for comparison where there are no maps: few first, since most files
/// that differ do so near their beginning.
const FIRST_READ_BYTES: u64 = 4 << 10;
const READ_BYTES: u64 = 256 << 10;

impl Engine for Compare {
    fn name(&self) -> EngineName {
        EngineName::Mmap
    }

    fn block_bytes(&self) -> u64 {
        BLOCK_BYTES
    }

    fn threads_max(&self) -> usize {
        THREADS_MAX
    }

    fn prepare(&self, job: &Job<'_>, range: ByteRange) -> Outcome {
        if range.len() >= MAPPED_BYTES_MIN {
            begin_reading(job.source, range);
            begin_reading(job.target, range);
        }
        Outcome::Done
    }

    fn copy_segment(&self, job: &Job<'_>, segment: ByteRange, lane: &mut Lane) -> Outcome {
        let is_small = segment.len() < MAPPED_BYTES_MIN;
        if !is_small {
            go_on_reading(job.source, segment);
            go_on_reading(job.target, segment);
        }
        let mut rest = segment;
        let failed = |at: u64, error| Outcome::Failed { copied: at - segment.start(), error };
        while !rest.is_empty() {
            let found = match is_small {
                true => Ok((rest, Data::Both)),
                false => next_stretch(job.source, job.target, rest),
            };
            let (stretch, data) = match found {
                Ok(found) => found,
                Err(error) => return failed(rest.start(), error),
            };
            let equal = match data {
                Data::Nowhere => Ok(stretch.len()),
                Data::Source => zeros_len(job.source, stretch, lane),
                Data::Target => zeros_len(job.target, stretch, lane),
                Data::Both => Pair::new(job.source, job.target, stretch).equal_len(stretch, lane),
            };
            match equal {
                Ok(len) if len == stretch.len() => rest = rest.skip(len),
                Ok(len) => {
                    let error = Error::new(Operation::Copy, job.source.endpoint(), Cause::Changed);
                    return failed(rest.start() + len, error);
                }
                Err(error) => return failed(rest.start(), error),
            }
        }
        Outcome::Done
    }
}

impl<'a> Patch<'a> {
    /// For a target that holds what `base` holds.
    pub(crate) fn new(base: &'a dyn Object) -> Result<Self> {
        Ok(Self { base, base_len: base.len()? })
    }

    /// How much of a range lies in the page that the base ends in, and behind its end: a map may
    /// have left bytes there that are zeros no more when the file grows (mmap(2)).
    fn tail_len(&self, range: ByteRange) -> u64 {
        let page_end = if PAGE.floor(self.base_len) == self.base_len {
            self.base_len
        } else {
            PAGE.next(self.base_len)
        };
        let is_behind = range.start() >= self.base_len;
        if is_behind { page_end.saturating_sub(range.start()).min(range.len()) } else { 0 }
    }

    /// Stores the pages of a stretch that differ from the base's.
    fn patch(&self, job: &Job<'_>, stretch: ByteRange, lane: &mut Lane) -> Result<()> {
        let pair = Pair::new(job.source, self.base, stretch);
        let mut rest = stretch;
        loop {
            rest = rest.skip(pair.equal_len(rest, lane)?);
            if rest.is_empty() {
                return Ok(());
            }
            let start = PAGE.floor(rest.start()).max(stretch.start());
            let mut end = PAGE.next(rest.start()).min(stretch.end());
            while end < stretch.end() {
                let page = ByteRange::between(end, PAGE.next(end).min(stretch.end()));
                if pair.equal_len(page, lane)? == page.len() {
                    break;
                }
                end = page.end();
            }
            store(job, ByteRange::between(start, end), lane)?;
            rest = ByteRange::between(end, stretch.end());
        }
    }
}

impl Engine for Patch<'_> {
    fn name(&self) -> EngineName {
        EngineName::Mmap
    }

    fn block_bytes(&self) -> u64 {
        BLOCK_BYTES
    }

    fn threads_max(&self) -> usize {
        THREADS_MAX
    }

    fn prepare(&self, job: &Job<'_>, range: ByteRange) -> Outcome {
        begin_reading(job.source, range);
        begin_reading(self.base, range);
        Outcome::Done
    }

    fn copy_segment(&self, job: &Job<'_>, segment: ByteRange, lane: &mut Lane) -> Outcome {
        go_on_reading(job.source, segment);
        go_on_reading(self.base, segment);
        let mut rest = segment;
        while !rest.is_empty() {
            let (in_base, _) = rest.split_at(self.base_len.saturating_sub(rest.start()));
            let data = match data_within(self.base, in_base) {
                Ok(data) => data,
                Err(error) => {
                    return Outcome::Failed { copied: rest.start() - segment.start(), error };
                }
            };
            // What lies before the data is a hole, and all of what lies behind the base's end.
            let data = data.unwrap_or(ByteRange::between(rest.end(), rest.end()));
            let hole = ByteRange::between(rest.start(), data.start());
            let (tail, hole) = hole.split_at(self.tail_len(hole));
            // Zeros are there already.
            let blank = Job { zeros: Zeros::Skip, before: Before::Blank, ..*job };
            let stored = store(job, tail, lane).and_then(|()| store(&blank, hole, lane));
            let stored = stored.and_then(|()| match data.is_empty() {
                true => Ok(()),
                false => self.patch(job, data, lane),
            });
            if let Err(error) = stored {
                return Outcome::Failed { copied: rest.start() - segment.start(), error };
            }
            rest = ByteRange::between(data.end(), segment.end());
        }
        Outcome::Done
    }
}

/// Stores a range of the source.
fn store(job: &Job<'_>, range: ByteRange, lane: &mut Lane) -> Result<()> {
    let mut rest = range;
    while !rest.is_empty() {
        let count = read_some(job.source, rest, lane)?;
        lane.deliver(job, rest.start(), count, |at, bytes| job.target.write_at(at, bytes))?;
        rest = rest.skip(count as u64);
    }
    Ok(())
}

/// Which of two objects have data in a stretch, and no hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    Nowhere,
    Source,
    Target,
    Both,
}

/// The stretch at the start of `rest` that is all data, or all a hole, on each side.
fn next_stretch(
    source: &dyn Object,
    target: &dyn Object,
    rest: ByteRange,
) -> Result<(ByteRange, Data)> {
    let (source_end, in_source) = next_edge(source, rest)?;
    let (target_end, in_target) = next_edge(target, rest)?;
    let data = match (in_source, in_target) {
        (true, true) => Data::Both,
        (true, false) => Data::Source,
        (false, true) => Data::Target,
        (false, false) => Data::Nowhere,
    };
    Ok((ByteRange::between(rest.start(), source_end.min(target_end)), data))
}

/// Where the data, or the hole, at the start of `rest` ends, and whether it is data.
fn next_edge(object: &dyn Object, rest: ByteRange) -> Result<(u64, bool)> {
    Ok(match data_within(object, rest)? {
        None => (rest.end(), false),
        Some(data) if data.start() > rest.start() => (data.start(), false),
        Some(data) => (data.end(), true),
    })
}

/// The number of zeros at the start of a range.
fn zeros_len(object: &dyn Object, range: ByteRange, lane: &mut Lane) -> Result<u64> {
    let mut rest = range;
    while !rest.is_empty() {
        let count = read_some(object, rest, lane)?;
        let blocks = lane.buffer[..count].chunks(ZEROS.len());
        for (number, block) in blocks.enumerate() {
            if *block != ZEROS[..block.len()] {
                let equal = equal_len(block, &ZEROS) + number * ZEROS.len();
                return Ok(rest.start() - range.start() + equal as u64);
            }
        }
        rest = rest.skip(count as u64);
    }
    Ok(range.len())
}

/// The number of equal bytes at the start of two slices; that of the shorter if it has no other.
fn equal_len(left: &[u8], right: &[u8]) -> usize {
    let differs = left.iter().zip(right).position(|(left, right)| left != right);
    differs.unwrap_or(left.len().min(right.len()))
}

/// A stretch of two objects, side by side.
struct Pair<'a> {
    left: &'a dyn Object,
    right: &'a dyn Object,
    stretch: ByteRange,
    /// Both of them, where they can be mapped and it pays.
    maps: Option<(Mapping, Mapping)>,
}

impl<'a> Pair<'a> {
    fn new(left: &'a dyn Object, right: &'a dyn Object, stretch: ByteRange) -> Self {
        let map = |object: &dyn Object| object.map(stretch, Access::Read).ok();
        let maps = (stretch.len() >= MAPPED_BYTES_MIN).then(|| map(left).zip(map(right))).flatten();
        Self { left, right, stretch, maps }
    }

    /// The number of equal bytes at the start of a range of the stretch.
    fn equal_len(&self, range: ByteRange, lane: &mut Lane) -> Result<u64> {
        let Some((left, right)) = &self.maps else { return self.equal_len_read(range, lane) };
        let mut rest = range;
        while !rest.is_empty() {
            let at = index(rest.start() - self.stretch.start());
            match Mapping::equal_len(left, at, right, at, index(rest.len())) {
                Ok(len) => return Ok(rest.start() - range.start() + len as u64),
                Err(fault) => {
                    // Reading tells what is the matter, if it is no better.
                    rest = rest.skip(fault.done as u64);
                    let page = ByteRange::between(rest.start(), PAGE.next(rest.start()));
                    let (page, _) = rest.split_at(page.len());
                    let equal = self.equal_len_read(page, lane)?;
                    rest = rest.skip(equal);
                    if equal < page.len() {
                        return Ok(rest.start() - range.start());
                    }
                }
            }
        }
        Ok(range.len())
    }

    /// The same, by reading both.
    fn equal_len_read(&self, range: ByteRange, lane: &mut Lane) -> Result<u64> {
        let mut other = Vec::new();
        let mut rest = range;
        let mut at_once = FIRST_READ_BYTES;
        while !rest.is_empty() {
            let (some, _) = rest.split_at(at_once);
            at_once = READ_BYTES;
            let mut count = read_some(self.left, some, lane)?;
            if other.len() < count {
                other = zeroed(count, self.right.endpoint())?;
                count = count.min(other.len());
            }
            let mut done = 0;
            while done < count {
                let at = some.skip(done as u64);
                match self.right.read_at(at.start(), &mut other[done..count])? {
                    0 => return Err(early_end(self.right, at)),
                    more => done += more,
                }
            }
            if lane.buffer[..count] != other[..count] {
                let equal = equal_len(&lane.buffer[..count], &other[..count]);
                return Ok(rest.start() - range.start() + equal as u64);
            }
            rest = rest.skip(count as u64);
        }
        Ok(range.len())
    }
}

/// An offset in a stretch, which is no longer than a block.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
