//! The README's commands are run as they stand there.
//!
//! Those that begin with `cargo` are run by `.ci/run`.

use std::path::Path;
use std::process::Command;

use crate::support::sandbox::Sandbox;

/// The lines of all blocks marked `sh`.
fn commands(readme: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => commands.push(line),
            _ => {}
        }
    }
    commands
}

#[test]
fn every_command_of_the_readme_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_mycp")).parent().unwrap();
    let sandbox = Sandbox::new();
    let photograph = std::fs::read(root.join("fixtures/inputs/photograph.png")).unwrap();
    sandbox.write("photograph.png", &photograph);
    sandbox.write("notes.txt", b"notes\n");
    sandbox.directory("album");

    let all = commands(&readme);
    let ours: Vec<_> = all.iter().filter(|line| !line.starts_with("cargo ")).collect();
    assert!(ours.len() > 15, "only {} commands were found", ours.len());
    for line in ours {
        // What has no end is given one.
        let is_endless = line.contains("--watch");
        let command = if is_endless { format!("timeout 2 {line}") } else { (*line).to_owned() };
        let output = Command::new("sh")
            .args(["-ec", &command])
            .current_dir(sandbox.root())
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .output()
            .unwrap();
        let expected = if is_endless { 124 } else { 0 };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{line}: {errors}");
    }
    assert_eq!(sandbox.read("copy.png"), photograph);
    assert_eq!(sandbox.read("copy.png~").len(), photograph.len());
    assert_eq!(sandbox.read("album/notes.txt"), b"notes\n");
    assert_eq!(sandbox.read("again.txt"), b"text\n");
    assert_eq!(sandbox.read("archive/notes.txt"), b"notes\n");
    assert_eq!(sandbox.read("below/album/notes.txt"), b"notes\n");

    let manifest = String::from_utf8(sandbox.read("album.b3")).unwrap();
    let expected = format!(
        "{}  album/photograph.png\n{}  album/notes.txt\n",
        blake3::hash(&photograph),
        blake3::hash(b"notes\n")
    );
    assert_eq!(manifest, expected);
}

#[test]
fn the_commands_that_set_up_are_those_that_ci_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let ci = read(".ci/run").replace(" --locked", "");
    let ci: Vec<_> = ci.lines().collect();
    let readme = read("README.md");
    let set_up: Vec<_> = commands(&readme)
        .into_iter()
        .filter(|line| line.starts_with("cargo ") && !line.starts_with("cargo bench"))
        .collect();
    assert_eq!(set_up.len(), 2, "two commands set everything up: {set_up:?}");
    for line in set_up {
        assert!(ci.contains(&line), "`{line}` is not run by .ci/run");
    }
}
