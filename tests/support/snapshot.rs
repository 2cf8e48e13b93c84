//! What a tree looks like, found out step by step from directory to directory, so that neither the
//! length of a path nor a symbolic link leads it astray.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

#[cfg_attr(unix, path = "snapshot/unix.rs")]
#[cfg_attr(windows, path = "snapshot/windows.rs")]
mod walk;

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
    Device { kind: u32, rdev: u64 },
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
        Self { entries: walk::walk(root, &wanted) }
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
