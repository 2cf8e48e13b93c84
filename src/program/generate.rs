//! The manual page and the completions, made from the definition of a command line.

use std::io;

use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::aot::Shell;
use clap_mangen::Man;

use super::words::Words;

/// What `--generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generated {
    /// A manual page, for man(1).
    Manual,
    /// Completions for a shell.
    Bash,
    Zsh,
    Fish,
}

/// The words of `--generate`.
pub(crate) const GENERATED: Words<Generated> = &[
    ("man", Generated::Manual),
    ("bash", Generated::Bash),
    ("zsh", Generated::Zsh),
    ("fish", Generated::Fish),
];

/// The text for standard output; `status` is the manual's heading over the text behind the help.
pub(crate) fn generate(what: Generated, command: Command, status: &str) -> io::Result<String> {
    match what {
        Generated::Manual => manual(command, status),
        Generated::Bash => bash(command),
        Generated::Zsh => zsh(command),
        Generated::Fish => fish(command),
    }
}

/// One page for all: a section for each subcommand stands behind the options of the program.
fn manual(command: Command, status: &str) -> io::Result<String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let page = Man::new(command.clone());
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    for subcommand in command.get_subcommands() {
        text.extend(section(subcommand)?.into_bytes());
    }
    let mut last = Vec::new();
    page.render_extra_section(&mut last)?;
    page.render_version_section(&mut last)?;
    let text = with_plain_headings(&as_text(text)?);
    Ok(text + &as_text(last)?.replace(".SH EXTRA\n", &format!(".SH \"{status}\"\n")))
}

/// clap_mangen 0.3 leaves backslashes in headings, where roff takes them for its own.
fn with_plain_headings(text: &str) -> String {
    let lines = text.lines().map(|line| match line.starts_with(".SH ") {
        true => line.replace('\\', "\\(rs") + "\n",
        false => format!("{line}\n"),
    });
    lines.collect()
}

/// The section of a subcommand: what it does, how it is called, its options.
fn section(subcommand: &Command) -> io::Result<String> {
    let usage = subcommand.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let heading = format!(".SH \"{}\"\n", subcommand.get_name().to_uppercase());
    let page = Man::new(subcommand.clone().override_usage(usage));
    let mut text = Vec::new();
    page.render_description_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_options_section(&mut text)?;
    let text = as_text(text)?.replace(".SH DESCRIPTION\n", &heading);
    Ok(text.replace(".SH SYNOPSIS\n", ".PP\n").replace(".SH OPTIONS\n", ""))
}

/// clap_complete 4.6 takes the word behind an option for its value even where only `=` begins one,
/// and completes nothing but options where no word is begun: names of files would not be completed.
/// Nor does it find the subcommands of a program whose name has a hyphen.
fn bash(command: Command) -> io::Result<String> {
    // A value behind `=` is a word of its own for bash; what is left of the option is a flag.
    let command = command.mut_args(|argument| match has_optional_value(&argument) {
        true => flag(argument),
        false => argument,
    });
    let name = command.get_name();
    let [looked_for, there] = ["__", "__subcmd__"].map(|between| name.replace('-', between));
    let text = completions(Shell::Bash, command)?.replace(&there, &looked_for);
    let options = "COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )\n            ";
    let text = text.replace(&format!("esac\n            {options}"), "esac\n            ");
    let mut has_words = false;
    let lines = text.lines().map(|line| {
        if let Some(words) = line.trim_start().strip_prefix("opts=") {
            // Names of subcommands are worth it where nothing is begun; options are not.
            has_words = words
                .trim_matches('"')
                .split(' ')
                .any(|word| word.starts_with(char::is_alphabetic));
        }
        match line.split_once(" || ${COMP_CWORD} -eq ") {
            Some((begin, _)) if !has_words => format!("{begin} ]] ; then\n"),
            _ => format!("{line}\n"),
        }
    });
    Ok(lines.collect())
}

fn flag(argument: Arg) -> Arg {
    let argument = argument.num_args(0).require_equals(false).default_missing_value(None);
    argument.action(ArgAction::SetTrue).value_parser(value_parser!(bool))
}

fn zsh(command: Command) -> io::Result<String> {
    let mut text = completions(Shell::Zsh, command.clone())?;
    for argument in command.get_arguments().filter(|argument| has_optional_value(argument)) {
        // `+` and `=` let the next word be the value, too.
        if let Some(short) = argument.get_short() {
            text = text.replace(&format!("-{short}+["), &format!("-{short}-["));
        }
        if let Some(long) = argument.get_long() {
            text = text.replace(&format!("--{long}=["), &format!("--{long}=-["));
        }
    }
    Ok(text)
}

fn fish(command: Command) -> io::Result<String> {
    let text = completions(Shell::Fish, command.clone())?;
    let optional: Vec<_> = command
        .get_arguments()
        .filter(|argument| has_optional_value(argument))
        .filter_map(|argument| Some(format!(" -l {} ", argument.get_long()?)))
        .collect();
    let lines = text.lines().map(|line| {
        let optional = optional.iter().any(|option| line.contains(option));
        // With -r the next word would be the value.
        let line = if optional { line.replace(" -r -f -a ", " -f -a ") } else { line.to_owned() };
        line + "\n"
    });
    Ok(lines.collect())
}

fn completions(shell: Shell, mut command: Command) -> io::Result<String> {
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    as_text(text)
}

fn as_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Whether the option has a value only behind `=`.
fn has_optional_value(argument: &Arg) -> bool {
    argument.is_require_equals_set()
}
