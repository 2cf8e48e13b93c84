//! What is asked for, as plain values.

mod mirror;
mod segment;
mod selection;
mod semaphore;

use std::fmt;
use std::path::{Path, PathBuf, is_separator};
use std::sync::Arc;

pub use mirror::{Compare, LockWait, MirrorOptions};
pub use segment::{
    Key, NameError, PosixName, SEGMENT_MODE, SectionName, SegmentAccess, SegmentName, SystemVName,
};
pub use selection::{PatternError, Selection};
pub use semaphore::{Guarding, SegmentChoices, SemaphoreName};

/// Something that bytes can be copied from or to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A path in the file system: a file, a device, a FIFO.
    File(Arc<Path>),
    /// Standard input as a source, standard output as a target.
    Standard,
    /// Memory that processes share.
    Segment(SegmentName),
}

impl Endpoint {
    /// The path in the file system, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Standard | Self::Segment(_) => None,
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Endpoint {
    fn from(path: P) -> Self {
        Self::File(path.into().into())
    }
}

impl fmt::Display for Endpoint {
    /// The name in quotes, control characters escaped, so that no file name can forge a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => fmt::Display::fmt(&Quoted(path), f),
            Self::Standard => f.write_str("'-'"),
            Self::Segment(name) => fmt::Display::fmt(name, f),
        }
    }
}

/// A path in single quotes, with control characters, quotes and bytes that are not UTF-8 escaped.
///
/// What comes out has no character that moves a terminal's cursor or ends a line, bidirectional
/// overrides included.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a Path);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char('\'')?;
        for chunk in self.0.as_os_str().as_encoded_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    // A separator of paths is in no name, and stands for nothing else.
                    '\'' if is_separator('\\') => f.write_str("''")?,
                    '\\' if is_separator('\\') => f.write_char('\\')?,
                    '\'' | '\\' => write!(f, "\\{c}")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    // Line and paragraph separators, and the marks that reorder text.
                    '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                        write!(f, "{}", c.escape_unicode())?;
                    }
                    c if c.is_control() => write!(f, "{}", c.escape_unicode())?,
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('\'')
    }
}

/// The identity of an open object: equal for every name that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// The device that holds it (`st_dev`).
    pub dev: u64,
    /// Its number there (`st_ino`).
    pub ino: u128,
}

/// A way to move bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EngineName {
    /// Both sides mapped, stores through the target's map.
    Mmap,
    /// The file system shares the blocks (`FICLONE`); no byte moves.
    Reflink,
    /// The kernel copies (`copy_file_range`).
    Kernel,
    /// `pread` and `pwrite` through a buffer.
    Buffered,
}

impl EngineName {
    /// The name as `--engine` takes it and reports print it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mmap => "mmap",
            Self::Reflink => "reflink",
            Self::Kernel => "kernel",
            Self::Buffered => "buffered",
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which engines may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// Whichever suits the file, the file system and the size; another goes on where one stops.
    #[default]
    Auto,
    /// This one, or the copy fails.
    Only(EngineName),
}

/// Whether blocks may be shared with the source, as `cp --reflink`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reflink {
    /// Where the file system can.
    #[default]
    Auto,
    /// Or the copy fails.
    Always,
    /// Every byte is written anew: neither `FICLONE` nor `copy_file_range`, which clones too.
    Never,
}

/// What becomes of holes, as `cp --sparse`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sparse {
    /// Holes of the source become holes of the target.
    #[default]
    Auto,
    /// Blocks of zeros become holes, too.
    Always,
    /// The target gets no hole.
    Never,
}

/// How far towards the disk the bytes are brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flush {
    /// The operating system writes when it likes, as with cp.
    #[default]
    None,
    /// Write-out of each window is started when it is full, and not waited for. On Linux by
    /// `sync_file_range`, because `msync(MS_ASYNC)` does nothing there.
    Async,
    /// Success means that content, size, requested metadata and the name are on the disk: what
    /// `fsync` of the file and of its directory promises on Linux, `F_FULLFSYNC` on macOS.
    Sync,
}

/// What happens when the source changes while it is copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChange {
    /// One that only grew is copied to the length it had when it was opened, with a warning.
    /// One that was rewritten or shrank is copied once more, and fails if it changes again.
    #[default]
    Default,
    /// Any change fails the copy.
    Fail,
    /// Any change has it copied once more; it fails if it changes again.
    Retry,
    /// Any change is only a warning.
    Warn,
}

/// Whether the copy is read back and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// No.
    #[default]
    No,
    /// Read back from wherever the system has it, most likely from memory.
    Cache,
    /// Flushed, dropped from the page cache, and read back from the medium.
    Medium,
}

/// Whether a failure to keep an attribute fails the copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Not asked for.
    #[default]
    No,
    /// Kept where that is possible; where it is not, the report warns of it.
    Try,
    /// Kept, or the copy fails.
    Must,
}

/// Which attributes of the source the target gets, as `cp --preserve`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preserve {
    /// Permission bits and POSIX ACLs.
    pub mode: Keep,
    /// Owner and group.
    pub ownership: Keep,
    /// Access and modification time, in nanoseconds.
    pub timestamps: Keep,
    /// Hard links among the sources of one run.
    pub links: Keep,
    /// Extended attributes.
    pub xattr: Keep,
    /// The SELinux context.
    pub context: Keep,
    /// `--no-preserve=mode`: a new file gets the default mode (`0666` less the umask), not the
    /// source's.
    pub default_mode: bool,
    /// Whether an ACL that the target's file system cannot hold is a warning and no failure
    /// (`--preserve=all`, `-a`).
    pub acl_optional: bool,
}

impl Preserve {
    /// Everything, as `cp -a`: what a target's file system cannot hold of extended attributes, ACLs
    /// and security contexts is a warning.
    pub const ALL: Self = Self {
        mode: Keep::Must,
        ownership: Keep::Must,
        timestamps: Keep::Must,
        links: Keep::Must,
        xattr: Keep::Try,
        context: Keep::Try,
        default_mode: false,
        acl_optional: true,
    };
}

/// When an existing target is replaced, as `cp --update`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Update {
    /// Always.
    #[default]
    All,
    /// Never; it is skipped and that is no failure (`-n`).
    None,
    /// Never; and that is a failure.
    NoneFail,
    /// When the source's modification time is newer (`-u`).
    Older,
}

/// How an existing target is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Replaced by a whole new file under its name; opened for writing first, as cp would, so
    /// that a read-only target is refused.
    #[default]
    Replace,
    /// The same, but a target that cannot be opened is replaced all the same (`-f`).
    Force,
    /// The name is removed first, whatever it names (`--remove-destination`). It is still
    /// replaced in one step.
    Remove,
    /// Written into, keeping its inode (`--in-place`).
    InPlace,
}

/// What becomes of the content that is replaced, as `cp --backup`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackupControl {
    /// It is gone.
    #[default]
    None,
    /// It stays under the name with the suffix.
    Simple,
    /// It stays under the first free of `NAME.~1~`, `NAME.~2~`...
    Numbered,
    /// Numbered if there is a numbered one already, else simple.
    Existing,
}

/// The backup to make of a replaced target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Which kind.
    pub control: BackupControl,
    /// What is put behind the name of a simple one.
    pub suffix: std::ffi::OsString,
}

impl Default for Backup {
    fn default() -> Self {
        Self { control: BackupControl::None, suffix: "~".into() }
    }
}

/// What is copied of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// The bytes, and the attributes asked for.
    #[default]
    All,
    /// The attributes asked for, no byte (`--attributes-only`).
    AttributesOnly,
}

/// What becomes of directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directories {
    /// They are refused.
    #[default]
    Refused,
    /// They are copied with all that is in them (`-r`).
    Copied,
}

/// Which symbolic links among the sources are followed; those on the way to an operand always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dereference {
    /// All (`-L`).
    #[default]
    Always,
    /// Those that are operands (`-H`).
    Operands,
    /// None: they are copied as links (`-P`).
    Never,
}

/// What is made of a source that is no directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Made {
    /// A copy.
    #[default]
    Copy,
    /// A hard link to it (`-l`).
    HardLink,
    /// A symbolic link to it (`-s`).
    SymbolicLink,
}

/// What becomes of FIFOs, sockets and devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Special {
    /// They are read, and a regular file gets what they yield.
    #[default]
    Read,
    /// One of their kind is made, as by `-r` without `--copy-contents`.
    Made,
}

/// How far a tree reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// Over all file systems that are mounted in it.
    #[default]
    All,
    /// Over the one that its root is on (`-x`): of a mount point only the directory is made.
    OneFileSystem,
}

/// What becomes of a symbolic link to a directory that is where a directory is to be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectoryLink {
    /// It is not overwritten: an error.
    #[default]
    Refused,
    /// It is followed (`--keep-directory-symlink`).
    Followed,
}

/// More threads than this are never taken: each needs memory of its own, and no copy is faster.
pub const THREADS_MAX: usize = 1024;

/// Everything that can be chosen about a copy, of one object or of trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// How bytes move.
    pub engine: EngineChoice,
    /// Whether blocks may be shared.
    pub reflink: Reflink,
    /// What becomes of holes.
    pub sparse: Sparse,
    /// How far towards the disk.
    pub flush: Flush,
    /// What a change of the source means.
    pub on_change: OnChange,
    /// Whether the copy is read back.
    pub verify: Verify,
    /// Whether an existing target's content is compared with the source's, and only what differs
    /// is stored. Whatever is copied then has its content on the disk before it gets the
    /// source's times.
    pub delta: bool,
    /// Whether the report has the BLAKE3 hash of what was copied.
    pub hash: bool,
    /// Which attributes are kept.
    pub preserve: Preserve,
    /// When an existing target is replaced.
    pub update: Update,
    /// How an existing target is written.
    pub existing: Existing,
    /// What becomes of the replaced content.
    pub backup: Backup,
    /// What is copied.
    pub content: Content,
    /// What becomes of directories.
    pub directories: Directories,
    /// Which symbolic links are followed.
    pub dereference: Dereference,
    /// What is made of each source.
    pub made: Made,
    /// What becomes of FIFOs, sockets and devices.
    pub special: Special,
    /// How far a tree reaches.
    pub span: Span,
    /// Whether the target is made equal to the source, and how.
    pub mirror: Option<MirrorOptions>,
    /// Which names below directories that are copied are copied.
    pub selection: Selection,
    /// What becomes of symbolic links where directories are to be copied.
    pub directory_link: DirectoryLink,
    /// How segments are made and locked.
    pub segments: SegmentChoices,
    /// Threads at most, of which no more than [`THREADS_MAX`] are taken; `None`: as many as there
    /// are cores.
    pub threads: Option<std::num::NonZeroUsize>,
}

impl CopyOptions {
    /// Whether nothing is to be changed.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.mirror.is_some_and(|mirror| mirror.dry_run)
    }

    /// Whether what an existing target holds is compared with the source.
    pub(crate) fn compares_content(&self) -> bool {
        self.delta || self.mirror.is_some()
    }

    /// Whether content is brought to the disk before anybody can take it for a copy.
    pub(crate) fn flushes_content(&self) -> bool {
        self.flush == Flush::Sync || self.compares_content()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(name: impl AsRef<Path>) -> String {
        Quoted(name.as_ref()).to_string()
    }

    /// Where backslashes separate names, none is an escape.
    #[cfg(windows)]
    #[test]
    fn a_path_is_as_it_is_typed() {
        assert_eq!(quoted(r"C:\dir\new"), r"'C:\dir\new'");
        assert_eq!(quoted("it's"), "'it''s'");
        assert_eq!(quoted("x\u{202e}y"), "'x\\u{202e}y'");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_cannot_move_the_cursor_or_end_the_line() {
        assert_eq!(quoted("plain name"), "'plain name'");
        assert_eq!(quoted("naïve ✓"), "'naïve ✓'");
        assert_eq!(quoted("it's"), "'it\\'s'");
        assert_eq!(quoted("a\nb\x1b[2J"), "'a\\nb\\u{1b}[2J'");
        let mut name = crate::sys::samples::not_unicode();
        name.push("b");
        assert_eq!(quoted(name), "'a\\xffb'");
        assert_eq!(quoted("x\u{202e}y"), "'x\\u{202e}y'");
    }
}
