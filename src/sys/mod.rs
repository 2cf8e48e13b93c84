//! System calls as safe functions that return `io::Result` and know nothing of copying.
//!
//! All `unsafe` code and all `cfg(target_os)` of the crate is below this module. One `platform`
//! is picked here; each has the same functions.

pub(crate) mod attributes;
#[cfg(target_os = "linux")]
pub(crate) mod children;
mod clock;
pub(crate) mod disks;
pub(crate) mod file;
pub(crate) mod futex;
pub(crate) mod guard;
#[cfg(target_os = "linux")]
pub(crate) mod holders;
pub(crate) mod locks;
#[cfg(target_os = "linux")]
pub(crate) mod loopback;
pub(crate) mod map;
pub(crate) mod mounts;
pub(crate) mod names;
#[cfg(target_os = "linux")]
pub(crate) mod owners;
pub(crate) mod place;
pub(crate) mod posix_shm;
pub(crate) mod processes;
pub(crate) mod robust;
pub(crate) mod semaphores;
pub(crate) mod signals;
pub(crate) mod streams;
pub(crate) mod sysv;
#[cfg(target_os = "linux")]
pub(crate) mod undertaker;
pub(crate) mod users;

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "linux.rs"]
pub(crate) mod platform;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mycp runs on Linux only so far: src/sys/linux.rs has no counterpart here yet");
