//! Open objects: what is the same on every Unix.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::fs::{FileType, OFlags, Stat};

use super::bare;
use crate::options::ObjectId;
use crate::sys::file::{Facts, Kind, Ready, Timestamp};

impl Kind {
    /// The kind that a directory entry or a mode tells, if it does.
    pub(super) fn of(file_type: FileType) -> Option<Self> {
        match file_type {
            FileType::RegularFile => Some(Self::Regular),
            FileType::Directory => Some(Self::Directory),
            FileType::Symlink => Some(Self::Symlink),
            FileType::Fifo => Some(Self::Pipe),
            FileType::Socket => Some(Self::Socket),
            FileType::BlockDevice => Some(Self::BlockDevice),
            FileType::CharacterDevice => Some(Self::CharDevice),
            FileType::Unknown => None,
        }
    }
}

impl Facts {
    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the fields' types differ by system; lengths and block counts are never negative"
    )]
    pub(super) fn from_stat(stat: &Stat) -> Self {
        Self {
            id: ObjectId { dev: stat.st_dev as u64, ino: stat.st_ino as u128 },
            kind: Kind::of(FileType::from_raw_mode(stat.st_mode)).unwrap_or(Kind::Regular),
            len: stat.st_size as u64,
            allocated: (stat.st_blocks as u64).saturating_mul(512),
            links: stat.st_nlink as u64,
            device: stat.st_rdev as u64,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: (stat.st_mode & 0o7777) as u32,
            accessed: Timestamp {
                seconds: stat.st_atime as i64,
                nanoseconds: u32::try_from(stat.st_atime_nsec).unwrap_or(0),
            },
            modified: Timestamp {
                seconds: stat.st_mtime as i64,
                nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            },
            changed: Timestamp {
                seconds: stat.st_ctime as i64,
                nanoseconds: u32::try_from(stat.st_ctime_nsec).unwrap_or(0),
            },
            born: None,
        }
    }
}

/// The facts of an open object; a block device has its length there, too.
pub(crate) fn facts(handle: impl AsFd) -> io::Result<Facts> {
    let mut facts = Facts::from_stat(&rustix::fs::fstat(&handle)?);
    if facts.kind == Kind::BlockDevice {
        facts.len = rustix::fs::seek(&handle, rustix::fs::SeekFrom::End(0))?;
    }
    Ok(facts)
}

/// Makes reads and writes of the handle wait.
pub(crate) fn set_blocking(handle: impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&handle)?;
    Ok(rustix::fs::fcntl_setfl(&handle, flags - OFlags::NONBLOCK)?)
}

/// Reads at `offset`; fewer bytes than asked for, or 0 at the end, are no error.
pub(crate) fn read_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut *into, offset))?)
}

/// Writes at `offset`; fewer bytes than given are no error.
pub(crate) fn write_at(file: &File, offset: u64, from: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::io::pwrite(file, from, offset))?)
}

/// Reads at the handle's own position; `Interrupted` is passed on.
pub(crate) fn read_next(handle: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::read(handle, into)?)
}

/// Writes at the handle's own position; `Interrupted` is passed on.
pub(crate) fn write_next(handle: impl AsFd, from: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::write(handle, from)?)
}

/// Moves the handle's own position there.
pub(crate) fn seek_to(handle: impl AsFd, offset: u64) -> io::Result<()> {
    rustix::fs::seek(handle, rustix::fs::SeekFrom::Start(offset))?;
    Ok(())
}

/// Whether this process may give its files to a group: one of its own.
pub(crate) fn may_give_group(gid: u32) -> bool {
    let is_it = |group: rustix::process::Gid| group.as_raw() == gid;
    let others = rustix::process::getgroups().unwrap_or_default();
    is_it(rustix::process::getegid()) || others.into_iter().any(is_it)
}

/// Whether a handle was opened for reading.
pub(crate) fn is_readable(handle: impl AsFd) -> bool {
    let flags = rustix::fs::fcntl_getfl(handle);
    flags.is_ok_and(|flags| !bare::is_bare(flags) && !flags.contains(OFlags::WRONLY))
}

/// Whether the handle was opened for reading and writing.
pub(crate) fn is_writable(handle: impl AsFd) -> bool {
    let flags = rustix::fs::fcntl_getfl(handle);
    flags.is_ok_and(|flags| (flags & OFlags::RWMODE) == OFlags::RDWR)
}

/// Whether a directory's handle can be flushed: not if it was opened without the right to read.
pub(crate) fn can_flush(directory: impl AsFd) -> io::Result<bool> {
    Ok(!bare::is_bare(rustix::fs::fcntl_getfl(directory)?))
}

/// Whether somebody may be writing into the file without its times telling: each write sets them.
pub(crate) fn may_have_silent_writer(_: &File) -> bool {
    false
}

/// Waits until the handle is ready, at an end, or in error; `false` when `timeout` comes first or
/// a signal does.
pub(crate) fn wait_ready(handle: impl AsFd, ready: Ready, timeout: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let flags = match ready {
        Ready::ToRead => PollFlags::IN,
        Ready::ToWrite => PollFlags::OUT,
    };
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(&handle, flags)], Some(&timeout)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The longest file that this process may make (setrlimit(2), RLIMIT_FSIZE).
pub(crate) fn len_max() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// Sets the length; a longer one reads as zeros.
pub(crate) fn set_len(file: &File, len: u64) -> io::Result<()> {
    Ok(rustix::io::retry_on_intr(|| rustix::fs::ftruncate(file, len))?)
}

/// Whether the name of a file is on the disk only when the file itself is flushed under it: that of
/// its directory does (fsync(2)).
pub(crate) const NAME_GOES_WITH_FILE: bool = false;

/// Closes the file and reports what the system says to that.
pub(crate) fn close(file: File) -> io::Result<()> {
    // NFS, FUSE and quotas report a failed write here at the latest (close(2)).
    // `EINTR` closes the descriptor on Linux, and must not be retried.
    #[expect(unsafe_code, reason = "rustix offers the checked close as an unsafe function only")]
    let result = {
        use std::os::fd::IntoRawFd;
        // SAFETY: the descriptor was owned by `file`, which gave it up just here; nobody else
        // can close or use it.
        unsafe { rustix::io::try_close(file.into_raw_fd()) }
    };
    match result {
        Ok(()) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the calling thread may do what only the superuser may.
pub(crate) fn is_superuser() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user that file operations are done as.
pub(crate) fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Makes room for so many descriptors, as far as may be.
///
/// In a process of several threads the kernel waits for a grace period each time that its table
/// has to grow, some ten milliseconds (Linux, `fs/file.c`); in one of a single thread it does not.
pub(crate) fn reserve_descriptors(handle: impl AsFd, count: u64) {
    let last = count.min(descriptors_max()).saturating_sub(1);
    if let Ok(last) = i32::try_from(last) {
        // Without the room it takes longer, that is all.
        rustix::io::fcntl_dupfd_cloexec(handle, last).ok();
    }
}

/// The file as `flush::write_through` takes it: any descriptor will do.
///
/// # Errors
///
/// Those of dup(2).
pub(crate) fn to_write_through(file: &File) -> io::Result<File> {
    file.try_clone()
}

/// How many descriptors this process may have.
pub(crate) fn descriptors_max() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Lets this process have as many descriptors as it may ask for (setrlimit(2)).
pub(crate) fn raise_descriptors_max() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Where it is refused, fewer have to do.
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    }
}

/// The group that this process makes files as.
pub(crate) fn effective_gid() -> u32 {
    rustix::process::getegid().as_raw()
}
