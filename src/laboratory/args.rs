//! What was typed.

use std::ffi::OsString;

use clap::{Args as _, FromArgMatches, Subcommand};

use super::SPEAKER;
use super::explain::ExplainArgs;
use super::probe::ProbeArgs;
use super::simulated::{self, ExploreArgs, ReplayArgs, WorkArgs};
use super::verify::VerifyArgs;
use super::witness::WitnessArgs;
use super::write::WriteArgs;
use crate::program::commands::Program;

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

/// The program.
pub(super) fn program() -> Program {
    Program { speaker: SPEAKER, about: ABOUT, about_long: about_long(), after: AFTER }
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

/// Reads what `explore` has processes of its own do, which no user types; `None` where the command
/// line, the program's name first, is not about that.
pub(super) fn read_work(line: &[OsString]) -> Option<Result<WorkArgs, clap::Error>> {
    const WORK: &str = "work";
    let words = line.get(1..).filter(|words| words.first().is_some_and(|word| word == WORK))?;
    let matches = WorkArgs::augment_args(clap::Command::new(WORK)).try_get_matches_from(words);
    Some(matches.and_then(|matches| WorkArgs::from_arg_matches(&matches)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::generate::{Generated, generate};

    /// What is said of a command line that is refused.
    fn refused(line: &str) -> Option<String> {
        let words: Vec<_> = line.split(' ').map(OsString::from).collect();
        let error = match read_work(&words) {
            Some(read) => read.err(),
            None => program().read::<Command>(words.into_iter()).err(),
        };
        error.map(|error| error.to_string())
    }

    fn command() -> clap::Command {
        program().command::<Command>()
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

    fn generated(what: Generated) -> String {
        generate(what, command(), "EXIT STATUS").unwrap()
    }

    /// All long options of the program and its subcommands.
    fn options() -> Vec<String> {
        let command = command();
        let of = |command: &clap::Command| {
            let options = command.get_arguments().filter_map(|it| it.get_long());
            options.map(str::to_owned).collect::<Vec<_>>()
        };
        let mut options = of(&command);
        options.extend(command.get_subcommands().flat_map(of));
        // Where nothing is simulated there are fewer.
        let many = if cfg!(target_os = "linux") { 20 } else { 10 };
        assert!(options.len() > many, "{options:?}");
        options
    }

    #[test]
    fn the_manual_has_a_section_for_each_subcommand_with_its_options() {
        let manual = generated(Generated::Manual);
        let mut rest = manual.as_str();
        for subcommand in command().get_subcommands() {
            let heading = format!("\n.SH \"{}\"\n", subcommand.get_name().to_uppercase());
            rest = rest.split_once(&heading).unwrap_or_else(|| panic!("{heading}: {rest}")).1;
            let section = rest.split("\n.SH ").next().unwrap();
            let usage = format!("\n\\fBmycp\\-crash {}\\fR", subcommand.get_name());
            assert!(section.contains(&usage), "{section}");
            for option in subcommand.get_arguments().filter_map(|it| it.get_long()) {
                let escaped = format!("\n\\fB\\-\\-{}\\fR", option.replace('-', "\\-"));
                assert!(section.contains(&escaped), "{option}: {section}");
            }
        }
        assert!(rest.contains("\n.SH \"EXIT STATUS\"\nExit status: 0 what was promised"), "{rest}");
    }

    #[test]
    fn completions_have_every_option() {
        for (what, before, after) in [
            (Generated::Bash, " --", [" ", "\""]),
            (Generated::Zsh, "--", ["=[", "["]),
            (Generated::Fish, " -l ", [" ", " "]),
        ] {
            let text = generated(what);
            for option in options() {
                let found =
                    after.iter().any(|after| text.contains(&format!("{before}{option}{after}")));
                assert!(found, "{what:?} lacks {option}");
            }
        }
    }

    #[test]
    fn bash_offers_words_where_nothing_is_begun_only_if_they_are_subcommands() {
        let bash = generated(Generated::Bash);
        // Those of the program itself, and of `help`.
        assert_eq!(bash.matches("|| ${COMP_CWORD} -eq 1 ]]").count(), 1, "{bash}");
        assert_eq!(bash.matches("|| ${COMP_CWORD} -eq ").count(), 2, "{bash}");
    }
}
