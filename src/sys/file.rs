//! Open objects: what is the same on every Unix.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, OFlags, Stat};

use crate::options::ObjectId;
use crate::report::ObjectKind;

/// What kind of thing a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// Memory that processes share, and whose length is never changed.
    Segment,
}

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

impl From<Kind> for ObjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Regular => Self::File,
            Kind::Directory => Self::Directory,
            Kind::Symlink => Self::SymbolicLink,
            Kind::Pipe => Self::Fifo,
            Kind::Socket => Self::Socket,
            Kind::BlockDevice => Self::BlockDevice,
            Kind::CharDevice => Self::CharDevice,
            Kind::Segment => Self::Segment,
        }
    }
}

/// A moment as the file system counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// What is known of an object from its inode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) id: ObjectId,
    pub(crate) kind: Kind,
    pub(crate) len: u64,
    /// Bytes of the blocks that it occupies.
    pub(crate) allocated: u64,
    pub(crate) links: u64,
    /// The device that a device file stands for.
    pub(crate) device: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permission bits, setuid, setgid and sticky included.
    pub(crate) mode: u32,
    pub(crate) accessed: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
}

impl Timestamp {
    /// The same, cut down to a multiple of a step that a second is a multiple of.
    fn cut(self, step: u32) -> Self {
        Self { nanoseconds: self.nanoseconds - self.nanoseconds % step, ..self }
    }
}

/// Steps in which file systems count that do not count nanoseconds, the coarsest first: ext2, ext3
/// and ext4 with small inodes; exFAT; UDF and some servers; NTFS.
const STEPS: [u32; 4] = [1_000_000_000, 10_000_000, 1000, 100];

#[cfg(test)]
impl Facts {
    /// Those of a regular file, for tests.
    pub(crate) fn example(ino: u64) -> Self {
        let time = Timestamp { seconds: 100, nanoseconds: 5 };
        Self {
            id: ObjectId { dev: 1, ino },
            kind: Kind::Regular,
            len: 10,
            allocated: 4096,
            links: 1,
            device: 0,
            uid: 0,
            gid: 0,
            mode: 0o644,
            accessed: time,
            modified: time,
            changed: time,
        }
    }
}

impl Facts {
    /// Whether its modification time is `wanted`, as far as its file system can keep that.
    ///
    /// How far that is tells the object itself: its time of change, which only the kernel sets, is
    /// a multiple of the step, which on a file system with finer ones it practically never is.
    pub(crate) fn was_modified_at(&self, wanted: Timestamp) -> bool {
        self.modified == wanted
            || STEPS.into_iter().any(|step| {
                let is_kept = |time: Timestamp| time.cut(step) == time;
                is_kept(self.changed) && self.modified == wanted.cut(step)
            })
    }

    /// The time since its last change; `None` if that lies in the future.
    pub(crate) fn age(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.changed.seconds).unwrap_or(0);
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, self.changed.nanoseconds);
        SystemTime::now().duration_since(changed).ok()
    }

    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the fields' types differ by system; lengths and block counts are never negative"
    )]
    pub(super) fn from_stat(stat: &Stat) -> Self {
        Self {
            id: ObjectId { dev: stat.st_dev as u64, ino: stat.st_ino as u64 },
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

/// Moves the handle's own position to the begin.
pub(crate) fn rewind(handle: impl AsFd) -> io::Result<()> {
    rustix::fs::seek(handle, rustix::fs::SeekFrom::Start(0))?;
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
    flags.is_ok_and(|flags| !flags.intersects(OFlags::PATH | OFlags::WRONLY))
}

/// Whether the handle was opened for reading and writing.
pub(crate) fn is_writable(handle: impl AsFd) -> bool {
    let flags = rustix::fs::fcntl_getfl(handle);
    flags.is_ok_and(|flags| (flags & OFlags::RWMODE) == OFlags::RDWR)
}

/// Whether a directory's handle can be flushed: not if it was opened without the right to read.
pub(crate) fn can_flush(directory: impl AsFd) -> io::Result<bool> {
    Ok(!rustix::fs::fcntl_getfl(directory)?.contains(OFlags::PATH))
}

/// Moves the handle's own position forward.
pub(crate) fn skip(handle: impl AsFd, bytes: u64) -> io::Result<()> {
    let bytes = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    rustix::fs::seek(handle, rustix::fs::SeekFrom::Current(bytes))?;
    Ok(())
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    ToRead,
    ToWrite,
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

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
        Timestamp { seconds, nanoseconds }
    }

    #[test]
    fn times_are_compared_as_finely_as_the_target_keeps_them() {
        let file = tempfile::tempfile().unwrap();
        let facts = facts(&file).unwrap();
        let equal = |wanted, modified, changed| {
            Facts { modified, changed, ..facts }.was_modified_at(wanted)
        };
        let wanted = at(-7, 123_456_789);
        for (step, kept) in [
            (1_000_000_000, 0),
            (10_000_000, 120_000_000),
            (1000, 123_456_000),
            (100, 123_456_700),
            (1, 123_456_789),
        ] {
            let kept = at(-7, kept);
            assert!(equal(wanted, kept, at(9, 0)), "{step}");
            let times = |count: u64| (count * u64::from(step) / 2 % 1_000_000_000) as u32;
            assert!(equal(wanted, kept, at(9, times(14))), "{step}");
            // The file system counts in finer steps than that.
            let fine = at(9, times(15) + 1);
            assert_eq!(equal(wanted, kept, fine), step == 1, "{step}");
            for other in [at(-8, kept.nanoseconds), at(-7, kept.nanoseconds.wrapping_add(step))] {
                assert!(!equal(wanted, other, at(9, 0)), "{step}");
            }
        }
        // What the target has, the source does not lack.
        assert!(!equal(at(5, 0), at(5, 10_000_000), at(9, 0)));
    }
}
