//! The findings as one line of JSON.

use std::time::Duration;

use serde::Serialize;

use crate::crash::witness::history::History;
use crate::crash::witness::judge::{AGES_SECONDS, Findings, ModeVerdict, Verdict, Why};
use crate::crash::witness::mode::Promise;

#[derive(Serialize)]
struct Report {
    run: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    seconds: f64,
    writer_stopped_by_itself: bool,
    /// The upper ends of the classes of ages; the last class has none.
    lost_ages_seconds: [u64; AGES_SECONDS.len()],
    modes: Vec<Mode>,
}

#[derive(Serialize)]
struct Mode {
    mode: &'static str,
    promises: &'static str,
    verdict: &'static str,
    acknowledged: u64,
    survived: u64,
    lost: u64,
    broken: u64,
    undecided: u64,
    pages: u64,
    torn: u64,
    names_missing: u64,
    unreadable: u64,
    sectors_new: u64,
    sectors_old: u64,
    sectors_zero: u64,
    sectors_foreign: u64,
    lost_ages: [u64; AGES_SECONDS.len() + 1],
    median_us: Option<u64>,
    loss_max_95: Option<f64>,
}

/// The line, with its end.
pub(super) fn line(
    history: &History,
    all: &[Findings],
    verdict: Verdict,
) -> anyhow::Result<String> {
    let (verdict, why) = match verdict {
        Verdict::Holds => ("holds", None),
        Verdict::Violated => ("violated", None),
        Verdict::Inconclusive(why) => ("inconclusive", Some(why)),
    };
    let why = why.map(|why| match why {
        Why::NothingAcknowledged => "nothing_acknowledged",
        Why::NoControl => "no_control",
        Why::NothingLost => "nothing_lost",
        Why::OldRecord => "old_record",
    });
    let report = Report {
        run: history.layout().run.to_string(),
        verdict,
        why,
        seconds: Duration::from_micros(history.micros()).as_secs_f64(),
        writer_stopped_by_itself: history.has_ended(),
        lost_ages_seconds: AGES_SECONDS,
        modes: all.iter().map(mode).collect(),
    };
    Ok(serde_json::to_string(&report)? + "\n")
}

/// Whole microseconds.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn mode(findings: &Findings) -> Mode {
    Mode {
        mode: findings.mode.as_str(),
        promises: match findings.mode.promise() {
            Promise::Nothing => "nothing",
            Promise::Data => "data",
            Promise::DataOfName => "data_of_name",
            Promise::DataAndName => "data_and_name",
        },
        verdict: match findings.verdict() {
            ModeVerdict::NothingAcknowledged => "nothing_acknowledged",
            ModeVerdict::LostAsItMay => "lost_as_it_may",
            ModeVerdict::LostNothing => "lost_nothing",
            ModeVerdict::Holds => "holds",
            ModeVerdict::Violated => "violated",
        },
        acknowledged: findings.acknowledged,
        survived: findings.survived,
        lost: findings.lost,
        broken: findings.broken,
        undecided: findings.undecided,
        pages: findings.pages,
        torn: findings.torn,
        names_missing: findings.names_missing,
        unreadable: findings.unreadable,
        sectors_new: findings.sectors.new,
        sectors_old: findings.sectors.old,
        sectors_zero: findings.sectors.zero,
        sectors_foreign: findings.sectors.foreign,
        lost_ages: findings.lost_ages,
        median_us: findings.median().map(micros),
        loss_max_95: findings.loss_max(),
    }
}
