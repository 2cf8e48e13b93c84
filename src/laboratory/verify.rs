//! `mycp-crash verify`: what was acknowledged before the cut against what is there after it.

mod json;

use std::array;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};

use super::INCONCLUSIVE;
use crate::crash::witness::client::Connection;
use crate::crash::witness::history::History;
use crate::crash::witness::judge::{AGES_SECONDS, Conclusion, ModeVerdict, Tally, Why, conclude};
use crate::crash::witness::log::read_file;
use crate::crash::witness::mode::Coverage;
use crate::crash::witness::store::run_of;
use crate::crash::witness::survey;
use crate::program::say::print;
use crate::program::table::{paragraph, short, table_of_numbers};

/// A promise was broken.
const VIOLATED: u8 = 1;

/// What was typed behind `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Print one line of JSON instead of the table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    record: RecordArgs,

    /// Directory that was written to
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
}

/// Where the record is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RecordArgs {
    /// The witness's record, or a copy of it
    #[arg(long, value_name = "RECORD", value_hint = ValueHint::FilePath)]
    record: Option<PathBuf>,

    /// Where the witness listens, to fetch the record from
    #[arg(long, value_name = "HOST:PORT", value_hint = ValueHint::Hostname)]
    witness: Option<String>,
}

/// Compares, and prints what came of it.
pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let run = run_of(&args.directory)?;
    let history = match (&args.record.record, &args.record.witness) {
        (Some(path), _) => read_file(path, run)?,
        (None, Some(address)) => Connection::new(address)?.fetch(run)?,
        (None, None) => anyhow::bail!("neither a record nor a witness is named"),
    };
    let tallies = survey(&args.directory, &history);
    let conclusion = conclude(&tallies);
    if args.json {
        print(json::line(&history, &tallies, conclusion)?)?;
    } else {
        print(report(&history, &tallies, conclusion)?)?;
    }
    Ok(match conclusion {
        Conclusion::Holds => ExitCode::SUCCESS,
        Conclusion::Violated => ExitCode::from(VIOLATED),
        Conclusion::Inconclusive(_) => ExitCode::from(INCONCLUSIVE),
    })
}

/// The table, and what follows from it.
fn report(
    history: &History,
    all: &[Tally],
    conclusion: Conclusion,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "run {}: {} acknowledgements in {}{}\n",
        history.layout().run,
        history.acknowledged(),
        seconds(history.micros()),
        removed(history)
    )?;
    text += &outcomes(all);
    text += &ages(all);
    notes(&mut text, history, all)?;
    writeln!(text, "\n{conclusion}: {}", reason(all, conclusion))?;
    Ok(text)
}

/// What is not counted, where there is some.
fn removed(history: &History) -> &'static str {
    let removes = history.layout().modes.iter().any(|mode| mode.removes_the_previous());
    if removes { ", without those of names that the writer removed again" } else { "" }
}

/// What became of what each mode acknowledged.
fn outcomes(all: &[Tally]) -> String {
    let heads = [
        "mode",
        "promises",
        "acknowledged",
        "survived",
        "lost",
        "torn",
        "undecided",
        "no name",
        "median",
        "verdict",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    for mode in all {
        let no_name = mode.mode.makes_names().then(|| mode.names_missing.to_string());
        let nothing = || "-".to_owned();
        rows.push([
            mode.mode.to_string(),
            mode.mode.coverage().to_string(),
            mode.acknowledged.to_string(),
            mode.survived.to_string(),
            mode.lost.to_string(),
            mode.torn.to_string(),
            mode.undecided.to_string(),
            no_name.unwrap_or_else(nothing),
            mode.median().map_or_else(nothing, short),
            words(mode),
        ]);
    }
    table_of_numbers(&rows)
}

/// What is said of one mode.
fn words(mode: &Tally) -> String {
    let share =
        mode.loss_max().map_or(String::new(), |share| format!(" (< {:.2} %)", share * 100.0));
    match mode.verdict() {
        ModeVerdict::NothingAcknowledged => "nothing acknowledged".to_owned(),
        ModeVerdict::LostAsItMay => "lost some, as it may".to_owned(),
        ModeVerdict::LostNothing => "lost nothing, though it may".to_owned(),
        ModeVerdict::Holds => format!("holds{share}"),
        ModeVerdict::Violated => format!("VIOLATED: {} broken", mode.broken),
    }
}

/// How old what is lost was.
fn ages(all: &[Tally]) -> String {
    const COLUMNS: usize = AGES_SECONDS.len() + 2;
    let end = |class: usize| AGES_SECONDS.get(class).map(|end| format!("< {end}"));
    let mut rows: Vec<[String; COLUMNS]> = vec![array::from_fn(|column| match column {
        0 => "mode".to_owned(),
        column => end(column - 1).unwrap_or("more".to_owned()),
    })];
    for mode in all.iter().filter(|mode| mode.lost > 0) {
        rows.push(array::from_fn(|column| match column {
            0 => mode.mode.to_string(),
            column => mode.lost_ages[column - 1].to_string(),
        }));
    }
    match rows.len() {
        1 => String::new(),
        _ => format!(
            "\nlost, by the seconds from its acknowledgement to the end of the record:\n{}",
            table_of_numbers(&rows)
        ),
    }
}

/// What the table does not say.
fn notes(text: &mut String, history: &History, all: &[Tally]) -> std::fmt::Result {
    let bounded = |mode: &Tally| mode.verdict() == ModeVerdict::Holds && mode.lost == 0;
    if all.iter().any(bounded) {
        let words = "In parentheses: the upper bound, at 95 %, of the share of pages that such a \
                     cut loses: 3 / n after none of n was lost. So it is with cuts: after n clean \
                     ones, up to 3 / n of all may still lose something.";
        writeln!(text, "\n{}", paragraph("", "", words).trim_end())?;
    }
    for mode in all {
        let name = mode.mode;
        if mode.undecided > 0 {
            writeln!(
                text,
                "{name}: {} undecided: a store to the page was under way, and the page is half new",
                mode.undecided
            )?;
        }
        if mode.unreadable > 0 {
            writeln!(text, "{name}: {} pages cannot be read", mode.unreadable)?;
        }
        if mode.sectors.foreign > 0 {
            let count = mode.sectors.foreign;
            writeln!(text, "{name}: {count} sectors are damaged, or of another place or run")?;
        }
    }
    if history.has_ended() {
        writeln!(text, "the writer had stopped by itself before the end of the record")?;
    }
    Ok(())
}

/// Why the verdict is what it is.
fn reason(all: &[Tally], conclusion: Conclusion) -> String {
    let sum = |count: fn(&Tally) -> u64| all.iter().map(count).sum::<u64>();
    let controls = |mode: &&Tally| mode.mode.coverage() == Coverage::Nothing;
    match conclusion {
        Conclusion::Holds => format!(
            "nothing that was promised is lost, and {} that was not promised is: there was a crash",
            all.iter().filter(controls).map(|mode| mode.lost).sum::<u64>()
        ),
        Conclusion::Violated => {
            format!("{} acknowledgements were promised to last, and are lost", sum(|it| it.broken))
        }
        Conclusion::Inconclusive(Why::NothingAcknowledged) => {
            "no mode that promises something acknowledged anything".to_owned()
        }
        Conclusion::Inconclusive(Why::NoControl) => {
            "neither mode none nor mode msync-async acknowledged anything that could be lost"
                .to_owned()
        }
        Conclusion::Inconclusive(Why::NothingLost) => {
            "even what was not synced is there: this may have been no crash at all".to_owned()
        }
        Conclusion::Inconclusive(Why::OldRecord) => format!(
            "{} pages are newer than the record, which lacks the end of the run",
            sum(|it| it.unannounced)
        ),
    }
}

fn seconds(micros: u64) -> String {
    format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10)
}
