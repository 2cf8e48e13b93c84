//! The findings as text: a section for each file system, with a table for each kind of trial.

use std::path::Path;
use std::time::Duration;

use super::legend::legend;
use super::{LAYERS, Outcome, Settled, Setup, broken_share_max, examples, verdicts};
use crate::crash::Statistics;
use crate::crash::simulated::{
    FileSystem, Findings, Kept, Promise, Property, SECTOR, SyncMode, Verdict,
};
use crate::laboratory::simulated::explore::{Subject, Trial};
use crate::options::Quoted;
use crate::program::table::{paragraph, short, table};

/// What is tried, on what, and of what nothing is said.
pub(super) fn head(setup: &Setup) -> String {
    let words = format!(
        "mycp-crash {} on {}: what survives a crash, in the crash states of simulated disks. The \
         file systems are this kernel's. A simulated disk writes sectors of {SECTOR} bytes whole \
         and may tear what is longer between them; its cache is volatile, and only a flush empties \
         it. {LAYERS} Of real disks this says nothing.",
        env!("CARGO_PKG_VERSION"),
        setup.kernel
    );
    paragraph("", "", &words)
}

/// All of a file system.
pub(super) fn section(
    setup: &Setup,
    system: FileSystem,
    outcomes: &[Outcome],
    settled: &[Settled],
) -> String {
    let options = match setup.mount_options.as_str() {
        "" => "with its default options".to_owned(),
        options => format!("with the options {}", Quoted(Path::new(options))),
    };
    let mut text = format!("\n== {system}, mounted {options}\n");
    text += &modes(setup, outcomes);
    text += &commands(setup, outcomes);
    text += &controls(setup, outcomes);
    text += &notes(outcomes);
    text += &exposures(settled);
    text
}

/// The verdict on all.
pub(super) fn end(setup: &Setup, verdict: Verdict, states: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    format!("\n{verdict}: {states} states in {seconds:.1} s, seed {}\n", setup.seed)
}

fn modes(setup: &Setup, outcomes: &[Outcome]) -> String {
    let heads = [
        "mode",
        "promises",
        "states",
        "legal",
        "data",
        "size",
        "attributes",
        "name",
        "torn",
        "median",
        "verdict",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    for outcome in outcomes {
        let Subject::Mode(mode) = outcome.trial.subject else { continue };
        let findings = &outcome.findings;
        let [data, size, attributes, name] = Property::ALL.map(|property| {
            share(findings.stores.kept.get(&property).copied().unwrap_or_default())
        });
        let times = Statistics::of(&findings.flushes_took);
        rows.push([
            mode.to_string(),
            promised_by(mode),
            findings.states.to_string(),
            legal(findings),
            data,
            size,
            attributes,
            name,
            findings.stores.torn.to_string(),
            times.map_or("-".to_owned(), |times| short(times.percentile(50))),
            verdicts::of(outcome),
        ]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    let words = "Stores through maps, by what flushed them: how much of what had been acknowledged \
                 survived, summed over the states. What has no name is only looked for by name. \
                 The medians are those of the calls that flush, on the simulated disk.";
    let is_mode = |outcome: &&Outcome| matches!(outcome.trial.subject, Subject::Mode(_));
    let examples = outcomes.iter().filter(is_mode).map(|outcome| examples::of(setup, outcome));
    let examples: String = examples.collect();
    format!("\n{}\n{}{examples}", paragraph("", "", words), table(&rows))
}

fn promised_by(mode: SyncMode) -> String {
    match mode.promises() {
        [] => "nothing".to_owned(),
        all if all.len() == Property::ALL.len() => "all".to_owned(),
        some => some.iter().map(|property| property.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// A share in percent, which is 100 only for all; with the numbers where it is not.
fn share(kept: Kept) -> String {
    let Kept { kept, of, .. } = kept;
    match of {
        0 => "-".to_owned(),
        of if kept == of => "100 %".to_owned(),
        of => format!("{} % ({kept}/{of})", kept * 100 / of),
    }
}

/// How many states there may be.
fn legal(findings: &Findings) -> String {
    let extent = if findings.is_exhaustive { ", all" } else { "" };
    format!("2^{:.0}{extent}", findings.legal_log2)
}

fn commands(setup: &Setup, outcomes: &[Outcome]) -> String {
    let of_commands = || outcomes.iter().filter(|it| it.trial.subject == Subject::Command);
    let promises = Promise::ALL.map(|promise| promise.to_string());
    let [a, b, c, d, e] = promises;
    let word = str::to_owned;
    let mut rows =
        vec![[word("verdict"), word("states"), word("legal"), a, b, c, d, e, word("command")]];
    for outcome in of_commands() {
        let [a, b, c, d, e] =
            Promise::ALL.map(|promise| broken(promise, &outcome.trial, &outcome.findings));
        let findings = &outcome.findings;
        let verdict = verdicts::of(outcome);
        let states = findings.states.to_string();
        rows.push([verdict, states, legal(findings), a, b, c, d, e, name(&outcome.trial)]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    let words = "Commands: states that break a promise; in parentheses, where it was not made.";
    let mut text = format!("\n{words}\n\n{}", table(&rows));
    for outcome in of_commands() {
        text += &examples::of(setup, outcome);
    }
    text
}

/// How many states break a promise.
fn broken(promise: Promise, trial: &Trial, findings: &Findings) -> String {
    let count = findings.breaches.get(&promise).copied().unwrap_or(0);
    match trial.workload.promises.contains(&promise) {
        true => count.to_string(),
        false => format!("({count})"),
    }
}

fn controls(setup: &Setup, outcomes: &[Outcome]) -> String {
    let mut rows = vec![["control", "states", "breaks", "verdict"].map(str::to_owned)];
    let mut shown = String::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.trial.is_control()) {
        let Outcome { trial, findings, verdict, .. } = outcome;
        let is_sound = trial.is_sound();
        let broken: Vec<_> = Promise::ALL
            .into_iter()
            .filter(|it| findings.breaches.get(it).is_some_and(|count| *count > 0))
            .map(Promise::as_str)
            .collect();
        let broken = if broken.is_empty() { "nothing".to_owned() } else { broken.join(", ") };
        let said = match (is_sound, *verdict) {
            (true, Verdict::Holds) => "found sound",
            (true, _) => "NOT FOUND SOUND",
            (false, Verdict::Holds) => "found out",
            (false, _) => "NOT FOUND OUT",
        };
        rows.push([name(trial), findings.states.to_string(), broken, said.to_owned()]);
        if is_sound {
            shown += &examples::of(setup, outcome);
        }
    }
    match rows.len() {
        1 => String::new(),
        _ => {
            format!("\nControls: does the laboratory find what is wrong?\n\n{}", table(&rows))
                + &shown
        }
    }
}

/// What the tables do not say.
fn notes(outcomes: &[Outcome]) -> String {
    let mut text = String::from("\n");
    let is_bounded = |outcome: &Outcome| {
        let Outcome { trial, findings, verdict, .. } = outcome;
        let promises = match trial.subject {
            Subject::Mode(mode) => !mode.promises().is_empty(),
            Subject::Command => true,
            Subject::Cripple(_) | Subject::Liar => false,
        };
        promises && *verdict == Verdict::Holds && broken_share_max(findings).is_some()
    };
    text += &legend(outcomes);
    if outcomes.iter().any(is_bounded) {
        text += &paragraph(
            "",
            "  ",
            "(0 of n drawn: < %): n of the states were drawn at random, from all crash points in \
             turn, each pending change lost, torn or whole by chance. None of these breaks a \
             promise, and so, at 95 %, less than 3/n of all that may be drawn so do (the rule of \
             three). The other states are chosen by a plan, which is no sample: they count as \
             looked at, of how many are legal, and bound nothing.",
        );
    }
    text + &unmountable(outcomes)
}

/// States that nothing can be said of.
fn unmountable(outcomes: &[Outcome]) -> String {
    let with = || outcomes.iter().filter(|outcome| outcome.findings.unmountable > 0);
    let Some(because) = with().find_map(|it| it.findings.unmountable_because.as_deref()) else {
        return String::new();
    };
    let counts = with().map(|Outcome { trial, findings, .. }| {
        format!("{} of {} of {}", findings.unmountable, findings.states, name(trial))
    });
    let counts: Vec<_> = counts.collect();
    let words = format!(
        "states that the file system cannot mount, which is its own affair, and where nothing is \
         judged: {}. One of the reasons: {because}",
        counts.join(", ")
    );
    paragraph("", "  ", &words)
}

/// When what was not flushed was on the disk.
fn exposures(settled: &[Settled]) -> String {
    let mut rows = vec![["mode", "lost at once", "lost later"].map(str::to_owned)];
    for Settled { mode, aftermath, .. } in settled {
        let of = aftermath.acknowledged;
        let words = |lost: Option<u64>| match lost {
            Some(lost) => format!("{lost} of {of}"),
            None => "cannot be mounted".to_owned(),
        };
        let mut exposure = aftermath.exposure.iter();
        let Some(first) = exposure.next() else { continue };
        let mut before = first.lost;
        let mut later = Vec::new();
        for at in exposure.filter(|at| std::mem::replace(&mut before, at.lost) != at.lost) {
            later.push(format!("{} from {} s on", words(at.lost), at.seconds));
        }
        if later.is_empty() {
            let seconds = aftermath.exposure.last().map_or(0, |last| last.seconds);
            later.push(format!("the same after {seconds} s"));
        }
        rows.push([mode.to_string(), words(first.lost), later.join(", ")]);
    }
    match rows.len() {
        1 => String::new(),
        _ => {
            let words = "Stores lost some seconds after the last call had returned, when nobody \
                         asks for a flush and nothing that is pending survives:";
            format!("\n{}\n{}", paragraph("", "", words), table(&rows))
        }
    }
}

/// What a trial is called, without what could move a terminal's cursor.
pub(super) fn name(trial: &Trial) -> String {
    let quoted = Quoted(Path::new(&trial.workload.name)).to_string();
    quoted.trim_matches('\'').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::crash::simulated::Cripple;

    fn all(outcomes: &[Outcome]) -> String {
        section(&samples::setup(), FileSystem::Ext4, outcomes, &[])
    }

    /// The line that has these words, its columns parted by one space.
    fn line(text: &str, words: &str) -> String {
        let line = text.lines().find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("{words:?} is not in\n{text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_head_names_the_layers_and_the_end_the_bound() {
        let setup = samples::setup();
        let text = head(&setup).replace('\n', " ");
        for expected in
            ["on Linux 6.1.2", "sectors of 512 bytes", "Of real disks", "volatile", LAYERS]
        {
            assert!(text.contains(expected), "{text}");
        }
        let text = end(&setup, Verdict::Violated, 7, Duration::from_millis(2500));
        assert_eq!(text, "\nVIOLATED: 7 states in 2.5 s, seed 5\n");
        let setup = Setup { mount_options: "data=journal".to_owned(), ..setup };
        let text = section(&setup, FileSystem::Ext4, &[], &[]);
        assert!(text.starts_with("\n== ext4, mounted with the options 'data=journal'\n"), "{text}");
    }

    #[test]
    fn a_mode_has_a_row_with_what_survived_and_its_promise() {
        let text = all(&[samples::mode("none", 20), samples::mode("msync", 100)]);
        assert_eq!(
            line(&text, "none  "),
            "none nothing 60 2^31 20 % (20/100) 20 % (20/100) - 30 % (30/100) 0 20.0 us promises \
             nothing"
        );
        assert_eq!(
            line(&text, "msync"),
            "msync data, size 60 2^31 100 % 100 % - 30 % (30/100) 0 20.0 us HOLDS (0 of 30 \
             drawn: < 10.0 %)"
        );
        assert!(text.contains("less than 3/n of all"), "{text}");
        assert!(!text.contains("Commands") && !text.contains("Controls"), "{text}");
    }

    #[test]
    fn a_mode_that_loses_what_it_promises_is_violated() {
        let text = all(&[samples::mode("fsync", 99)]);
        assert!(line(&text, "fsync").contains("99 % (99/100)"), "{text}");
        assert!(line(&text, "fsync").ends_with("VIOLATED"), "{text}");
        assert!(!text.contains("3/n"), "{text}");
    }

    #[test]
    fn where_all_states_were_looked_at_there_is_no_bound() {
        let mut outcome = samples::mode("msync", 100);
        outcome.findings.is_exhaustive = true;
        let text = all(&[outcome]);
        assert!(line(&text, "msync").ends_with("HOLDS"), "{text}");
        assert!(line(&text, "msync").contains("2^31, all"), "{text}");
        assert!(!text.contains("3/n"), "{text}");
    }

    #[test]
    fn a_share_is_100_percent_for_all_only() {
        let share = |kept, of| {
            let mut all = Kept::default();
            (all.kept, all.of) = (kept, of);
            super::share(all)
        };
        assert_eq!(share(999, 1000), "99 % (999/1000)");
        assert_eq!((share(7, 7), share(0, 0)), ("100 %".to_owned(), "-".to_owned()));
    }

    #[test]
    fn a_command_has_its_broken_promises_counted_and_shown() {
        let mut fine = samples::command(&["fi\x1bne"]);
        fine.findings.breaches.insert(Promise::Whole, 3);
        let text = all(&[fine, samples::broken_command()]);
        let row = "HOLDS (0 of 30 drawn: < 10.0 %) 60 2^31 0 0 (3) (0) 0 fi\\u{1b}ne";
        assert_eq!(line(&text, "fi\\u{1b}ne"), row);
        assert_eq!(line(&text, "(7)"), "VIOLATED 60 2^31 0 (0) 4 (0) (7) copy a");
        assert!(text.contains("\ncounterexamples to copy a:\n  whole: state 17, "), "{text}");
        assert!(!text.contains("counterexamples to fi"), "{text}");
    }

    #[test]
    fn controls_are_found_out_or_not() {
        let text = all(&[
            samples::control(Cripple::Nothing, false),
            samples::control(Cripple::PageShort, true),
            samples::control(Cripple::RenameFirst, false),
        ]);
        assert_eq!(line(&text, "d: nothing"), "crippled: nothing 60 nothing found sound");
        assert_eq!(line(&text, "page-short"), "crippled: page-short 60 whole, done found out");
        assert!(line(&text, "rename-first").ends_with(" nothing NOT FOUND OUT"), "{text}");
        assert!(!text.contains("counterexamples"), "{text}");
        let text = all(&[samples::control(Cripple::Nothing, true)]);
        assert!(line(&text, "d: nothing").ends_with("NOT FOUND SOUND"), "{text}");
        assert!(text.contains("counterexamples to crippled: nothing"), "{text}");
    }

    #[test]
    fn states_that_cannot_be_mounted_are_told_apart() {
        let mut outcome = samples::command(&["copy"]);
        outcome.findings.unmountable = 2;
        outcome.findings.unmountable_because = Some("Bad message".to_owned());
        let judge = |outcome: &mut Outcome| outcome.trial.verdict(&outcome.findings);
        assert_eq!(judge(&mut outcome), Verdict::Holds);
        let text = all(std::slice::from_ref(&outcome)).replace("\n  ", " ");
        assert!(text.contains("which is its own affair"), "{text}");
        assert!(text.contains("2 of 60 of copy. One of the reasons: Bad message"), "{text}");
        outcome.findings.unmountable = 60;
        outcome.verdict = judge(&mut outcome);
        assert!(line(&all(&[outcome]), "(0)").starts_with("INCONCLUSIVE: too few states 60 "));
    }

    #[test]
    fn what_is_lost_later_is_told_where_it_changes() {
        let text = exposures(&[samples::settled("none")]);
        assert_eq!(
            line(&text, "none"),
            "none 6 of 6 cannot be mounted from 1 s on, 0 of 6 from 2 s on"
        );
        let mut same = samples::settled("fsync");
        same.aftermath.exposure.truncate(1);
        assert_eq!(line(&exposures(&[same]), "fsync"), "fsync 6 of 6 the same after 0 s");
    }
}
