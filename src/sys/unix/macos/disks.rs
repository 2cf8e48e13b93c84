//! Block devices: what is known of them stands in the registry of IOKit, which is not asked.

use std::io;

use crate::sys::disks::Disk;
use crate::sys::mounts::MountLine;

/// What the system tells of its devices.
#[derive(Clone, Debug)]
pub(crate) struct Kernel;

impl Kernel {
    /// The running system's.
    pub(crate) fn running() -> Self {
        Self
    }

    /// Nothing is told of the device with this number.
    ///
    /// # Errors
    ///
    /// `Unsupported`, always.
    pub(crate) fn disk(&self, _: (u32, u32)) -> io::Result<Disk> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The number of the device that a file system is on.
    pub(crate) fn numbers_of(&self, line: &MountLine) -> Vec<(u32, u32)> {
        if line.device == (0, 0) { Vec::new() } else { vec![line.device] }
    }

    /// There is no ext4.
    pub(crate) fn has_ext4_journal(&self, _: &str) -> Option<bool> {
        None
    }

    /// As above.
    pub(crate) fn options_of_ext4(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}
