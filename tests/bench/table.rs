//! Results as Markdown.

use std::io::{self, Write};

use crate::args::Size;
use crate::machine::{FileSystem, Machine};
use crate::rivals::Cast;
use crate::runner::{Entry, Measured, Sample};
use crate::statistics::{self, Spread};

const COLUMNS: &str = "\
| what | competitor | median s | min..max s | GiB/s | to cp | min..max | least to cp | to mycp \
| user s | sys s | peak MiB | minor faults | note |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: \
| ---: | ---: | ---: | ---: | --- |";

/// What smaller copies take is the process, no rate.
const RATED_MIN: Size = Size(1 << 20);

/// The kernel counts resident pages per processor, in batches, so that peaks are this far off.
const PEAK_ERROR_BYTES: u64 = 256 << 10;

/// What was measured with, and on.
pub(crate) fn preface(out: &mut impl Write, machine: &Machine, cast: &Cast) -> io::Result<()> {
    writeln!(
        out,
        "Linux {}, {} with {} cores, {:.0} MiB of memory.\n",
        machine.kernel,
        machine.processor,
        machine.cores,
        Size(machine.memory_bytes).mebibytes(),
    )?;
    for program in &cast.programs {
        writeln!(out, "- {}: {} (`{}`)", program.name, program.version, program.path.display())?;
    }
    if !cast.missing.is_empty() {
        writeln!(out, "- not found: {}", cast.missing.join(", "))?;
    }
    writeln!(
        out,
        "\nSeconds are medians over the rounds, user and system seconds means. \"to cp\" and \"to \
         mycp\" are medians of the quotients within each round, against the first cp and the \
         first mycp of a table that do the same work, with trees against those that keep all \
         (-a), and of mirrors against rsync -a --delete; \"least to cp\" is the quotient of the \
         least times. Under 1 is faster. Where half of the rounds took a quarter longer than the \
         fastest the note says unsteady: measure again when the machine is idle. Of copies of \
         trees the note says what they did not keep."
    )
}

/// Where the next tables were taken.
pub(crate) fn place(out: &mut impl Write, place: &FileSystem) -> io::Result<()> {
    writeln!(
        out,
        "\n## {} ({} on {}: {})",
        place.kind,
        place.directory.display(),
        place.device,
        place.mount_options,
    )?;
    if place.avoids_freed_inodes() {
        writeln!(
            out,
            "\nHere making files is slow for minutes after many were removed: the figures of trees \
             are good on a freshly made file system alone."
        )?;
    }
    Ok(())
}

/// One suite in one directory.
pub(crate) fn suite(out: &mut impl Write, groups: &[Measured]) -> io::Result<()> {
    let Some(first) = groups.first() else { return Ok(()) };
    writeln!(out, "\n### {}\n\n{COLUMNS}", first.suite.heading())?;
    for group in groups {
        if let Some(reason) = &group.skipped {
            let dashes = " - |".repeat(11);
            writeln!(out, "| {} | all |{dashes} skipped: {reason} |", label(group))?;
        }
        for entry in &group.entries {
            row(out, group, entry)?;
        }
    }
    if let Some(warning) = groups.iter().rev().find_map(|group| group.warning.as_ref()) {
        writeln!(out, "\n{warning}")?;
    }
    out.flush()
}

fn label(group: &Measured) -> String {
    let variant = if group.variant.is_empty() { "" } else { ", " };
    format!("{}{variant}{}", group.payload, group.variant)
}

fn row(out: &mut impl Write, group: &Measured, entry: &Entry) -> io::Result<()> {
    let seconds = entry.spread(Sample::seconds);
    let rate = seconds
        .filter(|_| group.payload.size() >= RATED_MIN)
        .map(|spread| group.payload.size().gibibytes() / spread.median);
    let ratio = |name: &str| group.entry(name).and_then(|other| entry.ratio(other));
    let to_cp = ratio(group.baseline);
    let least = group.entry(group.baseline).and_then(|cp| entry.least_ratio(cp));
    let cells = [
        label(group),
        in_cell(&entry.competitor.name),
        or_dash(seconds, |spread| time(spread.median)),
        or_dash(seconds, |spread| format!("{}..{}", time(spread.least), time(spread.greatest))),
        or_dash(rate, |rate| format!("{rate:.2}")),
        or_dash(to_cp, |spread| format!("{:.2}", spread.median)),
        or_dash(to_cp, |spread| format!("{:.2}..{:.2}", spread.least, spread.greatest)),
        or_dash(least, |least| format!("{least:.2}")),
        or_dash(ratio(group.ours), |spread| format!("{:.2}", spread.median)),
        or_dash(entry.mean(|sample| sample.user_seconds), time),
        or_dash(entry.mean(|sample| sample.system_seconds), time),
        or_dash(entry.peak(), |peak| peak_cell(peak, group.peak_floor)),
        or_dash(entry.mean(faults), |faults| format!("{faults:.0}")),
        note(entry),
    ];
    writeln!(out, "| {} |", cells.join(" | "))
}

#[expect(clippy::cast_precision_loss, reason = "a count of faults is far below 2^53")]
fn faults(sample: &Sample) -> f64 {
    sample.minor_faults as f64
}

fn or_dash<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

/// Three digits that say something, down to microseconds.
pub(crate) fn time(seconds: f64) -> String {
    if seconds < 0.01 {
        format!("{seconds:.6}")
    } else if seconds < 1.0 {
        format!("{seconds:.4}")
    } else {
        format!("{seconds:.2}")
    }
}

/// Peaks at the floor may be anything below it, see `Measured::peak_floor`.
fn peak_cell(peak: Size, floor: Size) -> String {
    let below = if peak <= Size(floor.0 + PEAK_ERROR_BYTES) { "<= " } else { "" };
    format!("{below}{:.1}", peak.mebibytes())
}

fn note(entry: &Entry) -> String {
    let mut parts = vec![what_became(entry)];
    if !entry.lost.is_empty() {
        let lost: Vec<&str> = entry.lost.iter().copied().collect();
        parts.push(format!("loses {}", lost.join(", ")));
    }
    if entry.is_unsteady() {
        parts.push("unsteady".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

fn what_became(entry: &Entry) -> String {
    match (&entry.failure, entry.spoiled, entry.cloned) {
        (Some(reason), ..) => format!("failed: {}", in_cell(reason)),
        (None, true, _) => "cloned: not compared".to_owned(),
        (None, false, true) => "cloned".to_owned(),
        (None, false, false) => String::new(),
    }
}

fn in_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Seconds per GiB of each competitor at each size, and by how much they differ.
pub(crate) fn linearity(out: &mut impl Write, groups: &[Measured]) -> io::Result<()> {
    let Some(first) = groups.iter().find(|group| group.skipped.is_none()) else { return Ok(()) };
    writeln!(out)?;
    for entry in &first.entries {
        let name = &entry.competitor.name;
        let figures = per_gibibyte(groups, name);
        let texts: Vec<String> =
            figures.iter().map(|(size, seconds)| format!("{size} {}", time(*seconds))).collect();
        let values: Vec<f64> = figures.iter().map(|(_, seconds)| *seconds).collect();
        let within = or_dash(statistics::excess(&values), |part| format!("{:.0} %", part * 100.0));
        writeln!(out, "- {name}: s/GiB at {}: within {within}", texts.join(", "))?;
    }
    out.flush()
}

/// The median seconds per GiB of `name` at each size that was measured.
pub(crate) fn per_gibibyte<'a>(
    groups: impl IntoIterator<Item = &'a Measured>,
    name: &str,
) -> Vec<(Size, f64)> {
    let of = |group: &Measured| {
        let seconds: Spread = group.entry(name)?.spread(Sample::seconds)?;
        Some((group.payload.size(), seconds.median / group.payload.size().gibibytes()))
    };
    groups.into_iter().filter_map(of).collect()
}
