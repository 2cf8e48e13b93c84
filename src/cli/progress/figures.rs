//! What is counted while copies run, without cost, from all of their threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::lock;
use super::scan::Scan;
use super::standing::{Part, Standing, Total};
use super::watched::Watched;
use crate::error::Result;
use crate::options::Flush;
use crate::report::{Done, Event};

/// What is looked at.
#[derive(Debug)]
pub(super) enum Figures {
    /// One file after the other.
    File(FileFigures),
    /// All trees of a run together: their events come from several files at once.
    Trees(TreeFigures),
    /// One mirror after the other.
    Watched(Watched),
}

impl Figures {
    pub(super) fn count(&self, event: Event) {
        match self {
            Self::File(file) => file.count(event),
            Self::Trees(trees) => trees.count(event),
            Self::Watched(watched) => watched.count(event),
        }
    }

    /// Nothing of mirrors that are told of by a line of their own.
    pub(super) fn standing(&self) -> Option<Standing> {
        match self {
            Self::File(file) => Some(file.standing()),
            Self::Trees(trees) => Some(trees.standing()),
            Self::Watched(_) => None,
        }
    }

    /// The line that SIGUSR1 asks for.
    pub(super) fn line(&self, label: &str) -> String {
        match self {
            Self::File(file) => file.standing().line(label),
            Self::Trees(trees) => trees.standing().line(label),
            Self::Watched(watched) => format!("mycp: {}\n", watched.line()),
        }
    }

    /// A number that grows when something begins to be counted, or is counted anew: until then
    /// there is nothing to draw, and then the drawing starts over.
    pub(super) fn edition(&self) -> u64 {
        match self {
            Self::File(file) => file.starts.load(Ordering::Relaxed),
            Self::Trees(trees) => trees.edition(),
            Self::Watched(watched) => watched.edition(),
        }
    }
}

/// What bytes of a copy are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// Those in the target, in memory at least.
    Copied,
    /// Those that have reached the disk.
    WrittenOut,
}

/// A length that is not known.
const UNKNOWN: u64 = u64::MAX;

/// The figures of the copy that runs.
#[derive(Debug)]
pub(super) struct FileFigures {
    counted: Counted,
    /// Bytes to copy, or [`UNKNOWN`].
    total: AtomicU64,
    done: AtomicU64,
    read_back: AtomicU64,
    /// Times that a copy was started, or started over.
    starts: AtomicU64,
    started: Mutex<Instant>,
}

impl FileFigures {
    pub(super) fn new(flush: Flush) -> Self {
        Self {
            counted: if flush == Flush::Sync { Counted::WrittenOut } else { Counted::Copied },
            total: AtomicU64::new(UNKNOWN),
            done: AtomicU64::new(0),
            read_back: AtomicU64::new(0),
            starts: AtomicU64::new(0),
            started: Mutex::new(Instant::now()),
        }
    }

    fn count(&self, event: Event) {
        match (event, self.counted) {
            (Event::Started { len }, _) => self.start(len),
            (Event::Copied { bytes }, Counted::Copied)
            | (Event::WrittenOut { bytes }, Counted::WrittenOut) => {
                self.done.fetch_add(bytes, Ordering::Relaxed);
            }
            (Event::ReadBack { bytes }, _) => {
                if self.read_back.fetch_add(bytes, Ordering::Relaxed) == 0 {
                    // Its speed is its own.
                    *lock(&self.started) = Instant::now();
                }
            }
            (Event::Copied { .. } | Event::WrittenOut { .. } | Event::Waiting, _) => {}
        }
    }

    fn start(&self, len: Option<u64>) {
        *lock(&self.started) = Instant::now();
        self.total.store(len.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.read_back.store(0, Ordering::Relaxed);
        self.starts.fetch_add(1, Ordering::Relaxed);
    }

    fn standing(&self) -> Standing {
        let total = match self.total.load(Ordering::Relaxed) {
            UNKNOWN => Total::Unknown,
            total => Total::Exactly(total),
        };
        let read_back = self.read_back.load(Ordering::Relaxed);
        let (counted, done) = match (read_back, self.counted) {
            (0, Counted::Copied) => ("copied", self.done.load(Ordering::Relaxed)),
            (0, Counted::WrittenOut) => ("on the disk", self.done.load(Ordering::Relaxed)),
            (read_back, _) => ("read back", read_back),
        };
        let elapsed = lock(&self.started).elapsed();
        Standing { counted, bytes: Part { done, total }, files: None, elapsed }
    }
}

/// The figures of all trees of a run.
#[derive(Debug)]
pub(super) struct TreeFigures {
    objects: AtomicU64,
    bytes: AtomicU64,
    started: Instant,
    pub(super) scan: Scan,
}

impl TreeFigures {
    pub(super) fn new(scan: Scan) -> Self {
        let (objects, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { objects, bytes, started: Instant::now(), scan }
    }

    fn count(&self, event: Event) {
        // What is written out or read back, and when, is said of each file, not of all.
        if let Event::Copied { bytes } = event {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Counts an object that has come to its end.
    pub(super) fn ended(&self, result: &Result<Done>) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        // No event says of which file it is, so that what was counted of one that was started over
        // can be taken off only now.
        if let Ok(Done::Copied(report)) = result
            && report.retries > 0
        {
            let twice = report.len.saturating_mul(u64::from(report.retries));
            let less = |bytes: u64| Some(bytes.saturating_sub(twice));
            self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok();
        }
    }

    fn standing(&self) -> Standing {
        let (objects, bytes) = self.scan.so_far();
        let part = |done: &AtomicU64, total| Part { done: done.load(Ordering::Relaxed), total };
        Standing {
            counted: "copied",
            bytes: part(&self.bytes, bytes),
            files: Some(part(&self.objects, objects)),
            elapsed: self.started.elapsed(),
        }
    }

    fn edition(&self) -> u64 {
        let begun = self.bytes.load(Ordering::Relaxed) + self.objects.load(Ordering::Relaxed) > 0;
        match (begun, self.scan.so_far().0) {
            (false, _) => 0,
            (true, Total::Unknown | Total::AtLeast(_)) => 1,
            (true, Total::Exactly(_)) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Cause, Error, Operation};
    use crate::report::{Report, Skip, Way};

    fn counted(flush: Flush, events: &[Event]) -> Standing {
        let figures = FileFigures::new(flush);
        events.iter().for_each(|event| figures.count(*event));
        figures.standing()
    }

    #[test]
    fn with_sync_only_what_has_reached_the_disk_is_counted() {
        let events = [
            Event::Started { len: Some(100) },
            Event::Copied { bytes: 50 },
            Event::WrittenOut { bytes: 20 },
        ];
        let standing = counted(Flush::None, &events);
        assert_eq!((standing.bytes.done, standing.counted), (50, "copied"));
        let standing = counted(Flush::Sync, &events);
        assert_eq!((standing.bytes.done, standing.counted), (20, "on the disk"));
    }

    #[test]
    fn a_copy_that_is_started_over_is_counted_from_zero() {
        let events = [
            Event::Started { len: Some(100) },
            Event::Copied { bytes: 90 },
            Event::Started { len: Some(80) },
            Event::Copied { bytes: 8 },
        ];
        let standing = counted(Flush::None, &events);
        assert_eq!(standing.bytes, Part { done: 8, total: Total::Exactly(80) });
    }

    #[test]
    fn reading_back_is_counted_by_itself() {
        let events = [
            Event::Started { len: Some(100) },
            Event::Copied { bytes: 100 },
            Event::ReadBack { bytes: 20 },
            Event::ReadBack { bytes: 10 },
        ];
        let standing = counted(Flush::None, &events);
        assert_eq!((standing.bytes.done, standing.counted), (30, "read back"));
    }

    fn of_trees() -> TreeFigures {
        TreeFigures::new(Scan::new(
            &crate::cli::request::tests::request(&["-r", "a", "b"]).unwrap(),
        ))
    }

    #[test]
    fn with_trees_each_object_counts_and_bytes_of_all_files_add_up() {
        let trees = of_trees();
        assert_eq!(trees.edition(), 0);
        for event in [
            Event::Started { len: Some(100) },
            Event::Copied { bytes: 90 },
            Event::Started { len: Some(80) },
            Event::Copied { bytes: 80 },
            Event::Copied { bytes: 10 },
        ] {
            trees.count(event);
        }
        let report = Report::new(&"a".into(), &"b".into(), Way::Created);
        trees.ended(&Ok(Done::Copied(report)));
        trees.ended(&Ok(Done::Skipped(Skip::Exists)));
        trees.ended(&Err(Error::new(Operation::Open, &"a".into(), Cause::Stopped)));
        let standing = trees.standing();
        assert_eq!(standing.bytes, Part { done: 180, total: Total::Unknown });
        assert_eq!(standing.files, Some(Part { done: 3, total: Total::Unknown }));
        assert_eq!(trees.edition(), 1);
    }

    #[test]
    fn a_file_that_was_started_over_takes_only_its_own_bytes_off() {
        let trees = of_trees();
        trees.count(Event::Copied { bytes: 1000 });
        let mut report = Report::new(&"a".into(), &"b".into(), Way::Created);
        (report.len, report.retries) = (100, 2);
        let copied = Ok(Done::Copied(report));
        trees.ended(&copied);
        assert_eq!(trees.standing().bytes.done, 800);
    }
}
