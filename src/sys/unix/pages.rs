//! Pages of memory: their size, what is to become of them, and their way to the disk.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::mm::{MprotectFlags, MsyncFlags};

use super::errno::{checked, plain};
use crate::sys::map::{Advice, Kind, Msync, Protection};
use crate::sys::views;
use crate::units::ByteRange;

/// Whether a flush of pages that waits has brought them to the disk, as far as `msync` does so on
/// this system: macOS leaves them in the drive's cache.
pub(crate) const MSYNC_WAITS: bool = true;

/// Whether what was stored through a map has to be flushed before that is unmapped: what cannot be
/// written then is told by the next flush of the file.
pub(crate) const MUST_FLUSH_STORES: bool = false;

/// Bytes of a page.
pub(crate) fn page_bytes() -> usize {
    rustix::param::page_size()
}

/// Calls `madvise`.
///
/// # Errors
///
/// `Unsupported` where this system does not know the advice, and those of madvise(2).
///
/// # Safety
///
/// The pages are the caller's, and none of them is private when the advice drops them.
pub(crate) unsafe fn advise(start: *mut u8, len: usize, advice: Advice) -> io::Result<()> {
    let is_new = matches!(advice, Advice::PopulateRead | Advice::PopulateWrite | Advice::HugePages);
    let advice = translate(advice).ok_or(io::ErrorKind::Unsupported)?;
    // SAFETY: the caller answers for the pages.
    match unsafe { rustix::mm::madvise(start.cast(), len, advice) } {
        // Kernels before 5.14, or without huge pages, do not know the number, and there is
        // nothing else about the arguments that they could mean.
        Err(Errno::INVAL) if is_new => Err(io::ErrorKind::Unsupported.into()),
        other => Ok(other?),
    }
}

/// Calls `msync`.
///
/// # Errors
///
/// Those of msync(2).
///
/// # Safety
///
/// The pages are mapped.
pub(crate) unsafe fn flush(start: *mut u8, len: usize, how: Msync) -> io::Result<()> {
    let flags = match how {
        // "The MS_ASYNC flag is not permitted to be combined with other flags" (msync(2)).
        #[cfg(target_os = "macos")]
        Msync::AsyncInvalidate => return Err(io::ErrorKind::Unsupported.into()),
        Msync::Sync => MsyncFlags::SYNC,
        Msync::Async => MsyncFlags::ASYNC,
        Msync::SyncInvalidate => MsyncFlags::SYNC | MsyncFlags::INVALIDATE,
        #[cfg(not(target_os = "macos"))]
        Msync::AsyncInvalidate => MsyncFlags::ASYNC | MsyncFlags::INVALIDATE,
    };
    // SAFETY: the caller answers for the pages.
    Ok(unsafe { rustix::mm::msync(start.cast(), len, flags) }?)
}

/// Calls `mprotect`.
///
/// # Errors
///
/// Those of mprotect(2).
///
/// # Safety
///
/// The pages are the caller's, who answers for those who touch them.
pub(crate) unsafe fn protect(
    start: *mut u8,
    len: usize,
    _: Kind,
    protection: Protection,
) -> io::Result<()> {
    let flags = match protection {
        Protection::None => MprotectFlags::empty(),
        Protection::Read => MprotectFlags::READ,
        Protection::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
    };
    // SAFETY: the caller answers for the pages.
    Ok(unsafe { rustix::mm::mprotect(start.cast(), len, flags) }?)
}

/// How many of the first `len` bytes of the file are in memory: what mincore(2) says of maps that
/// are not touched.
pub(super) fn resident_bytes(file: &File, len: u64) -> io::Result<u64> {
    let mut pages = 0;
    views::each_window(file, ByteRange::first(len), |start, bytes| {
        let mut resident = vec![0_u8; bytes.div_ceil(page_bytes())];
        let into = resident.as_mut_ptr().cast();
        // SAFETY: the pages are mapped until this returns, and the vector has a byte for each.
        checked(unsafe { libc::mincore(start.cast(), bytes, into) }).map_err(plain)?;
        pages += resident.iter().filter(|&&page| page & 1 != 0).count() as u64;
        Ok(())
    })?;
    Ok(pages.saturating_mul(page_bytes() as u64).min(len))
}

#[cfg(target_os = "linux")]
fn translate(advice: Advice) -> Option<rustix::mm::Advice> {
    use rustix::mm::Advice as Call;
    Some(match advice {
        Advice::Normal => Call::Normal,
        Advice::Sequential => Call::Sequential,
        Advice::Random => Call::Random,
        Advice::WillNeed => Call::WillNeed,
        Advice::PopulateRead => Call::LinuxPopulateRead,
        Advice::PopulateWrite => Call::LinuxPopulateWrite,
        Advice::DontNeed => Call::LinuxDontNeed,
        Advice::HugePages => Call::LinuxHugepage,
    })
}

#[cfg(not(target_os = "linux"))]
fn translate(advice: Advice) -> Option<rustix::mm::Advice> {
    use rustix::mm::Advice as Call;
    Some(match advice {
        Advice::Normal => Call::Normal,
        Advice::Sequential => Call::Sequential,
        Advice::Random => Call::Random,
        Advice::WillNeed => Call::WillNeed,
        Advice::DontNeed => Call::DontNeed,
        Advice::PopulateRead | Advice::PopulateWrite | Advice::HugePages => return None,
    })
}
