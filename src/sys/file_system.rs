//! Kinds of file systems.

pub(crate) use super::system::file_system::*;

/// What kind of file system holds an object, as far as the choice of engine cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "no system has all of them")]
pub(crate) enum FileSystem {
    /// ext2, ext3, ext4.
    Ext,
    Xfs,
    Btrfs,
    /// tmpfs, ramfs: memory.
    Memory,
    /// NFS, CIFS, 9p, Ceph: bytes live elsewhere.
    Network,
    Fuse,
    /// procfs, sysfs and the like: lengths are not to be trusted.
    Pseudo,
    Other,
}
