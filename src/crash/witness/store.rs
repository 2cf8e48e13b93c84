//! The files of a run, and storing in them.
//!
//! Each mode has a file of its own, or a directory of its own. `fsync` flushes all of a file, and
//! the page cache writes out pages that lie beside each other together: in a file that the modes
//! share, the synced ones would bring to the disk what the others left in memory, and no control
//! would lose anything.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::crash::flush::{Stored, SyncMode};
use crate::sys::family::Family;
use crate::sys::handle::OwnedHandle;
use crate::sys::map::{Access, Mapping, cause_of_fault};
use crate::sys::names::{self, Follow, Spot};
use crate::sys::{Errno, file, flush};

use super::error::{Error, Result};
use super::event::{Layout, PAGES_MAX, RunId, Store};
use super::mode::Mode;
use super::page::{PAGE_BYTES, PAGE_LEN, PageBytes, Slot};

/// The file that tells which run a directory is of.
const RUN_FILE: &str = "run";

/// What stands before the run's id in it.
const RUN_LINE: &str = "mycp-crash run ";

/// How much is written at once to files that are new.
const BUFFER_BYTES: usize = 1 << 20;

/// Waits until a directory's entries are on the disk.
pub(super) fn flush_directory(path: &Path) -> Result<()> {
    let flushed = open_directory(path).and_then(flush::sync_all);
    flushed.map_err(Error::file("flush the directory", path))
}

fn open_directory(path: &Path) -> io::Result<OwnedHandle> {
    Spot::of_path(path).open_directory(Follow::Yes)
}

/// The directory or file of a mode.
pub(super) fn path_of(directory: &Path, mode: Mode) -> PathBuf {
    directory.join(mode.as_str())
}

/// The name of a page of a mode that makes names, at this generation.
pub(super) fn name_of(mode: Mode, page: u64, generation: u64) -> String {
    if mode.removes_the_previous() { format!("{page}-{generation}") } else { page.to_string() }
}

/// The run that was written to a directory.
pub(crate) fn run_of(directory: &Path) -> Result<RunId> {
    let path = directory.join(RUN_FILE);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NoRun(directory.to_owned()));
        }
        other => other.map_err(Error::file("read", &path))?,
    };
    let run = text.strip_prefix(RUN_LINE).and_then(|rest| rest.trim_end().parse().ok());
    let no_run = || io::Error::new(io::ErrorKind::InvalidData, "it names no run");
    run.ok_or_else(no_run).map_err(Error::file("use", &path))
}

/// A mode that this place has not, and why.
#[derive(Debug)]
pub(crate) struct Skipped {
    /// The mode.
    pub(crate) mode: Mode,
    /// What the system says.
    pub(crate) reason: io::Error,
}

/// Where one mode stores.
#[derive(Debug)]
enum Opened {
    Mapped { file: File, mapping: Mapping },
    Written(File),
    Direct(File),
    Names(OwnedHandle),
}

/// The files of a run.
#[derive(Debug)]
pub(crate) struct Storage {
    directory: PathBuf,
    layout: Layout,
    open: Vec<(Mode, Opened)>,
}

/// How many pages each of so many modes has in so much space.
pub(crate) fn pages_of(size_mib: u64, modes: usize) -> Result<u64> {
    let pages_of_a_mib = (1 << 20) / PAGE_LEN;
    let pages = size_mib.saturating_mul(pages_of_a_mib);
    let each = pages / u64::try_from(modes.max(1)).unwrap_or(u64::MAX);
    let fits = usize::try_from(each.saturating_mul(PAGE_LEN)).is_ok_and(|len| len < usize::MAX);
    if each == 0 || each > PAGES_MAX || !fits {
        return Err(Error::Size(size_mib));
    }
    Ok(each)
}

impl Storage {
    /// Makes the files of a run, and waits until they are on the disk. Modes that the file system
    /// does not have are left out.
    pub(crate) fn make(directory: &Path, layout: Layout) -> Result<(Self, Vec<Skipped>)> {
        make_empty(directory)?;
        let mut storage = Self { directory: directory.to_owned(), layout, open: Vec::new() };
        let mut skipped = Vec::new();
        for mode in storage.layout.modes.clone() {
            match storage.make_mode(mode)? {
                Ok(place) => storage.open.push((mode, place)),
                Err(reason) => skipped.push(Skipped { mode, reason }),
            }
        }
        storage.layout.modes = storage.open.iter().map(|(mode, _)| *mode).collect();
        let path = directory.join(RUN_FILE);
        let text = format!("{RUN_LINE}{}\n", storage.layout.run);
        let made = File::create_new(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        made.map_err(Error::file("make", &path))?;
        flush_directory(directory)?;
        Ok((storage, skipped))
    }

    /// What is stored, without the modes that were left out.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Makes the file or the directory of a mode; the inner error is of a mode that is not there.
    fn make_mode(&self, mode: Mode) -> Result<io::Result<Opened>> {
        if let Some(why) = mode.lacking(Family::running()) {
            return Ok(Err(io::Error::new(io::ErrorKind::Unsupported, why)));
        }
        let path = path_of(&self.directory, mode);
        if mode.makes_names() {
            return make_names(mode, &path);
        }
        let file = self.make_pages(mode, &path).map_err(Error::file("make", &path))?;
        let first = Store { mode, page: 0, generation: 0 };
        let page = self.page(first);
        match mode {
            Mode::InPlace(SyncMode::ODsync) => {
                let tried = file::to_write_through(&file).and_then(|file| {
                    flush::write_through(&file, offset_of(first), &page.0)?;
                    Ok(Opened::Written(file))
                });
                unless_refused(tried, &path)
            }
            Mode::Direct => {
                let tried = flush::open_direct(&path).and_then(|file| {
                    file::write_all_at(&file, &page.0, offset_of(first))?;
                    Ok(Opened::Direct(file))
                });
                unless_refused(tried, &path)
            }
            _ => {
                // `pages_of` has seen to it that this fits.
                let len = usize::try_from(self.layout.pages * PAGE_LEN).unwrap_or(usize::MAX);
                let mapping = Mapping::file(&file, 0, len, Access::ReadWrite)
                    .map_err(Error::file("map", &path))?;
                Ok(Ok(Opened::Mapped { file, mapping }))
            }
        }
    }

    /// Makes a file whose pages have blocks already, so that later only their bytes change.
    fn make_pages(&self, mode: Mode, path: &Path) -> io::Result<File> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, &file);
        for page in 0..self.layout.pages {
            writer.write_all(&self.page(Store { mode, page, generation: 0 }).0)?;
        }
        writer.flush()?;
        drop(writer);
        file.sync_all()?;
        Ok(file)
    }

    fn page(&self, store: Store) -> PageBytes {
        let mut page = PageBytes([0; PAGE_BYTES]);
        Slot::of(self.layout.run, store).fill(store.generation, &mut page.0);
        page
    }

    /// Stores one page, and syncs it as its mode does.
    pub(crate) fn store(&self, store: Store) -> Result<()> {
        let Store { mode, .. } = store;
        let path = path_of(&self.directory, mode);
        let Some((_, place)) = self.open.iter().find(|(open, _)| *open == mode) else {
            let error = io::Error::from(io::ErrorKind::Unsupported);
            return Err(Error::store(mode, "store in", &path)(error));
        };
        let page = self.page(store);
        match place {
            Opened::Mapped { file, mapping } => store_mapped(file, mapping, store, &page, &path),
            Opened::Written(file) => flush::write_through(file, offset_of(store), &page.0)
                .map_err(Error::store(mode, "write", &path)),
            Opened::Direct(file) => file::write_all_at(file, &page.0, offset_of(store))
                .map_err(Error::store(mode, "write", &path)),
            Opened::Names(directory) => store_name(directory, store, &page, &path),
        }
    }
}

/// Makes a directory, or takes an empty one.
fn make_empty(directory: &Path) -> Result<()> {
    match std::fs::create_dir(directory) {
        Ok(()) => {
            let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
            flush_directory(parent.unwrap_or(Path::new(".")))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut entries =
                std::fs::read_dir(directory).map_err(Error::file("read", directory))?;
            match entries.next() {
                None => Ok(()),
                Some(_) => Err(Error::NotEmpty(directory.to_owned())),
            }
        }
        Err(error) => Err(Error::file("make the directory", directory)(error)),
    }
}

/// Makes the directory of a mode, and flushes it as it will be flushed.
fn make_names(mode: Mode, path: &Path) -> Result<io::Result<Opened>> {
    std::fs::create_dir(path).map_err(Error::file("make the directory", path))?;
    let directory = open_directory(path).map_err(Error::file("open", path))?;
    let tried = mode.sync(Family::running()).flush_name(&directory);
    unless_refused(tried.map(|()| Opened::Names(directory)), path)
}

/// Sorts out the errors of a mode that a file system does not have.
fn unless_refused(tried: io::Result<Opened>, path: &Path) -> Result<io::Result<Opened>> {
    match tried {
        Err(error) if is_refusal(&error) => {
            // What is not used would only puzzle.
            let removed = match path.is_dir() {
                true => std::fs::remove_dir(path),
                false => std::fs::remove_file(path),
            };
            removed.map_err(Error::file("remove", path))?;
            Ok(Err(error))
        }
        other => Ok(Ok(other.map_err(Error::file("write", path))?)),
    }
}

/// Whether that is said of what a file system does not have.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
        || Errno::from_io_error(error) == Some(Errno::OPNOTSUPP)
}

/// Where its page is among those of its mode.
const fn offset_of(store: Store) -> u64 {
    store.page * PAGE_LEN
}

fn store_mapped(
    file: &File,
    mapping: &Mapping,
    store: Store,
    page: &PageBytes,
    path: &Path,
) -> Result<()> {
    let mode = store.mode;
    // The map was made for all of them.
    let at = usize::try_from(offset_of(store)).unwrap_or(usize::MAX);
    mapping.write_at(at, &page.0).map_err(|fault| {
        let cause = cause_of_fault(file, fault.at as u64, &fault);
        Error::store(mode, "store in the map of", path)(io::Error::other(cause))
    })?;
    let sync = mode.sync(Family::running());
    let flushed = sync.flush(&Stored { file, map: mapping, at, len: PAGE_BYTES });
    flushed.map_err(Error::store(mode, sync.as_str(), path))
}

fn store_name(directory: &OwnedHandle, store: Store, page: &PageBytes, path: &Path) -> Result<()> {
    let Store { mode, page: number, generation } = store;
    let final_name = name_of(mode, number, generation);
    let new_name = match mode {
        Mode::Rename => format!("{number}.new"),
        _ => final_name.clone(),
    };
    let new = path.join(&new_name);
    if mode.removes_the_previous() && generation > 1 {
        let previous = path.join(name_of(mode, number, generation - 1));
        std::fs::remove_file(&previous).map_err(Error::store(mode, "remove", &previous))?;
    }
    let made = File::create_new(&new).and_then(|mut file| {
        file.write_all(&page.0)?;
        file.sync_all()
    });
    made.map_err(Error::store(mode, "make", &new))?;
    if mode == Mode::Rename {
        let renamed = names::rename_at(directory, new_name.as_ref(), final_name.as_ref());
        renamed.map_err(Error::store(mode, "rename", &new))?;
    }
    mode.sync(Family::running()).flush_name(directory).map_err(Error::store(
        mode,
        "flush the directory",
        path,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(directory: &Path) -> Storage {
        let layout = Layout { run: RunId(5), pages: 3, modes: Mode::ALL.to_vec() };
        Storage::make(directory, layout).unwrap().0
    }

    #[test]
    fn every_mode_stores_where_it_is_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        let storage = made(directory.path());
        assert_eq!(run_of(directory.path()).unwrap(), RunId(5));
        let is_there = |mode: &Mode| mode.lacking(Family::running()).is_none();
        let expected: Vec<_> = Mode::ALL.into_iter().filter(is_there).collect();
        assert_eq!(storage.layout().modes, expected);
        for mode in storage.layout().modes.clone() {
            for generation in 1..3 {
                storage.store(Store { mode, page: 2, generation }).unwrap();
            }
            let path = path_of(directory.path(), mode);
            let (path, at) = match mode.makes_names() {
                true => (path.join(name_of(mode, 2, 2)), 0),
                false => (path, 2 * PAGE_BYTES),
            };
            let bytes = std::fs::read(path).unwrap();
            let expected = storage.page(Store { mode, page: 2, generation: 2 });
            assert!(bytes[at..] == expected.0, "{mode}");
        }
    }

    #[test]
    fn a_directory_with_something_in_it_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("mine"), "").unwrap();
        let layout = Layout { run: RunId(5), pages: 3, modes: vec![Mode::InPlace(SyncMode::None)] };
        assert!(matches!(Storage::make(directory.path(), layout), Err(Error::NotEmpty(_))));
        assert!(matches!(run_of(directory.path()), Err(Error::NoRun(_))));
        std::fs::write(directory.path().join(RUN_FILE), b"\xff\0").unwrap();
        assert!(matches!(run_of(directory.path()), Err(Error::File { .. })));
    }

    #[test]
    fn the_space_is_shared_among_the_modes() {
        assert_eq!(pages_of(1, 1).unwrap(), 256);
        assert_eq!(pages_of(64, 10).unwrap(), 1638);
        assert!(pages_of(0, 1).is_err());
        assert!(pages_of(1, 257).is_err());
        assert!(pages_of(u64::MAX, 1).is_err());
    }
}
