//! An open file, and the one window of it that is mapped.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{Endpoint, ObjectId};
use crate::sync::lock;
use crate::sys::file::{self, Kind};
use crate::sys::map::{self, Access, Advice, Fault, Mapping, Msync, Side, cause_of_fault};
use crate::units::ByteRange;

/// Bytes in a window, and what its offset is a multiple of.
///
/// Smaller ones, and ones at other offsets, take a fault for each page and not for each 2 MiB
/// folio of the page cache: eight to ten times the time on ext4 (Linux 6.18).
const WINDOW_BYTES: u64 = 2 << 20;

/// An open file and the window of it that was touched last.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) file: File,
    pub(super) endpoint: Endpoint,
    pub(super) id: ObjectId,
    access: Access,
    /// A length that the file has had, so that most calls ask for it once, afterwards.
    len_seen: AtomicU64,
    cached: Mutex<Cached>,
    /// What kept a window from being written out that is gone since.
    lost: Mutex<Option<Lost>>,
}

/// An error of the system, which is told more than once.
#[derive(Clone, Copy, Debug)]
struct Lost {
    kind: io::ErrorKind,
    number: Option<i32>,
}

impl From<Lost> for io::Error {
    fn from(lost: Lost) -> Self {
        lost.number.map_or_else(|| lost.kind.into(), Self::from_raw_os_error)
    }
}

#[derive(Debug, Default)]
struct Cached {
    window: Option<Arc<Window>>,
    /// The last advice on the pattern of access, for the windows to come.
    pattern: Option<(ByteRange, Advice)>,
}

/// A mapped piece of a file.
#[derive(Debug)]
pub(super) struct Window {
    range: ByteRange,
    pub(super) mapping: Mapping,
}

impl Window {
    pub(super) fn index_of(&self, offset: u64) -> usize {
        index(offset - self.range.start())
    }

    fn advise(&self, range: ByteRange, advice: Advice) -> io::Result<()> {
        let part = self.range.intersection(range);
        let start = self.index_of(part.start());
        self.mapping.advise(start..start + index(part.len()), advice)
    }
}

/// A distance inside of one mapping.
pub(super) fn index(bytes: u64) -> usize {
    // A mapping that is longer than `usize` cannot have been made.
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Handle {
    pub(super) fn new(file: File, endpoint: Endpoint, access: Access) -> Result<Self> {
        let facts = file::facts(&file).context(Operation::Stat, &endpoint)?;
        let refused = match facts.kind {
            Kind::Regular => None,
            Kind::Directory => Some(Cause::IsDirectory),
            _ => Some(Cause::Unsupported("only regular files can be mapped")),
        };
        if let Some(cause) = refused {
            return Err(Error::new(Operation::Open, &endpoint, cause));
        }
        let len_seen = AtomicU64::new(facts.len);
        let (cached, lost) = (Mutex::default(), Mutex::default());
        Ok(Self { file, endpoint, id: facts.id, access, len_seen, cached, lost })
    }

    pub(super) fn error(&self, operation: Operation, cause: impl Into<Cause>) -> Error {
        Error::new(operation, &self.endpoint, cause)
    }

    pub(super) fn len(&self, operation: Operation) -> Result<u64> {
        let len = file::facts(&self.file).context(operation, &self.endpoint)?.len;
        self.len_seen.store(len, Ordering::Relaxed);
        Ok(len)
    }

    /// Flushes what is stored through the window that is mapped: on Windows only this view knows
    /// all of what that is (`FlushViewOfFile`).
    ///
    /// # Errors
    ///
    /// Those of the call, and from then on what kept a window from being written out that is gone:
    /// its bytes may be, too.
    pub(super) fn flush_window(&self, how: Msync) -> Result<()> {
        if let Some(lost) = *lock(&self.lost) {
            return Err(self.error(Operation::Flush, io::Error::from(lost)));
        }
        let window = lock(&self.cached).window.clone();
        match window {
            Some(window) => {
                let flushed = window.mapping.flush(0, window.mapping.len(), how);
                flushed.map_err(|error| self.error(Operation::Flush, error).at(window.range))
            }
            None => Ok(()),
        }
    }

    /// Writes out what was stored through a window that is about to go, where that has to be.
    fn flush_stores(&self, window: &Window) -> Result<()> {
        if self.access != Access::ReadWrite {
            return Ok(());
        }
        let flushed = window.mapping.flush_stores();
        flushed.map_err(|error| {
            self.note_lost(&error);
            self.error(Operation::Flush, error).at(window.range)
        })
    }

    fn note_lost(&self, error: &io::Error) {
        *lock(&self.lost) = Some(Lost { kind: error.kind(), number: error.raw_os_error() });
    }

    /// The same for one that another thread may have let go of while this one stored through it.
    fn flush_if_let_go(&self, window: &Arc<Window>) -> Result<()> {
        let is_kept = || {
            let cached = self.cached();
            cached.window.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, window))
        };
        if !map::MUST_FLUSH_STORES || is_kept() { Ok(()) } else { self.flush_stores(window) }
    }

    /// Lets go of the window that is mapped.
    fn let_go(&self, cached: &mut Cached) -> Result<()> {
        cached.window.take().map_or(Ok(()), |window| self.flush_stores(&window))
    }

    /// The range, if the file has it.
    pub(super) fn range(&self, operation: Operation, offset: u64, len: u64) -> Result<ByteRange> {
        let range = ByteRange::new(offset, len)
            .ok_or_else(|| self.error(operation, io::Error::from(io::ErrorKind::InvalidInput)))?;
        if range.end() > self.len_seen.load(Ordering::Relaxed) {
            let len = self.len(operation)?;
            if range.end() > len {
                let text = format!("it has only {len} bytes");
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                let missing = ByteRange::between(len.max(offset), range.end());
                return Err(self.error(operation, error).at(missing));
            }
        }
        Ok(range)
    }

    /// Does something with each piece of a range that lies in one window, and looks afterwards
    /// whether the file still has the range.
    ///
    /// That is the only way to learn that it was cut within a page: the rest of the page that the
    /// end of the file is in reads as zeros, and forgets what is stored there, without a signal.
    pub(super) fn each_window(
        &self,
        operation: Operation,
        range: ByteRange,
        mut act: impl FnMut(&Window, ByteRange) -> Result<()>,
    ) -> Result<()> {
        let mut rest = range;
        while !rest.is_empty() {
            let window = match self.window(rest)? {
                Ok(window) => window,
                // Cut since its length was looked at.
                Err(len) => {
                    let missing = ByteRange::between(rest.start(), range.end());
                    return Err(self.error(operation, Cause::Shrank { len }).at(missing));
                }
            };
            let part = rest.intersection(window.range);
            let acted = act(&window, part);
            self.flush_if_let_go(&window)?;
            acted?;
            rest = rest.skip(part.len());
        }
        let len = if range.is_empty() { range.end() } else { self.len(operation)? };
        if len < range.end() {
            let missing = ByteRange::between(len.max(range.start()), range.end());
            return Err(self.error(operation, Cause::Shrank { len }).at(missing));
        }
        Ok(())
    }

    /// The window that has the begin of `rest`, which is not empty; the length of the file if that
    /// is behind its end.
    fn window(&self, rest: ByteRange) -> Result<std::result::Result<Arc<Window>, u64>> {
        let mut cached = self.cached();
        if let Some(window) = &cached.window
            && !window.range.intersection(rest.split_at(1).0).is_empty()
        {
            return Ok(Ok(Arc::clone(window)));
        }
        // The old one first, so that a handle never has two.
        self.let_go(&mut cached)?;
        self.map_window(&mut cached, rest.start())
            .map_err(|error| self.error(Operation::Map, error).at(rest))
    }

    /// Maps the window that has `offset`.
    ///
    /// None goes past the end, which not every system can map.
    fn map_window(
        &self,
        cached: &mut Cached,
        offset: u64,
    ) -> io::Result<std::result::Result<Arc<Window>, u64>> {
        let mut len = file::facts(&self.file)?.len;
        let (range, mapping) = loop {
            if offset >= len {
                return Ok(Err(len));
            }
            let start = offset - offset % WINDOW_BYTES;
            let range = ByteRange::between(start, len.min(start + WINDOW_BYTES));
            match Mapping::file(&self.file, start, index(range.len()), self.access) {
                Ok(mapping) => break (range, mapping),
                Err(error) => match file::facts(&self.file)?.len {
                    // Cut meanwhile, which may be all that was wrong.
                    shorter if shorter < len => len = shorter,
                    _ => return Err(error),
                },
            }
        };
        let window = Window { range, mapping };
        if let Some((range, advice)) = cached.pattern {
            window.advise(range, advice)?;
        }
        let window = Arc::new(window);
        cached.window = Some(Arc::clone(&window));
        Ok(Ok(window))
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        // What it guards is whole at any time.
        lock(&self.cached)
    }

    pub(super) fn forget_len(&self) {
        self.len_seen.store(0, Ordering::Relaxed);
    }

    pub(super) fn forget_window(&self) -> Result<()> {
        self.let_go(&mut self.cached())
    }

    pub(super) fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let whole = self.range(Operation::Read, offset, into.len() as u64)?;
        self.each_window(Operation::Read, whole, |window, part| {
            let into = &mut into[index(part.start() - offset)..index(part.end() - offset)];
            window
                .mapping
                .read_at(window.index_of(part.start()), into)
                .map_err(|fault| self.fault(Operation::Read, window, &fault, whole, part.start()))
        })
    }

    /// The error for a fault in a copy that began at `start`, as part of `whole`.
    pub(super) fn fault(
        &self,
        operation: Operation,
        window: &Window,
        fault: &Fault,
        whole: ByteRange,
        start: u64,
    ) -> Error {
        let ours = if operation == Operation::Read { Side::Source } else { Side::Target };
        let mut first = start + fault.done as u64;
        let cause = if fault.side == ours {
            cause_of_fault(&self.file, window.range.start() + fault.at as u64, fault)
        } else {
            // The caller's own buffer is in a map that is gone.
            Cause::Inaccessible
        };
        if let Cause::Shrank { len } = cause {
            // The zeros behind the end, in its page, are not the file's.
            first = first.min(len).max(whole.start());
        }
        self.error(operation, cause).at(ByteRange::between(first, whole.end()))
    }

    pub(super) fn advise(&self, range: ByteRange, advice: Advice) -> Result<()> {
        let failed = |error: io::Error| self.error(Operation::Map, error).at(range);
        match advice {
            Advice::Normal | Advice::Sequential | Advice::Random | Advice::HugePages => {
                let mut cached = self.cached();
                cached.pattern = Some((range, advice));
                match &cached.window {
                    Some(window) => window.advise(range, advice).map_err(failed),
                    None => Ok(()),
                }
            }
            Advice::DontNeed => {
                let mut cached = self.cached();
                let touched = cached
                    .window
                    .as_ref()
                    .is_some_and(|window| !window.range.intersection(range).is_empty());
                if touched { self.let_go(&mut cached) } else { Ok(()) }
            }
            Advice::WillNeed | Advice::PopulateRead | Advice::PopulateWrite => {
                let range = self.range(Operation::Map, range.start(), range.len())?;
                self.each_window(Operation::Map, range, |window, part| {
                    window.advise(part, advice).map_err(|error| failed(error).at(part))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Errno;

    #[test]
    fn what_a_window_has_lost_is_told_by_each_flush() {
        for (error, kind) in [
            (Errno::NOSPC.into(), io::ErrorKind::StorageFull),
            (io::ErrorKind::UnexpectedEof.into(), io::ErrorKind::UnexpectedEof),
        ] {
            let file = tempfile::tempfile().unwrap();
            let handle = Handle::new(file, Endpoint::Standard, Access::ReadWrite).unwrap();
            handle.flush_window(Msync::Async).unwrap();
            handle.note_lost(&error);
            for _ in 0..2 {
                let error = handle.flush_window(Msync::Async).unwrap_err();
                assert_eq!(error.os_error().map(io::Error::kind), Some(kind));
            }
        }
    }
}
