//! System calls as safe functions that return `io::Result` and know nothing of copying.
//!
//! All `unsafe` code and all `cfg(target_os)` of the crate is below this module. One `system` is
//! picked here; each has the same modules with the same functions. What is the same everywhere
//! stands beside them, and shows the system's functions under its own name.

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod system;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod system;

pub(crate) mod acquired;
pub(crate) mod attributes;
mod clock;
pub(crate) mod disk;
pub(crate) mod family;
pub(crate) mod file;
pub(crate) mod guard;
pub(crate) mod map;
pub(crate) mod mount;
pub(crate) mod names;
pub(crate) mod place;
pub(crate) mod seal;
pub(crate) mod system_v;
mod views;
pub(crate) mod volume;

pub(crate) use system::*;

#[cfg(test)]
pub(crate) mod samples;
