//! Every single result, for programs.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::{Size, Suite};
use crate::machine::{FileSystem, Machine};
use crate::rivals::{Cast, Program};
use crate::run::Place;
use crate::runner::{Entry, Measured, Sample};
use crate::shows::Shown;

#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    programs: &'a [Program],
    programs_not_found: &'a [String],
    places: Vec<PlaceRecord<'a>>,
    promises: &'a [Shown],
}

#[derive(Serialize)]
struct PlaceRecord<'a> {
    file_system: &'a FileSystem,
    groups: Vec<GroupRecord<'a>>,
}

#[derive(Serialize)]
struct GroupRecord<'a> {
    suite: Suite,
    variant: &'a str,
    size_bytes: Size,
    files: u64,
    baseline: &'a str,
    spawns_per_round_max: u32,
    /// Processes show no smaller peak than this.
    peak_floor_bytes: Size,
    skipped: Option<&'a str>,
    warning: Option<&'a str>,
    competitors: Vec<EntryRecord<'a>>,
}

#[derive(Serialize)]
struct EntryRecord<'a> {
    name: &'a str,
    seconds_median: Option<f64>,
    /// The median of the quotients within the rounds.
    ratio_to_baseline: Option<f64>,
    ratio_to_mycp: Option<f64>,
    ratio_of_least_to_baseline: Option<f64>,
    cloned: bool,
    lost: &'a BTreeSet<&'static str>,
    failed: Option<&'a str>,
    samples: &'a [Sample],
}

/// Writes all of it to `path`.
pub(crate) fn write(
    path: &Path,
    machine: &Machine,
    cast: &Cast,
    places: &[Place],
    promises: &[Shown],
) -> Result<()> {
    let document = Document {
        machine,
        programs: &cast.programs,
        programs_not_found: &cast.missing,
        places: places.iter().map(place_record).collect(),
        promises,
    };
    let cannot = || format!("cannot write '{}'", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(cannot)?);
    serde_json::to_writer_pretty(&mut file, &document).with_context(cannot)?;
    file.flush().with_context(cannot)
}

fn place_record(place: &Place) -> PlaceRecord<'_> {
    let groups = place.groups.iter().map(group_record).collect();
    PlaceRecord { file_system: &place.file_system, groups }
}

fn group_record(group: &Measured) -> GroupRecord<'_> {
    GroupRecord {
        suite: group.suite,
        variant: group.variant,
        size_bytes: group.payload.size(),
        files: group.payload.files(),
        baseline: group.baseline,
        spawns_per_round_max: group.spawns,
        peak_floor_bytes: group.peak_floor,
        skipped: group.skipped.as_deref(),
        warning: group.warning.as_deref(),
        competitors: group.entries.iter().map(|entry| entry_record(group, entry)).collect(),
    }
}

fn entry_record<'a>(group: &'a Measured, entry: &'a Entry) -> EntryRecord<'a> {
    let ratio = |name: &str| entry.ratio(group.entry(name)?).map(|spread| spread.median);
    EntryRecord {
        name: &entry.competitor.name,
        seconds_median: entry.spread(Sample::seconds).map(|spread| spread.median),
        ratio_to_baseline: ratio(group.baseline),
        ratio_to_mycp: ratio(group.ours),
        ratio_of_least_to_baseline: group
            .entry(group.baseline)
            .and_then(|baseline| entry.least_ratio(baseline)),
        cloned: entry.cloned,
        lost: &entry.lost,
        failed: entry.failure.as_deref(),
        samples: &entry.samples,
    }
}
