//! `explore` and `replay`: crash states of simulated disks.

mod explore;
mod recordings;
mod replay;
mod report;
mod work;

use std::process::ExitCode;

pub(super) use explore::ExploreArgs;
pub(super) use replay::ReplayArgs;
pub(super) use work::WorkArgs;

/// What the help of the program says of them.
pub(super) const ABOUT: &str = "\
On simulated disks, as root: explore tries every call, mycp or any command, and replay shows \
one of the crash states.";

/// Explores.
pub(super) fn explore(args: &ExploreArgs) -> anyhow::Result<ExitCode> {
    explore::run(args)
}

/// Mounts one state.
pub(super) fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    replay::run(args)
}

/// Does what `explore` has processes of its own do.
pub(super) fn work(args: &WorkArgs) -> anyhow::Result<ExitCode> {
    work::run(args)
}
