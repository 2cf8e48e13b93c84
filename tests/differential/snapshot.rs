//! What a world looks like after a run.

use std::collections::BTreeMap;
use std::fs::{Metadata, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::world::{Moment, below, joined};

/// What is known of one name. Of several names of one inode, each has all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: &'static str,
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) links: u64,
    /// The first of its names.
    pub(crate) first_name: Vec<u8>,
    pub(crate) device: u64,
    pub(crate) accessed: Moment,
    pub(crate) modified: Moment,
    /// The bytes of a file, the text of a symbolic link.
    pub(crate) content: Vec<u8>,
    pub(crate) allocation: Allocation,
    pub(crate) attributes: BTreeMap<String, Vec<u8>>,
}

/// How much of a file is no hole. How fine the holes are is a program's own choice, and so is
/// what becomes of less than a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocation {
    Small,
    Sparse,
    Full,
}

/// All names below a root, the root included, by their paths.
pub(crate) type Snapshot = BTreeMap<Vec<u8>, Seen>;

/// Looks at everything below `root`. Modes of unreadable things are changed for that, after they
/// have been noted.
pub(crate) fn look(root: &Path) -> Snapshot {
    let mut found = BTreeMap::new();
    // Reading changes times, and opening the way to what is inside changes modes: all facts first.
    note(root, b"", &mut found);
    let mut first_names = BTreeMap::new();
    let seen = |(path, facts): (&Vec<u8>, &Facts)| {
        let identity = (facts.metadata.dev(), facts.metadata.ino());
        let first_name = first_names.entry(identity).or_insert_with(|| path.clone()).clone();
        (path.clone(), facts.read(&below(root, path), first_name))
    };
    found.iter().map(seen).collect()
}

struct Facts {
    metadata: Metadata,
    // Noted with the mode, which belongs to an ACL.
    attributes: BTreeMap<String, Vec<u8>>,
}

fn note(root: &Path, path: &[u8], found: &mut BTreeMap<Vec<u8>, Facts>) {
    let full = below(root, path);
    let metadata = full.symlink_metadata().unwrap();
    let is_directory = metadata.is_dir();
    let attributes = attributes(&full, &metadata);
    found.insert(path.to_vec(), Facts { metadata, attributes });
    if !is_directory {
        return;
    }
    let list = match std::fs::read_dir(&full) {
        Ok(list) => list,
        Err(_) => {
            std::fs::set_permissions(&full, Permissions::from_mode(0o700)).unwrap();
            std::fs::read_dir(&full).unwrap()
        }
    };
    // A directory that can be listed may still not be walked through.
    if full.join(".").symlink_metadata().is_err() {
        std::fs::set_permissions(&full, Permissions::from_mode(0o700)).unwrap();
    }
    for entry in list {
        note(root, &joined(path, entry.unwrap().file_name().as_bytes()), found);
    }
}

fn attributes(path: &Path, metadata: &Metadata) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(path, &mut names).unwrap();
    let mut attributes = BTreeMap::new();
    let mut unreadable = Vec::new();
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8(name.to_vec()).unwrap();
        match value(path, &name) {
            Ok(value) => drop(attributes.insert(name, value)),
            Err(_) => unreadable.push(name),
        }
    }
    // `user.*` is read by whoever may read the file.
    if !unreadable.is_empty() {
        let mode = metadata.permissions().mode();
        std::fs::set_permissions(path, Permissions::from_mode(mode | 0o400)).unwrap();
        for name in unreadable {
            let value = value(path, &name).unwrap();
            attributes.insert(name, value);
        }
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    attributes
}

fn value(path: &Path, name: &str) -> rustix::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let len = rustix::fs::lgetxattr(path, name, &mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

impl Facts {
    fn read(&self, path: &PathBuf, first_name: Vec<u8>) -> Seen {
        let Self { metadata, attributes } = self;
        let file_type = metadata.file_type();
        let (kind, content) = match () {
            () if file_type.is_file() => ("file", content(path)),
            () if file_type.is_dir() => ("directory", Vec::new()),
            () if file_type.is_symlink() => {
                let text = std::fs::read_link(path).unwrap();
                ("symbolic link", text.as_os_str().as_bytes().to_vec())
            }
            () if file_type.is_fifo() => ("FIFO", Vec::new()),
            () if file_type.is_socket() => ("socket", Vec::new()),
            () if file_type.is_char_device() => ("character device", Vec::new()),
            () => ("block device", Vec::new()),
        };
        Seen {
            kind,
            mode: metadata.mode() & 0o7777,
            owner: metadata.uid(),
            group: metadata.gid(),
            links: metadata.nlink(),
            first_name,
            device: metadata.rdev(),
            accessed: moment(metadata.atime(), metadata.atime_nsec()),
            modified: moment(metadata.mtime(), metadata.mtime_nsec()),
            content,
            allocation: allocation(metadata),
            attributes: attributes.clone(),
        }
    }
}

fn content(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|_| {
        std::fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap();
        std::fs::read(path).unwrap()
    })
}

fn moment(seconds: i64, nanoseconds: i64) -> Moment {
    Moment { seconds, nanoseconds: nanoseconds as u32 }
}

fn allocation(metadata: &Metadata) -> Allocation {
    match (metadata.size(), metadata.blocks() * 512) {
        (0..4096, _) => Allocation::Small,
        (size, allocated) if metadata.is_file() && allocated < size => Allocation::Sparse,
        _ => Allocation::Full,
    }
}
