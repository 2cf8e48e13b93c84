//! What only Linux has, for those parts of the program that only it has: what the other files of
//! this folder have, each system has in its own way.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rustix::fs::FallocateFlags;

use super::errno::errno_of_libc;

pub(crate) mod children;
pub(crate) mod holders;
pub(crate) mod loopback;
pub(crate) mod mounting;
pub(crate) mod owners;
pub(crate) mod undertaker;

/// Has btrfs commit its transaction, which does not write out data that waits in memory
/// (`BTRFS_IOC_START_SYNC` and `BTRFS_IOC_WAIT_SYNC` of `linux/btrfs.h`).
///
/// # Errors
///
/// `ENOTTY` on another file system.
pub(crate) fn commit_transaction(directory: &File) -> io::Result<()> {
    const BTRFS_IOC_START_SYNC: libc::c_ulong = 0x8008_9418;
    const BTRFS_IOC_WAIT_SYNC: libc::c_ulong = 0x4008_9416;
    let mut transaction = 0_u64;
    for call in [BTRFS_IOC_START_SYNC, BTRFS_IOC_WAIT_SYNC] {
        // SAFETY: both calls take the address of a number of 64 bits, which one of them writes.
        let done = unsafe { libc::ioctl(directory.as_raw_fd(), call, &raw mut transaction) };
        if done != 0 {
            return Err(errno_of_libc());
        }
    }
    Ok(())
}

/// Bytes that can be had without swapping (`MemAvailable`, proc_meminfo(5)); `None` where that is
/// not told.
pub(crate) fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Whether fallocate(2), called with these flags, makes zeros of what it is called for.
pub(crate) fn makes_zeros(flags: i32) -> bool {
    let flags = FallocateFlags::from_bits_retain(flags.cast_unsigned());
    flags.intersects(FallocateFlags::PUNCH_HOLE | FallocateFlags::ZERO_RANGE)
}

/// The kernel's name and release, such as `Linux 6.12.3`.
pub(crate) fn kernel() -> String {
    let uname = rustix::system::uname();
    let word = |word: &std::ffi::CStr| word.to_string_lossy().into_owned();
    format!("{} {}", word(uname.sysname()), word(uname.release()))
}
