//! Why a page could not be touched, found out by calls that return errors.

use std::fs::File;
use std::io;

use super::{Fault, FaultReason, Side};
use crate::error::Cause;
use crate::sys::system::{pages, space};
use crate::units::{ByteRange, Granule};

impl Fault {
    /// What the fault itself tells, of memory of which there is no more to learn.
    pub(crate) fn cause(&self) -> Cause {
        match self.reason {
            FaultReason::HardwareMemory => Cause::HardwareMemory,
            FaultReason::Protected => Cause::Os(io::ErrorKind::PermissionDenied.into()),
            FaultReason::Missing => Cause::Inaccessible,
        }
    }
}

/// Why a page of `file` could not be touched, found out by calls that return errors.
///
/// `offset` is the file's byte that corresponds to [`Fault::at`], and `file` the side that the
/// fault was on.
pub(crate) fn cause_of_fault(file: &File, offset: u64, fault: &Fault) -> Cause {
    if fault.reason != FaultReason::Missing {
        return fault.cause();
    }
    let len = match crate::sys::file::facts(file) {
        Ok(facts) => facts.len,
        Err(error) => return Cause::Os(error),
    };
    if offset >= len {
        return Cause::Shrank { len };
    }
    let page = page_of(offset);
    let learnt = match (read_page(file, page), fault.side) {
        (Ok(()), Side::Target) => space::reserve_page(file, page),
        (read, _) => read,
    };
    match learnt {
        // It can be had by now, or the file system will not say.
        Ok(()) => Cause::Inaccessible,
        Err(error) => Cause::Os(error),
    }
}

fn page_of(offset: u64) -> ByteRange {
    let page = Granule::new(pages::page_bytes() as u64);
    let bytes = page.map_or(1, Granule::bytes);
    let start = page.map_or(offset, |page| page.floor(offset));
    ByteRange::between(start, start.saturating_add(bytes))
}

/// Reads all of a page: where blocks are smaller, any of them may be the one that fails.
fn read_page(file: &File, page: ByteRange) -> io::Result<()> {
    let mut rest = page;
    let mut block = [0; 512];
    while !rest.is_empty() {
        match crate::sys::file::read_at(file, rest.start(), &mut block)? {
            0 => break,
            count => rest = rest.skip(count as u64),
        }
    }
    Ok(())
}
