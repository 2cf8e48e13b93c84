//! The manual page and the completions of mycp-crash.

use std::io;

use clap::CommandFactory;

use super::args::Args;
use crate::program::generate::{self, Generated};

/// The text for standard output.
pub(super) fn generate(what: Generated) -> io::Result<String> {
    generate::generate(what, Args::command(), "EXIT STATUS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(what: Generated) -> String {
        generate(what).unwrap()
    }

    /// All long options of the program and its subcommands.
    fn options() -> Vec<String> {
        let command = Args::command();
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
        for subcommand in Args::command().get_subcommands() {
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
