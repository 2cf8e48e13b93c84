//! The program: words to requests, results to words.

mod args;
mod explain;
mod interrupt;
mod json;
mod landing;
mod manifest;
mod output;
mod progress;
mod request;
mod watch;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;

use args::Args;
use landing::Job;
use manifest::Manifest;
use output::{Failure, Output, say};
use progress::Progress;
use request::{Refusal, Request};
use watch::Watcher;

use crate::copy::{Copier, Session};
use crate::options::{BackupControl, Endpoint};
use crate::report::Done;

/// What the program takes from its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$VERSION_CONTROL`: which backups `-b` makes.
    pub version_control: Option<OsString>,
    /// `$SIMPLE_BACKUP_SUFFIX`: what is put behind the name of a simple backup.
    pub simple_backup_suffix: Option<OsString>,
}

/// Does what the command line says, the program's own name first, and returns the exit status; dies
/// of the signal that interrupted it, if one did.
#[must_use]
pub fn run(line: impl Iterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let args = match Args::read(line) {
        Ok(args) => args,
        Err(error) => return answer(&error),
    };
    match Request::new(args, environment, &landing::FileSystem) {
        Ok(request) => interrupt::exit(carry_out(request)),
        Err(refusal) => {
            say(&refusal);
            if let Refusal::Usage(_) = refusal {
                say_try_help();
            }
            ExitCode::FAILURE
        }
    }
}

/// Prints the help or the version that was asked for, or what is wrong with the command line.
fn answer(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // clap indents empty lines, too.
        let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let mut stdout = io::stdout().lock();
        return match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("cannot write standard output: {error}"));
                ExitCode::FAILURE
            }
        };
    }
    // What follows the message is the usage and the way to the help, told here as for every error,
    // and a tip: worth it where it names an option, not where it explains `--`.
    let text: String = text.chars().map(harmless).collect();
    let message = text.strip_prefix("error: ").unwrap_or(&text);
    let mut paragraphs = message.split("\n\n");
    say(paragraphs.next().unwrap_or_default().trim_end());
    for tip in paragraphs.flat_map(str::lines).filter_map(|line| line.strip_prefix("  tip: ")) {
        if !tip.starts_with("to pass ") {
            say(&format!("hint: {tip}"));
        }
    }
    const OF_TREES: [&str; 5] = ["'-r'", "'-R'", "'-a'", "'--recursive'", "'--archive'"];
    if OF_TREES.iter().any(|option| message.contains(option)) {
        say("hint: directories are not copied yet");
    }
    say_try_help();
    // clap's own status is 2; cp's is 1.
    ExitCode::FAILURE
}

/// A character, or a mark in place of one that would move a terminal's cursor.
fn harmless(c: char) -> char {
    if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }
}

fn say_try_help() {
    io::stderr().write_all(b"Try 'mycp --help' for more information.\n").ok();
}

fn carry_out(request: Request) -> ExitCode {
    let mut output = Output::new(request.output);
    match (Run {
        request: &request,
        output: &mut output,
        created: Created::default(),
        session: Session::new(),
    })
    .all()
    {
        Ok(()) => {}
        Err(error) => output.error(error.as_ref()),
    }
    output.finish()
}

/// One run over all operands.
struct Run<'a> {
    request: &'a Request,
    output: &'a mut Output,
    created: Created,
    session: Session,
}

impl Run<'_> {
    /// Copies one operand after the other; an error is one that lets none be copied.
    fn all(mut self) -> anyhow::Result<()> {
        interrupt::install()?;
        let request = self.request;
        let mut manifest = match &request.manifest {
            Some(path) => {
                Some(Manifest::create(path.clone(), &request.jobs, request.options.flush)?)
            }
            None => None,
        };
        if let Some(manifest) = &manifest {
            manifest.protect(&self.session)?;
        }
        for job in &request.jobs {
            self.session.protect_source(&job.source);
        }
        let progress = Progress::new(request.progress, request.options.flush)?;
        for job in &request.jobs {
            if interrupt::stop_requested() {
                break;
            }
            self.one(job, &progress, manifest.as_mut());
        }
        progress.finish();
        if let Some(manifest) = manifest {
            manifest.finish()?;
        }
        Ok(())
    }

    fn one(&mut self, job: &Job, progress: &Progress, manifest: Option<&mut Manifest>) {
        match self.created.clash(job, self.request) {
            Some(Clash::SameSource) => {
                let source = &job.source;
                Output::warn(&format!("source file {source} specified more than once"));
                return;
            }
            Some(Clash::SameTarget) => {
                self.output.failed(job, &Failure::JustCreated(job.clone()));
                return;
            }
            None => {}
        }
        progress.begin(job);
        let watcher = Watcher { progress, job, replacing: self.request.replacing };
        let copier = Copier::new(&self.request.options).observer(&watcher).session(&self.session);
        let done = copier.copy(&job.source, &job.target);
        progress.end();
        match done {
            Ok(Done::Copied(report)) => {
                self.created.add(job);
                self.output.copied(&report);
                if let Some(Err(error)) = manifest.map(|manifest| manifest.add(&report)) {
                    self.output.error(&error);
                }
            }
            Ok(Done::Skipped(skip)) => self.output.skipped(job, skip),
            Err(error) => self.output.failed(job, &Failure::Library(error)),
        }
    }
}

/// The targets that this run has made, and of which sources: two sources of one name must not
/// end up as one file.
#[derive(Debug, Default)]
struct Created(HashMap<PathBuf, PathBuf>);

/// What is wrong with copying to a target once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clash {
    /// The source is the one that is there already.
    SameSource,
    /// Another source is.
    SameTarget,
}

impl Created {
    fn add(&mut self, job: &Job) {
        if let (Endpoint::File(source), Endpoint::File(target)) = (&job.source, &job.target) {
            self.0.insert(target.clone(), source.clone());
        }
    }

    fn clash(&self, job: &Job, request: &Request) -> Option<Clash> {
        let before = self.0.get(job.target.path()?)?;
        match request.options.backup.control {
            BackupControl::Numbered => None,
            BackupControl::None if same_name(before, job.source.path()?) => Some(Clash::SameSource),
            _ => Some(Clash::SameTarget),
        }
    }
}

/// Whether two paths differ in `.` and slashes only.
fn same_name(one: &Path, other: &Path) -> bool {
    let names = |path: &'_ Path| {
        path.components()
            .filter(|component| *component != Component::CurDir)
            .map(|component| component.as_os_str().to_owned())
            .collect::<Vec<_>>()
    };
    names(one) == names(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_slashes_do_not_make_another_name() {
        assert!(same_name(Path::new("a"), Path::new("./a")));
        assert!(same_name(Path::new("d//a"), Path::new("d/./a/")));
        assert!(!same_name(Path::new("d/a"), Path::new("e/a")));
        assert!(!same_name(Path::new("d/../a"), Path::new("a")));
    }
}
