//! Unix: Linux first, and what of it other systems have.

pub(crate) mod attributes;
#[cfg(target_os = "linux")]
pub(crate) mod children;
#[cfg(target_env = "gnu")]
mod deadline;
pub(crate) mod disks;
pub(crate) mod faults;
pub(crate) mod file;
pub(crate) mod futex;
pub(crate) mod handle;
#[cfg(target_os = "linux")]
pub(crate) mod holders;
pub(crate) mod locks;
#[cfg(target_os = "linux")]
pub(crate) mod loopback;
pub(crate) mod mounts;
pub(crate) mod names;
#[cfg(target_os = "linux")]
pub(crate) mod owners;
pub(crate) mod pages;
pub(crate) mod posix_shm;
pub(crate) mod processes;
pub(crate) mod robust;
pub(crate) mod semaphores;
pub(crate) mod signals;
pub(crate) mod space;
pub(crate) mod streams;
pub(crate) mod sysv;
#[cfg(target_os = "linux")]
pub(crate) mod undertaker;
pub(crate) mod users;

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "linux.rs"]
pub(crate) mod platform;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mycp runs on Linux only so far: linux.rs has no counterpart here yet");

pub(crate) use rustix::io::Errno;
pub(crate) use sysv::Attachment;
