//! What is mounted where (statfs(2), getfsstat(2)).

use std::ffi::{OsStr, OsString, c_char};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::errno::errno_of_libc;
use super::names;
use crate::sys::file::Facts;
use crate::sys::mounts::MountLine;

/// The mount that an open object is on.
pub(crate) fn mount_of(handle: impl AsFd) -> io::Result<Option<MountLine>> {
    let device = Facts::from_stat(&rustix::fs::fstat(&handle)?).id.dev;
    let found = rustix::fs::fstatfs(handle)?;
    let options = OPTIONS.iter().filter(|(flag, _)| found.f_flags & flag.cast_unsigned() != 0);
    let access = if found.f_flags & libc::MNT_RDONLY.cast_unsigned() == 0 { "rw" } else { "ro" };
    let options = options.map(|(_, name)| (*name).to_owned());
    Ok(Some(MountLine {
        // Each mount has a number of a device of its own.
        id: device,
        device: numbers(device).unwrap_or((0, 0)),
        point: text(&found.f_mntonname).into(),
        options: [access.to_owned()].into_iter().chain(options).collect(),
        file_system: text(&found.f_fstypename).to_string_lossy().into_owned(),
        source: text(&found.f_mntfromname),
        super_options: Vec::new(),
    }))
}

/// The number of a mount: that of its device tells it already.
pub(crate) fn mount_id(_: impl AsFd, _: &OsStr) -> Option<u64> {
    None
}

/// The flags of a mount that are its options, as mount(8) has them.
const OPTIONS: [(libc::c_int, &str); 5] = [
    (libc::MNT_SYNCHRONOUS, "sync"),
    (libc::MNT_ASYNC, "async"),
    (libc::MNT_NOATIME, "noatime"),
    (libc::MNT_NOEXEC, "noexec"),
    (libc::MNT_JOURNALED, "journaled"),
];

/// Major and minor of the number of a device, as [`Facts`] have it.
fn numbers(device: u64) -> Option<(u32, u32)> {
    let device = i32::try_from(device.cast_signed()).ok()?;
    Some((rustix::fs::major(device), rustix::fs::minor(device)))
}

/// What is mounted on a directory and below it, as lines that differ when the mounts do; none where
/// that cannot be told.
pub(crate) fn mounts_below(directory: &Path) -> Vec<String> {
    let Ok(directory) = names::canonical(directory) else { return Vec::new() };
    let mounts = all().unwrap_or_default();
    let below = mounts.iter().filter_map(|mount| {
        let point = text(&mount.f_mntonname);
        let source = text(&mount.f_mntfromname);
        Path::new(&point).starts_with(&directory).then(|| {
            let kind = text(&mount.f_fstypename);
            format!("{} {} {}", point.display(), kind.display(), source.display())
        })
    });
    below.collect()
}

/// All mounts.
fn all() -> io::Result<Vec<libc::statfs>> {
    // Some may be added between the two calls.
    const MORE: usize = 8;
    // SAFETY: without a buffer the call counts.
    let count = unsafe { libc::getfsstat(std::ptr::null_mut(), 0, libc::MNT_NOWAIT) };
    let count = usize::try_from(count).map_err(|_| errno_of_libc())? + MORE;
    // SAFETY: it has numbers and characters only, for which all zeros are a value.
    let mut mounts = vec![unsafe { std::mem::zeroed::<libc::statfs>() }; count];
    let bytes = libc::c_int::try_from(size_of_val(mounts.as_slice()))
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    // SAFETY: the buffer has so many bytes.
    let count = unsafe { libc::getfsstat(mounts.as_mut_ptr(), bytes, libc::MNT_NOWAIT) };
    mounts.truncate(usize::try_from(count).map_err(|_| errno_of_libc())?);
    Ok(mounts)
}

/// The text before the first NUL.
pub(super) fn text(field: &[c_char]) -> OsString {
    let text = field.iter().take_while(|c| **c != 0);
    OsString::from_vec(text.map(|c| c.cast_unsigned()).collect())
}
