//! `mycp-crash witness`: takes the acknowledgements of writers on other machines.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::live::Live;
use crate::crash::witness::event::RunId;
use crate::crash::witness::server::{Ended, Until, Watch, Witness};
use crate::program::say::print;
use crate::sync::lock;
use crate::sys::signals;

/// What was typed behind `witness`.
#[derive(Debug, Args)]
pub(super) struct WitnessArgs {
    /// Address and port to listen at; port 0 takes a free one, which is printed. Whoever can
    /// connect can fill the record: listen where you trust the network
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:7113")]
    listen: String,

    /// End when the first run has ended
    #[arg(long)]
    once: bool,

    /// File to append to; it is made if need be
    #[arg(value_name = "RECORD", value_hint = ValueHint::FilePath)]
    record: PathBuf,
}

/// Is a witness until a signal comes, or the first run has ended.
pub(super) fn run(args: &WitnessArgs) -> anyhow::Result<ExitCode> {
    signals::catch_stop()?;
    let witness = Witness::new(&args.listen, &args.record)?;
    print(format_args!("listening at {}\n", witness.address()))?;
    let until = if args.once { Until::FirstRunEnds } else { Until::Stopped };
    let watcher = Watcher { live: Mutex::new(Live::new()) };
    let served = witness.serve(until, &watcher);
    lock(&watcher.live).clear();
    served?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what happens.
struct Watcher {
    live: Mutex<Live>,
}

impl Watcher {
    fn say(&self, sentence: &str) {
        let mut live = lock(&self.live);
        live.clear();
        // The record counts, not what is said of it.
        print(format_args!("{sentence}\n")).ok();
    }
}

impl Watch for Watcher {
    fn is_stopped(&self) -> bool {
        signals::stop_signal().is_some()
    }

    fn tick(&self, acknowledged: u64) {
        lock(&self.live).show(acknowledged, "acknowledgements noted", Duration::from_secs(1));
    }

    fn began(&self, run: RunId, from: &str) {
        self.say(&format!("run {run} began, from {from}"));
    }

    fn ended(&self, run: RunId, acknowledged: u64, how: &Ended) {
        let how = match how {
            Ended::ByItself => "the writer stopped by itself".to_owned(),
            Ended::Disconnected(None) => "the writer is gone without a word".to_owned(),
            Ended::Disconnected(Some(error)) => format!("the connection broke off: {error}"),
            Ended::Quiet => "the writer is quiet, its power may be cut".to_owned(),
            Ended::WitnessStopped => "the witness stops".to_owned(),
            Ended::Refused(reason) => format!("refused: {reason}"),
        };
        self.say(&format!("run {run} ended after {acknowledged} acknowledgements: {how}"));
    }
}
