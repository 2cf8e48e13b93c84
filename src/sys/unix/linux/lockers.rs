//! Who holds a lock: `/proc/locks` tells (proc_locks(5)).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::error::Holder;
use crate::sys::file;

/// The process that has locked the object by flock(2).
///
/// `None` where the system does not tell, or hides it since it is in another container, or where
/// several have locked it.
pub(crate) fn holder(handle: impl AsFd) -> Option<Holder> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let id = one_process(&locks, inode(handle.as_fd())?)?;
    Some(Holder { id, name: name_of(id) })
}

/// An object as the kernel has it, major and minor number of its file system first.
///
/// On btrfs and overlayfs these can be others than stat(2) tells.
type Inode = (u32, u32, u64);

fn inode(handle: BorrowedFd<'_>) -> Option<Inode> {
    let id = file::facts(handle).ok()?.id;
    let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd())).ok();
    let field = |name| told.as_deref().and_then(|told| field(told, name));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok();
    let device = mounts.and_then(|mounts| device_of_mount(&mounts, field("mnt_id:")?));
    let (major, minor) = device.unwrap_or((rustix::fs::major(id.dev), rustix::fs::minor(id.dev)));
    // Before Linux 5.14 there is no such field.
    Some((major, minor, field("ino:").map_or_else(|| u64::try_from(id.ino).ok(), Some)?))
}

/// The number behind a name in proc_pid_fdinfo(5).
fn field(told: &str, name: &str) -> Option<u64> {
    told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The device of a mount's file system (proc_pid_mountinfo(5)).
fn device_of_mount(mounts: &str, mount: u64) -> Option<(u32, u32)> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let is_it = fields.next()?.parse() == Ok(mount);
        let (major, minor) = fields.nth(1).filter(|_| is_it)?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

/// The one process of all lines about flock(2) and this object, as in
/// `1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF`; who waits has `->` behind the number.
fn one_process(locks: &str, inode: Inode) -> Option<u32> {
    let holder = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let is_flock = fields.next()? == "FLOCK";
        // Behind the mode: 0, or less, where it is unknown.
        let process = fields.nth(2)?.parse::<u32>().ok().filter(|process| *process > 0);
        let mut numbers = fields.next()?.split(':');
        let mut device = || u32::from_str_radix(numbers.next()?, 16).ok();
        let (major, minor) = (device()?, device()?);
        let number = numbers.next()?.parse().ok()?;
        (is_flock && (major, minor, number) == inode).then_some(process)
    };
    let mut holders = locks.lines().filter_map(holder);
    let first = holders.next()??;
    holders.all(|other| other == Some(first)).then_some(first)
}

/// The name of a process, if a terminal can show it.
fn name_of(process: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    let name = name.trim_end_matches('\n');
    let is_plain = name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    (is_plain && !name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: FLOCK  ADVISORY  WRITE 1234 fe:1f:5678 0 EOF
1: -> FLOCK  ADVISORY  WRITE 99 fe:1f:5678 0 EOF
2: POSIX  ADVISORY  WRITE 17 fe:1f:1 0 EOF
3: FLOCK  ADVISORY  READ 18 00:2a:2 0 EOF
4: FLOCK  ADVISORY  READ 19 00:2a:2 0 EOF
5: FLOCK  ADVISORY  WRITE 0 00:2a:3 0 EOF
6: OFDLCK ADVISORY  WRITE -1 00:2a:4 0 EOF
7: FLOCK  ADVISORY  WRITE -1 00:2a:5 0 EOF
";

    #[test]
    fn the_holder_is_told_where_there_is_one() {
        assert_eq!(one_process(LOCKS, (0xfe, 0x1f, 5678)), Some(1234));
        // Another file system, another object, no flock, several, and those that are unknown.
        for inode in
            [(0xfe, 0x1e, 5678), (0xfe, 0x1f, 99), (0xfe, 0x1f, 1), (0, 0x2a, 2), (0, 0x2a, 3)]
        {
            assert_eq!(one_process(LOCKS, inode), None, "{inode:?}");
        }
        assert_eq!(one_process(LOCKS, (0, 0x2a, 4)), None);
        assert_eq!(one_process(LOCKS, (0, 0x2a, 5)), None);
    }

    #[test]
    fn a_mount_has_the_device_of_its_file_system() {
        let mounts = "24 1 254:0 / / rw - ext4 /dev/root rw\n\
                      31 24 0:41 /sub /mnt rw - btrfs /dev/vdb rw\n";
        assert_eq!(device_of_mount(mounts, 31), Some((0, 41)));
        assert_eq!(device_of_mount(mounts, 1), None);
        assert_eq!(field("pos:\t0\nmnt_id:\t31\nino:\t7\n", "mnt_id:"), Some(31));
    }

    #[test]
    fn this_process_is_found_as_a_holder() {
        let directory = tempfile::tempdir().unwrap();
        let handle = std::fs::File::open(directory.path()).unwrap();
        assert_eq!(holder(&handle), None);
        rustix::fs::flock(&handle, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let again = std::fs::File::open(directory.path()).unwrap();
        assert_eq!(holder(&again).unwrap().id, std::process::id());
    }
}
