//! What only macOS has, or has in its own way. Built, and compared with Apple's documentation and
//! the sources of its kernel; it has never run.

use std::ffi::{OsStr, c_int};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, RenameFlags, SeekFrom};
use rustix::io::Errno;
use rustix::path::Arg;

use super::mounts;
use crate::sys::file;
use crate::sys::map::Msync;
use crate::sys::seal::Seal;
use crate::sys::views;
use crate::units::ByteRange;

pub(crate) use crate::sys::volume::FileSystem;

/// The kind of file system that holds the object.
pub(crate) fn file_system(handle: impl AsFd) -> io::Result<FileSystem> {
    let found = rustix::fs::fstatfs(handle)?;
    let name = mounts::text(&found.f_fstypename);
    Ok(match name.as_encoded_bytes() {
        b"nfs" | b"smbfs" | b"afpfs" | b"webdav" | b"ftp" => FileSystem::Network,
        b"tmpfs" => FileSystem::Memory,
        b"osxfuse" | b"macfuse" | b"fusefs" => FileSystem::Fuse,
        b"devfs" | b"autofs" => FileSystem::Pseudo,
        // apfs, hfs, msdos, exfat: nothing is chosen for them.
        _ => FileSystem::Other,
    })
}

/// Whether two changes of a file never get the same times: nobody promises it.
pub(crate) fn stamps_are_fine(_: FileSystem) -> bool {
    false
}

/// The kernel's name and release, such as `Darwin 24.1.0`.
#[allow(dead_code, reason = "the laboratory of simulated disks tells it")]
pub(crate) fn kernel() -> String {
    let uname = rustix::system::uname();
    let word = |word: &std::ffi::CStr| word.to_string_lossy().into_owned();
    format!("{} {}", word(uname.sysname()), word(uname.release()))
}

/// Gives a new, empty file that flag of an old one that backups obey: no dump (chflags(2)). A file
/// system that has no such flags has nothing to keep.
pub(crate) fn keep_flags(old: &File, new: &File) {
    let flags = |file: &File| rustix::fs::fstat(file).map(|stat| stat.st_flags);
    if let (Ok(old), Ok(flags)) = (flags(old), flags(new))
        && old & libc::UF_NODUMP != 0
    {
        // SAFETY: it takes numbers, and the descriptor is open.
        unsafe { libc::fchflags(new.as_raw_fd(), flags | libc::UF_NODUMP) };
    }
}

/// The number of a mount: that of its device tells it already.
pub(crate) fn mount_id(_: impl AsFd, _: &OsStr) -> Option<u64> {
    None
}

/// Opens a directory several steps below another one: one step after the other has to do.
///
/// # Errors
///
/// `ENOSYS`, always.
pub(crate) fn open_beneath(_: impl AsFd, _: &Path) -> io::Result<OwnedFd> {
    Err(Errno::NOSYS.into())
}

/// Shares the source's blocks with the target: not with a target that is there. macOS clones only
/// to a new name (clonefile(2)), and the target is open before its content comes.
///
/// # Errors
///
/// `EOPNOTSUPP`, always.
pub(crate) fn clone_file(_: &File, _: &File) -> io::Result<()> {
    Err(Errno::OPNOTSUPP.into())
}

/// No call of this system copies a range of a file.
///
/// # Errors
///
/// `ENOSYS`, always.
pub(crate) fn copy_file_range(_: &File, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(Errno::NOSYS.into())
}

/// Nothing here waits for whoever is writing.
pub(crate) fn seek_data(_: &File) {}

/// The first stretch of data at or behind `offset`; `None` when there is none to the end.
///
/// # Errors
///
/// `EINVAL`, `ENOTTY` and `EOPNOTSUPP` mean that the file system does not know its holes.
pub(crate) fn next_data(file: &File, offset: u64) -> io::Result<Option<ByteRange>> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(start) => start,
        // "There are no more data regions past the supplied offset" (lseek(2)): the only errno
        // that ends the search.
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(plain(error)),
    };
    let end = match rustix::fs::seek(file, SeekFrom::Hole(start)) {
        Ok(end) => end,
        // The file was cut between the two calls.
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(plain(error)),
    };
    Ok(Some(ByteRange::between(start, end)))
}

/// Makes blocks up to the end of `range`, and the file longer if it ends before (`F_PREALLOCATE`,
/// fcntl(2)), which makes them behind the last one only.
///
/// # Errors
///
/// `EOPNOTSUPP` where the file system cannot, or the file has holes; `ENOSPC` where there is no
/// room.
pub(crate) fn reserve(file: &File, range: ByteRange) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let facts = file::facts(file)?;
    if facts.allocated < facts.len {
        return Err(Errno::OPNOTSUPP.into());
    }
    if facts.allocated < range.end() {
        let missing = range.end() - facts.allocated;
        let mut wanted = libc::fstore_t {
            fst_flags: libc::F_ALLOCATEALL,
            fst_posmode: libc::F_PEOFPOSMODE,
            fst_offset: 0,
            fst_length: i64::try_from(missing).map_err(|_| Errno::FBIG)?,
            fst_bytesalloc: 0,
        };
        // SAFETY: the call takes one `fstore_t`, which lives as long as it.
        checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PREALLOCATE, &raw mut wanted) })?;
    }
    if facts.len < range.end() { file::set_len(file, range.end()) } else { Ok(()) }
}

/// Makes a hole of `range`; the length stays (`F_PUNCHHOLE`, fcntl(2)).
///
/// # Errors
///
/// `EINVAL` where it does not begin and end with blocks, `EOPNOTSUPP` and `ENOTTY` where the file
/// system makes no holes.
pub(crate) fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let wanted = libc::fpunchhole_t {
        fp_flags: 0,
        reserved: 0,
        fp_offset: i64::try_from(range.start()).map_err(|_| Errno::FBIG)?,
        fp_length: i64::try_from(range.len()).map_err(|_| Errno::FBIG)?,
    };
    // SAFETY: the call takes one `fpunchhole_t`, which lives as long as it.
    checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PUNCHHOLE, &raw const wanted) })
}

/// Starts the write-out of the dirty pages of `range`, without waiting for its end: through a map
/// of them (`MS_ASYNC`, msync(2)), since only maps have such a call.
pub(crate) fn start_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    through_maps(file, range, Msync::Async)
}

/// Waits until the pages of `range` have been handed to the device. Says nothing about the
/// device's own cache or the metadata: [`sync_all`] does that.
pub(crate) fn wait_write_out(file: &File, range: ByteRange) -> io::Result<()> {
    through_maps(file, range, Msync::Sync)
}

/// Calls msync(2) for the pages of a range, as far as the file has them.
fn through_maps(file: &File, range: ByteRange, how: Msync) -> io::Result<()> {
    views::each_window(file, range, |start, len| {
        // SAFETY: the caller of this closure has mapped the pages, and they stay so until it
        // returns.
        unsafe { super::pages::flush(start, len, how) }
    })
}

/// Content on the disk, and what is needed to read it.
pub(crate) fn sync_data(file: impl AsFd) -> io::Result<()> {
    sync_all(file)
}

/// Content, length and all attributes on the disk, past the device's own cache: `F_FULLFSYNC`
/// (fcntl(2)), since fsync(2) goes no further than the device.
///
/// # Errors
///
/// Those of the call; `EOPNOTSUPP` on a file system that has no such thing. Of those on other
/// machines it is not asked: what these do with their devices is theirs, and fsync(2) reaches them.
pub(crate) fn sync_all(file: impl AsFd) -> io::Result<()> {
    match rustix::fs::fcntl_fullfsync(&file) {
        Ok(()) => Ok(()),
        Err(Errno::NOTSUP | Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL)
            if file_system(&file)? == FileSystem::Network =>
        {
            Ok(rustix::fs::fsync(file)?)
        }
        Err(error) => Err(plain(error)),
    }
}

/// Writes all of `from` at `offset` and waits until that is on the disk.
///
/// # Errors
///
/// Those of writing, and of [`sync_all`].
pub(crate) fn write_through(file: &File, offset: u64, from: &[u8]) -> io::Result<()> {
    file::write_all_at(file, from, offset)?;
    sync_all(file)
}

/// A file without a name cannot be made.
///
/// # Errors
///
/// `EOPNOTSUPP`, always.
pub(crate) fn unnamed_file(_: impl AsFd) -> io::Result<File> {
    Err(Errno::OPNOTSUPP.into())
}

/// Writes that are on the disk when they return cannot be had: `O_DSYNC` and `F_NOCACHE` go past
/// the page cache, but not past the device's own.
///
/// # Errors
///
/// `EOPNOTSUPP`, always.
pub(crate) fn open_direct(_: &Path) -> io::Result<File> {
    Err(Errno::OPNOTSUPP.into())
}

/// There are no labels of security modules that a copy could keep.
pub(crate) fn has_security_contexts() -> bool {
    false
}

/// Has the calling thread run only when no other wants to (`PRIO_DARWIN_BG`, setpriority(2)).
pub(crate) fn give_way() {
    // SAFETY: it takes numbers; 0 is the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_DARWIN_THREAD, 0, libc::PRIO_DARWIN_BG);
    }
}

/// No call tells whether a whole file system has reached the disk, so that each file is flushed by
/// itself.
///
/// # Errors
///
/// `ENOSYS`, always.
pub(crate) fn sync_file_system(_: impl AsFd) -> io::Result<()> {
    Err(Errno::NOSYS.into())
}

/// As [`sync_file_system`].
pub(crate) fn sync_tells_errors(_: FileSystem) -> bool {
    false
}

/// Drops the pages of the file from the page cache (`MS_INVALIDATE`, msync(2)).
pub(crate) fn drop_cache(file: &File) -> io::Result<()> {
    through_maps(file, ByteRange::first(u64::MAX), Msync::SyncInvalidate)
}

/// Starts to read a range into the page cache (`F_RDADVISE`, fcntl(2)).
pub(crate) fn read_ahead(file: &File, range: ByteRange) -> io::Result<()> {
    // The call counts in signed numbers of 32 bits.
    const BYTES_MAX: u64 = 1 << 30;
    if range.is_empty() {
        return Ok(());
    }
    Ok(rustix::fs::fcntl_rdadvise(file, range.start(), range.len().min(BYTES_MAX))?)
}

/// How many of the first `len` bytes of the file are in the page cache: what mincore(2) says of
/// maps that are not touched.
pub(crate) fn cached_bytes(file: &File, len: u64) -> io::Result<u64> {
    let page_bytes = rustix::param::page_size();
    let mut pages = 0;
    views::each_window(file, ByteRange::first(len), |start, bytes| {
        let mut resident: Vec<libc::c_char> = vec![0; bytes.div_ceil(page_bytes)];
        // SAFETY: the pages are mapped, and the vector has a byte for each of them.
        checked(unsafe { libc::mincore(start.cast(), bytes, resident.as_mut_ptr()) })?;
        pages += resident.iter().filter(|page| **page & 1 != 0).count() as u64;
        Ok(())
    })?;
    Ok(pages.saturating_mul(page_bytes as u64).min(len))
}

/// Renames within one directory unless the new name is taken (`EEXIST`; `RENAME_EXCL`,
/// renameatx_np(2)).
///
/// # Errors
///
/// `EINVAL` where the file system cannot do that in one step.
pub(crate) fn rename_no_replace(directory: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let directory = directory.as_fd();
    let (from, to) = (Path::new(from), Path::new(to));
    match rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
        // The caller knows this one.
        Err(Errno::NOTSUP | Errno::OPNOTSUPP) => Err(Errno::INVAL.into()),
        done => Ok(done?),
    }
}

/// The length of the list of names of the extended attributes that what has `name` in a directory
/// has; a link is not followed.
///
/// # Errors
///
/// Those of opening it for reading, and of flistxattr(2).
pub(crate) fn attribute_names_len(directory: impl AsFd, name: &OsStr) -> rustix::io::Result<usize> {
    super::bare::attribute_names_len(directory, name)
}

/// Permission bits as calls take them.
pub(super) fn mode_of(mode: u32) -> Mode {
    Mode::from_raw_mode(u16::try_from(mode & 0o7777).unwrap_or(0))
}

/// Makes a FIFO or a device file (mkfifoat(2), mknodat(2), macOS 13).
///
/// # Errors
///
/// `EOPNOTSUPP` for a socket: only who listens at it makes one.
pub(super) fn make_special(
    directory: impl AsFd,
    name: &OsStr,
    kind: FileType,
    mode: u32,
    device: u64,
) -> rustix::io::Result<()> {
    let directory = directory.as_fd().as_raw_fd();
    let kind_bits = kind.as_raw_mode();
    let mode = mode_of(mode).as_raw_mode();
    name.into_with_c_str(|name| {
        let made = match kind {
            // SAFETY: the name ends with a NUL and lives as long as the call.
            FileType::Fifo => unsafe { libc::mkfifoat(directory, name.as_ptr(), mode) },
            FileType::BlockDevice | FileType::CharacterDevice => {
                let device = i32::try_from(device.cast_signed()).map_err(|_| Errno::INVAL)?;
                // SAFETY: as above.
                unsafe { libc::mknodat(directory, name.as_ptr(), kind_bits | mode, device) }
            }
            _ => return Err(Errno::OPNOTSUPP),
        };
        match made {
            0 => Ok(()),
            _ => Err(Errno::from_io_error(&errno_of_libc()).unwrap_or(Errno::IO)),
        }
    })
}

/// Memory without a name cannot be had as a file.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn file_in_memory(_: &str) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing can be ruled out for memory.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn add_seals(_: &File, _: &[Seal]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// As [`add_seals`].
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn seals(_: &File) -> io::Result<Vec<Seal>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// "Not supported" has two numbers here, of which the callers know one.
fn plain(error: Errno) -> io::Error {
    if error == Errno::NOTSUP { Errno::OPNOTSUPP.into() } else { error.into() }
}

fn checked(returned: c_int) -> io::Result<()> {
    if returned != -1 {
        return Ok(());
    }
    let error = errno_of_libc();
    Err(Errno::from_io_error(&error).map_or(error, plain))
}

/// The error of a libc call that has just failed.
#[expect(clippy::disallowed_methods, reason = "the one place that may ask, right after the call")]
pub(super) fn errno_of_libc() -> io::Error {
    io::Error::last_os_error()
}
