//! Names: what they lead to, and making, changing and removing them.
//!
//! Each call is relative to a directory that is held open, so that no name on the way to it counts,
//! but for operands, which are paths ([`Spot::of_path`]).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{bare, entries};
use crate::sys::attributes;
use crate::sys::file::{Facts, Kind};
use crate::sys::names::{Follow, OpenAs, Spelling};

pub(crate) use super::entries::{
    each_name_in, list_some, open_beneath, rename_no_replace, unnamed_file,
};

/// Whether a directory can be given another name while something in it is open.
pub(crate) const DIRECTORIES_MOVE: bool = true;

/// Whether who watches a directory is told of all that is below it as well.
pub(crate) const WATCHED_AS_A_WHOLE: bool = false;

/// A name in a directory that is held open, or a path from the working directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    directory: BorrowedFd<'a>,
    path: &'a Path,
}

impl<'a> Spot<'a> {
    /// What `path` leads to from the working directory.
    pub(crate) fn of_path(path: &'a Path) -> Self {
        Self { directory: CWD, path }
    }

    /// What has `name` in `directory`.
    pub(crate) fn within(directory: &'a impl AsFd, name: &'a OsStr) -> Self {
        Self { directory: directory.as_fd(), path: Path::new(name) }
    }

    /// The facts of what is there; `None` when there is nothing.
    pub(crate) fn facts(self, follow: Follow) -> io::Result<Option<Facts>> {
        let flags = match follow {
            Follow::Yes => AtFlags::empty(),
            Follow::No => AtFlags::SYMLINK_NOFOLLOW,
        };
        match rustix::fs::statat(self.directory, self.path, flags) {
            Ok(stat) => Ok(Some(Facts::from_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens it for reading without waiting for a FIFO's writer; a link that is not to be followed
    /// is the error `ELOOP`.
    ///
    /// A handle of anything but a regular file must get
    /// [`set_blocking`](crate::sys::file::set_blocking) before it is read.
    pub(crate) fn open_for_reading(self, follow: Follow) -> io::Result<File> {
        Ok(self.open(OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK, follow)?.into())
    }

    /// Opens an existing object for writing; nothing of it is truncated.
    pub(crate) fn open_for_writing(self, open_as: OpenAs, follow: Follow) -> io::Result<File> {
        let access = match open_as {
            OpenAs::ReadWrite => OFlags::RDWR,
            OpenAs::WriteOnly => OFlags::WRONLY,
        };
        Ok(self.open(access | OFlags::NOCTTY, follow)?.into())
    }

    /// The same without waiting: a FIFO that nobody reads is an error.
    ///
    /// The handle must get [`set_blocking`](crate::sys::file::set_blocking) before it is written.
    pub(crate) fn open_for_writing_at_once(self) -> io::Result<File> {
        Ok(self.open(OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Follow::Yes)?.into())
    }

    /// Makes a file for writing, or empties one that is there.
    #[cfg_attr(
        not(target_os = "linux"),
        allow(dead_code, reason = "the laboratory of simulated disks makes its report with it")
    )]
    pub(crate) fn create_or_empty(self, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let mode = entries::mode_of(mode);
        Ok(rustix::fs::openat(self.directory, self.path, flags, mode)?.into())
    }

    /// Opens a file or directory that is there, for locking it; a link or FIFO is not followed or
    /// waited for.
    pub(crate) fn open_existing(self) -> io::Result<File> {
        // NFS locks exclusively only what is open for writing (flock(2)).
        match self.open(OFlags::RDWR | OFlags::NONBLOCK, Follow::No) {
            Err(Errno::ACCESS | Errno::ISDIR) => {
                Ok(self.open(OFlags::RDONLY | OFlags::NONBLOCK, Follow::No)?.into())
            }
            result => Ok(result?.into()),
        }
    }

    /// A handle of a directory, good for operations relative to it and for flushing it.
    pub(crate) fn open_directory(self, follow: Follow) -> io::Result<OwnedFd> {
        match self.open(OFlags::RDONLY | OFlags::DIRECTORY, follow) {
            // A directory may be searched and written, but not read: still good for everything but
            // flushing, which then fails and says so.
            Err(Errno::ACCESS) => Ok(bare::open_directory(self.directory, self.path, follow)?),
            other => Ok(other?),
        }
    }

    /// A handle of a directory whose names can be read.
    pub(crate) fn open_listable(self, follow: Follow) -> io::Result<OwnedFd> {
        Ok(self.open(OFlags::RDONLY | OFlags::DIRECTORY, follow)?)
    }

    /// The same for one that was just made, and may have fewer rights for its owner than it takes,
    /// as the umask or a default ACL has it: they are given, and what it had is returned.
    pub(crate) fn open_made(self) -> io::Result<(OwnedFd, Option<u32>)> {
        const OWNER: u32 = 0o700;
        let handle = match self.open_listable(Follow::No) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.handle()?,
            result => result?,
        };
        let mode = facts_of_handle(&handle)?.mode;
        if mode & OWNER == OWNER {
            return Ok((handle, None));
        }
        attributes::set_mode(&File::from(handle), mode | OWNER)?;
        Ok((self.open_listable(Follow::No)?, Some(mode)))
    }

    /// A handle of what is there, a symbolic link included, that allows no reading and no writing
    /// of its content, where the system has such.
    pub(crate) fn handle(self) -> io::Result<OwnedFd> {
        self.handle_of(Follow::No)
    }

    /// The same of what a symbolic link there leads to, if it is to be followed.
    pub(crate) fn handle_of(self, follow: Follow) -> io::Result<OwnedFd> {
        Ok(bare::open(self.directory, self.path, follow)?)
    }

    fn open(self, flags: OFlags, follow: Follow) -> rustix::io::Result<OwnedFd> {
        let nofollow = match follow {
            Follow::Yes => OFlags::empty(),
            Follow::No => OFlags::NOFOLLOW,
        };
        let flags = flags | nofollow | OFlags::CLOEXEC;
        rustix::fs::openat(self.directory, self.path, flags, Mode::empty())
    }
}

/// The facts of `path`; `None` when there is nothing of that name.
pub(crate) fn facts_of_path(path: &Path, follow: Follow) -> io::Result<Option<Facts>> {
    Spot::of_path(path).facts(follow)
}

/// The facts of `name` in `directory`, a link not followed; `None` when there is no such name.
pub(crate) fn facts_at(directory: impl AsFd, name: &OsStr) -> io::Result<Option<Facts>> {
    Spot::within(&directory, name).facts(Follow::No)
}

/// The facts of a handle that may be one of [`Spot::handle`].
pub(crate) fn facts_of_handle(handle: impl AsFd) -> io::Result<Facts> {
    Ok(Facts::from_stat(&rustix::fs::fstat(&handle)?))
}

/// The text of the symbolic link that `link`, from [`Spot::handle`], holds.
pub(crate) fn read_link(link: impl AsFd) -> io::Result<OsString> {
    bare::read_link(link)
}

/// Makes a new file that did not exist, open for reading and writing.
pub(crate) fn create_new_at(directory: impl AsFd, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat(directory, Path::new(name), flags, entries::mode_of(mode))?.into())
}

/// The same at a path from the working directory.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    create_new_at(CWD, path.as_os_str(), mode)
}

/// Makes a new file that is gone when it is closed: here, its name is gone at once.
pub(crate) fn create_temporary_at(directory: impl AsFd, name: &OsStr) -> io::Result<File> {
    let file = create_new_at(&directory, name, 0o600)?;
    unlink_at(&directory, name)?;
    Ok(file)
}

/// Makes a directory, with these permission bits less the umask.
pub(crate) fn make_directory_at(directory: impl AsFd, name: &OsStr, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(directory, Path::new(name), entries::mode_of(mode))?)
}

/// Makes a symbolic link with this text; here all are of one kind.
pub(crate) fn make_link_at(
    text: &OsStr,
    directory: impl AsFd,
    name: &OsStr,
    _leads_to_directory: bool,
) -> io::Result<()> {
    Ok(rustix::fs::symlinkat(Path::new(text), directory, Path::new(name))?)
}

/// Makes a FIFO, a socket or a device file like the one that has these facts, with these
/// permission bits less the umask.
///
/// # Errors
///
/// Those of mknod(2); `EINVAL` for any other kind of object.
pub(crate) fn make_special_at(
    directory: impl AsFd,
    name: &OsStr,
    like: &Facts,
    mode: u32,
) -> io::Result<()> {
    let kind = match like.kind {
        Kind::Pipe => FileType::Fifo,
        Kind::Socket => FileType::Socket,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::Regular | Kind::Directory | Kind::Symlink | Kind::Segment => {
            return Err(Errno::INVAL.into());
        }
    };
    let device = if kind == FileType::Fifo || kind == FileType::Socket { 0 } else { like.device };
    Ok(entries::make_special(directory, name, kind, mode, device)?)
}

/// Gives `from` the name `to`, replacing what has it, within one directory.
pub(crate) fn rename_at(directory: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let directory = directory.as_fd();
    Ok(rustix::fs::renameat(directory, Path::new(from), directory, Path::new(to))?)
}

/// Gives the object a second name, which must be free.
pub(crate) fn link_at(directory: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    link_into(Spot::within(&directory, from), &directory, to, Follow::No)
}

/// Gives what is at `spot` another name in `directory`, which must be free.
pub(crate) fn link_into(
    spot: Spot<'_>,
    directory: impl AsFd,
    name: &OsStr,
    follow: Follow,
) -> io::Result<()> {
    let flags = match follow {
        Follow::Yes => AtFlags::SYMLINK_FOLLOW,
        Follow::No => AtFlags::empty(),
    };
    Ok(rustix::fs::linkat(spot.directory, spot.path, directory, Path::new(name), flags)?)
}

/// Removes a name that is not a directory's.
pub(crate) fn unlink_at(directory: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(directory, Path::new(name), AtFlags::empty())?)
}

/// The same at a path from the working directory.
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    unlink_at(CWD, path.as_os_str())
}

/// Removes an empty directory.
pub(crate) fn remove_directory_at(directory: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(directory, Path::new(name), AtFlags::REMOVEDIR)?)
}

/// Each name that leads to something is in its directory's list.
pub(crate) fn name_behind(_: impl AsFd, _: &OsStr) -> io::Result<Option<OsString>> {
    Ok(None)
}

// Who has something open is not in the way of removing its name.
pub(crate) use self::remove_directory_at as remove_held_directory_at;
pub(crate) use self::unlink_at as unlink_held_at;

/// The error of listing a directory that was opened without the right to read it, which the system
/// takes for a bad descriptor; any other as it is.
pub(crate) fn unread(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EBADF) => io::Error::from_raw_os_error(libc::EACCES),
        _ => error,
    }
}

/// Bytes are names, but for two of them.
pub(crate) const SPELLING: Spelling = Spelling::Free;

/// Why no file is made with this name: there is no such reason.
pub(crate) fn refusal(_: &OsStr) -> Option<&'static str> {
    None
}

/// What names that lead to one file have in common: all of it.
pub(crate) fn fold(name: &OsStr) -> OsString {
    name.to_os_string()
}

/// What is to be done about an error of a file that others use: here they are in nobody's way.
pub(crate) fn hint(_: &io::Error) -> Option<&'static str> {
    None
}

/// How long a name is, as file systems count: in bytes.
pub(crate) fn len_of(name: &OsStr) -> usize {
    name.len()
}

/// The first bytes of a longer name, so many at most.
pub(crate) fn cut_to(name: &OsStr, len_max: usize) -> OsString {
    let bytes = name.as_bytes();
    let mut keep = len_max;
    // Some file systems refuse half a character of UTF-8.
    while keep > 0 && bytes[keep] & 0xc0 == 0x80 {
        keep -= 1;
    }
    OsStr::from_bytes(&bytes[..keep]).to_os_string()
}

/// The path with every link in it followed.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}
