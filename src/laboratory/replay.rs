//! `mycp-crash replay`: one crash state, to look inside.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::recordings;
use super::say::print;
use crate::crash::simulated::Shown;
use crate::options::Quoted;
use crate::sys::signals;

/// What was typed behind `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// One of the recordings that `explore --report DIR` leaves in DIR
    recording: PathBuf,
    /// The seed that the states were chosen with
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The number of the state
    #[arg(long, value_name = "K")]
    state: usize,
    /// Where to mount it
    #[arg(long, value_name = "DIR")]
    mount: PathBuf,
}

/// How often it is looked whether it is to end.
const PAUSE: Duration = Duration::from_millis(50);

/// Mounts the state until a signal ends the program.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let name = Quoted(&args.recording);
    let file = File::open(&args.recording).with_context(|| format!("cannot open {name}"))?;
    let recording = recordings::load(&args.recording, file)?;
    signals::catch_stop()?;
    let Some(mut shown) = Shown::mount(&recording, args.seed, args.state, &args.mount)? else {
        bail!("{name} has no state {}", args.state);
    };
    let when = if shown.has_ended { "after" } else { "before" };
    print(format_args!(
        "state {} of {} is mounted on {} until Ctrl-C: {} of {} pending changes arrived, {when} \
         the command's end\n",
        args.state,
        recording.system,
        Quoted(&args.mount),
        shown.arrived,
        shown.pending,
    ))?;
    while signals::stop_signal().is_none() {
        std::thread::sleep(PAUSE);
    }
    // Who keeps it in use keeps it, out of sight and without a disk.
    shown.unmount()?;
    Ok(ExitCode::SUCCESS)
}
