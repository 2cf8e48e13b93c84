//! Block devices.

use std::path::PathBuf;

pub(crate) use super::system::disks::*;

/// What the kernel says of a block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Its name, as in `/dev`.
    pub(crate) name: String,
    /// The device that it is a part of.
    pub(crate) whole: Option<(u32, u32)>,
    /// `queue/write_cache`: "write back" or "write through"; of Windows also "write back, not
    /// flushed".
    pub(crate) write_cache: Option<String>,
    /// `queue/fua`: whether a single write can go past the cache.
    pub(crate) fua: Option<bool>,
    /// `queue/rotational`: whether it is said to turn.
    pub(crate) rotational: Option<bool>,
    /// `device/model`.
    pub(crate) model: Option<String>,
    /// `loop/backing_file`: the file that a loop device is made of.
    pub(crate) backing_file: Option<PathBuf>,
    /// `loop/dio`: whether that file is read and written without the page cache.
    pub(crate) direct_io: Option<bool>,
    /// `dm/name`: what the device mapper calls it.
    pub(crate) mapper: Option<String>,
    /// `md/level`: which RAID it is.
    pub(crate) raid: Option<String>,
    /// What it is connected by, where that is told: "NVMe".
    pub(crate) bus: Option<String>,
    /// The bytes of a sector as it is addressed, and as it is inside, where that is told.
    pub(crate) sectors: Option<Sectors>,
    /// The devices that it is made of.
    pub(crate) members: Vec<(u32, u32)>,
}

/// The sectors of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sectors {
    /// The bytes of one as the system addresses it.
    pub logical_bytes: u32,
    /// The bytes that the disk writes at once inside.
    pub physical_bytes: u32,
}
