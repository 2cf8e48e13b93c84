//! What kind of file system holds an object, and what can be relied on there.

use std::io;

use super::handle::AsHandle;
use super::volume;
use crate::sys::file_system::FileSystem;

/// The kind of file system that holds the object.
pub(crate) fn of(handle: impl AsHandle) -> io::Result<FileSystem> {
    if is_remote(&handle) {
        return Ok(FileSystem::Network);
    }
    Ok(kind_of_name(&volume::of(&handle)?.file_system))
}

/// The kind of file system that drivers call so: those of other systems' file systems use their
/// names, and WinFsp begins with `FUSE` what is served through it.
fn kind_of_name(name: &str) -> FileSystem {
    match name.to_ascii_lowercase().as_str() {
        "ext2" | "ext3" | "ext4" => FileSystem::Ext,
        "btrfs" => FileSystem::Btrfs,
        other if other.starts_with("fuse") => FileSystem::Fuse,
        _ => FileSystem::Other,
    }
}

/// Whether an object is on another machine: only then is there a protocol to be told.
pub(super) fn is_remote(object: &impl AsHandle) -> bool {
    use windows_sys::Win32::Storage::FileSystem::{
        FILE_REMOTE_PROTOCOL_INFO, FileRemoteProtocolInfo,
    };
    // SAFETY: that is the structure of the class, of numbers only.
    let told =
        unsafe { super::file::query::<FILE_REMOTE_PROTOCOL_INFO>(object, FileRemoteProtocolInfo) };
    told.is_ok()
}

/// Whether two changes of a file never get the same times: the clock that stamps them has steps of
/// some milliseconds.
pub(crate) fn stamps_are_fine(_: FileSystem) -> bool {
    false
}

/// Whether [`sync_file_system`](super::flush::sync_file_system) tells of every write that failed:
/// there is no such call.
pub(crate) fn sync_tells_errors(_: FileSystem) -> bool {
    false
}

#[cfg(test)]
mod tests;
