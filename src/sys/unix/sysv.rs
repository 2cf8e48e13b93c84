//! System V shared memory (sysvipc(7)), which no crate wraps.

use std::ffi::c_int;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

use rustix::path::Arg;

use super::errno::{checked, errno_of_libc};
use crate::options::{SegmentAccess, SystemVName};
use crate::sys::sysv::{Get, SegmentFacts};

pub(crate) use super::segments::list;
/// Why there are none: there are.
pub(crate) const ABSENCE: Option<&str> = None;

/// The key of those that have none (`IPC_PRIVATE`).
pub(crate) const PRIVATE: i32 = libc::IPC_PRIVATE;

/// The identifier of the segment with that key; 0 is `IPC_PRIVATE`, which makes a new one always.
///
/// # Errors
///
/// `ENOENT` and `EEXIST` as the names say; `EINVAL` where `len` is 0 or more than SHMMAX; `ENOSPC`
/// when there are SHMMNI segments already, or SHMALL pages; `ENOMEM` where no memory can be
/// promised.
pub(crate) fn get(key: i32, how: Get) -> io::Result<i32> {
    let (len, flags) = match how {
        Get::Existing => (0, 0),
        Get::New { len, mode } => {
            let mode = c_int::try_from(mode & 0o777).map_err(|_| io::ErrorKind::InvalidInput)?;
            (len, libc::IPC_CREAT | libc::IPC_EXCL | mode)
        }
    };
    // SAFETY: it takes no pointer.
    checked(unsafe { libc::shmget(key, len, flags) })
}

/// The key that a name leads to; `None` for those without one.
///
/// # Errors
///
/// Those of stat(2), of the file that ftok(3) makes the key of.
pub(crate) fn key_of(name: &SystemVName) -> io::Result<Option<i32>> {
    match name {
        SystemVName::Key(key) => Ok(Some(key.get())),
        SystemVName::Ftok { path, project } => key_of_file(path, *project).map(Some),
        SystemVName::Id(_) | SystemVName::Private => Ok(None),
    }
}

/// What ftok(3) makes of a file and the number of a project.
fn key_of_file(path: &Path, project: u8) -> io::Result<i32> {
    let key = path.into_with_c_str(|path| {
        // SAFETY: the path is a C string that lives as long as the call.
        Ok(unsafe { libc::ftok(path.as_ptr(), project.into()) })
    })?;
    checked(key)
}

/// What the segment is.
///
/// # Errors
///
/// `ENOENT` when there is no such segment, `EACCES` when it may not be read.
pub(crate) fn facts(id: i32) -> io::Result<SegmentFacts> {
    let mut found = empty();
    // SAFETY: IPC_STAT fills in one `shmid_ds`, which it is given.
    checked(unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut found) }).map_err(missing)?;
    Ok(SegmentFacts::of(id, &found))
}

/// What the segment is, also where it may not be read.
///
/// # Errors
///
/// `ENOENT` when there is no such segment.
pub(crate) fn facts_without_right(id: i32) -> io::Result<SegmentFacts> {
    match facts(id) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            list()?.into_iter().find(|it| it.id == id).ok_or(error)
        }
        found => found,
    }
}

/// What the system says of an identifier that leads to nothing, or to nothing any more, in the
/// words that it has for names.
fn missing(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::EIDRM) => io::Error::from_raw_os_error(libc::ENOENT),
        _ => error,
    }
}

/// Sets owner, group and the nine permission bits (`IPC_SET`).
///
/// # Errors
///
/// `EPERM` for whoever is neither owner nor creator nor privileged.
pub(crate) fn set(id: i32, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    let mut wanted = empty();
    wanted.shm_perm.uid = uid;
    wanted.shm_perm.gid = gid;
    wanted.shm_perm.mode = narrow_mode(mode)?;
    // SAFETY: IPC_SET reads one `shmid_ds`, which it is given.
    checked(unsafe { libc::shmctl(id, libc::IPC_SET, &raw mut wanted) }).map(drop).map_err(missing)
}

/// Removes the segment (`IPC_RMID`): its key at once, itself with the last detach.
///
/// # Errors
///
/// As [`set`].
pub(crate) fn remove(id: i32) -> io::Result<()> {
    // SAFETY: IPC_RMID reads no buffer.
    checked(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) })
        .map(drop)
        .map_err(missing)
}

/// A segment in this process' memory, detached when it is dropped.
#[derive(Debug)]
pub(crate) struct Attachment {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: it is an address and a length; the memory belongs to no thread, and is only reached
// through raw pointers whose users answer for each access.
unsafe impl Send for Attachment {}
// SAFETY: as above; no method changes it.
unsafe impl Sync for Attachment {}

impl Attachment {
    /// Attaches the segment wherever there is room. One that is removed can be attached, on Linux,
    /// as long as another process has it.
    ///
    /// # Errors
    ///
    /// `EACCES` where that is not permitted, `ENOENT` where there is no such segment.
    pub(crate) fn new(id: i32, access: SegmentAccess) -> io::Result<Self> {
        let flags = match access {
            SegmentAccess::Read => libc::SHM_RDONLY,
            SegmentAccess::ReadWrite => 0,
        };
        // SAFETY: without an address the kernel finds one where nothing is mapped.
        let address = unsafe { libc::shmat(id, std::ptr::null(), flags) };
        if address.addr() == usize::MAX {
            return Err(missing(errno_of_libc()));
        }
        let address = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        // It detaches if the next line fails.
        let mut attachment = Self { address, len: 0 };
        attachment.len = usize::try_from(facts(id)?.len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(attachment)
    }

    /// Its first byte; the others follow, to the end of the last page.
    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.address.as_ptr()
    }

    /// Bytes of the segment, as it was made.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // SAFETY: shmat(2) returned the address, it is detached once, and whoever reads or writes
        // through it borrows this or shares it.
        unsafe { libc::shmdt(self.address.as_ptr().cast()) };
    }
}

pub(super) fn empty() -> libc::shmid_ds {
    // SAFETY: it has numbers only, for which all zeros are a value.
    unsafe { std::mem::zeroed() }
}

fn narrow_mode<T: TryFrom<u32>>(mode: u32) -> io::Result<T> {
    T::try_from(mode & 0o777).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removes it, however the test ends.
    struct Made(i32);

    impl Drop for Made {
        fn drop(&mut self) {
            drop(remove(self.0));
        }
    }

    #[test]
    fn a_segment_lives_until_the_last_detach() {
        let made = Made(get(0, Get::New { len: 5000, mode: 0o600 }).unwrap());
        let one = Attachment::new(made.0, SegmentAccess::ReadWrite).unwrap();
        assert_eq!(one.len(), 5000);
        remove(made.0).unwrap();
        let facts = facts(made.0).unwrap();
        assert!(facts.is_removed);
        assert_eq!((facts.attached, facts.key, facts.mode), (1, 0, 0o600));
        drop(one);
        assert!(super::facts(made.0).is_err());
    }

    #[test]
    fn owner_and_mode_are_set_and_listed() {
        let made = Made(get(0, Get::New { len: 1, mode: 0o640 }).unwrap());
        let facts = facts(made.0).unwrap();
        assert_eq!((facts.len, facts.mode, facts.creator_pid), (1, 0o640, std::process::id()));
        set(made.0, 0o604, facts.uid, facts.gid).unwrap();
        let listed = list().unwrap().into_iter().find(|it| it.id == made.0).unwrap();
        assert_eq!(listed.mode, 0o604);
    }

    #[test]
    fn the_key_of_a_file_has_its_number_and_the_project() {
        use std::os::unix::fs::MetadataExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let facts = file.as_file().metadata().unwrap();
        let key = key_of_file(file.path(), 7).unwrap().cast_unsigned();
        assert_eq!(u64::from(key & 0xffff), facts.ino() & 0xffff);
        assert_eq!(u64::from(key >> 16 & 0xff), facts.dev() & 0xff);
        assert_eq!(key >> 24, 7);
        assert!(key_of_file(Path::new("/nonexistent"), 7).is_err());
    }
}
