//! The manual page and the completions of mycp.

use std::io;

use clap::CommandFactory;

use super::args::Args;
use crate::program::generate::{self, Generated};

/// The text for standard output.
pub(super) fn generate(what: Generated) -> io::Result<String> {
    generate::generate(what, Args::command(), "EXIT STATUS AND SIGNALS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(what: Generated) -> String {
        generate(what).unwrap()
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
