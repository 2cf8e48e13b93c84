//! The ways to bring stores to the disk: what each is called, and what carries it out.
//!
//! They have the names of the calls of Linux everywhere. On Windows and macOS they are what comes
//! nearest there, which [`SyncMode`] tells of each; those that nothing corresponds to are refused.

use std::fmt;
use std::fs::File;
use std::io;
use std::str::FromStr;

use super::by_name::{UnknownName, by_name};
use crate::sys::family::Family;
use crate::sys::flush;
use crate::sys::handle::AsHandle;
use crate::sys::map::{self, Mapping, Msync};
use crate::units::ByteRange;

/// A way to bring stores to the disk, or to hope for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SyncMode {
    /// No call: what munmap(2), close(2) and exit(3) do, and on Windows `UnmapViewOfFile` and
    /// `CloseHandle`.
    None,
    /// `msync` with `MS_ASYNC`, of what was stored: msync(2). On Windows `FlushViewOfFile`.
    MsyncAsync,
    /// `sync_file_range` with all of its three flags, which waits for the writes that it starts:
    /// sync_file_range(2). On Linux only.
    SyncFileRange,
    /// Not through a map: a write through a descriptor with `O_DSYNC`, or, as it is done here, a
    /// `pwritev2` with `RWF_DSYNC`: open(2), readv(2). On Windows a write by a handle with
    /// `FILE_FLAG_WRITE_THROUGH`. On macOS a write, then `F_FULLFSYNC` of the file.
    ODsync,
    /// `msync` with `MS_SYNC`, of what was stored: msync(2). On Windows `FlushViewOfFile` of what
    /// was stored, then `FlushFileBuffers` of the file. On macOS it goes no further than to the
    /// drive, which promises nothing.
    Msync,
    /// `fdatasync` of the file: fsync(2). Not on Windows; on macOS the same as `fsync`.
    Fdatasync,
    /// `fsync` of the file: fsync(2). On Windows `FlushViewOfFile` of all of the map, since what is
    /// stored in one is not the file's before, then `FlushFileBuffers` of the file. On macOS
    /// `F_FULLFSYNC`: fcntl(2); on network file systems `fsync`.
    Fsync,
    /// `fsync` of the file, then of the directory that has its name: fsync(2). On Windows
    /// `FlushFileBuffers` of both, which promises nothing of the name there; nor does what Apple
    /// says of `F_FULLFSYNC`.
    FsyncDirectory,
    /// `syncfs`, of all of the file system: sync(2). On Linux only; on Windows that takes an
    /// administrator.
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

    /// Those that are about one file and its name: all but the last.
    pub const OF_A_FILE: [Self; 8] = {
        let [of_a_file @ .., Self::Syncfs] = Self::ALL else {
            panic!("the last one is about all files")
        };
        of_a_file
    };

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
    pub const fn call(self, family: Family) -> &'static str {
        match family {
            Family::Linux => self.linux_call(),
            Family::Macos => self.macos_call(),
            Family::Windows | Family::Wine => self.windows_call(),
        }
    }

    const fn linux_call(self) -> &'static str {
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

    const fn macos_call(self) -> &'static str {
        match self {
            Self::None | Self::MsyncAsync | Self::Msync => self.linux_call(),
            Self::ODsync => "not through a map: a write, then F_FULLFSYNC",
            Self::Fdatasync => "F_FULLFSYNC, as fsync",
            Self::Fsync => "F_FULLFSYNC; fsync(2) on network file systems",
            Self::FsyncDirectory => "F_FULLFSYNC, and that of the directory",
            Self::SyncFileRange | Self::Syncfs => "not on macOS",
        }
    }

    const fn windows_call(self) -> &'static str {
        match self {
            Self::None => "no call, as UnmapViewOfFile and CloseHandle",
            Self::MsyncAsync => "FlushViewOfFile",
            Self::ODsync => "not through a map: a write with FILE_FLAG_WRITE_THROUGH",
            Self::Msync => "FlushViewOfFile of what was stored, and FlushFileBuffers",
            Self::Fsync => "FlushViewOfFile of all of the map, and FlushFileBuffers",
            Self::FsyncDirectory => "FlushFileBuffers, and that of the directory",
            Self::SyncFileRange | Self::Fdatasync | Self::Syncfs => "not on Windows",
        }
    }

    /// Why a family of systems lacks it; `None` where it does not.
    #[must_use]
    pub const fn lacking(self, family: Family) -> Option<&'static str> {
        match family {
            Family::Linux => None,
            Family::Macos => self.lacking_on_macos(),
            Family::Windows | Family::Wine => self.lacking_on_windows(),
        }
    }

    const fn lacking_on_macos(self) -> Option<&'static str> {
        match self {
            Self::SyncFileRange => {
                Some("the nearest call of macOS is msync with MS_SYNC, which msync is there")
            }
            Self::Syncfs => Some(
                "the nearest call of macOS is sync(2), which may return before anything is on the \
                 disk",
            ),
            _ => None,
        }
    }

    const fn lacking_on_windows(self) -> Option<&'static str> {
        match self {
            Self::SyncFileRange => {
                Some("the nearest call of Windows is FlushViewOfFile, which msync-async is there")
            }
            Self::Fdatasync => Some(
                "Windows flushes a file with its metadata, by FlushFileBuffers, which fsync is \
                 there; only NTFS can leave some of it out, by NtFlushBuffersFileEx",
            ),
            Self::Syncfs => Some("to flush a volume of Windows takes an administrator"),
            _ => None,
        }
    }

    /// Whether the stored bytes are promised to survive a crash when it has returned.
    #[must_use]
    pub const fn promises_data(self, family: Family) -> bool {
        match self {
            Self::None | Self::MsyncAsync | Self::SyncFileRange => false,
            // It leaves them in the drive's cache there.
            Self::Msync => !matches!(family, Family::Macos),
            _ => true,
        }
    }

    /// Flushes what was stored, in this way; of [`FsyncDirectory`](Self::FsyncDirectory) the part
    /// that comes before the name gets its own, by [`SyncMode::flush_name`].
    ///
    /// # Errors
    ///
    /// Those of the call; `Unsupported` for what the system lacks, and for
    /// [`ODsync`](Self::ODsync), which flushes only what is written with it:
    /// `flush::write_through` does.
    pub(crate) fn flush(self, stored: &Stored<'_>) -> io::Result<()> {
        let Stored { file, map, at, len } = *stored;
        let family = Family::running();
        if let Some(why) = self.lacking(family) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        match self {
            Self::None => Ok(()),
            Self::MsyncAsync => map.flush(at, len, Msync::Async),
            Self::SyncFileRange => {
                let start = at as u64;
                flush::wait_write_out(file, ByteRange::between(start, start + len as u64))
            }
            Self::ODsync => {
                let why = "O_DSYNC flushes what is written, and a store through a map is no write";
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
            Self::Msync => map.flush_to_disk(file, at, len),
            Self::Fdatasync => flush::sync_data(file),
            Self::Fsync | Self::FsyncDirectory if !map::MSYNC_WAITS => {
                map.flush_to_disk(file, 0, map.len())
            }
            Self::Fsync | Self::FsyncDirectory => flush::sync_all(file),
            Self::Syncfs => flush::sync_file_system(file),
        }
    }

    /// Flushes the directory that has the file's new name, where this way has that.
    ///
    /// # Errors
    ///
    /// Those of fsync(2), or of `FlushFileBuffers`.
    pub(crate) fn flush_name(self, directory: impl AsHandle) -> io::Result<()> {
        match self {
            Self::FsyncDirectory => flush::sync_all(directory),
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
            let lacks = mode.lacking(Family::running()).is_some();
            let expected =
                (lacks || mode == SyncMode::ODsync).then_some(io::ErrorKind::Unsupported);
            assert_eq!(refused, expected, "{mode}");
        }
    }

    #[test]
    fn what_a_family_lacks_has_a_reason_and_no_call() {
        for mode in SyncMode::ALL {
            assert_eq!(mode.lacking(Family::Linux), None, "{mode}");
            for (family, words) in [
                (Family::Macos, "not on macOS"),
                (Family::Windows, "not on Windows"),
                (Family::Wine, "not on Windows"),
            ] {
                let lacks = mode.lacking(family).is_some();
                assert_eq!(lacks, mode.call(family) == words, "{family:?} {mode}");
            }
        }
    }

    #[test]
    #[cfg(unix)] // Windows flushes a pipe, too: nothing tells there who tries.
    fn a_name_is_flushed_by_one_way_only() {
        // A pipe cannot be flushed: who tries is told.
        let (pipe, _end) = std::io::pipe().unwrap();
        for mode in SyncMode::ALL {
            let is_tried = mode.flush_name(&pipe).is_err();
            assert_eq!(is_tried, mode == SyncMode::FsyncDirectory, "{mode}");
        }
    }
}
