//! The names of a directory: reading them (getdents64(2)), and the calls on them that only Linux
//! has, or has in its own way.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, RenameFlags};

use crate::sys::file::Kind;
use crate::sys::names::Listed;

/// Calls `look` with each name in a directory, but for those of the directory itself and its
/// parent. The handle's position stays.
pub(crate) fn each_name_in(directory: impl AsFd, mut look: impl FnMut(&OsStr)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut entries = rustix::fs::RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if let Some(name) = below(entry.file_name()) {
            look(name);
        }
    }
    Ok(())
}

/// A directory's entry, unless it is that of the directory itself or its parent.
fn below(name: &CStr) -> Option<&OsStr> {
    let name = name.to_bytes();
    (name != b"." && name != b"..").then(|| OsStr::from_bytes(name))
}

/// Bytes of names that one call asks for.
const LISTING_BYTES: usize = 32 << 10;

/// The next names of a directory, as many as one call yields, in `into`; none at the end. The
/// position belongs to the handle.
pub(crate) fn list_some(directory: impl AsFd, into: &mut Vec<Listed>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut entries = rustix::fs::RawDir::new(directory, buffer.spare_capacity_mut());
    // One that holds nothing but the directory itself and its parent is not the end.
    while into.is_empty() {
        loop {
            let Some(entry) = entries.next() else { return Ok(()) };
            let entry = entry?;
            if let Some(name) = below(entry.file_name()) {
                into.push(Listed { name: name.to_owned(), kind: Kind::of(entry.file_type()) });
            }
            if entries.is_buffer_empty() {
                break;
            }
        }
    }
    Ok(())
}

/// Opens the directory that `path` leads to below `directory`, if no component of it is a symbolic
/// link (openat2(2)).
///
/// # Errors
///
/// `ENOSYS` before Linux 5.6, and `EPERM` in some containers.
pub(crate) fn open_beneath(directory: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    use rustix::fs::{OFlags, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(directory, path, flags, Mode::empty(), resolve)?)
}

/// Makes a file without a name on the file system of `directory` (O_TMPFILE, open(2)).
///
/// # Errors
///
/// `EOPNOTSUPP`, and `EISDIR` or `ENOENT` before Linux 3.11, where there can be none.
pub(crate) fn unnamed_file(directory: impl AsFd) -> io::Result<File> {
    use rustix::fs::{OFlags, openat};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(openat(directory, ".", flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Renames within one directory unless the new name is taken (`EEXIST`).
///
/// # Errors
///
/// `EINVAL` or `ENOSYS` where the file system or kernel cannot do that in one step.
pub(crate) fn rename_no_replace(directory: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let directory = directory.as_fd();
    Ok(rustix::fs::renameat_with(
        directory,
        Path::new(from),
        directory,
        Path::new(to),
        RenameFlags::NOREPLACE,
    )?)
}

/// Makes a FIFO, a socket or a device file (mknod(2)).
pub(super) fn make_special(
    directory: impl AsFd,
    name: &OsStr,
    kind: FileType,
    mode: u32,
    device: u64,
) -> rustix::io::Result<()> {
    rustix::fs::mknodat(directory, Path::new(name), kind, mode_of(mode), device)
}

/// Permission bits as calls take them.
pub(super) fn mode_of(mode: u32) -> Mode {
    Mode::from_raw_mode(mode)
}
