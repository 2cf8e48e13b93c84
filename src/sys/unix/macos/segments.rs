//! System V segments as macOS describes them (`sys/shm.h`).

use std::io;

use crate::sys::sysv::SegmentFacts;

/// The flag of a segment that is removed (`SHMSEG_REMOVED`, xnu's `sysv_shm.c`).
const REMOVED: u32 = 0x400;

/// Nobody is told which segments there are but by tools that may read the kernel's memory.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn list() -> io::Result<Vec<SegmentFacts>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "macOS does not tell programs which segments there are",
    ))
}

impl SegmentFacts {
    pub(super) fn of(id: i32, found: &libc::shmid_ds) -> Self {
        let perm = found.shm_perm;
        let mode = u32::from(perm.mode);
        Self {
            id,
            key: perm._key,
            len: found.shm_segsz as u64,
            mode: mode & 0o777,
            uid: perm.uid,
            gid: perm.gid,
            creator_uid: perm.cuid,
            creator_gid: perm.cgid,
            attached: found.shm_nattch.into(),
            is_removed: mode & REMOVED != 0,
            is_locked: false,
            creator_pid: found.shm_cpid.unsigned_abs(),
            last_pid: found.shm_lpid.unsigned_abs(),
            attach_time: found.shm_atime,
            detach_time: found.shm_dtime,
            change_time: found.shm_ctime,
        }
    }
}
