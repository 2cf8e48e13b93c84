//! `mycp-crash verify`: what was acknowledged before the cut against what is there after it.

mod json;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};

use super::INCONCLUSIVE;
use super::say::print;
use crate::crash::witness::client::Connection;
use crate::crash::witness::history::History;
use crate::crash::witness::judge::{AGES_SECONDS, Findings, ModeVerdict, Verdict, Why, verdict};
use crate::crash::witness::mode::Promise;
use crate::crash::witness::record::read_file;
use crate::crash::witness::store::run_of;
use crate::crash::witness::survey;

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
    let findings = survey(&args.directory, &history);
    let verdict = verdict(&findings);
    if args.json {
        print(json::line(&history, &findings, verdict)?)?;
    } else {
        print(report(&history, &findings, verdict)?)?;
    }
    Ok(match verdict {
        Verdict::Holds => ExitCode::SUCCESS,
        Verdict::Violated => ExitCode::from(VIOLATED),
        Verdict::Inconclusive(_) => ExitCode::from(INCONCLUSIVE),
    })
}

/// The table, and what follows from it.
fn report(
    history: &History,
    all: &[Findings],
    verdict: Verdict,
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
    table(&mut text, all)?;
    ages(&mut text, all)?;
    notes(&mut text, history, all)?;
    writeln!(text, "\n{verdict}: {}", reason(all, verdict))?;
    Ok(text)
}

/// What is not counted, where there is some.
fn removed(history: &History) -> &'static str {
    let removes = history.layout().modes.iter().any(|mode| mode.removes_the_previous());
    if removes { ", without those of names that the writer removed again" } else { "" }
}

fn table(text: &mut String, all: &[Findings]) -> std::fmt::Result {
    writeln!(
        text,
        "{:<13}{:<14}{:>13}{:>10}{:>8}{:>6}{:>11}{:>9}{:>12}  verdict",
        "mode",
        "promises",
        "acknowledged",
        "survived",
        "lost",
        "torn",
        "undecided",
        "no name",
        "median"
    )?;
    for mode in all {
        let no_name = match mode.mode.makes_names() {
            true => mode.names_missing.to_string(),
            false => "-".to_owned(),
        };
        writeln!(
            text,
            "{:<13}{:<14}{:>13}{:>10}{:>8}{:>6}{:>11}{:>9}{:>12}  {}",
            mode.mode.name(),
            mode.mode.promise(),
            mode.acknowledged,
            mode.survived,
            mode.lost,
            mode.torn,
            mode.undecided,
            no_name,
            mode.median_micros().map_or("-".to_owned(), micros),
            words(mode)
        )?;
    }
    Ok(())
}

/// What is said of one mode.
fn words(mode: &Findings) -> String {
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
fn ages(text: &mut String, all: &[Findings]) -> std::fmt::Result {
    if all.iter().all(|mode| mode.lost == 0) {
        return Ok(());
    }
    writeln!(text, "\nlost, by the seconds from its acknowledgement to the end of the record:")?;
    write!(text, "{:<13}", "mode")?;
    for end in AGES_SECONDS {
        write!(text, "{:>8}", format!("< {end}"))?;
    }
    writeln!(text, "{:>8}", "more")?;
    for mode in all.iter().filter(|mode| mode.lost > 0) {
        write!(text, "{:<13}", mode.mode.name())?;
        for count in mode.lost_ages {
            write!(text, "{count:>8}")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// What the table does not say.
fn notes(text: &mut String, history: &History, all: &[Findings]) -> std::fmt::Result {
    let bounded = |mode: &Findings| mode.verdict() == ModeVerdict::Holds && mode.lost == 0;
    if all.iter().any(bounded) {
        writeln!(
            text,
            "\nIn parentheses: the upper bound, at 95 %, of the share of pages that such a cut \
             loses:\n3 / n after none of n was lost. So it is with cuts: after n clean ones, up to \
             3 / n of\nall may still lose something."
        )?;
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
fn reason(all: &[Findings], verdict: Verdict) -> String {
    let sum = |count: fn(&Findings) -> u64| all.iter().map(count).sum::<u64>();
    let controls = |mode: &&Findings| mode.mode.promise() == Promise::Nothing;
    match verdict {
        Verdict::Holds => format!(
            "nothing that was promised is lost, and {} that was not promised is: there was a crash",
            all.iter().filter(controls).map(|mode| mode.lost).sum::<u64>()
        ),
        Verdict::Violated => {
            format!("{} acknowledgements were promised to last, and are lost", sum(|it| it.broken))
        }
        Verdict::Inconclusive(Why::NothingAcknowledged) => {
            "no mode that promises something acknowledged anything".to_owned()
        }
        Verdict::Inconclusive(Why::NoControl) => {
            "neither mode none nor mode ms-async acknowledged anything that could be lost"
                .to_owned()
        }
        Verdict::Inconclusive(Why::NothingLost) => {
            "even what was not synced is there: this may have been no crash at all".to_owned()
        }
        Verdict::Inconclusive(Why::OldRecord) => format!(
            "{} pages are newer than the record, which lacks the end of the run",
            sum(|it| it.unannounced)
        ),
    }
}

fn seconds(micros: u64) -> String {
    format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10)
}

fn micros(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{micros} us"),
        10_000..10_000_000 => format!("{} ms", micros / 1000),
        _ => seconds(micros),
    }
}
