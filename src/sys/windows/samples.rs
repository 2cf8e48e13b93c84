//! Files for tests, and what volumes need not be able to do.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory, and the path of a file of so many bytes in it, of which none is zero.
pub(super) fn file_of(len: usize) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, vec![7; len]).unwrap();
    (directory, path)
}

pub(super) fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

/// Whether it was done; where it was not, the error says that the volume cannot.
pub(super) fn can<T>(done: io::Result<T>) -> bool {
    done.map_err(|error| {
        assert!(crate::sys::attributes::is_unsupported(&error), "{error}");
    })
    .is_ok()
}
