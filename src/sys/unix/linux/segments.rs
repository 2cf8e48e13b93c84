//! System V segments as Linux describes and lists them (shmctl(2)).

use std::ffi::c_int;
use std::io;

use super::errno::checked;
use super::sysv::empty;
use crate::sys::sysv::SegmentFacts;

const SHM_DEST: u32 = 0o1000;
const SHM_LOCKED: u32 = 0o2000;
const SHM_INFO: c_int = 14;
const SHM_STAT_ANY: c_int = 15;

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

impl SegmentFacts {
    pub(super) fn of(id: i32, found: &libc::shmid_ds) -> Self {
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
