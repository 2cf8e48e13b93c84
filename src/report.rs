//! What was done, and the observer who is told while it happens.

use std::time::Duration;

use crate::options::{Endpoint, EngineName, ObjectId};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop as soon as that leaves no mess: the copy fails with
    /// [`Cause::Stopped`](crate::Cause::Stopped), and the target is as it was.
    Stop,
}

/// Something that happened during a copy.
///
/// Bytes are counted as work, holes included: they sum up to the length of the source unless the
/// copy starts over, which a new [`Event::Started`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Copying begins, perhaps anew.
    Started {
        /// Bytes to copy; `None` when the source has no length (a pipe).
        len: Option<u64>,
    },
    /// Bytes are in the target, in memory at least.
    Copied {
        /// How many more.
        bytes: u64,
    },
    /// Bytes have been written out to the device; only with [`Flush::Sync`](crate::Flush::Sync).
    WrittenOut {
        /// How many more.
        bytes: u64,
    },
    /// Bytes have been read back and agree; only with [`Verify`](crate::Verify).
    ReadBack {
        /// How many more.
        bytes: u64,
    },
    /// Nothing new; asked while something is waited for, so that an observer can stop it.
    Waiting,
}

/// Whether an existing target may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Yes.
    Given,
    /// No: the object is skipped.
    Refused,
}

/// Is told what happens, from any of the copy's threads, and can stop it.
pub trait Observer: Sync {
    /// Takes notice of `event` and says whether to go on.
    fn event(&self, event: Event) -> Flow;

    /// Is asked before an existing target is replaced or written into, when everything else says
    /// that it will be.
    fn may_replace(&self, _target: &Endpoint) -> Consent {
        Consent::Given
    }
}

/// Nobody looks.
impl Observer for () {
    fn event(&self, _: Event) -> Flow {
        Flow::Continue
    }
}

/// What the copy of one object came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done {
    /// It was copied.
    Copied(Box<Report>),
    /// Nothing had to be done, or was to be done.
    Skipped(Skip),
}

/// Why an object was not copied although nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// The target exists and is not to be replaced (`-n`).
    Exists,
    /// The target is not older than the source (`-u`).
    NotOlder,
    /// The observer refused ([`Observer::may_replace`]).
    Declined,
    /// It is another name of the source already (`-l`).
    Linked,
    /// The target equals the source already (`--mirror`).
    Equal,
}

/// How the target came to its new content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// There was nothing of the name; a whole file appeared under it.
    Created,
    /// A whole file took the name over.
    Replaced,
    /// It became another name of a target that the source was copied to before.
    Linked,
    /// It became another name of the source itself (`-l`).
    LinkedToSource,
    /// It became a symbolic link to the source (`-s`).
    SymbolicLink,
    /// A directory that was there takes in what is copied.
    Merged,
    /// Its content is that of the source already; it was given the attributes.
    Kept,
    /// It was written into, for this reason.
    InPlace(InPlaceReason),
}

/// What the content that a target had was good for (`--delta`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Where the pages that differed were stored.
    pub into: DeltaInto,
    /// Bytes that were stored.
    pub stored: u64,
    /// Threads that compared.
    pub threads: usize,
}

/// Where the pages that differ are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeltaInto {
    /// Nowhere: none differed.
    Nothing,
    /// Into a clone of the old file, which then took its name.
    Clone,
    /// Into the target itself.
    Target,
    /// Into a new file, with all the others: the file system cannot clone.
    NewFile,
    /// Into the temporary of a killed run, which then took the target's name.
    Leftover,
}

/// Why a target is written in place and not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InPlaceReason {
    /// It was asked for.
    Asked,
    /// Only its attributes are set (`--attributes-only`).
    AttributesOnly,
    /// Other names lead to it, which would keep the old content.
    HardLinks,
    /// It is a device, FIFO, socket or standard output.
    NotRegular,
    /// It is a segment, which others may have mapped.
    Segment,
    /// It was named as a file that a process has open, as `/dev/stdout`.
    OpenFile,
    /// It is a mount point itself.
    MountPoint,
    /// No file may be made in, or renamed within, its directory.
    Directory,
    /// A new file could not be given its owner.
    Owner,
    /// A new file could not be given its ACL or extended attributes.
    Attributes,
}

impl InPlaceReason {
    /// The reason in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "--in-place was given",
            Self::AttributesOnly => "--attributes-only was given",
            Self::HardLinks => "it has other hard links",
            Self::NotRegular => "it is not a regular file",
            Self::Segment => "others may have mapped the segment",
            Self::OpenFile => "it was named as an open file",
            Self::MountPoint => "it is a mount point",
            Self::Directory => "its directory does not let a file be replaced",
            Self::Owner => "a new file could not be given its owner",
            Self::Attributes => "a new file could not be given its attributes",
        }
    }
}

/// The part of a copy that one engine did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineUse {
    /// Which engine.
    pub engine: EngineName,
    /// Bytes that it moved or shared, holes not counted.
    pub bytes: u64,
    /// Threads that it used.
    pub threads: usize,
    /// Why it was chosen.
    pub why: String,
    /// Why it stopped before the end; `None` when it did not.
    pub stopped: Option<String>,
}

/// Something the user should know although the copy succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The source grew; the copy has the length that it had at the start.
    Grew {
        /// Length that was copied.
        copied: u64,
        /// Length at the end.
        now: u64,
    },
    /// The source changed while it was copied, and `--on-change=warn` let that pass.
    Changed,
    /// Some pages could not be dropped from the cache before the copy was read back, so that part
    /// was compared with memory, not with the medium.
    ReadBackFromMemory {
        /// How many bytes.
        bytes: u64,
    },
    /// The target could not be given this attribute of the source.
    NotKept(Lost),
}

/// Counts of the flush calls of a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushes {
    /// Ranges whose write-out was started early.
    pub started: u64,
    /// Files flushed and waited for.
    pub files: u64,
    /// Directories flushed and waited for.
    pub directories: u64,
}

/// What kind of thing a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    SymbolicLink,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A segment of shared memory.
    Segment,
}

impl ObjectKind {
    /// The kind in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::SymbolicLink => "symbolic link",
            Self::Fifo => "FIFO",
            Self::Socket => "socket",
            Self::BlockDevice => "block device",
            Self::CharDevice => "character device",
            Self::Segment => "segment",
        }
    }
}

/// An attribute of the source that a target could not be given, where that is no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Lost {
    /// Owner or group.
    Ownership,
    /// Permission bits.
    Mode,
    /// An access control list.
    Acl,
    /// Extended attributes.
    Xattr,
    /// The label of a security module.
    Context,
    /// Times.
    Timestamps,
}

impl Lost {
    /// The attribute in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ownership => "owner or group",
            Self::Mode => "permissions",
            Self::Acl => "access control list",
            Self::Xattr => "extended attributes",
            Self::Context => "security context",
            Self::Timestamps => "times",
        }
    }
}

/// What the copy of one object came to, in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The source as it was named.
    pub source: Endpoint,
    /// The target as it was named.
    pub target: Endpoint,
    /// What kind of thing the target is.
    pub kind: ObjectKind,
    /// How the target came to its new content.
    pub way: Way,
    /// The target's identity; `None` for a file in a directory that is new, where it is not asked
    /// for.
    pub target_id: Option<ObjectId>,
    /// The identifier of a System V segment that was made.
    pub segment_id: Option<i32>,
    /// Length of the target.
    pub len: u64,
    /// Bytes of it that are holes because the source had them or `--sparse=always` made them.
    pub holes: u64,
    /// What each engine did, in order.
    pub engines: Vec<EngineUse>,
    /// Engines that were passed over, and why.
    pub passed_over: Vec<(EngineName, String)>,
    /// What the content that the target had was good for, if that was asked for.
    pub delta: Option<Delta>,
    /// What was flushed.
    pub flushes: Flushes,
    /// BLAKE3 of the content, if asked for.
    pub hash: Option<blake3::Hash>,
    /// Bytes read back and found equal.
    pub verified: u64,
    /// Times the copy was started over because the source changed.
    pub retries: u32,
    /// Where the replaced content is now.
    pub backup: Option<std::path::PathBuf>,
    /// Temporaries of killed runs that were beside the target and have been removed.
    pub leftovers: usize,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// From opening the source to the end.
    pub elapsed: Duration,
}

impl Report {
    /// An empty report of a copy from `source` to `target`.
    pub(crate) fn new(source: &Endpoint, target: &Endpoint, way: Way) -> Box<Self> {
        Box::new(Self {
            source: source.clone(),
            target: target.clone(),
            kind: ObjectKind::File,
            way,
            target_id: None,
            segment_id: None,
            len: 0,
            holes: 0,
            engines: Vec::new(),
            passed_over: Vec::new(),
            delta: None,
            flushes: Flushes::default(),
            hash: None,
            verified: 0,
            retries: 0,
            backup: None,
            leftovers: 0,
            warnings: Vec::new(),
            elapsed: Duration::ZERO,
        })
    }
}
