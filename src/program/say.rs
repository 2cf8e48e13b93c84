//! What a program with subcommands prints: answers of the command line's parser, errors.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::terminal::harmless;

/// A program, as it speaks of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its exit status when something failed, or the command line is wrong.
    pub(crate) failed: u8,
}

impl Speaker {
    /// Prints the help or the version that was asked for, or what is wrong with the command line.
    pub(crate) fn answer(self, error: &clap::Error) -> ExitCode {
        let text = error.render().to_string();
        if let ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand = error.kind() {
            // Nobody is left to be told if that fails.
            io::stderr().write_all(text.as_bytes()).ok();
            return ExitCode::from(self.failed);
        }
        if error.use_stderr() {
            // A tip is worth it where it names an option, not where it explains `--`.
            let paragraphs = text.split("\n\n").filter(|it| !it.starts_with("  tip: to pass "));
            let text = paragraphs.collect::<Vec<_>>().join("\n\n");
            self.say(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
            return ExitCode::from(self.failed);
        }
        // clap indents empty lines, too.
        let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        match print(text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => self.failure(&error),
        }
    }

    /// Prints an error with its causes, and returns the exit status for that.
    pub(crate) fn failure(self, error: &anyhow::Error) -> ExitCode {
        self.say(format!("{error:#}"));
        ExitCode::from(self.failed)
    }

    /// Prints a sentence to standard error, without what could move a terminal's cursor.
    pub(crate) fn say(self, sentence: impl Display) {
        let sentence: String = sentence.to_string().chars().map(harmless).collect();
        // Nobody is left to be told if that fails.
        writeln!(io::stderr(), "{}: {sentence}", self.name).ok();
    }
}

/// Prints to standard output.
///
/// # Errors
///
/// Those of writing there, named.
pub(crate) fn print(text: impl Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| anyhow::anyhow!("cannot write standard output: {error}"))
}
