//! What was typed.

use std::ffi::OsString;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};

use super::explain::ExplainArgs;
use super::probe::ProbeArgs;
use super::verify::VerifyArgs;
use super::witness::WitnessArgs;
use super::write::WriteArgs;

const ABOUT: &str = "\
Finds out what survives a crash after msync, fsync or nothing: on simulated disks, and on real \
ones.";

const AFTER: &str = "\
Exit status: 0 what was promised holds, 1 it is violated, 2 nothing can be said: a control found \
nothing, something failed, or the command line is wrong.";

/// The command line as it was typed.
#[derive(Debug, Parser)]
#[command(name = "mycp-crash", version, about = ABOUT, after_help = AFTER)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What can be found out.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Find out, on simulated disks, which promises hold in every crash state
    Explore(super::explore::ExploreArgs),
    /// Mount one crash state, to look inside
    Replay(super::replay::ReplayArgs),
    #[command(hide = true)]
    Work(super::work::WorkArgs),
    /// Say what a crash may take away under a path, and why
    Explain(ExplainArgs),
    /// Measure how long each call takes that flushes mapped pages to a directory's disk
    Probe(ProbeArgs),
    /// On another machine: note what a writer acknowledges
    Witness(WitnessArgs),
    /// On the machine whose power is to be cut: store in all ways, and tell the witness
    Write(WriteArgs),
    /// After the cut: compare what was acknowledged with what is there
    Verify(VerifyArgs),
}

impl Args {
    pub(super) fn read(line: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(line)
    }
}

/// Takes one of these by its name.
pub(super) fn one_of<T, const N: usize>(
    all: [T; N],
    as_str: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(as_str)).try_map(|name| name.parse::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a command line that is refused.
    fn refused(line: &str) -> Option<String> {
        let words = line.split(' ').map(OsString::from);
        Args::read(words).err().map(|error| error.to_string())
    }

    #[test]
    fn a_way_to_flush_has_one_name_in_all_commands_and_is_taken_where_it_is_tried() {
        for line in [
            "mycp-crash explore --sync none,msync-async,msync,fsync+directory,O_DSYNC",
            "mycp-crash write --witness host:1 --modes none,msync-async,msync,O_DSYNC here",
            "mycp-crash work stores msync here",
        ] {
            assert_eq!(refused(line), None, "{line}");
        }
        for (line, name) in [
            ("mycp-crash explore --sync msync,syncfs", "syncfs"),
            ("mycp-crash explore --sync msync,o_dsync", "o_dsync"),
            ("mycp-crash write --witness host:1 --modes sync_file_range here", "sync_file_range"),
        ] {
            let said = refused(line).unwrap();
            assert!(said.contains(&format!("invalid value '{name}'")), "{said}");
            assert!(said.contains("[possible values: none, msync-async, "), "{said}");
        }
    }
}
