//! Maps whose bytes are the process's own: copies of a file's, and plain memory.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::Endpoint;
use crate::sys::file;
use crate::sys::map::cause_of_fault;
use crate::sys::map::{Access, Advice, Fault, FaultReason, Mapping, Protection, Side};
use crate::units::ByteRange;

use super::MappedSource;
use super::handle::Handle;

/// A range of a file, mapped so that changes stay in memory.
///
/// Pages that have not been written show the file as it is, later changes included; a page becomes
/// the map's own with the first store into it. Cutting the file takes them all away.
///
/// ```
/// use mycp::mapped::PrivateMap;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("file");
/// std::fs::write(&path, "untouched")?;
/// let map = PrivateMap::open(&path)?;
/// map.write_at(0, b"re")?;
///
/// let mut bytes = [0; 9];
/// map.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"retouched");
/// assert_eq!(std::fs::read(&path)?, b"untouched");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PrivateMap {
    file: File,
    endpoint: Endpoint,
    range: ByteRange,
    /// None for no bytes, which cannot be mapped.
    mapping: Option<Mapping>,
}

impl PrivateMap {
    /// Maps all of a regular file, as long as it is now.
    ///
    /// # Errors
    ///
    /// As [`MappedSource::open`], and what `mmap` returns.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let source = MappedSource::open(path)?.handle;
        let range = ByteRange::first(source.len(Operation::Stat)?);
        Self::new(source, range)
    }

    /// Maps a range of a regular file, at any offset.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    pub fn open_range(path: impl AsRef<Path>, range: ByteRange) -> Result<Self> {
        let source = MappedSource::open(path)?.handle;
        let range = source.range(Operation::Map, range.start(), range.len())?;
        Self::new(source, range)
    }

    fn new(source: Handle, range: ByteRange) -> Result<Self> {
        let Handle { file, endpoint, .. } = source;
        let mapping = match usize::try_from(range.len()) {
            Ok(0) => Ok(None),
            Ok(len) => Mapping::file(&file, range.start(), len, Access::CopyOnWrite).map(Some),
            Err(_) => Err(io::ErrorKind::OutOfMemory.into()),
        }
        .map_err(|error| Error::new(Operation::Map, &endpoint, error).at(range))?;
        Ok(Self { file, endpoint, range, mapping })
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.range.len()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Fills `into` with the map's bytes from `offset` on, counted from the map's begin.
    ///
    /// # Errors
    ///
    /// As [`MappedSource::read_at`], the range in the file's bytes;
    /// [`io::ErrorKind::PermissionDenied`] when [`protect`](Self::protect) forbids it.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.access(Operation::Read, offset, into.len(), |mapping, at| mapping.read_at(at, into))
    }

    /// Changes the map's bytes from `offset` on; the file's stay.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at).
    pub fn write_at(&self, offset: u64, from: &[u8]) -> Result<()> {
        self.access(Operation::Write, offset, from.len(), |mapping, at| mapping.write_at(at, from))
    }

    fn access(
        &self,
        operation: Operation,
        offset: u64,
        len: usize,
        copy: impl FnOnce(&Mapping, usize) -> Result<(), Fault>,
    ) -> Result<()> {
        let failed = |cause| Error::new(operation, &self.endpoint, cause);
        let at = inside(self.len(), offset, len).map_err(|error| failed(Cause::Os(error)))?;
        let Some(mapping) = self.mapping.as_ref().filter(|_| len > 0) else { return Ok(()) };
        let start = self.range.start() + offset;
        let end = start + len as u64;
        copy(mapping, at).map_err(|fault| {
            let ours = if operation == Operation::Read { Side::Source } else { Side::Target };
            let cause = if fault.side == ours {
                // Reading the file is what failed: a store, too, copies the file's page first.
                let fault = Fault { side: Side::Source, ..fault };
                cause_of_fault(&self.file, self.range.start() + fault.at as u64, &fault)
            } else {
                Cause::Inaccessible
            };
            failed(cause).at(ByteRange::between(start + fault.done as u64, end))
        })?;
        let now = file::facts(&self.file).context(Operation::Stat, &self.endpoint)?.len;
        if now < end {
            let missing = ByteRange::between(now.max(start), end);
            return Err(failed(Cause::Shrank { len: now }).at(missing));
        }
        Ok(())
    }

    /// Changes what may be done with all of the map's bytes.
    ///
    /// # Errors
    ///
    /// What `mprotect` returns.
    pub fn protect(&mut self, protection: Protection) -> Result<()> {
        match &mut self.mapping {
            Some(mapping) => mapping.protect(protection).context(Operation::Map, &self.endpoint),
            None => Ok(()),
        }
    }

    /// Tells the kernel how all of the map is used.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where the system does not know the advice, and for
    /// [`Advice::DontNeed`], which would throw the changes away;
    /// [`io::ErrorKind::PermissionDenied`] when [`protect`](Self::protect) forbids to populate.
    pub fn advise(&self, advice: Advice) -> Result<()> {
        match &self.mapping {
            Some(mapping) => mapping
                .advise(0..mapping.len(), advice)
                .map_err(|error| Error::new(Operation::Map, &self.endpoint, error).at(self.range)),
            None => Ok(()),
        }
    }
}

/// Memory of no file, as pages of its own.
///
/// ```
/// use mycp::mapped::{AnonymousMap, Protection};
///
/// # fn main() -> std::io::Result<()> {
/// let mut map = AnonymousMap::new(10_000)?;
/// map.write_at(9_990, b"0123456789")?;
/// map.protect(Protection::Read)?;
/// assert_eq!(map.write_at(0, b"x").unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AnonymousMap {
    /// None for no bytes, which cannot be mapped.
    mapping: Option<Mapping>,
}

impl AnonymousMap {
    /// Maps `len` zeros.
    ///
    /// # Errors
    ///
    /// What `mmap` returns.
    pub fn new(len: usize) -> io::Result<Self> {
        let mapping = if len == 0 { None } else { Some(Mapping::anonymous(len)?) };
        Ok(Self { mapping })
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mapping.as_ref().map_or(0, Mapping::len)
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mapping.is_none()
    }

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] behind the end, [`io::ErrorKind::PermissionDenied`] when
    /// [`protect`](Self::protect) forbids it, and an error when the memory is broken.
    pub fn read_at(&self, offset: usize, into: &mut [u8]) -> io::Result<()> {
        let at = inside(self.len() as u64, offset as u64, into.len())?;
        self.mapping.as_ref().map_or(Ok(()), |mapping| mapping.read_at(at, into)).map_err(in_memory)
    }

    /// Stores `from` at `offset`.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at).
    pub fn write_at(&self, offset: usize, from: &[u8]) -> io::Result<()> {
        let at = inside(self.len() as u64, offset as u64, from.len())?;
        self.mapping
            .as_ref()
            .map_or(Ok(()), |mapping| mapping.write_at(at, from))
            .map_err(in_memory)
    }

    /// Changes what may be done with all of the bytes.
    ///
    /// # Errors
    ///
    /// What `mprotect` returns.
    pub fn protect(&mut self, protection: Protection) -> io::Result<()> {
        self.mapping.as_mut().map_or(Ok(()), |mapping| mapping.protect(protection))
    }

    /// Tells the kernel how all of the memory is used.
    ///
    /// # Errors
    ///
    /// As [`PrivateMap::advise`].
    pub fn advise(&self, advice: Advice) -> io::Result<()> {
        self.mapping.as_ref().map_or(Ok(()), |mapping| mapping.advise(0..mapping.len(), advice))
    }
}

/// Where in a map of `len` bytes an access of `count` bytes starts.
fn inside(len: u64, offset: u64, count: usize) -> io::Result<usize> {
    let end = offset.checked_add(count as u64);
    match (end, usize::try_from(offset)) {
        (Some(end), Ok(at)) if end <= len => Ok(at),
        _ => {
            let text = format!("it has only {len} bytes");
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
        }
    }
}

fn in_memory(fault: Fault) -> io::Error {
    match fault.reason {
        FaultReason::Protected => io::ErrorKind::PermissionDenied.into(),
        FaultReason::HardwareMemory => io::Error::other("hardware memory error"),
        FaultReason::Missing => io::Error::other("the memory could not be accessed"),
    }
}
