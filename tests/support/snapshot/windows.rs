//! How a tree is walked by paths: tests on Windows meddle with no directory while they look at it.

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::os::windows::fs::MetadataExt;
use std::path::Path;

use super::{Attributes, Entry, Name, What};
use crate::support::data_ranges;
use crate::support::files::{Id, id, links};

/// What is below `root`, as far as it is wanted, and `root` itself. Names are separated by slashes.
pub(super) fn walk(root: &Path, wanted: &dyn Fn(&[u8]) -> bool) -> BTreeMap<Name, Entry> {
    let mut walk = Walk { entries: BTreeMap::new(), names: HashMap::new() };
    let metadata =
        std::fs::metadata(root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    walk.add(Vec::new(), root, &metadata);
    walk.directory(root, b"", wanted);
    walk.entries
}

struct Walk {
    entries: BTreeMap<Name, Entry>,
    /// The first name of each object that has several.
    names: HashMap<Id, Name>,
}

impl Walk {
    fn directory(&mut self, directory: &Path, prefix: &[u8], wanted: &dyn Fn(&[u8]) -> bool) {
        let mut names: Vec<_> =
            std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.retain(|name| wanted(name.as_encoded_bytes()));
        // The first name of a linked object is then the same in every copy of the tree.
        names.sort();
        for name in names {
            let place = directory.join(&name);
            let metadata = match std::fs::symlink_metadata(&place) {
                Ok(metadata) => metadata,
                // Somebody changes the tree meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => panic!("{}: {error}", place.display()),
            };
            let mut path = prefix.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_encoded_bytes());
            self.add(path.clone(), &place, &metadata);
            if metadata.is_dir() {
                self.directory(&place, &path, &|_| true);
            }
        }
    }

    fn add(&mut self, path: Name, place: &Path, metadata: &Metadata) {
        let mut data = 0;
        let what = if metadata.is_symlink() {
            let leads_to = std::fs::read_link(place).unwrap().into_os_string();
            What::Link(leads_to.into_encoded_bytes())
        } else if metadata.is_dir() {
            What::Directory
        } else {
            let file = std::fs::File::open(place)
                .unwrap_or_else(|error| panic!("{}: {error}", place.display()));
            data = data_ranges(&file).iter().map(|(start, end)| end - start).sum();
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(file).unwrap();
            What::File { len: metadata.len(), hash: hasher.finalize() }
        };
        let number = if metadata.is_symlink() { (0, 0) } else { id(place).unwrap() };
        let has_more = metadata.is_file() && links(place).unwrap() > 1;
        let linked =
            has_more.then(|| self.names.entry(number).or_insert_with(|| path.clone()).clone());
        let attributes = Attributes {
            mode: metadata.file_attributes() & KEPT,
            owner: (0, 0),
            // The system sets it when it likes, up to an hour late.
            accessed: (0, 0),
            modified: time(metadata.last_write_time()),
            extended: BTreeMap::new(),
        };
        let changed = time(metadata.last_write_time());
        let entry = Entry { what, attributes, linked, data, changed, ino: number.1 };
        self.entries.insert(path, entry);
    }
}

/// Read-only, hidden, system.
const KEPT: u32 = 1 | 2 | 4;

/// A time in steps of 100 ns, as seconds and nanoseconds.
fn time(steps: u64) -> (i64, u64) {
    ((steps / 10_000_000).cast_signed(), steps % 10_000_000 * 100)
}
