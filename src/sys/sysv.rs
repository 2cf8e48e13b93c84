//! Segments of System V shared memory.

pub(crate) use super::system::sysv::*;

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
