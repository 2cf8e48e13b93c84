//! Mount namespaces, and mounting in them.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::super::mounts;

/// Gives this thread, and those that it starts afterwards, mounts of their own (unshare(2),
/// `CLONE_NEWNS`). They share the working directory with no older thread any more.
///
/// # Errors
///
/// `EPERM` for whom may not mount.
pub(crate) fn own_mounts() -> io::Result<()> {
    // SAFETY: the table of open files stays shared.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }?)
}

/// Keeps what is mounted in this namespace from then on from being seen in others, and the other
/// way round (`MS_PRIVATE`, mount(2)).
///
/// # Errors
///
/// `EPERM` for whom may not mount.
pub(crate) fn keep_to_this_namespace() -> io::Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    Ok(rustix::mount::mount_change("/", private)?)
}

/// Mounts a file system of a kind, with options as mount(8) has them.
///
/// # Errors
///
/// Those of mount(2): `EINVAL` for an option that it does not know, `ENODEV` where the system does
/// not know the kind.
pub(crate) fn mount(source: &Path, directory: &Path, kind: &str, options: &str) -> io::Result<()> {
    let (flags, data) = flags_and_data(options);
    let data = CString::new(data)?;
    Ok(rustix::mount::mount(source, directory, kind, flags, data.as_c_str())?)
}

/// What mount(2) takes as flags, and what it takes as text.
fn flags_and_data(options: &str) -> (MountFlags, String) {
    let mut flags = MountFlags::empty();
    let mut data: Vec<&str> = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "noatime" => flags |= MountFlags::NOATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "strictatime" => flags |= MountFlags::STRICTATIME,
            "lazytime" => flags |= MountFlags::LAZYTIME,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "dirsync" => flags |= MountFlags::DIRSYNC,
            other => data.push(other),
        }
    }
    (flags, data.join(","))
}

/// Unmounts what is mounted on a directory.
///
/// # Errors
///
/// `EBUSY` while somebody has something of it open.
pub(crate) fn unmount(directory: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(directory, UnmountFlags::empty())?)
}

/// Takes what is mounted on a directory out of sight; it is unmounted when nobody has anything of
/// it open any more (`MNT_DETACH`, umount2(2)).
///
/// # Errors
///
/// `EINVAL` where nothing is mounted.
pub(crate) fn detach(directory: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(directory, UnmountFlags::DETACH)?)
}

/// The loop devices that file systems are mounted from, each with the directory that it is mounted
/// on; none where that cannot be told.
pub(crate) fn on_loop_devices() -> Vec<(PathBuf, PathBuf)> {
    let mounts = mounts::all().unwrap_or_default();
    let on_loops = mounts.into_iter().filter_map(|mount| {
        let source = PathBuf::from(mount.source);
        let is_loop = source.to_string_lossy().starts_with("/dev/loop");
        is_loop.then_some((source, mount.point))
    });
    on_loops.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_call_takes_as_flags_is_no_text() {
        let (flags, data) = flags_and_data("nouuid,,noatime,data=ordered,sync");
        assert_eq!(flags, MountFlags::NOATIME | MountFlags::SYNCHRONOUS);
        assert_eq!(data, "nouuid,data=ordered");
    }
}
