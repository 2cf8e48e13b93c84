//! POSIX shared memory (shm_overview(7)): on Linux the files of one tmpfs.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::shm;

use crate::options::PosixName;
use crate::units::ByteRange;

use super::errno::errno_of_libc;
use super::space;
use crate::sys::clock;
use crate::sys::file::{self, Facts, Kind};
use crate::sys::names::{Follow, Spot};

/// Why there are none: there are.
pub(crate) const ABSENCE: Option<&str> = None;

/// Why no memory is an open file: some is.
pub(crate) const NAMELESS_ABSENCE: Option<&str> = None;

/// Where glibc, musl and the kernel's documentation have them.
pub(crate) const DIRECTORY: &str = "/dev/shm";

/// What named semaphores are called there (sem_overview(7)).
const SEMAPHORE: &[u8] = b"sem.";

/// Opens an existing object.
///
/// Everybody may make names there: a symbolic link is not followed, a FIFO not waited for. The
/// `shm_open` of rustix does both.
///
/// # Errors
///
/// Those of shm_open(3), and that something else has that name.
pub(crate) fn open(name: &PosixName, flags: OFlags) -> io::Result<File> {
    let path = path_of(name);
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = clock::poll(Some(LEASE_WAIT), || {
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => Ok(Some(File::from(file))),
            // Another asks in this moment whether it is used ([`is_unused`]).
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => Err(no_object()),
            Err(error) => Err(error.into()),
        }
    })?;
    let file = opened.ok_or(Errno::WOULDBLOCK)?;
    if file::facts(&file)?.kind != Kind::Regular {
        return Err(no_object());
    }
    Ok(file)
}

/// As long as the kernel lets anybody keep a lease that another waits for, and longer.
const LEASE_WAIT: Duration = Duration::from_secs(60);

/// Opens it for reading only.
pub(crate) const READ: OFlags = OFlags::RDONLY;

/// Opens it for both.
pub(crate) const READ_WRITE: OFlags = OFlags::RDWR;

fn path_of(name: &PosixName) -> PathBuf {
    Path::new(DIRECTORY).join(name.as_os_str())
}

fn no_object() -> io::Error {
    io::Error::other("it is no shared memory, but a directory, a link or the like")
}

/// The facts of an object, which need not be open for that; `None` where there is none.
///
/// # Errors
///
/// Those of stat(2), and that something else has that name.
pub(crate) fn facts(name: &PosixName) -> io::Result<Option<Facts>> {
    match Spot::of_path(&path_of(name)).facts(Follow::No)? {
        Some(facts) if facts.kind != Kind::Regular => Err(no_object()),
        found => Ok(found),
    }
}

/// A new object without bytes that has no name yet, so that nobody ever sees one without its bytes
/// (`O_TMPFILE`). Its mode is `mode` whatever the umask.
///
/// # Errors
///
/// Those of open(2).
pub(crate) fn make(mode: u32) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(DIRECTORY, flags, Mode::RUSR | Mode::WUSR)?);
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o777))?;
    Ok(file)
}

/// The same, with memory that is reserved for `len` bytes, of which there is at least one.
///
/// # Errors
///
/// `ENOSPC` where the memory cannot be had, and those of [`make`].
pub(crate) fn make_reserved(len: u64, mode: u32) -> io::Result<File> {
    let file = make(mode)?;
    space::reserve(&file, ByteRange::first(len))?;
    Ok(file)
}

/// Gives an object that [`make`] made its name.
///
/// # Errors
///
/// `EEXIST` where another has it.
pub(crate) fn publish(file: &File, name: &PosixName) -> io::Result<()> {
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, itself, CWD, path_of(name), AtFlags::SYMLINK_FOLLOW)?)
}

/// Removes the name; the memory goes when nobody has it open or mapped.
///
/// # Errors
///
/// Those of shm_unlink(3).
pub(crate) fn unlink(name: &PosixName) -> io::Result<()> {
    Ok(shm::unlink(name.as_os_str())?)
}

/// The names of all objects, semaphores left out.
///
/// # Errors
///
/// Those of opening and reading the directory; without one there are no objects.
pub(crate) fn list() -> io::Result<Vec<PosixName>> {
    let listed = match fs::read_dir(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut names = Vec::new();
    for entry in listed {
        let entry = entry?;
        let is_file = entry.file_type().is_ok_and(|it| it.is_file());
        let is_semaphore = entry.file_name().as_encoded_bytes().starts_with(SEMAPHORE);
        if let (true, false, Ok(name)) = (is_file, is_semaphore, PosixName::new(entry.file_name()))
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether no process has the object open or mapped but for the caller's `file`; `None` where that
/// cannot be told: it is not one's own.
///
/// The kernel is asked for a lease of it, which it grants to a sole user (fcntl(2)).
pub(crate) fn is_unused(file: &File) -> io::Result<Option<bool>> {
    let fd = file.as_fd().as_raw_fd();
    // Who opens it in this moment waits, and this process is told so by a signal, whose default,
    // SIGIO, would end it.
    fcntl(fd, F_SETSIG, libc::SIGURG)?;
    match fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) {
        Ok(()) => {
            fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK)?;
            Ok(Some(true))
        }
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::AGAIN) => Ok(Some(false)),
            Some(Errno::ACCESS | Errno::PERM | Errno::INVAL) => Ok(None),
            _ => Err(error),
        },
    }
}

const F_SETSIG: libc::c_int = 10;

fn fcntl(fd: RawFd, command: libc::c_int, argument: libc::c_int) -> io::Result<()> {
    // SAFETY: the three commands take a number.
    match unsafe { libc::fcntl(fd, command, argument) } {
        -1 => Err(errno_of_libc()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_its_bytes_as_soon_as_it_has_its_name() {
        let name = PosixName::new(format!("/mycp-test-{}", std::process::id())).unwrap();
        let made = make_reserved(5000, 0o640).unwrap();
        assert!(!list().unwrap().contains(&name));
        publish(&made, &name).unwrap();
        let again = publish(&make(0o600).unwrap(), &name);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(list().unwrap().contains(&name));
        let facts = made.metadata().unwrap();
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        assert_eq!((facts.len(), facts.permissions().mode() & 0o7777), (5000, 0o640));
        assert_eq!(facts.blocks(), 16, "two pages are reserved");

        assert_eq!(is_unused(&made).unwrap(), Some(true));
        let another = open(&name, READ).unwrap();
        assert_eq!(is_unused(&made).unwrap(), Some(false));
        drop(another);
        unlink(&name).unwrap();
        assert_eq!(unlink(&name).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
