//! What the system tells of changes below a directory (inotify(7)).
//!
//! Each directory is watched by itself: one that is left out costs no watch, one that cannot be
//! read keeps no other from being watched, and what is new is watched before it is looked at, so
//! that nothing comes in between. Where one watch tells of all that is below
//! ([`names::WATCHED_AS_A_WHOLE`]) it is the only one.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Config, ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::options::{Quoted, Selection};
use crate::sync::lock;
use crate::sys::Errno;
use crate::sys::names::{self, Follow};
use crate::tree::{Parts, Told};

/// A batch is taken when nothing has been told for so long,
const QUIET: Duration = Duration::from_millis(100);
/// or when its first change was so long ago.
const BATCH_MAX: Duration = Duration::from_secs(2);
/// Names of a batch that are kept; with more the whole tree is looked at.
const NAMES_MAX: u64 = 200_000;

/// All directories below one, watched.
pub(super) struct Notices {
    watcher: RecommendedWatcher,
    source: PathBuf,
    root: PathBuf,
    selection: Selection,
    heard: Arc<Mutex<Heard>>,
}

/// What has been told and was not taken yet.
#[derive(Default)]
struct Heard {
    parts: Parts,
    /// When the first of it was told, and the last.
    times: Option<(Instant, Instant)>,
    is_lost: bool,
}

/// How it stands with what has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is nothing to take, or more to come.
    Quiet,
    /// There is a batch to take.
    Batch,
    /// Changes may not have been told, or where they were is not known.
    Lost,
}

impl Notices {
    /// Watches a directory and all that are below it.
    ///
    /// # Errors
    ///
    /// Those of the directory itself, and the limits of the system.
    pub(super) fn begin(source: &Path, selection: &Selection) -> Result<Self> {
        let cannot = || format!("cannot watch {}", Quoted(source));
        let root = std::path::absolute(source).with_context(cannot)?;
        let there = names::facts_of_path(&root, Follow::Yes).with_context(cannot)?;
        there.ok_or_else(|| io::Error::from(Errno::NOENT)).with_context(cannot)?;
        let heard = Arc::<Mutex<Heard>>::default();
        let (its, its_root, its_selection) = (Arc::clone(&heard), root.clone(), selection.clone());
        let take = move |told: notify::Result<Event>| {
            // Its own looks into the source are told, too, each of them.
            let is_look = told.as_ref().is_ok_and(|event| {
                let closes = EventKind::Access(AccessKind::Close(AccessMode::Write));
                event.kind.is_access() && event.kind != closes
            });
            if !is_look {
                lock(&its).take(told, (&its_root, &its_selection));
            }
        };
        let watcher = RecommendedWatcher::new(take, Config::default());
        let watcher = watcher.map_err(in_words).with_context(cannot)?;
        let (source, selection) = (source.to_owned(), selection.clone());
        let mut notices = Self { watcher, source, root, selection, heard };
        notices.watch(&notices.root.clone()).with_context(cannot)?;
        notices.watch_below(PathBuf::new())?;
        Ok(notices)
    }

    /// Takes what has been told up to now, and watches the new directories of it: what changes in
    /// them from now on will be told.
    ///
    /// # Errors
    ///
    /// The limits of the system.
    pub(super) fn gather(&mut self) -> Result<Parts> {
        // What was moved or deleted is watched no more, once that has been heard, and goes by its
        // path: it must not be heard after the path is watched again. Of several requests each is
        // answered in a round of its own, so that all that was told before the first is heard.
        for _ in 0..3 {
            self.watcher.configure(Config::default()).map_err(in_words)?;
        }
        let mut heard = lock(&self.heard);
        heard.times = None;
        let parts = std::mem::take(&mut heard.parts);
        drop(heard);
        for path in parts.new_ones() {
            let is_directory = self
                .root
                .join(&path)
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.file_type().is_dir());
            let is_one_more = !names::WATCHED_AS_A_WHOLE && self.selection.has_path(&path, true);
            if is_directory && is_one_more {
                self.watch(&self.root.join(&path)).or_else(unless_gone)?;
                self.watch_below(path)?;
            }
        }
        Ok(parts)
    }

    /// How it stands.
    pub(super) fn state(&self) -> State {
        let heard = lock(&self.heard);
        match heard.times {
            _ if heard.is_lost => State::Lost,
            Some((first, last)) if last.elapsed() >= QUIET || first.elapsed() >= BATCH_MAX => {
                State::Batch
            }
            _ => State::Quiet,
        }
    }

    /// Watches what is below a directory that is watched.
    fn watch_below(&mut self, directory: PathBuf) -> Result<()> {
        if names::WATCHED_AS_A_WHOLE {
            return Ok(());
        }
        let mut directories = vec![directory];
        while let Some(directory) = directories.pop() {
            // Read when it is watched: what is made in it later is told.
            let Ok(entries) = std::fs::read_dir(self.root.join(&directory)) else { continue };
            for entry in entries.flatten() {
                let below = directory.join(entry.file_name());
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_directory && self.selection.has_path(&below, true) {
                    self.watch(&self.root.join(&below)).or_else(unless_gone).with_context(
                        || format!("cannot watch {}", Quoted(&self.source.join(&below))),
                    )?;
                    directories.push(below);
                }
            }
        }
        Ok(())
    }

    fn watch(&mut self, path: &Path) -> Result<()> {
        let mode = match names::WATCHED_AS_A_WHOLE {
            true => RecursiveMode::Recursive,
            false => RecursiveMode::NonRecursive,
        };
        self.watcher.watch(path, mode).map_err(in_words)
    }
}

impl Heard {
    fn take(&mut self, told: notify::Result<Event>, (root, selection): (&Path, &Selection)) {
        match told {
            Ok(event) if !event.need_rescan() => {
                for path in &event.paths {
                    // The names of a limited number of directories begin so.
                    let Ok(path) = path.strip_prefix(root) else { continue };
                    if !is_left_out(path, selection) {
                        self.add(path, event.kind);
                    }
                }
            }
            _ => self.is_lost = true,
        }
        if self.parts.count() > NAMES_MAX {
            (self.is_lost, self.parts) = (true, Parts::default());
        }
    }

    fn add(&mut self, path: &Path, kind: EventKind) {
        let renames = matches!(kind, EventKind::Modify(ModifyKind::Name(_)));
        // It is not the one that is watched any more.
        self.is_lost |= path.as_os_str().is_empty() && (renames || kind.is_remove());
        if self.is_lost {
            return;
        }
        let told = if renames || kind.is_create() { Told::New } else { Told::Changed };
        self.parts.add(path, told);
        let now = Instant::now();
        let first = self.times.map_or(now, |(first, _)| first);
        self.times = Some((first, now));
    }
}

/// Whether a name, or a directory that it is in, is left out, whatever it is.
fn is_left_out(path: &Path, selection: &Selection) -> bool {
    let is_directory_out = |path: &Path| !selection.has_path(path, true);
    !selection.is_all()
        && path.as_os_str() != OsStr::new("")
        && (is_directory_out(path) && !selection.has_path(path, false)
            || path
                .ancestors()
                .skip(1)
                .any(|above| !above.as_os_str().is_empty() && is_directory_out(above)))
}

/// Nothing is lost where a directory is gone, or cannot be read: the mirror tells of it, if it is
/// to be told.
fn unless_gone(error: anyhow::Error) -> Result<()> {
    let system = error.downcast_ref::<io::Error>().and_then(Errno::from_io_error);
    match system {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP | Errno::NAMETOOLONG) => {
            Ok(())
        }
        _ => Err(error),
    }
}

/// The cause of an error, the limits of inotify by their names.
fn in_words(error: notify::Error) -> anyhow::Error {
    match error.kind {
        ErrorKind::MaxFilesWatch => {
            anyhow!("more directories than the limit fs.inotify.max_user_watches lets be watched")
        }
        ErrorKind::PathNotFound => io::Error::from(Errno::NOENT).into(),
        ErrorKind::Io(error) if Errno::from_io_error(&error) == Some(Errno::MFILE) => {
            anyhow!(error).context("the limit fs.inotify.max_user_instances may be reached")
        }
        ErrorKind::Io(error) => error.into(),
        kind => anyhow!("{:?}", kind),
    }
}
