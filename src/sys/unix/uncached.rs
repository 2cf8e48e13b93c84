//! Reading past the cache, where that is not emptied instead.

use std::convert::Infallible;
use std::fs::File;
use std::io;

/// Nobody needs it here: `cache::drop_cache` drops what is cached.
#[derive(Debug)]
pub(crate) struct Uncached(Infallible);

impl Uncached {
    /// There is none.
    pub(crate) fn of(_: &File) -> Option<Self> {
        None
    }

    /// Nothing is read by none.
    pub(crate) fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}
