//! What fails in a laboratory. That something does not survive is no error but a finding.

use std::io;
use std::path::{Path, PathBuf};

use crate::crash::simulated::system::FileSystem;
use crate::options::Quoted;

/// What this module's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An experiment that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
    /// The same of a file.
    #[error("cannot {what} {}", Quoted(.path))]
    File {
        /// The verb.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A program that makes or repairs file systems failed.
    #[error("'{line}' failed: {said}")]
    Tool {
        /// Its command line.
        line: String,
        /// What it said.
        said: String,
    },
    /// Such a program could not be started.
    #[error("cannot start '{line}'")]
    NoTool {
        /// Its command line.
        line: String,
        /// Why; that it is not there, most likely.
        #[source]
        error: io::Error,
    },
    /// A file system could not be mounted.
    #[error("cannot mount {system} {}", with_options(.options))]
    Mount {
        /// Which.
        system: FileSystem,
        /// With what.
        options: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file system cannot be unmounted, because it is in use.
    #[error("cannot unmount {}: it is in use by {by}", Quoted(.directory))]
    InUse {
        /// Where it is mounted.
        directory: PathBuf,
        /// The names and numbers of the processes that use it.
        by: String,
    },
    /// A command wrote so much that not all of it is recorded.
    #[error("the command wrote more than {} MiB, the most that is recorded", .most >> 20)]
    TooMuch {
        /// The most bytes that are recorded, with some for what is noted of each write.
        most: u64,
    },
    /// The simulated disk does not do what it must; no finding would mean anything.
    #[error("the simulated disk is not to be trusted: {0}")]
    Untrusted(String),
    /// The command of a workload failed, or could not be started.
    #[error("the command {} {how}", Quoted(Path::new(.line)))]
    Command {
        /// Its command line.
        line: String,
        /// How it ended.
        how: String,
    },
}

fn with_options(options: &str) -> String {
    match options {
        "" => "with its default options".to_owned(),
        options => format!("with the options {}", Quoted(Path::new(options))),
    }
}

impl Error {
    /// Whether it says that a file system is damaged, and not that something is missing here.
    pub(crate) fn is_damage(&self) -> bool {
        const HERE: [i32; 9] = [
            libc::EPERM,
            libc::EACCES,
            libc::EBUSY,
            libc::ENOMEM,
            libc::ENODEV,
            libc::ENXIO,
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOTBLK,
        ];
        match self {
            Self::Mount { error, .. } => {
                error.raw_os_error().is_none_or(|code| !HERE.contains(&code))
            }
            Self::Tool { .. } => true,
            _ => false,
        }
    }
}
