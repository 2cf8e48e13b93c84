//! The README's commands are run as they stand there.
//!
//! Those that begin with `cargo` are run by `.ci/run`.

use std::path::Path;
use std::process::Command;

use crate::documented::readme;
use crate::support::sandbox::Sandbox;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

/// The lines of all blocks with this mark.
fn commands<'a>(readme: &'a str, mark: &str) -> Vec<&'a str> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line.strip_prefix("```") {
            Some("") => inside = false,
            Some(found) => inside = found == mark,
            None if inside => commands.push(line),
            None => {}
        }
    }
    commands
}

/// A directory with the files that the README speaks of.
fn place() -> Sandbox {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sandbox = Sandbox::new();
    let photograph = root.join("fixtures/inputs/photograph.png");
    std::fs::copy(photograph, sandbox.path("photograph.png")).unwrap();
    sandbox.write("notes.txt", b"notes\n");
    sandbox.directory("album");
    sandbox
}

/// A line of words alone, started in a directory.
fn start(line: &str, directory: &Path) -> Command {
    let mut words = line.split_whitespace();
    let program = match words.next() {
        Some("mycp") => env!("CARGO_BIN_EXE_mycp"),
        Some("mycp-shm") => env!("CARGO_BIN_EXE_mycp-shm"),
        Some("mycp-crash") => env!("CARGO_BIN_EXE_mycp-crash"),
        other => panic!("{other:?} is not one of ours"),
    };
    let mut command = Command::new(program);
    // What a shell would take away, where it keeps it from other changes.
    command.args(words.map(|word| word.replace('\'', ""))).current_dir(directory);
    command
}

#[track_caller]
fn run(line: &str, directory: &Path) {
    let output = start(line, directory).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
}

/// Whether it needs no shell, has an end, and is about what each system has.
fn is_plain(line: &str) -> bool {
    const OTHERS: [&str; 11] = [
        "|", "&&", ">", "$", "/proc/", "shm:", "--watch", "cargo ", "explore", "replay", "mycp-shm",
    ];
    !OTHERS.iter().any(|words| line.contains(words))
}

#[test]
fn every_plain_command_of_the_readme_works() {
    let readme = readme();
    let sandbox = place();
    let all = commands(&readme, "sh").into_iter();
    let ours: Vec<_> = all.filter(|line| is_plain(line)).collect();
    assert!(ours.len() > 30, "only {} commands were found", ours.len());
    ours.iter().for_each(|line| run(line, sandbox.root()));
    let photograph = sandbox.read("photograph.png");
    for copy in ["copy.png", "copy.png~", "album/photograph.png", "backup/photograph.png"] {
        assert!(sandbox.read(copy) == photograph, "{copy} is not the photograph");
    }
    for tree in ["copies", "archive", "selected", "verified", "linked"] {
        let notes = sandbox.path(tree).join("notes.txt");
        assert!(notes.exists(), "{} is missing", notes.display());
    }
}

#[test]
fn the_commands_that_set_up_are_those_that_ci_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let ci = read(".ci/run").replace(" --locked", "");
    let ci: Vec<_> = ci.lines().collect();
    let readme = read("README.md");
    let set_up: Vec<_> = commands(&readme, "sh")
        .into_iter()
        .filter(|line| line.starts_with("cargo ") && !line.starts_with("cargo bench"))
        .collect();
    assert_eq!(set_up.len(), 2, "two commands set everything up: {set_up:?}");
    for line in set_up {
        assert!(ci.contains(&line), "`{line}` is not run by .ci/run");
    }
}
