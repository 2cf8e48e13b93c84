//! What is found where the copy is to go.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{Directory, Names};
use super::segment;
use super::source::Origin;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{Endpoint, Existing, ObjectId};
use crate::sys::file::{self, Facts, Kind};
use crate::sys::file_system::{self, FileSystem};
use crate::sys::names::{self, Follow, Spot};
use crate::sys::{Errno, mounts, streams};

/// A name in a directory that is held open.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(super) directory: Arc<Directory>,
    pub(super) name: OsString,
}

/// What a target's name leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing: a name can be made here.
    Nothing(Place),
    /// Something that has a name here, which can be replaced.
    Named { place: Place, facts: Facts },
    /// Something that is to be written to under the path that was given, and has no name that
    /// could be replaced: standard output, a device, an open file that was removed.
    Unnamed(Facts),
    /// A segment, which has no place in a directory; nothing yet, perhaps.
    Segment(Option<Facts>),
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
            Self::Segment(facts) => facts.as_ref(),
        }
    }
}

/// Looks at the target. With [`Follow::Yes`] a symbolic link is followed to what it names, so
/// that the link stays when that is replaced.
pub(super) fn look(endpoint: &Endpoint, follow: Follow, force: Existing) -> Result<Found> {
    let path = match endpoint {
        Endpoint::File(path) => path,
        Endpoint::Standard => {
            let file = streams::standard_output().context(Operation::Open, endpoint)?;
            return Ok(Found::Unnamed(file::facts(&file).context(Operation::Stat, endpoint)?));
        }
        Endpoint::Segment(name) => return Ok(Found::Segment(segment::look(name)?)),
    };
    let stat = |follow| names::facts_of_path(path, follow).context(Operation::Stat, endpoint);
    let Some(itself) = stat(Follow::No)? else {
        return Ok(Found::Nothing(Place::of(path, endpoint)?));
    };
    if itself.kind != Kind::Symlink || follow == Follow::No {
        return Found::named(path, itself, endpoint);
    }
    let behind = match stat(Follow::Yes) {
        // A loop of links leads to nothing.
        Err(error) if is_loop(&error) && force == Existing::Force => {
            return Found::named(path, itself, endpoint);
        }
        behind => behind?,
    };
    let Some(behind) = behind else {
        return Err(Error::new(Operation::Create, endpoint, Cause::DanglingLink));
    };
    // The links below /proc/PID/fd lead to open files. Who names one means the open file, which
    // others go on writing to, and which may have no name (any more).
    if leads_through_proc(path).context(Operation::Resolve, endpoint)? {
        return Ok(Found::Unnamed(behind));
    }
    match names::canonical(path) {
        Ok(real) => {
            let there =
                names::facts_of_path(&real, Follow::No).context(Operation::Stat, endpoint)?;
            match there {
                Some(facts) if facts.id == behind.id => Found::named(&real, facts, endpoint),
                _ => Ok(Found::Unnamed(behind)),
            }
        }
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {
            Ok(Found::Unnamed(behind))
        }
        Err(error) => Err(Error::new(Operation::Resolve, endpoint, error)),
    }
}

fn is_loop(error: &Error) -> bool {
    error.os_error().and_then(Errno::from_io_error) == Some(Errno::LOOP)
}

/// Looks at what has a name in a directory of a tree. No link is followed.
pub(super) fn look_at(place: Place, endpoint: &Endpoint) -> Result<Found> {
    if place.directory.names == Names::Hidden {
        // What is there, this run has made.
        return Ok(Found::Nothing(place));
    }
    match place.spot().facts(Follow::No).context(Operation::Stat, endpoint)? {
        None => Ok(Found::Nothing(place)),
        Some(facts) => {
            place.refuse_short_name(endpoint)?;
            Ok(Found::Named { place, facts })
        }
    }
}

/// Whether a symbolic link, or one that it leads to, is one that the system makes up.
fn leads_through_proc(path: &Path) -> io::Result<bool> {
    // As many as the kernel follows (path_resolution(7)).
    const LINKS_MAX: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let is_link = names::facts_of_path(&path, Follow::No)?
            .is_some_and(|facts| facts.kind == Kind::Symlink);
        if !is_link {
            return Ok(false);
        }
        let parent = parent_of(&path).to_path_buf();
        let directory = Spot::of_path(&parent).open_directory(Follow::Yes)?;
        if file_system::of(&directory)? == FileSystem::Pseudo {
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
        let place = match Place::of(path, endpoint) {
            // "..", "a/": a name that cannot be given to something else.
            Err(_) if facts.kind == Kind::Directory => return Ok(Self::Unnamed(facts)),
            place => place?,
        };
        place.refuse_short_name(endpoint)?;
        // Looked at again through the directory that is held, since only that name counts.
        let facts =
            place.spot().facts(Follow::No).context(Operation::Stat, endpoint)?.unwrap_or(facts);
        Ok(Self::Named { place, facts })
    }
}

impl Place {
    fn of(path: &Path, endpoint: &Endpoint) -> Result<Self> {
        let Some(name) = last_component(path) else {
            // "/", "..", "a/..", "": all directories, or nothing at all.
            let cause = if path.as_os_str().is_empty() {
                Cause::Os(io::Error::from(Errno::NOENT))
            } else {
                Cause::IsDirectory
            };
            return Err(Error::new(Operation::Create, endpoint, cause));
        };
        let parent = parent_of(path);
        let handle = Spot::of_path(parent)
            .open_directory(Follow::Yes)
            .context(Operation::Create, endpoint)?;
        // As the user has named it: nothing for the working directory.
        let named = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let directory =
            Directory::new(handle, named, Names::Shown).context(Operation::Stat, endpoint)?;
        Ok(Self::new(&Arc::new(directory), name))
    }

    /// The name `name` in `directory`.
    pub(crate) fn new(directory: &Arc<Directory>, name: &OsStr) -> Self {
        Self { directory: Arc::clone(directory), name: name.to_os_string() }
    }

    /// The name that `path` ends with in the directory that it leads through; nothing where it ends
    /// with none, as "/" and ".." do. Slashes at the end do not count.
    pub(crate) fn at(path: &Path, endpoint: &Endpoint) -> Result<Option<Self>> {
        let path = names::without_separators(path);
        match names::ends_in_name(path) {
            true => Self::of(path, endpoint).map(Some),
            false => Ok(None),
        }
    }

    /// The name itself.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The directory that it is in.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path.join(&self.name)
    }

    /// The same as something to look at and to open.
    pub(crate) fn spot(&self) -> Spot<'_> {
        Spot::within(&*self.directory, &self.name)
    }

    /// Another name in the same directory.
    pub(super) fn sibling(&self, name: &OsStr) -> Self {
        Self::new(&self.directory, name)
    }

    /// Whether this is the same name in the same directory as that of the source, in whatever
    /// letters.
    pub(super) fn is_entry(&self, source: Origin<'_>) -> io::Result<bool> {
        match source {
            Origin::Entry { directory, name, .. } => {
                Ok(names::are_one(name, &self.name)
                    && directory.facts.id == self.directory.facts.id)
            }
            Origin::Operand(endpoint) => {
                let Some(path) = endpoint.path() else { return Ok(false) };
                if !last_component(path).is_some_and(|name| names::are_one(name, &self.name)) {
                    return Ok(false);
                }
                let facts = names::facts_of_path(parent_of(path), Follow::Yes)?;
                Ok(facts.is_some_and(|facts| facts.id == self.directory.facts.id))
            }
        }
    }

    /// Fails where what is found by the name has a longer one, of which this is the short form: to
    /// replace it would be to lose a file of another name.
    pub(crate) fn refuse_short_name(&self, endpoint: &Endpoint) -> Result<()> {
        let behind = names::name_behind(&*self.directory, &self.name);
        match behind.context(Operation::Stat, endpoint)? {
            None => Ok(()),
            Some(longer) => {
                let other = Endpoint::from(self.sibling(&longer).path());
                Err(Error::new(Operation::Create, endpoint, Cause::OneName { other }))
            }
        }
    }

    /// The identity of what has the `name` in this directory.
    pub(super) fn id_of(&self, name: &OsStr) -> io::Result<Option<ObjectId>> {
        Ok(names::facts_at(&*self.directory, name)?.map(|facts| facts.id))
    }

    /// Whether something is mounted on the name, which has these facts.
    pub(super) fn mounted(&self, facts: &Facts) -> Mounted {
        let of_name = mounts::mount_id(&*self.directory, &self.name);
        let differs = match (of_name, self.directory.mount_id()) {
            (Some(name), Some(directory)) => name != directory,
            // An older kernel: only a mount from another file system shows.
            _ => facts.id.dev != self.directory.facts.id.dev,
        };
        if differs { Mounted::Yes } else { Mounted::No }
    }

    /// Whether a name that `owner`'s file has may be given to another file by this user, as far
    /// as the directory's sticky bit goes (unlink(2), EPERM).
    pub(super) fn sticky_allows(&self, owner: u32) -> bool {
        const STICKY: u32 = 0o1000;
        let user = file::effective_uid();
        self.directory.facts.mode & STICKY == 0
            || file::is_superuser()
            || user == owner
            || user == self.directory.facts.uid
    }
}

/// The last component of a path as a name that can be made in its parent.
fn last_component(path: &Path) -> Option<&OsStr> {
    // `file_name` passes over a trailing slash, which says that a directory is meant.
    if names::ends_in_separator(path) { None } else { path.file_name() }
}
