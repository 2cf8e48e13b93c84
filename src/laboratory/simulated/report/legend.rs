//! What the words of the tables mean.

use super::Outcome;
use crate::crash::simulated::Promise;
use crate::laboratory::simulated::explore::Subject;
use crate::program::table::paragraph;

/// What has to be known to read a section.
pub(super) fn legend(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    if outcomes.iter().any(|outcome| !matches!(outcome.trial.subject, Subject::Mode(_))) {
        for promise in Promise::ALL {
            text += &paragraph("", "  ", &format!("{promise}: {}.", meaning(promise)));
        }
    }
    text + &paragraph(
        "",
        "  ",
        "legal: the subsets of the changes that were pending at the crash points; \"all\" where \
         each of them was looked at, which are fewer states where some are alike, and more with \
         those that tear a change.",
    )
}

const fn meaning(promise: Promise) -> &'static str {
    match promise {
        Promise::Bystanders => "what the command does not change stays as it is",
        Promise::NoForeign => "no sector has anything but old bytes, new ones or zeros",
        Promise::Whole => {
            "a name shows the old content or the new one, and never vanishes in between"
        }
        Promise::Fresh => "what has the length and the time of its source has its content",
        Promise::Done => "when the command has ended, all that it has done is there",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn promises_are_explained_where_they_are_columns() {
        let text = legend(&[samples::mode("fsync", 100), samples::command(&["copy"])]);
        for promise in Promise::ALL {
            assert!(text.contains(&format!("{promise}: ")), "{text}");
        }
        let text = legend(&[samples::mode("fsync", 100)]);
        assert!(text.starts_with("legal: "), "{text}");
    }
}
