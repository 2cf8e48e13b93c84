//! How long the calls take that bring mapped bytes to the disk.
//!
//! A flush that is too fast to be true is evidence that something on the way does not do it. That
//! is all that times can show: a slow flush may lie as well.

mod doubts;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::Endpoint;
use crate::report::Flow;
use crate::sys::family::Family;
use crate::sys::handle::OwnedHandle;
use crate::sys::map::{Access, Mapping, cause_of_fault};
use crate::sys::names::{self, Follow, Spot};
use crate::sys::{file, flush, pages};

use super::flush::{Stored, SyncMode};
use super::place::{Place, explain};
use super::statistics::Statistics;

pub use doubts::Doubt;

/// How many pages are stored to for a call over many.
const PAGES: usize = 256;
/// How many pages there are for each of them, so that the device gets them one by one.
const SPREAD: usize = 16;

/// How to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeOptions {
    /// How often each call is made.
    pub rounds: u32,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self { rounds: 100 }
    }
}

/// What is stored before a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// One page.
    Page,
    /// A new file with one page.
    NewFile,
    /// 256 pages, of which no two are neighbours.
    Spread,
}

impl Extent {
    /// How many pages that are.
    #[must_use]
    pub const fn pages(self) -> usize {
        match self {
            Self::Page | Self::NewFile => 1,
            Self::Spread => PAGES,
        }
    }
}

/// The times of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// How it was flushed.
    pub mode: SyncMode,
    /// What was stored before.
    pub extent: Extent,
    /// How long it took, the stores included.
    pub times: Statistics,
}

/// What was measured in a directory.
#[derive(Debug)]
pub struct Probe {
    /// Where that is.
    pub place: Place,
    /// The times of all calls.
    pub measured: Vec<Measured>,
    /// The ways to flush that the system lacks, and why they are not measured.
    pub left_out: Vec<(SyncMode, &'static str)>,
    /// What makes them hard to believe.
    pub doubts: Vec<Doubt>,
}

/// A call, and what is stored before it.
type Case = (SyncMode, Extent);

/// Each call that is measured. One with `O_DSYNC` covers what it writes and nothing else, so that
/// there is none for many pages; of a directory only a new name is news; and `syncfs` would flush
/// what others have written.
const CASES: [Case; 14] = [
    (SyncMode::None, Extent::Page),
    (SyncMode::MsyncAsync, Extent::Page),
    (SyncMode::Msync, Extent::Page),
    (SyncMode::Fdatasync, Extent::Page),
    (SyncMode::Fsync, Extent::Page),
    (SyncMode::SyncFileRange, Extent::Page),
    (SyncMode::ODsync, Extent::Page),
    (SyncMode::FsyncDirectory, Extent::NewFile),
    (SyncMode::None, Extent::Spread),
    (SyncMode::MsyncAsync, Extent::Spread),
    (SyncMode::Msync, Extent::Spread),
    (SyncMode::Fdatasync, Extent::Spread),
    (SyncMode::Fsync, Extent::Spread),
    (SyncMode::SyncFileRange, Extent::Spread),
];

/// Measures how long each call takes in `directory`, and asks `go_on` between two of them.
///
/// The calls alternate from round to round, each round beginning with another, so that none has
/// the quiet moments. The file has 4096 pages and no name where there can be such a file, and else
/// `.mycp-probe-PROCESS-NUMBER` until it is closed; the case of a new file makes one more of these
/// names, and removes it at once.
///
/// # Errors
///
/// What the calls return; [`Cause::Stopped`] when `go_on` says so.
pub fn probe(
    directory: impl AsRef<Path>,
    options: &ProbeOptions,
    go_on: &mut dyn FnMut() -> Flow,
) -> Result<Probe> {
    let place = explain(&directory)?;
    let mut bench = Bench::new(directory.as_ref())?;
    let (cases, left_out) = cases(Family::running());
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); cases.len()];
    for round in 0..options.rounds.max(1) {
        for index in order_of(cases.len(), round) {
            let (mode, extent) = cases[index];
            if go_on() == Flow::Stop {
                return Err(Error::new(Operation::Flush, &bench.endpoint, Cause::Stopped));
            }
            times[index].push(bench.time(mode, extent)?);
        }
    }
    let measured: Vec<Measured> = cases
        .iter()
        .zip(&times)
        .filter_map(|((mode, extent), times)| {
            let times = Statistics::of(times)?;
            Some(Measured { mode: *mode, extent: *extent, times })
        })
        .collect();
    let doubts = doubts::doubts(&place, &measured);
    Ok(Probe { place, measured, left_out, doubts })
}

/// The cases that a family of systems has, and the ways to flush that it lacks.
fn cases(family: Family) -> (Vec<Case>, Vec<(SyncMode, &'static str)>) {
    let has = |(mode, _): &Case| mode.lacking(family).is_none();
    let lacks = |mode| CASES.iter().find(|case| case.0 == mode)?.0.lacking(family);
    let left_out = SyncMode::ALL.into_iter().filter_map(|mode| Some((mode, lacks(mode)?)));
    (CASES.into_iter().filter(has).collect(), left_out.collect())
}

/// The order of so many cases in a round: each round begins one further.
fn order_of(count: usize, round: u32) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round as usize) % count)
}

/// The file, mapped, and what else is needed to measure.
struct Bench {
    // Unmapped before the file is closed.
    mapping: Mapping,
    file: File,
    /// The same, to write through.
    through: File,
    directory: OwnedHandle,
    endpoint: Endpoint,
    /// The bytes that are stored, different each time, so that nothing below can find them equal.
    page: Vec<u8>,
    stores: u64,
    /// How many names were made.
    names: u32,
}

impl Bench {
    fn new(path: &Path) -> Result<Self> {
        let endpoint = Endpoint::from(path);
        let directory =
            Spot::of_path(path).open_listable(Follow::Yes).context(Operation::Open, &endpoint)?;
        let mut names = 0;
        let file = unnamed(names::unnamed_file(&directory), &directory, &mut names)
            .context(Operation::CreateIn, &endpoint)?;
        let page_bytes = pages::page_bytes();
        let len = PAGES * SPREAD * page_bytes;
        fill(&file, len, page_bytes).context(Operation::Write, &endpoint)?;
        // What is measured are stores to blocks that exist, as most are in the life of a file.
        flush::sync_all(&file).context(Operation::Flush, &endpoint)?;
        let mapping =
            Mapping::file(&file, 0, len, Access::ReadWrite).context(Operation::Map, &endpoint)?;
        let through = file::to_write_through(&file).context(Operation::Open, &endpoint)?;
        let page = vec![0; page_bytes];
        Ok(Self { mapping, file, through, directory, endpoint, page, stores: 0, names })
    }

    /// Makes the stores and the call, and returns how long that took.
    fn time(&mut self, mode: SyncMode, extent: Extent) -> Result<Duration> {
        self.stores += 1;
        self.page.fill(self.stores.to_le_bytes()[0]);
        self.page[..8].copy_from_slice(&self.stores.to_le_bytes());
        if extent == Extent::NewFile {
            return self.time_new_file(mode);
        }
        let started = Instant::now();
        if mode == SyncMode::ODsync {
            flush::write_through(&self.through, 0, &self.page)
                .context(Operation::Write, &self.endpoint)?;
        } else {
            self.store(extent)?;
            self.flush(mode, extent).context(Operation::Flush, &self.endpoint)?;
        }
        let elapsed = started.elapsed();
        if !mode.promises_data(Family::running()) {
            // Else the next call would have to do what this one did not.
            self.flush(SyncMode::Fsync, Extent::Spread)
                .context(Operation::Flush, &self.endpoint)?;
        }
        Ok(elapsed)
    }

    fn store(&self, extent: Extent) -> Result<()> {
        for page in 0..extent.pages() {
            let at = page * SPREAD * self.page.len();
            self.mapping.write_at(at, &self.page).map_err(|fault| {
                let cause = cause_of_fault(&self.file, at as u64, &fault);
                Error::new(Operation::Write, &self.endpoint, cause)
            })?;
        }
        Ok(())
    }

    fn flush(&self, mode: SyncMode, extent: Extent) -> io::Result<()> {
        let len = match extent {
            Extent::Page | Extent::NewFile => self.page.len(),
            Extent::Spread => self.mapping.len(),
        };
        mode.flush(&Stored { file: &self.file, map: &self.mapping, at: 0, len })
    }

    fn time_new_file(&mut self, mode: SyncMode) -> Result<Duration> {
        let started = Instant::now();
        let make = |name: &OsStr| names::create_new_at(&self.directory, name, 0o600);
        let (file, name) =
            named(make, &mut self.names).context(Operation::CreateIn, &self.endpoint)?;
        let flushed = file::write_all_at(&file, &self.page, 0)
            .and_then(|()| flush::sync_all(&file))
            .and_then(|()| mode.flush_name(&self.directory));
        let elapsed = started.elapsed();
        drop(file);
        // First, so that no error leaves it there.
        let removed = names::unlink_at(&self.directory, &name);
        flushed.context(Operation::Flush, &self.endpoint)?;
        removed.context(Operation::Remove, &self.endpoint)?;
        Ok(elapsed)
    }
}

/// Writes `len` bytes, none of them zero.
fn fill(file: &File, len: usize, page_bytes: usize) -> io::Result<()> {
    let block = vec![0x5a; page_bytes * SPREAD];
    let mut at = 0;
    while at < len {
        let part = block.len().min(len - at);
        file::write_all_at(file, &block[..part], at as u64)?;
        at += part;
    }
    Ok(())
}

/// The file without a name that was made, or one that is gone when it is closed, where there can
/// be no such file.
fn unnamed(made: io::Result<File>, directory: &OwnedHandle, names: &mut u32) -> io::Result<File> {
    made.or_else(|_| {
        let make = |name: &OsStr| names::create_temporary_at(directory, name);
        named(make, names).map(|(file, _)| file)
    })
}

/// A new file under a name that says whose it is.
fn named(
    make: impl Fn(&OsStr) -> io::Result<File>,
    names: &mut u32,
) -> io::Result<(File, OsString)> {
    const TRIES: u32 = 1000;
    for _ in 0..TRIES {
        // Of two runs in one directory each has its own.
        let name = OsString::from(format!(".mycp-probe-{}-{names}", std::process::id()));
        *names = names.wrapping_add(1);
        match make(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
            made => return Ok((made?, name)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn times_of(measured: &[Measured], mode: SyncMode, extent: Extent) -> Option<&Statistics> {
    let found = measured.iter().find(|one| one.mode == mode && one.extent == extent);
    found.map(|one| &one.times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
        let make = |name: &OsStr| names::create_new_at(&handle, name, 0o600);
        let (_, first) = named(make, &mut 0).unwrap();
        let (_, second) = named(make, &mut 0).unwrap();
        assert_ne!(first, second);
        assert!(first.to_str().unwrap().starts_with(".mycp-probe-"));
    }

    #[test]
    fn the_file_has_no_name_or_loses_it_when_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
        let unsupported = Err(io::ErrorKind::Unsupported.into());
        for made in [names::unnamed_file(&handle), unsupported] {
            let file = unnamed(made, &handle, &mut 0).unwrap();
            file::write_all_at(&file, b"x", 0).unwrap();
            let count = || std::fs::read_dir(directory.path()).unwrap().count();
            assert!(Family::running().has_windows_calls() || count() == 0);
            drop(file);
            assert_eq!(count(), 0);
        }
    }

    #[test]
    fn what_a_family_lacks_is_left_out_and_not_replaced() {
        let (all, none) = cases(Family::Linux);
        assert_eq!((all.as_slice(), none.len()), (&CASES[..], 0));
        let (some, left_out) = cases(Family::Windows);
        let modes: Vec<_> = left_out.iter().map(|(mode, _)| *mode).collect();
        assert_eq!(modes, [SyncMode::SyncFileRange, SyncMode::Fdatasync]);
        assert_eq!(some.len(), 10);
        assert!(some.iter().all(|case| !modes.contains(&case.0)));
        let (_, left_out) = cases(Family::Macos);
        let modes: Vec<_> = left_out.iter().map(|(mode, _)| *mode).collect();
        assert_eq!(modes, [SyncMode::SyncFileRange]);
    }

    #[test]
    fn each_case_comes_once_at_each_place_of_a_round() {
        let count = CASES.len();
        let rounds: Vec<Vec<_>> = (0..14).map(|round| order_of(count, round).collect()).collect();
        for place in 0..count {
            let mut at_place: Vec<_> = rounds.iter().map(|round| round[place]).collect();
            at_place.sort_unstable();
            assert_eq!(at_place, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_call_follows_stores_of_new_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(directory.path()).unwrap();
        let stride = SPREAD * bench.page.len();
        for (mode, extent) in cases(Family::running()).0 {
            if extent == Extent::NewFile {
                continue;
            }
            let read = |bench: &Bench| {
                let mut pages = vec![vec![0; bench.page.len()]; PAGES];
                for (index, page) in pages.iter_mut().enumerate() {
                    let at = (index * stride) as u64;
                    assert_eq!(file::read_at(&bench.file, at, page).unwrap(), page.len());
                }
                pages
            };
            let before = read(&bench);
            bench.time(mode, extent).unwrap();
            let after = read(&bench);
            let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
            assert_eq!(changed.count(), extent.pages(), "{mode} {extent:?}");
            assert_eq!(after[0], bench.page);
        }
    }

    #[test]
    fn a_probe_stops_when_it_is_told_to() {
        let directory = tempfile::tempdir().unwrap();
        let mut left = 20;
        let stopped = probe(directory.path(), &ProbeOptions { rounds: 1000 }, &mut || {
            left -= 1;
            if left == 0 { Flow::Stop } else { Flow::Continue }
        });
        assert!(matches!(stopped.unwrap_err().cause, Cause::Stopped));
        assert_eq!(left, 0);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
