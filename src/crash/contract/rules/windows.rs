//! The same of Windows: what Microsoft's documentation says, each fact with its page.

use super::{
    Answer, Call, Effect, Fact, Guarantee, Knowledge, OptionRule, SyncMode, SystemRule, note,
    option, system, warning,
};
use Answer::{No, NotConcerned, Range, Unknown, Yes};

/// What the calls promise where nothing weakens them.
pub(super) const GUARANTEES: [Guarantee; 10] = [
    Guarantee {
        call: Call::Flush(SyncMode::None),
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "UnmapViewOfFile, remarks",
        remark: "UnmapViewOfFile and CloseHandle ask for nothing; changed pages are written when \
                 the system likes, and its errors may be told to nobody",
    },
    Guarantee {
        call: Call::Flush(SyncMode::MsyncAsync),
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "FlushViewOfFile, remarks",
        remark: "it is FlushViewOfFile, which starts the writing, flushes no metadata, and does \
                 not wait for the disk",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Msync),
        data: Range,
        size: Yes,
        attributes: Yes,
        name: No,
        cache: Yes,
        source: "FlushViewOfFile, remarks",
        remark: "it is FlushViewOfFile of what was stored, then FlushFileBuffers of the file: what \
                 was stored elsewhere in a map is not promised",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Fsync),
        data: Yes,
        size: Yes,
        attributes: Yes,
        name: No,
        cache: Yes,
        source: "FlushViewOfFile, remarks; NtFlushBuffersFileEx",
        remark: "it is FlushViewOfFile of all of the map, then FlushFileBuffers of the file; of \
                 the file's name the pages say nothing",
    },
    Guarantee {
        call: Call::DirectoryFsync,
        data: NotConcerned,
        size: NotConcerned,
        attributes: NotConcerned,
        name: No,
        cache: No,
        source: "FlushFileBuffers",
        remark: "it is FlushFileBuffers of a handle to the directory; the page speaks of files and \
                 volumes only, so that nothing is promised",
    },
    Guarantee {
        call: Call::Flush(SyncMode::Syncfs),
        data: Yes,
        size: Yes,
        attributes: Yes,
        name: Yes,
        cache: Yes,
        source: "FlushFileBuffers, remarks",
        remark: "it is FlushFileBuffers of a handle to the volume, which takes an administrator, \
                 so that mycp does not call it; what is stored in maps takes FlushViewOfFile \
                 before",
    },
    Guarantee {
        call: Call::Flush(SyncMode::ODsync),
        data: Range,
        size: Yes,
        attributes: No,
        name: No,
        cache: Unknown,
        source: "CreateFile, caching behavior",
        remark: "it is a write by a handle with FILE_FLAG_WRITE_THROUGH, and a store into a map is \
                 no write; not all disks heed the request to go past their cache",
    },
    Guarantee {
        call: Call::Direct,
        data: Range,
        size: Yes,
        attributes: Yes,
        name: No,
        cache: Unknown,
        source: "FlushFileBuffers, remarks",
        remark: "it is the same with FILE_FLAG_NO_BUFFERING, too, which flushes the metadata with \
                 each write",
    },
    Guarantee {
        call: Call::Rename,
        data: No,
        size: No,
        attributes: No,
        name: No,
        cache: No,
        source: "MoveFileEx",
        remark: "without MOVEFILE_WRITE_THROUGH nothing is said of crashes",
    },
    Guarantee {
        call: Call::RenameThrough,
        data: No,
        size: No,
        attributes: No,
        name: Yes,
        cache: Unknown,
        source: "MoveFileEx, MOVEFILE_WRITE_THROUGH",
        remark: "it returns when the file is renamed on the disk, and promises nothing of its \
                 bytes, so flush it before; mycp renames so",
    },
];

/// Those that there is something to say of.
pub(super) const SYSTEMS: &[SystemRule] = &[
    system(
        &["FAT", "FAT32", "exFAT"],
        Effect::None,
        warning(
            "it has no journal: a crash in the middle of a change can leave the file system \
             itself inconsistent, and its repair may cut or move files",
            "use NTFS or ReFS, or run chkdsk after each crash",
            "File System Functionality Comparison",
        ),
    ),
    system(
        &["CDFS", "UDF"],
        Effect::Unknown,
        warning(
            "it is made for optical media, and not among those whose flushes are documented",
            "keep what has to survive on NTFS or ReFS",
            "NtFlushBuffersFileEx",
        ),
    ),
];

/// Those on disks of this machine, whose flushes are documented.
pub(super) const ON_DEVICES: &[&str] = &["NTFS", "ReFS", "FAT", "FAT32", "exFAT"];

/// What is told of volumes, and there is something to say of.
pub(super) const OPTIONS: &[OptionRule] = &[
    option(
        &[],
        &["remote"],
        Effect::Unknown,
        warning(
            "a server keeps the files: FlushViewOfFile promises only that the bytes have left \
             this machine, and the server decides what a flush does",
            "look at what the server does, and at its own disks",
            "FlushViewOfFile, remarks",
        ),
    ),
    option(
        &[],
        &["removable"],
        Effect::None,
        note(
            "what is taken out before it was flushed is lost, as with the power",
            "flush, or eject it, before it is taken out",
            "",
        ),
    ),
    option(&[], &["ro"], Effect::None, note("nothing can be written there", "", "")),
];

pub(super) const UNHEARD_OF: Knowledge = warning(
    "flushes are documented for NTFS, ReFS, FAT and exFAT; of others the driver decides",
    "look into its documentation",
    "NtFlushBuffersFileEx",
);

pub(super) const WINE: Fact =
    Fact { effect: Effect::Unknown, found: "this is Wine", knowledge: OF_WINE };

const OF_WINE: Knowledge = warning(
    "Wine makes the calls of Windows out of those of the system below, and makes up volumes, file \
     systems and disks: FlushFileBuffers is fsync there, and FlushViewOfFile msync with MS_ASYNC",
    "look from below, with the mycp-crash of that system",
    "Wine, server/fd.c and dlls/ntdll/unix/virtual.c",
);

pub(super) const NO_DEVICE: Fact = unseen("no disk is found");
pub(super) const UNSEEN_DEVICE: Fact = unseen("Windows does not let it be looked at");
pub(super) const UNSEEN_CACHE: Fact = unseen("Windows does not tell how its cache works");

const fn unseen(found: &'static str) -> Fact {
    let knowledge = note("whether a volatile cache is flushed cannot be told", LOOK_AT_CACHE, "");
    Fact { effect: Effect::CacheUnseen, found, knowledge }
}

pub(super) const WRITE_THROUGH: Knowledge = note(
    "it says that it has no volatile cache, or that it is off: what was written is on the medium",
    "",
    "STORAGE_WRITE_CACHE_PROPERTY",
);

pub(super) const UNFLUSHED: Knowledge = warning(
    "Windows has been told that its power cannot fail, and may leave out its flushes: a loss of \
     power takes what FlushFileBuffers returned for",
    "unless a battery keeps its cache, have its flushing turned on again: Device Manager, the \
     disk's policies",
    "STORAGE_WRITE_CACHE_PROPERTY; classpnp.h, DEV_POWER_PROTECTED",
);

const LOOK_AT_CACHE: &str = "look at the disk's policies in the Device Manager";
