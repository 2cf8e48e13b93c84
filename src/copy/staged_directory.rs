//! A new directory under a temporary name, while files are made in it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::directory::{Directory, Names};
use super::leftover::is_awaited;
use super::leftover_directory::{Contents, Kept, adopt, remove_kept};
use super::session::Precious;
use super::stage::{
    OF_TREES, SLOTS_MAX, is_temporary_name, remove_leftover, rename_into_free, sweep_kinds,
    temporary_name,
};
use super::target::Place;
use crate::lock::{self, Locked};
use crate::options::{CopyOptions, ObjectId};
use crate::sys::Errno;
use crate::sys::file::Kind;
use crate::sys::names::{self, Follow, Listed, Spot};

/// A new directory under a temporary name, locked as long as it has it at least.
#[derive(Debug)]
pub(crate) struct StagedDirectory {
    place: Place,
    name: OsString,
    lock: Lock,
    /// What a killed run had stored in it, as far as nothing has gone on with that.
    kept: Vec<Kept>,
}

/// How long a new directory is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    /// Until it has its name.
    UntilNamed,
    /// Until its handles are closed.
    Kept,
}

/// What an attempt to be the one run that makes a directory came to.
#[derive(Debug)]
pub(crate) enum Making {
    /// It has been begun, and stays locked when it has its name.
    Begun(Box<(StagedDirectory, Directory)>),
    /// Another process has locked this, under the temporary name that each takes first.
    Busy(File),
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
        contents: Contents<'_>,
    ) -> io::Result<(Self, Directory)> {
        let path = place.path();
        let lock = Lock::UntilNamed;
        for slot in 0..SLOTS_MAX {
            let name = temporary_name(&place.name, slot);
            if place.directory.is_content(&name) {
                continue;
            }
            match names::make_directory_at(&place.directory, &name, mode) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if let Ok(Some((directory, kept))) = adopt(&place, &name, mode, contents) {
                        return Ok((Self { place, name, lock, kept }, directory));
                    }
                    remove_leftover(&place, &name, contents.precious, OF_TREES);
                    continue;
                }
                Err(error) => return Err(error),
            }
            let staged = Self { place, name, lock, kept: Vec::new() };
            match staged.open(&path) {
                // One that was removed before it was locked has no links any more.
                Ok((Locked::Held | Locked::Unsupported, directory))
                    if directory.facts.links > 0 =>
                {
                    return Ok((staged, directory));
                }
                Ok(_) => {}
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {}
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

    /// The same for the one run that makes this directory, among those that ask for it here.
    ///
    /// All take the first temporary name, which only one can lock. Whoever gets it has to look
    /// once more whether the directory's own name is still free.
    ///
    /// # Errors
    ///
    /// Those of mkdir(2).
    pub(crate) fn claim(place: &Place, mode: u32, contents: Contents<'_>) -> io::Result<Making> {
        let path = place.path();
        let lock = Lock::Kept;
        let begun = |name, directory, kept| {
            Making::Begun(Box::new((Self { place: place.clone(), name, lock, kept }, directory)))
        };
        let mut slot = 0;
        for _ in 0..SLOTS_MAX {
            let name = temporary_name(&place.name, slot);
            match names::make_directory_at(&place.directory, &name, mode) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if let Ok(Some((directory, kept))) = adopt(place, &name, mode, contents) {
                        return Ok(begun(name, directory, kept));
                    }
                    if !remove_leftover(place, &name, contents.precious, OF_TREES) {
                        match locked_by_another(place, &name) {
                            Ok(Some(file)) => return Ok(Making::Busy(file)),
                            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {}
                            // It is somebody's, and nobody's temporary.
                            Ok(None) | Err(_) => slot += 1,
                        }
                    }
                    continue;
                }
                Err(error) => return Err(error),
            }
            let staged = Self { place: place.clone(), name, lock, kept: Vec::new() };
            match staged.open(&path) {
                Ok((Locked::Held | Locked::Unsupported, directory))
                    if place.id_of(&staged.name)? == Some(directory.id()) =>
                {
                    return Ok(begun(staged.name, directory, Vec::new()));
                }
                // Another run took it for a leftover in the moment before it was locked.
                Ok(_) => {}
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {}
                Err(error) => {
                    names::remove_directory_at(&place.directory, &staged.name).ok();
                    return Err(error);
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where it gets its name.
    pub(crate) fn place(&self) -> &Place {
        &self.place
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

    /// Removes what killed runs left for its name, where something may be left.
    pub(crate) fn sweep(&self, precious: Precious<'_>) {
        sweep_for(&self.place, precious);
    }

    /// Removes what a killed run had stored in it and nothing has gone on with.
    pub(crate) fn remove_kept(&self, directory: &Directory) {
        remove_kept(directory, &self.kept);
    }

    /// Gives it its name, which must be free.
    ///
    /// # Errors
    ///
    /// Those of rename(2), `EEXIST` when the name has been taken meanwhile: it keeps the temporary
    /// one then.
    pub(crate) fn publish(&self, directory: &Directory) -> io::Result<()> {
        rename_into_free(&self.place.directory, &self.name, &self.place.name)?;
        match self.lock {
            Lock::Kept => Ok(()),
            // Other runs may lock it for reasons of their own.
            Lock::UntilNamed => lock::unlock(directory.handle()),
        }
    }

    /// Gives it its name before anything is in it.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish); it is removed then.
    pub(crate) fn publish_empty(
        self,
        mut directory: Directory,
        precious: Precious<'_>,
    ) -> io::Result<Directory> {
        self.remove_kept(&directory);
        self.publish(&directory).inspect_err(|_| self.remove())?;
        self.sweep(precious);
        directory.names = Names::Swept;
        Ok(directory)
    }

    /// Removes it with the files that are in it. If that fails, the next run does it.
    pub(crate) fn remove(&self) {
        drop(remove_tree_of_files(&self.place.directory, &self.name, |_| true));
    }
}

/// Makes a directory under its name, since no file comes into it, with these permission bits less
/// the umask.
///
/// # Errors
///
/// Those of mkdir(2).
pub(crate) fn make_named(
    place: &Place,
    mode: u32,
    contents: Contents<'_>,
) -> io::Result<Directory> {
    let directory = Directory::make(place, mode)?;
    // Else those who take another way to the same name do so.
    if contents.options.compares_content() || !names::DIRECTORIES_MOVE {
        sweep_for(place, contents.precious);
    }
    Ok(directory)
}

/// Removes what killed runs left for this name.
fn sweep_for(place: &Place, precious: Precious<'_>) {
    if place.directory.has_leftovers() {
        sweep_kinds(place, 0, precious, OF_TREES);
    }
}

/// What has the name, if another process has locked it.
fn locked_by_another(place: &Place, name: &OsStr) -> io::Result<Option<File>> {
    let file = Spot::within(&place.directory, name).open_existing()?;
    Ok((lock::try_lock(&file)? == Locked::Busy).then_some(file))
}

/// Removes what killed runs left in `target`, a directory that `source` is copied into. What has a
/// name that the source has as well is content, and what a copy can go on with is left to that.
pub(crate) fn sweep_directory(
    target: &Arc<Directory>,
    source: &Directory,
    precious: Precious<'_>,
    options: &CopyOptions,
) -> io::Result<()> {
    let mut found = Vec::new();
    names::each_name_in(target, |name| {
        if is_temporary_name(name) {
            found.push(name.to_owned());
        }
    })?;
    for name in found {
        if is_awaited((source, target), &name, options)? {
            target.keep_leftovers();
        } else if names::facts_at(source, &name)?.is_none() {
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
    let all = names::list_all(&directory)?;
    for Listed { name, .. } in &all {
        let Some(facts) = names::facts_at(&directory, name)? else { continue };
        if facts.kind == Kind::Directory || !expendable(facts.id) {
            return Ok(false);
        }
    }
    for Listed { name, .. } in &all {
        names::unlink_at(&directory, name)?;
    }
    names::remove_held_directory_at(parent, name)?;
    Ok(true)
}
