//! The same of macOS: what Apple's manual pages say of the calls that are made there.

use super::{
    Answer, Call, Effect, Fact, Guarantee, Knowledge, OptionRule, SyncMode, SystemRule, note,
    option, system, warning,
};
use Answer::{No, NotConcerned, Unknown, Yes};

/// What the calls promise where nothing weakens them.
pub(super) const GUARANTEES: [Guarantee; 8] = [
    Guarantee {
        call: Call::Flush(SyncMode::None),
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "munmap(2), close(2)",
        remark: "munmap and close ask for nothing, and no page says when what was stored is \
                 written",
    },
    Guarantee {
        call: Call::Flush(SyncMode::MsyncAsync),
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "msync(2)",
        remark: "MS_ASYNC returns immediately",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Msync),
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "msync(2); fsync(2)",
        remark: "MS_SYNC writes pages to the file system, and nothing is said of the drive: even \
                 of what fsync has brought that far, some or none may be there after a loss of \
                 power or a crash",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Fdatasync),
        data: Yes,
        size: Yes,
        attributes: Yes,
        name: No,
        cache: Yes,
        source: "fsync(2); fcntl(2), F_FULLFSYNC",
        remark: "it is F_FULLFSYNC, as fsync is",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Fsync),
        data: Yes,
        size: Yes,
        attributes: Yes,
        name: No,
        cache: Yes,
        source: "fsync(2); fcntl(2), F_FULLFSYNC",
        remark: "it is F_FULLFSYNC, which does what fsync(2) does, for all data and attributes of \
                 the file, and then asks the drive to empty its cache; of the file's name the \
                 pages say nothing",
    },
    Guarantee {
        call: Call::DirectoryFsync,
        data: NotConcerned,
        size: NotConcerned,
        attributes: NotConcerned,
        name: Unknown,
        cache: Yes,
        source: "fsync(2); fcntl(2), F_FULLFSYNC",
        remark: "it is F_FULLFSYNC of the directory; the pages speak of data and attributes, and \
                 do not say whether the names in a directory are such",
    },
    Guarantee {
        call: Call::Flush(SyncMode::ODsync),
        data: Yes,
        size: Yes,
        attributes: Yes,
        name: No,
        cache: Yes,
        source: "fsync(2); fcntl(2), F_FULLFSYNC",
        remark: "it is a write, then F_FULLFSYNC, since O_DSYNC goes no further than to the drive",
    },
    Guarantee {
        call: Call::Rename,
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "rename(2)",
        remark: "the new name always shows a file, even if the system crashes meanwhile; which \
                 one, the page does not say, so flush the file before it and the directory after \
                 it",
    },
];

/// Those that there is something to say of.
pub(super) const SYSTEMS: &[SystemRule] = &[system(
    &["nfs", "smbfs", "afpfs", "webdav", "ftp"],
    Effect::Unknown,
    warning(
        "a server keeps the files, and decides what a flush does; it is fsync(2) there, where \
         F_FULLFSYNC is refused",
        "look at what the server does, and at its own disks",
        "fsync(2)",
    ),
)];

/// Those on drives of this machine.
pub(super) const ON_DEVICES: &[&str] = &["apfs", "hfs"];

/// The options that there is something to say of.
pub(super) const OPTIONS: &[OptionRule] =
    &[option(&[], &["ro"], Effect::None, note("nothing can be written there", "", "mount(8)"))];

pub(super) const UNHEARD_OF: Knowledge = warning(
    "what F_FULLFSYNC does there is not known here: that it asks the drive, each file system has \
     to see to by itself",
    "keep what has to survive on APFS or HFS+",
    "fcntl(2), F_FULLFSYNC",
);

pub(super) const NO_DEVICE: Fact = unseen("no device is found");
pub(super) const UNSEEN_DEVICE: Fact = unseen("mycp-crash does not look at devices of macOS");

/// The flush goes to the drive, whether that can be seen or not.
const fn unseen(found: &'static str) -> Fact {
    let knowledge = note(
        "F_FULLFSYNC asks the drive to empty its cache, and some drives have been known to ignore \
         that",
        "look at what its maker says of its cache",
        "fcntl(2), F_FULLFSYNC",
    );
    Fact { effect: Effect::None, found, knowledge }
}
