//! `mycp-crash replay`: one crash state, to look inside.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueHint};
use rustix::fs::FileType;

use super::recordings;
use super::say::print;
use crate::crash::simulated::Shown;
use crate::options::Quoted;
use crate::program::words::whole;
use crate::sys::signals;

/// What was typed behind `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// One of the recordings that explore --report=DIR leaves in DIR
    #[arg(value_hint = ValueHint::FilePath)]
    recording: PathBuf,
    /// The --seed that explore was given
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// The number of the state, from 0 on; that of a counterexample stands in the report
    #[arg(long, value_name = "K", value_parser = whole::<usize>(0..=1_000_000_000))]
    state: usize,
    /// The directory to mount it on
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    mount: PathBuf,
}

/// How often it is looked whether it is to end.
const PAUSE: Duration = Duration::from_millis(50);

/// Mounts the state until a signal ends the program.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let name = Quoted(&args.recording);
    let file = File::open(&args.recording).with_context(|| format!("cannot open {name}"))?;
    let at = || format!("cannot mount on {}", Quoted(&args.mount));
    let found = rustix::fs::stat(&args.mount).with_context(at)?;
    let is_directory = FileType::from_raw_mode(found.st_mode).is_dir();
    ensure!(is_directory, "{}: it is no directory", at());
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
