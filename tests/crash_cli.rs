//! `mycp-crash` as a user sees it: help, manual page, completions, and what is refused.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SUBCOMMANDS: [&str; 7] =
    ["explore", "replay", "explain", "probe", "witness", "write", "verify"];

/// What was reviewed: the short help, the long one, and what is refused. On Windows `explore` and
/// `replay` are refused as a whole, and the ways to flush are other calls.
#[cfg(not(windows))]
const PINNED: [&str; 3] = [
    include_str!("../fixtures/help/crash-short.txt"),
    include_str!("../fixtures/help/crash-long.txt"),
    include_str!("../fixtures/cli/crash-refused.txt"),
];
#[cfg(windows)]
const PINNED: [&str; 3] = [
    include_str!("../fixtures/help/crash-short-windows.txt"),
    include_str!("../fixtures/help/crash-long-windows.txt"),
    include_str!("../fixtures/cli/crash-refused-windows.txt"),
];

fn run_in(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mycp-crash"));
    // A program of Windows does not begin without the directory of the system.
    if cfg!(not(windows)) {
        command.env_clear();
    }
    command.args(words).current_dir(directory).env("COLUMNS", "100");
    command.stdin(Stdio::null()).output().unwrap()
}

fn run(words: &[&str]) -> Output {
    run_in(tempfile::tempdir().unwrap().path(), words)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What a command prints that must not fail.
fn printed(words: &[&str]) -> String {
    let output = run(words);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)), "{words:?}");
    text(&output.stdout).replace("mycp-crash.exe", "mycp-crash")
}

#[track_caller]
fn assert_lines(actual: &str, pinned: &str) {
    // In the order in which it was pinned, so that the first difference is easy to find.
    for (actual, pinned) in actual.lines().zip(pinned.lines()) {
        assert_eq!(actual, pinned);
    }
    assert_eq!(actual, pinned);
}

#[test]
fn the_help_is_as_it_was_reviewed() {
    for (word, pinned) in [("-h", PINNED[0]), ("--help", PINNED[1])] {
        let mut actual = format!("$ mycp-crash {word}\n{}", printed(&[word]));
        for subcommand in SUBCOMMANDS {
            let help = printed(&[subcommand, word]);
            write!(actual, "\n$ mycp-crash {subcommand} {word}\n{help}").unwrap();
        }
        assert_lines(&actual, pinned);
    }
}

#[test]
fn no_command_is_the_help_on_standard_error() {
    let output = run(&[]);
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).starts_with("Finds out what survives "), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
}

/// A line of an error, without the words of the system on Windows: each release, and Wine, has its
/// own.
fn without_words_of_windows(line: &str) -> String {
    match line.split_once(" (os error ").filter(|_| cfg!(windows)) {
        Some((before, number)) => {
            let (ours, _) = before.rsplit_once(": ").unwrap();
            format!("{ours}: (os error {number}")
        }
        None => line.replace("mycp-crash.exe", "mycp-crash"),
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_object_and_cause() {
    let pinned = PINNED[2];
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), b"no recording\n").unwrap();
    fs::create_dir(directory.path().join("empty")).unwrap();
    let mut actual = String::new();
    for line in pinned.lines().filter_map(|line| line.strip_prefix("$ mycp-crash ")) {
        let words: Vec<_> = line.split(' ').collect();
        let output = run_in(directory.path(), &words);
        writeln!(actual, "$ mycp-crash {line}").unwrap();
        for (mark, said) in [(">", &output.stdout), ("!", &output.stderr)] {
            for line in text(said).lines() {
                writeln!(actual, "{mark} {}", without_words_of_windows(line)).unwrap();
            }
        }
        writeln!(actual, "= {}\n", output.status.code().unwrap()).unwrap();
    }
    assert_lines(&actual, pinned);
    let mut names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["empty", "file"], "something was made");
}

/// Whatever is behind them: nothing of it is read and left out.
#[test]
#[cfg(windows)] // Elsewhere there are such disks.
fn what_takes_simulated_disks_is_unsupported_and_says_why() {
    for subcommand in ["explore", "replay"] {
        let mut lines = Vec::new();
        for behind in [&[][..], &["--anything"], &["a", "--fs", "ext4", "--", "-x"], &["--fs=x"]] {
            let output = run(&[&[subcommand][..], behind].concat());
            assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{behind:?}");
            lines.push(text(&output.stderr).to_owned());
        }
        let begin = format!("mycp-crash: {subcommand} is unsupported on Windows: ");
        assert!(
            lines.iter().all(|line| line.starts_with(&begin) && *line == lines[0]),
            "{lines:?}"
        );
        for word in ["-h", "--help"] {
            assert!(printed(&[subcommand, word]).starts_with("Unsupported on Windows: "));
        }
    }
}

#[test]
fn what_is_said_moves_no_cursor() {
    for words in [&["explain", "\r\x1b[2Jx"][..], &["explain", "--\r\x07x", "."]] {
        let output = run(words);
        let errors = text(&output.stderr);
        assert!(errors.starts_with("mycp-crash: "), "{errors:?}");
        assert!(!errors.contains(|c: char| c.is_control() && c != '\n'), "{errors:?}");
        assert_eq!(output.status.code(), Some(2));
    }
}

/// What stands at the begin of a line of the long help: subcommands, options, and the words that
/// these take.
fn words_of_help() -> Vec<&'static str> {
    let mut words = SUBCOMMANDS.to_vec();
    for line in PINNED[1].lines().map(str::trim_start) {
        let of_list =
            line.strip_prefix("[possible values: ").map(|rest| rest.trim_end_matches(']'));
        words.extend(of_list.into_iter().flat_map(|list| list.split(", ")));
        let of_option = line.strip_prefix("- ").and_then(|rest| rest.split_once(": "));
        words.extend(of_option.map(|(word, _)| word));
        words.extend(line.split([' ', '=', ',']).next().filter(|word| word.starts_with("--")));
    }
    let many = if cfg!(windows) { 25 } else { 40 };
    assert!(words.len() > many, "{words:?}");
    words
}

#[test]
fn manual_and_completions_have_what_the_help_has() {
    for (what, dash) in [("man", "\\-"), ("bash", "-"), ("zsh", "-"), ("fish", "-")] {
        let generated = printed(&["--generate", what]);
        for word in words_of_help() {
            let typed = match what {
                "fish" if word.starts_with("--") => format!(" -l {} ", &word[2..]),
                _ => word.replace('-', dash),
            };
            let found = generated.contains(&typed) || generated.contains(&typed.to_uppercase());
            assert!(found, "{what} lacks {word}");
        }
        assert!(!generated.contains("cripple"), "{what} has what no user types");
    }
    let output = run(&["--generate", "man", "explain", "."]);
    assert_eq!(output.status.code(), Some(2));
}

/// With another user, `/dev/full`, and the programs that read what is generated.
#[cfg(target_os = "linux")]
mod on_linux {
    use std::os::unix::process::CommandExt;

    use super::*;
    use crate::support::Sandbox;
    use crate::support::unix::assert_no_complaints;

    #[test]
    #[ignore = "needs root"]
    fn who_is_not_root_is_told_that_it_takes_root() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mycp-crash"));
        let output = command.arg("explore").uid(65534).gid(65534).output().unwrap();
        let expected = "mycp-crash: cannot get a mount namespace, which takes root: Operation not \
                        permitted (os error 1)\n";
        assert_eq!((text(&output.stderr), output.status.code()), (expected, Some(2)));
    }

    #[test]
    fn a_full_standard_output_is_a_failure() {
        let words = ["--help", "--version", "--generate man", "explain .", "explain --json ."];
        for line in words.into_iter().chain(["probe --rounds=1 .", "probe --rounds=1 --json ."]) {
            let full = fs::File::options().write(true).open("/dev/full").unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_mycp-crash"));
            let sandbox = Sandbox::new();
            command.args(line.split(' ')).current_dir(sandbox.root()).stdout(full);
            let output = command.output().unwrap();
            let expected = "mycp-crash: cannot write standard output: No space left on device \
                            (os error 28)\n";
            assert_eq!((text(&output.stderr), output.status.code()), (expected, Some(2)), "{line}");
        }
    }

    #[test]
    fn those_who_read_what_is_generated_have_no_complaint() {
        assert_no_complaints(|what| printed(&["--generate", what]).into_bytes());
    }

    /// What bash offers for the last of some words.
    fn completed(words: &[&str]) -> Vec<String> {
        let sandbox = Sandbox::new();
        sandbox.write("a-file", b"");
        sandbox.write("completions", printed(&["--generate", "bash"]).as_bytes());
        let (last, before) = words.split_last().unwrap();
        let script = format!(
            ". ./completions\nCOMP_WORDS=({line} '{last}')\nCOMP_CWORD={}\n\
             _mycp__crash mycp-crash '{last}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            before.len(),
            before.last().unwrap(),
            line = before.join(" "),
        );
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(sandbox.root())
            .output()
            .unwrap();
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_subcommands_options_and_values() {
        let offered = completed(&["mycp-crash", ""]);
        assert!(SUBCOMMANDS.iter().all(|it| offered.iter().any(|word| word == it)), "{offered:?}");
        assert_eq!(completed(&["mycp-crash", "expl"]), ["explore", "explain"]);
        assert_eq!(completed(&["mycp-crash", "explore", "--fs", "x"]), ["xfs"]);
        assert_eq!(
            completed(&["mycp-crash", "explore", "--sync", "f"]),
            ["fdatasync", "fsync", "fsync+directory"]
        );
        assert_eq!(completed(&["mycp-crash", "explore", "--workload", "m"]), ["msync", "mirror"]);
        assert_eq!(completed(&["mycp-crash", "explore", "--again", "--se"]).len(), 2);
        // Nothing but options would keep bash from offering names of files.
        assert_eq!(completed(&["mycp-crash", "explain", ""]), [""; 0]);
        assert_eq!(completed(&["mycp-crash", "explain", "--j"]), ["--json"]);
    }
}
