//! The list of what was copied, for `b3sum --check`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::copy::Session;
use crate::error::{Cause, Error, Operation, Result};
use crate::options::{Endpoint, Flush, ObjectId};
use crate::report::Report;
use crate::sys::file::{Kind, close, facts, set_blocking, set_len};
use crate::sys::flush::sync_all;
use crate::sys::names::{Follow, Spot, facts_of_path};
use crate::sys::streams::{standard_input, standard_output};
use crate::tree::Operand;

/// A manifest being written.
#[derive(Debug)]
pub(super) struct Manifest {
    path: PathBuf,
    file: File,
    kind: Kind,
    flush: Flush,
}

/// Whether the name was free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    New,
    Existing,
}

impl Manifest {
    /// Starts it anew under `path`, unless that is one of the files to copy or to write.
    pub(super) fn create(path: PathBuf, operands: &[Operand], flush: Flush) -> Result<Self> {
        let failed = |cause: Cause| Error::new(Operation::WriteManifest, &(&path).into(), cause);
        let (file, made) = open(&path).map_err(|error| failed(error.into()))?;
        let facts = facts(&file).map_err(|error| failed(error.into()))?;
        // Nothing is truncated before this: the name may be an alias of a source.
        if let Some(other) = operand_that_is(facts.id, operands) {
            if made == Made::New {
                // Only this program can have put anything there; the refusal is the error to tell.
                std::fs::remove_file(&path).ok();
            }
            return Err(failed(Cause::SameObject { other: other.clone() }));
        }
        if facts.kind == Kind::Regular && made == Made::Existing {
            set_len(&file, 0).map_err(|error| failed(error.into()))?;
        }
        Ok(Self { file, kind: facts.kind, flush, path })
    }

    /// Keeps backups from displacing it.
    pub(super) fn protect(&self, session: &Session) -> Result<()> {
        session
            .protect(&self.file)
            .map_err(|error| Error::new(Operation::Stat, &(&self.path).into(), error))
    }

    /// Adds what was copied.
    pub(super) fn add(&mut self, report: &Report) -> Result<()> {
        let (Some(hash), Some(name)) = (report.hash, report.target.path()) else {
            return Ok(());
        };
        let Some(name) = name.to_str() else {
            return Err(self.failed(io::Error::other(format!(
                "the name {} is not UTF-8, so b3sum cannot check it",
                report.target
            ))));
        };
        let written = self.file.write_all(line(&hash, name).as_bytes());
        written.map_err(|error| self.failed(error))
    }

    /// Ends it, on the disk if that was asked for.
    pub(super) fn finish(self) -> Result<()> {
        let Self { path, file, kind, flush } = self;
        let endpoint = Endpoint::from(&path);
        let failed = |operation| move |error: io::Error| (operation, error);
        let ended = (|| {
            if kind == Kind::Regular && flush == Flush::Sync {
                sync_all(&file).map_err(failed(Operation::Flush))?;
                Spot::of_path(parent(&path))
                    .open_directory(Follow::Yes)
                    .and_then(sync_all)
                    .map_err(failed(Operation::FlushDirectory))?;
            }
            close(file).map_err(failed(Operation::Close))
        })();
        ended.map_err(|(operation, error)| Error::new(operation, &endpoint, error))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::new(Operation::WriteManifest, &(&self.path).into(), error)
    }
}

fn open(path: &Path) -> io::Result<(File, Made)> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => Ok((file, Made::New)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Without waiting: a FIFO that nobody reads is an error, and not a pause that no
            // signal ends.
            let file = Spot::of_path(path).open_for_writing_at_once()?;
            set_blocking(&file)?;
            Ok((file, Made::Existing))
        }
        Err(error) => Err(error),
    }
}

fn operand_that_is(id: ObjectId, operands: &[Operand]) -> Option<&Endpoint> {
    let mut endpoints = operands.iter().flat_map(|operand| [&operand.source, &operand.target]);
    endpoints.find(|endpoint| {
        // What cannot be asked now fails when it is copied.
        let there = match endpoint {
            Endpoint::File(path) => facts_of_path(path, Follow::Yes).ok().flatten(),
            Endpoint::Standard | Endpoint::Segment(_) => None,
        };
        there.is_some_and(|facts| facts.id == id)
            || (**endpoint == Endpoint::Standard && is_standard_stream(id))
    })
}

/// Whether standard input or output is the file of this identity.
fn is_standard_stream(id: ObjectId) -> bool {
    let ids = [standard_input(), standard_output()].map(|stream| facts(stream?));
    ids.into_iter()
        .any(|facts| facts.is_ok_and(|facts| facts.kind == Kind::Regular && facts.id == id))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// `HASH  NAME`, escaped as b3sum does it: where the name has a backslash or ends a line, those
/// are escaped, and the line starts with a backslash.
fn line(hash: &blake3::Hash, name: &str) -> String {
    let hash = hash.to_hex();
    if name.contains(['\\', '\n', '\r']) {
        let name = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        format!("\\{hash}  {name}\n")
    } else {
        format!("{hash}  {name}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_line_are_escaped_as_b3sum_does() {
        let hash = blake3::hash(b"");
        assert_eq!(line(&hash, "d/a b"), format!("{hash}  d/a b\n"));
        assert_eq!(line(&hash, "a\\n\n\r"), format!("\\{hash}  a\\\\n\\n\\r\n"));
    }

    #[test]
    fn a_bare_name_lies_in_the_working_directory() {
        assert_eq!(parent(Path::new("m")), Path::new("."));
        assert_eq!(parent(Path::new("d/m")), Path::new("d"));
        assert_eq!(parent(Path::new("/m")), Path::new("/"));
    }
}
