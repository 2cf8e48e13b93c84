//! Windows: the calls of Win32, and the native ones below them where only these can.

pub(crate) mod attributes;
pub(crate) mod cache;
pub(crate) mod clone;
pub(crate) mod disks;
mod errno;
pub(crate) mod family;
pub(crate) mod faults;
pub(crate) mod file;
pub(crate) mod file_system;
pub(crate) mod flush;
pub(crate) mod futex;
pub(crate) mod handle;
pub(crate) mod locks;
#[path = "../absent/memfd.rs"]
pub(crate) mod memfd;
pub(crate) mod mounts;
pub(crate) mod names;
mod native;
mod objects;
pub(crate) mod pages;
pub(crate) mod posix_shm;
pub(crate) mod processes;
pub(crate) mod robust;
#[cfg(test)]
mod samples;
pub(crate) mod section;
pub(crate) mod semaphores;
pub(crate) mod signals;
pub(crate) mod space;
pub(crate) mod streams;
pub(crate) mod sysv;
pub(crate) mod threads;
pub(crate) mod users;
pub(crate) mod view;
mod volume;

pub(crate) use errno::Errno;
pub(crate) use section::Attachment;
