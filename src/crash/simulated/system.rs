//! The file systems that are crashed: made, mounted and unmounted.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crash::by_name::{UnknownName, by_name};
use crate::crash::simulated::error::{Error, Result};
use crate::options::Quoted;
use crate::sys::linux::holders::{self, Holder};
use crate::sys::linux::{children, mounting};

/// A file system that a laboratory can crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FileSystem {
    /// ext4, with its journal of metadata.
    Ext4,
    /// XFS, with reflinks.
    Xfs,
    /// btrfs.
    Btrfs,
    /// ext2, which has no journal; `e2fsck` repairs it before it is mounted.
    Ext2,
}

impl FileSystem {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ext4, Self::Xfs, Self::Btrfs, Self::Ext2];

    /// Its name, as mount(8) has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Ext2 => "ext2",
        }
    }

    /// Bytes of the smallest disk that it does well on.
    pub(crate) const fn len(self) -> u64 {
        match self {
            Self::Ext4 | Self::Ext2 => 64 << 20,
            Self::Xfs => 320 << 20,
            Self::Btrfs => 256 << 20,
        }
    }

    /// Makes an empty one. Nothing is left to be written in the background after the first mount,
    /// and nothing is discarded.
    pub(crate) fn make(self, device: &Path) -> Result<()> {
        let line = match self {
            Self::Ext4 => {
                "mkfs.ext4 -q -F -b 4096 -m 0 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0"
            }
            Self::Ext2 => "mkfs.ext2 -q -F -b 4096 -m 0 -E nodiscard,lazy_itable_init=0",
            Self::Xfs => "mkfs.xfs -q -f -K -m reflink=1",
            Self::Btrfs => "mkfs.btrfs -q -f -K",
        };
        run(line, device)
    }

    /// Mounts it, which replays its journal.
    pub(crate) fn mount(self, device: &Path, directory: &Path, options: &str) -> Result<()> {
        let own = match self {
            // Another state of the same file system may be mounted now.
            Self::Xfs => "nouuid",
            Self::Ext4 | Self::Btrfs | Self::Ext2 => "",
        };
        let failed = |error| Error::Mount { system: self, options: options.to_owned(), error };
        let options = format!("{own},{options}");
        mounting::mount(device, directory, self.as_str(), &options).map_err(failed)
    }

    /// Repairs what has no journal, as an administrator would before it is mounted.
    pub(crate) fn repair(self, device: &Path) -> Result<()> {
        let line = "e2fsck -y -f";
        match self {
            Self::Ext4 | Self::Xfs | Self::Btrfs => Ok(()),
            Self::Ext2 => match start(line, device)? {
                // 1 and 2: what was wrong has been put right (e2fsck(8)).
                (Some(0..=2), _) => Ok(()),
                (_, said) => Err(Error::Tool { line: line.to_owned(), said }),
            },
        }
    }

    /// Unmounts what is mounted there.
    ///
    /// # Errors
    ///
    /// Who keeps it in use, after a while: a process that another thread starts has all open files
    /// until it is another program.
    pub(crate) fn unmount(directory: &Path) -> Result<()> {
        let mut attempts = 0..BUSY_ATTEMPTS;
        loop {
            match mounting::unmount(directory) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                ended => {
                    return ended.map_err(|error| Error::System("unmount the file system", error));
                }
            }
            if attempts.next().is_none() {
                let by = told(&holders::of(directory));
                return Err(Error::InUse { directory: directory.to_owned(), by });
            }
            std::thread::sleep(BUSY_PAUSE);
        }
    }
}

/// How often, and after which pause, it is looked whether a file system is still in use.
pub(crate) const BUSY_ATTEMPTS: u32 = 400;
pub(crate) const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Names and numbers of processes.
pub(crate) fn told(holders: &[Holder]) -> String {
    let one = |holder: &Holder| format!("{} ({})", Quoted(Path::new(&holder.name)), holder.pid);
    match holders {
        [] => "a process that is not found".to_owned(),
        _ => holders.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

fn run(line: &str, device: &Path) -> Result<()> {
    let (status, said) = start(line, device)?;
    match status {
        Some(0) => Ok(()),
        _ => Err(Error::Tool { line: line.to_owned(), said }),
    }
}

fn start(line: &str, device: &Path) -> Result<(Option<i32>, String)> {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    children::kill_with_this_thread(command.args(words).arg(device));
    let output = command.output();
    let output = output.map_err(|error| Error::NoTool { line: line.to_owned(), error })?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FileSystem {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        by_name("file system to crash", &Self::ALL, name)
    }
}
