//! Unix: Linux, and macOS as far as its documentation leads.
//!
//! What both do alike stands here; of what each does in its own way one file is picked.

#[cfg(target_os = "macos")]
#[path = "macos/acl.rs"]
mod acl;
pub(crate) mod attributes;
#[cfg_attr(target_os = "macos", path = "macos/bare.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/bare.rs")]
mod bare;
#[cfg_attr(target_os = "macos", path = "macos/blocks.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/blocks.rs")]
mod blocks;
#[cfg_attr(target_os = "macos", path = "macos/cache.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/cache.rs")]
pub(crate) mod cache;
#[cfg_attr(target_os = "macos", path = "macos/clone.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/clone.rs")]
pub(crate) mod clone;
#[cfg(target_env = "gnu")]
#[path = "linux/deadline.rs"]
mod deadline;
#[cfg_attr(target_os = "macos", path = "macos/disks.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/disks.rs")]
pub(crate) mod disks;
#[cfg_attr(target_os = "macos", path = "macos/entries.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/entries.rs")]
mod entries;
mod errno;
#[cfg_attr(target_os = "macos", path = "macos/extended.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/extended.rs")]
mod extended;
pub(crate) mod family;
pub(crate) mod faults;
pub(crate) mod file;
#[cfg_attr(target_os = "macos", path = "macos/file_system.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/file_system.rs")]
pub(crate) mod file_system;
#[cfg_attr(target_os = "macos", path = "macos/flush.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/flush.rs")]
pub(crate) mod flush;
#[cfg_attr(target_os = "macos", path = "macos/futex.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/futex.rs")]
pub(crate) mod futex;
pub(crate) mod handle;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg_attr(target_os = "macos", path = "macos/lockers.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/lockers.rs")]
mod lockers;
pub(crate) mod locks;
#[cfg_attr(target_os = "macos", path = "../absent/memfd.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/memfd.rs")]
pub(crate) mod memfd;
#[cfg_attr(target_os = "macos", path = "macos/mounts.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/mounts.rs")]
pub(crate) mod mounts;
pub(crate) mod names;
pub(crate) mod pages;
#[cfg_attr(target_os = "macos", path = "macos/posix_shm.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/posix_shm.rs")]
pub(crate) mod posix_shm;
pub(crate) mod processes;
#[cfg_attr(target_os = "macos", path = "macos/robust.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/robust.rs")]
pub(crate) mod robust;
pub(crate) mod section;
#[cfg_attr(target_os = "macos", path = "macos/segments.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/segments.rs")]
mod segments;
pub(crate) mod semaphores;
pub(crate) mod signals;
pub(crate) mod space;
pub(crate) mod streams;
pub(crate) mod sysv;
pub(crate) mod threads;
mod uncached;
pub(crate) mod users;
pub(crate) mod view;
#[cfg_attr(target_os = "macos", path = "macos/waits.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/waits.rs")]
mod waits;

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!(
    "mycp runs on Linux, macOS and Windows only: nothing in src/sys/unix is written for the file \
     calls, the registers of signal handlers and the shared memory of this system"
);

pub(crate) use rustix::io::Errno;
pub(crate) use sysv::Attachment;
