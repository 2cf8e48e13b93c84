//! Names what failed: the operation, the object, the bytes, the cause.

use std::fmt;
use std::io;

use crate::options::{Endpoint, EngineName, SegmentName};
use crate::units::ByteRange;

/// What this library's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation that failed: "cannot `operation` `endpoint` bytes `range`", and why.
///
/// `Display` is that sentence without the cause, which is [`source`](std::error::Error::source);
/// a reporter joins the two with ": ".
#[derive(Debug)]
pub struct Error {
    /// What was tried.
    pub operation: Operation,
    /// On which object.
    pub endpoint: Endpoint,
    /// On which of its bytes, where that is known.
    pub range: Option<ByteRange>,
    /// Why it failed.
    pub cause: Cause,
}

/// What was tried when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Open an existing object.
    Open,
    /// Make a new one.
    Create,
    /// Make a file in a directory.
    CreateIn,
    /// Ask for its attributes.
    Stat,
    /// Find a directory's entries or a link's target.
    Resolve,
    /// Map a range of it.
    Map,
    /// Read bytes.
    Read,
    /// Write bytes.
    Write,
    /// Find its holes.
    FindHoles,
    /// Make blocks for its bytes.
    Reserve,
    /// Change its length.
    SetLen,
    /// Share blocks with the source.
    Clone,
    /// Bring its bytes to the disk.
    Flush,
    /// Bring its directory's entries to the disk.
    FlushDirectory,
    /// Close it.
    Close,
    /// Compare what was read back with what was copied.
    Verify,
    /// Set owner and group.
    SetOwner,
    /// Set permission bits.
    SetMode,
    /// Set times.
    SetTimes,
    /// Read or set extended attributes or ACLs.
    SetAttributes,
    /// Give it its final name.
    Rename,
    /// Make it another name of a file that was copied before.
    Link,
    /// Keep the replaced content under another name.
    BackUp,
    /// Remove its name.
    Remove,
    /// Lock it against other runs.
    Lock,
    /// Copy it as a whole.
    Copy,
    /// Write to it the list of what was copied.
    WriteManifest,
}

impl Operation {
    /// What was tried, as a verb: "open", "set the length of".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::CreateIn => "create a file in",
            Self::Stat => "stat",
            Self::Resolve => "resolve",
            Self::Map => "map",
            Self::Read => "read",
            Self::Write => "write",
            Self::FindHoles => "find the holes of",
            Self::Reserve => "reserve space for",
            Self::SetLen => "set the length of",
            Self::Clone => "clone",
            Self::Flush => "flush",
            Self::FlushDirectory => "flush the directory of",
            Self::Close => "close",
            Self::Verify => "verify",
            Self::SetOwner => "set the owner of",
            Self::SetMode => "set the permissions of",
            Self::SetTimes => "set the times of",
            Self::SetAttributes => "set the attributes of",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::BackUp => "back up",
            Self::Remove => "remove",
            Self::Lock => "lock",
            Self::Copy => "copy",
            Self::WriteManifest => "write the manifest",
        }
    }
}

/// Why a mirror does not delete something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Kept {
    /// The patterns protect it from what is to have its name.
    #[error("it is left out, and in the way of what is not")]
    LeftOut,
    /// The patterns protect something in it.
    #[error("something in it is left out, and stays")]
    HoldsLeftOut,
    /// It is the mirror's source, under another name.
    #[error("it is the source")]
    Source,
    /// It is mounted in the source.
    #[error("it is a part of the source")]
    PartOfSource,
    /// It is not the target's.
    #[error("something is mounted on it")]
    Mounted,
    /// The source has no names, which may be a mistake.
    #[error("nothing was deleted from it: the source is empty")]
    SourceEmpty,
    /// It is more than may be deleted.
    #[error("nothing was deleted from it: it would be {count} of at most {max} names")]
    TooMany {
        /// Names that would be deleted.
        count: u64,
        /// How many may be.
        max: u64,
    },
    /// So many have been deleted as may be, and there is more than was counted.
    #[error("it has come to be too much since it was counted what would be deleted")]
    Uncounted,
    /// Something could not be copied.
    #[error("nothing was deleted from it: not everything could be copied")]
    Failures,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The operating system said so.
    #[error(transparent)]
    Os(#[from] io::Error),
    /// The object ends before the range that was to be read.
    #[error("it shrank to {len} bytes meanwhile")]
    Shrank {
        /// Its length now.
        len: u64,
    },
    /// The object was rewritten while it was copied.
    #[error("it was changed while it was copied")]
    Changed,
    /// The object was replaced by another of the same name between two steps.
    #[error("it was replaced by another file meanwhile")]
    Replaced,
    /// The memory behind the bytes is broken (machine check).
    #[error("hardware memory error")]
    HardwareMemory,
    /// A map could not be touched, and the operating system names no error for the bytes.
    #[error("the map could not be accessed")]
    Inaccessible,
    /// There is too little space for it.
    #[error("{needed} bytes are needed, {available} are free")]
    NoSpace {
        /// Bytes that the copy will occupy.
        needed: u64,
        /// Bytes free to this user.
        available: u64,
    },
    /// Source and target are one object.
    #[error("it and {other} are the same file")]
    SameObject {
        /// The other name.
        other: Endpoint,
    },
    /// The target's system takes the names of both for one.
    #[error("it and {other} would have one name")]
    OneName {
        /// The other source, or what is there already, and has the name as its short form (8.3).
        other: Endpoint,
    },
    /// A backup would take the place of the source, or of a file that this run has made.
    #[error("the backup would displace the source or a file just made")]
    Displaced,
    /// Another process has locked it, another run most likely.
    #[error("{}", held_by(.holder.as_ref()))]
    Busy {
        /// Who, where the system tells.
        holder: Option<Holder>,
    },
    /// The name was free, and is another program's now.
    #[error("another program has made it meanwhile")]
    Appeared,
    /// A directory would be copied into itself.
    #[error("it cannot be copied into itself, {target}")]
    IntoItself {
        /// Where it was to be copied to.
        target: Endpoint,
    },
    /// Following symbolic links has led to a directory that it began in.
    #[error("it is a directory that this one is in: a loop of symbolic links")]
    Loop,
    /// A file where a directory is needed.
    #[error("it is not a directory")]
    NotDirectory,
    /// A directory where a file is needed.
    #[error("it is a directory")]
    IsDirectory,
    /// The target is a symbolic link to nothing, which is not written through.
    #[error("it is a dangling symbolic link")]
    DanglingLink,
    /// The target exists and was not to be replaced.
    #[error("it exists and is not to be replaced")]
    Exists,
    /// The engine that was asked for cannot do this; the text says why.
    #[error("the {engine} engine cannot: {reason}")]
    Engine {
        /// The engine.
        engine: EngineName,
        /// Why not.
        reason: String,
    },
    /// It is not deleted, for this reason.
    #[error(transparent)]
    Kept(Kept),
    /// The mirror's source is in its target, or is it.
    #[error("it is in the target, {target}, where it would be deleted")]
    WithinTarget {
        /// The target.
        target: Endpoint,
    },
    /// A segment without bytes: whoever made it died before it gave it any, or is about to.
    #[error("it has no bytes yet: its maker is about to give it some, or has died")]
    Unfinished,
    /// A segment that cannot take so much; its length is never changed.
    #[error("it has only {len} bytes, and {needed} are needed")]
    TooSmall {
        /// Its length.
        len: u64,
        /// What has to fit.
        needed: u64,
    },
    /// This system or file system cannot do it.
    #[error("{0}")]
    Unsupported(&'static str),
    /// What was read back is not what was copied.
    #[error("what was read back differs from what was copied")]
    Mismatch,
    /// The observer asked to stop.
    #[error("interrupted")]
    Stopped,
}

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub id: u32,
    /// Its name, where the system tells.
    pub name: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.id)?;
        match &self.name {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// Why a lock cannot be had, in words.
pub(crate) fn held_by(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!("{holder} holds it"),
        None => "another process has locked it".to_owned(),
    }
}

impl Error {
    /// An error without a byte range.
    pub fn new(operation: Operation, endpoint: &Endpoint, cause: impl Into<Cause>) -> Self {
        Self { operation, endpoint: endpoint.clone(), range: None, cause: cause.into() }
    }

    /// The same error, about these bytes.
    #[must_use]
    pub fn at(mut self, range: ByteRange) -> Self {
        self.range = Some(range);
        self
    }

    /// What the user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match (self.operation, &self.cause) {
            (Operation::Open, Cause::Unfinished) => Some("mycp-shm rm removes it"),
            (Operation::Create, Cause::Os(error)) if self.is_about_system_v() => {
                match error.kind() {
                    io::ErrorKind::InvalidInput => {
                        Some("it is longer than kernel.shmmax lets a segment be")
                    }
                    io::ErrorKind::StorageFull => Some(
                        "kernel.shmmni or kernel.shmall is reached; mycp-shm prune lists what \
                         nobody uses",
                    ),
                    _ => None,
                }
            }
            (Operation::Create, Cause::Os(error)) if self.is_about_all_sessions() => {
                let why = "a name of all sessions, win:Global\\, needs the right to make such";
                Some(why).filter(|_| error.kind() == io::ErrorKind::PermissionDenied)
            }
            (_, Cause::DanglingLink) => Some("--remove-destination replaces the link"),
            (_, Cause::Engine { engine: EngineName::Reflink, .. }) => {
                Some("--reflink=auto and --engine=auto copy what cannot be shared")
            }
            (_, Cause::Engine { .. }) => Some("--engine=auto takes one that can"),
            (_, Cause::Kept(Kept::SourceEmpty)) => {
                Some("is a disk not mounted? --allow-empty empties the target")
            }
            (_, Cause::Changed | Cause::Shrank { .. }) => {
                Some("--on-change=warn copies it as it is found")
            }
            _ => None,
        }
    }

    fn is_about_system_v(&self) -> bool {
        matches!(self.endpoint, Endpoint::Segment(SegmentName::SystemV(_)))
    }

    fn is_about_all_sessions(&self) -> bool {
        let Endpoint::Segment(SegmentName::Section(name)) = &self.endpoint else { return false };
        name.as_str().starts_with("Global\\")
    }

    /// The operating system's error, if that is the cause.
    #[must_use]
    pub fn os_error(&self) -> Option<&io::Error> {
        match &self.cause {
            Cause::Os(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.operation.words(), self.endpoint)?;
        match self.range {
            Some(range) if !range.is_empty() => write!(f, " bytes {range}"),
            Some(range) => write!(f, " at byte {}", range.start()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Os(error) => Some(error),
            cause => Some(cause),
        }
    }
}

/// Adds what was tried on what to an operating system's error.
pub(crate) trait Context<T> {
    fn context(self, operation: Operation, endpoint: &Endpoint) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, operation: Operation, endpoint: &Endpoint) -> Result<T> {
        self.map_err(|error| Error::new(operation, endpoint, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_error_says_verb_object_range_and_cause() {
        let denied = || io::Error::from(crate::sys::Errno::ACCESS);
        let error = Error::new(Operation::Map, &Endpoint::from("big.bin"), denied())
            .at(ByteRange::between(0, 67_108_864));
        assert_eq!(error.to_string(), "cannot map 'big.bin' bytes 0..67108864");
        assert_eq!(error.source().unwrap().to_string(), denied().to_string());
    }

    #[test]
    fn a_section_that_may_not_be_made_for_all_sessions_has_a_hint() {
        let hint = |name: &str, kind: io::ErrorKind| {
            let endpoint = Endpoint::Segment(name.parse().unwrap());
            Error::new(Operation::Create, &endpoint, io::Error::from(kind)).hint()
        };
        let denied = io::ErrorKind::PermissionDenied;
        assert!(hint("win:Global\\x", denied).is_some_and(|it| it.contains("needs the right")));
        assert_eq!(hint("win:Global\\x", io::ErrorKind::AlreadyExists), None);
        assert_eq!(hint("win:Local\\x", denied), None);
    }
}
