//! What kind of file system holds an object, and what can be relied on there.

use std::io;
use std::os::fd::AsFd;

use super::mounts;
use crate::sys::file_system::FileSystem;

/// The kind of file system that holds the object.
pub(crate) fn of(handle: impl AsFd) -> io::Result<FileSystem> {
    let found = rustix::fs::fstatfs(handle)?;
    let name = mounts::text(&found.f_fstypename);
    Ok(match name.as_encoded_bytes() {
        b"nfs" | b"smbfs" | b"afpfs" | b"webdav" | b"ftp" => FileSystem::Network,
        b"tmpfs" => FileSystem::Memory,
        b"osxfuse" | b"macfuse" | b"fusefs" => FileSystem::Fuse,
        b"devfs" | b"autofs" => FileSystem::Pseudo,
        // apfs, hfs, msdos, exfat: nothing is chosen for them.
        _ => FileSystem::Other,
    })
}

/// Whether two changes of a file never get the same times: nobody promises it.
pub(crate) fn stamps_are_fine(_: FileSystem) -> bool {
    false
}

/// Whether [`sync_file_system`](super::flush::sync_file_system) tells of every write that failed:
/// there is no such call.
pub(crate) fn sync_tells_errors(_: FileSystem) -> bool {
    false
}
