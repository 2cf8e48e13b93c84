//! The verdict on a trial, in words.

use super::{Outcome, broken_share_max};
use crate::crash::simulated::{Promise, Verdict};
use crate::laboratory::simulated::explore::Subject;

/// The verdict; where it holds how far, and where nothing can be said why not.
pub(super) fn of(outcome: &Outcome) -> String {
    let Outcome { trial, findings, verdict, .. } = outcome;
    match (verdict, broken_share_max(findings)) {
        (Verdict::Holds, _) if promises_nothing(outcome) => "promises nothing".to_owned(),
        (Verdict::Holds, Some(share)) => {
            format!("{verdict} (0 of {} drawn: < {:.1} %)", findings.drawn, share * 100.0)
        }
        (Verdict::Inconclusive, _) if !trial.is_control() => format!("{verdict}: {}", why(outcome)),
        (verdict, _) => verdict.to_string(),
    }
}

fn promises_nothing(outcome: &Outcome) -> bool {
    matches!(outcome.trial.subject, Subject::Mode(mode) if mode.promises().is_empty())
}

/// Why nothing can be said.
fn why(outcome: &Outcome) -> String {
    let Outcome { trial, findings, .. } = outcome;
    let promises = trial.workload.promises.iter();
    let untried = promises.filter(|promise| !findings.tried.contains(promise));
    let untried: Vec<_> = untried.map(|promise| promise.as_str()).collect();
    if findings.judged() == 0 {
        return "too few states".to_owned();
    }
    if findings.unmountable_whole > 0 {
        return "a state cannot be mounted".to_owned();
    }
    match (untried.as_slice(), trial.subject) {
        ([], Subject::Mode(_)) if promises_nothing(outcome) => "lost nothing".to_owned(),
        ([], Subject::Mode(_)) => "nothing was acknowledged".to_owned(),
        ([one], _) if *one == Promise::Done.as_str() && findings.ended == 0 => {
            "no state after the end".to_owned()
        }
        (some, _) => format!("it does nothing that could break {}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::crash::simulated::Property;

    fn judged(mut outcome: Outcome, change: impl FnOnce(&mut Outcome)) -> String {
        change(&mut outcome);
        outcome.verdict = outcome.trial.verdict(&outcome.findings);
        of(&outcome)
    }

    #[test]
    fn only_what_was_drawn_at_random_bounds_the_share() {
        let command = || samples::command(&["copy"]);
        assert_eq!(judged(command(), |_| ()), "HOLDS (0 of 30 drawn: < 10.0 %)");
        assert_eq!(judged(command(), |it| it.findings.drawn = 0), "HOLDS");
        assert_eq!(judged(command(), |it| it.findings.is_exhaustive = true), "HOLDS");
        assert_eq!(judged(samples::broken_command(), |_| ()), "VIOLATED");
    }

    #[test]
    fn a_mode_that_should_lose_and_does_not_makes_all_inconclusive() {
        let mode = samples::mode("msync-async", 100);
        let said = judged(mode, |it| {
            it.findings.stores.kept.remove(&Property::Name);
        });
        assert_eq!(said, "INCONCLUSIVE: lost nothing");
        assert_eq!(judged(samples::mode("msync-async", 100), |_| ()), "promises nothing");
    }

    /// Of a few states, all may be before anything was promised.
    #[test]
    fn what_was_not_tried_does_not_hold() {
        let mode = samples::mode("msync", 100);
        let said = judged(mode, |it| it.findings.stores.kept.clear());
        assert_eq!(said, "INCONCLUSIVE: nothing was acknowledged");
        let untried = |promises: &[Promise], ended| {
            judged(samples::command(&["copy"]), |it| {
                it.findings.tried.retain(|tried| !promises.contains(tried));
                it.findings.ended = ended;
            })
        };
        assert_eq!(untried(&[Promise::Done], 0), "INCONCLUSIVE: no state after the end");
        assert_eq!(
            untried(&[Promise::Done], 3),
            "INCONCLUSIVE: it does nothing that could break done"
        );
        let both = [Promise::NoForeign, Promise::Done];
        assert_eq!(
            untried(&both, 3),
            "INCONCLUSIVE: it does nothing that could break no-foreign, done"
        );
        // That was not promised.
        assert!(untried(&[Promise::Fresh], 3).starts_with("HOLDS"));
        let mut nobody = samples::command(&["copy"]);
        nobody.trial.workload.promises.push(Promise::Fresh);
        let said = judged(nobody, |it| it.findings.tried.retain(|it| *it != Promise::Fresh));
        assert_eq!(said, "INCONCLUSIVE: it does nothing that could break fresh");
    }

    #[test]
    fn what_cannot_be_mounted_is_not_judged() {
        let unmountable = |all, whole| {
            judged(samples::command(&["copy"]), |it| {
                (it.findings.unmountable, it.findings.unmountable_whole) = (all, whole);
            })
        };
        assert!(unmountable(2, 0).starts_with("HOLDS"));
        assert_eq!(unmountable(2, 1), "INCONCLUSIVE: a state cannot be mounted");
        assert_eq!(unmountable(60, 0), "INCONCLUSIVE: too few states");
    }
}
