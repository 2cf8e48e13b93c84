//! The program `mycp-crash`: words to experiments, findings to words.
//!
//! Exit status: 0 what was promised holds, or was done; 1 it does not; 2 nothing can be said, or
//! the command line is wrong, or something failed.

mod args;
mod explain;
mod explore;
mod live;
mod probe;
mod recordings;
mod replay;
mod report;
mod say;
mod shell;
mod table;
mod verify;
mod witness;
mod work;
mod write;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Args, Experiment};

/// Nothing can be said of what was asked.
const INCONCLUSIVE: u8 = 2;

/// Does what the command line says, the program's own name first, and returns the exit status.
#[must_use]
pub fn run(line: impl Iterator<Item = OsString>) -> ExitCode {
    let args = match Args::read(line) {
        Ok(args) => args,
        Err(error) => return say::answer(&error),
    };
    let done = match &args.experiment {
        Experiment::Explore(args) => explore::run(args),
        Experiment::Replay(args) => replay::run(args),
        Experiment::Work(args) => work::run(args),
        Experiment::Explain(args) => explain::run(args),
        Experiment::Probe(args) => probe::run(args),
        Experiment::Witness(args) => witness::run(args),
        Experiment::Write(args) => write::run(args),
        Experiment::Verify(args) => verify::run(args),
    };
    done.unwrap_or_else(|error| {
        say::failure(&error);
        ExitCode::from(INCONCLUSIVE)
    })
}
