//! What the project promises about its speed, with the figures of this machine.

use std::io::{self, Write};

use serde::Serialize;

use crate::args::Suite;
use crate::payload::Payload;
use crate::run::Place;
use crate::runner::{Entry, Measured, Sample};
use crate::{mirror_suite, segment_suite, statistics, suites, table, tree_suites};

/// One promise in one directory.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    suite: Suite,
    what: String,
    file_system: String,
    /// What was measured, in the unit of the limits; none when it could not be.
    figure: Option<f64>,
    /// More about the figure.
    detail: String,
    must: f64,
    aim: f64,
}

/// The limits of one promise.
#[derive(Clone, Copy)]
struct Limits {
    must: f64,
    aim: f64,
}

/// Every promise that applies to the file systems in `places`, and that one of `suites` measures.
pub(crate) fn shown(places: &[Place], suites: &[Suite]) -> Vec<Shown> {
    let mut all: Vec<Shown> = places.iter().flat_map(of_place).collect();
    all.retain(|shown| suites.contains(&shown.suite));
    all
}

fn of_place(place: &Place) -> Vec<Shown> {
    let shelf = Shelf { place };
    let mut all = of_files(&shelf);
    for suite in [Suite::Tree, Suite::Empty] {
        all.extend(shelf.trees(suite));
    }
    all.extend(shelf.mixed());
    all.extend(shelf.mirrors());
    all.extend(shelf.segments());
    all.push(shelf.tree_memory());
    all
}

fn of_files(shelf: &Shelf<'_>) -> Vec<Shown> {
    let mut all = Vec::new();
    if shelf.place.file_system.is_memory() {
        let limits = Limits { must: 0.90, aim: 0.60 };
        all.push(shelf.ratio(
            "new target, default engine / cp",
            Suite::Move,
            "",
            suites::MOVE,
            limits,
        ));
    } else {
        shelf.on_disk(&mut all);
    }
    all.push(shelf.small());
    all.push(shelf.memory());
    for name in [suites::MOVE, suites::MOVE_MAPPED] {
        all.push(shelf.linear(name));
    }
    all
}

/// What was copied in a group, and two of its competitors if it has both.
type Pair<'a> = (Payload, Option<(&'a Entry, &'a Entry)>);

/// The results of one directory.
struct Shelf<'a> {
    place: &'a Place,
}

impl Shelf<'_> {
    fn on_disk(&self, all: &mut Vec<Shown>) {
        let moving = Suite::Move;
        let limits = Limits { must: 0.75, aim: 0.55 };
        all.push(self.ratio("new target, default engine / cp", moving, "", suites::MOVE, limits));
        let (name, pair) = self.fastest(moving, "", suites::MOVE, &suites::MOVERS);
        let what = format!("new target, default engine / {name}");
        all.push(self.compared(moving, &what, pair, Limits { must: 0.90, aim: 0.65 }));
        let limits = Limits { must: 0.75, aim: 0.60 };
        let alone = suites::MAPPED_ALONE;
        all.push(self.ratio("new target, mmap / cp", moving, alone, suites::MOVE_MAPPED, limits));
        let limits = Limits { must: 1.0, aim: 0.85 };
        for (what, other) in
            [("flushed / dd conv=fsync", suites::DD_SYNC), ("flushed / cp, sync", suites::CP_SYNC)]
        {
            let pair = self.pair(Suite::Sync, "", suites::SYNC, Some(other));
            all.push(self.compared(Suite::Sync, what, pair, limits));
        }
        let limits = Limits { must: 0.8, aim: 0.6 };
        let verify = Suite::Verify;
        let what = "--verify=cache / cp, cmp";
        all.push(self.ratio(what, verify, "cache", suites::VERIFY_CACHE, limits));
        let what = "--verify / cp, sync, drop, cmp";
        all.push(self.ratio(what, verify, "medium", suites::VERIFY_MEDIUM, limits));
        self.delta(all);
    }

    fn segments(&self) -> Vec<Shown> {
        let suite = Suite::Segment;
        if self.group(suite, segment_suite::FROM_FILE).is_none() {
            return Vec::new();
        }
        let file = Limits { must: 1.0, aim: 0.7 };
        let segment = Limits { must: 1.3, aim: 1.0 };
        let (ours, from_file) = (segment_suite::SEGMENT, segment_suite::FROM_FILE);
        vec![
            self.ratio("file to segment / cp to /dev/shm", suite, from_file, ours, file),
            self.ratio(
                "segment to segment / memcpy",
                suite,
                segment_suite::FROM_SEGMENT,
                ours,
                segment,
            ),
        ]
    }

    fn delta(&self, all: &mut Vec<Shown>) {
        let near = Limits { must: 0.15, aim: 0.08 };
        let copy = Limits { must: 0.6, aim: 0.4 };
        let compare = Limits { must: 0.5, aim: 0.35 };
        let (nearly, equal) = (suites::NEARLY, suites::EQUAL);
        let mut rows = vec![(nearly, suites::DELTA_IN_PLACE, suites::RSYNC_IN_PLACE, near)];
        if self.place.file_system.clones {
            rows.push((nearly, suites::DELTA, suites::RSYNC, near));
            rows.push((nearly, suites::DELTA, suites::CP, copy));
        }
        rows.push((nearly, suites::DELTA_IN_PLACE, suites::CP, copy));
        rows.push((equal, suites::DELTA, suites::CMP, compare));
        for (variant, own, other, limits) in rows {
            let pair = self.pair(Suite::Delta, variant, own, Some(other));
            let what = format!("{variant}: {own} / {other}");
            all.push(self.compared(Suite::Delta, &what, pair, limits));
        }
    }

    /// The largest group that was measured of a suite.
    fn group(&self, suite: Suite, variant: &str) -> Option<&Measured> {
        let groups = self.place.groups.iter();
        groups
            .filter(|group| group.suite == suite && group.variant == variant)
            .filter(|group| group.skipped.is_none())
            .max_by_key(|group| group.payload.size())
    }

    /// The entry `own` and the entry `other`, or the baseline's.
    fn pair(
        &self,
        suite: Suite,
        variant: &str,
        own: &str,
        other: Option<&str>,
    ) -> Option<Pair<'_>> {
        let group = self.group(suite, variant)?;
        let other = other.unwrap_or(group.baseline);
        Some((group.payload, group.entry(own).zip(group.entry(other))))
    }

    fn ratio(&self, what: &str, suite: Suite, variant: &str, own: &str, limits: Limits) -> Shown {
        self.compared(suite, what, self.pair(suite, variant, own, None), limits)
    }

    fn compared(&self, suite: Suite, what: &str, pair: Option<Pair<'_>>, limits: Limits) -> Shown {
        let payload = pair.map_or_else(String::new, |(payload, _)| format!("{payload}: "));
        let both = pair.and_then(|(_, both)| both);
        let spread = both.and_then(|(own, other)| own.ratio(other));
        let least = both.and_then(|(own, other)| own.least_ratio(other));
        let reach = spread.zip(least).map_or_else(String::new, |(spread, least)| {
            let (from, to) = (spread.least, spread.greatest);
            format!("{from:.2}..{to:.2} in the rounds, {least:.2} of the least times")
        });
        let figure = spread.map(|spread| spread.median);
        self.line(suite, format!("{payload}{what}"), figure, reach, limits)
    }

    /// Against the fastest of `rivals` that did the same work.
    fn fastest(
        &self,
        suite: Suite,
        variant: &str,
        own: &str,
        rivals: &[&str],
    ) -> (String, Option<Pair<'_>>) {
        let group = self.group(suite, variant);
        let best = rivals
            .iter()
            .filter_map(|name| group?.entry(name))
            .filter(|entry| !entry.spoiled && entry.failure.is_none())
            .filter_map(|entry| Some((entry.spread(Sample::seconds)?.median, entry)))
            .min_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, entry)| entry.competitor.name.as_str());
        let name = best.unwrap_or("no rival");
        (format!("fastest ({name})"), self.pair(suite, variant, own, Some(name)))
    }

    fn trees(&self, suite: Suite) -> Vec<Shown> {
        let comes = tree_suites::AS_IT_COMES;
        let (name, pair) = self.fastest(suite, comes, tree_suites::PLAIN, &tree_suites::FAST);
        let what = format!("{} / {name}", tree_suites::PLAIN);
        let mut all = vec![self.compared(suite, &what, pair, Limits { must: 1.0, aim: 0.8 })];
        let (archive, archive_sync) = (tree_suites::ARCHIVE, tree_suites::ARCHIVE_SYNC);
        let flushed = match suite {
            Suite::Empty => tree_suites::EACH_FLUSHED,
            _ => tree_suites::FLUSHED,
        };
        for (variant, own, other, must, aim) in [
            (comes, archive, tree_suites::CP_ARCHIVE, 0.5, 0.3),
            (comes, archive, tree_suites::CPX, 0.8, 0.5),
            (comes, archive, tree_suites::CPZ, 1.4, 1.0),
            (flushed, archive_sync, tree_suites::RSYNC_SYNC, 0.3, 0.1),
        ] {
            let pair = self.pair(suite, variant, own, Some(other));
            let limits = Limits { must, aim };
            all.push(self.compared(suite, &format!("{own} / {other}"), pair, limits));
        }
        all
    }

    /// Once as it comes; once more without shared blocks, where that is something else.
    fn mixed(&self) -> Vec<Shown> {
        let limits = Limits { must: 1.05, aim: 0.9 };
        let line = |variant: &str, own: &str, parts: &str| {
            let pair = self.pair(Suite::Mixed, variant, own, Some(parts));
            self.compared(Suite::Mixed, &format!("{own} / its parts apart"), pair, limits)
        };
        let (plain, parts) = (tree_suites::PLAIN, tree_suites::PARTS);
        let mut all = vec![line(tree_suites::AS_IT_COMES, plain, parts)];
        if self.place.file_system.clones {
            let (plain, parts) = (tree_suites::PLAIN_MOVE, tree_suites::PARTS_MOVE);
            all.push(line(tree_suites::MOVING, plain, parts));
        }
        all
    }

    fn mirrors(&self) -> Vec<Shown> {
        let rows = [
            (mirror_suite::EQUAL, mirror_suite::MIRROR, mirror_suite::RSYNC, 0.2),
            (mirror_suite::CHANGED, mirror_suite::MIRROR, mirror_suite::RSYNC, 0.25),
            (
                mirror_suite::COMPARED,
                mirror_suite::MIRROR_CONTENT,
                mirror_suite::RSYNC_CONTENT,
                0.25,
            ),
        ];
        let line = |(variant, own, other, aim)| {
            let pair = self.pair(Suite::Mirror, variant, own, Some(other));
            let what = format!("{variant}: {own} / {other}");
            self.compared(Suite::Mirror, &what, pair, Limits { must: 0.5, aim })
        };
        rows.into_iter().map(line).collect()
    }

    fn tree_memory(&self) -> Shown {
        let groups = self.place.groups.iter().filter(|group| group.suite == Suite::Empty);
        let files = groups.clone().map(|group| group.payload.files()).max().unwrap_or(0);
        let mut peaks = Vec::new();
        let mut texts = Vec::new();
        for group in groups.filter(|group| group.payload.files() == files) {
            for entry in group.entries.iter().filter(|entry| entry.competitor.is_mycp) {
                if let Some(peak) = entry.peak() {
                    peaks.push(peak.mebibytes());
                    texts.push(format!("{} {:.1}", entry.competitor.name, peak.mebibytes()));
                }
            }
        }
        let greatest = peaks.into_iter().max_by(f64::total_cmp);
        let what = format!("peak resident memory with {files} files, MiB");
        let limits = Limits { must: 128.0, aim: 48.0 };
        self.line(Suite::Empty, what, greatest, texts.join(", "), limits)
    }

    fn small(&self) -> Shown {
        let limits = Limits { must: 1.5, aim: 1.0 };
        self.ratio("whole process / cp", Suite::Small, "", "mycp", limits)
    }

    fn memory(&self) -> Shown {
        let groups = self.place.groups.iter().filter(|group| group.suite == Suite::Memory);
        let mut peaks = Vec::new();
        let mut texts = Vec::new();
        for group in groups {
            for (name, engine) in [(suites::MOVE, "default"), (suites::MOVE_MAPPED, "mmap")] {
                if let Some(peak) = group.entry(name).and_then(Entry::peak) {
                    peaks.push(peak.mebibytes());
                    texts.push(format!("{} {engine} {:.1}", group.payload, peak.mebibytes()));
                }
            }
        }
        let greatest = peaks.into_iter().max_by(f64::total_cmp);
        let limits = Limits { must: 64.0, aim: 32.0 };
        let what = "peak resident memory, MiB".to_owned();
        self.line(Suite::Memory, what, greatest, texts.join(", "), limits)
    }

    fn linear(&self, name: &str) -> Shown {
        let groups = self.place.groups.iter().filter(|group| group.suite == Suite::Linear);
        let figures = table::per_gibibyte(groups, name);
        let values: Vec<f64> = figures.iter().map(|(_, seconds)| *seconds).collect();
        let percent = statistics::excess(&values).map(|part| part * 100.0);
        // One size is no line.
        let percent = percent.filter(|_| values.len() > 1);
        let texts: Vec<String> =
            figures.iter().map(|(size, one)| format!("{size}: {}", table::time(*one))).collect();
        let what = format!("seconds per GiB differ by, %: {name}");
        let limits = Limits { must: 25.0, aim: 10.0 };
        self.line(Suite::Linear, what, percent, texts.join(", "), limits)
    }

    fn line(
        &self,
        suite: Suite,
        what: String,
        figure: Option<f64>,
        detail: String,
        limits: Limits,
    ) -> Shown {
        Shown {
            suite,
            what,
            file_system: self.place.file_system.kind.clone(),
            figure,
            detail,
            must: limits.must,
            aim: limits.aim,
        }
    }
}

/// The table.
pub(crate) fn print(out: &mut impl Write, all: &[Shown]) -> io::Result<()> {
    writeln!(
        out,
        "\n## Promises\n\n| on | what | figure | must | aim | must met | aim met | detail |\n\
         | --- | --- | ---: | ---: | ---: | --- | --- | --- |"
    )?;
    for one in all {
        let met = |limit: f64| match one.figure {
            Some(figure) if figure <= limit => "yes",
            Some(_) => "no",
            None => "not measured",
        };
        let figure = one.figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"));
        writeln!(
            out,
            "| {} | {} | {figure} | {} | {} | {} | {} | {} |",
            one.file_system,
            one.what,
            one.must,
            one.aim,
            met(one.must),
            met(one.aim),
            one.detail,
        )?;
    }
    out.flush()
}
