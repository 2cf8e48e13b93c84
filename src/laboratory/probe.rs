//! `mycp-crash probe`: how long the calls take that flush mapped pages.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::ValueHint;
use serde_json::{Value, json};

use super::SPEAKER;
use super::explain::{described, place_as_json};
use crate::crash::{Doubt, Extent, Measured, Probe, ProbeOptions, Statistics, probe};
use crate::program::say::print;
use crate::program::table::{paragraph, short, table};
use crate::program::words::whole;
use crate::report::Flow;
use crate::sys::signals;

/// What was typed after `probe`.
#[derive(Debug, clap::Args)]
pub(super) struct ProbeArgs {
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// How often each call is made: 1 to 1000000
    #[arg(long, value_name = "N", default_value_t = ProbeOptions::default().rounds)]
    #[arg(value_parser = whole::<u32>(1..=1_000_000))]
    rounds: u32,
    /// A directory of the file system that is meant, to make a file of 4096 pages (16 MiB, mostly)
    /// in, which has no name where the file system can do that, and is gone in the end
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
}

/// Measures, and prints what came of it; dies of the signal that stopped it, if one did.
pub(super) fn run(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    signals::catch_stop().context("cannot catch signals")?;
    signals::ignore_file_size_limit().context("cannot catch signals")?;
    let options = ProbeOptions { rounds: args.rounds };
    let mut go_on = || match signals::stop_signal() {
        None => Flow::Continue,
        Some(_) => Flow::Stop,
    };
    let probed = match (probe(&args.directory, &options, &mut go_on), signals::stop_signal()) {
        (_, Some(signal)) => {
            SPEAKER.say("interrupted");
            // Only a system that has signals can have that; elsewhere the number says the same.
            signals::die_of(signal).ok();
            return Ok(ExitCode::from(signal.exit_status()));
        }
        (probed, None) => probed?,
    };
    match args.json {
        true => print(format!("{}\n", as_json(&probed)))?,
        false => print(as_text(&probed))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn as_text(probed: &Probe) -> String {
    let mut text = described(&probed.place);
    for (extents, words) in [
        (&[Extent::Page, Extent::NewFile][..], "One page stored to, then:"),
        (&[Extent::Spread], "256 pages stored to, no two of them neighbours, then:"),
    ] {
        writeln!(text, "\n{words}\n").ok();
        let heads = ["call", "p50", "p99", "calls/s", AXIS];
        let mut rows = vec![heads.map(str::to_owned)];
        let of = probed.measured.iter().filter(|it| extents.contains(&it.extent));
        rows.extend(of.map(row));
        text += &table(&rows);
    }
    let rounds = probed.measured.first().map_or(0, |measured| measured.times.count());
    text.push('\n');
    text += &paragraph(
        "",
        "",
        &format!(
            "{rounds} rounds. Times are those of the stores and the call; the columns on the \
             right show how they are spread, from 100 ns to 10 s, three to a factor of ten."
        ),
    );
    for (mode, why) in &probed.left_out {
        text.push('\n');
        text += &paragraph("", "  ", &format!("left out: {mode}: {why}."));
    }
    for doubt in &probed.doubts {
        text.push('\n');
        text += &paragraph("", "  ", &format!("doubt: {}.", words(doubt)));
    }
    text +=
        "\nTimes are evidence, and no proof: mycp-crash explain says what the system promises.\n";
    text
}

/// The scale above the histograms: each mark begins where its decade does.
const AXIS: &str = "100ns 1us   10us  100us 1ms   10ms  100ms 1s";

fn row(measured: &Measured) -> [String; 5] {
    let times = &measured.times;
    let label = match measured.extent {
        Extent::NewFile => format!("new file, {}", measured.mode),
        Extent::Page | Extent::Spread => measured.mode.to_string(),
    };
    [
        label,
        short(times.percentile(50)),
        short(times.percentile(99)),
        format!("{:.0}", times.calls_per_second()),
        bars(times),
    ]
}

/// A histogram as a line, darker where there are more.
fn bars(times: &Statistics) -> String {
    const SHADES: [char; 7] = ['.', ':', '-', '=', '+', '*', '#'];
    let buckets = times.histogram();
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    let shade = |count: usize| match count {
        0 => ' ',
        count => SHADES.get((count * SHADES.len()).div_ceil(most) - 1).copied().unwrap_or('#'),
    };
    buckets.iter().flat_map(|bucket| [shade(bucket.count); 2]).collect()
}

fn words(doubt: &Doubt) -> String {
    match doubt {
        Doubt::Volatile => "nothing there survives a crash, whatever was called: these times say \
                            nothing of a disk"
            .into(),
        Doubt::Unflushed => "the mount options keep flushes from the device: these times have \
                             none in them"
            .into(),
        Doubt::WriteThrough { device } => format!(
            "the kernel sends {device} no flush, because its cache counts as \"write through\": \
             these times have none in them"
        ),
        Doubt::TooFast { device, median } => format!(
            "{device} says that its cache has to be flushed, but half of all fsync took {} or \
             less: no device is known to be that fast, so that something on the way may not \
             flush",
            short(*median)
        ),
        Doubt::FasterThanItTurns { device, per_second, is_virtual } => {
            let doubt = format!(
                "{device} says that it turns, and did {per_second:.0} fsync a second: a disk at \
                 7,200 revolutions a minute passes by the same place 120 times a second, so that \
                 the data were not on a platter when fsync returned"
            );
            match is_virtual {
                true => doubt + "; but it is a virtual disk, and many of these only say so",
                false => doubt,
            }
        }
    }
}

fn as_json(probed: &Probe) -> Value {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let measured = |measured: &Measured| {
        let times = &measured.times;
        let buckets = times.histogram();
        let buckets: Vec<Value> = buckets
            .iter()
            .filter(|bucket| bucket.count > 0)
            .map(|bucket| json!({"from_ns": nanoseconds(bucket.from), "count": bucket.count}))
            .collect();
        json!({
            "call": measured.mode.as_str(),
            "pages": measured.extent.pages(),
            "rounds": times.count(),
            "p50_ns": nanoseconds(times.percentile(50)),
            "p99_ns": nanoseconds(times.percentile(99)),
            "calls_per_second": times.calls_per_second(),
            "histogram": buckets,
        })
    };
    let doubt = |doubt: &Doubt| {
        let kind = match doubt {
            Doubt::Volatile => "volatile",
            Doubt::Unflushed => "unflushed",
            Doubt::WriteThrough { .. } => "write_through",
            Doubt::TooFast { .. } => "too_fast",
            Doubt::FasterThanItTurns { .. } => "faster_than_it_turns",
        };
        json!({"kind": kind, "words": words(doubt)})
    };
    let mut value = json!({
        "place": place_as_json(&probed.place),
        "measured": probed.measured.iter().map(measured).collect::<Vec<_>>(),
        "doubts": probed.doubts.iter().map(doubt).collect::<Vec<_>>(),
    });
    if !probed.left_out.is_empty() {
        let left_out = probed.left_out.iter();
        value["left_out"] = left_out
            .map(|(mode, why)| json!({"call": mode.as_str(), "reason": why}))
            .collect::<Vec<_>>()
            .into();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_stands_below_the_mark_of_its_time() {
        for (time, mark) in [(100, "100ns"), (10_000, "10us"), (1_000_000_000, "1s")] {
            let times = Statistics::of(&[Duration::from_nanos(time)]).unwrap();
            assert_eq!(bars(&times).find('#'), AXIS.find(mark), "{mark}");
        }
    }

    #[test]
    fn what_is_frequent_is_darker() {
        let times = [1, 1, 1, 1, 1, 1, 1, 30].map(Duration::from_micros);
        assert_eq!(bars(&Statistics::of(&times).unwrap()).trim(), "##      ..");
    }

    #[test]
    fn a_time_has_three_digits() {
        let short = |nanoseconds| short(Duration::from_nanos(nanoseconds));
        assert_eq!(short(123), "123 ns");
        assert_eq!(short(1234), "1.23 us");
        assert_eq!(short(12_345), "12.3 us");
        assert_eq!(short(123_456_789), "123 ms");
        assert_eq!(short(1_000_000_000), "1.00 s");
    }
}
