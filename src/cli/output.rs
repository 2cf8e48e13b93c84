//! Results to words: what is printed of what was done, and the exit status that follows.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use super::explain;
use super::json;
use super::request::OutputMode;
use crate::change::Change;
use crate::error::{Cause, Error, Result};
use crate::options::Endpoint;
use crate::report::{Done, Lost, ObjectKind, Report, Skip, Warning, Way};
use crate::sys::names;
use crate::tree::Summary;

/// Why an object was not copied.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure<'a> {
    /// The library says why.
    Library(&'a Error),
    /// Another source of the run has just been copied to the same target.
    JustCreated,
}

impl Failure<'_> {
    /// The sentence to print.
    pub(super) fn sentence(&self, source: &Endpoint, target: &Endpoint) -> String {
        match self {
            Self::JustCreated => format!("will not overwrite just-created {target} with {source}"),
            Self::Library(error) => {
                cps_sentence(error, source, target).unwrap_or_else(|| with_causes(*error))
            }
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::JustCreated => None,
            Self::Library(error) => error.hint().or_else(|| names::hint(error.os_error()?)),
        }
    }
}

/// What cp says, which scripts may look for.
fn cps_sentence(error: &Error, source: &Endpoint, target: &Endpoint) -> Option<String> {
    let endpoint = &error.endpoint;
    Some(match &error.cause {
        Cause::IsDirectory if *target == Endpoint::Standard => {
            format!("cannot copy the directory {endpoint} to standard output")
        }
        Cause::IsDirectory if matches!(target, Endpoint::Segment(_)) => {
            format!("cannot copy the directory {endpoint} to the segment {target}")
        }
        Cause::IsDirectory if endpoint == source => {
            format!("-r not specified; omitting directory {endpoint}")
        }
        Cause::IsDirectory => {
            format!("cannot overwrite directory {endpoint} with non-directory {source}")
        }
        Cause::NotDirectory if endpoint == target => {
            format!("cannot overwrite non-directory {endpoint} with directory {source}")
        }
        Cause::IntoItself { target } => {
            format!("cannot copy a directory, {endpoint}, into itself, {target}")
        }
        _ => return None,
    })
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

/// How many objects a run copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    One,
    Many,
}

/// Prints, and remembers whether anything failed.
#[derive(Debug)]
pub(super) struct Output {
    mode: OutputMode,
    extent: Extent,
    status: Status,
    /// Nothing more is printed after standard output has failed: it has been told once.
    standard_output: Status,
    /// What has been told, and would be the same of every object.
    told: Vec<Lost>,
    told_of_the_stop: bool,
}

impl Output {
    pub(super) fn new(mode: OutputMode, extent: Extent) -> Self {
        let (status, standard_output) = (Status::Done, Status::Done);
        Self { mode, extent, status, standard_output, told: Vec::new(), told_of_the_stop: false }
    }

    /// Whether [`tell`](Self::tell) does nothing of an object that was copied without a warning.
    pub(super) fn is_silent_of_copies(&self) -> bool {
        self.mode == OutputMode::Silent
    }

    /// Whether [`tell`](Self::tell) does nothing of an object that ended so.
    pub(super) fn is_silent_of(&self, result: &Result<Done>) -> bool {
        match (result, self.mode) {
            (Ok(Done::Copied(report)), OutputMode::Silent) => report.warnings.is_empty(),
            (Ok(Done::Skipped(skip)), OutputMode::Silent | OutputMode::Verbose) => {
                *skip != Skip::Declined
            }
            _ => false,
        }
    }

    /// Tells what became of an object.
    pub(super) fn tell(&mut self, source: &Endpoint, target: &Endpoint, result: &Result<Done>) {
        match result {
            Ok(Done::Copied(report)) => self.copied(report),
            Ok(Done::Skipped(skip)) => self.skipped(source, target, *skip),
            Err(error) => self.failed(source, target, Failure::Library(error)),
        }
    }

    fn copied(&mut self, report: &Report) {
        match self.mode {
            OutputMode::Silent => {}
            // As cp: nothing was made.
            OutputMode::Verbose if report.way == Way::Merged => {}
            OutputMode::Verbose => self.print(&explain::headline(report)),
            OutputMode::Explain => self.print(&explain::report(report)),
            OutputMode::Json => self.print_json(json::copied(report)),
        }
        for warning in &report.warnings {
            self.warn_of((&report.source, &report.target), warning);
        }
    }

    /// Tells what became known of an object after it was told of.
    pub(super) fn warned(&mut self, source: &Endpoint, target: &Endpoint, warning: &Warning) {
        if self.mode == OutputMode::Json {
            self.print_json(json::warning(source, target, warning));
        }
        self.warn_of((source, target), warning);
    }

    /// What a target's file system cannot hold, it cannot hold of any file: that is told once.
    fn warn_of(&mut self, (source, target): (&Endpoint, &Endpoint), warning: &Warning) {
        match *warning {
            Warning::NotKept(lost) if self.extent == Extent::Many => {
                if !self.told.contains(&lost) {
                    self.told.push(lost);
                    let lost = lost.as_str();
                    Self::warn(&format!(
                        "{target} and perhaps others could not be given their {lost}"
                    ));
                }
            }
            _ => {
                let object = object_of(source, target, warning);
                Self::warn(&format!("{object}: {}", explain::warning(warning)));
            }
        }
    }

    /// Tells of an object that was left alone, which is a failure only when the user said no: for
    /// `-i`, POSIX has it so.
    fn skipped(&mut self, source: &Endpoint, target: &Endpoint, skip: Skip) {
        match self.mode {
            OutputMode::Silent | OutputMode::Verbose => {}
            OutputMode::Explain => {
                let why = explain::skip(skip);
                self.print(&format!("skipped {target}: {why}\n"));
            }
            OutputMode::Json => self.print_json(json::skipped(source, target, skip)),
        }
        if skip == Skip::Declined {
            self.status = Status::Failed;
        }
    }

    /// Tells of something that a mirror changes, or would.
    pub(super) fn changed(&mut self, target: &Endpoint, change: &Change) {
        match self.mode {
            OutputMode::Json => self.print_json(json::changed(target, change)),
            _ => self.print(&format!("{change} {target}\n")),
        }
    }

    /// Tells of something that a mirror has deleted, in rm's words.
    pub(super) fn deleted(&mut self, target: &Endpoint, kind: ObjectKind) {
        match self.mode {
            OutputMode::Silent => {}
            OutputMode::Verbose | OutputMode::Explain => {
                let what = if kind == ObjectKind::Directory { "directory " } else { "" };
                self.print(&format!("removed {what}{target}\n"));
            }
            OutputMode::Json => self.print_json(json::deleted(target, kind)),
        }
    }

    /// Tells of an object that was not copied.
    pub(super) fn failed(&mut self, source: &Endpoint, target: &Endpoint, failure: Failure<'_>) {
        let stopped = matches!(failure, Failure::Library(Error { cause: Cause::Stopped, .. }));
        // A signal stops every file that is being copied; one of them says so for all.
        if stopped && std::mem::replace(&mut self.told_of_the_stop, true) {
            self.status = Status::Failed;
        } else {
            self.complain(&failure.sentence(source, target));
            if let Some(hint) = failure.hint() {
                say(&format!("hint: {hint}"));
            }
        }
        if self.mode == OutputMode::Json {
            self.print_json(json::failed(source, target, &failure));
        }
    }

    /// Tells what a run over trees came to.
    pub(super) fn summary(&mut self, summary: &Summary) {
        if self.mode == OutputMode::Json {
            self.print_json(json::summary(summary));
        }
        if self.mode == OutputMode::Explain && summary.flushes > 0 {
            self.print(&explain::flushes(summary));
        }
        // A stop has been told, and leaves out what nobody has counted.
        if let Some(sentence) = explain::not_copied(summary)
            && !self.told_of_the_stop
        {
            self.complain(&sentence);
        }
    }

    /// Tells of an error that concerns no object.
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
fn object_of<'a>(source: &'a Endpoint, target: &'a Endpoint, warning: &Warning) -> &'a Endpoint {
    match warning {
        Warning::Grew { .. } | Warning::Changed => source,
        Warning::ReadBackFromMemory { .. } | Warning::NotKept(_) => target,
    }
}
