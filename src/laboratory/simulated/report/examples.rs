//! States that show what is wrong.

use std::fmt::Write;

use super::{Outcome, Setup, replay};
use crate::crash::simulated::{Example, Flaw, Loss, Reduction, Stored, Verdict};
use crate::laboratory::simulated::explore::Subject;
use crate::options::Quoted;
use crate::program::table::paragraph;

/// So many of the changes that a state lacks are told one by one.
const LOSSES_MAX: usize = 6;

/// An example of each flaw of a trial that is to be shown.
pub(super) fn of(setup: &Setup, outcome: &Outcome) -> String {
    let Outcome { trial, findings, recording, .. } = outcome;
    let is_expected = matches!(trial.subject, Subject::Mode(mode) if mode.promises().is_empty())
        && outcome.verdict == Verdict::Holds;
    // It is only worth a look if one can look.
    if is_expected && recording.is_none() {
        return String::new();
    }
    let mut text = String::new();
    for flaw in trial.shown(findings) {
        let Some(example) = findings.examples.get(&flaw) else { continue };
        if text.is_empty() {
            let what = if is_expected { "a state that shows what is lost by" } else { HEAD };
            writeln!(text, "\n{what} {}:", super::text::name(trial)).ok();
        }
        let word = match flaw {
            Flaw::Broken(promise) => promise.as_str(),
            Flaw::Lost(property) => property.as_str(),
        };
        text += &paragraph(&format!("  {word}: "), "    ", &words(example));
        if let Some(line) = replay::line(setup, outcome, example) {
            writeln!(text, "    {line}").ok();
        }
    }
    if !text.is_empty() && recording.is_none() {
        text += "  (with --report, `mycp-crash replay` shows such a state)\n";
    }
    text
}

const HEAD: &str = "counterexamples to";

fn words(example: &Example) -> String {
    let when = if example.has_ended { "after the command's end" } else { "while it ran" };
    let mut text =
        format!("state {}, {when}: {}: {}; ", example.state, Quoted(&example.path), example.what);
    if example.losses.is_empty() {
        return text + "it has all that was written to the disk until then";
    }
    let (lost, pending) = (example.losses.len(), example.pending);
    write!(text, "{lost} of {pending} pending changes of the disk are lost").ok();
    text += match example.reduction {
        Reduction::None => "",
        Reduction::Minimal => ", and without any one of these losses it is not so",
        Reduction::Bounded => ", and fewer may do: the attempts to find out were over",
    };
    for (number, loss) in example.losses.iter().take(LOSSES_MAX).enumerate() {
        text += if number == 0 { ": " } else { "; " };
        text += &self::loss(loss);
    }
    match example.losses.len().checked_sub(LOSSES_MAX) {
        None | Some(0) => text,
        Some(more) => text + &format!("; and {more} more"),
    }
}

/// A change that is lost.
fn loss(Loss { number, range, arrived, stored, .. }: &Loss) -> String {
    let mut text = format!("change {number}, {} bytes at {}", range.len(), range.start());
    if !arrived.is_empty() {
        write!(text, " of which {}..{} arrived", arrived.start(), arrived.end()).ok();
    }
    match stored {
        Stored::File { path, range } => {
            write!(text, " (bytes {}..{} of {})", range.start(), range.end(), Quoted(path)).ok();
        }
        Stored::Zeros => text += " (zeros)",
        _ => text += " (metadata)",
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::units::ByteRange;

    /// On one line.
    fn flat(text: &str) -> String {
        text.replace("\n   ", "")
    }

    #[test]
    fn an_example_tells_what_is_lost_and_how_to_look_at_it() {
        let mut broken = samples::broken_command();
        let text = of(&samples::setup(), &broken);
        assert!(
            flat(&text).starts_with(
                "\ncounterexamples to copy a:\n  whole: state 17, after the command's end: \
                 'target/m\\xfe': it is gone; 2 of 3 pending changes of the disk are lost, and \
                 without any one of these losses it is not so: change 1, 1024 bytes at 4096 of \
                 which 4096..4608 arrived (bytes 512..1536 of 'target/m\\xfe'); change 2, 512 \
                 bytes at 0 (metadata)\n"
            ),
            "{text}"
        );
        assert!(text.contains("(with --report, "), "{text}");
        broken.recording = Some("kept/x.recording".into());
        let text = of(&samples::setup(), &broken);
        let replay = "\n    mycp-crash replay --seed 5 --state 17 --lost 1,2 --mount /mnt \
                      kept/x.recording\n";
        assert!(text.contains(replay) && !text.contains("(with --report"), "{text}");
    }

    #[test]
    fn it_says_how_far_it_was_reduced_and_leaves_out_what_is_too_much() {
        let broken = samples::broken_command();
        let mut example = broken.findings.examples.into_values().next().unwrap();
        example.losses = (0..LOSSES_MAX + 2)
            .map(|number| Loss {
                number,
                range: ByteRange::first(512),
                arrived: ByteRange::first(0),
                stored: Stored::Zeros,
            })
            .collect();
        example.reduction = Reduction::Bounded;
        let text = words(&example);
        assert!(text.contains("fewer may do"), "{text}");
        assert!(text.ends_with("change 5, 512 bytes at 0 (zeros); and 2 more"), "{text}");
        example.reduction = Reduction::None;
        assert!(!words(&example).contains("and without"));
        (example.losses, example.reduction) = (Vec::new(), Reduction::Minimal);
        assert!(words(&example).ends_with("it has all that was written to the disk until then"));
    }

    #[test]
    fn a_mode_shows_what_it_loses() {
        let setup = samples::setup();
        let mut fsync = samples::mode("fsync", 99);
        let text = of(&setup, &fsync);
        assert!(text.starts_with("\ncounterexamples to fsync:\n  data: state 17, "), "{text}");
        fsync.recording = Some("x.recording".into());
        assert!(of(&setup, &fsync).contains("mycp-crash replay --seed 5 --state 17 "));
        // What was not promised is no counterexample.
        assert_eq!(of(&setup, &samples::mode("fsync", 100)), "");
        // Nothing was promised, and an example is only of use with a recording.
        let mut none = samples::mode("none", 20);
        assert_eq!(of(&setup, &none), "");
        none.recording = Some("x.recording".into());
        let text = of(&setup, &none);
        assert!(text.starts_with("\na state that shows what is lost by none:\n  data: "), "{text}");
        assert_eq!(text.matches("mycp-crash replay --seed 5 --state 17 ").count(), 1, "{text}");
    }
}
