//! A new directory under a temporary name, while files are made in it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::directory::{Directory, Names};
use super::session::Precious;
use super::stage::{
    OF_TREES, SLOTS_MAX, is_temporary_name, remove_leftover, rename_into_free, sweep_kinds,
    temporary_name,
};
use super::target::Place;
use crate::lock::{self, Locked};
use crate::options::ObjectId;
use crate::sys::file::Kind;
use crate::sys::names::{self, Follow, Listed, Spot};

/// A new directory under a temporary name, locked as long as it has it.
#[derive(Debug)]
pub(crate) struct StagedDirectory {
    place: Place,
    name: OsString,
}

impl StagedDirectory {
    /// Makes it in the directory of `place`, with these permission bits less the umask.
    ///
    /// # Errors
    ///
    /// Those of mkdir(2).
    pub(crate) fn create(
        mut place: Place,
        mode: u32,
        precious: Precious<'_>,
    ) -> io::Result<(Self, Directory)> {
        let path = place.path();
        for slot in 0..SLOTS_MAX {
            let name = temporary_name(&place.name, slot);
            if place.directory.is_content(&name) {
                continue;
            }
            match names::make_directory_at(&place.directory, &name, mode) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    remove_leftover(&place, &name, precious, OF_TREES);
                    continue;
                }
                Err(error) => return Err(error),
            }
            let staged = Self { place, name };
            match staged.open(&path) {
                // One that was removed before it was locked has no links any more.
                Ok((Locked::Held | Locked::Unsupported, directory))
                    if directory.facts.links > 0 =>
                {
                    return Ok((staged, directory));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    // Nothing is in it yet.
                    names::remove_directory_at(&staged.place.directory, &staged.name).ok();
                    return Err(error);
                }
            }
            // Another run took it for a leftover in the moment before it was locked.
            Self { place, .. } = staged;
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Opens and locks it.
    fn open(&self, path: &Path) -> io::Result<(Locked, Directory)> {
        let (handle, mode_before) = Spot::within(&self.place.directory, &self.name).open_made()?;
        let handle = File::from(handle);
        let locked = lock::try_lock(&handle)?;
        let mut directory = Directory::new(handle.into(), path.to_path_buf(), Names::Hidden)?;
        directory.mode_before = mode_before;
        Ok((locked, directory))
    }

    /// Removes what killed runs left for its name.
    pub(crate) fn sweep(&self, precious: Precious<'_>) {
        sweep_kinds(&self.place, 0, precious, OF_TREES);
    }

    /// Gives it its name, which must be free.
    ///
    /// # Errors
    ///
    /// Those of rename(2), `EEXIST` when the name has been taken meanwhile: it keeps the temporary
    /// one then.
    pub(crate) fn publish(&self, directory: &Directory) -> io::Result<()> {
        rename_into_free(&self.place.directory, &self.name, &self.place.name)?;
        // Other runs may lock it for reasons of their own.
        lock::unlock(directory.handle())
    }

    /// Removes it with the files that are in it. If that fails, the next run does it.
    pub(crate) fn remove(&self) {
        drop(remove_tree_of_files(&self.place.directory, &self.name, |_| true));
    }
}

/// Removes what killed runs left in `target`, a directory that `source` is copied into. What has a
/// name that the source has as well is content.
pub(crate) fn sweep_directory(
    target: &Arc<Directory>,
    source: &Directory,
    precious: Precious<'_>,
) -> io::Result<()> {
    let mut found = Vec::new();
    names::each_name_in(target, |name| {
        if is_temporary_name(name) {
            found.push(name.to_owned());
        }
    })?;
    for name in found {
        if names::facts_at(source, &name)?.is_none() {
            remove_leftover(&Place::new(target, &name), &name, precious, OF_TREES);
        }
    }
    Ok(())
}

/// Removes a directory that holds no other directories, as one that was being filled; says
/// whether it did. One that holds something else, or something not `expendable`, stays as it is.
pub(super) fn remove_tree_of_files(
    parent: &Directory,
    name: &OsStr,
    expendable: impl Fn(ObjectId) -> bool,
) -> io::Result<bool> {
    let directory = Spot::within(parent, name).open_listable(Follow::No)?;
    let mut all = Vec::new();
    loop {
        let mut some: Vec<Listed> = Vec::new();
        names::list_some(&directory, &mut some)?;
        if some.is_empty() {
            break;
        }
        all.append(&mut some);
    }
    for Listed { name, .. } in &all {
        let Some(facts) = names::facts_at(&directory, name)? else { continue };
        if facts.kind == Kind::Directory || !expendable(facts.id) {
            return Ok(false);
        }
    }
    for Listed { name, .. } in &all {
        names::unlink_at(&directory, name)?;
    }
    names::remove_directory_at(parent, name)?;
    Ok(true)
}
