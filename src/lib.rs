//! Copies files through memory maps: fast, whole, and on the disk when asked.

pub mod copy;
pub mod error;
pub mod options;
pub mod report;
pub mod units;

pub use copy::Copier;
pub use error::{Cause, Error, Operation, Result};
pub use options::*;
pub use report::{Consent, Done, Event, Flow, Observer, Report};
