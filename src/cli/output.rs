//! Results to words: what is printed of what was done, and the exit status that follows.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use super::explain;
use super::json;
use super::landing::Job;
use super::request::OutputMode;
use crate::error::{Cause, Error};
use crate::report::{Report, Skip, Warning};

/// Why an operand was not copied.
#[derive(Debug)]
pub(super) enum Failure {
    /// The library says why.
    Library(Error),
    /// Another source of the run has just been copied to the same target.
    JustCreated(Job),
}

impl Failure {
    /// The sentence to print.
    pub(super) fn sentence(&self, job: &Job) -> String {
        match self {
            Self::JustCreated(Job { source, target }) => {
                format!("will not overwrite just-created {target} with {source}")
            }
            // cp's words, which scripts may look for.
            Self::Library(Error { cause: Cause::IsDirectory, endpoint, .. }) => {
                if *endpoint == job.source {
                    format!("-r not specified; omitting directory {endpoint}")
                } else {
                    let source = &job.source;
                    format!("cannot overwrite directory {endpoint} with non-directory {source}")
                }
            }
            Self::Library(error) => with_causes(error),
        }
    }

    fn hint(&self, job: &Job) -> Option<&'static str> {
        match self {
            Self::JustCreated(_) => None,
            // The hint speaks of sources.
            Self::Library(Error { cause: Cause::IsDirectory, endpoint, .. })
                if *endpoint != job.source =>
            {
                None
            }
            Self::Library(error) => error.hint(),
        }
    }
}

/// The error and all its causes in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Whether a run has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Done,
    Failed,
}

/// Prints, and remembers whether anything failed.
#[derive(Debug)]
pub(super) struct Output {
    mode: OutputMode,
    status: Status,
    /// Nothing more is printed after standard output has failed: it has been told once.
    standard_output: Status,
}

impl Output {
    pub(super) fn new(mode: OutputMode) -> Self {
        Self { mode, status: Status::Done, standard_output: Status::Done }
    }

    /// Tells of a copy.
    pub(super) fn copied(&mut self, report: &Report) {
        match self.mode {
            OutputMode::Silent => {}
            OutputMode::Verbose => self.print(&explain::headline(report)),
            OutputMode::Explain => self.print(&explain::report(report)),
            OutputMode::Json => self.print_json(json::copied(report)),
        }
        for warning in &report.warnings {
            Self::warn(&format!("{}: {}", warned(report, warning), explain::warning(warning)));
        }
    }

    /// Tells of an operand that was left alone, which is a failure only when the user said no: for
    /// `-i`, POSIX has it so.
    pub(super) fn skipped(&mut self, job: &Job, skip: Skip) {
        match self.mode {
            OutputMode::Silent | OutputMode::Verbose => {}
            OutputMode::Explain => {
                let why = explain::skip(skip);
                self.print(&format!("skipped {}: {why}\n", job.target));
            }
            OutputMode::Json => self.print_json(json::skipped(job, skip)),
        }
        if skip == Skip::Declined {
            self.status = Status::Failed;
        }
    }

    /// Tells of an operand that was not copied.
    pub(super) fn failed(&mut self, job: &Job, failure: &Failure) {
        self.complain(&failure.sentence(job));
        if let Some(hint) = failure.hint(job) {
            say(&format!("hint: {hint}"));
        }
        if self.mode == OutputMode::Json {
            self.print_json(json::failed(job, failure));
        }
    }

    /// Tells of an error that concerns no operand.
    pub(super) fn error(&mut self, error: &dyn std::error::Error) {
        self.complain(&with_causes(error));
    }

    /// Tells of something that is no failure.
    pub(super) fn warn(text: &str) {
        say(&format!("warning: {text}"));
    }

    /// Tells of a failure.
    pub(super) fn complain(&mut self, text: &str) {
        self.status = Status::Failed;
        say(text);
    }

    /// The exit status, after everything printed has been handed over.
    pub(super) fn finish(mut self) -> ExitCode {
        let flushed = io::stdout().lock().flush();
        self.check(flushed);
        match self.status {
            Status::Done => ExitCode::SUCCESS,
            Status::Failed => ExitCode::FAILURE,
        }
    }

    fn print(&mut self, text: &str) {
        if self.standard_output == Status::Done {
            let written = io::stdout().lock().write_all(text.as_bytes());
            self.check(written);
        }
    }

    fn print_json(&mut self, line: serde_json::Result<String>) {
        match line {
            Ok(line) => self.print(&line),
            Err(error) => self.complain(&format!("cannot make JSON: {error}")),
        }
    }

    fn check(&mut self, written: io::Result<()>) {
        if let Err(error) = written
            && self.standard_output == Status::Done
        {
            self.standard_output = Status::Failed;
            self.complain(&format!("cannot write standard output: {error}"));
        }
    }
}

/// A message on standard error, in one write so that lines of several programs do not mix; where
/// that fails there is nobody left to tell.
pub(super) fn say(text: &(impl Display + ?Sized)) {
    io::stderr().write_all(format!("mycp: {text}\n").as_bytes()).ok();
}

/// The object that a warning is about.
fn warned(report: &Report, warning: &Warning) -> String {
    match warning {
        Warning::Grew { .. } | Warning::Changed => report.source.to_string(),
        Warning::ReadBackFromMemory { .. } | Warning::NotKept(_) => report.target.to_string(),
    }
}
