//! The findings as one line of JSON.

use std::time::Duration;

use serde::Serialize;

use crate::crash::witness::history::History;
use crate::crash::witness::judge::{AGES_SECONDS, Conclusion, ModeVerdict, Tally, Why};
use crate::crash::witness::mode::Coverage;
use crate::program::json;

#[derive(Serialize)]
struct Line {
    run: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    seconds: f64,
    writer_stopped_by_itself: bool,
    /// The upper ends of the classes of ages; the last class has none.
    lost_ages_seconds: [u64; AGES_SECONDS.len()],
    modes: Vec<ModeLine>,
}

#[derive(Serialize)]
struct ModeLine {
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
    all: &[Tally],
    conclusion: Conclusion,
) -> anyhow::Result<String> {
    let (verdict, why) = match conclusion {
        Conclusion::Holds => ("holds", None),
        Conclusion::Violated => ("violated", None),
        Conclusion::Inconclusive(why) => ("inconclusive", Some(why)),
    };
    let why = why.map(|why| match why {
        Why::NothingAcknowledged => "nothing_acknowledged",
        Why::NoControl => "no_control",
        Why::NothingLost => "nothing_lost",
        Why::OldRecord => "old_record",
    });
    let line = Line {
        run: history.layout().run.to_string(),
        verdict,
        why,
        seconds: Duration::from_micros(history.micros()).as_secs_f64(),
        writer_stopped_by_itself: history.has_ended(),
        lost_ages_seconds: AGES_SECONDS,
        modes: all.iter().map(mode).collect(),
    };
    Ok(json::line(&line)?)
}

/// Whole microseconds.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn mode(tally: &Tally) -> ModeLine {
    ModeLine {
        mode: tally.mode.as_str(),
        promises: match tally.mode.coverage() {
            Coverage::Nothing => "nothing",
            Coverage::Data => "data",
            Coverage::DataOfName => "data_of_name",
            Coverage::DataAndName => "data_and_name",
        },
        verdict: match tally.verdict() {
            ModeVerdict::NothingAcknowledged => "nothing_acknowledged",
            ModeVerdict::LostAsItMay => "lost_as_it_may",
            ModeVerdict::LostNothing => "lost_nothing",
            ModeVerdict::Holds => "holds",
            ModeVerdict::Violated => "violated",
        },
        acknowledged: tally.acknowledged,
        survived: tally.survived,
        lost: tally.lost,
        broken: tally.broken,
        undecided: tally.undecided,
        pages: tally.pages,
        torn: tally.torn,
        names_missing: tally.names_missing,
        unreadable: tally.unreadable,
        sectors_new: tally.sectors.new,
        sectors_old: tally.sectors.old,
        sectors_zero: tally.sectors.zero,
        sectors_foreign: tally.sectors.foreign,
        lost_ages: tally.lost_ages,
        median_us: tally.median().map(micros),
        loss_max_95: tally.loss_max(),
    }
}
