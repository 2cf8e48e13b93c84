//! A small mapped copier with one step left out or out of order: a laboratory that does not find
//! out what is wrong with it finds nothing out.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::str::FromStr;

use crate::crash::by_name::{UnknownName, by_name};
use crate::sys::file::{self, Timestamp};
use crate::sys::map::{Access, Mapping, Msync};
use crate::sys::{attributes, linux, space};
use crate::units::ByteRange;

/// What is wrong with a copier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cripple {
    /// Nothing: this one keeps its promises.
    Nothing,
    /// The file is not flushed before it gets its name.
    NoFileFlush,
    /// The directory is not flushed after that.
    NoDirectoryFlush,
    /// The name, and its flush, come before the file's flush.
    RenameFirst,
    /// Written in place, the time is set, and on the disk, before the content is flushed.
    TimesFirst,
    /// Written in place, the range that is flushed ends one page early.
    PageShort,
}

impl Cripple {
    /// All of them, the sound one first.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::NoFileFlush,
        Self::NoDirectoryFlush,
        Self::RenameFirst,
        Self::TimesFirst,
        Self::PageShort,
    ];

    /// Its name on the command line and in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::NoFileFlush => "no-file-flush",
            Self::NoDirectoryFlush => "no-directory-flush",
            Self::RenameFirst => "rename-first",
            Self::TimesFirst => "times-first",
            Self::PageShort => "page-short",
        }
    }

    /// Whether a name is one of the temporaries that these copiers make.
    pub(crate) fn is_temporary_name(name: &OsStr) -> bool {
        Path::new(name).extension().is_some_and(|it| it == PART || it == BESIDE)
    }

    /// Copies a file with its time, badly.
    ///
    /// # Errors
    ///
    /// Those of the calls that it does make.
    pub fn copy(self, source: &Path, target: &Path) -> io::Result<()> {
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = File::open(directory)?;
        let bytes = fs::read(source)?;
        let stamp = Stamp::of(&File::open(source)?)?;
        match self {
            Self::TimesFirst => return times_first(&bytes, stamp, target, &directory),
            Self::PageShort => return page_short(&bytes, stamp, target),
            _ => {}
        }
        let temporary = target.with_extension(PART);
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&temporary)?;
        fill(&file, &bytes)?;
        stamp.set(&file)?;
        match self {
            Self::Nothing | Self::NoDirectoryFlush => file.sync_all()?,
            _ => {}
        }
        fs::rename(&temporary, target)?;
        if self != Self::NoDirectoryFlush {
            directory.sync_all()?;
        }
        if self == Self::RenameFirst {
            file.sync_all()?;
        }
        Ok(())
    }
}

impl fmt::Display for Cripple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cripple {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        by_name("crippled copier", &Self::ALL, name)
    }
}

/// What the names of temporaries end with: of what is to be the copy, and of what is only flushed.
const PART: &str = "part";
const BESIDE: &str = "beside";

/// The time that a copy gets.
#[derive(Clone, Copy)]
struct Stamp(Timestamp);

impl Stamp {
    fn of(source: &File) -> io::Result<Self> {
        Ok(Self(file::facts(source)?.modified))
    }

    fn set(self, file: &File) -> io::Result<()> {
        attributes::set_times(file, self.0, self.0)
    }
}

/// Reserves blocks and stores through a map, as the fastest copier would.
fn fill(file: &File, bytes: &[u8]) -> io::Result<Mapping> {
    file.set_len(bytes.len() as u64)?;
    match space::reserve(file, ByteRange::first(bytes.len() as u64)) {
        // As on ext2.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        reserved => reserved?,
    }
    let map = Mapping::file(file, 0, bytes.len(), Access::ReadWrite)?;
    map.write_at(0, bytes).map_err(|_| io::Error::other("a page of the map is not there"))?;
    Ok(map)
}

fn times_first(bytes: &[u8], stamp: Stamp, target: &Path, directory: &File) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(target)?;
    let map = fill(&file, bytes)?;
    stamp.set(&file)?;
    // As it may happen by itself at any time.
    if linux::commit_transaction(directory).is_err() {
        let other = target.with_extension(BESIDE);
        File::create(&other)?.sync_all()?;
        fs::remove_file(&other)?;
        directory.sync_all()?;
    }
    map.flush(0, bytes.len(), Msync::Sync)?;
    stamp.set(&file)?;
    file.sync_all()
}

fn page_short(bytes: &[u8], stamp: Stamp, target: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(target)?;
    let map = fill(&file, bytes)?;
    map.flush(0, bytes.len().saturating_sub(rustix::param::page_size()), Msync::Sync)?;
    stamp.set(&file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Without a crash none of them does any harm.
    #[test]
    fn all_of_them_copy() {
        let directory = tempfile::tempdir().unwrap();
        let [source, target] = ["source", "target"].map(|name| directory.path().join(name));
        fs::write(&source, vec![7; 10_000]).unwrap();
        for cripple in Cripple::ALL {
            fs::write(&target, b"old").unwrap();
            cripple.copy(&source, &target).unwrap();
            assert_eq!(fs::read(&target).unwrap(), fs::read(&source).unwrap(), "{cripple:?}");
            let time = |path| File::open(path).unwrap().metadata().unwrap().mtime_nsec();
            assert_eq!(time(&target), time(&source), "{cripple:?}");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "{cripple:?}");
        }
    }
}
