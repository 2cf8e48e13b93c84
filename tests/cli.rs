//! The program as a user sees it: command lines in, words and exit status out.

use std::fmt::Write as _;
use std::fs;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::io::{Read, Write};
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
#[cfg(unix)]
use std::path::Path;
#[cfg(unix)]
use std::process::Child;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use mycp::Lost;

use crate::support::files::as_on_unix;
#[cfg(unix)]
use crate::support::unix::assert_no_complaints;
use crate::support::{set_apart, with_default_signals};
use crate::wine;

/// A directory with the files that the transcripts speak of.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.write("a", b"old content of a\n");
        place.write("b", b"old content of b\n");
        fs::create_dir(place.path("d")).unwrap();
        fs::create_dir(place.path("x")).unwrap();
        place.write("x/a", b"old content of x/a\n");
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    #[cfg(unix)]
    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mycp"));
        command.args(words).current_dir(self.0.path());
        set_apart(&mut command);
        command.env("COLUMNS", "100");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        with_default_signals(&mut command);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }
}

/// A path as this system writes it, for what is written with slashes.
fn native(path: &str) -> String {
    path.replace('/', std::path::MAIN_SEPARATOR_STR)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn assert_silent_success(output: &Output) {
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(0));
}

/// Runs every command of a transcript and compares the whole with what was pinned.
#[track_caller]
fn assert_transcript(pinned: &str) {
    let mut actual = String::new();
    for line in pinned.lines().filter_map(|line| line.strip_prefix("$ mycp")) {
        let words: Vec<_> =
            line.split_whitespace().map(|word| if word == "''" { "" } else { word }).collect();
        let output = Place::new().run(&words);
        writeln!(actual, "$ mycp{line}").unwrap();
        for (mark, said) in [('>', &output.stdout), ('!', &output.stderr)] {
            let said = as_on_unix(text(said));
            // What no copy keeps on Windows is told there.
            let is_kept = |line: &&str| {
                !cfg!(windows)
                    || !(line.ends_with(Lost::Ownership.as_str())
                        || line.ends_with(Lost::Acl.as_str()))
            };
            said.lines()
                .filter(is_kept)
                .for_each(|line| writeln!(actual, "{mark} {line}").unwrap());
        }
        writeln!(actual, "= {}\n", output.status.code().unwrap()).unwrap();
    }
    // In the order in which it was pinned, so that the first difference is easy to find.
    for (actual, pinned) in actual.lines().zip(pinned.lines()) {
        assert_eq!(actual, pinned);
    }
    assert_eq!(actual, pinned);
}

#[test]
fn the_help_is_as_it_was_reviewed() {
    let place = Place::new();
    for (word, pinned) in [
        ("-h", include_str!("../fixtures/help/short.txt")),
        ("--help", include_str!("../fixtures/help/long.txt")),
    ] {
        let output = place.run(&[word]);
        assert_eq!(text(&output.stdout), pinned);
        assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
    }
}

#[test]
fn each_option_has_one_line_of_short_help() {
    for line in include_str!("../fixtures/help/short.txt").lines() {
        assert!(line.chars().count() <= 100, "{line}");
        if let Some(option) = line.strip_prefix("  ").filter(|line| line.trim().starts_with('-')) {
            let (_, help) = option.trim_start().split_once("  ").unwrap();
            assert!(help.trim().chars().count() <= 60, "{line}");
        }
    }
}

#[test]
fn the_version_goes_to_standard_output() {
    let output = Place::new().run(&["--version"]);
    assert_eq!(text(&output.stdout), concat!("mycp ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_touched() {
    assert_transcript(include_str!("../fixtures/cli/refused.txt"));
}

#[test]
fn each_operand_is_copied_or_told_of() {
    let pinned = include_str!("../fixtures/cli/copied.txt");
    let (links, others): (Vec<_>, Vec<_>) =
        pinned.split_inclusive("\n\n").partition(|command| makes_symbolic_link(command));
    assert_eq!(links.len(), 1);
    assert_transcript(&others.concat());
}

fn makes_symbolic_link(command: &str) -> bool {
    command.starts_with("$ mycp -sv a new\n")
}

#[test]
fn a_link_to_an_operand_is_told_of() {
    if wine::cannot("cli::a_link_to_an_operand_is_told_of") {
        return;
    }
    if wine::cannot("cli::a_link_to_an_operand_is_told_of") {
        return;
    }
    let pinned = include_str!("../fixtures/cli/copied.txt");
    let links: String =
        pinned.split_inclusive("\n\n").filter(|it| makes_symbolic_link(it)).collect();
    assert_transcript(&links);
}

#[test]
fn a_refused_manifest_leaves_the_files_alone() {
    let place = Place::new();
    assert_eq!(place.run(&["--manifest=a", "a", "b"]).status.code(), Some(1));
    fs::hard_link(place.path("a"), place.path("alias")).unwrap();
    assert_eq!(place.run(&["--manifest=alias", "a", "b"]).status.code(), Some(1));
    assert_eq!(place.read("a"), b"old content of a\n");
    assert_eq!(place.read("b"), b"old content of b\n");
    assert_eq!(place.run(&["--manifest=d/new", "a", "d/new"]).status.code(), Some(1));
    assert!(!place.path("d/new").exists());
}

#[test]
fn a_manifest_lists_what_was_copied_under_the_targets_names() {
    let place = Place::new();
    place
        .write("m", b"something longer than what is written in its place, so that it shows.......");
    // A name where there are no others, and a file in a directory where it separates names.
    let odd = if cfg!(windows) { "x\\a" } else { "back\\slash" };
    place.write(odd, b"");
    let words = ["--manifest=m", "--flush=sync", "-t", "d", "b", odd];
    assert_silent_success(&place.run(&words));
    let hash = |content: &[u8]| blake3::hash(content).to_hex();
    let (b, odd) = (hash(b"old content of b\n"), hash(b""));
    // b3sum escapes each backslash of a name, those that separate names as well.
    let expected = if cfg!(windows) {
        format!("\\{b}  d\\\\b\n\\{odd}  d\\\\a\n")
    } else {
        format!("{b}  d/b\n\\{odd}  d/back\\\\slash\n")
    };
    assert_eq!(text(&place.read("m")), expected);
}

#[cfg(unix)]
#[test]
fn a_full_standard_output_is_a_failure_and_the_copy_is_made() {
    for option in ["-v", "--explain", "--json", "--help", "--version"] {
        let place = Place::new();
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place.command(&[option, "a", "new"]).stdout(full).output().unwrap();
        assert_eq!(
            text(&output.stderr),
            "mycp: cannot write standard output: No space left on device (os error 28)\n"
        );
        assert_eq!(output.status.code(), Some(1), "{option}");
        assert_eq!(place.path("new").exists(), !["--help", "--version"].contains(&option));
    }
}

#[test]
fn an_explanation_names_the_engine_and_the_way() {
    let place = Place::new();
    let output = place.run(&["--debug", "a", "new"]);
    let explained = text(&output.stdout);
    assert!(explained.starts_with("'a' -> 'new'\n  created: "), "{explained}");
    assert!(explained.contains("\n  length: 17 bytes; "), "{explained}");
    assert!(explained.contains("\n  engine "), "{explained}");
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
}

#[test]
fn a_copy_as_json_is_one_object_a_line() {
    let place = Place::new();
    let output = place.run(&["--json", "a", "nothing", "b", "d"]);
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["copied", "failed", "copied"]);
    assert_eq!(lines[0]["target"], native("d/a"));
    assert_eq!(lines[0]["len"], 17);
    assert_eq!(lines[0]["way"], "created");
    assert_eq!(lines[1]["os_error"], 2);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_answers_of_a_user_are_lines_of_standard_input() {
    let place = Place::new();
    place.write("d/a", b"kept");
    place.write("d/b", b"replaced");
    let mut child = place.command(&["-iv", "a", "b", "d"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"no\nyes\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let asked = text(&output.stderr).replace('\\', "/");
    assert_eq!(asked, "mycp: overwrite 'd/a'? mycp: overwrite 'd/b'? ");
    assert_eq!(as_on_unix(text(&output.stdout)), "'b' -> 'd/b'\n");
    assert_eq!(place.read("d/a"), b"kept");
    assert_eq!(place.read("d/b"), b"old content of b\n");
    // POSIX: a no makes the exit status of cp -i greater than zero.
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_environment_chooses_the_backup() {
    let place = Place::new();
    let mut command = place.command(&["-bv", "a", "b"]);
    let output = command.env("SIMPLE_BACKUP_SUFFIX", ".orig").output().unwrap();
    assert_eq!(text(&output.stdout), "'a' -> 'b' (backup: 'b.orig')\n");
    let mut command = place.command(&["-b", "a", "b"]);
    let output = command.env("VERSION_CONTROL", "sometimes").output().unwrap();
    assert_eq!(
        text(&output.stderr),
        "mycp: invalid value 'sometimes' for '$VERSION_CONTROL': it can be none, off, simple, \
         never, existing, nil, numbered or t\nTry 'mycp --help' for more information.\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn progress_is_shown_off_a_terminal_only_when_it_must_be() {
    let place = Place::new();
    assert_silent_success(&place.run(&["--progress", "a", "new"]));
    let output = place.run(&["--progress=always", "a", "new"]);
    let line = text(&output.stderr);
    assert!(line.starts_with("mycp: 'a' -> 'new': 17 of 17 bytes (100%) copied, "), "{line}");
    assert_eq!(line.lines().count(), 1);
    assert_eq!(output.status.code(), Some(0));
}

/// Starts a copy from standard input and waits until the target's directory shows that it runs.
#[cfg(unix)]
fn endless_copy(place: &Place, words: &[&str]) -> Child {
    let mut child = place.command(words).stdin(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.as_mut().unwrap();
    input.write_all(&[7; 100_000]).unwrap();
    child
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[cfg(unix)]
#[test]
fn sigusr1_prints_where_it_stands() {
    let place = Place::new();
    let mut child = endless_copy(&place, &["-", "new"]);
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    // The pipe holds less than was written: the copy has begun, and its handlers are set.
    signal(&child, "USR1");
    child.stdin.as_mut().unwrap().write_all(&[7; 1000]).unwrap();
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.starts_with("mycp: '-' -> 'new': "), "{line}");
    assert!(line.contains(" bytes copied, "), "{line}");
    drop(child.stdin.take());
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("", Some(0)));
    assert_eq!(place.read("new").len(), 101_000);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_copy_leaves_no_file_and_is_what_the_shell_sees() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let place = Place::new();
        let child = endless_copy(&place, &["-", "b"]);
        signal(&child, name);
        let mut child = child;
        // Kept open: the end must come from the signal, not from the end of input.
        let input = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_eq!(output.status.signal(), Some(number), "{}", text(&output.stderr));
        let message = text(&output.stderr);
        assert!(message.starts_with("mycp: ") && message.ends_with(": interrupted\n"), "{message}");
        assert!(place.read("b") == b"old content of b\n");
        assert_eq!(place.names("."), ["a", "b", "d", "x"]);
    }
}

#[cfg(unix)]
#[test]
fn a_hangup_that_was_ignored_stays_ignored() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_mycp");
    let mut child = Command::new("sh")
        .args(["-c", &format!("trap '' HUP; exec '{program}' - new")])
        .current_dir(Path::new(place.0.path()))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(&[7; 100_000]).unwrap();
    signal(&child, "HUP");
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.read("new").len(), 100_000);
}

#[cfg(unix)]
#[test]
fn a_limit_on_file_sizes_is_an_error_that_names_the_file() {
    let place = Place::new();
    place.write("big", &[7; 100_000]);
    let program = env!("CARGO_BIN_EXE_mycp");
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -f 8; exec '{program}' big new")])
        .current_dir(place.0.path())
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert!(message.ends_with("File too large (os error 27)\n"), "{message}");
    assert_eq!(output.status.code(), Some(1));
    assert!(!place.path("new").exists());
}

/// A tree of `directories` with eight files each, `t` in `place`.
fn tree(place: &Place, directories: usize) {
    for directory in 0..directories {
        fs::create_dir_all(place.path(&format!("t/{directory}"))).unwrap();
        for file in 0..8 {
            place.write(&format!("t/{directory}/{file}"), &[7; 100]);
        }
    }
}

#[test]
fn lines_of_several_threads_do_not_mix() {
    let place = Place::new();
    tree(&place, 40);
    let output = place.run(&["-rv", "-j8", "t", "d"]);
    let said = as_on_unix(text(&output.stdout));
    let mut lines: Vec<_> = said.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 1 + 40 * 9);
    for line in lines {
        let (source, target) = line.split_once(" -> ").unwrap();
        assert_eq!(source.replacen("'t", "'d/t", 1), target);
    }
    let output = place.run(&["-rv", "-j8", "t", "d"]);
    // Directories that were there are not told of.
    assert_eq!(text(&output.stdout).lines().count(), 40 * 8);
    let output = place.run(&["-r", "--explain", "-j8", "t", "new"]);
    let mut paragraphs = text(&output.stdout).lines().filter(|line| !line.starts_with("  "));
    assert!(paragraphs.all(|line| line.starts_with("'t")));
}

#[test]
fn a_tree_as_json_has_kinds_and_ends_with_a_summary() {
    let place = Place::new();
    tree(&place, 40);
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", place.path("t/link")).unwrap();
    let links = if cfg!(unix) { 1 } else { 0 };
    place.write("d/a", b"in the way");
    let output = place.run(&["-r", "--json", "-j8", "t", "a", "x", "d"]);
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |event: &str, kind: &str| {
        lines.iter().filter(|line| line["event"] == event && line["kind"] == kind).count()
    };
    assert_eq!(count("copied", "file"), 40 * 8 + 2);
    assert_eq!(count("copied", "directory"), 40 + 2);
    assert_eq!(count("copied", "symbolic link"), links);
    let summary = lines.last().unwrap();
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["files"], 40 * 8 + 2);
    assert_eq!(summary["directories"], 40 + 2);
    assert_eq!((&summary["others"], &summary["failed"]), (&links.into(), &0.into()));
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
}

#[test]
fn what_fails_in_a_tree_is_named_and_counted_at_the_end() {
    let place = Place::new();
    tree(&place, 2);
    for name in ["d/t/0/3", "d/t/1/5"] {
        fs::create_dir_all(place.path(name)).unwrap();
    }
    let output = place.run(&["-r", "t", "d"]);
    let said = as_on_unix(text(&output.stderr));
    let mut lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.pop(), Some("mycp: 2 of 19 objects were not copied"));
    lines.sort_unstable();
    let sentence = |name: &str| {
        format!("mycp: cannot overwrite directory 'd/t/{name}' with non-directory 't/{name}'")
    };
    assert_eq!(lines, [sentence("0/3"), sentence("1/5")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(place.read("d/t/1/7"), [7; 100]);
}

#[test]
fn a_manifest_of_trees_lists_every_regular_file() {
    let place = Place::new();
    tree(&place, 40);
    #[cfg(unix)]
    std::os::unix::fs::symlink("0", place.path("t/link")).unwrap();
    assert_silent_success(&place.run(&["-r", "-j8", "--manifest=m", "t", "d"]));
    let manifest = String::from_utf8(place.read("m")).unwrap();
    let mut lines: Vec<_> = manifest.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 40 * 8);
    let hash = blake3::hash(&[7; 100]).to_hex();
    for line in lines {
        let begin = match cfg!(windows) {
            true => format!("\\{hash}  d\\\\t\\\\"),
            false => format!("{hash}  d/t/"),
        };
        assert!(line.starts_with(&begin), "{line}");
    }
}

#[test]
fn one_question_is_open_at_a_time_and_each_takes_one_answer() {
    let place = Place::new();
    tree(&place, 20);
    assert_silent_success(&place.run(&["-r", "t", "d"]));
    let words = ["-ri", "-j8", "t", "d"];
    let mut child = place.command(&words).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut errors = child.stderr.take().unwrap();
    let mut asked = Vec::new();
    for _ in 0..20 * 8 {
        let mut question = Vec::new();
        while !question.ends_with(b"? ") {
            let mut byte = [0];
            errors.read_exact(&mut byte).unwrap();
            question.push(byte[0]);
        }
        asked.push(String::from_utf8(question).unwrap());
        // Long enough for another thread to ask, if it could.
        if asked.len() < 5 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        input.write_all(b"y\n").unwrap();
    }
    assert!(child.wait().unwrap().success());
    for question in &asked {
        let question = question.replace('\\', "/");
        assert!(question.starts_with("mycp: overwrite 'd/t/"), "{question}");
        assert_eq!(question.matches("overwrite").count(), 1, "{question}");
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 20 * 8);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_question_whichever_thread_has_asked_it() {
    let place = Place::new();
    tree(&place, 20);
    assert_silent_success(&place.run(&["-r", "t", "d"]));
    let mut child = place.command(&["-ri", "t", "d"]).stdin(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.take();
    child.stderr.as_mut().unwrap().read_exact(&mut [0; 10]).unwrap();
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(output.status.signal(), Some(2));
    // The beginning of the question has been read.
    let errors = text(&output.stderr);
    assert_eq!(errors.matches('?').count(), 1, "{errors}");
    assert!(errors.matches("interrupted").count() <= 1, "{errors}");
}

#[test]
fn progress_of_trees_counts_files_and_bytes() {
    let place = Place::new();
    tree(&place, 40);
    let output = place.run(&["-r", "--progress=always", "t", "d"]);
    let last = text(&output.stderr).lines().last().unwrap();
    let words = last.strip_prefix("mycp: 361 ").unwrap_or_else(|| panic!("{last}"));
    assert!(words.contains("files, 32000 "), "{last}");
    assert!(words.contains(" copied, "), "{last}");
}

/// The options in the long help, as they are typed.
fn options_of_help() -> Vec<&'static str> {
    let lines = include_str!("../fixtures/help/long.txt").lines();
    // What is said of an option stands further to the right.
    lines
        .filter(|line| line.starts_with("  -") || line.starts_with("      -"))
        .flat_map(|line| line.split([',', ' ', '[', '=']).filter(|word| word.starts_with('-')))
        .collect()
}

#[test]
fn manual_and_completions_have_what_the_help_has() {
    let place = Place::new();
    let options = options_of_help();
    assert!(options.len() > 60, "{options:?}");
    for (what, dash) in [("man", "\\-"), ("bash", "-"), ("zsh", "-"), ("fish", "")] {
        let output = place.run(&["--generate", what]);
        assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)), "{what}");
        for option in &options {
            let typed = match what {
                "fish" => option.trim_start_matches('-').to_owned(),
                _ => option.replace('-', dash),
            };
            assert!(text(&output.stdout).contains(&typed), "{what} lacks {option}");
        }
    }
}

#[cfg(unix)]
#[test]
fn those_who_read_what_is_generated_have_no_complaint() {
    let place = Place::new();
    assert_no_complaints(|what| place.run(&["--generate", what]).stdout);
}
