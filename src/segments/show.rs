//! `stat`: all that the system tells of segments.

use std::process::ExitCode;

use clap::Args;

use super::words::{Zone, group, object, owner, perms, state, usage};
use super::{args, failure, json, status};
use crate::options::SegmentName;
use crate::program::say::print;
use crate::program::table::table;
use crate::shm::{self, Status};

/// What was typed behind `stat`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// What to show
    #[arg(required = true, value_name = "OBJECT", value_parser = args::segment())]
    objects: Vec<SegmentName>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let mut failures = 0;
    let mut before = "";
    for name in &args.objects {
        match shm::status(name) {
            Ok(found) if args.json => print(json::line(&found, None)?)?,
            Ok(found) => {
                print(format_args!("{before}{}", described(name, &found)))?;
                before = "\n";
            }
            Err(error) => {
                failure(&error.into());
                failures += 1;
            }
        }
    }
    Ok(status(failures))
}

fn described(name: &SegmentName, status: &Status) -> String {
    let zone = Zone::here();
    let time = |time: Option<_>| time.map(|time| zone.long(time));
    let who = |uid, gid| format!("{} ({uid}), {} ({gid})", owner(uid), group(gid));
    let Status { owner: owned, creator, .. } = status;
    let id = status.id.map(|id| id.to_string());
    let facts = [
        ("object", Some(object(name))),
        ("key", status.key.map(|key| key.to_string())),
        ("id", id),
        ("owner", owned.map(|owned| who(owned.uid, owned.gid))),
        ("creator", creator.map(|creator| who(creator.uid, creator.gid))),
        ("perms", perms(status)),
        ("size", Some(status.len.to_string())),
        ("allocated", status.allocated.map(|bytes| bytes.to_string())),
        ("nattch", status.attached.map(|count| count.to_string())),
        ("status", state(status).map(str::to_owned)),
        ("usage", Some(usage(status.usage).to_owned())),
        ("cpid", status.creator_pid.map(|pid| pid.to_string())),
        ("lpid", status.last_pid.map(|pid| pid.to_string())),
        ("attached", time(status.attach_time)),
        ("detached", time(status.detach_time)),
        ("changed", time(status.change_time)),
    ];
    let rows = facts.into_iter().filter_map(|(what, fact)| Some([format!("{what}:"), fact?]));
    table(&rows.collect::<Vec<_>>())
}
