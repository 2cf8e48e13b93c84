//! The directory of a report.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::options::Quoted;
use crate::sys::names::{Follow, Spot};

/// A directory that is open: the laboratory's room may hide its name.
#[derive(Debug)]
pub(in crate::laboratory) struct Directory {
    file: File,
    path: PathBuf,
}

impl Directory {
    /// Opens it, and makes it before if need be.
    pub(in crate::laboratory) fn make(path: &Path) -> anyhow::Result<Self> {
        let failed = || format!("cannot make the directory {}", Quoted(path));
        fs::create_dir_all(path).with_context(failed)?;
        Self::open(path)
    }

    /// Opens one that is there.
    pub(in crate::laboratory) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path)
            .with_context(|| format!("cannot open the directory {}", Quoted(path)))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Its name, as it was given.
    pub(in crate::laboratory) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file; one that is there already is written over.
    pub(in crate::laboratory) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let written = self.create(name)?.write_all(text.as_bytes());
        written.with_context(|| format!("cannot write {}", Quoted(&self.path.join(name))))
    }

    /// Makes a file, or empties one that is there.
    pub(in crate::laboratory) fn create(&self, name: &str) -> anyhow::Result<File> {
        let file = Spot::within(&self.file, OsStr::new(name)).create_or_empty(0o644);
        file.with_context(|| format!("cannot write {}", Quoted(&self.path.join(name))))
    }

    /// Opens a file that is there.
    pub(in crate::laboratory) fn existing(&self, name: &str) -> anyhow::Result<File> {
        let file = Spot::within(&self.file, OsStr::new(name)).open_for_reading(Follow::Yes);
        file.with_context(|| format!("cannot open {}", Quoted(&self.path.join(name))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_and_written_over() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new/below");
        let directory = Directory::make(&path).unwrap();
        directory.write("file", "a long text").unwrap();
        directory.write("file", "short").unwrap();
        assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "short");
        let error = Directory::make(&path.join("file/x")).unwrap_err();
        assert!(format!("{error:#}").contains("file/x'"), "{error:#}");
    }
}
