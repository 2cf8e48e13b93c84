//! Hard links among the sources of one run become hard links among its targets, as
//! `cp --preserve=links`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::stage::temporary_name;
use super::target::Place;
use crate::error::{Context, Operation, Result};
use crate::options::{Endpoint, ObjectId};
use crate::report::Report;
use crate::sys::file;

/// Where the sources with several names were copied to. It grows by those only.
#[derive(Debug, Default)]
pub struct Links {
    targets: Mutex<HashMap<ObjectId, First>>,
}

/// The first copy of a source with several names.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) target: PathBuf,
    pub(super) len: u64,
    pub(super) hash: Option<blake3::Hash>,
}

impl Links {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where that source was copied to first.
    pub(super) fn first(&self, source: ObjectId) -> Option<First> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).get(&source).cloned()
    }

    /// Notes where it was copied to.
    pub(super) fn note(&self, source: ObjectId, report: &Report) {
        if let Some(path) = report.target.path() {
            let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            let Report { len, hash, .. } = *report;
            targets.entry(source).or_insert_with(|| First {
                target: path.to_path_buf(),
                len,
                hash,
            });
        }
    }
}

/// Makes the name of `place` another name of `first`, in one step.
pub(super) fn link_to(place: &Place, first: &Path, endpoint: &Endpoint) -> Result<()> {
    link_in_one_step(place, first).context(Operation::Link, endpoint)
}

fn link_in_one_step(place: &Place, first: &Path) -> io::Result<()> {
    for slot in 0..SLOTS_MAX {
        let temporary = temporary_name(&place.name, slot);
        match file::link_into(first, &place.directory, &temporary) {
            Ok(()) => {
                let renamed = file::rename_at(&place.directory, &temporary, &place.name);
                // Where both names led to one file already, the rename did nothing and left both
                // (rename(2)).
                return match file::unlink_at(&place.directory, &temporary) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => renamed,
                    removed => renamed.and(removed),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Numbers to try for the temporary name.
const SLOTS_MAX: u32 = 10_000;
