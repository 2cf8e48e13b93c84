//! What keeps a witness, a writer or a verification from going on.

use std::io;
use std::path::{Path, PathBuf};

use crate::options::Quoted;

use super::event::RunId;
use super::mode::Mode;

/// What this part of the laboratory's functions return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong; the cause, where there is one, is the source.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// With a file or directory.
    #[error("cannot {operation} {}", Quoted(.path))]
    File {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// With a connection.
    #[error("cannot {operation} {address}")]
    Network {
        /// What was tried.
        operation: &'static str,
        /// With whom.
        address: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The witness does not answer any more.
    #[error("the witness at {address} is gone after it noted {noted} lines")]
    WitnessGone {
        /// Where it was.
        address: String,
        /// What it has confirmed.
        noted: u64,
        /// How that was seen.
        source: io::Error,
    },
    /// The other side answers with a refusal, or with something else than was asked for.
    #[error("the witness at {address} answers: {answer}")]
    Refused {
        /// Where it is.
        address: String,
        /// What it says.
        answer: String,
    },
    /// A record cannot be understood.
    #[error("{record}, line {line}: {reason}")]
    Record {
        /// Its name.
        record: String,
        /// Which line, from 1 on.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A record does not know the run that is asked for.
    #[error("{record} knows no run {run}")]
    NoSuchRun {
        /// Its name.
        record: String,
        /// The run.
        run: RunId,
    },
    /// The directory for a new run has something in it.
    #[error("{} is not empty: name a directory that does not exist yet", Quoted(.0))]
    NotEmpty(PathBuf),
    /// The directory is not one that a writer has filled.
    #[error("no run was written to {}: is its file system mounted?", Quoted(.0))]
    NoRun(PathBuf),
    /// A store failed, or syncing it.
    #[error("mode {mode}: cannot {operation} {}", Quoted(.path))]
    Store {
        /// How it was stored.
        mode: Mode,
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// There are more pages than a map or a directory can have.
    #[error("{0} MiB are too many, or too few, for these modes")]
    Size(u64),
}

impl Error {
    /// One about a file, to be made of the error that the system gave.
    pub(crate) fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { operation, path, source }
    }

    /// One about a store.
    pub(crate) fn store(
        mode: Mode,
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Store { mode, operation, path, source }
    }

    /// One about a connection.
    pub(crate) fn network(
        operation: &'static str,
        address: impl ToString,
    ) -> impl FnOnce(io::Error) -> Self {
        let address = address.to_string();
        move |source| Self::Network { operation, address, source }
    }
}
