//! The ways to store something, and what each promises.

use std::fmt;
use std::str::FromStr;

/// A way to store a page, or a page in a file with a new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// A store through a shared map, and nothing else.
    None,
    /// The same, then `msync(MS_ASYNC)`.
    MsAsync,
    /// The same, then `msync(MS_SYNC)` of the page.
    MsSync,
    /// A store through a shared map, then `fdatasync` of the file.
    Fdatasync,
    /// A store through a shared map, then `fsync` of the file.
    Fsync,
    /// A write that is synchronous by itself.
    ODsync,
    /// A synchronous write past the page cache into blocks that exist: as near to the disk itself
    /// as a file gets. If this loses what it acknowledged, the disk is to blame.
    ODirect,
    /// A new file, flushed; not its directory. Whatever brings any name of the file system to the
    /// disk mostly brings this one, too: beside modes that do, little of it is lost.
    NewFile,
    /// A new file, flushed, and its directory.
    NewFileDir,
    /// A new file, flushed, renamed over the old one; then the directory is flushed.
    Rename,
}

/// What is to be there after a crash, once the mode has said that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Nothing: it is a control, which loses something if there was a crash at all.
    Nothing,
    /// The bytes of a file that has been there for long.
    Data,
    /// The bytes of a new file, if its name is there.
    DataOfName,
    /// The name, and the bytes.
    DataAndName,
}

impl Mode {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::None,
        Self::MsAsync,
        Self::MsSync,
        Self::Fdatasync,
        Self::Fsync,
        Self::ODsync,
        Self::ODirect,
        Self::NewFile,
        Self::NewFileDir,
        Self::Rename,
    ];

    /// Its name on the command line, in records, and in the directory that is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::MsAsync => "ms-async",
            Self::MsSync => "ms-sync",
            Self::Fdatasync => "fdatasync",
            Self::Fsync => "fsync",
            Self::ODsync => "o-dsync",
            Self::ODirect => "o-direct",
            Self::NewFile => "new-file",
            Self::NewFileDir => "new-file-dir",
            Self::Rename => "rename",
        }
    }

    /// Its number as a file in the stamps of sectors.
    pub(crate) const fn file(self) -> u64 {
        self as u64
    }

    /// What it promises.
    pub(crate) const fn promise(self) -> Promise {
        match self {
            Self::None | Self::MsAsync => Promise::Nothing,
            Self::MsSync | Self::Fdatasync | Self::Fsync | Self::ODsync | Self::ODirect => {
                Promise::Data
            }
            Self::NewFile => Promise::DataOfName,
            Self::NewFileDir | Self::Rename => Promise::DataAndName,
        }
    }

    /// Whether it makes a file for each page, and is about their names, too.
    pub(crate) const fn makes_names(self) -> bool {
        matches!(self.promise(), Promise::DataOfName | Promise::DataAndName)
    }

    /// Whether a new generation begins with the removal of the one before, so that nothing is
    /// claimed for that one any more.
    pub(crate) const fn removes_the_previous(self) -> bool {
        matches!(self, Self::NewFile | Self::NewFileDir)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that is no mode.
#[derive(Debug, thiserror::Error)]
#[error("there is no mode {0:?}")]
pub(crate) struct NoMode(String);

impl FromStr for Mode {
    type Err = NoMode;

    fn from_str(word: &str) -> Result<Self, NoMode> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == word);
        found.ok_or_else(|| NoMode(word.to_owned()))
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nothing => "nothing",
            Self::Data => "data",
            Self::DataOfName => "data of names",
            Self::DataAndName => "data and name",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_found_by_its_name_and_has_its_own_number() {
        for (number, mode) in (0..).zip(Mode::ALL) {
            assert_eq!(mode.name().parse::<Mode>().unwrap(), mode);
            assert_eq!(mode.file(), number);
        }
        assert!("None".parse::<Mode>().is_err());
    }
}
