//! The program `mycp-crash`: words to experiments, findings to words.
//!
//! Exit status: 0 what was promised holds, or was done; 1 it does not; 2 nothing can be said, or
//! the command line is wrong, or something failed.

mod args;
mod explain;
mod live;
mod probe;
mod shell;
#[cfg_attr(not(target_os = "linux"), path = "absent.rs")]
mod simulated;
mod verify;
mod witness;
mod write;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Command;

use crate::program::say::Speaker;

/// Nothing can be said of what was asked.
const INCONCLUSIVE: u8 = 2;

/// Who speaks.
const SPEAKER: Speaker = Speaker { name: "mycp-crash", failed: INCONCLUSIVE };

/// Does what the command line says, the program's own name first, and returns the exit status.
#[must_use]
pub fn run(line: impl Iterator<Item = OsString>) -> ExitCode {
    let line: Vec<_> = line.collect();
    let done = match args::read_work(&line) {
        Some(Ok(args)) => simulated::work(&args),
        Some(Err(error)) => Ok(SPEAKER.answer(&error)),
        None => args::program().run(line.into_iter(), find_out),
    };
    done.unwrap_or_else(|error| SPEAKER.failure(&error))
}

fn find_out(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Explore(args) => simulated::explore(args),
        Command::Replay(args) => simulated::replay(args),
        Command::Explain(args) => explain::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Witness(args) => witness::run(args),
        Command::Write(args) => write::run(args),
        Command::Verify(args) => verify::run(args),
    }
}
