//! What a directory holds, down to each sector: what a crash state is judged by.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::crash::sector::SECTOR_BYTES;
use crate::sys::attributes;

/// A directory with all that is below it, by the names relative to it. The directory itself has the
/// empty name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Observed {
    #[serde(with = "by_path")]
    pub(crate) objects: BTreeMap<PathBuf, Object>,
    /// What could not be looked at, and why: a file system that is damaged.
    #[serde(with = "by_path")]
    pub(crate) failures: BTreeMap<PathBuf, String>,
}

/// What has a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) attributes: Attributes,
    pub(crate) content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Special,
}

/// What `cp -a` keeps of an object besides its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
    pub(crate) extended: BTreeMap<String, Vec<u8>>,
}

/// The bytes of a file, the text of a link, the number of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) len: u64,
    /// A mark of each sector; 0 is one of zeros.
    pub(crate) sectors: Vec<u64>,
}

/// Paths as keys, which may be of any bytes.
pub(crate) mod by_path {
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        map: &BTreeMap<PathBuf, T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes = |path: &PathBuf| path.clone().into_os_string().into_vec();
        to.collect_seq(map.iter().map(|(path, value)| (bytes(path), value)))
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<PathBuf, T>, D::Error> {
        let pairs: Vec<(Vec<u8>, T)> = Vec::deserialize(from)?;
        let path = |bytes| PathBuf::from(OsString::from_vec(bytes));
        Ok(pairs.into_iter().map(|(bytes, value)| (path(bytes), value)).collect())
    }
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        let sectors = bytes.chunks(SECTOR_BYTES).map(mark).collect();
        Self { len: bytes.len() as u64, sectors }
    }
}

/// What tells a sector from others; 0 for zeros. What the file's end cuts off is zero.
fn mark(part: &[u8]) -> u64 {
    if part.iter().all(|byte| *byte == 0) {
        return 0;
    }
    let mut sector = part.to_vec();
    sector.resize(SECTOR_BYTES, 0);
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(&sector).as_bytes()[..8]);
    u64::from_le_bytes(first) | 1
}

impl Observed {
    /// Looks at all that is in `root`, on its file system.
    pub(crate) fn of(root: &Path) -> Self {
        let mut observed = Self::default();
        let mut directories = vec![PathBuf::new()];
        observed.look(root, PathBuf::new(), &mut Vec::new());
        while let Some(directory) = directories.pop() {
            let listed = fs::read_dir(root.join(&directory)).and_then(Iterator::collect);
            let listed: Vec<fs::DirEntry> = match listed {
                Ok(listed) => listed,
                Err(error) => {
                    observed.failures.insert(directory, error.to_string());
                    continue;
                }
            };
            for entry in listed {
                let name = directory.join(entry.file_name());
                // What mkfs makes is nobody's.
                if name != Path::new("lost+found") {
                    observed.look(root, name, &mut directories);
                }
            }
        }
        observed
    }

    fn look(&mut self, root: &Path, name: PathBuf, directories: &mut Vec<PathBuf>) {
        match Object::of(&root.join(&name)) {
            Ok(object) => {
                if object.kind == Kind::Directory {
                    directories.push(name.clone());
                }
                self.objects.insert(name, object);
            }
            Err(error) => drop(self.failures.insert(name, error.to_string())),
        }
    }
}

impl Object {
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let facts = path.symlink_metadata()?;
        let (kind, content) = match facts.file_type() {
            it if it.is_dir() => (Kind::Directory, Content::default()),
            it if it.is_symlink() => {
                (Kind::Symlink, Content::of(fs::read_link(path)?.as_os_str().as_bytes()))
            }
            it if it.is_file() => {
                let mut bytes = Vec::new();
                File::open(path)?.read_to_end(&mut bytes)?;
                (Kind::File, Content::of(&bytes))
            }
            it => {
                let number = if it.is_fifo() { 0 } else { facts.rdev() };
                (Kind::Special, Content { len: number, sectors: Vec::new() })
            }
        };
        let extended = match kind {
            Kind::File | Kind::Directory => extended(&File::open(path)?)?,
            Kind::Symlink | Kind::Special => BTreeMap::new(),
        };
        let attributes = Attributes {
            mode: facts.mode(),
            owner: (facts.uid(), facts.gid()),
            modified: (facts.mtime(), facts.mtime_nsec()),
            extended,
        };
        Ok(Self { kind, attributes, content })
    }
}

fn extended(file: &File) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for name in attributes::names(file)?.iter() {
        if let Some(value) = attributes::value(file, name)? {
            found.insert(name.to_string_lossy().into_owned(), value);
        }
    }
    Ok(found)
}
