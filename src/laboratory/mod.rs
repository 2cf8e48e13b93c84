//! The program `mycp-crash`: words to experiments, findings to words.
//!
//! Exit status: 0 what was promised holds, or was done; 1 it does not; 2 nothing can be said, or
//! the command line is wrong, or something failed.

mod args;
mod explain;
mod generate;
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

use args::{Command, Task};

use crate::program::generate::Generated;
use crate::program::say::{Speaker, print};

/// Nothing can be said of what was asked.
const INCONCLUSIVE: u8 = 2;

/// Who speaks.
const SPEAKER: Speaker = Speaker { name: "mycp-crash", failed: INCONCLUSIVE };

/// Does what the command line says, the program's own name first, and returns the exit status.
#[must_use]
pub fn run(line: impl Iterator<Item = OsString>) -> ExitCode {
    let task = match Task::read(line) {
        Ok(task) => task,
        Err(error) => return SPEAKER.answer(&error),
    };
    let done = match &task {
        Task::Command(command) => find_out(command),
        Task::Generate(what) => print_generated(*what),
        Task::Work(args) => simulated::work(args),
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

fn print_generated(what: Generated) -> anyhow::Result<ExitCode> {
    print(generate::generate(what)?)?;
    Ok(ExitCode::SUCCESS)
}
