//! The findings as JSON, one object a line: one for each trial, one for each mode after which
//! nobody asked for a flush, one in the end.

use std::ffi::OsStr;
use std::time::Duration;

use serde::Serialize;

use super::{LAYERS, Outcome, Settled, Setup, broken_share_max, replay};
use crate::crash::Statistics;
use crate::crash::simulated::{
    Flaw, Loss, Point, Promise, Property, Reduction, SECTOR, Stored, Verdict,
};
use crate::laboratory::simulated::explore::Subject;
use crate::program::json::{self, Hex, Name, hex, line};

/// What a line tells. The names of the fields are a promise to whoever reads them by machine.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Trial(Box<TrialLine<'a>>),
    Settled(SettledLine),
    End(EndLine<'a>),
}

/// What was found in one trial.
#[derive(Serialize)]
struct TrialLine<'a> {
    file_system: &'static str,
    /// `mode`, `command` or `control`.
    kind: &'static str,
    /// The mode, the words of the command, or what is wrong in the control.
    name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<Hex>,
    /// `holds`, `inconclusive` or `violated`; a control holds when it shows what it must.
    verdict: &'static str,
    /// States that were looked at, no two alike.
    states: u64,
    /// Those of them after the command had ended.
    ended: u64,
    /// Those that the file system could not mount, and why one of them; nothing else is judged
    /// there.
    unmountable: u64,
    unmountable_because: Option<&'a str>,
    /// Whether every subset of the pending changes was looked at, at each crash point.
    exhaustive: bool,
    /// The binary logarithm of the number of these subsets.
    legal_log2: f64,
    /// Those that were drawn at random, and judged.
    drawn: u64,
    /// Where none of those breaks a promise: at 95 %, the largest share that may, of all states
    /// that may be drawn so. Null where all were looked at, or none was drawn.
    broken_share_max_95: Option<f64>,
    /// Writes and flushes of the disk that were recorded.
    changes: usize,
    flushes: usize,
    /// States that break a promise.
    promises: Vec<PromiseLine>,
    /// What survived of the stores that a mode acknowledged, summed over all states; empty for
    /// commands.
    survived: Vec<PropertyLine>,
    /// Stores that are neither as they were nor as they are to be, summed likewise.
    torn: u64,
    /// Of the calls that flush, on the simulated disk.
    flush_calls: usize,
    flush_median_us: Option<f64>,
    /// What `replay` takes; null where it was not kept.
    recording: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_bytes: Option<Hex>,
    seconds: f64,
}

#[derive(Serialize)]
struct PromiseLine {
    promise: &'static str,
    /// Whether it was made.
    promised: bool,
    /// Whether some state could have broken it.
    tried: bool,
    broken: u64,
    example: Option<ExampleLine>,
}

/// A state that shows what is wrong.
#[derive(Serialize)]
struct ExampleLine {
    state: u64,
    /// Relative to the root of the file system.
    object: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_bytes: Option<Hex>,
    what: String,
    /// Changes of the disk that were pending, and the numbers of those that are lost.
    pending: usize,
    lost: Vec<usize>,
    losses: Vec<LossLine>,
    /// Whether the flaw is gone when any one of those arrives; false when the attempts to find out
    /// were over, null when there were none.
    minimal: Option<bool>,
    /// Whether the command had ended.
    ended: bool,
    /// What shows this state; null where the recording was not kept.
    replay: Option<String>,
}

/// A change of the disk that is lost.
#[derive(Serialize)]
struct LossLine {
    number: usize,
    /// The bytes of the disk.
    offset: u64,
    bytes: u64,
    /// Where in the disk those begin that arrived, and how many they are; mostly none.
    arrived_offset: u64,
    arrived_bytes: u64,
    /// `file`, `zeros`, or `metadata`, which is all else.
    stored: &'static str,
    /// Which bytes of which file, in whole sectors; null for all else.
    object: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_bytes: Option<Hex>,
    object_start: Option<u64>,
    object_end: Option<u64>,
}

#[derive(Serialize)]
struct PropertyLine {
    property: &'static str,
    promised: bool,
    /// Times that it was there, of those that it was looked for.
    kept: u64,
    of: u64,
    /// A state in which it is not there.
    example: Option<ExampleLine>,
}

/// What a crash takes some time after the last call has returned, if nothing survives that no
/// flush has made durable.
#[derive(Serialize)]
struct SettledLine {
    file_system: &'static str,
    mode: &'static str,
    /// Stores that were acknowledged.
    acknowledged: u64,
    /// Those that are lost at each second, from 0 on; null where the file system cannot be mounted.
    lost: Vec<Option<u64>>,
    /// Each crash point.
    points: Vec<PointLine>,
}

#[derive(Serialize)]
struct PointLine {
    /// Since the disk was mounted.
    seconds: f64,
    /// Calls that had returned.
    returned: u64,
    /// For each page of the file `overwritten`: `unchanged`, `old`, `new`, `zero`, `torn`,
    /// `missing`. Empty where the file system cannot be mounted.
    pages: Vec<&'static str>,
}

/// What is said in the end.
#[derive(Serialize)]
struct EndLine<'a> {
    verdict: &'static str,
    /// States that were looked at in all trials.
    states: u64,
    seconds: f64,
    seed: u64,
    version: &'static str,
    kernel: &'a str,
    mount_options: &'a str,
    /// What the simulated disk writes whole or not at all.
    sector_bytes: u64,
    /// What no state shows.
    model: &'static str,
}

/// The line of a trial.
pub(super) fn trial(setup: &Setup, outcome: &Outcome) -> serde_json::Result<String> {
    let Outcome { trial, findings, verdict, recording } = outcome;
    let recording = recording.as_deref();
    let times = Statistics::of(&findings.flushes_took);
    let kind = match trial.subject {
        Subject::Mode(_) => "mode",
        Subject::Command => "command",
        Subject::Cripple(_) | Subject::Liar => "control",
    };
    let words = trial.workload.command.join(OsStr::new(" "));
    let is_broken = trial.is_broken(findings);
    line(&Event::Trial(Box::new(TrialLine {
        file_system: trial.system.as_str(),
        kind,
        name: trial.workload.name.clone(),
        name_bytes: hex(&words),
        verdict: word(*verdict),
        states: findings.states,
        ended: findings.ended,
        unmountable: findings.unmountable,
        unmountable_because: findings.unmountable_because.as_deref(),
        exhaustive: findings.is_exhaustive,
        legal_log2: findings.legal_log2,
        drawn: findings.drawn,
        broken_share_max_95: broken_share_max(findings).filter(|_| !is_broken),
        changes: findings.changes,
        flushes: findings.flushes,
        promises: Promise::ALL.map(|it| promise(it, setup, outcome)).into(),
        survived: survived(setup, outcome),
        torn: findings.stores.torn,
        flush_calls: findings.flushes_took.len(),
        flush_median_us: times.map(|times| times.percentile(50).as_secs_f64() * 1e6),
        recording: recording.map(|path| path.to_string_lossy().into_owned()),
        recording_bytes: recording.and_then(hex),
        seconds: findings.elapsed.as_secs_f64(),
    })))
}

/// The line of a mode after which nobody asked for a flush.
pub(super) fn settled(settled: &Settled) -> serde_json::Result<String> {
    let point = |point: &Point| PointLine {
        seconds: point.time.as_secs_f64(),
        returned: point.returned,
        pages: point.pages.iter().map(|page| page.as_str()).collect(),
    };
    line(&Event::Settled(SettledLine {
        file_system: settled.system.as_str(),
        mode: settled.mode.as_str(),
        acknowledged: settled.aftermath.acknowledged,
        lost: settled.aftermath.exposure.iter().map(|exposure| exposure.lost).collect(),
        points: settled.aftermath.points.iter().map(point).collect(),
    }))
}

/// The last line.
pub(super) fn end(
    setup: &Setup,
    verdict: Verdict,
    states: u64,
    elapsed: Duration,
) -> serde_json::Result<String> {
    line(&Event::End(EndLine {
        verdict: word(verdict),
        states,
        seconds: elapsed.as_secs_f64(),
        seed: setup.seed,
        version: env!("CARGO_PKG_VERSION"),
        kernel: &setup.kernel,
        mount_options: &setup.mount_options,
        sector_bytes: SECTOR,
        model: LAYERS,
    }))
}

fn promise(promise: Promise, setup: &Setup, outcome: &Outcome) -> PromiseLine {
    let Outcome { trial, findings, .. } = outcome;
    PromiseLine {
        promise: promise.as_str(),
        promised: trial.workload.promises.contains(&promise),
        tried: findings.tried.contains(&promise),
        broken: findings.breaches.get(&promise).copied().unwrap_or(0),
        example: example(Flaw::Broken(promise), setup, outcome),
    }
}

fn example(flaw: Flaw, setup: &Setup, outcome: &Outcome) -> Option<ExampleLine> {
    let example = outcome.findings.examples.get(&flaw)?;
    let (object, object_bytes) = json::name(&example.path);
    Some(ExampleLine {
        state: example.state,
        object,
        object_bytes,
        what: example.what.clone(),
        pending: example.pending,
        lost: example.losses.iter().map(|loss| loss.number).collect(),
        losses: example.losses.iter().map(loss).collect(),
        minimal: match example.reduction {
            Reduction::None => None,
            Reduction::Minimal => Some(true),
            Reduction::Bounded => Some(false),
        },
        ended: example.has_ended,
        replay: replay::line(setup, outcome, example),
    })
}

fn loss(Loss { number, range, arrived, stored, .. }: &Loss) -> LossLine {
    let (stored, file) = match stored {
        Stored::File { path, range } => ("file", Some((path.as_os_str(), *range))),
        Stored::Zeros => ("zeros", None),
        _ => ("metadata", None),
    };
    LossLine {
        number: *number,
        offset: range.start(),
        bytes: range.len(),
        arrived_offset: arrived.start(),
        arrived_bytes: arrived.len(),
        stored,
        object: file.map(|(path, _)| path.to_string_lossy().into_owned()),
        object_bytes: file.and_then(|(path, _)| hex(path)),
        object_start: file.map(|(_, range)| range.start()),
        object_end: file.map(|(_, range)| range.end()),
    }
}

fn survived(setup: &Setup, outcome: &Outcome) -> Vec<PropertyLine> {
    let Subject::Mode(mode) = outcome.trial.subject else { return Vec::new() };
    let line = |property: Property| {
        let kept = outcome.findings.stores.kept.get(&property).copied().unwrap_or_default();
        PropertyLine {
            property: property.as_str(),
            promised: mode.promises().contains(&property),
            kept: kept.kept,
            of: kept.of,
            example: example(Flaw::Lost(property), setup, outcome),
        }
    };
    Property::ALL.map(line).into()
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Violated => "violated",
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use serde_json::Value;

    use super::super::samples;
    use super::*;
    use crate::crash::simulated::Workload;

    fn value(line: &str) -> Value {
        assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "{line}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_mode_tells_what_survived_and_what_it_promises() {
        let line = value(&trial(&samples::setup(), &samples::mode("msync", 100)).unwrap());
        assert_eq!(line["event"], "trial");
        assert_eq!((&line["kind"], &line["name"]), (&"mode".into(), &"msync".into()));
        assert_eq!((&line["verdict"], &line["states"]), (&"holds".into(), &60.into()));
        assert_eq!((&line["drawn"], &line["broken_share_max_95"]), (&30.into(), &0.1.into()));
        assert_eq!(line["flush_median_us"], 20.0);
        let survived = line["survived"].as_array().unwrap();
        assert_eq!(
            survived[0],
            serde_json::json!({ "property": "data", "promised": true, "kept": 100, "of": 100,
                "example": null })
        );
        assert_eq!((&survived[3]["promised"], &survived[3]["kept"]), (&false.into(), &30.into()));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told_in_hexadecimal() {
        let mut outcome = samples::broken_command();
        let words = vec![OsString::from_vec(b"c\xff".to_vec()), "d".into()];
        let promises = outcome.trial.workload.promises;
        outcome.trial.workload = Workload::of_command(words);
        outcome.trial.workload.promises = promises;
        let line = value(&trial(&samples::setup(), &outcome).unwrap());
        assert_eq!(line["name"], "c\u{fffd} d");
        assert_eq!(line["name_bytes"], "63ff2064");
        assert_eq!(line["verdict"], "violated");
        assert_eq!(line["broken_share_max_95"], Value::Null);
        let promises = line["promises"].as_array().unwrap();
        let example = &promises[2]["example"];
        assert_eq!(promises[2]["broken"], 4);
        assert_eq!(example["object"], "target/m\u{fffd}");
        assert_eq!(example["object_bytes"], "7461726765742f6dfe");
        assert_eq!(example["lost"], serde_json::json!([1, 2]));
        assert_eq!((&example["minimal"], &example["replay"]), (&true.into(), &Value::Null));
        let loss = &example["losses"][0];
        assert_eq!((&loss["offset"], &loss["bytes"]), (&4096.into(), &1024.into()));
        assert_eq!((&loss["arrived_offset"], &loss["arrived_bytes"]), (&4096.into(), &512.into()));
        assert_eq!((&loss["stored"], &loss["object_end"]), (&"file".into(), &1536.into()));
        assert_eq!(loss["object_bytes"], "7461726765742f6dfe");
        assert_eq!(example["losses"][1]["stored"], "metadata");
        assert_eq!(example["losses"][1]["object"], Value::Null);
    }

    #[test]
    fn what_a_mode_loses_can_be_looked_at() {
        let mut outcome = samples::mode("none", 20);
        outcome.recording = Some("x.recording".into());
        let line = value(&trial(&samples::setup(), &outcome).unwrap());
        let replay = "mycp-crash replay --seed 5 --state 17 --lost 1,2 --mount /mnt x.recording";
        assert_eq!(line["survived"][0]["example"]["replay"], replay);
        assert_eq!(line["survived"][2]["example"], Value::Null);
    }

    #[test]
    fn what_settles_is_told_second_by_second() {
        let line = value(&settled(&samples::settled("none")).unwrap());
        assert_eq!(line["lost"], serde_json::json!([6, null, 0]));
        assert_eq!(line["points"][1]["pages"], serde_json::json!(["unchanged", "torn"]));
    }

    #[test]
    fn the_end_tells_what_all_had_in_common() {
        let elapsed = Duration::from_millis(1500);
        let line = value(&end(&samples::setup(), Verdict::Inconclusive, 7, elapsed).unwrap());
        assert_eq!((&line["event"], &line["verdict"]), (&"end".into(), &"inconclusive".into()));
        assert_eq!((&line["seconds"], &line["seed"]), (&1.5.into(), &5.into()));
        assert_eq!((&line["kernel"], &line["model"]), (&"Linux 6.1.2".into(), &LAYERS.into()));
    }
}
