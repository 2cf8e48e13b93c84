//! A small world of files: described, so that it can be made twice, shrunk, and told to a shell.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};

/// Stands at the start of a path for the world's root, which differs from run to run.
pub(crate) const ROOT: &[u8] = b"/W";

/// Longer files than this are not needed to leave every buffer and window of both programs.
pub(crate) const LEN_MAX: usize = 200_000;

/// Data and holes, or data and zeros, take turns after so many bytes.
pub(crate) const STRIDE: usize = 16_384;

/// A time as `struct timespec` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// The times of whatever has no interesting ones: long ago, so that none comes from copying.
pub(crate) const LONG_AGO: Moment = Moment { seconds: 1_000_000_000, nanoseconds: 0 };

/// What the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    /// Numbered lines.
    Text,
    /// Numbered lines and holes in turns.
    Holes,
    /// Numbered lines and zeros in turns.
    Zeros,
    /// One hole.
    Nothing,
}

/// The content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) len: usize,
    /// Begins each line, so that two files are told apart.
    pub(crate) letter: char,
    pub(crate) filling: Filling,
}

impl Content {
    /// The letters that there are.
    pub(crate) const LETTERS: [char; 4] = ['a', 'b', 'c', 'd'];

    /// The ranges that have text.
    pub(crate) fn pieces(self) -> impl Iterator<Item = (usize, usize)> {
        let (step, stride) = match self.filling {
            Filling::Text => (1, self.len.max(1)),
            Filling::Holes | Filling::Zeros => (2, STRIDE),
            Filling::Nothing => (1, usize::MAX),
        };
        let end = if self.filling == Filling::Nothing { 0 } else { self.len };
        let starts = (0..end).step_by(stride.saturating_mul(step));
        starts.map(move |start| (start, end.min(start.saturating_add(stride))))
    }

    fn write(self, file: &File) {
        static TEXTS: LazyLock<BTreeMap<char, Vec<u8>>> = LazyLock::new(|| {
            Content::LETTERS.into_iter().map(|letter| (letter, text(letter))).collect()
        });
        if self.filling == Filling::Zeros {
            file.write_all_at(&vec![0; self.len], 0).unwrap();
        }
        for (start, end) in self.pieces() {
            file.write_all_at(&TEXTS[&self.letter][start..end], start as u64).unwrap();
        }
        file.set_len(self.len as u64).unwrap();
    }
}

/// What `seq -f 'LETTER%.0f'` prints, as long as is ever needed.
fn text(letter: char) -> Vec<u8> {
    let mut text = Vec::with_capacity(LEN_MAX + 8);
    for number in 1.. {
        writeln!(text, "{letter}{number}").unwrap();
        if text.len() >= LEN_MAX {
            break;
        }
    }
    text
}

/// A POSIX ACL: what is in it beside owner, mask and others, which a mode has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acl {
    /// A user with rights of its own.
    pub(crate) user: u32,
    pub(crate) user_rights: u32,
    /// The rights of the owning group.
    pub(crate) group_rights: u32,
}

impl Acl {
    /// As the kernel takes it: version 2, then tag, rights and identity of each entry
    /// (linux/posix_acl_xattr.h). The mask is in the mode where others have the group's rights.
    fn encode(self, mode: u32) -> Vec<u8> {
        const ANYONE: u32 = u32::MAX;
        let entries: [(u16, u32, u32); 5] = [
            (0x01, mode >> 6 & 7, ANYONE),
            (0x02, self.user_rights, self.user),
            (0x04, self.group_rights, ANYONE),
            (0x10, mode >> 3 & 7, ANYONE),
            (0x20, mode & 7, ANYONE),
        ];
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, rights, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend((rights as u16).to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File(Content),
    Directory,
    /// Its text; [`ROOT`] at its start is the world's root.
    SymbolicLink(Vec<u8>),
    Fifo,
    Socket,
    /// `/dev/null` under another name.
    Null,
    /// A block device that has no driver: 60 is for experiments.
    Block,
    /// Another name of an earlier entry.
    HardLink(Vec<u8>),
}

/// The number of a [`Kind::Null`] and of a [`Kind::Block`].
pub(crate) const NULL: (u32, u32) = (1, 3);
pub(crate) const BLOCK: (u32, u32) = (60, 60);

/// An extended attribute that is no ACL.
pub(crate) type Attribute = (&'static str, &'static [u8]);

/// One name in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Below the root.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    /// Of another user and group than whoever copies.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) accessed: Moment,
    pub(crate) modified: Moment,
    pub(crate) acl: Option<Acl>,
    /// With the mode that its owner, mask and others have.
    pub(crate) default_acl: Option<(Acl, u32)>,
    pub(crate) attributes: Vec<Attribute>,
}

impl Entry {
    /// One with nothing special about it.
    pub(crate) fn new(path: &[u8], kind: Kind) -> Self {
        Self {
            path: path.to_vec(),
            mode: Self::ordinary_mode(&kind),
            kind,
            owner: None,
            accessed: LONG_AGO,
            modified: LONG_AGO,
            acl: None,
            default_acl: None,
            attributes: Vec::new(),
        }
    }

    /// The mode that things of this kind mostly have.
    pub(crate) const fn ordinary_mode(kind: &Kind) -> u32 {
        match kind {
            Kind::Directory => 0o755,
            _ => 0o644,
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// The mode that is seen of it.
    pub(crate) const fn mode_left(&self) -> u32 {
        match self.kind {
            Kind::SymbolicLink(_) => 0o777,
            _ => self.mode,
        }
    }

    fn make(&self, path: &Path, root: &Path) {
        let node = |kind, (major, minor)| {
            let device = rustix::fs::makedev(major, minor);
            rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device).unwrap();
        };
        match &self.kind {
            Kind::File(content) => content.write(&File::create_new(path).unwrap()),
            Kind::Directory => std::fs::create_dir(path).unwrap(),
            Kind::SymbolicLink(text) => {
                std::os::unix::fs::symlink(rooted(text, root), path).unwrap();
            }
            Kind::Fifo => node(FileType::Fifo, (0, 0)),
            Kind::Socket => node(FileType::Socket, (0, 0)),
            Kind::Null => node(FileType::CharacterDevice, NULL),
            Kind::Block => node(FileType::BlockDevice, BLOCK),
            Kind::HardLink(first) => std::fs::hard_link(below(root, first), path).unwrap(),
        }
    }

    /// In this order: a new owner takes capabilities away, a mode may forbid setting attributes,
    /// and an ACL counts on the mode.
    fn set_attributes(&self, path: &Path, owner: Option<(u32, u32)>) {
        if matches!(self.kind, Kind::HardLink(_)) {
            return;
        }
        if let Some((uid, gid)) = self.owner.or(owner) {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(CWD, path, Some(uid), Some(gid), flags).unwrap();
        }
        let set = |name: &str, value: &[u8]| {
            rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
                .unwrap_or_else(|error| panic!("{name} of {}: {error}", path.display()));
        };
        for (name, value) in &self.attributes {
            set(name, value);
        }
        if !matches!(self.kind, Kind::SymbolicLink(_)) {
            std::fs::set_permissions(path, Permissions::from_mode(self.mode)).unwrap();
        }
        if let Some(acl) = self.acl {
            set("system.posix_acl_access", &acl.encode(self.mode));
        }
        if let Some((acl, mode)) = self.default_acl {
            set("system.posix_acl_default", &acl.encode(mode));
        }
        set_times(path, self.accessed, self.modified);
    }
}

fn set_times(path: &Path, accessed: Moment, modified: Moment) {
    let time =
        |moment: Moment| Timespec { tv_sec: moment.seconds, tv_nsec: moment.nanoseconds.into() };
    let times = Timestamps { last_access: time(accessed), last_modification: time(modified) };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// All names, each after those that it needs: its directory, and the first name of a hard link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) entries: Vec<Entry>,
}

impl World {
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// The entry that describes the inode of `path`.
    pub(crate) fn inode(&self, path: &[u8]) -> Option<&Entry> {
        let entry = self.get(path)?;
        match &entry.kind {
            Kind::HardLink(first) => self.get(first),
            _ => Some(entry),
        }
    }

    /// Where `path` leads, symbolic links followed, a missing last component included.
    pub(crate) fn resolve(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut waiting: Vec<Vec<u8>> = path.split(|c| *c == b'/').rev().map(Vec::from).collect();
        let mut at = Vec::new();
        let mut links = 0;
        while let Some(component) = waiting.pop() {
            match component.as_slice() {
                b"" | b"." => continue,
                b".." => at.truncate(parent(&at).len()),
                component => at = joined(&at, component),
            }
            if let Some(Kind::SymbolicLink(text)) = self.inode(&at).map(|entry| &entry.kind) {
                links += 1;
                if links > 40 {
                    return None;
                }
                let relative = text.strip_prefix(ROOT);
                let start = if relative.is_some() { 0 } else { parent(&at).len() };
                at.truncate(start);
                let text = relative.unwrap_or(text);
                waiting.extend(text.split(|c| *c == b'/').rev().map(Vec::from));
            }
        }
        Some(at)
    }

    /// Whether `path` is the root or a directory.
    pub(crate) fn has_directory(&self, path: &[u8]) -> bool {
        path.is_empty() || self.get(path).is_some_and(Entry::is_directory)
    }

    /// Makes it below `root`, which does not exist; what has no owner of its own gets this one.
    pub(crate) fn make(&self, root: &Path, owner: Option<(u32, u32)>) {
        std::fs::create_dir_all(root).unwrap();
        for entry in &self.entries {
            entry.make(&below(root, &entry.path), root);
        }
        // What is in a directory first, whose time it changes and whose mode may forbid it.
        for entry in self.entries.iter().rev() {
            entry.set_attributes(&below(root, &entry.path), owner);
        }
        Entry::new(b"", Kind::Directory).set_attributes(root, owner);
    }
}

/// The directory of a path below the root.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |slash| &path[..slash])
}

/// The last component of a path.
pub(crate) fn name(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(path, |slash| &path[slash + 1..])
}

/// `directory/name`; the root's path is empty.
pub(crate) fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match (directory, name) {
        (b"", _) => name.to_vec(),
        (_, b"") => directory.to_vec(),
        _ => [directory, b"/", name].concat(),
    }
}

/// What remains of `path` below `directory`; empty for the directory itself.
pub(crate) fn within<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    match path.strip_prefix(directory)? {
        rest if directory.is_empty() || rest.is_empty() => Some(rest),
        rest => rest.strip_prefix(b"/"),
    }
}

/// The path in the file system of something below the root.
pub(crate) fn below(root: &Path, path: &[u8]) -> PathBuf {
    match path {
        // join() would put a slash behind it.
        b"" => root.to_path_buf(),
        path => root.join(OsStr::from_bytes(path)),
    }
}

/// `text` with the root's real path where [`ROOT`] stands.
pub(crate) fn rooted(text: &[u8], root: &Path) -> PathBuf {
    let bytes = match text.strip_prefix(ROOT) {
        Some(rest) => [root.as_os_str().as_bytes(), rest].concat(),
        None => text.to_vec(),
    };
    OsStr::from_bytes(&bytes).into()
}

/// Removes `directory` with all that is in it, whatever its modes.
pub(crate) fn clear(directory: &Path) {
    if std::fs::remove_dir_all(directory).is_ok() || !directory.exists() {
        return;
    }
    make_accessible(directory);
    std::fs::remove_dir_all(directory).unwrap();
}

fn make_accessible(directory: &Path) {
    std::fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            make_accessible(&entry.path());
        }
    }
}
