//! One error does not stop the rest (P2): each is named, the rest is copied, and the run ends with
//! a summary and status 1.

use super::make;
#[cfg(target_os = "linux")]
use crate::support::files::chmod;
use crate::support::snapshot::Snapshot;
use crate::support::{Ended, Sandbox, is_mycp};

/// Fails unless these are named, each in an error of its own, and counted at the end.
#[track_caller]
fn assert_failed(ended: Ended, failures: &[&str]) -> Ended {
    let ended = ended.failed();
    let lines: Vec<_> = ended.errors.lines().collect();
    for failure in failures {
        let named = lines.iter().filter(|line| line.contains(&format!("{failure}'"))).count();
        assert_eq!(named, 1, "{failure} is named {named} times: {ended}");
    }
    let more: Vec<_> = lines.iter().filter(|line| line.contains("cannot ")).collect();
    assert_eq!(more.len(), failures.len(), "{more:#?}: {ended}");
    if is_mycp() {
        let count = format!("mycp: {} of ", failures.len());
        let last = lines.last().unwrap();
        assert!(last.starts_with(&count) && last.contains("not copied"), "summary: {ended}");
    }
    ended
}

#[test]
fn kinds_that_do_not_fit_are_named_and_the_rest_is_copied() {
    for more in [&[] as &[&str], &["-j1"], &["-f"], &["--flush=sync"]] {
        for way in ["-r", "-a"] {
            let sandbox = Sandbox::new();
            let source = ["a/1", "a/2/x", "a/3", "a/4/y/z", "a/5", "a/6/1", "a/6/2", "a/6/3/w"];
            make(&sandbox, &source);
            make(&sandbox, &["b/1/in the way/", "b/2", "b/6/2/in the way", "b/6/3", "b/own"]);
            let options = [way, "-T"].into_iter().chain(more.iter().copied());
            let ended = sandbox.mycp(options.chain(["a", "b"]));
            // As cp has it, the target is named: it is what cannot be overwritten.
            let ended = assert_failed(ended, &["b/1", "b/2", "b/6/2", "b/6/3"]);
            let seen = Snapshot::of(&sandbox.path("b"));
            for (name, from) in
                [("2", "b/2"), ("3", "a/3"), ("4/y/z", "a/4/y/z"), ("5", "a/5"), ("6/1", "a/6/1")]
            {
                assert!(seen.at(name).holds(format!("content of {from}").as_bytes()), "{ended}");
            }
            assert!(seen.has("own") && seen.has("1/in the way"), "{ended}");
            assert!(seen.leftovers().is_empty(), "{:?}: {ended}", seen.leftovers());
        }
    }
}

#[test]
fn operands_that_are_not_there_do_not_stop_the_others() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "b/2", "into/"]);
    let ended = sandbox.mycp(["-r", "no", "a", "neither", "b", "into"]);
    assert_failed(ended, &["no", "neither"]);
    let seen = Snapshot::of(&sandbox.path("into"));
    assert!(seen.at("a/1").is_file() && seen.at("b/2").is_file());
}

/// Without -r.
#[test]
fn a_directory_that_was_not_to_be_copied_is_named_and_the_files_are_copied() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "file", "into/"]);
    let ended = sandbox.mycp(["a", "file", "into"]).failed().says("-r not specified");
    let seen = Snapshot::of(&sandbox.path("into"));
    assert!(seen.at("file").is_file() && !seen.has("a"), "{ended}");
}

/// The source: some of it is closed to the user nobody in one way or another.
#[cfg(target_os = "linux")]
fn closed_in_part(sandbox: &Sandbox) {
    make(
        sandbox,
        &[
            "a/1",
            "a/closed file",
            "a/closed/x",
            "a/closed/deeper/y",
            "a/open/2",
            "a/open/closed file too",
            "a/open/listed/3",
            "a/open/listed/sub/4",
            "a/open/hidden/5",
            "a/z",
        ],
    );
    for (name, mode) in [
        ("a/closed file", 0o600),
        ("a/closed", 0o700),
        ("a/open/closed file too", 0o000),
        // Its names can be read, but nothing of what they name.
        ("a/open/listed", 0o744),
        // What is in it could be reached, but not found.
        ("a/open/hidden", 0o711),
    ] {
        chmod(&sandbox.path(name), mode);
    }
    chmod(&sandbox.directory("into"), 0o777);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: takes another user's part"]
fn what_cannot_be_read_is_named_and_the_rest_is_copied() {
    for way in [&["-r"] as &[&str], &["-a"], &["-r", "-j1"], &["-a", "--flush=sync"]] {
        let sandbox = Sandbox::new();
        closed_in_part(&sandbox);
        let arguments = way.iter().copied().chain(["a", "into"]);
        let ended = sandbox.run(arguments).by_nobody().end();
        let ended = assert_failed(
            ended,
            &[
                "a/closed file",
                "a/closed",
                "a/open/closed file too",
                "a/open/listed/3",
                "a/open/listed/sub",
                "a/open/hidden",
            ],
        );
        let seen = Snapshot::of(&sandbox.path("into/a"));
        let files: Vec<_> = seen.names().filter(|name| seen.entries[*name].is_file()).collect();
        assert_eq!(files, [&b"1"[..], b"open/2", b"z"], "{ended}");
        // What was made of a closed directory is closed as well.
        for (name, mode) in [("closed", 0o700), ("open/hidden", 0o711), ("open/listed", 0o744)] {
            if let Some(entry) = seen.entries.get(name.as_bytes()) {
                assert_eq!(entry.attributes.mode, mode, "{name}: {ended}");
            }
        }
        assert!(seen.leftovers().is_empty(), "{:?}: {ended}", seen.leftovers());
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: takes another user's part"]
fn what_cannot_be_written_is_named_and_the_rest_is_copied() {
    for way in ["-rT", "-aT"] {
        let sandbox = Sandbox::new();
        make(&sandbox, &["a/1", "a/closed/new", "a/closed/old", "a/open/2", "a/open/sub/3"]);
        make(&sandbox, &["b/closed/old", "b/open/sub/"]);
        for directory in ["b", "b/open", "b/open/sub"] {
            std::os::unix::fs::chown(sandbox.path(directory), Some(65_534), Some(65_534)).unwrap();
        }
        // Root's: a user without rights can make nothing in it, and not write the file.
        chmod(&sandbox.path("b/closed"), 0o755);
        let ended = sandbox.run([way, "a", "b"]).by_nobody().end().failed();
        for name in ["closed/new'", "closed/old'"] {
            assert!(ended.errors.contains(name), "{name}: {ended}");
        }
        let seen = Snapshot::of(&sandbox.path("b"));
        for name in ["1", "open/2", "open/sub/3"] {
            assert!(seen.at(name).holds(format!("content of a/{name}").as_bytes()), "{ended}");
        }
        assert!(seen.at("closed/old").holds(b"content of b/closed/old"), "{ended}");
        assert!(!seen.has("closed/new"), "{ended}");
        assert!(seen.leftovers().is_empty(), "{:?}: {ended}", seen.leftovers());
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: takes another user's part"]
fn a_target_in_which_nothing_can_be_made_is_an_error() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/sub/2", "closed/"]);
    let before = Snapshot::of(sandbox.root());
    for target in ["closed", "closed/new"] {
        let ended = sandbox.run(["-a", "a", target]).by_nobody().end().failed();
        assert!(ended.errors.contains("'closed"), "not named: {ended}");
        Snapshot::of(sandbox.root()).assert_contents(&before, &ended.description);
    }
}

/// A read-only directory of the source is filled before its copy is closed, and can be replaced
/// by the next run.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: takes another user's part"]
fn a_user_copies_read_only_directories_of_his_own() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["own/a/read-only/1", "own/a/read-only/sub/2", "own/a/3"]);
    chmod(&sandbox.path("own/a/read-only/sub"), 0o500);
    chmod(&sandbox.path("own/a/read-only"), 0o555);
    for name in ["own", "own/a", "own/a/3", "own/a/read-only", "own/a/read-only/1"]
        .iter()
        .chain(&["own/a/read-only/sub", "own/a/read-only/sub/2"])
    {
        std::os::unix::fs::chown(sandbox.path(name), Some(65_534), Some(65_534)).unwrap();
    }
    for way in ["-r", "-a", "-rp"] {
        let target = format!("own/copy{way}");
        let ended = sandbox.run([way, "own/a", &target]).by_nobody().end().good();
        let (seen, expected) = (Snapshot::of(&sandbox.path(&target)), &sandbox.path("own/a"));
        let expected = Snapshot::of(expected);
        seen.assert_contents(&expected, &ended.description);
        for name in ["read-only", "read-only/sub"] {
            let mode = |snapshot: &Snapshot| snapshot.at(name).attributes.mode;
            assert_eq!(mode(&seen), mode(&expected), "{name}: {ended}");
        }
    }
}
