//! Values for offsets, lengths and alignments that cannot be built wrong.

use std::fmt;

/// A half-open range of bytes, `start..end`, that never ends before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// The `len` bytes from `start` on; `None` when they end past `u64::MAX`.
    #[must_use]
    pub const fn new(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// The first `len` bytes of an object.
    #[must_use]
    pub const fn first(len: u64) -> Self {
        Self { start: 0, end: len }
    }

    /// The bytes from `start` up to `end`; empty, at `start`, when `end` is not behind it.
    #[must_use]
    pub const fn between(start: u64, end: u64) -> Self {
        Self { start, end: if end > start { end } else { start } }
    }

    /// Offset of the first byte.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Offset behind the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Number of bytes.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is no byte in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The first `len` bytes and the rest; all of it and nothing when it is shorter than `len`.
    #[must_use]
    pub const fn split_at(self, len: u64) -> (Self, Self) {
        let middle = if len < self.len() { self.start + len } else { self.end };
        (Self { start: self.start, end: middle }, Self { start: middle, end: self.end })
    }

    /// What is left when the first `len` bytes are done.
    #[must_use]
    pub const fn skip(self, len: u64) -> Self {
        self.split_at(len).1
    }

    /// The part of it that is also in `other`; empty, at its own start, when there is none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        if start < end { Self { start, end } } else { Self { start: self.start, end: self.start } }
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// An alignment in bytes: a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Granule(u64);

impl Granule {
    /// `bytes` as a granule; `None` when it is not a power of two.
    #[must_use]
    pub const fn new(bytes: u64) -> Option<Self> {
        if bytes.is_power_of_two() { Some(Self(bytes)) } else { None }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The last multiple of the granule that is not behind `offset`.
    #[must_use]
    pub const fn floor(self, offset: u64) -> u64 {
        offset & !(self.0 - 1)
    }

    /// The first multiple of the granule behind `offset`; `u64::MAX` when that is past it.
    #[must_use]
    pub const fn next(self, offset: u64) -> u64 {
        match self.floor(offset).checked_add(self.0) {
            Some(next) => next,
            None => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_past_the_last_offset_cannot_be_made() {
        assert_eq!(ByteRange::new(u64::MAX, 1), None);
        assert_eq!(ByteRange::new(u64::MAX, 0).unwrap().len(), 0);
    }

    #[test]
    fn splitting_loses_no_byte_and_clamps() {
        let range = ByteRange::new(10, 5).unwrap();
        let (head, tail) = range.split_at(2);
        assert_eq!((head.start(), head.end(), tail.start(), tail.end()), (10, 12, 12, 15));
        assert_eq!(range.split_at(99), (range, ByteRange::between(15, 15)));
    }

    #[test]
    fn ranges_that_do_not_touch_have_an_empty_intersection() {
        let left = ByteRange::between(0, 4);
        let right = ByteRange::between(4, 8);
        assert!(left.intersection(right).is_empty());
        assert_eq!(left.intersection(ByteRange::between(2, 9)), ByteRange::between(2, 4));
    }

    #[test]
    fn a_granule_rounds_down_and_to_the_next_multiple() {
        let page = Granule::new(4096).unwrap();
        assert_eq!(page.floor(4095), 0);
        assert_eq!(page.floor(4096), 4096);
        assert_eq!(page.next(4096), 8192);
        assert_eq!(page.next(u64::MAX), u64::MAX);
        assert_eq!(Granule::new(3), None);
        assert_eq!(Granule::new(0), None);
    }
}
