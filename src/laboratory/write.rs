//! `mycp-crash write`: stores in all modes by turns, and tells a witness.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueHint};

use super::SPEAKER;
use super::live::Live;
use super::shell::quoted;
use crate::crash::SyncMode;
use crate::crash::witness::PAGE_LEN;
use crate::crash::witness::event::Layout;
use crate::crash::witness::mode::Mode;
use crate::crash::witness::store::Skipped;
use crate::crash::witness::writer::{self, Plan, Watch, unused_number};
use crate::options::Quoted;
use crate::program::say::print;
use crate::program::words::{one_of, whole};
use crate::sys::family::Family;
use crate::sys::signals;

/// What was typed behind `write`.
#[derive(Debug, Args)]
pub(super) struct WriteArgs {
    /// Where the witness listens, on another machine; a name or an address, and its port
    #[arg(long, value_name = "HOST:PORT", value_hint = ValueHint::Hostname)]
    witness: String,

    /// Stop by itself after so many seconds [default: at a signal, or when the power is cut]
    #[arg(long, value_name = "SECONDS", value_parser = whole::<u64>(1..=1_000_000_000))]
    seconds: Option<u64>,

    /// Size of all pages together, in MiB; each mode has an equal part
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    #[arg(value_parser = whole::<u64>(1..=SIZE_MIB))]
    size: u64,

    /// Ways to store, by turns, with commas between them. They empty the disk's cache for each
    /// other: to judge one of them alone, name it and none [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',',
        value_parser = one_of(Mode::ALL, |it| (it.as_str(), what_stores(it))))]
    modes: Vec<Mode>,

    /// Number from which the order of pages follows [default: another in each run, which is
    /// printed]
    #[arg(long, value_name = "S", value_parser = whole::<u64>(0..=u64::MAX))]
    seed: Option<u64>,

    /// Directory for the files, on the file system under test; one that is empty or not there yet
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
}

/// The most that `--size` takes: as much as one mode could have.
const SIZE_MIB: u64 = 1 << 32;

/// What a way to store is, for the help.
fn what_stores(mode: Mode) -> &'static str {
    match Family::running() {
        Family::Linux => on_linux(mode),
        Family::Macos => on_macos(mode),
        Family::Windows | Family::Wine => on_windows(mode),
    }
}

const fn on_linux(mode: Mode) -> &'static str {
    match mode {
        Mode::InPlace(SyncMode::None) => "a store through a map, and nothing else; it may be lost",
        Mode::InPlace(SyncMode::MsyncAsync) => "the same, then msync(MS_ASYNC); it may be lost",
        Mode::InPlace(SyncMode::Msync) => "the same, then msync(MS_SYNC) of the page",
        Mode::InPlace(SyncMode::Fdatasync) => "the same, then fdatasync(2) of the file",
        Mode::InPlace(SyncMode::Fsync) => "the same, then fsync(2) of the file",
        Mode::InPlace(SyncMode::ODsync) => "a write with O_DSYNC",
        Mode::InPlace(other) => other.call(Family::Linux),
        Mode::Direct => "a write with O_DIRECT and O_DSYNC: the disk itself, as near as can be",
        Mode::NewFile => "a new file, flushed, its directory not; the name may be lost",
        Mode::NewFileDirectory => "a new file, flushed, and its directory",
        Mode::Rename => "a new file, flushed, that replaces another, and its directory",
    }
}

const fn on_macos(mode: Mode) -> &'static str {
    match mode {
        Mode::InPlace(SyncMode::Msync) => {
            "the same, then msync(MS_SYNC) of the page; it may be lost"
        }
        Mode::InPlace(SyncMode::Fdatasync) => "the same as fsync",
        Mode::InPlace(SyncMode::Fsync) => "the same, then F_FULLFSYNC of the file",
        Mode::InPlace(SyncMode::ODsync) => "a write, then F_FULLFSYNC of the file",
        Mode::InPlace(_) | Mode::NewFile => on_linux(mode),
        Mode::Direct => "not on macOS",
        Mode::NewFileDirectory => "a new file, flushed, and its directory; the name may be lost",
        Mode::Rename => {
            "a new file, flushed, that replaces another, and its directory; the other may be back"
        }
    }
}

const fn on_windows(mode: Mode) -> &'static str {
    match mode {
        Mode::InPlace(SyncMode::None) => "a store through a map, and nothing else; it may be lost",
        Mode::InPlace(SyncMode::MsyncAsync) => "the same, then FlushViewOfFile; it may be lost",
        Mode::InPlace(SyncMode::Msync) => {
            "the same, then FlushViewOfFile of the page and FlushFileBuffers"
        }
        Mode::InPlace(SyncMode::Fsync) => {
            "the same, then FlushViewOfFile of all pages and FlushFileBuffers"
        }
        Mode::InPlace(SyncMode::ODsync) => "a write with FILE_FLAG_WRITE_THROUGH",
        Mode::InPlace(other) => other.call(Family::Windows),
        Mode::Direct => "the same with FILE_FLAG_NO_BUFFERING: the disk itself, as near as can be",
        Mode::NewFile => "a new file, flushed; the name may be lost",
        Mode::NewFileDirectory => "a new file, flushed, and its directory; the name may be lost",
        Mode::Rename => "a new file, flushed, that replaces another, written through",
    }
}

/// Writes until the time is over, a signal comes, or something fails.
pub(super) fn run(args: &WriteArgs) -> anyhow::Result<ExitCode> {
    for mode in &args.modes {
        if let Some(why) = mode.lacking(Family::running()) {
            bail!("mode {mode} is unsupported here: {why}");
        }
    }
    signals::catch_stop()?;
    let plan = Plan {
        modes: modes(&args.modes),
        size_mib: args.size,
        seed: args.seed.unwrap_or_else(unused_number),
        limit: args.seconds.map(Duration::from_secs),
    };
    let watcher = Watcher { args, seed: plan.seed, live: RefCell::new(Live::new()) };
    let written = writer::write(&args.directory, &args.witness, &plan, &watcher);
    watcher.live.borrow_mut().clear();
    let acknowledged = written?;
    print(format_args!("{acknowledged} acknowledged; stopped before any crash\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Each mode that was named, once; all when none was.
fn modes(named: &[Mode]) -> Vec<Mode> {
    let is_named = |mode: &Mode| named.is_empty() || named.contains(mode);
    Mode::ALL.into_iter().filter(is_named).collect()
}

/// Prints what happens.
struct Watcher<'a> {
    args: &'a WriteArgs,
    seed: u64,
    live: RefCell<Live>,
}

impl Watch for Watcher<'_> {
    fn is_stopped(&self) -> bool {
        signals::stop_signal().is_some()
    }

    fn skipped(&self, skipped: &Skipped) {
        let Skipped { mode, reason } = skipped;
        match mode.lacking(Family::running()) {
            Some(why) => SPEAKER.say(format_args!("mode {mode} is left out: {why}")),
            None => SPEAKER.say(format_args!(
                "mode {mode} is left out, because the file system refuses it: {reason}"
            )),
        }
    }

    fn began(&self, layout: &Layout) {
        let Layout { run, pages, modes } = layout;
        let kib = pages * PAGE_LEN / 1024;
        let count = modes.len();
        let verify = line_of_verify(&self.args.witness, &self.args.directory);
        // The record counts, not what is said of it.
        print(format_args!(
            "run {run}, seed {}: {count} modes with {kib} KiB each; cut the power when you like\n\
             afterwards: {verify}\n",
            self.seed
        ))
        .ok();
    }

    fn noted(&self, acknowledged: u64) {
        let mut live = self.live.borrow_mut();
        live.show(acknowledged, "acknowledged", Duration::from_secs(1));
    }
}

/// What to type after the cut.
fn line_of_verify(witness: &str, directory: &Path) -> String {
    match (quoted(Path::new(witness)), quoted(directory)) {
        (Some(witness), Some(directory)) => {
            format!("mycp-crash verify --witness {witness} {directory}")
        }
        // A shell cannot be given the name as it is shown.
        _ => format!("mycp-crash verify, for the directory {}", Quoted(directory)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_afterwards_can_be_typed() {
        let line = |directory: &str| line_of_verify("a:7", Path::new(directory));
        assert_eq!(line("/x/y"), "mycp-crash verify --witness a:7 /x/y");
        let expected = match Family::running() {
            Family::Linux | Family::Macos => r"mycp-crash verify --witness a:7 'it'\''s'",
            Family::Windows | Family::Wine => "mycp-crash verify --witness a:7 \"it's\"",
        };
        assert_eq!(line("it's"), expected);
        assert_eq!(line("a\nb"), r"mycp-crash verify, for the directory 'a\nb'");
    }

    #[test]
    fn modes_are_taken_once_and_all_when_none_is_named() {
        assert_eq!(modes(&[]), Mode::ALL);
        assert_eq!(
            modes(&[
                Mode::InPlace(SyncMode::Fsync),
                Mode::InPlace(SyncMode::None),
                Mode::InPlace(SyncMode::Fsync)
            ]),
            [Mode::InPlace(SyncMode::None), Mode::InPlace(SyncMode::Fsync)]
        );
    }
}
