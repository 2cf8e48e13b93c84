//! What a disk was asked to do, and which of it a crash may take back.
//!
//! The model is that of Linux' dm-log-writes (Documentation/admin-guide/device-mapper/
//! log-writes.rst) with reordering: a write is durable when it had completed before a flush was
//! issued that has completed. Any subset of the other writes may have reached the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::crash::sector::SECTOR_BYTES;
use crate::crash::simulated::image::Image;
use crate::units::ByteRange;

/// Bytes that a disk writes whole or not at all.
pub const SECTOR: u64 = SECTOR_BYTES as u64;

/// A change of the disk's content.
#[derive(Clone, Debug)]
pub enum Change {
    /// Bytes are stored.
    Write {
        /// Where the first one goes.
        offset: u64,
        /// The bytes.
        data: Arc<[u8]>,
    },
    /// A range becomes zero.
    Zero(ByteRange),
}

impl Change {
    /// The bytes that change.
    #[must_use]
    pub fn range(&self) -> ByteRange {
        match self {
            Self::Write { offset, data } => {
                ByteRange::between(*offset, offset.saturating_add(data.len() as u64))
            }
            Self::Zero(range) => *range,
        }
    }

    /// Makes the change.
    pub fn apply(&self, image: &mut Image) {
        self.apply_part(image, self.range());
    }

    /// Makes the part of the change that is in `part`.
    pub fn apply_part(&self, image: &mut Image, part: ByteRange) {
        let part = self.range().intersection(part);
        match self {
            Self::Write { offset, data } => {
                let from = usize::try_from(part.start() - offset).unwrap_or(usize::MAX);
                let to = usize::try_from(part.end() - offset).unwrap_or(usize::MAX);
                if let Some(data) = data.get(from..to) {
                    image.write(part.start(), data);
                }
            }
            Self::Zero(_) => image.zero(part),
        }
    }
}

/// What happened to the disk.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Change(Change),
    Flush,
    /// Somebody was told something; which is for whoever made the mark to know.
    Mark,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) event: Event,
    /// When it was begun and when it was done, by a clock that ticks at both.
    pub(super) issued: Moment,
    pub(super) completed: Moment,
    /// When it was done, since the record was begun.
    pub(super) done: Duration,
}

/// A moment of a record, by its clock: after what has a smaller number.
pub type Moment = u64;

/// All that a disk was asked to do since a moment, in the order in which it was done.
#[derive(Clone, Debug)]
pub struct Record {
    pub(super) base: Image,
    /// In the order in which they were done.
    pub(super) entries: Vec<Entry>,
    pub(super) clock: Moment,
    /// Means nothing in another process.
    pub(super) begun: Instant,
}

impl Record {
    /// Begins with what the disk holds.
    #[must_use]
    pub fn new(base: Image) -> Self {
        Self { base, entries: Vec::new(), clock: 0, begun: Instant::now() }
    }

    /// The length of the disk.
    pub(crate) fn disk_len(&self) -> u64 {
        self.base.len()
    }

    /// The clock, which goes on by that: something is begun.
    pub fn issue(&mut self) -> Moment {
        self.clock += 1;
        self.clock - 1
    }

    /// Notes a change that is done and was begun at `issued`.
    pub fn change(&mut self, change: Change, issued: Moment) {
        self.push(Event::Change(change), issued);
    }

    /// Notes a flush that is done and was begun at `issued`.
    pub fn flush(&mut self, issued: Moment) {
        self.push(Event::Flush, issued);
    }

    /// Notes that somebody was told something, and when: a crash at that moment or later comes
    /// after it.
    pub fn mark(&mut self) -> Moment {
        let issued = self.issue();
        self.push(Event::Mark, issued);
        self.end()
    }

    fn push(&mut self, event: Event, issued: Moment) {
        let completed = self.issue();
        self.entries.push(Entry { event, issued, completed, done: self.begun.elapsed() });
    }

    /// The moment after everything.
    #[must_use]
    pub fn end(&self) -> Moment {
        self.clock
    }

    /// The moment after all that was done until then.
    #[must_use]
    pub fn moment_at(&self, until: Instant) -> Moment {
        let count = self.entries.partition_point(|entry| self.begun + entry.done <= until);
        count.checked_sub(1).map_or(0, |last| self.entries[last].completed + 1)
    }

    /// When the last thing before a moment was done; `None` where nothing was.
    #[must_use]
    pub fn time_of(&self, at: Moment) -> Option<Instant> {
        let before = self.entries.iter().take_while(|entry| entry.completed < at);
        before.last().map(|entry| self.begun + entry.done)
    }

    /// How many changes and flushes there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let count = |is: fn(&Event) -> bool| self.entries.iter().filter(|it| is(&it.event)).count();
        (count(|it| matches!(it, Event::Change(_))), count(|it| matches!(it, Event::Flush)))
    }

    /// How many marks were made before a moment.
    #[must_use]
    pub fn marks_before(&self, at: Moment) -> usize {
        let is_mark = |entry: &&Entry| matches!(entry.event, Event::Mark) && entry.completed < at;
        self.entries.iter().filter(is_mark).count()
    }

    /// The moments at which a crash can take most: before each flush has completed, after each
    /// mark, and at the end. In order, each once.
    #[must_use]
    pub fn crash_points(&self) -> Vec<Moment> {
        let mut points: Vec<_> = self
            .entries
            .iter()
            .filter_map(|entry| match entry.event {
                Event::Flush => Some(entry.completed),
                Event::Mark => Some(entry.completed + 1),
                Event::Change(_) => None,
            })
            .chain([self.end()])
            .collect();
        points.sort_unstable();
        points.dedup();
        points
    }

    /// The binary logarithm of the number of states that the model allows, those left aside that
    /// tear a change: of n pending changes there are 2^n subsets.
    #[must_use]
    pub fn legal_log2(&self, honest: bool) -> f64 {
        let counts: Vec<_> = self.pending_counts(honest).map(|count| count as f64).collect();
        // The greatest is left out of the powers, which would not end otherwise.
        let most = counts.iter().copied().fold(0.0, f64::max);
        most + counts.iter().map(|count| (count - most).exp2()).sum::<f64>().log2()
    }

    /// How many changes are pending at each crash point.
    pub(super) fn pending_counts(&self, honest: bool) -> impl Iterator<Item = usize> {
        let is_change = |entry: &&Entry| matches!(entry.event, Event::Change(_));
        let changes = || self.entries.iter().filter(is_change);
        let completed: Vec<_> = changes().map(|entry| entry.completed).collect();
        let mut issued: Vec<_> = changes().map(|entry| entry.issued).collect();
        issued.sort_unstable();
        self.durable_until(honest).into_iter().map(move |(at, until)| {
            let begun = issued.partition_point(|issued| *issued < at);
            begun - completed.partition_point(|completed| *completed < until)
        })
    }

    /// The crash points, and for each the moment before which what had completed is durable.
    fn durable_until(&self, honest: bool) -> Vec<(Moment, Moment)> {
        let is_flush = |entry: &&Entry| honest && matches!(entry.event, Event::Flush);
        let mut flushes = self.entries.iter().filter(is_flush).peekable();
        let mut until = 0;
        let points = self.crash_points().into_iter().map(|at| {
            while let Some(flush) = flushes.next_if(|flush| flush.completed < at) {
                until = until.max(flush.issued);
            }
            (at, until)
        });
        points.collect()
    }

    /// What there is at a crash at each crash point. With `honest` false flushes do nothing, as on
    /// a disk that lies.
    #[must_use]
    pub fn crashes(&self, honest: bool) -> Vec<(Moment, Crash)> {
        let mut durable = self.base.clone();
        let mut rest = self.entries.as_slice();
        let mut crashes = Vec::new();
        for (at, until) in self.durable_until(honest) {
            let (done, pending) = rest.split_at(rest.partition_point(|it| it.completed < until));
            done.iter().filter_map(Entry::change).for_each(|change| change.apply(&mut durable));
            rest = pending;
            let pending = pending.iter().filter(|entry| entry.issued < at);
            let pending = pending.filter_map(Entry::change).cloned().collect();
            crashes.push((at, Crash { durable: durable.clone(), pending }));
        }
        crashes
    }

    /// What there is at a crash at any moment.
    #[must_use]
    pub fn crash(&self, at: Moment, honest: bool) -> Crash {
        let flushed = self
            .entries
            .iter()
            .filter(|entry| honest && matches!(entry.event, Event::Flush) && entry.completed < at)
            .map(|entry| entry.issued)
            .max();
        let mut durable = self.base.clone();
        let mut pending = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.issued < at) {
            let Event::Change(change) = &entry.event else { continue };
            if flushed.is_some_and(|flushed| entry.completed < flushed) {
                change.apply(&mut durable);
            } else {
                pending.push(change.clone());
            }
        }
        Crash { durable, pending }
    }
}

impl Entry {
    fn change(&self) -> Option<&Change> {
        match &self.event {
            Event::Change(change) => Some(change),
            Event::Flush | Event::Mark => None,
        }
    }
}

/// What a disk holds for certain at a crash, and what it may hold besides.
#[derive(Clone, Debug)]
pub struct Crash {
    /// What no crash takes.
    pub durable: Image,
    /// What may have arrived or not, in the order in which it was done.
    pub pending: Vec<Change>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(record: &mut Record, offset: u64, byte: u8) {
        let issued = record.issue();
        record.change(Change::Write { offset, data: [byte; 4].as_slice().into() }, issued);
    }

    fn first(image: &Image) -> u8 {
        let mut byte = [0];
        image.read(0, &mut byte);
        byte[0]
    }

    #[test]
    fn what_was_flushed_is_durable_and_the_rest_is_pending() {
        let mut record = Record::new(Image::zeros(1 << 16));
        write(&mut record, 0, 1);
        let flush = record.issue();
        record.flush(flush);
        let told = record.mark();
        write(&mut record, 0, 2);
        let crash = record.crash(told, true);
        assert_eq!((first(&crash.durable), crash.pending.len()), (1, 0));
        let crash = record.crash(record.end(), true);
        assert_eq!((first(&crash.durable), crash.pending.len()), (1, 1));
        let crash = record.crash(record.end(), false);
        assert_eq!((first(&crash.durable), crash.pending.len()), (0, 2));
        // Before the flush has completed nothing is certain.
        let points = record.crash_points();
        let crash = record.crash(points[0], true);
        assert_eq!((first(&crash.durable), crash.pending.len()), (0, 1));
        assert_eq!(points.len(), 3);
    }

    #[test]
    fn all_crash_points_at_once_are_as_each_alone() {
        let mut record = Record::new(Image::zeros(1 << 16));
        let late = record.issue();
        for byte in 1..6 {
            write(&mut record, u64::from(byte), byte);
            let flush = record.issue();
            write(&mut record, 512, byte);
            record.flush(flush);
            record.mark();
        }
        record.change(Change::Zero(ByteRange::first(512)), late);
        for honest in [true, false] {
            let crashes = record.crashes(honest);
            let counts: Vec<_> = crashes.iter().map(|(_, crash)| crash.pending.len()).collect();
            assert_eq!(record.pending_counts(honest).collect::<Vec<_>>(), counts);
            let points: Vec<_> = crashes.iter().map(|(at, _)| *at).collect();
            assert_eq!(points, record.crash_points());
            for (at, crash) in crashes {
                let alone = record.crash(at, honest);
                assert_eq!(crash.durable.digest(), alone.durable.digest());
                let ranges =
                    |crash: &Crash| -> Vec<_> { crash.pending.iter().map(Change::range).collect() };
                assert_eq!(ranges(&crash), ranges(&alone));
            }
        }
    }

    #[test]
    fn the_number_of_legal_states_may_be_larger_than_any_number() {
        let mut record = Record::new(Image::zeros(1 << 16));
        assert!(record.legal_log2(true).abs() < 1e-9);
        (0..2000).for_each(|_| write(&mut record, 0, 1));
        assert!((record.legal_log2(true) - 2000.0).abs() < 1e-9);
        record.mark();
        write(&mut record, 0, 1);
        assert!((record.legal_log2(true) - (2001.0 + 1.5_f64.log2())).abs() < 1e-9);
    }

    #[test]
    fn a_time_leads_to_the_moment_after_what_was_done_until_then() {
        let before = Instant::now();
        let mut record = Record::new(Image::zeros(1 << 16));
        write(&mut record, 0, 1);
        let first = record.mark();
        let between = Instant::now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        write(&mut record, 0, 2);
        assert_eq!(record.moment_at(before), 0);
        assert_eq!(record.moment_at(between), first);
        assert_eq!(record.moment_at(Instant::now()), record.end());
        assert_eq!(record.time_of(0), None);
        assert!(record.time_of(first).is_some_and(|time| before <= time && time <= between));
        assert!(record.time_of(record.end()).is_some_and(|time| time > between));
    }

    /// As in the documentation of dm-log-writes.
    #[test]
    fn a_flush_counts_for_what_had_completed_when_it_was_issued() {
        let mut record = Record::new(Image::zeros(1 << 16));
        let (first, second, third) = (record.issue(), record.issue(), record.issue());
        let change = |offset| Change::Write { offset, data: [1].as_slice().into() };
        record.change(change(3), third);
        record.change(change(2), second);
        let flush = record.issue();
        record.change(change(1), first);
        record.flush(flush);
        let crash = record.crash(record.end(), true);
        let pending: Vec<_> = crash.pending.iter().map(|change| change.range().start()).collect();
        assert_eq!(pending, [1]);
    }

    #[test]
    fn a_part_of_a_change_leaves_the_rest() {
        let mut image = Image::zeros(1 << 16);
        let change = Change::Write { offset: 512, data: vec![7; 1024].into() };
        change.apply_part(&mut image, ByteRange::between(1024, 5000));
        let mut bytes = [0; 2048];
        image.read(0, &mut bytes);
        assert!(bytes[..1024].iter().all(|byte| *byte == 0));
        assert!(bytes[1024..1536].iter().all(|byte| *byte == 7));
        assert!(bytes[1536..].iter().all(|byte| *byte == 0));
    }
}
