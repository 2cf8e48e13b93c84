//! What is mounted where.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::names;
use crate::sys::mounts::MountLine;

/// The mount that an open object is on; `None` where it is not listed, as for one of another mount
/// namespace.
pub(crate) fn mount_of(handle: impl AsFd) -> io::Result<Option<MountLine>> {
    let id = match mount_id(&handle, OsStr::new("")) {
        Some(id) => id,
        None => mount_id_of_descriptor(handle)?,
    };
    Ok(all()?.into_iter().find(|mount| mount.id == id))
}

/// The number of the mount that a name is on; equal for a directory and the names in it unless
/// something is mounted on the name. `None` where the kernel does not tell.
pub(crate) fn mount_id(directory: impl AsFd, name: &OsStr) -> Option<u64> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let answer = statx(directory, Path::new(name), flags, StatxFlags::MNT_ID).ok()?;
    let has_it = answer.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    has_it.then_some(answer.stx_mnt_id)
}

/// All that this thread's namespace has.
pub(super) fn all() -> io::Result<Vec<MountLine>> {
    let lines = std::fs::read("/proc/thread-self/mountinfo")?;
    Ok(lines.split(|byte| *byte == b'\n').filter_map(mount_in).collect())
}

/// The number of the mount by way of proc_pid_fdinfo(5), for kernels whose statx does not tell it,
/// those before Linux 5.8.
fn mount_id_of_descriptor(handle: impl AsFd) -> io::Result<u64> {
    use std::os::fd::AsRawFd;
    let number = handle.as_fd().as_raw_fd();
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// One line of proc_pid_mountinfo(5); `None` if it is none.
fn mount_in(line: &[u8]) -> Option<MountLine> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = text(fields.next()?).parse().ok()?;
    let device = text(fields.nth(1)?);
    let (major, minor) = device.split_once(':')?;
    let point = unescaped(fields.nth(1)?).into();
    let options = words(fields.next()?);
    // Optional fields come before the hyphen.
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    Some(MountLine {
        id,
        device: (major.parse().ok()?, minor.parse().ok()?),
        point,
        options,
        file_system: text(fields.next()?),
        source: unescaped(fields.next()?),
        super_options: words(fields.next()?),
    })
}

fn text(field: &[u8]) -> String {
    unescaped(field).to_string_lossy().into_owned()
}

fn words(field: &[u8]) -> Vec<String> {
    field.split(|byte| *byte == b',').map(text).collect()
}

/// A field with its octal escapes replaced by the bytes that they stand for.
fn unescaped(field: &[u8]) -> OsString {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = behind.first_chunk::<3>().filter(|_| first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes)
}

/// What is mounted on a directory and below it, as lines that differ when the mounts do; none where
/// that cannot be told.
pub(crate) fn mounts_below(directory: &Path) -> Vec<String> {
    let Ok(directory) = names::canonical(directory) else { return Vec::new() };
    // A name may be anything.
    let lines = std::fs::read("/proc/thread-self/mountinfo").unwrap_or_default();
    mounts_in(&String::from_utf8_lossy(&lines), &directory)
}

/// The same, of the lines of proc_pid_mountinfo(5), in which white space and backslashes of names
/// are octal.
fn mounts_in(lines: &str, directory: &Path) -> Vec<String> {
    let mut escaped = String::new();
    for c in directory.to_string_lossy().trim_end_matches('/').chars() {
        match c {
            ' ' | '\t' | '\n' | '\\' => escaped += &format!("\\{:03o}", u32::from(c)),
            c => escaped.push(c),
        }
    }
    let is_below = |line: &&str| {
        let rest = line.split(' ').nth(4).and_then(|point| point.strip_prefix(&escaped));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    lines.lines().filter(is_below).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_line_is_read_with_its_escapes_and_optional_fields() {
        let line = b"36 35 98:0 /mnt1 /a\\040b\\134\xff rw,noatime shared:1 master:2 \
                     - fuse.x y\\040z rw,a";
        let mount = mount_in(line).unwrap();
        assert_eq!((mount.id, mount.device), (36, (98, 0)));
        assert_eq!(mount.point.as_os_str(), OsStr::from_bytes(b"/a b\\\xff"));
        assert_eq!(mount.options, ["rw", "noatime"]);
        assert_eq!((mount.file_system.as_str(), mount.source.to_str()), ("fuse.x", Some("y z")));
        assert_eq!(mount.super_options, ["rw", "a"]);
        assert_eq!(mount_in(b""), None);
        assert_eq!(mount_in(b"36 35 98:0 / /"), None);
    }

    #[test]
    fn both_ways_lead_to_the_same_mount() {
        let handle = std::fs::File::open("/proc/self").unwrap();
        let mount = mount_of(&handle).unwrap().unwrap();
        assert_eq!(mount.file_system, "proc");
        assert_eq!(mount_id_of_descriptor(&handle).unwrap(), mount.id);
    }

    #[test]
    fn mounts_below_a_directory_are_found_and_no_others() {
        let lines = "24 1 254:0 / / rw - ext4 /dev/root rw\n\
                     31 24 0:41 / /a\\040b rw - tmpfs tmpfs rw\n\
                     32 24 0:41 / /a\\040b/c rw - tmpfs tmpfs rw\n\
                     33 24 0:41 / /a\\040bc rw - tmpfs tmpfs rw\n";
        let numbers = |directory| {
            let found = mounts_in(lines, Path::new(directory));
            found.iter().map(|line| line[..2].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(numbers("/a b"), ["31", "32"]);
        assert_eq!(numbers("/"), ["24", "31", "32", "33"]);
        assert!(numbers("/x").is_empty());
    }
}
