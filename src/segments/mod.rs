//! The program `mycp-shm`: lists, shows, makes and removes shared memory.
//!
//! Exit status: 0 done; 1 something failed, or the command line is wrong.

mod args;
mod create;
mod json;
mod list;
mod prune;
mod remove;
mod show;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Command;

use crate::error::Error;
use crate::program::say::Speaker;

/// Something failed.
const FAILED: u8 = 1;

/// Who speaks.
const SPEAKER: Speaker = Speaker { name: "mycp-shm", failed: FAILED };

/// Does what the command line says, the program's own name first, and returns the exit status.
#[must_use]
pub fn run(line: impl Iterator<Item = OsString>) -> ExitCode {
    args::program().run(line, act).unwrap_or_else(|error| failure(&error))
}

fn act(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Ls(args) => list::run(args),
        Command::Stat(args) => show::run(args),
        Command::Create(args) => create::run(args),
        Command::Rm(args) => remove::run(args),
        Command::Prune(args) => prune::run(args),
    }
}

/// Tells an error, and what helps, if that is known.
fn failure(error: &anyhow::Error) -> ExitCode {
    let status = SPEAKER.failure(error);
    if let Some(hint) = error.downcast_ref::<Error>().and_then(Error::hint) {
        SPEAKER.say(format_args!("hint: {hint}"));
    }
    status
}

/// The status after some of several objects have failed, each of which was told.
fn status(failures: usize) -> ExitCode {
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}
