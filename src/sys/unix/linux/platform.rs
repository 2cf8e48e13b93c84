//! What only Linux has, or has in its own way.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{Advice, FallocateFlags, FileType, MemfdFlags, Mode, RenameFlags, SeekFrom};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::sys::views;
use crate::units::ByteRange;

pub(crate) use crate::sys::volume::FileSystem;
pub(crate) use seals::{add_seals, seals};

#[path = "seals.rs"]
mod seals;

/// The kind of file system that holds the object.
pub(crate) fn file_system(handle: impl AsFd) -> io::Result<FileSystem> {
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

/// The kernel's name and release, such as `Linux 6.12.3`.
pub(crate) fn kernel() -> String {
    let uname = rustix::system::uname();
    let word = |word: &std::ffi::CStr| word.to_string_lossy().into_owned();
    format!("{} {}", word(uname.sysname()), word(uname.release()))
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

/// Gives a new, empty file those flags of an old one that a program cannot see but a file system
/// obeys: no copy on write, no dump, no access times (ioctl_iflags(2)). A file system that has no
/// such flags has nothing to keep.
pub(crate) fn keep_flags(old: &File, new: &File) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let kept = IFlags::NOCOW | IFlags::NODUMP | IFlags::NOATIME;
    if let (Ok(old), Ok(flags)) = (ioctl_getflags(old), ioctl_getflags(new))
        && !(old & kept).is_empty()
    {
        ioctl_setflags(new, flags | (old & kept)).ok();
    }
}

/// The number of the mount that a name is on; equal for a directory and the names in it unless
/// something is mounted on the name. `None` where the kernel does not tell.
pub(crate) fn mount_id(directory: impl AsFd, name: &std::ffi::OsStr) -> Option<u64> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let answer = statx(directory, std::path::Path::new(name), flags, StatxFlags::MNT_ID).ok()?;
    let has_it = answer.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    has_it.then_some(answer.stx_mnt_id)
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

/// Shares the source's blocks with the target: `FICLONE` (ioctl_ficlone(2)).
pub(crate) fn clone_file(source: &File, target: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(target, source)?)
}

/// Copies in the kernel; fewer bytes than asked for are no error, and 0 is not always the end.
pub(crate) fn copy_file_range(
    source: &File,
    target: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    let mut source_offset = offset;
    let mut target_offset = offset;
    Ok(rustix::io::retry_on_intr(|| {
        rustix::fs::copy_file_range(
            source,
            Some(&mut source_offset),
            target,
            Some(&mut target_offset),
            len,
        )
    })?)
}

/// Asks for the begin of the data, and forgets the answer: on some file systems that waits for
/// whoever is writing.
pub(crate) fn seek_data(file: &File) {
    rustix::fs::seek(file, SeekFrom::Data(0)).ok();
}

/// The first stretch of data at or behind `offset`; `None` when there is none to the end.
///
/// # Errors
///
/// `EINVAL` and `EOPNOTSUPP` mean that the file system does not know its holes.
pub(crate) fn next_data(file: &File, offset: u64) -> io::Result<Option<ByteRange>> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(start) => start,
        // "or there are no more data beyond the offset" (lseek(2)): the only errno that ends
        // the search. Any other one is a failure, never the end of the data.
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let end = match rustix::fs::seek(file, SeekFrom::Hole(start)) {
        Ok(end) => end,
        // The file was cut between the two calls.
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(ByteRange::between(start, end)))
}

/// Makes blocks for `range`, and the file longer if it ends before.
///
/// # Errors
///
/// `EOPNOTSUPP` where the file system cannot.
pub(crate) fn reserve(file: &File, range: ByteRange) -> io::Result<()> {
    allocate(file, FallocateFlags::empty(), range)
}

/// Makes a hole of `range`; the length stays.
pub(crate) fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    allocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, range)
}

fn allocate(file: &File, flags: FallocateFlags, range: ByteRange) -> io::Result<()> {
    if range.is_empty() {
        // fallocate(2): EINVAL for a length of 0.
        return Ok(());
    }
    Ok(rustix::io::retry_on_intr(|| {
        rustix::fs::fallocate(file, flags, range.start(), range.len())
    })?)
}

/// Starts the write-out of the dirty pages of `range`, without waiting for its end.
pub(crate) fn start_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    sync_file_range(file, range, libc::SYNC_FILE_RANGE_WRITE)
}

/// Waits until the pages of `range` have been handed to the device. Says nothing about the
/// device's own cache or the metadata: [`sync_all`] does that.
pub(crate) fn wait_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    sync_file_range(
        file,
        range,
        libc::SYNC_FILE_RANGE_WAIT_BEFORE
            | libc::SYNC_FILE_RANGE_WRITE
            | libc::SYNC_FILE_RANGE_WAIT_AFTER,
    )
}

fn sync_file_range(file: &File, range: ByteRange, flags: libc::c_uint) -> io::Result<()> {
    let offset = i64::try_from(range.start()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let len = i64::try_from(range.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    if len == 0 {
        // A length of 0 means "to the end of the file" (sync_file_range(2)).
        return Ok(());
    }
    // SAFETY: no memory is passed; the descriptor is open for as long as `file` is borrowed.
    let result = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, flags) };
    if result == 0 { Ok(()) } else { Err(errno_of_libc()) }
}

/// Content on the disk, and what is needed to read it.
pub(crate) fn sync_data(file: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fdatasync(file)?)
}

/// Writes all of `from` at `offset` and waits until that is on the disk, with what is needed to
/// read it (RWF_DSYNC, pwritev2(2)).
///
/// # Errors
///
/// Those of the call; `WriteZero` when it takes no more.
pub(crate) fn write_through(file: &File, mut offset: u64, mut from: &[u8]) -> io::Result<()> {
    use rustix::io::{ReadWriteFlags, pwritev2};
    while !from.is_empty() {
        let rest = [io::IoSlice::new(from)];
        let written =
            rustix::io::retry_on_intr(|| pwritev2(file, &rest, offset, ReadWriteFlags::DSYNC))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        offset += written as u64;
        from = &from[written..];
    }
    Ok(())
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

/// Content, length and all attributes on the disk.
pub(crate) fn sync_all(file: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(file)?)
}

/// Opens an existing file for writes that go past the page cache and are on the disk when they
/// return. They must begin and end at multiples of a block, in memory too.
///
/// # Errors
///
/// `EINVAL` where the file system has no such writes; some say so only when one is made.
pub(crate) fn open_direct(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // Of rustix's flags, `DSYNC` is `O_SYNC` on Linux.
    File::options().write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC).open(path)
}

/// Whether files here have labels of a security module that a copy can keep.
pub(crate) fn has_security_contexts() -> bool {
    std::path::Path::new("/sys/fs/selinux/enforce").exists()
}

/// Has the calling thread run only when no other wants to, as far as the system lets it.
pub(crate) fn give_way() {
    // On Linux a thread has a priority of its own (setpriority(2)); 0 is the calling one.
    rustix::process::setpriority_process(None, 19).ok();
}

/// Waits until everything of the file system that `handle` is on has reached the disk (syncfs(2)).
pub(crate) fn sync_file_system(handle: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(handle)?)
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

/// Drops the clean pages of the file from the page cache.
pub(crate) fn drop_cache(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, Advice::DontNeed)?)
}

/// Starts to read a range into the page cache.
pub(crate) fn read_ahead(file: &File, range: ByteRange) -> io::Result<()> {
    match std::num::NonZeroU64::new(range.len()) {
        // No length means "to the end of the file" (posix_fadvise(2)).
        None => Ok(()),
        len => Ok(rustix::fs::fadvise(file, range.start(), len, Advice::WillNeed)?),
    }
}

/// How many of the first `len` bytes of the file are in the page cache.
///
/// Asked with `cachestat` (Linux 6.5); where the kernel has no such call, by mapping the file
/// and `mincore`, piece by piece.
pub(crate) fn cached_bytes(file: &File, len: u64) -> io::Result<u64> {
    const CACHESTAT: libc::c_long = 451;
    #[repr(C)]
    struct Range {
        offset: u64,
        len: u64,
    }
    // linux/mman.h: struct cachestat
    #[repr(C)]
    #[derive(Default)]
    struct Statistics {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }
    if len == 0 {
        return Ok(0);
    }
    let range = Range { offset: 0, len };
    let mut statistics = Statistics::default();
    // SAFETY: both pointers lead to live structures of the layout that the kernel expects, and the
    // second may be written.
    let result = unsafe {
        libc::syscall(CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut statistics, 0)
    };
    if result == 0 {
        return Ok(statistics.cached.saturating_mul(rustix::param::page_size() as u64).min(len));
    }
    let error = errno_of_libc();
    match error.raw_os_error() {
        // An older kernel, or a filter that does not know the call.
        Some(libc::ENOSYS | libc::EPERM | libc::EOPNOTSUPP) => resident_bytes(file, len),
        _ => Err(error),
    }
}

/// [`cached_bytes`] for older kernels: what `mincore` says of maps that are not touched.
fn resident_bytes(file: &File, len: u64) -> io::Result<u64> {
    let page_bytes = rustix::param::page_size();
    let mut pages = 0;
    views::each_window(file, ByteRange::first(len), |start, bytes| {
        let mut resident = vec![0_u8; bytes.div_ceil(page_bytes)];
        // SAFETY: the pages are mapped until this returns, and the vector has a byte for each.
        let result = unsafe { libc::mincore(start.cast(), bytes, resident.as_mut_ptr()) };
        if result != 0 {
            return Err(errno_of_libc());
        }
        pages += resident.iter().filter(|&&page| page & 1 != 0).count() as u64;
        Ok(())
    })?;
    Ok(pages.saturating_mul(page_bytes as u64).min(len))
}

/// Renames within one directory unless the new name is taken (`EEXIST`).
///
/// # Errors
///
/// `EINVAL` or `ENOSYS` where the file system or kernel cannot do that in one step.
pub(crate) fn rename_no_replace(
    directory: impl AsFd,
    from: &std::ffi::OsStr,
    to: &std::ffi::OsStr,
) -> io::Result<()> {
    let directory = directory.as_fd();
    Ok(rustix::fs::renameat_with(
        directory,
        std::path::Path::new(from),
        directory,
        std::path::Path::new(to),
        RenameFlags::NOREPLACE,
    )?)
}

/// The length of the list of names of the extended attributes that what has `name` in a directory
/// has; a link is not followed.
///
/// Asked with `listxattrat` (Linux 6.13).
///
/// # Errors
///
/// Those of llistxattr(2); `ENOSYS`, or `EPERM` of a filter, where there is no such call.
pub(crate) fn attribute_names_len(directory: impl AsFd, name: &OsStr) -> rustix::io::Result<usize> {
    const LISTXATTRAT: libc::c_long = 465;
    name.into_with_c_str(|name| {
        let directory = directory.as_fd().as_raw_fd();
        // SAFETY: the name ends with a NUL and lives as long as the call, and no byte is written to
        // a list of length 0.
        let len = unsafe {
            libc::syscall(
                LISTXATTRAT,
                directory,
                name.as_ptr(),
                libc::AT_SYMLINK_NOFOLLOW,
                std::ptr::null_mut::<libc::c_char>(),
                0_usize,
            )
        };
        usize::try_from(len)
            .map_err(|_| Errno::from_io_error(&errno_of_libc()).unwrap_or(Errno::IO))
    })
}

/// Makes a file that is nowhere but in memory, and can be sealed (memfd_create(2)); `name` is for
/// whoever looks into `/proc`.
pub(crate) fn file_in_memory(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create(name, flags)?.into())
}

/// Permission bits as calls take them.
pub(super) fn mode_of(mode: u32) -> Mode {
    Mode::from_raw_mode(mode)
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

/// The error of a libc call that has just failed.
#[expect(clippy::disallowed_methods, reason = "the one place that may ask, right after the call")]
pub(super) fn errno_of_libc() -> io::Error {
    io::Error::last_os_error()
}
