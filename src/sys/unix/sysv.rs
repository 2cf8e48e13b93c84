//! System V shared memory (sysvipc(7)), which no crate wraps.

use std::ffi::c_int;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

use rustix::path::Arg;

use super::platform::errno_of_libc;
use crate::options::SystemVName;
use crate::sys::map::Attach;

/// What is known of a segment (`IPC_STAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    pub(crate) id: i32,
    /// 0 for one without a key.
    pub(crate) key: i32,
    pub(crate) len: u64,
    /// The nine permission bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) creator_uid: u32,
    pub(crate) creator_gid: u32,
    pub(crate) attached: u64,
    /// Removed, and goes when the last process detaches it.
    pub(crate) is_removed: bool,
    /// Kept from being swapped out.
    pub(crate) is_locked: bool,
    pub(crate) creator_pid: u32,
    /// Who attached or detached it last; 0 for nobody.
    pub(crate) last_pid: u32,
    /// Seconds since 1970; 0 for never.
    pub(crate) attach_time: i64,
    pub(crate) detach_time: i64,
    pub(crate) change_time: i64,
}

/// What shmget(2) is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Get {
    /// Find an existing segment.
    Existing,
    /// Make a new one of `len` bytes, or fail.
    New { len: usize, mode: u32 },
}

const SHM_DEST: u32 = 0o1000;
const SHM_LOCKED: u32 = 0o2000;
const SHM_INFO: c_int = 14;
const SHM_STAT_ANY: c_int = 15;

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

/// All segments of this IPC namespace, those included that may not be read (`SHM_STAT_ANY`,
/// Linux 4.17).
///
/// # Errors
///
/// `ENOSYS` where there is no System V IPC.
pub(crate) fn list() -> io::Result<Vec<SegmentFacts>> {
    // `struct shm_info` is smaller.
    let mut unused = empty();
    // SAFETY: SHM_INFO fills in a `struct shm_info` of 48 bytes, for which there is room.
    let index_max = checked(unsafe { libc::shmctl(0, SHM_INFO, &raw mut unused) })?;
    let mut segments = Vec::new();
    for index in 0..=index_max {
        let mut found = empty();
        // SAFETY: SHM_STAT_ANY fills in one `shmid_ds`, which it is given.
        match checked(unsafe { libc::shmctl(index, SHM_STAT_ANY, &raw mut found) }) {
            Ok(id) => segments.push(SegmentFacts::of(id, &found)),
            // A gap in the table, or one that has just gone.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIDRM)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(segments)
}

const _: () = assert!(size_of::<libc::shmid_ds>() >= 48);

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
    pub(crate) fn new(id: i32, access: Attach) -> io::Result<Self> {
        let flags = match access {
            Attach::Read => libc::SHM_RDONLY,
            Attach::ReadWrite => 0,
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

impl SegmentFacts {
    fn of(id: i32, found: &libc::shmid_ds) -> Self {
        let perm = &found.shm_perm;
        let mode = u32::from(perm.mode);
        Self {
            id,
            key: perm.__key,
            len: found.shm_segsz as u64,
            mode: mode & 0o777,
            uid: perm.uid,
            gid: perm.gid,
            creator_uid: perm.cuid,
            creator_gid: perm.cgid,
            attached: found.shm_nattch,
            is_removed: mode & SHM_DEST != 0,
            is_locked: mode & SHM_LOCKED != 0,
            creator_pid: found.shm_cpid.unsigned_abs(),
            last_pid: found.shm_lpid.unsigned_abs(),
            attach_time: found.shm_atime,
            detach_time: found.shm_dtime,
            change_time: found.shm_ctime,
        }
    }
}

fn empty() -> libc::shmid_ds {
    // SAFETY: it has numbers only, for which all zeros are a value.
    unsafe { std::mem::zeroed() }
}

fn narrow_mode<T: TryFrom<u32>>(mode: u32) -> io::Result<T> {
    T::try_from(mode & 0o777).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn checked(returned: c_int) -> io::Result<c_int> {
    if returned == -1 { Err(errno_of_libc()) } else { Ok(returned) }
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
        let one = Attachment::new(made.0, Attach::ReadWrite).unwrap();
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
