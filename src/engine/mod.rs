//! Copies one range one way, or says why it cannot.
//!
//! An [`Engine`] copies a segment; [`drive`] cuts a range into blocks, hands them to threads,
//! keeps holes and hashes. [`choose`] says which engines to try, in which order.

pub(crate) mod choose;
pub(crate) mod delta;
pub(crate) mod drive;
pub(crate) mod passes;
pub(crate) mod stream;

mod buffered;
mod kernel;
mod mapped;
mod reflink;

pub(crate) use reflink::means_unsupported;

#[cfg(test)]
mod tests;

use std::cell::Cell;

use crate::digest::TreeHash;
use crate::error::{Error, Operation, Result};
use crate::object::{Object, is_unsupported};
use crate::options::{Endpoint, EngineName, Flush};
use crate::report::Observer;
use crate::units::ByteRange;

/// How the copy of a range ended.
///
/// "Done" has no count, so that a short copy cannot pass for a whole one.
#[derive(Debug)]
#[must_use]
pub(crate) enum Outcome {
    /// All of it.
    Done,
    /// This engine cannot go on; another may, behind the first `copied` bytes.
    Unsupported { copied: u64, why: String },
    /// It failed behind the first `copied` bytes, and would with any engine.
    Failed { copied: u64, error: Error },
}

impl Outcome {
    /// The outcome of an engine that cannot even begin.
    fn cannot(why: impl Into<String>) -> Self {
        Self::Unsupported { copied: 0, why: why.into() }
    }

    /// A failure before the first byte.
    fn failed(error: Error) -> Self {
        Self::Failed { copied: 0, error }
    }
}

/// One way to copy.
pub(crate) trait Engine: Sync {
    /// Its name.
    fn name(&self) -> EngineName;

    /// The largest piece that it is given at once, a power of two.
    fn block_bytes(&self) -> u64;

    /// The most threads that are of use.
    fn threads_max(&self) -> usize;

    /// Finds out whether it can do anything with these two, without changing the target.
    fn probe(&self, job: &Job<'_>) -> Outcome {
        let _ = job;
        Outcome::Done
    }

    /// Makes the target ready for `range` of the source.
    fn prepare(&self, job: &Job<'_>, range: ByteRange) -> Outcome {
        let _ = (job, range);
        Outcome::Done
    }

    /// Copies a segment that is not empty and lies in one block.
    fn copy_segment(&self, job: &Job<'_>, segment: ByteRange, lane: &mut Lane) -> Outcome;
}

/// The engine of that name.
pub(crate) fn by_name(name: EngineName) -> &'static dyn Engine {
    match name {
        EngineName::Mmap => &mapped::Mapped,
        EngineName::Reflink => &reflink::Reflink,
        EngineName::Kernel => &kernel::Kernel,
        EngineName::Buffered => &buffered::Buffered,
    }
}

/// How the holes of the source are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holes {
    /// Not looked for: every byte is data.
    Ignore,
    /// By asking the file system.
    Seek,
}

/// What is done with blocks of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zeros {
    /// They are stored like any other.
    Store,
    /// They are left out, and become holes.
    Skip,
}

/// What the target holds before the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Zeros everywhere: what is not stored reads as it should.
    Blank,
    /// Something: holes must be made.
    Content,
}

/// What is copied where, and what happens on the way.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) source: &'a dyn Object,
    pub(crate) target: &'a dyn Object,
    pub(crate) holes: Holes,
    pub(crate) zeros: Zeros,
    pub(crate) before: Before,
    /// Where the units' hashes go.
    pub(crate) hash: Option<&'a TreeHash>,
    /// Whether write-out starts behind the copying, and whether it is followed.
    pub(crate) flush: Flush,
    pub(crate) observer: &'a dyn Observer,
}

impl Job<'_> {
    /// The next data of the source within `range`; `None` when the rest of it is a hole.
    fn next_data(&self, range: ByteRange) -> Result<Option<ByteRange>> {
        match self.holes {
            Holes::Ignore => Ok(Some(range).filter(|range| !range.is_empty())),
            Holes::Seek => next_data_in(self.source, range),
        }
    }
}

/// Bytes of a lane's buffer, and so of a write: file systems make folios as large as the write, up
/// to 2 MiB. Measured for 1 GiB with two threads, relative to cp: 128 KiB 0.61 on XFS and 0.62 on
/// ext4, 256 KiB 0.60 and 0.56, 512 KiB 0.56 and 0.56, 1 MiB 0.50 and 0.59. Folios of 2 MiB can be
/// four times slower, in a virtual machine that gives free huge pages back to its host.
const BUFFER_BYTES: usize = 512 << 10;

/// The least buffer to work with where memory is scarce.
const BUFFER_BYTES_MIN: usize = 16 << 10;

/// `len` zeros, or fewer where memory is scarce.
///
/// # Errors
///
/// When there is no memory for [`BUFFER_BYTES_MIN`] either; an ordinary vector would end the
/// process.
fn zeroed(len: usize, endpoint: &Endpoint) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    let mut wanted = len;
    while let Err(error) = buffer.try_reserve_exact(wanted) {
        if wanted <= BUFFER_BYTES_MIN {
            let error = std::io::Error::new(std::io::ErrorKind::OutOfMemory, error);
            return Err(Error::new(Operation::Read, endpoint, error));
        }
        wanted = BUFFER_BYTES_MIN;
    }
    buffer.resize(wanted, 0);
    Ok(buffer)
}

/// Zeros are looked for in pieces of this size, the block of most file systems.
const ZERO_BLOCK_BYTES: usize = 4096;

static ZEROS: [u8; ZERO_BLOCK_BYTES] = [0; ZERO_BLOCK_BYTES];

/// Whether a lane got all the buffer that it wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Memory {
    #[default]
    Enough,
    Scarce,
}

/// What one thread has for itself.
#[derive(Default)]
pub(crate) struct Lane {
    buffer: Vec<u8>,
    memory: Memory,
    hasher: Option<blake3::Hasher>,
    /// Bytes that this lane stored.
    moved: u64,
    /// Bytes that this lane left as holes.
    holes: u64,
}

thread_local! {
    /// The buffer of the last lane of this thread, for the next: making one, and filling it with
    /// zeros, costs as much as copying a small file.
    #[allow(
        clippy::missing_const_for_thread_local,
        reason = "it is const, which the lint does not see where threads have keys for such memory"
    )]
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Drop for Lane {
    fn drop(&mut self) {
        if !self.buffer.is_empty() {
            BUFFER.set(std::mem::take(&mut self.buffer));
        }
    }
}

impl Lane {
    /// Whether each byte has to be seen: to be hashed, or to leave out zeros.
    fn must_see(&self, job: &Job<'_>) -> bool {
        self.hasher.is_some() || job.zeros == Zeros::Skip
    }

    /// The buffer for reading `source`: `len` bytes of it or as many as it may have.
    fn buffer(&mut self, source: &dyn Object, len: u64) -> Result<&mut [u8]> {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        if self.buffer.is_empty() {
            self.buffer = BUFFER.take();
        }
        if self.buffer.len() < len && self.memory == Memory::Enough {
            self.buffer = zeroed(len, source.endpoint())?;
            if self.buffer.len() < len {
                self.memory = Memory::Scarce;
            }
        }
        let len = len.min(self.buffer.len());
        Ok(&mut self.buffer[..len])
    }

    /// Hashes the first `len` bytes of the buffer and gives them to `store`, block by block where
    /// zeros are left out.
    fn deliver(
        &mut self,
        job: &Job<'_>,
        offset: u64,
        len: usize,
        mut store: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.hash_buffer(len);
        let bytes = &self.buffer[..len];
        if job.zeros == Zeros::Store {
            store(offset, bytes)?;
            self.moved += len as u64;
            return Ok(());
        }
        for run in runs(bytes) {
            let at = offset + run.start as u64;
            let run_len = (run.end - run.start) as u64;
            if run.zero {
                if job.before == Before::Content {
                    clear(job.target, ByteRange::between(at, at + run_len))?;
                }
                self.holes += run_len;
            } else {
                store(at, &bytes[run.start..run.end])?;
                self.moved += run_len;
            }
        }
        Ok(())
    }

    /// Hashes the first `len` bytes of the buffer, if there is a hash to make.
    fn hash_buffer(&mut self, len: usize) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.buffer[..len]);
        }
    }

    /// Passes over a hole of the source.
    fn hole(&mut self, job: &Job<'_>, range: ByteRange) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        if job.before == Before::Content {
            clear(job.target, range)?;
        }
        self.holes += range.len();
        if let Some(hasher) = &mut self.hasher {
            let mut rest = range.len();
            while rest > 0 {
                let len = usize::try_from(rest).unwrap_or(usize::MAX).min(ZEROS.len());
                hasher.update(&ZEROS[..len]);
                rest -= len as u64;
            }
        }
        Ok(())
    }
}

/// The first data of an object in a range.
fn next_data_in(object: &dyn Object, range: ByteRange) -> Result<Option<ByteRange>> {
    let data = object.next_data(range.start())?.map(|data| data.intersection(range));
    Ok(data.filter(|data| !data.is_empty()))
}

/// The same; all of the range where holes cannot be found.
fn data_within(object: &dyn Object, range: ByteRange) -> Result<Option<ByteRange>> {
    if range.is_empty() {
        return Ok(None);
    }
    match next_data_in(object, range) {
        Err(error) if error.os_error().is_some_and(is_unsupported) => Ok(Some(range)),
        found => found,
    }
}

/// Makes holes of the data in a range; what is a hole stays one, and is not written to.
fn clear(object: &dyn Object, range: ByteRange) -> Result<()> {
    let mut rest = range;
    while let Some(data) = data_within(object, rest)? {
        object.clear(data)?;
        rest = ByteRange::between(data.end(), range.end());
    }
    Ok(())
}

/// A run of blocks that are all zero, or all not.
struct Run {
    start: usize,
    end: usize,
    zero: bool,
}

/// Cuts `bytes` into runs, ascending and adjacent.
fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let is_zero = |at: usize| {
            let block = &bytes[at..bytes.len().min(at + ZERO_BLOCK_BYTES)];
            block == &ZEROS[..block.len()]
        };
        if start >= bytes.len() {
            return None;
        }
        let zero = is_zero(start);
        let mut end = start + ZERO_BLOCK_BYTES;
        while end < bytes.len() && is_zero(end) == zero {
            end += ZERO_BLOCK_BYTES;
        }
        let run = Run { start, end: end.min(bytes.len()), zero };
        start = run.end;
        Some(run)
    })
}
