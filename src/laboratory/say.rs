//! What is printed: answers of the command line's parser, errors.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use super::INCONCLUSIVE;

/// Prints the help or the version that was asked for, or what is wrong with the command line.
pub(super) fn answer(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.render().to_string();
        say(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
        return ExitCode::from(INCONCLUSIVE);
    }
    match print(error.render()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            failure(&error);
            ExitCode::from(INCONCLUSIVE)
        }
    }
}

/// Prints to standard output.
///
/// # Errors
///
/// Those of writing there, named.
pub(super) fn print(text: impl Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| anyhow::anyhow!("cannot write standard output: {error}"))
}

/// Prints an error with its causes.
pub(super) fn failure(error: &anyhow::Error) {
    say(format!("{error:#}"));
}

/// Prints a sentence to standard error.
pub(super) fn say(sentence: impl Display) {
    // Nobody is left to be told if that fails.
    writeln!(io::stderr(), "mycp-crash: {sentence}").ok();
}
