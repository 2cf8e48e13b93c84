//! Files and directories by handle: what is the same on every Unix.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};

use crate::options::ObjectId;

/// What kind of thing a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO or a socket.
    Pipe,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
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
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permission bits, setuid, setgid and sticky included.
    pub(crate) mode: u32,
    pub(crate) accessed: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
}

impl Facts {
    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the fields' types differ by system; lengths and block counts are never negative"
    )]
    fn from_stat(stat: &Stat) -> Self {
        Self {
            id: ObjectId { dev: stat.st_dev as u64, ino: stat.st_ino as u64 },
            kind: match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile | FileType::Unknown => Kind::Regular,
                FileType::Directory => Kind::Directory,
                FileType::Symlink => Kind::Symlink,
                FileType::Fifo | FileType::Socket => Kind::Pipe,
                FileType::BlockDevice => Kind::BlockDevice,
                FileType::CharacterDevice => Kind::CharDevice,
            },
            len: stat.st_size as u64,
            allocated: (stat.st_blocks as u64).saturating_mul(512),
            links: stat.st_nlink as u64,
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

/// Whether the last component of a path is followed when it is a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Yes,
    No,
}

/// The facts of an open object; a block device has its length there, too.
pub(crate) fn facts(handle: impl AsFd) -> io::Result<Facts> {
    let mut facts = Facts::from_stat(&rustix::fs::fstat(&handle)?);
    if facts.kind == Kind::BlockDevice {
        facts.len = rustix::fs::seek(&handle, rustix::fs::SeekFrom::End(0))?;
    }
    Ok(facts)
}

/// The facts of `path`; `None` when there is nothing of that name.
pub(crate) fn facts_of_path(path: &Path, follow: Follow) -> io::Result<Option<Facts>> {
    facts_at_any(CWD, path, follow)
}

/// The facts of `name` in `directory`, a link not followed; `None` when there is no such name.
pub(crate) fn facts_at(directory: impl AsFd, name: &OsStr) -> io::Result<Option<Facts>> {
    facts_at_any(directory, Path::new(name), Follow::No)
}

fn facts_at_any(directory: impl AsFd, path: &Path, follow: Follow) -> io::Result<Option<Facts>> {
    let flags = match follow {
        Follow::Yes => AtFlags::empty(),
        Follow::No => AtFlags::SYMLINK_NOFOLLOW,
    };
    match rustix::fs::statat(directory, path, flags) {
        Ok(stat) => Ok(Some(Facts::from_stat(&stat))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens `path` for reading without waiting for a FIFO's writer.
///
/// A handle of anything but a regular file must get [`set_blocking`] before it is read.
pub(crate) fn open_for_reading(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Makes reads and writes of the handle wait.
pub(crate) fn set_blocking(handle: impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&handle)?;
    Ok(rustix::fs::fcntl_setfl(&handle, flags - OFlags::NONBLOCK)?)
}

/// Whether to open for reading as well, which a map needs, or for writing only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenAs {
    ReadWrite,
    WriteOnly,
}

/// Opens an existing object for writing; nothing of it is truncated.
pub(crate) fn open_for_writing(path: &Path, open_as: OpenAs) -> io::Result<File> {
    let access = match open_as {
        OpenAs::ReadWrite => OFlags::RDWR,
        OpenAs::WriteOnly => OFlags::WRONLY,
    };
    let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// A handle of a directory, good for operations relative to it and for flushing it.
pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
    match rustix::fs::open(path, flags, Mode::empty()) {
        // A directory may be searched and written, but not read: still good for everything but
        // flushing, which then fails and says so.
        Err(rustix::io::Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
            Ok(rustix::fs::open(path, flags, Mode::empty())?)
        }
        other => Ok(other?),
    }
}

/// Makes a new file that did not exist, open for reading and writing.
pub(crate) fn create_new_at(directory: impl AsFd, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat(directory, Path::new(name), flags, Mode::from_raw_mode(mode))?.into())
}

/// Opens a regular file that is there, for locking it; a link or FIFO is not followed or waited on.
pub(crate) fn open_existing_at(directory: impl AsFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let open =
        |access| rustix::fs::openat(&directory, Path::new(name), access | flags, Mode::empty());
    // NFS locks exclusively only what is open for writing (flock(2)).
    match open(OFlags::RDWR) {
        Err(rustix::io::Errno::ACCESS) => Ok(open(OFlags::RDONLY)?.into()),
        result => Ok(result?.into()),
    }
}

/// Gives `from` the name `to`, replacing what has it, within one directory.
pub(crate) fn rename_at(directory: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let directory = directory.as_fd();
    Ok(rustix::fs::renameat(directory, Path::new(from), directory, Path::new(to))?)
}

/// Gives the object a second name, which must be free.
pub(crate) fn link_at(directory: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let directory = directory.as_fd();
    Ok(rustix::fs::linkat(directory, Path::new(from), directory, Path::new(to), AtFlags::empty())?)
}

/// Gives what `path` names another name in `directory`, which must be free.
pub(crate) fn link_into(path: &Path, directory: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, path, directory, Path::new(name), AtFlags::empty())?)
}

/// Removes a name that is not a directory's.
pub(crate) fn unlink_at(directory: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(directory, Path::new(name), AtFlags::empty())?)
}

/// Calls `look` with each name in a directory, those of the directory itself and its parent
/// included.
pub(crate) fn each_name_in(directory: impl AsFd, mut look: impl FnMut(&OsStr)) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    for entry in rustix::fs::Dir::read_from(directory)? {
        look(OsStr::from_bytes(entry?.file_name().to_bytes()));
    }
    Ok(())
}

/// The path with every link in it followed.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
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
