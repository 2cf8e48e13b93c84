//! Named sections, which this system does not have.

use std::io;

use super::Attachment;
use crate::options::{ObjectId, SectionName, SegmentAccess};

/// Why there can be none.
pub(crate) const ABSENCE: Option<&str> = Some("sections are Windows' own");

/// None can be opened.
#[derive(Debug)]
pub(crate) enum Section {}

impl Section {
    pub(crate) fn make(_: &SectionName, _: u64) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn open(_: &SectionName, _: SegmentAccess) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn len(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn id(&self) -> ObjectId {
        match *self {}
    }

    pub(crate) fn view(&self, _: SegmentAccess) -> io::Result<Attachment> {
        match *self {}
    }
}
