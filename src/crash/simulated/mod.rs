//! What survives a crash of a simulated disk.
//!
//! A command runs on a real file system whose disk is a file that records every write and every
//! flush; from the record are rebuilt the states that a crash could have left, and each is mounted
//! and judged.
//!
//! The kernel's FUSE and loop drivers send a flush only when the writes before it have completed,
//! and a write with FUA as a write and a flush: what races between a write and a flush that overlap
//! is not explored.

mod aftermath;
mod claims;
mod cripple;
mod disk;
mod error;
mod explore;
mod findings;
mod image;
mod losses;
mod minimal;
mod observe;
mod oracle;
mod outline;
mod program;
mod promise;
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
pub use explore::{Experiment, Laboratory};
pub use findings::{Example, Findings, Flaw, Reduction};
pub use image::{Image, PAGE};
pub use losses::{Loss, Stored};
pub use promise::{Promise, Temporaries};
pub use record::{Change, Crash, Moment, Record, SECTOR};
pub use recording::{LoadError, Recording};
pub use room::Room;
pub use shown::Shown;
pub use states::Bound;
pub use stores::{OVERWRITTEN, Property, run as store};
pub use system::FileSystem;
pub use verdict::Verdict;
pub use workload::{Kind as WorkloadKind, MOUNT_POINT, SOURCE, TARGET, Workload};

#[cfg(test)]
mod write_errors;
