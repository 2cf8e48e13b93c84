//! `rm`: removes segments.

use std::process::ExitCode;

use clap::Args;

use super::{args, failure, status};
use crate::options::SegmentName;
use crate::shm;

/// What was typed behind `rm`.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// What to remove
    #[arg(required = true, value_name = "OBJECT", value_parser = args::segment())]
    objects: Vec<SegmentName>,
}

pub(super) fn run(args: &RemoveArgs) -> anyhow::Result<ExitCode> {
    let mut failures = 0;
    for name in &args.objects {
        if let Err(error) = shm::remove(name) {
            failure(&error.into());
            failures += 1;
        }
    }
    Ok(status(failures))
}
