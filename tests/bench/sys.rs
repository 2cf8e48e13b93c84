//! The benchmark's `unsafe`: what a child used, whether blocks are shared, memcpy, and Ctrl-C.

use std::fs::File;
use std::io;
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memmap2::MmapOptions;
use rustix::ioctl::{Opcode, Updater};

/// How a child ended and what it, with the children it waited for, used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reaped {
    pub(crate) status: ExitStatus,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// The greatest resident set, of any process among them.
    pub(crate) peak_bytes: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
}

/// Waits until the child `process` has ended.
pub(crate) fn reap(process: libc::pid_t) -> io::Result<Reaped> {
    let mut status = 0;
    // SAFETY: `rusage` is a C struct of integers, for which all bits zero is a value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    loop {
        // SAFETY: both pointers lead to live, exclusively borrowed values of the types that
        // wait4 writes.
        let reaped = unsafe { libc::wait4(process, &raw mut status, 0, &raw mut usage) };
        if reaped == process {
            break;
        }
        #[expect(clippy::disallowed_methods, reason = "wait4 above is libc's, it has set errno")]
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(Reaped {
        status: ExitStatus::from_raw(status),
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        // Linux counts it in KiB.
        peak_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        minor_faults: u64::try_from(usage.ru_minflt).unwrap_or(0),
        major_faults: u64::try_from(usage.ru_majflt).unwrap_or(0),
    })
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// `struct fiemap` of linux/fiemap.h without its array.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ExtentMapHead {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
}

/// `struct fiemap_extent`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved_wide: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

const EXTENT_COUNT_MAX: usize = 32;

/// The head and room for as many extents as its `extent_count` says.
#[repr(C)]
struct ExtentMap {
    head: ExtentMapHead,
    extents: [Extent; EXTENT_COUNT_MAX],
}

/// `FS_IOC_FIEMAP`; its number carries the size of the head alone.
const EXTENT_MAP: Opcode = rustix::ioctl::opcode::read_write::<ExtentMapHead>(b'f', 11);

/// `FIEMAP_EXTENT_SHARED`: the blocks belong to another file, too.
const EXTENT_SHARED: u32 = 0x2000;

/// Whether any of the first extents of `file` shares its blocks; false where none can tell.
///
/// A clone shares from its first block on, so that the first extents are enough.
pub(crate) fn shares_blocks(file: &File) -> bool {
    let mut map = ExtentMap {
        head: ExtentMapHead {
            length: u64::MAX,
            extent_count: EXTENT_COUNT_MAX.try_into().unwrap_or(0),
            ..ExtentMapHead::default()
        },
        extents: [Extent::default(); EXTENT_COUNT_MAX],
    };
    // SAFETY: FS_IOC_FIEMAP takes a pointer to a fiemap head that is followed by at least
    // `extent_count` extents, and writes nothing behind those: `ExtentMap` is that.
    let request = unsafe { Updater::<{ EXTENT_MAP }, ExtentMap>::new(&mut map) };
    // SAFETY: the request was built for this ioctl, and a file system that has none of it
    // refuses it (EOPNOTSUPP, as tmpfs) without touching the memory.
    let answer = unsafe { rustix::ioctl::ioctl(file, request) };
    let found = usize::try_from(map.head.mapped_extents).unwrap_or(0);
    answer.is_ok() && map.extents.iter().take(found).any(|one| one.flags & EXTENT_SHARED != 0)
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn remember_interrupt(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Makes SIGINT and SIGTERM set what [`interrupted`] returns, so that all that was made is
/// removed before the benchmark ends.
pub(crate) fn catch_interrupts() {
    let handler = remember_interrupt as extern "C" fn(libc::c_int);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler has the signature that is called for, lives as long as the
        // program, and only stores to an atomic, which is async-signal-safe. Children do not
        // inherit it: exec puts caught signals back to their defaults.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// Whether SIGINT or SIGTERM has arrived since [`catch_interrupts`].
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Copies a file to a new one, both mapped, by one call of memcpy(3), as a C program would.
pub(crate) fn memcpy(source: &Path, target: &Path) -> io::Result<()> {
    let from = File::open(source)?;
    let to = File::options().read(true).write(true).create_new(true).open(target)?;
    to.set_len(from.metadata()?.len())?;
    let (from, to) =
        (MmapOptions::new().map_raw_read_only(&from)?, MmapOptions::new().map_raw(&to)?);
    // SAFETY: both are mapped for that many bytes, are not one, and nobody else has them.
    unsafe { to.as_mut_ptr().copy_from_nonoverlapping(from.as_ptr(), from.len()) };
    Ok(())
}
