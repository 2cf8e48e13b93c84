//! A record in a file: what the disk was asked to do, and behind it the bytes.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::crash::simulated::image::Image;
use crate::crash::simulated::record::{Change, Entry, Event, Moment, Record};
use crate::crash::simulated::system::FileSystem;
use crate::units::ByteRange;

/// A record but for its bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outline {
    /// The length of the disk.
    base: u64,
    entries: Vec<Line>,
    clock: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    event: Kind,
    issued: Moment,
    completed: Moment,
    done: Duration,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Write { offset: u64, len: u64 },
    Zero { start: u64, end: u64 },
    Flush,
    Mark,
}

/// The most changes that may be pending at all crash points together: each is in memory as long as
/// states are chosen.
const PENDING_MAX: usize = 1 << 24;

impl Outline {
    pub(super) fn of(record: &Record) -> Self {
        let entries = record.entries.iter().map(Line::of).collect();
        Self { base: record.base.len(), entries, clock: record.clock }
    }

    /// The record, whose bytes come from `from`. All that it says is checked, and no memory is
    /// taken for bytes that are not there.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn read(self, from: &mut &[u8], honest: bool) -> Result<Record, String> {
        let disk_max = FileSystem::ALL.into_iter().map(FileSystem::len).max().unwrap_or(0);
        if self.base > disk_max {
            return Err(format!("a disk of {} bytes is too large", self.base));
        }
        let mut base = Image::zeros(self.base);
        base.read_bytes(from).map_err(|error| format!("its pages cannot be read: {error}"))?;
        let mut record = Record { base, entries: Vec::new(), clock: 0, begun: Instant::now() };
        for line in self.entries {
            let entry = line.read(&record, from)?;
            record.clock = entry.completed.saturating_add(1);
            record.entries.push(entry);
        }
        if self.clock < record.clock {
            return Err("its clock ends too early".to_owned());
        }
        record.clock = self.clock;
        let pending = record.pending_counts(honest).fold(0, usize::saturating_add);
        match pending {
            0..=PENDING_MAX => Ok(record),
            _ => Err(format!("{pending} pending changes are too many")),
        }
    }
}

/// Writes what an [`Outline`] leaves out.
pub(super) fn write_bytes(record: &Record, into: &mut impl Write) -> io::Result<()> {
    record.base.write_bytes(into)?;
    for entry in &record.entries {
        if let Event::Change(Change::Write { data, .. }) = &entry.event {
            into.write_all(data)?;
        }
    }
    Ok(())
}

impl Line {
    fn of(entry: &Entry) -> Self {
        let event = match &entry.event {
            Event::Change(Change::Write { offset, data }) => {
                Kind::Write { offset: *offset, len: data.len() as u64 }
            }
            Event::Change(Change::Zero(range)) => {
                Kind::Zero { start: range.start(), end: range.end() }
            }
            Event::Flush => Kind::Flush,
            Event::Mark => Kind::Mark,
        };
        let Entry { issued, completed, done, .. } = *entry;
        Self { event, issued, completed, done }
    }

    /// The next entry of a record.
    fn read(self, record: &Record, from: &mut &[u8]) -> Result<Entry, String> {
        let Self { event, issued, completed, done } = self;
        // One that has the last number of all would have no moment behind it.
        if issued >= completed || completed < record.clock || completed == Moment::MAX {
            return Err(format!("what is done at {completed}, begun at {issued}, is out of order"));
        }
        if record.begun.checked_add(done).is_none() {
            return Err(format!("{done:?} is no time"));
        }
        let event = match event {
            Kind::Write { offset, len } => {
                on_disk(record, offset, offset.checked_add(len))?;
                let missing =
                    || format!("the {len} bytes that are written at {offset} are missing");
                let len = usize::try_from(len).map_err(|_| missing())?;
                let (data, rest) = from.split_at_checked(len).ok_or_else(missing)?;
                *from = rest;
                Event::Change(Change::Write { offset, data: data.into() })
            }
            Kind::Zero { start, end } => {
                Event::Change(Change::Zero(on_disk(record, start, Some(end))?))
            }
            Kind::Flush => Event::Flush,
            Kind::Mark => Event::Mark,
        };
        Ok(Entry { event, issued, completed, done })
    }
}

/// A range that has bytes, all of them on the disk.
fn on_disk(record: &Record, start: u64, end: Option<u64>) -> Result<ByteRange, String> {
    match end {
        Some(end) if start < end && end <= record.base.len() => Ok(ByteRange::between(start, end)),
        _ => Err(format!("a change that begins at {start} of the disk does not end on it")),
    }
}
