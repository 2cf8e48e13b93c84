//! Reading the names of a directory (getdents64(2)).

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};

use crate::sys::file::Kind;
use crate::sys::names::Listed;

/// Calls `look` with each name in a directory, but for those of the directory itself and its
/// parent. The handle's position stays.
pub(crate) fn each_name_in(directory: impl AsFd, mut look: impl FnMut(&OsStr)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut entries = rustix::fs::RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if let Some(name) = below(entry.file_name()) {
            look(name);
        }
    }
    Ok(())
}

/// A directory's entry, unless it is that of the directory itself or its parent.
fn below(name: &CStr) -> Option<&OsStr> {
    let name = name.to_bytes();
    (name != b"." && name != b"..").then(|| OsStr::from_bytes(name))
}

/// Bytes of names that one call asks for.
const LISTING_BYTES: usize = 32 << 10;

/// The next names of a directory, as many as one call yields, in `into`; none at the end. The
/// position belongs to the handle.
pub(crate) fn list_some(directory: impl AsFd, into: &mut Vec<Listed>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut entries = rustix::fs::RawDir::new(directory, buffer.spare_capacity_mut());
    // One that holds nothing but the directory itself and its parent is not the end.
    while into.is_empty() {
        loop {
            let Some(entry) = entries.next() else { return Ok(()) };
            let entry = entry?;
            if let Some(name) = below(entry.file_name()) {
                into.push(Listed { name: name.to_owned(), kind: Kind::of(entry.file_type()) });
            }
            if entries.is_buffer_empty() {
                break;
            }
        }
    }
    Ok(())
}
