//! `ls`: a line for each segment.

use std::process::ExitCode;

use clap::Args;

use super::json;
use super::words::{Zone, object, owner, perms, state};
use crate::program::say::print;
use crate::program::table::table;
use crate::shm::{self, Status};

/// What was typed behind `ls`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print one JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

const HEADS: [&str; 10] =
    ["NAME", "KEY", "OWNER", "PERMS", "SIZE", "NATTCH", "STATUS", "CTIME", "CPID", "LPID"];

pub(super) fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let found = shm::list()?;
    print(if args.json { json::lines(&found)? } else { lines(&found) })?;
    Ok(ExitCode::SUCCESS)
}

/// The table of these.
pub(super) fn lines(found: &[Status]) -> String {
    let zone = Zone::here();
    let rows = found.iter().map(|status| row(status, &zone));
    table(&std::iter::once(HEADS.map(str::to_owned)).chain(rows).collect::<Vec<_>>())
}

fn row(status: &Status, zone: &Zone) -> [String; 10] {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |it| it.to_string());
    [
        object(&status.name),
        status.key.map_or("-".to_owned(), |key| key.to_string()),
        status.owner.map_or("-".to_owned(), |it| owner(it.uid)),
        perms(status).unwrap_or("-".to_owned()),
        status.len.to_string(),
        number(status.attached),
        state(status).unwrap_or("-").to_owned(),
        status.change_time.map_or("-".to_owned(), |time| zone.short(time)),
        number(status.creator_pid.map(u64::from)),
        number(status.last_pid.map(u64::from)),
    ]
}
