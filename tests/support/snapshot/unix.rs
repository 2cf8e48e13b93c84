//! How a tree is walked where directories are open while names in them are looked at.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

use super::{Attributes, Entry, Name, What};
use crate::support::data_ranges;

/// What is below `root`, as far as it is wanted, and `root` itself.
pub(super) fn walk(root: &Path, wanted: &dyn Fn(&[u8]) -> bool) -> BTreeMap<Name, Entry> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, root, flags, Mode::empty())
        .unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let status = rustix::fs::fstat(&directory).unwrap();
    let mut walk = Walk { entries: BTreeMap::new(), names: HashMap::new() };
    walk.add(Vec::new(), &directory, OsStr::new("."), &status);
    walk.directory(directory, b"", wanted);
    walk.entries
}

struct Walk {
    entries: BTreeMap<Name, Entry>,
    /// The first name of each object that has several.
    names: HashMap<(u64, u64), Name>,
}

impl Walk {
    fn directory(&mut self, directory: OwnedFd, prefix: &[u8], wanted: &dyn Fn(&[u8]) -> bool) {
        let mut names: Vec<CString> = Dir::read_from(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_owned())
            .filter(|name| !matches!(name.as_bytes(), b"." | b"..") && wanted(name.as_bytes()))
            .collect();
        // The first name of a linked object is then the same in every copy of the tree.
        names.sort();
        for name in names {
            let name = OsStr::from_bytes(name.as_bytes());
            let status = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(status) => status,
                // Somebody changes the tree meanwhile.
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => panic!("{}: {error}", name.display()),
            };
            let mut path = prefix.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            self.add(path.clone(), &directory, name, &status);
            if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
                let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let below = openat(&directory, name, flags, Mode::empty()).unwrap();
                self.directory(below, &path, &|_| true);
            }
        }
    }

    fn add(&mut self, path: Name, directory: &OwnedFd, name: &OsStr, status: &Stat) {
        let kind = FileType::from_raw_mode(status.st_mode);
        let mut data = 0;
        let what = match kind {
            FileType::RegularFile => {
                let file = open_file(directory.as_fd(), name);
                data = data_ranges(&file).iter().map(|(start, end)| end - start).sum();
                What::File { len: status.st_size as u64, hash: hash(&file) }
            }
            FileType::Directory => What::Directory,
            FileType::Symlink => {
                What::Link(readlinkat(directory, name, Vec::new()).unwrap().into_bytes())
            }
            FileType::Fifo => What::Fifo,
            FileType::Socket => What::Socket,
            kind => What::Device { kind: kind.as_raw_mode(), rdev: status.st_rdev },
        };
        let linked = (kind != FileType::Directory && status.st_nlink > 1).then(|| {
            self.names.entry((status.st_dev, status.st_ino)).or_insert_with(|| path.clone()).clone()
        });
        let attributes = Attributes {
            mode: status.st_mode & 0o7777,
            owner: (status.st_uid, status.st_gid),
            accessed: (status.st_atime, status.st_atime_nsec),
            modified: (status.st_mtime, status.st_mtime_nsec),
            extended: extended_attributes(directory, name),
        };
        let changed = (status.st_ctime, status.st_ctime_nsec);
        let entry = Entry { what, attributes, linked, data, changed, ino: status.st_ino };
        self.entries.insert(path, entry);
    }
}

fn open_file(directory: BorrowedFd<'_>, name: &OsStr) -> File {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // The owner and root can look without being noticed, others cannot.
    let opened = openat(directory, name, flags | OFlags::NOATIME, Mode::empty())
        .or_else(|_| openat(directory, name, flags, Mode::empty()));
    opened.unwrap_or_else(|error| panic!("{}: {error}", name.display())).into()
}

fn hash(file: &File) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at).unwrap() {
            0 => return hasher.finalize(),
            read => {
                hasher.update(&buffer[..read]);
                at += read as u64;
            }
        }
    }
}

/// Of any object, symbolic links included, through the name that /proc has for an open one.
fn extended_attributes(directory: &OwnedFd, name: &OsStr) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = openat(directory, name, flags, Mode::empty()).unwrap();
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let is_xfs = rustix::fs::fstatfs(&handle).unwrap().f_type == XFS_SUPER_MAGIC;
    let mut names = vec![0; 1 << 16];
    let used = match rustix::fs::listxattr(&*path, &mut names) {
        Ok(used) => used,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(error) => panic!("{}: {error}", name.display()),
    };
    let mut found = BTreeMap::new();
    for name in names[..used].split(|byte| *byte == 0) {
        // XFS shows each ACL a second time; elsewhere that would be a copy's litter.
        let is_again = is_xfs && name.starts_with(b"trusted.SGI_ACL_");
        // The system's policy gives a label to each new object.
        if name.is_empty() || name == b"security.selinux" || is_again {
            continue;
        }
        let mut value = vec![0; 1 << 16];
        let used = rustix::fs::getxattr(&*path, CString::new(name).unwrap(), &mut value).unwrap();
        value.truncate(used);
        found.insert(name.to_vec(), value);
    }
    found
}

/// As statfs(2) has it.
const XFS_SUPER_MAGIC: i64 = 0x5846_5342;
