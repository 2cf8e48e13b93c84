//! How holes of the source are found, and become holes of the target.

use super::source::is_no_holes_known;
use super::transfer::Transfer;
use crate::engine::{Before, Holes, Zeros};
use crate::error::{Context, Operation, Result};
use crate::options::Sparse;
use crate::sys::file::Kind;
use crate::sys::space;

impl Transfer<'_> {
    /// How the source's holes are found, and what becomes of zeros.
    pub(super) fn holes(&self) -> Result<(Holes, Zeros)> {
        let facts = &self.source.facts;
        let zeros = match self.options.sparse {
            Sparse::Always => Zeros::Skip,
            Sparse::Auto | Sparse::Never => Zeros::Store,
        };
        let may_have_holes = facts.kind == Kind::Regular && facts.allocated < facts.len;
        if self.options.sparse == Sparse::Never || !may_have_holes {
            return Ok((Holes::Ignore, zeros));
        }
        // Where that cannot be had, zeros are looked for instead.
        if self.source.object.file().is_some_and(|file| space::settle_data(file).is_err()) {
            return Ok((Holes::Ignore, Zeros::Skip));
        }
        match self.source.object.next_data(0) {
            // Some file systems have said so of data that was not on the disk yet (OpenZFS,
            // issue 15526). Where there are blocks, their bytes are looked at.
            Ok(None) if facts.allocated > 0 => Ok((Holes::Ignore, Zeros::Skip)),
            Ok(_) => Ok((Holes::Seek, zeros)),
            Err(error) if is_no_holes_known(&error) => Ok((Holes::Ignore, zeros)),
            Err(error) => Err(error),
        }
    }

    /// Has what is left out of a new target be holes.
    pub(super) fn allow_holes(&self) -> Result<()> {
        match self.target.file() {
            Some(file) if self.before == Before::Blank && self.target_kind == Kind::Regular => {
                space::allow_holes(file).context(Operation::Reserve, self.target.endpoint())
            }
            _ => Ok(()),
        }
    }
}
