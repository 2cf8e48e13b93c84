//! What is found where the copy is to go.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{Endpoint, ObjectId};
use crate::sys::file::{self, Facts, Follow, Kind};
use crate::sys::platform::{self, FileSystem};
use crate::sys::streams;

/// A name in a directory that is held open.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: OwnedFd,
    pub(super) directory_facts: Facts,
    /// The directory's path, for asking how much space is free.
    pub(super) directory_path: PathBuf,
    pub(super) name: OsString,
}

/// What a target's name leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing: a name can be made here.
    Nothing(Place),
    /// Something that has a name here, which can be replaced.
    Named {
        place: Place,
        facts: Facts,
        /// Whether something is mounted on the name itself.
        mounted: Mounted,
    },
    /// Something that is to be written to under the path that was given, and has no name that
    /// could be replaced: standard output, a device, an open file that was removed.
    Unnamed(Facts),
}

/// Whether a name is a mount point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mounted {
    No,
    Yes,
}

impl Found {
    /// What is there, if anything is.
    pub(super) fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Nothing(_) => None,
            Self::Named { facts, .. } | Self::Unnamed(facts) => Some(facts),
        }
    }
}

/// Looks at the target. With [`Follow::Yes`] a symbolic link is followed to what it names, so
/// that the link stays when that is replaced.
pub(super) fn look(endpoint: &Endpoint, follow: Follow) -> Result<Found> {
    let path = match endpoint {
        Endpoint::File(path) => path,
        Endpoint::Standard => {
            let file = streams::standard_output().context(Operation::Open, endpoint)?;
            return Ok(Found::Unnamed(file::facts(&file).context(Operation::Stat, endpoint)?));
        }
    };
    let stat = |follow| file::facts_of_path(path, follow).context(Operation::Stat, endpoint);
    let Some(itself) = stat(Follow::No)? else {
        return Ok(Found::Nothing(Place::of(path, endpoint)?));
    };
    if itself.kind != Kind::Symlink || follow == Follow::No {
        return Found::named(path, itself, endpoint);
    }
    let Some(behind) = stat(Follow::Yes)? else {
        return Err(Error::new(Operation::Create, endpoint, Cause::DanglingLink));
    };
    // The links below /proc/PID/fd lead to open files. Who names one means the open file, which
    // others go on writing to, and which may have no name (any more).
    if leads_through_proc(path).context(Operation::Resolve, endpoint)? {
        return Ok(Found::Unnamed(behind));
    }
    match file::canonical(path) {
        Ok(real) => {
            let there =
                file::facts_of_path(&real, Follow::No).context(Operation::Stat, endpoint)?;
            match there {
                Some(facts) if facts.id == behind.id => Found::named(&real, facts, endpoint),
                _ => Ok(Found::Unnamed(behind)),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Unnamed(behind)),
        Err(error) => Err(Error::new(Operation::Resolve, endpoint, error)),
    }
}

/// Whether a symbolic link, or one that it leads to, is one that the system makes up.
fn leads_through_proc(path: &Path) -> io::Result<bool> {
    // As many as the kernel follows (path_resolution(7)).
    const LINKS_MAX: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let is_link = file::facts_of_path(&path, Follow::No)?
            .is_some_and(|facts| facts.kind == Kind::Symlink);
        if !is_link {
            return Ok(false);
        }
        let parent = parent_of(&path).to_path_buf();
        let directory = file::open_directory(&parent)?;
        if platform::file_system(&directory)? == FileSystem::Pseudo {
            return Ok(true);
        }
        path = parent.join(std::fs::read_link(&path)?);
    }
    Ok(false)
}

/// The directory of a path's last component.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl Found {
    fn named(path: &Path, facts: Facts, endpoint: &Endpoint) -> Result<Self> {
        if facts.kind == Kind::Directory {
            return Err(Error::new(Operation::Create, endpoint, Cause::IsDirectory));
        }
        let place = Place::of(path, endpoint)?;
        // Looked at again through the directory that is held, since only that name counts.
        let facts = file::facts_at(&place.directory, &place.name)
            .context(Operation::Stat, endpoint)?
            .unwrap_or(facts);
        let mounted = place.mounted(&facts);
        Ok(Self::Named { place, facts, mounted })
    }
}

impl Place {
    fn of(path: &Path, endpoint: &Endpoint) -> Result<Self> {
        let Some(name) = last_component(path) else {
            // "/", "..", "a/..", "": all directories, or nothing at all.
            let cause = if path.as_os_str().is_empty() {
                Cause::Os(io::Error::from_raw_os_error(libc::ENOENT))
            } else {
                Cause::IsDirectory
            };
            return Err(Error::new(Operation::Create, endpoint, cause));
        };
        let parent = parent_of(path);
        let directory = file::open_directory(parent).context(Operation::Create, endpoint)?;
        let directory_facts = file::facts(&directory).context(Operation::Stat, endpoint)?;
        Ok(Self {
            directory,
            directory_facts,
            directory_path: parent.to_path_buf(),
            name: name.to_os_string(),
        })
    }

    /// Another name in the same directory.
    pub(super) fn sibling(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self {
            directory: self.directory.try_clone()?,
            directory_facts: self.directory_facts,
            directory_path: self.directory_path.clone(),
            name: name.to_os_string(),
        })
    }

    /// Whether this is the same name in the same directory as `path`.
    pub(super) fn is_entry(&self, path: &Path) -> io::Result<bool> {
        let Some(name) = last_component(path) else { return Ok(false) };
        if name != self.name {
            return Ok(false);
        }
        let facts = file::facts_of_path(parent_of(path), Follow::Yes)?;
        Ok(facts.is_some_and(|facts| facts.id == self.directory_facts.id))
    }

    /// The identity of what has the `name` in this directory.
    pub(super) fn id_of(&self, name: &OsStr) -> io::Result<Option<ObjectId>> {
        Ok(file::facts_at(&self.directory, name)?.map(|facts| facts.id))
    }

    fn mounted(&self, facts: &Facts) -> Mounted {
        let of_name = platform::mount_id(&self.directory, &self.name);
        let of_directory = platform::mount_id(&self.directory, OsStr::new(""));
        let differs = match (of_name, of_directory) {
            (Some(name), Some(directory)) => name != directory,
            // An older kernel: only a mount from another file system shows.
            _ => facts.id.dev != self.directory_facts.id.dev,
        };
        if differs { Mounted::Yes } else { Mounted::No }
    }

    /// Whether a name that `owner`'s file has may be given to another file by this user, as far
    /// as the directory's sticky bit goes (unlink(2), EPERM).
    pub(super) fn sticky_allows(&self, owner: u32) -> bool {
        const STICKY: u32 = 0o1000;
        let user = file::effective_uid();
        self.directory_facts.mode & STICKY == 0
            || file::is_superuser()
            || user == owner
            || user == self.directory_facts.uid
    }
}

/// The last component of a path as a name that can be made in its parent.
fn last_component(path: &Path) -> Option<&OsStr> {
    use std::os::unix::ffi::OsStrExt;
    // `file_name` passes over a trailing slash, which says that a directory is meant.
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return None;
    }
    path.file_name()
}
