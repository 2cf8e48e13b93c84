//! What the project promises about its speed, with the figures of this machine.

use std::io::{self, Write};

use serde::Serialize;

use crate::args::{Size, Suite};
use crate::run::Place;
use crate::runner::{Entry, Measured, Sample};
use crate::{statistics, suites, table};

/// One promise in one directory.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
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

/// Every promise that applies to the file systems in `places`.
pub(crate) fn shown(places: &[Place]) -> Vec<Shown> {
    places.iter().flat_map(of_place).collect()
}

fn of_place(place: &Place) -> Vec<Shown> {
    let shelf = Shelf { place };
    let mut all = Vec::new();
    if place.file_system.is_memory() {
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

/// The results of one directory.
struct Shelf<'a> {
    place: &'a Place,
}

impl Shelf<'_> {
    fn on_disk(&self, all: &mut Vec<Shown>) {
        let moving = Suite::Move;
        let limits = Limits { must: 0.75, aim: 0.55 };
        all.push(self.ratio("new target, default engine / cp", moving, "", suites::MOVE, limits));
        all.push(self.fastest(Limits { must: 0.90, aim: 0.65 }));
        let limits = Limits { must: 0.75, aim: 0.60 };
        let alone = suites::MAPPED_ALONE;
        all.push(self.ratio("new target, mmap / cp", moving, alone, suites::MOVE_MAPPED, limits));
        let limits = Limits { must: 1.0, aim: 0.85 };
        for (what, other) in
            [("flushed / dd conv=fsync", suites::DD_SYNC), ("flushed / cp, sync", suites::CP_SYNC)]
        {
            let pair = self.pair(Suite::Sync, "", suites::SYNC, Some(other));
            all.push(self.compared(what, pair, limits));
        }
        let limits = Limits { must: 0.8, aim: 0.6 };
        let verify = Suite::Verify;
        let what = "--verify=cache / cp, cmp";
        all.push(self.ratio(what, verify, "cache", suites::VERIFY_CACHE, limits));
        let what = "--verify / cp, sync, drop, cmp";
        all.push(self.ratio(what, verify, "medium", suites::VERIFY_MEDIUM, limits));
    }

    /// The largest group that was measured of a suite.
    fn group(&self, suite: Suite, variant: &str) -> Option<&Measured> {
        let groups = self.place.groups.iter();
        groups
            .filter(|group| group.suite == suite && group.variant == variant)
            .filter(|group| group.skipped.is_none())
            .max_by_key(|group| group.size)
    }

    /// The entry `own` and the entry `other`, or the baseline's.
    fn pair(
        &self,
        suite: Suite,
        variant: &str,
        own: &str,
        other: Option<&str>,
    ) -> Option<(Size, &Entry, &Entry)> {
        let group = self.group(suite, variant)?;
        let other = other.unwrap_or(group.baseline);
        Some((group.size, group.entry(own)?, group.entry(other)?))
    }

    fn ratio(&self, what: &str, suite: Suite, variant: &str, own: &str, limits: Limits) -> Shown {
        self.compared(what, self.pair(suite, variant, own, None), limits)
    }

    fn compared(&self, what: &str, pair: Option<(Size, &Entry, &Entry)>, limits: Limits) -> Shown {
        let spread = pair.and_then(|(_, own, other)| own.ratio(other));
        let size = pair.map_or_else(String::new, |(size, ..)| format!("{size}: "));
        let least = pair.and_then(|(_, own, other)| own.least_ratio(other));
        let reach = spread.zip(least).map_or_else(String::new, |(spread, least)| {
            let (from, to) = (spread.least, spread.greatest);
            format!("{from:.2}..{to:.2} in the rounds, {least:.2} of the least times")
        });
        self.line(format!("{size}{what}"), spread.map(|spread| spread.median), reach, limits)
    }

    /// Against the fastest rival that wrote every byte.
    fn fastest(&self, limits: Limits) -> Shown {
        let group = self.group(Suite::Move, "");
        let rivals = suites::MOVERS.iter().filter_map(|name| group?.entry(name));
        let timed = rivals
            .filter(|entry| !entry.spoiled && entry.failure.is_none())
            .filter_map(|entry| Some((entry.spread(Sample::seconds)?.median, entry)));
        let best = timed.min_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, entry)| entry);
        let name = best.map_or("no rival", |entry| entry.competitor.name.as_str());
        let pair = best.and_then(|entry| {
            let group = group?;
            Some((group.size, group.entry(suites::MOVE)?, entry))
        });
        self.compared(&format!("new target, default engine / fastest ({name})"), pair, limits)
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
                    texts.push(format!("{} {engine} {:.1}", group.size, peak.mebibytes()));
                }
            }
        }
        let greatest = peaks.into_iter().max_by(f64::total_cmp);
        let limits = Limits { must: 64.0, aim: 32.0 };
        self.line("peak resident memory, MiB".to_owned(), greatest, texts.join(", "), limits)
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
        self.line(what, percent, texts.join(", "), Limits { must: 25.0, aim: 10.0 })
    }

    fn line(&self, what: String, figure: Option<f64>, detail: String, limits: Limits) -> Shown {
        Shown {
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
