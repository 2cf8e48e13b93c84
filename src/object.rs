//! Things with bytes: what the engines copy from and to.

use std::fmt;
use std::fs::File;
use std::io;

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::Endpoint;
use crate::sys::cache::{self, Uncached};
use crate::sys::map::{Access, Mapping};
use crate::sys::{Errno, file, flush, space};
use crate::units::{ByteRange, Granule};

/// Something that bytes can be read from and written to at any offset.
///
/// Tests wrap one to make its n-th call fail.
pub(crate) trait Object: fmt::Debug + Send + Sync {
    /// The name that errors give it.
    fn endpoint(&self) -> &Endpoint;

    /// The open file behind it, if there is one.
    fn file(&self) -> Option<&File>;

    /// Its length now.
    fn len(&self) -> Result<u64>;

    /// Reads at `offset`. A short count is no error; 0 is the end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize>;

    /// Has `range` read into memory, soon and without waiting. Only a hint.
    fn read_ahead(&self, range: ByteRange);

    /// Writes all of `from` at `offset`.
    fn write_at(&self, offset: u64, from: &[u8]) -> Result<()>;

    /// Maps a range that is not empty.
    fn map(&self, range: ByteRange, access: Access) -> Result<Mapping>;

    /// The first stretch of data at or behind `offset`; `None` when only a hole is left.
    fn next_data(&self, offset: u64) -> Result<Option<ByteRange>>;

    /// Makes sure that there is space for `range`.
    fn reserve(&self, range: ByteRange) -> Result<()>;

    /// Makes `range` read as zeros, without blocks where that can be.
    fn clear(&self, range: ByteRange) -> Result<()>;

    /// Sets the length.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Starts the write-out of `range`.
    fn start_write_out(&self, range: ByteRange) -> Result<()>;

    /// Waits for the write-out of `range`.
    fn wait_write_out(&self, range: ByteRange) -> Result<()>;

    /// Brings content, length and attributes to the disk.
    fn flush(&self) -> Result<()>;
}

/// An open file, or device, as an [`Object`].
#[derive(Debug)]
pub(crate) struct FileObject {
    file: File,
    /// What it is read by, where not through the cache.
    uncached: Option<Uncached>,
    endpoint: Endpoint,
}

impl FileObject {
    /// `file`, which errors call `endpoint`.
    pub(crate) fn new(file: File, endpoint: &Endpoint) -> Self {
        Self { file, uncached: None, endpoint: endpoint.clone() }
    }

    /// The same file, read past the cache; `None` where the system has no such way.
    ///
    /// # Errors
    ///
    /// Those of making another handle of it.
    pub(crate) fn past_cache(file: &File, endpoint: &Endpoint) -> Result<Option<Self>> {
        let Some(uncached) = Uncached::of(file) else { return Ok(None) };
        let file = file.try_clone().context(Operation::Open, endpoint)?;
        Ok(Some(Self { file, uncached: Some(uncached), endpoint: endpoint.clone() }))
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match &self.uncached {
            None => file::read_at(&self.file, offset, into),
            Some(uncached) => uncached.read_at(offset, into),
        }
    }

    /// The open file.
    pub(crate) fn handle(&self) -> &File {
        &self.file
    }

    /// Closes it, and reports what the system says to that.
    ///
    /// # Errors
    ///
    /// A write that failed after its call had succeeded.
    pub(crate) fn close(self) -> Result<()> {
        file::close(self.file).context(Operation::Close, &self.endpoint)
    }

    fn failed(&self, operation: Operation, range: ByteRange, error: io::Error) -> Error {
        Error::new(operation, &self.endpoint, error).at(range)
    }
}

/// Reads are named to the page when they fail; no system has a smaller one.
const PAGE_BYTES: usize = 4096;

/// [`PAGE_BYTES`] as an alignment.
pub(crate) const PAGE: Granule = match Granule::new(PAGE_BYTES as u64) {
    Some(page) => page,
    None => panic!("a page is a power of two"),
};

impl Object for FileObject {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }

    fn len(&self) -> Result<u64> {
        let facts = file::facts(&self.file).context(Operation::Stat, &self.endpoint)?;
        Ok(facts.len)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let result = match self.read(offset, into) {
            // Direct I/O and FUSE fail a whole request for one bad page in it. Up to the end of
            // this page alone it may work, and if not, the error is about this page.
            Err(error)
                if Errno::from_io_error(&error) == Some(Errno::IO) && into.len() > PAGE_BYTES =>
            {
                let first = usize::try_from(PAGE.next(offset) - offset).unwrap_or(PAGE_BYTES);
                self.read(offset, &mut into[..first])
            }
            result => result,
        };
        result.map_err(|error| {
            let end = PAGE.next(offset).min(offset + into.len() as u64);
            self.failed(Operation::Read, ByteRange::between(offset, end), error)
        })
    }

    fn read_ahead(&self, range: ByteRange) {
        // If it fails, the read that follows is slower or says why.
        drop(cache::read_ahead(&self.file, range));
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<()> {
        let mut done = 0;
        while done < from.len() {
            let at = offset + done as u64;
            let rest = ByteRange::between(at, offset + from.len() as u64);
            match file::write_at(&self.file, at, &from[done..]) {
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(self.failed(Operation::Write, rest, error));
                }
                Ok(count) => done += count,
                Err(error) => return Err(self.failed(Operation::Write, rest, error)),
            }
        }
        Ok(())
    }

    fn map(&self, range: ByteRange, access: Access) -> Result<Mapping> {
        let len = usize::try_from(range.len())
            .map_err(|_| self.failed(Operation::Map, range, io::ErrorKind::OutOfMemory.into()))?;
        Mapping::file(&self.file, range.start(), len, access)
            .map_err(|error| self.failed(Operation::Map, range, error))
    }

    fn next_data(&self, offset: u64) -> Result<Option<ByteRange>> {
        space::next_data(&self.file, offset).context(Operation::FindHoles, &self.endpoint)
    }

    fn reserve(&self, range: ByteRange) -> Result<()> {
        space::reserve(&self.file, range)
            .map_err(|error| self.failed(Operation::Reserve, range, error))
    }

    fn clear(&self, range: ByteRange) -> Result<()> {
        match space::punch_hole(&self.file, range) {
            Ok(()) => Ok(()),
            // Not every file system or device can make a hole: then zeros are stored.
            Err(error) if is_unsupported(&error) => {
                let zeros = [0; PAGE_BYTES];
                let mut rest = range;
                while !rest.is_empty() {
                    let (head, tail) = rest.split_at(PAGE_BYTES as u64);
                    let len = usize::try_from(head.len()).unwrap_or(PAGE_BYTES);
                    self.write_at(head.start(), &zeros[..len])?;
                    rest = tail;
                }
                Ok(())
            }
            Err(error) => Err(self.failed(Operation::Write, range, error)),
        }
    }

    fn set_len(&self, len: u64) -> Result<()> {
        file::set_len(&self.file, len).context(Operation::SetLen, &self.endpoint)
    }

    fn start_write_out(&self, range: ByteRange) -> Result<()> {
        flush::start_write_out(&self.file, range)
            .map_err(|error| self.failed(Operation::Flush, range, error))
    }

    fn wait_write_out(&self, range: ByteRange) -> Result<()> {
        flush::wait_write_out(&self.file, range)
            .map_err(|error| self.failed(Operation::Flush, range, error))
    }

    fn flush(&self) -> Result<()> {
        flush::sync_all(&self.file).context(Operation::Flush, &self.endpoint)
    }
}

/// Whether the error says that the file system or kernel has no such operation, rather than that
/// the operation failed.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::NODEV | Errno::NOTTY)
    )
}

/// Why a read gave nothing before the end of what the object was to have.
pub(crate) fn early_end(object: &dyn Object, range: ByteRange) -> Error {
    let cause = match object.len() {
        Ok(len) if len < range.end() => Cause::Shrank { len },
        Ok(_) => Cause::Os(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => return error,
    };
    Error::new(Operation::Read, object.endpoint(), cause).at(range)
}
