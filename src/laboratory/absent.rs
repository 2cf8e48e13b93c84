//! `explore` and `replay` where there are no disks that can be simulated.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

/// What the help of the program says of them.
pub(super) const ABOUT: &str = "\
explore and replay are unsupported here: they take Linux.";

/// Why.
const REASON: &str = "it mounts file systems of Linux on disks that FUSE and loop devices simulate";

/// What was typed behind `explore` or `replay`. None of it is read, since none of it can be done,
/// and whatever it is gets the same answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExploreArgs;

/// What was typed behind `replay`: likewise.
pub(super) type ReplayArgs = ExploreArgs;

/// What no user types.
pub(super) type WorkArgs = ExploreArgs;

impl FromArgMatches for ExploreArgs {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}

impl Args for ExploreArgs {
    fn augment_args(command: Command) -> Command {
        let about = format!("Unsupported on {}: {REASON}", system());
        let words = Arg::new("words").num_args(0..).hide(true);
        // Else clap would refuse an option before it can be said why.
        let words = words.trailing_var_arg(true).allow_hyphen_values(true);
        command.about(about.clone()).long_about(about).arg(words)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The system as its users call it.
fn system() -> &'static str {
    match std::env::consts::OS {
        "windows" => "Windows",
        "macos" => "macOS",
        other => other,
    }
}

/// Says why not.
pub(super) fn explore(_: &ExploreArgs) -> anyhow::Result<ExitCode> {
    bail!("explore is unsupported on {}: {REASON}", system())
}

/// Says why not.
pub(super) fn replay(_: &ReplayArgs) -> anyhow::Result<ExitCode> {
    bail!("replay is unsupported on {}: {REASON}", system())
}

/// Says why not.
pub(super) fn work(_: &WorkArgs) -> anyhow::Result<ExitCode> {
    bail!("work is unsupported on {}: {REASON}", system())
}
