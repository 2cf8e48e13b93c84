//! The command line that shows a state.

use super::{Outcome, Setup};
use crate::crash::simulated::{Example, Reduction};
use crate::laboratory::shell::quoted;

/// What to type to look into the state of an example. `None` where its recording was not kept, or a
/// shell cannot be given the name.
pub(super) fn line(setup: &Setup, outcome: &Outcome, example: &Example) -> Option<String> {
    let recording = quoted(outcome.recording.as_deref()?)?;
    let numbers: Vec<_> = example.losses.iter().map(|loss| loss.number.to_string()).collect();
    let lost = match example.reduction {
        Reduction::None => String::new(),
        _ if numbers.is_empty() => "--lost none ".to_owned(),
        _ => format!("--lost {} ", numbers.join(",")),
    };
    let (seed, state) = (setup.seed, example.state);
    Some(format!("mycp-crash replay --seed {seed} --state {state} {lost}--mount /mnt {recording}"))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_shell_takes_the_name_as_it_is() {
        let mut outcome = samples::broken_command();
        let mut example = outcome.findings.examples.values().next().unwrap().clone();
        let mut line = |name: &str, example: &Example| {
            outcome.recording = Some(name.into());
            super::line(&samples::setup(), &outcome, example)
        };
        let begin = "mycp-crash replay --seed 5 --state 17 --lost 1,2 --mount /mnt ";
        for (name, word) in [
            ("dir/ext4-01-copy.recording", "dir/ext4-01-copy.recording"),
            ("my dir/x", "'my dir/x'"),
            ("it's", r"'it'\''s'"),
            ("-x", "./-x"),
        ] {
            assert_eq!(line(name, &example), Some(format!("{begin}{word}")));
        }
        assert_eq!(line("a\nb", &example), None);
        example.losses.clear();
        assert!(line("x", &example).unwrap().contains(" --lost none "));
        example.reduction = Reduction::None;
        assert!(!line("x", &example).unwrap().contains("--lost"));
    }
}
