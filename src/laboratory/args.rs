//! What was typed.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args as _, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::explain::ExplainArgs;
use super::probe::ProbeArgs;
use super::simulated::{self, ExploreArgs, ReplayArgs, WorkArgs};
use super::verify::VerifyArgs;
use super::witness::WitnessArgs;
use super::write::WriteArgs;
use crate::program::generate::{GENERATED, Generated};
use crate::program::words::choice;

const ABOUT: &str = "\
Finds out what survives a crash after msync, fsync or nothing";

const ABOUT_REAL: &str = "\
On real disks: explain says what each call promises at a path, probe how long it takes; witness, \
write and verify find out what a power cut takes.";

fn about_long() -> String {
    format!("{ABOUT}.\n\n{} {ABOUT_REAL}", simulated::ABOUT)
}

const AFTER: &str = "\
Exit status: 0 what was promised holds, or it is done; 1 it is violated; 2 nothing can be said: a \
control found nothing, something failed, or the command line is wrong.";

const USAGE: &str = "\
mycp-crash <COMMAND> [OPTION]...
       mycp-crash --generate <WHAT>";

/// The command line as it was typed.
#[derive(Debug, Parser)]
#[command(
    name = "mycp-crash",
    version,
    about = ABOUT,
    long_about = about_long(),
    after_help = AFTER,
    override_usage = USAGE,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub(super) struct Args {
    /// Print the manual page, or completions for a shell: man, bash, zsh, fish
    #[arg(long, value_name = "WHAT", value_parser = choice(GENERATED), hide_possible_values = true)]
    generate: Option<Generated>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What can be found out.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    // What is said of these two depends on whether there can be simulated disks.
    Explore(ExploreArgs),
    Replay(ReplayArgs),
    /// Say what a crash may take away under a path, and why
    ///
    /// Names the file system, its options and the devices below it, says for each call what it
    /// promises there and where that is written, and warns of what takes a promise away. Reads
    /// only, and needs no root.
    Explain(ExplainArgs),
    /// Measure how long each call takes that flushes mapped pages to a directory's disk
    ///
    /// Says, too, where that is too fast to be true. Needs no root, but the right to write to the
    /// directory.
    Probe(ProbeArgs),
    /// On another machine: note what a writer acknowledges
    ///
    /// Runs until a signal such as Ctrl-C ends it, or with --once. What was noted is on this
    /// machine's disk before the writer is answered.
    Witness(WitnessArgs),
    /// On the machine whose power is to be cut: store in all ways, and tell the witness
    ///
    /// Each store is announced to the witness before it is made and acknowledged after it. Cut the
    /// power while this runs; after the next start, verify compares. Its command line is printed.
    Write(WriteArgs),
    /// After the cut: compare what was acknowledged with what is there
    ///
    /// Where nothing is lost that no call had promised to keep, there may have been no crash, and
    /// nothing can be said: exit status 2.
    Verify(VerifyArgs),
}

/// What is to be done.
pub(super) enum Task {
    Command(Command),
    /// Print what was asked for.
    Generate(Generated),
    /// What `explore` has processes of its own do, which no user types.
    Work(WorkArgs),
}

const WORK: &str = "work";

impl Task {
    /// Reads the command line, the program's name first.
    pub(super) fn read(line: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let work = WorkArgs::augment_args(clap::Command::new(WORK).hide(true));
        let matches = Args::command().subcommand(work).try_get_matches_from(line)?;
        if let Some((WORK, matches)) = matches.subcommand() {
            return Ok(Self::Work(WorkArgs::from_arg_matches(matches)?));
        }
        match Args::from_arg_matches(&matches)? {
            Args { generate: Some(what), .. } => Ok(Self::Generate(what)),
            Args { command: Some(command), .. } => Ok(Self::Command(command)),
            Args { generate: None, command: None } => {
                let sentence = "a command is missing";
                Err(Args::command().error(ErrorKind::MissingSubcommand, sentence))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a command line that is refused.
    fn refused(line: &str) -> Option<String> {
        let words = line.split(' ').map(OsString::from);
        Task::read(words).err().map(|error| error.to_string())
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
        // Elsewhere what is behind explore is refused as a whole, later, and with the reason.
        let simulated = [
            ("mycp-crash explore --sync msync,syncfs", "syncfs"),
            ("mycp-crash explore --sync msync,o_dsync", "o_dsync"),
        ];
        let written =
            ("mycp-crash write --witness host:1 --modes sync_file_range here", "sync_file_range");
        let simulated = simulated.into_iter().filter(|_| cfg!(target_os = "linux"));
        for (line, name) in simulated.chain([written]) {
            let said = refused(line).unwrap();
            assert!(said.contains(&format!("invalid value '{name}'")), "{said}");
            assert!(said.contains("[possible values: none, msync-async, "), "{said}");
        }
    }
}
