//! The manual page and the completions, made from the definition of the command line.

use std::io;

use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::aot::Shell;

/// What `--generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generated {
    /// A manual page, for man(1).
    Manual,
    /// Completions for a shell.
    Bash,
    Zsh,
    Fish,
}

/// The text for standard output.
pub(super) fn generate(what: Generated, command: Command) -> io::Result<String> {
    match what {
        Generated::Manual => manual(command),
        Generated::Bash => bash(command),
        Generated::Zsh => zsh(command),
        Generated::Fish => fish(command),
    }
}

fn manual(command: Command) -> io::Result<String> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    // What stands there is the text behind the help.
    Ok(as_text(text)?.replace(".SH EXTRA\n", ".SH \"EXIT STATUS AND SIGNALS\"\n"))
}

/// clap_complete 4.6 takes the word behind an option for its value even where only `=` begins one,
/// and completes nothing but options where no word is begun: names of files would not be completed.
fn bash(command: Command) -> io::Result<String> {
    // A value behind `=` is a word of its own for bash; what is left of the option is a flag.
    let command = command.mut_args(|argument| match has_optional_value(&argument) {
        true => flag(argument),
        false => argument,
    });
    let text = completions(Shell::Bash, command)?;
    let options = "COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )\n            ";
    Ok(text
        .replace(" || ${COMP_CWORD} -eq 1 ]]", " ]]")
        .replace(&format!("esac\n            {options}"), "esac\n            "))
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
    clap_complete::generate(shell, &mut command, "mycp", &mut text);
    as_text(text)
}

fn as_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Whether the option has a value only behind `=`.
fn has_optional_value(argument: &Arg) -> bool {
    argument.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Args;

    fn generated(what: Generated) -> String {
        generate(what, Args::command()).unwrap()
    }

    /// All options as they are typed, with their dashes.
    fn options() -> Vec<String> {
        let mut options = Vec::new();
        for argument in Args::command().get_arguments() {
            options.extend(argument.get_short().map(|short| format!("-{short}")));
            options.extend(argument.get_long().map(|long| format!("--{long}")));
        }
        assert!(options.len() > 60, "{options:?}");
        options
    }

    #[test]
    fn the_manual_has_every_option() {
        let manual = generated(Generated::Manual);
        for option in options() {
            let escaped = option.replace('-', "\\-");
            assert!(manual.contains(&format!("\\fB{escaped}\\fR")), "{option}");
        }
        assert!(manual.contains("\n.SH \"EXIT STATUS AND SIGNALS\"\nExit status: 0 done"));
    }

    #[test]
    fn bash_completes_every_option() {
        let bash = generated(Generated::Bash);
        let words = bash.lines().filter_map(|line| line.trim().strip_prefix("opts=")).next_back();
        let words: Vec<_> = words.unwrap().trim_matches('"').split(' ').collect();
        for option in options() {
            assert!(words.contains(&&*option), "{option}");
        }
    }

    #[test]
    fn bash_completes_names_of_files_where_no_option_is_begun() {
        let bash = generated(Generated::Bash);
        assert_eq!(bash.matches("if [[ ${cur} == -* ]] ; then").count(), 1);
        assert_eq!(bash.matches("compgen -W \"${opts}\"").count(), 1);
        assert!(bash.contains("--sparse)\n                    COMPREPLY=($(compgen -W \"auto "));
        assert!(!bash.contains("--flush)"));
        assert!(!bash.contains(" -b)"));
    }

    #[test]
    fn zsh_completes_every_option_and_values_only_behind_an_equals_sign() {
        let zsh = generated(Generated::Zsh);
        for option in options() {
            let found = ["", "*", "(-v --verbose --explain)"].iter().any(|before| {
                let start = format!("{before}{option}");
                zsh.lines().any(|line| {
                    let line = line.trim_start_matches('\'').strip_prefix(&start);
                    line.is_some_and(|rest| rest.starts_with(['[', '=', '+', '-']))
                })
            });
            assert!(found, "{option}");
        }
        assert!(zsh.contains("'--flush=-[Bring copies"), "{zsh}");
        assert!(zsh.contains("'*-b-[Keep replaced"), "{zsh}");
        assert!(zsh.contains("'--sparse=[Holes"), "{zsh}");
    }

    #[test]
    fn fish_completes_every_option_and_values_only_behind_an_equals_sign() {
        let fish = generated(Generated::Fish);
        for option in options() {
            let words = match option.strip_prefix("--") {
                Some(long) => format!(" -l {long} "),
                None => format!(" -s {} ", option.trim_start_matches('-')),
            };
            assert!(fish.contains(&words), "{option}");
        }
        assert!(fish.contains(" -l flush -d 'Bring copies to the disk: none, async, sync' -f -a "));
        assert!(fish.contains(
            " -l engine -d 'Move bytes by: auto, mmap, reflink, kernel, \
                               buffered' -r -f -a "
        ));
    }
}
