//! The ways to bring stores to the disk: what each is called, and what carries it out.

use std::fmt;
use std::fs::File;
use std::io;
use std::str::FromStr;

use super::by_name::{UnknownName, by_name};
use crate::sys::handle::AsHandle;
use crate::sys::map::{Mapping, Msync};
use crate::sys::platform;
use crate::units::ByteRange;

/// A way to bring stores to the disk, or to hope for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SyncMode {
    /// No call: what munmap(2), close(2) and exit(3) do.
    None,
    /// `msync` with `MS_ASYNC`, of what was stored: msync(2).
    MsyncAsync,
    /// `sync_file_range` with all of its three flags, which waits for the writes that it starts:
    /// sync_file_range(2).
    SyncFileRange,
    /// Not through a map: a write through a descriptor with `O_DSYNC`, or, as it is done here, a
    /// `pwritev2` with `RWF_DSYNC`: open(2), readv(2).
    ODsync,
    /// `msync` with `MS_SYNC`, of what was stored: msync(2).
    Msync,
    /// `fdatasync` of the file: fsync(2).
    Fdatasync,
    /// `fsync` of the file: fsync(2).
    Fsync,
    /// `fsync` of the file, then of the directory that has its name: fsync(2).
    FsyncDirectory,
    /// `syncfs`, of all of the file system: sync(2).
    Syncfs,
}

/// Bytes that were stored through a map which begins where the file does.
#[derive(Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) file: &'a File,
    pub(crate) map: &'a Mapping,
    /// The first byte.
    pub(crate) at: usize,
    pub(crate) len: usize,
}

impl SyncMode {
    /// All of them, from nothing to everything.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::MsyncAsync,
        Self::SyncFileRange,
        Self::ODsync,
        Self::Msync,
        Self::Fdatasync,
        Self::Fsync,
        Self::FsyncDirectory,
        Self::Syncfs,
    ];

    /// Those that are about one file and its name.
    pub const OF_A_FILE: [Self; 8] = [
        Self::None,
        Self::MsyncAsync,
        Self::SyncFileRange,
        Self::ODsync,
        Self::Msync,
        Self::Fdatasync,
        Self::Fsync,
        Self::FsyncDirectory,
    ];

    /// Its name on command lines, in tables, JSON and records: that of the call or the flag in the
    /// manual pages; `msync` alone is the one that waits.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::MsyncAsync => "msync-async",
            Self::SyncFileRange => "sync_file_range",
            Self::ODsync => "O_DSYNC",
            Self::Msync => "msync",
            Self::Fdatasync => "fdatasync",
            Self::Fsync => "fsync",
            Self::FsyncDirectory => "fsync+directory",
            Self::Syncfs => "syncfs",
        }
    }

    /// The call in words.
    #[must_use]
    pub const fn call(self) -> &'static str {
        match self {
            Self::None => "no call, as munmap, close and exit",
            Self::MsyncAsync => "msync(MS_ASYNC)",
            Self::SyncFileRange => "sync_file_range(2), waiting for the writes it starts",
            Self::ODsync => "not through a map: a write with RWF_DSYNC",
            Self::Msync => "msync(MS_SYNC) of what was stored",
            Self::Fdatasync => "fdatasync(2)",
            Self::Fsync => "fsync(2)",
            Self::FsyncDirectory => "fsync(2), and that of the directory",
            Self::Syncfs => "syncfs(2)",
        }
    }

    /// Whether the stored bytes are promised to survive a crash when it has returned.
    #[must_use]
    pub const fn promises_data(self) -> bool {
        !matches!(self, Self::None | Self::MsyncAsync | Self::SyncFileRange)
    }

    /// Flushes what was stored, in this way; of [`FsyncDirectory`](Self::FsyncDirectory) the part
    /// that comes before the name gets its own, by [`SyncMode::flush_name`].
    ///
    /// # Errors
    ///
    /// Those of the call; `Unsupported` for [`ODsync`](Self::ODsync), which flushes only what is
    /// written with it: `platform::write_through` does.
    pub(crate) fn flush(self, stored: &Stored<'_>) -> io::Result<()> {
        let Stored { file, map, at, len } = *stored;
        match self {
            Self::None => Ok(()),
            Self::MsyncAsync => map.flush(at, len, Msync::Async),
            Self::SyncFileRange => {
                let start = at as u64;
                platform::wait_write_out(file, ByteRange::between(start, start + len as u64))
            }
            Self::ODsync => {
                let why = "O_DSYNC flushes what is written, and a store through a map is no write";
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
            Self::Msync => map.flush(at, len, Msync::Sync),
            Self::Fdatasync => platform::sync_data(file),
            Self::Fsync | Self::FsyncDirectory => platform::sync_all(file),
            Self::Syncfs => platform::sync_file_system(file),
        }
    }

    /// Flushes the directory that has the file's new name, where this way has that.
    ///
    /// # Errors
    ///
    /// Those of fsync(2).
    pub(crate) fn flush_name(self, directory: impl AsHandle) -> io::Result<()> {
        match self {
            Self::FsyncDirectory => platform::sync_all(directory),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SyncMode {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        by_name("way to flush", &Self::ALL, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::map::Access;

    #[test]
    fn each_is_found_by_its_name() {
        for mode in SyncMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert!("MSYNC".parse::<SyncMode>().is_err());
        assert!(SyncMode::ALL.is_sorted());
    }

    #[test]
    fn each_flushes_a_store_but_the_one_that_has_to_write() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(100_000).unwrap();
        let map = Mapping::file(&file, 0, 100_000, Access::ReadWrite).unwrap();
        for mode in SyncMode::ALL {
            map.write_at(5000, b"stored").unwrap();
            let flushed = mode.flush(&Stored { file: &file, map: &map, at: 5000, len: 6 });
            let refused = flushed.err().map(|error| error.kind());
            let expected = (mode == SyncMode::ODsync).then_some(io::ErrorKind::Unsupported);
            assert_eq!(refused, expected, "{mode}");
        }
    }

    #[test]
    fn a_name_is_flushed_by_one_way_only() {
        // A pipe cannot be flushed: who tries is told.
        let (pipe, _end) = std::io::pipe().unwrap();
        for mode in SyncMode::ALL {
            let is_tried = mode.flush_name(&pipe).is_err();
            assert_eq!(is_tried, mode == SyncMode::FsyncDirectory, "{mode}");
        }
    }
}
