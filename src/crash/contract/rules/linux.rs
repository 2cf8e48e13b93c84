//! The same of Linux: what manual pages and the kernel's documentation say.

use super::{
    Answer, Call, Effect, Fact, Guarantee, Knowledge, OptionRule, SyncMode, SystemRule, note,
    option, system, warning,
};
use Answer::{No, NotConcerned, Range, Yes};

/// What the calls promise where nothing weakens them.
pub(super) const GUARANTEES: [Guarantee; 10] = [
    Guarantee {
        call: Call::Flush(SyncMode::None),
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "msync(2), close(2)",
        remark: "munmap and close ask for nothing; the kernel writes dirty pages back when it \
                 likes, and its errors may be told to nobody",
    },
    Guarantee {
        call: Call::Flush(SyncMode::MsyncAsync),
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "msync(2), notes",
        remark: "MS_ASYNC does nothing since Linux 2.6.19",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Msync),
        data: Range,
        size: Yes,
        attributes: No,
        name: No,
        cache: Yes,
        source: "mm/msync.c; commit 7fc34a62ca44",
        remark: "MS_SYNC is fdatasync for the range: the file's other dirty pages are not promised",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Fdatasync),
        data: Yes,
        size: Yes,
        attributes: No,
        name: No,
        cache: Yes,
        source: "fsync(2)",
        remark: "",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Fsync),
        data: Yes,
        size: Yes,
        attributes: Yes,
        name: No,
        cache: Yes,
        source: "fsync(2)",
        remark: "a new name takes an fsync of the directory, too",
    },
    Guarantee {
        call: Call::DirectoryFsync,
        data: NotConcerned,
        size: NotConcerned,
        attributes: NotConcerned,
        name: Yes,
        cache: Yes,
        source: "fsync(2)",
        remark: "it says nothing of what is in the files",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Syncfs),
        data: Yes,
        size: Yes,
        attributes: Yes,
        name: Yes,
        cache: Yes,
        source: "sync(2), notes",
        remark: "it tells of failed writes since Linux 5.8 only",
    },
    Guarantee {
        call: Call::Flush(SyncMode::SyncFileRange),
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "sync_file_range(2), warning",
        remark: "it hands pages to the device, and leaves out metadata and the device's cache",
    },
    Guarantee {
        call: Call::Flush(SyncMode::ODsync),
        data: Range,
        size: Yes,
        attributes: No,
        name: No,
        cache: Yes,
        source: "open(2), readv(2)",
        remark: "only for what is written with it, or with RWF_DSYNC: a store into a map is no \
                 write",
    },
    Guarantee {
        call: Call::Rename,
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "rename(2)",
        remark: "other processes see the old file or the new one; of crashes the manual says \
                 nothing, so fsync the file before it and the directory after it",
    },
];

/// Those that there is something to say of.
pub(super) const SYSTEMS: &[SystemRule] = &[
    system(
        &["tmpfs", "ramfs", "devtmpfs", "rootfs", "hugetlbfs"],
        Effect::Lost,
        warning(
            "its files are in memory, and gone with it; every call succeeds and means nothing",
            "keep what has to survive on a file system that is on a disk",
            "tmpfs(5)",
        ),
    ),
    system(
        &["proc", "sysfs", "cgroup", "cgroup2", "devpts", "debugfs", "tracefs", "securityfs"],
        Effect::Lost,
        warning("it shows what the kernel knows, and keeps nothing", "", "proc(5), sysfs(5)"),
    ),
    system(
        &["ext2", "vfat", "msdos", "exfat", "minix"],
        Effect::None,
        warning(
            "it has no journal: a crash in the middle of a change can leave the file system \
             itself inconsistent, and its repair may cut or move files",
            "use a file system with a journal, or run fsck after each crash",
            "ext4(5)",
        ),
    ),
    system(
        &["fuse", "fuseblk"],
        Effect::Unknown,
        warning(
            "a program serves it, and decides what a flush does; when it does not implement \
             fsync, the kernel answers success for it from then on",
            "find out what that program does about FUSE_FSYNC",
            "fs/fuse/file.c, no_fsync",
        ),
    ),
    system(
        &["virtiofs"],
        Effect::Unknown,
        warning(
            "a program of the host serves it, and decides what a flush does",
            "find out what that program does about FUSE_FSYNC",
            "fs/fuse/file.c, no_fsync",
        ),
    ),
    system(
        &["nfs", "nfs4"],
        Effect::Unknown,
        warning(
            "a server keeps the files; if it exports them with async, it answers before they are \
             on its disk, and the client cannot see that",
            "export with sync, and look at what the server's own disks do",
            "exports(5)",
        ),
    ),
    system(
        &["cifs", "smb3", "9p", "ceph", "afs", "lustre"],
        Effect::Unknown,
        warning(
            "a server keeps the files, and decides what a flush does",
            "look at what the server does, and at its own disks",
            "",
        ),
    ),
    system(
        &["zfs"],
        Effect::Unknown,
        warning(
            "the property sync=disabled makes all flushes succeed without doing anything, and \
             cannot be seen from here",
            "look with: zfs get sync",
            "zfsprops(7)",
        ),
    ),
    system(
        &["overlay"],
        Effect::None,
        note("what is written goes to the upper directory, whose promises hold", "", ""),
    ),
    system(
        &["ecryptfs"],
        Effect::None,
        warning(
            "it encrypts files of another file system and passes fsync on to it: no promise is \
             stronger than those below",
            "",
            "fs/ecryptfs/file.c",
        ),
    ),
];

/// Those on block devices of this machine.
pub(super) const ON_DEVICES: &[&str] = &[
    "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "jfs", "nilfs2", "gfs2", "ocfs2",
    "ntfs3", "vfat", "msdos", "exfat", "minix",
];

/// The options that there is something to say of.
pub(super) const OPTIONS: &[OptionRule] = &[
    option(
        &["ext3", "ext4"],
        &["nobarrier", "barrier=0"],
        Effect::Unflushed,
        warning(
            "no flush is sent to the device: with a volatile cache, a loss of power takes what \
             fsync returned for, and can damage the file system",
            "mount -o remount,barrier, unless no cache below loses its content",
            "ext4(5)",
        ),
    ),
    option(
        &["btrfs"],
        &["nobarrier"],
        Effect::Unflushed,
        warning(
            "no flush is sent to the device: a loss of power will most likely leave a damaged \
             file system",
            "mount -o remount,barrier, unless no cache below loses its content",
            "btrfs(5)",
        ),
    ),
    option(
        &["gfs2"],
        &["nobarrier"],
        Effect::Unflushed,
        warning(
            "no flush is sent to the device",
            "mount without nobarrier, unless no cache below loses its content",
            "commit f25934c5f888",
        ),
    ),
    option(
        &["xfs"],
        &["nobarrier"],
        Effect::Unflushed,
        warning(
            "before Linux 4.10 no flush is sent to the device; from then on the option does \
             nothing, and 4.19 removed it",
            "mount without nobarrier",
            "xfs(5); commits 4cf4573d899c and 1c02d502c208",
        ),
    ),
    option(
        &["f2fs"],
        &["fsync_mode=nobarrier"],
        Effect::Unflushed,
        warning(
            "fsync sends no flush to the device",
            "mount with fsync_mode=posix or strict",
            "commit fe6f0ed0dac7",
        ),
    ),
    option(
        &["overlay"],
        // Newer kernels show it the second way.
        &["volatile", "fsync=volatile"],
        Effect::Lost,
        warning(
            "all sync calls to the upper directory are left out; after a crash the overlay \
             refuses to be mounted until its upper directory has been thrown away",
            "mount without volatile what cannot be made anew",
            "overlayfs.rst, volatile mount",
        ),
    ),
    option(
        &["cifs", "smb3"],
        &["nostrictsync"],
        Effect::Unknown,
        warning("fsync does not ask the server to flush", "mount with strictsync", "mount.cifs(8)"),
    ),
    option(
        &["ext3", "ext4"],
        &["data=writeback"],
        Effect::None,
        warning(
            "a file that was not flushed may come back at its new length with what its blocks \
             held before, from other files",
            "mount with data=ordered",
            "ext4.rst",
        ),
    ),
    option(
        &["ext4"],
        &["noauto_da_alloc", "auto_da_alloc=0"],
        Effect::None,
        warning(
            "a file that replaced another by rename, and was not flushed before, may come back \
             with no bytes",
            "fsync before rename, or mount with auto_da_alloc",
            "ext4(5); commit afd4672dc761",
        ),
    ),
    option(
        &[],
        &["lazytime"],
        Effect::None,
        note(
            "times that change alone stay in memory, for up to a day: fsync brings them to the \
             disk, fdatasync and msync do not",
            "fsync where times matter",
            "mount(8); commit 0ae45f63d4ef",
        ),
    ),
    option(
        &[],
        &["sync"],
        Effect::None,
        note(
            "every write waits for the disk; a store into a map is no write, and still needs msync",
            "",
            "mount(8), msync(2)",
        ),
    ),
    option(
        &[],
        &["dirsync"],
        Effect::None,
        note(
            "new and changed names wait for the disk; what is in the files does not",
            "",
            "mount(8)",
        ),
    ),
    option(
        &[],
        &["async"],
        Effect::None,
        note("writes return before they are on the disk; this is the default", "", "mount(8)"),
    ),
    option(&[], &["ro"], Effect::None, note("nothing can be written there", "", "mount(8)")),
];

pub(super) const UNHEARD_OF: Knowledge = warning(
    "nothing is known of this file system here; the table shows what the manual pages ask of all",
    "look into its documentation",
    "",
);

pub(super) const NO_JOURNAL: Knowledge = warning(
    "a crash in the middle of a change can leave the file system itself inconsistent, and its \
     repair may cut or move files, also ones that were flushed",
    "tune2fs -O has_journal, while it is not mounted; until then e2fsck after each crash",
    "fs/ext4/sysfs.c, journal_task; ext4(5)",
);

pub(super) const LOOP: Knowledge = note(
    "a flush of the device becomes an fsync of that file, so that the promises of its file system \
     hold; direct I/O or not makes no difference to that",
    "",
    "drivers/block/loop.c, lo_req_flush",
);

pub(super) const NO_DEVICE: Fact = unseen("no block device is found");
pub(super) const UNSEEN_DEVICE: Fact = unseen("it is not in /sys");
pub(super) const UNSEEN_CACHE: Fact = unseen("the kernel does not tell how its cache works");

const fn unseen(found: &'static str) -> Fact {
    let knowledge = note("whether a volatile cache is flushed cannot be told", LOOK_AT_CACHE, "");
    Fact { effect: Effect::CacheUnseen, found, knowledge }
}

pub(super) const WRITE_THROUGH: Knowledge = note(
    "the kernel sends it no flush, which is right if it has no volatile cache, and loses what \
     fsync returned for if it has one",
    LOOK_AT_CACHE,
    "sysfs-block, write_cache; writeback_cache_control.rst",
);

pub(super) const WRITE_THROUGH_VIRTUAL: Knowledge = warning(
    "the kernel sends it no flush; if the host keeps writes in its memory all the same, a loss of \
     its power takes what fsync returned for",
    "have the hypervisor offer a disk that takes flushes, and use them",
    "sysfs-block, write_cache; writeback_cache_control.rst",
);

const LOOK_AT_CACHE: &str =
    "look at the device itself: hdparm -W, sdparm --get=WCE, nvme get-feature -f 6";
