//! Copies files through memory maps: fast, whole, and on the disk when asked.

#[doc(hidden)]
pub mod cli;
mod copy;
mod digest;
mod engine;
mod error;
mod lock;
pub mod mapped;
mod metadata;
mod object;
mod options;
mod report;
mod sys;
mod units;

pub use copy::{Copier, Links, copy};
pub use error::{Cause, Error, Operation, Result};
pub use mapped::{FaultGuard, Restored};
pub use options::*;
pub use report::*;
pub use units::{ByteRange, Granule};
