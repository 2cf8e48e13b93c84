//! Mounted file systems.

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use super::system::mounts::*;

/// A mount, as proc_pid_mountinfo(5) has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountLine {
    /// Its number.
    pub(crate) id: u64,
    /// The number of the device that the file system is on, major and minor; the major one is 0
    /// for file systems that are on none, or on several.
    pub(crate) device: (u32, u32),
    /// The directory that it is mounted on.
    pub(crate) point: PathBuf,
    /// The options of the mount.
    pub(crate) options: Vec<String>,
    /// The kind of file system.
    pub(crate) file_system: String,
    /// What is mounted: a device, a server's directory, or any word.
    pub(crate) source: OsString,
    /// The options of the file system, which all of its mounts share.
    pub(crate) super_options: Vec<String>,
}
