//! What is printed: answers of the command line's parser, errors.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::INCONCLUSIVE;
use crate::program::terminal::harmless;

/// Prints the help or the version that was asked for, or what is wrong with the command line.
pub(super) fn answer(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if let ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand = error.kind() {
        // Nobody is left to be told if that fails.
        io::stderr().write_all(text.as_bytes()).ok();
        return ExitCode::from(INCONCLUSIVE);
    }
    if error.use_stderr() {
        // A tip is worth it where it names an option, not where it explains `--`.
        let paragraphs = text.split("\n\n").filter(|it| !it.starts_with("  tip: to pass "));
        let text = paragraphs.collect::<Vec<_>>().join("\n\n");
        say(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
        return ExitCode::from(INCONCLUSIVE);
    }
    // clap indents empty lines, too.
    let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    match print(text) {
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

/// Prints a sentence to standard error, without what could move a terminal's cursor.
pub(super) fn say(sentence: impl Display) {
    let sentence: String = sentence.to_string().chars().map(harmless).collect();
    // Nobody is left to be told if that fails.
    writeln!(io::stderr(), "mycp-crash: {sentence}").ok();
}
