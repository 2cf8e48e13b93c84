//! What is mounted where: each volume on its root, or on a directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    GetVolumeNameForVolumeMountPointW, GetVolumePathNameW,
};

use super::errno::checked;
use super::handle::AsHandle;
use super::names;
use super::volume::{self, Characteristics, Volume};
use crate::sys::mounts::MountLine;

/// The volume that an open object is on, as a mount. Its source is the volume's own name where it
/// has one, which those of other machines have not.
pub(crate) fn mount_of(handle: impl AsHandle) -> io::Result<Option<MountLine>> {
    let found = volume::of(&handle)?;
    let point = mount_point(names::path_of_handle(&handle)?.as_os_str())?;
    let source = volume_name(&point).unwrap_or_else(|_| shown(&point).into_os_string());
    Ok(Some(MountLine {
        id: found.serial.into(),
        device: (0, 0),
        source,
        point: shown(&point),
        options: options(&found, volume::characteristics(&handle)?),
        file_system: found.file_system,
        super_options: Vec::new(),
    }))
}

/// The number of a mount: names are on the volume of their directory, and junctions are links.
pub(crate) fn mount_id(_: impl AsHandle, _: &OsStr) -> Option<u64> {
    None
}

/// What is told of a volume, in words as Linux has them for mounts.
fn options(volume: &Volume, device: Characteristics) -> Vec<String> {
    let is_read_only = volume.flags & volume::READ_ONLY != 0;
    let mut options = vec![if is_read_only { "ro" } else { "rw" }];
    let others = [
        (volume.flags & volume::COMPRESSED != 0, "compressed"),
        (volume.flags & volume::DIRECT_ACCESS != 0, "dax"),
        (device.is_remote, "remote"),
        (device.is_removable, "removable"),
    ];
    options.extend(others.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word));
    options.into_iter().map(str::to_owned).collect()
}

/// The directory that the volume of a path is mounted on, with a separator at its end
/// (`GetVolumePathNameW`).
fn mount_point(path: &OsStr) -> io::Result<OsString> {
    let path = ended(path);
    // It is never longer than the path.
    let mut found = vec![0_u16; path.len() + 2];
    let room = u32::try_from(found.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the path ends in a zero, and the buffer has so many units.
    checked(unsafe { GetVolumePathNameW(path.as_ptr(), found.as_mut_ptr(), room) })?;
    Ok(until_end(&found))
}

/// The volume's own name, `\\?\Volume{...}\` (`GetVolumeNameForVolumeMountPointW`).
fn volume_name(point: &OsStr) -> io::Result<OsString> {
    let point = ended(point);
    // Such a name has 49 units.
    let mut found = [0_u16; 64];
    let room = u32::try_from(found.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the path ends in a zero, and the buffer has so many units.
    let asked =
        unsafe { GetVolumeNameForVolumeMountPointW(point.as_ptr(), found.as_mut_ptr(), room) };
    checked(asked)?;
    Ok(until_end(&found))
}

/// A name with a zero at its end.
fn ended(name: &OsStr) -> Vec<u16> {
    name.encode_wide().chain([0]).collect()
}

fn until_end(units: &[u16]) -> OsString {
    let len = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    OsString::from_wide(&units[..len])
}

/// A path as people write it: without the prefix that has it taken as it is.
fn shown(path: &OsStr) -> PathBuf {
    let text = path.to_string_lossy();
    match text.strip_prefix(r"\\?\UNC\") {
        Some(rest) => PathBuf::from(format!(r"\\{rest}")),
        // The name of a volume is nothing without it.
        None if text.starts_with(r"\\?\Volume{") => PathBuf::from(path),
        None => text.strip_prefix(r"\\?\").map_or_else(|| PathBuf::from(path), PathBuf::from),
    }
}

/// What is mounted below a directory is reached through junctions, which are links, and not
/// followed.
pub(crate) fn mounts_below(_: &Path) -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_shown_as_people_write_it() {
        for (path, expected) in [
            (r"\\?\C:\", r"C:\"),
            (r"\\?\C:\mounted\here\", r"C:\mounted\here\"),
            (r"\\?\UNC\server\share\", r"\\server\share\"),
            (r"\\?\Volume{0}\", r"\\?\Volume{0}\"),
            (r"C:\", r"C:\"),
        ] {
            assert_eq!(shown(OsStr::new(path)).as_os_str(), expected);
        }
    }

    #[test]
    fn the_volume_of_a_file_is_mounted_on_a_root() {
        let directory = tempfile::tempdir().unwrap();
        let handle = std::fs::File::create(directory.path().join("file")).unwrap();
        let mount = mount_of(&handle).unwrap().unwrap();
        let point = mount.point.to_string_lossy().into_owned();
        assert!(point.ends_with(r":\") && !point.starts_with(r"\\?\"), "{point}");
        assert_eq!(mount.options[0], "rw");
        assert!(!mount.options.contains(&"remote".to_owned()), "{mount:?}");
    }

    #[test]
    fn what_is_told_of_a_volume_is_an_option() {
        let volume = |flags| Volume { file_system: "NTFS".into(), serial: 1, flags };
        let plain = Characteristics::default();
        assert_eq!(options(&volume(0), plain), ["rw"]);
        let all = volume::READ_ONLY | volume::COMPRESSED | volume::DIRECT_ACCESS;
        let far = Characteristics { is_remote: true, is_removable: true };
        let expected = ["ro", "compressed", "dax", "remote", "removable"];
        assert_eq!(options(&volume(all), far), expected);
    }
}
