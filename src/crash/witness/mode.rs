//! The ways to store something, and what each promises.

use std::fmt;
use std::str::FromStr;

use crate::crash::by_name::{UnknownName, by_name};
use crate::crash::flush::SyncMode;
use crate::sys::family::Family;

/// A way to store a page, or a page in a file with a new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// A store into blocks that exist, flushed so.
    InPlace(SyncMode),
    /// A write with `O_DSYNC` past the page cache (`O_DIRECT`) into blocks that exist: as near to
    /// the disk itself as a file gets. If this loses what it acknowledged, the disk is to blame. On
    /// Windows by a handle with `FILE_FLAG_NO_BUFFERING` and `FILE_FLAG_WRITE_THROUGH`. Not on
    /// macOS.
    Direct,
    /// A new file, flushed; not its directory. Whatever brings any name of the file system to the
    /// disk mostly brings this one, too: beside modes that do, little of it is lost.
    NewFile,
    /// A new file, flushed, and its directory, which promises something of the name on Linux only.
    NewFileDirectory,
    /// A new file, flushed, renamed over the old one; then the directory is flushed. On Windows it
    /// is renamed as with `MOVEFILE_WRITE_THROUGH` instead. On macOS nothing promises that the name
    /// shows the new one.
    Rename,
}

/// What is to be there after a crash, once the mode has said that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
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
        Self::InPlace(SyncMode::None),
        Self::InPlace(SyncMode::MsyncAsync),
        Self::InPlace(SyncMode::Msync),
        Self::InPlace(SyncMode::Fdatasync),
        Self::InPlace(SyncMode::Fsync),
        Self::InPlace(SyncMode::ODsync),
        Self::Direct,
        Self::NewFile,
        Self::NewFileDirectory,
        Self::Rename,
    ];

    /// Its name on the command line, in records, and in the directory that is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InPlace(sync) => sync.as_str(),
            Self::Direct => "O_DIRECT",
            Self::NewFile => "new-file",
            Self::NewFileDirectory => "new-file+directory",
            Self::Rename => "rename",
        }
    }

    /// Its number as a file in the stamps of sectors: its place among all of them.
    pub(crate) fn file(self) -> u64 {
        (0..).zip(Self::ALL).find(|(_, mode)| *mode == self).map_or(u64::MAX, |(number, _)| number)
    }

    /// How it flushes, the name included.
    pub(crate) const fn sync(self, family: Family) -> SyncMode {
        match self {
            Self::InPlace(sync) => sync,
            Self::Direct => SyncMode::ODsync,
            Self::NewFile => SyncMode::Fsync,
            // The renaming flushes the name.
            Self::Rename if family.has_windows_calls() => SyncMode::Fsync,
            Self::NewFileDirectory | Self::Rename => SyncMode::FsyncDirectory,
        }
    }

    /// Why a family of systems lacks it; `None` where it does not.
    pub(crate) const fn lacking(self, family: Family) -> Option<&'static str> {
        match (self, family) {
            (Self::Direct, Family::Macos) => {
                Some("what goes past the page cache on macOS goes no further than to the drive")
            }
            _ => self.sync(family).lacking(family),
        }
    }

    /// What it promises where it was written, which is where it is verified.
    pub(crate) fn coverage(self) -> Coverage {
        self.coverage_of(Family::running())
    }

    const fn coverage_of(self, family: Family) -> Coverage {
        match self {
            Self::InPlace(sync) if sync.promises_data(family) => Coverage::Data,
            Self::InPlace(_) => Coverage::Nothing,
            Self::Direct => Coverage::Data,
            Self::NewFile => Coverage::DataOfName,
            Self::NewFileDirectory if flushes_names(family) => Coverage::DataAndName,
            Self::NewFileDirectory => Coverage::DataOfName,
            // The old file may be back, with all its bytes.
            Self::Rename if matches!(family, Family::Macos) => Coverage::Nothing,
            Self::Rename => Coverage::DataAndName,
        }
    }

    /// Whether it makes a file for each page, and is about their names, too.
    pub(crate) const fn makes_names(self) -> bool {
        matches!(self, Self::NewFile | Self::NewFileDirectory | Self::Rename)
    }

    /// Whether a new generation begins with the removal of the one before, so that nothing is
    /// claimed for that one any more.
    pub(crate) const fn removes_the_previous(self) -> bool {
        matches!(self, Self::NewFile | Self::NewFileDirectory)
    }
}

/// Whether a flush of a directory is documented to bring the names in it to the disk: neither that
/// of `FlushFileBuffers` is, nor that of `F_FULLFSYNC`.
const fn flushes_names(family: Family) -> bool {
    matches!(family, Family::Linux)
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        by_name("mode", &Self::ALL, name)
    }
}

impl fmt::Display for Coverage {
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
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(mode.file(), number);
        }
        assert!("None".parse::<Mode>().is_err());
        // One that no mode stores with.
        assert!("syncfs".parse::<Mode>().is_err());
    }

    #[test]
    fn on_windows_a_name_is_promised_only_where_renaming_writes_through() {
        for mode in Mode::ALL {
            let [linux, windows] =
                [Family::Linux, Family::Windows].map(|family| mode.coverage_of(family));
            let differs = mode == Mode::NewFileDirectory;
            assert_eq!(linux != windows, differs, "{mode}");
            let lacks = mode == Mode::InPlace(SyncMode::Fdatasync);
            assert_eq!(mode.lacking(Family::Windows).is_some(), lacks, "{mode}");
            assert_eq!(mode.lacking(Family::Linux), None, "{mode}");
        }
        assert_eq!(Mode::Rename.coverage_of(Family::Windows), Coverage::DataAndName);
    }

    #[test]
    fn on_macos_nothing_is_promised_of_names_and_of_what_stays_in_the_drive() {
        for mode in Mode::ALL {
            let expected = match mode {
                Mode::InPlace(SyncMode::Msync) | Mode::Rename => Coverage::Nothing,
                Mode::NewFileDirectory => Coverage::DataOfName,
                other => other.coverage_of(Family::Linux),
            };
            assert_eq!(mode.coverage_of(Family::Macos), expected, "{mode}");
            assert_eq!(mode.lacking(Family::Macos).is_some(), mode == Mode::Direct, "{mode}");
        }
    }
}
