//! `prune`: removes what no living process uses.

use std::process::ExitCode;

use clap::Args;

use super::words::object;
use super::{failure, json, list, status};
use crate::error::Error;
use crate::program::say::print;
use crate::shm::{self, Status, Use};

/// What was typed behind `prune`.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Remove them, each after one more look
    #[arg(long)]
    yes: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PruneArgs) -> anyhow::Result<ExitCode> {
    let mut unused = shm::list()?;
    unused.retain(|status| {
        status.usage == Use::Unused && !status.is_removed && shm::may_remove(status)
    });
    if !args.yes {
        print(if args.json { json::lines(&unused)? } else { list::lines(&unused) })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut failures = 0;
    for found in &unused {
        match shm::remove_unused(&found.name) {
            Ok(removed) => tell(args, found, removed)?,
            // Somebody else was faster.
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                failure(&error.into());
                failures += 1;
            }
        }
    }
    Ok(status(failures))
}

fn tell(args: &PruneArgs, found: &Status, removed: bool) -> anyhow::Result<()> {
    if args.json {
        return print(json::line(found, Some(removed))?);
    }
    let what = if removed { "removed" } else { "left, since it is used again," };
    print(format_args!("{what} {}\n", object(&found.name)))
}

fn is_gone(error: &Error) -> bool {
    error.os_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}
