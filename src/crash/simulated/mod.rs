//! What survives a crash of a simulated disk.
//!
//! A command runs on a real file system whose disk is a file that records every write and every
//! flush; from the record are rebuilt the states that a crash could have left, and each is mounted
//! and judged.

mod aftermath;
mod claims;
mod cripple;
mod disk;
mod error;
mod explore;
mod image;
mod observe;
mod oracle;
mod program;
mod random;
mod record;
mod recording;
mod room;
mod shown;
mod states;
mod stores;
mod system;
mod verdict;
mod workload;

pub use super::flush::SyncMode;
pub use aftermath::{Aftermath, Exposure, Page, Point};
pub use claims::{Kept, Stores};
pub use cripple::Cripple;
pub use error::{Error, Result};
pub use explore::{Example, Experiment, Findings, Laboratory};
pub use image::{Image, PAGE};
pub use oracle::{Breach, Promise};
pub use record::{Change, Crash, Moment, Record, SECTOR};
pub use recording::Recording;
pub use room::Room;
pub use shown::Shown;
pub use states::Bound;
pub use stores::{OVERWRITTEN, Property, run as store};
pub use system::FileSystem;
pub use verdict::Verdict;
pub use workload::{Kind as WorkloadKind, MOUNT_POINT, SOURCE, TARGET, Workload};

#[cfg(test)]
mod write_errors;
