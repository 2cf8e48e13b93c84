//! `mycp-crash replay`: one crash state, to look inside.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueHint};
use rustix::fs::FileType;

use super::recordings;
use crate::crash::simulated::Shown;
use crate::options::Quoted;
use crate::program::say::print;
use crate::program::words::whole;
use crate::sys::signals;

/// Mount one crash state, to look inside
///
/// Its journal is replayed, and it can be written to. It stays mounted until Ctrl-C or another
/// signal ends the program. Takes root, FUSE and loop devices. What a killed one leaves
/// mounted, the next run of replay or explore unmounts.
#[derive(Debug, Args)]
pub(in crate::laboratory) struct ReplayArgs {
    /// One of the recordings that explore --report=DIR leaves in DIR
    #[arg(value_hint = ValueHint::FilePath)]
    recording: PathBuf,
    /// The --seed that explore was given
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// The number of the state, from 0 on; that of a counterexample stands in the report
    #[arg(long, value_name = "K", value_parser = whole::<usize>(0..=1_000_000_000))]
    state: usize,
    /// Of the changes that the state lacks, let only these be lost: their numbers, with commas, or
    /// none [default: all of them]
    #[arg(long, value_name = "LIST")]
    lost: Option<Lost>,
    /// The directory to mount it on
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    mount: PathBuf,
}

/// Numbers of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lost(Vec<usize>);

impl FromStr for Lost {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        if list == "none" {
            return Ok(Self(Vec::new()));
        }
        let number = |word: &str| word.parse().map_err(|_| format!("'{word}' is no number"));
        list.split(',').map(number).collect::<Result<_, _>>().map(Self)
    }
}

/// How often it is looked whether it is to end.
const PAUSE: Duration = Duration::from_millis(50);

/// Mounts the state until a signal ends the program.
pub(in crate::laboratory) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let name = Quoted(&args.recording);
    let file = File::open(&args.recording).with_context(|| format!("cannot open {name}"))?;
    let at = || format!("cannot mount on {}", Quoted(&args.mount));
    let found = rustix::fs::stat(&args.mount).with_context(at)?;
    let is_directory = FileType::from_raw_mode(found.st_mode).is_dir();
    ensure!(is_directory, "{}: it is no directory", at());
    let recording = recordings::load(&args.recording, file)?;
    signals::catch_stop()?;
    let lost = args.lost.as_ref().map(|Lost(numbers)| numbers.as_slice());
    let state = (args.state, lost);
    let Some(mut shown) = Shown::mount(&recording, args.seed, state, &args.mount)? else {
        let all = if lost.is_some() { " that lacks all of these changes" } else { "" };
        bail!("{name} has no state {}{all}", args.state);
    };
    let when = if shown.has_ended { "after" } else { "before" };
    print(format_args!(
        "state {} of {} is mounted on {} until Ctrl-C: {} of {} pending changes are lost, {when} \
         the command's end\n",
        args.state,
        recording.system,
        Quoted(&args.mount),
        shown.losses.len(),
        shown.pending,
    ))?;
    while signals::stop_signal().is_none() {
        std::thread::sleep(PAUSE);
    }
    // Who keeps it in use keeps it, out of sight and without a disk.
    shown.unmount()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_changes_is_numbers_or_none() {
        let lost = |list: &str| list.parse::<Lost>().map(|Lost(numbers)| numbers);
        assert_eq!(lost("none"), Ok(vec![]));
        assert_eq!(lost("3,17"), Ok(vec![3, 17]));
        assert_eq!(lost("3,x"), Err("'x' is no number".to_owned()));
        assert!(lost("").is_err());
    }
}
