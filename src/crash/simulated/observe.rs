//! What a directory holds, down to each sector: what a crash state is judged by.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::crash::sector::SECTOR_BYTES;
use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::record::SECTOR;
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

/// The longest file that is taken for a version. Of all its sectors the marks are in memory, those
/// of holes, too.
const VERSION_LEN_MAX: u64 = 1 << 30;

/// So many bytes are read at once.
const PIECE: u64 = 256 << 10;

impl Content {
    fn of(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.add(bytes);
        content
    }

    /// All that follows in a file, of which more than `len_max` bytes are not looked at.
    fn read(mut file: impl Read, len_max: u64) -> io::Result<Self> {
        let mut content = Self::default();
        let mut piece = Vec::new();
        loop {
            piece.clear();
            // Only the last piece is short.
            file.by_ref().take(PIECE).read_to_end(&mut piece)?;
            content.add(&piece);
            if content.len > len_max {
                return Err(too_long(content.len, len_max));
            }
            if (piece.len() as u64) < PIECE {
                return Ok(content);
            }
        }
    }

    /// Goes on with what follows whole sectors.
    fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.sectors.extend(bytes.chunks(SECTOR_BYTES).map(mark));
    }
}

fn too_long(len: u64, len_max: u64) -> io::Error {
    io::Error::other(format!("its length is {len}, and can be {len_max} at most"))
}

/// What tells a sector from others; 0 for zeros. What the file's end cuts off is zero.
pub(crate) fn mark(part: &[u8]) -> u64 {
    const ZEROS: [u8; SECTOR_BYTES] = [0; SECTOR_BYTES];
    if ZEROS.starts_with(part) {
        return 0;
    }
    let mut sector = part.to_vec();
    sector.resize(SECTOR_BYTES, 0);
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(&sector).as_bytes()[..8]);
    u64::from_le_bytes(first) | 1
}

impl Observed {
    /// What states are compared with: all that is in `root`, on its file system.
    ///
    /// # Errors
    ///
    /// What cannot be looked at, or is too long for it.
    pub(crate) fn version(root: &Path) -> Result<Self> {
        let observed = Self::within(root, VERSION_LEN_MAX);
        match observed.failures.into_iter().next() {
            None => Ok(Self { failures: BTreeMap::new(), objects: observed.objects }),
            Some((name, why)) => {
                let (path, error) = (root.join(name), io::Error::other(why));
                Err(Error::File { what: "look at", path, error })
            }
        }
    }

    /// Looks at all that is in `root`. A file of more than `len_max` bytes is a failure: after a
    /// crash the length may be any.
    pub(crate) fn within(root: &Path, len_max: u64) -> Self {
        let mut observed = Self::default();
        let mut directories = vec![PathBuf::new()];
        observed.look((root, len_max), PathBuf::new(), &mut Vec::new());
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
                    observed.look((root, len_max), name, &mut directories);
                }
            }
        }
        observed
    }

    /// The length of the longest file.
    pub(crate) fn len_max(&self) -> u64 {
        let files = self.objects.values().filter(|object| object.kind == Kind::File);
        files.map(|object| object.content.len).max().unwrap_or(0)
    }

    fn look(
        &mut self,
        (root, len_max): (&Path, u64),
        name: PathBuf,
        directories: &mut Vec<PathBuf>,
    ) {
        match Object::within(&root.join(&name), len_max) {
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
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Self::within(path, VERSION_LEN_MAX)
    }

    /// Whether it has the marks of as many sectors as it has.
    pub(crate) fn is_consistent(&self) -> bool {
        let Content { len, sectors } = &self.content;
        match self.kind {
            Kind::File | Kind::Symlink => sectors.len() as u64 == len.div_ceil(SECTOR),
            Kind::Directory | Kind::Special => sectors.is_empty(),
        }
    }

    fn within(path: &Path, len_max: u64) -> io::Result<Self> {
        let facts = path.symlink_metadata()?;
        let (kind, content) = match facts.file_type() {
            it if it.is_dir() => (Kind::Directory, Content::default()),
            it if it.is_symlink() => {
                (Kind::Symlink, Content::of(fs::read_link(path)?.as_os_str().as_bytes()))
            }
            // Before it is read: most of it may be a hole.
            it if it.is_file() && facts.len() > len_max => {
                return Err(too_long(facts.len(), len_max));
            }
            it if it.is_file() => (Kind::File, Content::read(File::open(path)?, len_max)?),
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

fn extended(file: &File) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for name in attributes::names(file)?.iter() {
        if let Some(value) = attributes::value(file, name)? {
            found.insert(name.to_string_lossy().into_owned(), value);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_in_pieces_and_at_once() {
        let piece = usize::try_from(PIECE).unwrap();
        let bytes: Vec<u8> = (0..2 * piece + 700).map(|at| (at / 7).to_le_bytes()[0]).collect();
        for len in [0, 1, 512, 700, piece, piece + 1, bytes.len()] {
            let content = Content::read(&bytes[..len], len as u64).unwrap();
            assert_eq!(content, Content::of(&bytes[..len]));
            assert_eq!((content.len, content.sectors.len()), (len as u64, len.div_ceil(512)));
            if len > 0 {
                assert!(Content::read(&bytes[..len], len as u64 - 1).is_err());
            }
        }
        assert_ne!(Content::of(&bytes[..512]), Content::of(&bytes[..511]));
    }

    /// As a damaged inode may have it: to read it would take years.
    #[test]
    fn a_length_that_cannot_be_is_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("small"), [1; 1000]).unwrap();
        let file = File::create(root.join("long")).unwrap();
        let len = (1..63).rev().map(|bits| 1_u64 << bits).find(|len| file.set_len(*len).is_ok());
        let len = len.unwrap();
        let observed = Observed::within(root, 1000);
        let failures: Vec<_> = observed.failures.into_iter().collect();
        let what = format!("its length is {len}, and can be 1000 at most");
        assert_eq!(failures, [(PathBuf::from("long"), what)]);
        assert_eq!(observed.objects[Path::new("small")].content.len, 1000);
        assert!(Observed::version(root).unwrap_err().to_string().contains("long"));
        fs::remove_file(root.join("long")).unwrap();
        assert_eq!(Observed::version(root).unwrap().len_max(), 1000);
    }
}
