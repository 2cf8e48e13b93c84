//! Segments of shared memory as source and target.
//!
//! A POSIX object is a file to the engines. A System V segment or a section is memory only: it is
//! attached once, and its ranges are parts of that. As a target a segment is written in place, as a
//! device is: its length is never changed, since whoever has mapped it would die of that.

use std::fs::File;
use std::time::SystemTime;

use super::Ended;
use super::delta::Base;
use super::fill::Filling;
use super::run::{Run, errno};
use super::source::Shape;
use crate::engine::Before;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::lock::{self, Locked};
use crate::metadata::ModeAtEnd;
use crate::object::{FileObject, Object};
use crate::options::{Endpoint, Flush, ObjectId, SEGMENT_MODE, SegmentName, SystemVName};
use crate::report::{InPlaceReason, ObjectKind, Way};
use crate::shm::{self, Access, Region, Segment, Status};
use crate::sys::Errno;
use crate::sys::file::{self, Facts, Kind, Timestamp};
use crate::sys::map::{self, Mapping};
use crate::units::ByteRange;

/// A segment that was opened to be read.
#[allow(clippy::large_enum_variant, reason = "there is one for each copy, and it does not move")]
pub(super) enum Opened {
    /// One that is a file.
    File(File),
    /// One that is not.
    Memory(SegmentObject, Box<Facts>),
}

/// Opens a segment as a source.
pub(super) fn open_source(name: &SegmentName) -> Result<Opened> {
    let segment = Segment::options().access(Access::Read).open(name)?;
    let facts = facts_of(&segment.status()?);
    Ok(match segment.into_file() {
        Ok(file) => Opened::File(file),
        Err(segment) => Opened::Memory(SegmentObject::new(&segment)?, Box::new(facts)),
    })
}

/// What there is of that name, if there is something.
pub(super) fn look(name: &SegmentName) -> Result<Option<Facts>> {
    match shm::status(name) {
        Ok(status) => Ok(Some(Facts { kind: Kind::Segment, ..facts_of(&status) })),
        Err(error) if errno(&error) == Some(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a segment that is no file has of what an inode tells. Its number is unique among those of
/// its kind only, which have no device.
fn facts_of(status: &Status) -> Facts {
    let id = match (status.id, status.object_id) {
        (_, Some(id)) => id,
        (id, None) => {
            ObjectId { dev: u64::MAX, ino: id.map_or(u128::MAX, |id| id.unsigned_abs().into()) }
        }
    };
    let seconds = status.change_time.and_then(|it| it.duration_since(SystemTime::UNIX_EPOCH).ok());
    let time = Timestamp {
        seconds: seconds.and_then(|it| i64::try_from(it.as_secs()).ok()).unwrap_or(0),
        nanoseconds: 0,
    };
    Facts {
        id,
        kind: Kind::Segment,
        len: status.len,
        allocated: status.len,
        links: 1,
        device: 0,
        uid: status.owner.map_or(0, |it| it.uid),
        gid: status.owner.map_or(0, |it| it.gid),
        mode: status.mode.unwrap_or(SEGMENT_MODE),
        accessed: time,
        modified: time,
        changed: time,
        born: None,
    }
}

impl<'a> Run<'a, '_> {
    /// Writes into the segment of that name, or makes it.
    pub(super) fn write_segment(self, name: &SegmentName) -> Result<Ended<'a>> {
        if self.options.flush == Flush::Sync {
            // Of an existing one this has been said already.
            let cause = Cause::Unsupported("it is on no disk");
            return Err(Error::new(Operation::Flush, self.target, cause));
        }
        match Segment::options().open(name) {
            // Another copy is filling it, perhaps: a System V segment has its key before its bytes.
            Ok(_) if self.found.facts().is_none() => {
                Err(Error::new(Operation::Create, self.target, Cause::Appeared))
            }
            Ok(segment) => self.fill_segment(segment),
            Err(error) if errno(&error) == Some(Errno::NOENT) => self.make_segment(name),
            Err(error) => Err(error),
        }
    }

    fn fill_segment(mut self, segment: Segment) -> Result<Ended<'a>> {
        let len = segment.len()?;
        if self.source.shape == Shape::Sized && self.source.facts.len > len {
            let cause = Cause::TooSmall { len, needed: self.source.facts.len };
            return Err(Error::new(Operation::Write, self.target, cause));
        }
        self.report.way = Way::InPlace(InPlaceReason::Segment);
        self.fill_object(segment, Before::Content)?;
        Ok(Ended::now(self.report))
    }

    /// Makes a segment of the source's length, which has its name when it is filled, where that can
    /// be.
    fn make_segment(mut self, name: &SegmentName) -> Result<Ended<'a>> {
        let refused = match (self.source.shape, self.source.facts.len) {
            (Shape::Stream, _) => Some("the length of the source is not known: make it first"),
            (Shape::Sized, 0) => Some("the source is empty, and a segment has at least one byte"),
            (Shape::Sized, _) => None,
        };
        if let Some(why) = refused {
            return Err(Error::new(Operation::Create, self.target, Cause::Unsupported(why)));
        }
        let options = Segment::options().mode(self.options.segments.mode);
        let (staged, segment) = options.stage(name, self.source.facts.len)?;
        self.fill_object(segment, Before::Blank)?;
        if self.report.holes > 0 {
            staged.reserve()?;
        }
        self.report.segment_id = staged.publish()?;
        if let (SegmentName::SystemV(SystemVName::Private), Some(id)) =
            (name, self.report.segment_id)
        {
            // Nothing else leads to it.
            self.report.target = Endpoint::Segment(SegmentName::SystemV(SystemVName::Id(id)));
        }
        Ok(Ended::now(self.report))
    }

    fn fill_object(&mut self, segment: Segment, before: Before) -> Result<()> {
        let id = segment.status().map(|status| facts_of(&status).id)?;
        let object: Box<dyn Object> = match segment.into_file() {
            Ok(file) => {
                let facts = file::facts(&file).context(Operation::Stat, self.target)?;
                self.refuse_if_source(&facts)?;
                // Two runs that write into one segment would mix, and both be content.
                if lock::try_lock(&file).context(Operation::Lock, self.target)? == Locked::Busy {
                    let holder = lock::holder(&file);
                    return Err(Error::new(Operation::Lock, self.target, Cause::Busy { holder }));
                }
                Box::new(FileObject::new(file, self.target))
            }
            Err(segment) if id == self.source.id() => {
                let cause = Cause::SameObject { other: segment.endpoint().clone() };
                return Err(Error::new(Operation::Copy, self.source.object.endpoint(), cause));
            }
            Err(segment) => Box::new(SegmentObject::new(&segment)?),
        };
        self.report.kind = ObjectKind::Segment;
        self.fill(Filling {
            object: object.as_ref(),
            kind: Kind::Segment,
            before,
            base: Base::None,
            space: None,
            mode_at_end: ModeAtEnd::AsItIs,
        })
    }
}

/// A System V segment or a section, attached, as an [`Object`].
#[derive(Debug)]
pub(super) struct SegmentObject {
    region: Region,
    endpoint: Endpoint,
}

impl SegmentObject {
    fn new(segment: &Segment) -> Result<Self> {
        Ok(Self { region: segment.map()?, endpoint: segment.endpoint().clone() })
    }

    fn unsupported<T>(&self, operation: Operation) -> Result<T> {
        let cause = Cause::Unsupported("the length of a segment is never changed");
        Err(Error::new(operation, &self.endpoint, cause))
    }
}

impl Object for SegmentObject {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn file(&self) -> Option<&File> {
        None
    }

    fn len(&self) -> Result<u64> {
        Ok(self.region.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = self.region.len().saturating_sub(offset);
        let count = into.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        self.region.read_at(offset, &mut into[..count])?;
        Ok(count)
    }

    /// It is in memory, or swapped out, of which the kernel takes care.
    fn read_ahead(&self, _: ByteRange) {}

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<()> {
        self.region.write_at(offset, from)
    }

    fn map(&self, range: ByteRange, access: map::Access) -> Result<Mapping> {
        self.region.part(range, access)
    }

    /// All of it: of holes the system does not tell.
    fn next_data(&self, offset: u64) -> Result<Option<ByteRange>> {
        let rest = ByteRange::between(offset, self.region.len());
        Ok(Some(rest).filter(|rest| !rest.is_empty()))
    }

    /// It was reserved when it was made.
    fn reserve(&self, _: ByteRange) -> Result<()> {
        Ok(())
    }

    fn clear(&self, range: ByteRange) -> Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut rest = range;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(ZEROS.len() as u64);
            let len = usize::try_from(part.len()).unwrap_or(ZEROS.len());
            self.region.write_at(part.start(), &ZEROS[..len])?;
            rest = behind;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        if len == self.region.len() { Ok(()) } else { self.unsupported(Operation::SetLen) }
    }

    /// There is no disk that it could be written to.
    fn start_write_out(&self, _: ByteRange) -> Result<()> {
        Ok(())
    }

    fn wait_write_out(&self, _: ByteRange) -> Result<()> {
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}
