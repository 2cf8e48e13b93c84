//! `mycp-crash replay`: one crash state, to look inside.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::recordings;
use super::say::print;
use crate::crash::simulated::Shown;
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
    /// Of the changes that the state lacks, let only these be lost: their numbers, with commas, or
    /// `none` [default: all of them]
    #[arg(long, value_name = "LIST")]
    lost: Option<Lost>,
    /// Where to mount it
    #[arg(long, value_name = "DIR")]
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
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let name = || format!("'{}'", args.recording.display());
    let file = File::open(&args.recording).with_context(|| format!("cannot open {}", name()))?;
    let recording = recordings::load(&args.recording.to_string_lossy(), file)?;
    signals::catch_stop()?;
    let lost = args.lost.as_ref().map(|Lost(numbers)| numbers.as_slice());
    let state = (args.state, lost);
    let Some(mut shown) = Shown::mount(&recording, args.seed, state, &args.mount)? else {
        let all = if lost.is_some() { " that lacks all of these changes" } else { "" };
        bail!("{} has no state {}{all}", name(), args.state);
    };
    let when = if shown.has_ended { "after" } else { "before" };
    print(format_args!(
        "state {} of {} is mounted on '{}' until Ctrl-C: {} of {} pending changes are lost, {when} \
         the command's end\n",
        args.state,
        recording.system,
        args.mount.display(),
        shown.losses.len(),
        shown.pending,
    ))?;
    while signals::stop_signal().is_none() {
        std::thread::sleep(PAUSE);
    }
    shown.unmount().with_context(|| format!("'{}' stays mounted", args.mount.display()))?;
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
