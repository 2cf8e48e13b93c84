//! What a tree looks like, found out step by step from directory to directory, so that neither the
//! length of a path nor a symbolic link leads it astray.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, OsStr};
use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

use super::sandbox::data_ranges;

/// A path relative to the root of a tree, as its bytes. The root itself is empty.
pub(crate) type Name = Vec<u8>;

/// Everything below a directory, and the directory itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) entries: BTreeMap<Name, Entry>,
}

/// One object of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) what: What,
    pub(crate) attributes: Attributes,
    /// The first of all names of the object in the tree, where it has several.
    pub(crate) linked: Option<Name>,
    /// Bytes that are no hole.
    pub(crate) data: u64,
    pub(crate) changed: (i64, u64),
    pub(crate) ino: u64,
}

/// The kind of an object and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    File { len: u64, hash: blake3::Hash },
    Directory,
    Link(Vec<u8>),
    Fifo,
    Socket,
    Device { kind: FileType, rdev: u64 },
}

/// What `cp -a` keeps beside the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) accessed: (i64, u64),
    pub(crate) modified: (i64, u64),
    /// Access control lists are among them.
    pub(crate) extended: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Snapshot {
    /// Of the directory `root`, which may be reached through a symbolic link.
    pub(crate) fn of(root: &Path) -> Self {
        Self::of_part(root, |_| true)
    }

    /// Of those names in `root` that are `wanted`, and of what is below them.
    pub(crate) fn of_part(root: &Path, wanted: impl Fn(&[u8]) -> bool) -> Self {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, root, flags, Mode::empty())
            .unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        let status = rustix::fs::fstat(&directory).unwrap();
        let mut walk = Walk { entries: BTreeMap::new(), names: HashMap::new() };
        walk.add(Vec::new(), &directory, OsStr::new("."), &status);
        walk.directory(directory, b"", &wanted);
        Self { entries: walk.entries }
    }

    /// The names of everything below the root.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.entries.keys().filter(|name| !name.is_empty())
    }

    /// Whether a name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name.as_bytes())
    }

    /// What is at a name.
    #[track_caller]
    pub(crate) fn at(&self, name: &str) -> &Entry {
        self.entries.get(name.as_bytes()).unwrap_or_else(|| panic!("{name} is not there"))
    }

    /// The names of mycp's temporaries.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        self.names().filter(|name| is_temporary(last(name))).map(|name| shown(name)).collect()
    }

    /// Fails unless `self` has the names and contents of `expected`, and no more.
    #[track_caller]
    pub(crate) fn assert_contents(&self, expected: &Self, situation: &str) {
        self.assert(expected, situation, |seen, expected| {
            (seen.what != expected.what)
                .then(|| format!("{:?}, expected {:?}", seen.what, expected.what))
        });
    }

    /// Fails unless `self` has all that `cp -a` keeps of `expected`, and no more.
    #[track_caller]
    pub(crate) fn assert_copy(&self, expected: &Self, situation: &str) {
        self.assert(expected, situation, Entry::difference);
    }

    #[track_caller]
    fn assert(
        &self,
        expected: &Self,
        situation: &str,
        difference: impl Fn(&Entry, &Entry) -> Option<String>,
    ) {
        let mut list = String::new();
        let names: std::collections::BTreeSet<_> =
            self.entries.keys().chain(expected.entries.keys()).collect();
        let mut count = 0;
        for name in names {
            let complaint = match (self.entries.get(name), expected.entries.get(name)) {
                (None, Some(_)) => "is missing".to_owned(),
                (Some(_), None) => "should not be there".to_owned(),
                (Some(seen), Some(expected)) => match difference(seen, expected) {
                    Some(complaint) => complaint,
                    None => continue,
                },
                (None, None) => unreachable!("the name is from one of them"),
            };
            count += 1;
            if count <= 20 {
                writeln!(list, "  {}: {complaint}", shown(name)).unwrap();
            }
        }
        assert!(count == 0, "{count} differences, {situation}\n{list}");
    }
}

impl Entry {
    /// What is wrong with `self` as a copy of `expected`.
    fn difference(&self, expected: &Self) -> Option<String> {
        let mut list = Vec::new();
        let mut compare = |what: &str, seen: String, expected: String| {
            if seen != expected {
                list.push(format!("{what} {seen}, expected {expected}"));
            }
        };
        compare("content", format!("{:?}", self.what), format!("{:?}", expected.what));
        compare("linked", format!("{:?}", self.linked_to()), format!("{:?}", expected.linked_to()));
        let (seen, wanted) = (&self.attributes, &expected.attributes);
        compare("mode", format!("{:o}", seen.mode), format!("{:o}", wanted.mode));
        compare("owner", format!("{:?}", seen.owner), format!("{:?}", wanted.owner));
        compare("accessed", format!("{:?}", seen.accessed), format!("{:?}", wanted.accessed));
        compare("modified", format!("{:?}", seen.modified), format!("{:?}", wanted.modified));
        compare("extended", shown_map(&seen.extended), shown_map(&wanted.extended));
        // Where data ends is rounded, to another block size on another file system.
        if self.data > expected.data + (128 << 10) {
            list.push(format!("{} bytes are no hole, expected {}", self.data, expected.data));
        }
        (!list.is_empty()).then(|| list.join("; "))
    }

    fn linked_to(&self) -> Option<String> {
        self.linked.as_ref().map(|name| shown(name))
    }

    /// Whether it is a regular file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.what, What::File { .. })
    }

    /// Whether it is a directory.
    pub(crate) fn is_directory(&self) -> bool {
        self.what == What::Directory
    }

    /// Whether it is a regular file with these bytes.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        self.what == What::File { len: bytes.len() as u64, hash: blake3::hash(bytes) }
    }
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
            kind => What::Device { kind, rdev: status.st_rdev },
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

/// The last part of a path.
pub(crate) fn last(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Whether a name is `.NAME.mycp-NNNNNN`.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    let Some(digits) = name.len().checked_sub(6) else { return false };
    let (front, digits) = name.split_at(digits);
    front.starts_with(b".")
        && front.ends_with(b".mycp-")
        && digits.iter().all(u8::is_ascii_digit)
        && front.len() >= ".x.mycp-".len()
}

/// A name for a message; a long one is cut.
pub(crate) fn shown(name: &[u8]) -> String {
    let cut = name.len().min(300);
    format!("\"{}\"", name[..cut].escape_ascii())
}

fn shown_map(map: &BTreeMap<Vec<u8>, Vec<u8>>) -> String {
    let mut text = String::new();
    for (name, value) in map {
        write!(text, "{}={} ", name.escape_ascii(), value.escape_ascii()).unwrap();
    }
    text
}
