//! The program: words to requests, results to words.

mod args;
mod clash;
mod contradictions;
mod explain;
mod generate;
mod interrupt;
mod json;
mod landing;
mod manifest;
mod order;
mod output;
mod progress;
mod request;
mod segments;
mod selection;
mod watch;
mod watching;
mod words;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use args::Args;
use clash::{Clash, Subject, Taken};
use manifest::Manifest;
use output::{Extent, Failure, Output, say};
use progress::Progress;
use request::{Refusal, Request};
use watch::{Fate, Watcher};

use crate::copy::Session;
use crate::options::{Directories, Keep};
use crate::program::terminal::harmless;
use crate::sys::{attributes, file};
use crate::tree::{Summary, Trees};

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
    if let Some(what) = args.generate {
        return print(generate::generate(what));
    }
    match Request::new(args, environment, &landing::FileSystem) {
        Ok(request)
            if request.options.preserve.context == Keep::Must
                && !attributes::has_security_contexts() =>
        {
            say("cannot preserve the security context: this kernel keeps none (SELinux)");
            ExitCode::FAILURE
        }
        Ok(request) => interrupt::exit(carry_out(&request)),
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
        return print(Ok(text));
    }
    // What follows the message is the usage and the way to the help, told here as for every error,
    // and a tip: worth it where it names an option, not where it explains `--`.
    let text: String = text.chars().map(harmless).collect();
    let message = text.strip_prefix("error: ").unwrap_or(&text);
    let mut paragraphs = message.split("\n\n");
    let sentence = paragraphs.next().unwrap_or_default().trim_end();
    if let Some(ambiguity) = ambiguity(error) {
        say(&ambiguity);
        say_try_help();
        return ExitCode::FAILURE;
    }
    say(sentence);
    const OF_SECURITY: [&str; 2] = ["argument '-Z'", "argument '--context"];
    if OF_SECURITY.iter().any(|option| message.contains(option)) {
        say("hint: security contexts are not set; --preserve=context keeps the source's");
    } else {
        for tip in paragraphs.flat_map(str::lines).filter_map(|line| line.strip_prefix("  tip: ")) {
            if !tip.starts_with("to pass ") {
                say(&format!("hint: {tip}"));
            }
        }
    }
    say_try_help();
    // clap's own status is 2; cp's is 1.
    ExitCode::FAILURE
}

/// What is said of a long option that was cut so short that it can be several.
fn ambiguity(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let typed = typed.strip_prefix("--").filter(|_| error.kind() == ErrorKind::UnknownArgument)?;
    let command = Args::command();
    let names = command.get_arguments().filter_map(|option| option.get_long());
    let possible: Vec<_> = names
        .filter(|name| !typed.is_empty() && name.starts_with(typed))
        .map(|name| format!("'--{name}'"))
        .collect();
    (possible.len() > 1).then(|| {
        let typed: String = typed.chars().map(harmless).collect();
        format!("option '--{typed}' is ambiguous; possibilities: {}", possible.join(" "))
    })
}

/// Prints what was asked for instead of a copy.
fn print(text: io::Result<String>) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match text.and_then(|text| stdout.write_all(text.as_bytes())).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("cannot write standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say_try_help() {
    io::stderr().write_all(b"Try 'mycp --help' for more information.\n").ok();
}

fn carry_out(request: &Request) -> ExitCode {
    file::raise_descriptors_max();
    let extent = match (request.options.directories, request.operands.as_slice()) {
        (Directories::Refused, [_]) => Extent::One,
        _ => Extent::Many,
    };
    let mut output = Output::new(request.output, extent);
    let done = match request.watches {
        true => interrupt::install()
            .map_err(Into::into)
            .and_then(|()| watching::keep(request, &mut output)),
        false => copy_all(request, &mut output),
    };
    if let Err(error) = done {
        output.error(error.as_ref());
    }
    output.finish()
}

/// Copies one operand after the other; an error is one that lets none be copied.
fn copy_all(request: &Request, output: &mut Output) -> anyhow::Result<()> {
    interrupt::install()?;
    let (session, options) = (Session::new(), &request.options);
    let manifest = match &request.manifest {
        Some(path) => Some(Manifest::create(path.clone(), &request.operands, options.flush)?),
        None => None,
    };
    if let Some(manifest) = &manifest {
        manifest.protect(&session)?;
    }
    for operand in &request.operands {
        session.protect_source(&operand.source);
    }
    let progress = Progress::new(request)?;
    let watcher = Watcher::new(output, manifest, &progress, request.replacing);
    let summary = copy_operands(request, &watcher, &session);
    let manifest = watcher.finish();
    progress.finish();
    if options.directories == Directories::Copied {
        output.summary(&summary);
    }
    match manifest {
        Some(manifest) => Ok(manifest.finish()?),
        None => Ok(()),
    }
}

fn copy_operands(request: &Request, watcher: &Watcher<'_>, session: &Session) -> Summary {
    let options = &request.options;
    let trees = Trees::new(options, watcher, session);
    let mut taken = Taken::default();
    let mut refused = 0;
    for operand in &request.operands {
        if interrupt::stop_requested() {
            break;
        }
        let subject = Subject::look(operand, options);
        match subject.and_then(|subject| taken.clash(operand, subject, options)) {
            Some(Clash::FileAgain) => {
                let source = &operand.source;
                watcher.warn(&format!("source file {source} specified more than once"));
                continue;
            }
            Some(Clash::DirectoryAgain) => {
                let source = &operand.source;
                watcher.warn(&format!("source directory {source} specified more than once"));
                continue;
            }
            Some(Clash::OtherSource) => {
                watcher.refuse(operand, Failure::JustCreated);
                refused += 1;
                continue;
            }
            None => {}
        }
        watcher.begin(operand);
        trees.copy(operand);
        match (watcher.fate(), subject) {
            (Fate::Copied, Some(subject)) => taken.add(operand, subject),
            (Fate::Skipped, Some(_)) => taken.skip(operand),
            (Fate::Failed, _) | (_, None) => {}
        }
    }
    let mut summary = trees.finish();
    summary.failed += refused;
    summary
}
