//! What kind of file system holds an object, and what can be relied on there.

use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use crate::sys::file_system::FileSystem;

/// The kind of file system that holds the object.
pub(crate) fn of(handle: impl AsFd) -> io::Result<FileSystem> {
    let magic = u64::try_from(rustix::fs::fstatfs(handle)?.f_type).unwrap_or(0) & 0xffff_ffff;
    // linux/magic.h, statfs(2)
    Ok(match magic {
        0xef53 => FileSystem::Ext,
        0x5846_5342 => FileSystem::Xfs,
        0x9123_683e => FileSystem::Btrfs,
        0x0102_1994 | 0x8584_58f6 => FileSystem::Memory,
        0x6969 | 0xff53_4d42 | 0xfe53_4d42 | 0x517b | 0x0102_1997 | 0x00c3_6400 => {
            FileSystem::Network
        }
        0x6573_5546 => FileSystem::Fuse,
        // proc, sysfs, debugfs, tracefs, cgroup, cgroup2, securityfs, selinuxfs, bpf, pstore,
        // configfs, efivarfs
        0x9fa0 | 0x6265_6572 | 0x6462_6720 | 0x7472_6163 | 0x0027_e0eb | 0x6367_7270
        | 0x7363_6673 | 0xf97c_ff8c | 0xcafe_4a11 | 0x6165_676c | 0x6265_6570 | 0xde5e_81e4 => {
            FileSystem::Pseudo
        }
        _ => FileSystem::Other,
    })
}

/// Whether two changes of a file never get the same times, if they were looked at in between:
/// since Linux 6.13 on file systems that take part ("multigrain timestamps").
pub(crate) fn stamps_are_fine(file_system: FileSystem) -> bool {
    let takes_part = matches!(
        file_system,
        FileSystem::Ext | FileSystem::Xfs | FileSystem::Btrfs | FileSystem::Memory
    );
    takes_part && release() >= (Some(6), Some(13))
}

/// Whether [`sync_file_system`] tells of every write that failed since `handle` was opened: since
/// Linux 5.8, and on file systems that write for themselves.
pub(crate) fn sync_tells_errors(file_system: FileSystem) -> bool {
    let own = matches!(
        file_system,
        FileSystem::Ext | FileSystem::Xfs | FileSystem::Btrfs | FileSystem::Memory
    );
    own && release() >= (Some(5), Some(8))
}

/// The kernel's version, major and minor.
fn release() -> (Option<u32>, Option<u32>) {
    static RELEASE: OnceLock<(Option<u32>, Option<u32>)> = OnceLock::new();
    *RELEASE.get_or_init(|| {
        let uname = rustix::system::uname();
        let mut numbers = uname.release().to_bytes().split(|byte| !byte.is_ascii_digit());
        let mut number = || std::str::from_utf8(numbers.next()?).ok()?.parse::<u32>().ok();
        (number(), number())
    })
}
