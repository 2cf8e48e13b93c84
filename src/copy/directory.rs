//! A directory that is held open, source or target.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::target::Place;
use crate::metadata::Birth;
use crate::options::ObjectId;
use crate::sys::file::{self, Facts};
use crate::sys::file_system::{self, FileSystem};
use crate::sys::handle::{self, OwnedHandle};
use crate::sys::names::{self, Follow, Spot};
use crate::sys::{Errno, attributes, mounts};

/// A directory that is held open: what is done in it is done relative to the handle, wherever its
/// path leads meanwhile.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(super) handle: File,
    /// What it was when it was opened.
    pub(crate) facts: Facts,
    /// Its path as the user has named it, for messages; empty for the working directory.
    pub(crate) path: PathBuf,
    pub(crate) names: Names,
    /// The permission bits of a new one, where it needed more to be filled.
    pub(crate) mode_before: Option<u32>,
    /// How it can be found again, once it is closed.
    pub(super) way: Option<Way>,
    pub(super) mount_id: OnceLock<Option<u64>>,
    pub(super) file_system: OnceLock<FileSystem>,
    pub(super) birth: OnceLock<Option<Birth>>,
    pub(super) file_len_max: OnceLock<u64>,
    /// The directory that is copied into it.
    counterpart: Option<Arc<Self>>,
    /// Whether there is none, in a dry run that would make it.
    is_absent: bool,
    /// Whether a name in it looks like a temporary's, once all are known.
    has_temporary_names: OnceLock<bool>,
    /// Set when something was left that a copy can go on with.
    keeps_leftovers: OnceLock<()>,
}

/// Whether the names in a directory are seen by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// They are: each file gets its name when it is whole.
    Shown,
    /// They are, and what killed runs left there has been removed, but for what a copy can go on
    /// with.
    Swept,
    /// The directory itself has a temporary name as long as files are made in it: they can have
    /// their own names at once. It holds what a killed run left only if that was kept.
    Hidden,
}

/// The way to a directory from the root of a tree.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) root: Arc<Directory>,
    /// Relative to the root; empty for the root itself.
    pub(crate) path: Arc<Path>,
}

impl Directory {
    /// Takes an open directory.
    pub(crate) fn new(handle: OwnedHandle, path: PathBuf, names: Names) -> io::Result<Self> {
        let handle = File::from(handle);
        let facts = file::facts(&handle)?;
        Ok(Self {
            handle,
            facts,
            path,
            names,
            mode_before: None,
            way: None,
            mount_id: OnceLock::new(),
            file_system: OnceLock::new(),
            birth: OnceLock::new(),
            file_len_max: OnceLock::new(),
            counterpart: None,
            is_absent: false,
            has_temporary_names: OnceLock::new(),
            keeps_leftovers: OnceLock::new(),
        })
    }

    /// Makes it with the name of `place`, with these permission bits less the umask.
    ///
    /// # Errors
    ///
    /// Those of mkdir(2).
    pub(crate) fn make(place: &Place, mode: u32) -> io::Result<Self> {
        names::make_directory_at(&place.directory, &place.name, mode)?;
        let (handle, mode_before) = place.spot().open_made()?;
        Ok(Self { mode_before, ..Self::new(handle, place.path(), Names::Swept)? })
    }

    /// One that would be made with the name of `place`, and has nothing in it: what is looked up
    /// in it is not there.
    ///
    /// It is held by a handle of the nearest directory above it that is there.
    pub(crate) fn absent(place: &Place) -> io::Result<Self> {
        place.directory.without_names(place.path())
    }

    fn without_names(&self, path: PathBuf) -> io::Result<Self> {
        let handle = self.handle.try_clone()?.into();
        Ok(Self { is_absent: true, ..Self::new(handle, path, Names::Hidden)? })
    }

    /// The directory that this one is in, if it has this identity.
    ///
    /// # Errors
    ///
    /// Those of opening it; `NotFound` when this one has been moved.
    pub(crate) fn above(&self, path: &Path, id: ObjectId, absent: bool) -> io::Result<Self> {
        if absent {
            return self.without_names(path.to_path_buf());
        }
        let name = if self.is_absent { "." } else { ".." };
        let handle = Spot::within(self, name.as_ref()).open_directory(Follow::No)?;
        let above = Self::new(handle, path.to_path_buf(), Names::Shown)?;
        if above.id() == id { Ok(above) } else { Err(Errno::NOENT.into()) }
    }

    /// The same, to be found again by `way`.
    pub(crate) fn reached_by(self, way: Option<Way>) -> Self {
        Self { way, ..self }
    }

    /// The same, for `source` to be copied into it.
    pub(crate) fn copied_from(self, source: &Arc<Self>) -> Self {
        Self { counterpart: Some(Arc::clone(source)), ..self }
    }

    /// Notes whether one of its names, all of which have been read, looks like a temporary's.
    pub(crate) fn note_names(&self, has_temporary_names: bool) {
        self.has_temporary_names.set(has_temporary_names).ok();
    }

    /// Notes that something was left in it that a copy can go on with.
    pub(crate) fn keep_leftovers(&self) {
        self.keeps_leftovers.set(()).ok();
    }

    /// Whether it may hold what killed runs left.
    pub(super) fn has_leftovers(&self) -> bool {
        match self.names {
            Names::Shown => true,
            Names::Swept | Names::Hidden => self.keeps_leftovers.get().is_some(),
        }
    }

    /// Whether a name in it is that of something which is copied into it, whatever it looks like:
    /// it is neither free for a temporary, nor the leftover of one.
    pub(super) fn is_content(&self, name: &std::ffi::OsStr) -> bool {
        self.counterpart.as_ref().is_some_and(|source| {
            source.has_temporary_names.get() != Some(&false)
                && !matches!(names::facts_at(source, name), Ok(None))
        })
    }

    /// The way to `name` in it, which it begins or goes on.
    pub(crate) fn way_to(self: &Arc<Self>, name: &std::ffi::OsStr) -> Way {
        match &self.way {
            Some(Way { root, path }) => {
                Way { root: Arc::clone(root), path: path.join(name).into() }
            }
            None => Way { root: Arc::clone(self), path: Path::new(name).into() },
        }
    }

    /// A path that leads there, if it still does.
    pub(super) fn reachable_path(&self) -> &Path {
        if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path }
    }

    /// The open directory.
    pub(crate) fn handle(&self) -> &File {
        &self.handle
    }

    /// Whether it would have to be made.
    pub(crate) fn is_absent(&self) -> bool {
        self.is_absent
    }

    /// Its identity.
    pub(crate) fn id(&self) -> ObjectId {
        self.facts.id
    }

    /// The same, on the file system of `neighbour` if that is so.
    pub(crate) fn beside(self, neighbour: &Self) -> Self {
        if self.facts.id.dev == neighbour.facts.id.dev
            && let Some(file_system) = neighbour.file_system.get()
        {
            self.file_system.set(*file_system).ok();
        }
        self
    }

    /// The greatest length that this process may give a file, as it was when first asked for here.
    pub(super) fn file_len_max(&self) -> u64 {
        *self.file_len_max.get_or_init(file::len_max)
    }

    /// What files that are made in it are like, less the bits that their makers leave out, if that
    /// is known and nobody else can open them there.
    pub(super) fn birth(&self) -> Option<Birth> {
        *self.birth.get_or_init(|| {
            let gid = file::effective_gid();
            let uid = file::effective_uid();
            // With a default ACL files inherit one, and in a setgid directory its group; a server
            // may make them somebody else's, and the directory with them.
            let is_plain = self.names == Names::Hidden
                && self.facts.uid == uid
                && self.facts.mode & 0o077 == 0
                && self.facts.gid == gid
                && !attributes::names(&self.handle).ok()?.contains(attributes::DEFAULT_ACL);
            let mode = 0o777 & !attributes::file_mode_mask();
            is_plain.then_some(Birth { uid, gid, mode })
        })
    }

    /// The mount that it is on, where the system tells.
    pub(crate) fn mount_id(&self) -> Option<u64> {
        *self.mount_id.get_or_init(|| mounts::mount_id(self, std::ffi::OsStr::new("")))
    }

    /// The kind of file system that it is on. Only choices depend on it.
    pub(crate) fn file_system(&self) -> FileSystem {
        *self.file_system.get_or_init(|| file_system::of(self).unwrap_or(FileSystem::Other))
    }
}

impl Way {
    /// Opens the directory again, without following a symbolic link.
    pub(crate) fn open(&self) -> io::Result<OwnedHandle> {
        if self.path.as_os_str().is_empty() {
            return Ok(self.root.handle.try_clone()?.into());
        }
        match names::open_beneath(&*self.root, &self.path) {
            Err(error) if must_walk(&error) => self.walk(),
            result => result,
        }
    }

    /// Opens one component after the other.
    fn walk(&self) -> io::Result<OwnedHandle> {
        let mut directory: OwnedHandle = self.root.handle.try_clone()?.into();
        for name in self.path.iter() {
            let next = Spot::within(&directory, name).open_directory(Follow::No)?;
            directory = next;
        }
        Ok(directory)
    }
}

/// Whether the kernel is too old, or the path too long, for it to be opened in one step.
fn must_walk(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOSYS | Errno::NAMETOOLONG | Errno::PERM | Errno::INVAL)
    )
}

handle::lend_handle!(Directory, handle);
