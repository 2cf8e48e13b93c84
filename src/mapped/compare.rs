//! Two files compared through their maps.

use super::MappedSource;
use super::handle::index;
use crate::error::{Operation, Result};
use crate::report::Flow;
use crate::sys::map::{Fault, Mapping, Side};
use crate::units::{ByteRange, Granule};

/// Finds where two files differ, and gives `each` range to the caller, ascending.
///
/// A range is made of whole granules of `granule` bytes that differ somewhere, as many as follow
/// one another; where a file ends within one, the range ends there. What one of the files has
/// behind the end of the other differs. Holes are compared as the zeros that they read as. When
/// `each` returns [`Flow::Stop`] no more is compared.
///
/// It compares at the speed of memory, on the calling thread; several threads may compare parts of
/// the same files by opening each for themselves.
///
/// # Errors
///
/// As [`MappedSource::read_at`], of either file: [`Error::endpoint`](crate::Error::endpoint) tells
/// which. The ranges told before are good.
///
/// # Example
///
/// ```
/// use mycp::mapped::{MappedSource, differences};
/// use mycp::{ByteRange, Flow, Granule};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let (old, new) = (directory.path().join("old"), directory.path().join("new"));
/// let mut bytes = vec![7; 20_000];
/// std::fs::write(&old, &bytes)?;
/// bytes[5000] = 8;
/// bytes.extend([9; 100]);
/// std::fs::write(&new, &bytes)?;
///
/// let (old, new) = (MappedSource::open(old)?, MappedSource::open(new)?);
/// let page = Granule::new(4096).ok_or("no power of two")?;
/// let mut found = Vec::new();
/// differences(&new, &old, page, |range| {
///     found.push(range);
///     Flow::Continue
/// })?;
/// assert_eq!(found, [ByteRange::between(4096, 8192), ByteRange::between(20_000, 20_100)]);
/// # Ok(())
/// # }
/// ```
pub fn differences(
    left: &MappedSource,
    right: &MappedSource,
    granule: Granule,
    mut each: impl FnMut(ByteRange) -> Flow,
) -> Result<()> {
    let (left_len, right_len) = (left.len()?, right.len()?);
    let common = ByteRange::first(left_len.min(right_len));
    let mut found = Found { range: ByteRange::first(0), flow: Flow::Continue };
    let (first, second) = (&left.handle, &right.handle);
    first.each_window(Operation::Read, common, |one, part| {
        second.each_window(Operation::Read, part, |other, piece| {
            let mut rest = piece;
            while !rest.is_empty() && found.flow == Flow::Continue {
                let (at, len) = (rest.start(), index(rest.len()));
                let (one_at, other_at) = (one.index_of(at), other.index_of(at));
                let (one_map, other_map) = (&one.mapping, &other.mapping);
                let equal = Mapping::equal_len(one_map, one_at, other_map, other_at, len);
                let equal = equal.map_err(|fault| {
                    let (handle, window) = match fault.side {
                        Side::Source => (first, one),
                        Side::Target => (second, other),
                    };
                    // Both are read.
                    let fault = Fault { side: Side::Source, ..fault };
                    handle.fault(Operation::Read, window, &fault, common, at)
                })?;
                rest = rest.skip(equal as u64);
                if !rest.is_empty() {
                    let end = granule.next(rest.start()).min(common.end());
                    found.add(ByteRange::between(granule.floor(rest.start()), end), &mut each);
                    rest = ByteRange::between(end, piece.end());
                }
            }
            Ok(())
        })
    })?;
    let longer = ByteRange::between(common.end(), left_len.max(right_len));
    if !longer.is_empty() {
        found.add(longer, &mut each);
    }
    found.tell(&mut each);
    Ok(())
}

/// The range that was found last, which may go on.
struct Found {
    range: ByteRange,
    flow: Flow,
}

impl Found {
    /// Adds a range that is not before the last one.
    fn add(&mut self, range: ByteRange, each: &mut impl FnMut(ByteRange) -> Flow) {
        if !self.range.is_empty() && range.start() <= self.range.end() {
            let end = range.end().max(self.range.end());
            self.range = ByteRange::between(self.range.start(), end);
        } else {
            self.tell(each);
            self.range = range;
        }
    }

    /// Tells the caller of the last one.
    fn tell(&mut self, each: &mut impl FnMut(ByteRange) -> Flow) {
        if !self.range.is_empty() && self.flow == Flow::Continue {
            self.flow = each(self.range);
        }
    }
}
