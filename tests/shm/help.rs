//! What `mycp-shm` says of itself.

use super::*;

fn printed(words: &[&str]) -> String {
    let mut command = Command::new(MYCP_SHM);
    command.args(words).env_clear().env("COLUMNS", "100").stdin(Stdio::null());
    done(&command.output().unwrap())
}

const SUBCOMMANDS: [&str; 5] = ["ls", "stat", "create", "rm", "prune"];

#[test]
fn the_help_is_as_it_was_reviewed() {
    for (word, pinned) in [
        ("-h", include_str!("../../fixtures/help/shm-short.txt")),
        ("--help", include_str!("../../fixtures/help/shm-long.txt")),
    ] {
        let mut actual = format!("$ mycp-shm {word}\n{}", printed(&[word]));
        for subcommand in SUBCOMMANDS {
            let help = printed(&[subcommand, word]);
            actual += &format!("\n$ mycp-shm {subcommand} {word}\n{help}");
        }
        for (actual, pinned) in actual.lines().zip(pinned.lines()) {
            assert_eq!(actual, pinned);
        }
        assert_eq!(actual, pinned);
    }
}

#[test]
fn manual_and_completions_name_all_that_there_is() {
    for (what, dash) in [("man", "\\-"), ("bash", "-"), ("zsh", "-"), ("fish", "-l ")] {
        let generated = printed(&["--generate", what]);
        for option in
            ["--size", "--mode", "--or-existing", "--replace", "--hold", "--yes", "--json"]
        {
            let typed = match what {
                "fish" => format!("{dash}{}", &option[2..]),
                _ => option.replace('-', dash),
            };
            assert!(generated.contains(&typed), "{what} lacks {option}");
        }
        for subcommand in SUBCOMMANDS {
            let is_there = generated.contains(subcommand);
            assert!(is_there || generated.contains(&subcommand.to_uppercase()), "{subcommand}");
        }
    }
}

#[test]
fn the_keys_of_the_json_are_those_of_the_readme() {
    let names = Names::new("keys");
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let section = readme.split("\n## ").find(|it| it.starts_with("Shared memory\n")).unwrap();
    for word in kinds(&names) {
        done(&run(MYCP_SHM, &["create", &word, "--size", "1"]));
        let line: Value =
            serde_json::from_str(&done(&run(MYCP_SHM, &["stat", "--json", &word]))).unwrap();
        for key in line.as_object().unwrap().keys() {
            assert!(section.contains(&format!("`{key}`")), "{key}");
        }
    }
}
