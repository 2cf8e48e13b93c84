//! What differs between two outcomes of one case.

use std::collections::BTreeSet;
use std::fmt;

use super::case::{Case, Outcome, quoted};
use super::snapshot::Seen;
use super::world::Moment;

/// What of a name, or of the whole run, differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    /// Whether it is there.
    Presence,
    Kind,
    /// The bytes of a file, the text of a symbolic link.
    Content,
    Allocation,
    Mode,
    Owner,
    Group,
    /// Which names are one inode.
    Names,
    Links,
    Device,
    Accessed,
    Modified,
    /// Extended attributes, ACLs among them.
    Attributes,
    Status,
    /// What `-v` prints.
    Output,
    /// Whether anything is said on standard error.
    Errors,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Below the root; empty for the root and for what belongs to no name.
    pub(crate) path: Vec<u8>,
    pub(crate) field: Field,
    pub(crate) gnu: String,
    pub(crate) ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, field, gnu, ours } = self;
        write!(f, "{field:?} of {}: {gnu} with cp, {ours} with mycp", quoted(path))
    }
}

/// A time as a comparison sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    /// Set during the run, by the clock.
    Now,
    At(Moment),
}

impl Time {
    fn of(moment: Moment, outcome: &Outcome) -> Self {
        // Worlds have no times near the present, and the kernel's clock may lag behind.
        let (begin, end) = outcome.span;
        let now = begin.seconds - 1..=end.seconds + 1;
        if now.contains(&moment.seconds) { Self::Now } else { Self::At(moment) }
    }
}

/// All differences, in the order of names.
pub(crate) fn compare(case: &Case, gnu: &Outcome, ours: &Outcome) -> Vec<Difference> {
    let mut list = List { path: Vec::new(), differences: Vec::new() };
    list.add(Field::Status, &gnu.status, &ours.status);
    if gnu.status == "hangs" {
        // Killed at some moment.
        return list.differences;
    }
    let lines = |outcome: &Outcome| {
        outcome.output.iter().map(|line| quoted(line)).collect::<Vec<_>>().join(" ")
    };
    list.add(Field::Output, &lines(gnu), &lines(ours));
    if gnu.errors.is_empty() != ours.errors.is_empty() {
        list.add(Field::Errors, &gnu.errors, &ours.errors);
    }
    let paths: BTreeSet<_> = gnu.snapshot.keys().chain(ours.snapshot.keys()).collect();
    for path in paths {
        list.path.clone_from(path);
        match (gnu.snapshot.get(path), ours.snapshot.get(path)) {
            (Some(theirs), Some(mine)) => {
                list.compare_seen(theirs, mine);
                list.compare_times(case, (gnu, theirs), (ours, mine));
            }
            (theirs, mine) => {
                let kind = |seen: Option<&Seen>| seen.map_or("nothing", |seen| seen.kind);
                list.add(Field::Presence, kind(theirs), kind(mine));
            }
        }
    }
    list.differences
}

struct List {
    path: Vec<u8>,
    differences: Vec<Difference>,
}

impl List {
    fn add(&mut self, field: Field, gnu: &str, ours: &str) {
        if gnu != ours {
            let (path, gnu, ours) = (self.path.clone(), gnu.to_owned(), ours.to_owned());
            self.differences.push(Difference { path, field, gnu, ours });
        }
    }

    fn compare_seen(&mut self, theirs: &Seen, mine: &Seen) {
        if theirs.kind != mine.kind {
            return self.add(Field::Kind, theirs.kind, mine.kind);
        }
        let mut add = |field, text: fn(&Seen) -> String| {
            self.add(field, &text(theirs), &text(mine));
        };
        add(Field::Mode, |seen| format!("{:04o}", seen.mode));
        add(Field::Owner, |seen| seen.owner.to_string());
        add(Field::Group, |seen| seen.group.to_string());
        add(Field::Links, |seen| seen.links.to_string());
        add(Field::Names, |seen| quoted(&seen.first_name));
        add(Field::Device, |seen| format!("{:#x}", seen.device));
        add(Field::Allocation, |seen| format!("{:?}", seen.allocation));
        add(Field::Attributes, |seen| {
            let shown = |(name, value): (&String, &Vec<u8>)| {
                let value: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{name}={value}")
            };
            seen.attributes.iter().map(shown).collect::<Vec<_>>().join(" ")
        });
        if theirs.content != mine.content {
            let start = |seen: &Seen| {
                let start = quoted(&seen.content[..seen.content.len().min(20)]);
                format!("{} bytes that begin with {start}", seen.content.len())
            };
            let common = theirs.content.iter().zip(&mine.content);
            let common = common.take_while(|(left, right)| left == right).count();
            let ours = format!("from byte {common} on {}", start(mine));
            self.add(Field::Content, &start(theirs), &ours);
        }
    }

    fn compare_times(
        &mut self,
        case: &Case,
        (gnu, theirs): (&Outcome, &Seen),
        (ours, mine): (&Outcome, &Seen),
    ) {
        let shown = |time: Time| match time {
            Time::Now => "now".to_owned(),
            Time::At(Moment { seconds, nanoseconds }) => format!("{seconds}.{nanoseconds:09}"),
        };
        let modified = [Time::of(theirs.modified, gnu), Time::of(mine.modified, ours)];
        self.add(Field::Modified, &shown(modified[0]), &shown(modified[1]));
        let accessed = [Time::of(theirs.accessed, gnu), Time::of(mine.accessed, ours)];
        // What was there before may have been read, which is nobody's business, and its time of
        // access goes with a file that is replaced.
        let mut was = case.world.inode(&self.path).map(|entry| Time::At(entry.accessed));
        if self.path.is_empty() {
            was = Some(Time::At(super::world::LONG_AGO));
        }
        let harmless = |time: &Time| *time == Time::Now || Some(*time) == was;
        if was.is_none() || !accessed.iter().all(harmless) {
            self.add(Field::Accessed, &shown(accessed[0]), &shown(accessed[1]));
        }
    }
}
