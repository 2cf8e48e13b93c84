//! The command line of a program with subcommands: what it is and how it is read.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::generate::{GENERATED, Generated, generate};
use super::say::{Speaker, print};
use super::words::choice;

/// A program with subcommands, and what its help says of it.
#[derive(Debug)]
pub(crate) struct Program {
    /// Who speaks.
    pub(crate) speaker: Speaker,
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// The same at length.
    pub(crate) about_long: String,
    /// What its exit status says.
    pub(crate) after: &'static str,
}

/// The command line as it was typed.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
struct Typed<C: Subcommand> {
    /// Print the manual page, or completions for a shell: man, bash, zsh, fish
    #[arg(long, value_name = "WHAT", value_parser = choice(GENERATED), hide_possible_values = true)]
    generate: Option<Generated>,
    #[command(subcommand)]
    command: Option<C>,
}

/// What is to be done.
pub(crate) enum Task<C> {
    Command(C),
    /// Print what was asked for.
    Generate(Generated),
}

impl Program {
    /// The definition of its command line.
    pub(crate) fn command<C: Subcommand>(&self) -> clap::Command {
        let name = self.speaker.name;
        Typed::<C>::command()
            .name(name)
            .bin_name(name)
            .about(self.about)
            .long_about(self.about_long.clone())
            .after_help(self.after)
            .override_usage(format!(
                "{name} <COMMAND> [OPTION]...\n       {name} --generate <WHAT>"
            ))
    }

    /// Reads the command line, the program's name first.
    pub(crate) fn read<C: Subcommand>(
        &self,
        line: impl Iterator<Item = OsString>,
    ) -> Result<Task<C>, clap::Error> {
        let matches = self.command::<C>().try_get_matches_from(line)?;
        match Typed::from_arg_matches(&matches)? {
            Typed { generate: Some(what), .. } => Ok(Task::Generate(what)),
            Typed { command: Some(command), .. } => Ok(Task::Command(command)),
            Typed { generate: None, command: None } => {
                let sentence = "a command is missing";
                Err(self.command::<C>().error(ErrorKind::MissingSubcommand, sentence))
            }
        }
    }

    /// Does what the command line says, by `act` where it is one of its own commands, and returns
    /// the exit status. What is wrong with the line has been told then.
    ///
    /// # Errors
    ///
    /// Those of `act`, and of printing.
    pub(crate) fn run<C: Subcommand>(
        &self,
        line: impl Iterator<Item = OsString>,
        act: impl FnOnce(&C) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        match self.read::<C>(line) {
            Ok(Task::Command(command)) => act(&command),
            Ok(Task::Generate(what)) => {
                print(generate(what, self.command::<C>(), "EXIT STATUS")?)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => Ok(self.speaker.answer(&error)),
        }
    }
}
