//! A segment in this process' memory.

use std::fs::File;
use std::sync::Arc;

use super::{Access, Handle, Segment};
use crate::error::{Cause, Error, Operation, Result};
use crate::options::Endpoint;
use crate::sys::Attachment;
use crate::sys::map::{self, Fault, Mapping, Side, cause_of_fault};
use crate::sys::place::{Mapped, SharedMemory, sealed::Sealed};
use crate::units::ByteRange;

/// All bytes of a segment, mapped. They stay so when the segment is dropped, or removed.
#[derive(Debug)]
pub struct Region {
    mapping: Arc<Mapping>,
    endpoint: Endpoint,
    /// What to ask why a byte could not be touched.
    file: Option<File>,
}

impl Region {
    pub(super) fn new(segment: &Segment) -> Result<Self> {
        let failed = |error| Error::new(Operation::Map, &segment.endpoint, error);
        let (mapping, file) = match &segment.handle {
            Handle::Posix(file) => {
                let access = match segment.access {
                    Access::Read => map::Access::Read,
                    Access::ReadWrite => map::Access::ReadWrite,
                };
                let len = usize::try_from(segment.len()?)
                    .map_err(|_| failed(std::io::ErrorKind::OutOfMemory.into()))?;
                if len == 0 {
                    return Err(Error::new(Operation::Map, &segment.endpoint, Cause::Unfinished));
                }
                let mapping = Mapping::file(file, 0, len, access).map_err(failed)?;
                (mapping, Some(file.try_clone().map_err(failed)?))
            }
            Handle::SystemV { id } => {
                let attached = Attachment::new(*id, segment.access).map_err(failed)?;
                (whole(attached, segment.access).map_err(failed)?, None)
            }
            Handle::Section(section) => {
                let view = section.view(segment.access).map_err(failed)?;
                (whole(view, segment.access).map_err(failed)?, None)
            }
        };
        Ok(Self { mapping: Arc::new(mapping), endpoint: segment.endpoint.clone(), file })
    }

    /// The segment's length in bytes, when it was mapped.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.mapping.len() as u64
    }

    /// Whether there are none; there are always some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the pages that it takes.
    #[must_use]
    pub fn mapped_len(&self) -> u64 {
        self.mapping.pages_len() as u64
    }

    /// Its first byte; [`len`](Self::len) of them are mapped as long as the region lives.
    ///
    /// The memory is shared: whoever reads or writes through this answers for what other threads
    /// and processes do to it meanwhile. A store is SIGSEGV, or an access violation, where the
    /// segment was opened for reading ([`Access::Read`]), and any access SIGBUS behind the end of
    /// an object that was cut.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.mapping.as_mut_ptr()
    }

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// When the region does not have them, or a page cannot be had: [`Cause::Shrank`] when the
    /// segment was cut, which only foreign programs do.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let (at, range) = self.place(Operation::Read, offset, into.len())?;
        self.mapping
            .read_at(at, into)
            .map_err(|fault| self.explain(Operation::Read, Side::Source, range, &fault))
    }

    /// Stores `from` at `offset`. All that have the segment see it at once, but not in one step.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at), and when the region is for reading only.
    pub fn write_at(&self, offset: u64, from: &[u8]) -> Result<()> {
        let (at, range) = self.place(Operation::Write, offset, from.len())?;
        self.mapping
            .write_at(at, from)
            .map_err(|fault| self.explain(Operation::Write, Side::Target, range, &fault))
    }

    /// A range of it that is not empty, for the engines.
    pub(crate) fn part(&self, range: ByteRange, access: map::Access) -> Result<Mapping> {
        let failed = |error| Error::new(Operation::Map, &self.endpoint, error).at(range);
        let bounds = (usize::try_from(range.start()), usize::try_from(range.end()));
        match bounds {
            (Ok(start), Ok(end)) if range.end() <= self.len() && !range.is_empty() => {
                self.mapping.part(start..end, access).map_err(failed)
            }
            _ => Err(failed(std::io::ErrorKind::InvalidInput.into())),
        }
    }

    fn place(&self, operation: Operation, offset: u64, len: usize) -> Result<(usize, ByteRange)> {
        let range = ByteRange::new(offset, len as u64).filter(|it| it.end() <= self.len());
        match (usize::try_from(offset), range) {
            (Ok(at), Some(range)) => Ok((at, range)),
            _ => {
                let needed = offset.saturating_add(len as u64);
                let cause = Cause::TooSmall { len: self.len(), needed };
                Err(Error::new(operation, &self.endpoint, cause))
            }
        }
    }

    fn explain(&self, operation: Operation, side: Side, range: ByteRange, fault: &Fault) -> Error {
        let first = range.start() + fault.done as u64;
        let cause = match &self.file {
            _ if fault.side != side => Cause::Inaccessible,
            Some(file) => cause_of_fault(file, fault.at as u64, fault),
            None => fault.cause(),
        };
        Error::new(operation, &self.endpoint, cause).at(ByteRange::between(first, range.end()))
    }
}

/// A mapping of all that is attached.
fn whole(attached: Attachment, access: Access) -> std::io::Result<Mapping> {
    let attached = Arc::new(attached);
    Mapping::attached(&attached, 0..attached.len(), access)
}

impl Sealed for Region {
    fn mapped(&self) -> Mapped<'_> {
        Mapped(&self.mapping)
    }
}

impl SharedMemory for Region {}
