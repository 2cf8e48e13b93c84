//! What survives a crash.
//!
//! [`explain()`] finds out what a path is on, down to the devices, and [`Place::contract`] says
//! what each call promises there. [`probe()`] measures how long these calls take. [`simulated`]
//! crashes file systems on simulated disks. `witness` finds out what a real power cut took. All of
//! them speak of the same ways to flush, each a [`SyncMode`].

mod by_name;
mod contract;
mod flush;
mod place;
mod probe;
mod sector;
#[cfg(target_os = "linux")]
pub mod simulated;
mod statistics;
pub(crate) mod witness;

pub use crate::sys::disks::Sectors;
pub use crate::sys::family::Family;
pub use by_name::UnknownName;
pub use contract::{Answer, Call, Contract, Guarantee, Warning, Weight};
pub use flush::SyncMode;
pub use place::{Device, DeviceKind, Layer, Mount, Place, WriteCache, explain};
pub use probe::{Doubt, Extent, Measured, Probe, ProbeOptions, probe};
pub(crate) use statistics::rule_of_three;
pub use statistics::{Bucket, Statistics};
