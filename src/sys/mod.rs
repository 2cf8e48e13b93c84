//! System calls as safe functions that return `io::Result` and know nothing of copying.
//!
//! All `unsafe` code and all `cfg(target_os)` of the crate is below this module. One `system` is
//! picked here; each has the same modules with the same functions. A module that stands beside them
//! has what is the same everywhere, and shows the functions that the system's module of that name
//! has, so that there is one place to look for both. What only Linux has is in `linux`, which is
//! there on Linux only.

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod system;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod system;

pub(crate) mod attributes;
mod clock;
pub(crate) mod disks;
pub(crate) mod family;
pub(crate) mod file;
pub(crate) mod file_system;
pub(crate) mod guard;
pub(crate) mod map;
pub(crate) mod memfd;
pub(crate) mod mounts;
pub(crate) mod names;
pub(crate) mod place;
pub(crate) mod robust;
pub(crate) mod sysv;
mod views;

#[cfg(target_os = "linux")]
pub(crate) use system::linux;
pub(crate) use system::{
    Attachment, Errno, cache, clone, flush, futex, handle, locks, pages, posix_shm, processes,
    section, semaphores, signals, space, streams, threads, users,
};

#[cfg(test)]
pub(crate) mod samples;
