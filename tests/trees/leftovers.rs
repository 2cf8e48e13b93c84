//! What has the name of a temporary: content that is copied, or what a killed run left.

#[cfg(target_os = "linux")]
use std::ffi::OsStr;
#[cfg(target_os = "linux")]
use std::process::Command;

use super::make;
#[cfg(target_os = "linux")]
use crate::support::Run;
use crate::support::files::stamp;
#[cfg(target_os = "linux")]
use crate::support::mounts::{Mounts, succeed};
use crate::support::snapshot::Snapshot;
use crate::support::{Sandbox, assert_same_bytes, content};

/// A temporary of a killed run that was copied with the tree it lay in is a file like others.
/// Copying must take it neither for its own temporary nor for one of a killed run.
#[test]
fn what_only_looks_like_a_leftover_is_copied() {
    let sandbox = Sandbox::new();
    let source = sandbox.directory("source");
    for directory in ["source/sub", "source/.sub.mycp-000000", "source/.sub.mycp-000000/sub"] {
        sandbox.directory(directory);
    }
    for directory in ["source", "source/sub", "source/.sub.mycp-000000"] {
        for name in ["file", ".file.mycp-000000", ".file.mycp-000001", ".file.mycp-000002"] {
            sandbox.write(format!("{directory}/{name}"), &content(name.len() as u64, 5000));
        }
    }
    stamp(&source);
    let expected = Snapshot::of(&source);
    for (target, more) in [("one", "-j1"), ("two", "-j8"), ("one", "-j8"), ("two", "-j1")] {
        let ended = sandbox.mycp(["-aT", more, "source", target]).good();
        Snapshot::of(&sandbox.path(target)).assert_copy(&expected, &ended.description);
    }
}

/// Such names beside those whose temporaries they would be.
fn with_names_like_temporaries() -> Sandbox {
    let sandbox = Sandbox::new();
    // In each directory both orders occur: the one first, and the other.
    for number in 0..8 {
        let names = ["s/x#/1", "s/.x#.mycp-000000/2", "s/g#", "s/.g#.mycp-000000"];
        let names = names.map(|name| name.replace('#', &number.to_string()));
        make(&sandbox, &names.each_ref().map(|name| &**name));
    }
    sandbox
}

/// In new directories and in those that are there, and when the copy is there already.
#[test]
fn names_like_temporaries_are_kept_beside_what_they_would_be_temporaries_of() {
    let sandbox = with_names_like_temporaries();
    let expected = Snapshot::of(&sandbox.path("s"));
    sandbox.directory("there");
    for target in ["new", "there"] {
        for threads in ["-j1", "-j4"] {
            let ended = sandbox.mycp(["-aT", threads, "s", target]).good();
            Snapshot::of(&sandbox.path(target)).assert_contents(&expected, &ended.description);
        }
    }
    // What is not to be replaced is not removed either.
    let names = ["there/.g1.mycp-000000", "there/.g1.mycp-000001"];
    sandbox.write("s/.g1.mycp-000001", b"newer");
    sandbox.write(names[0], b"older");
    sandbox.write(names[1], b"older");
    std::fs::remove_file(sandbox.path("there/g1")).unwrap();
    let ended = sandbox.mycp(["-anT", "s", "there"]).good();
    for name in names {
        assert_same_bytes(&sandbox.read(name), b"older", &ended.description);
    }
}

/// Else another thread would meet a part of a file under a name of the source, and a killed run
/// would leave it.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn names_of_the_source_are_not_taken_for_temporaries() {
    let sandbox = with_names_like_temporaries();
    let strace = ["strace", "-f", "-qq", "-o", "log", "-e", "trace=openat,openat2,mkdirat"];
    let words: Vec<_> = strace.into_iter().map(OsStr::new).collect();
    sandbox.directory("there");
    let ended = Run::through(&words, sandbox.root(), ["-aT", "s", "there"]).end().good();
    let log = String::from_utf8_lossy(&sandbox.read("log")).into_owned();
    let made = log.lines().filter(|line| line.contains("O_CREAT") || line.contains("mkdirat"));
    let made: Vec<_> = made.filter(|line| line.contains(".mycp-")).collect();
    assert!(made.len() >= 32, "the log lacks temporaries: {log}");
    for (line, kind) in made.iter().flat_map(|line| [(line, 'g'), (line, 'x')]) {
        let content = format!("\".{kind}");
        assert!(!line.contains(&content) || !line.contains(".mycp-000000\""), "{line}: {ended}");
    }
}

/// Operands are copied one after the other: what one was copied to is no leftover to the next.
#[test]
fn operands_like_temporaries_are_kept_beside_what_they_would_be_temporaries_of() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/.f.mycp-000000", "s/f", "s/.d.mycp-000000/1", "s/d/2", "t/"]);
    let expected = Snapshot::of(&sandbox.path("s"));
    let names = ["s/.f.mycp-000000", "s/f", "s/.d.mycp-000000", "s/d"];
    for _ in 0..2 {
        let ended = sandbox.mycp(["-a"].into_iter().chain(names).chain(["t"])).good();
        Snapshot::of(&sandbox.path("t")).assert_contents(&expected, &ended.description);
    }
}

/// The source of a later operand lies in what looks like a leftover beside an earlier one's
/// target.
#[test]
fn a_source_within_a_directory_like_a_temporary_stays() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["o/1", "t/.x.mycp-000000/p1", "t/x/"]);
    let target = sandbox.path("t");
    let ended = sandbox.mycp(["-a", "o/.", "t/.x.mycp-000000/p1", "t"]).good();
    let seen = Snapshot::of(&target);
    for name in ["1", "p1", ".x.mycp-000000/p1"] {
        assert!(seen.has(name), "{name} is gone: {ended}");
    }
}

/// A killed run's leftovers are removed by the next, however many there are.
#[test]
fn the_leftovers_of_several_killed_runs_are_removed() {
    let sandbox = Sandbox::new();
    // Where a directory cannot be renamed while it is being filled, none has such a name.
    let ours = |names: &[&'static str]| -> Vec<&str> {
        let is_directory = |name: &str| name.contains("/1") || name.contains("/.d");
        let is_made = |name: &&&str| !cfg!(windows) || !is_directory(name);
        names.iter().filter(is_made).copied().collect()
    };
    make(&sandbox, &["s/d/1", "s/f"]);
    make(&sandbox, &ours(&[".t.mycp-000001/1", ".t.mycp-000002"]));
    let ended = sandbox.mycp(["-aT", "s", "t"]).good();
    sandbox.assert_tidy(&ended.description);
    make(&sandbox, &ours(&[".t.mycp-000000/1", "t/.d.mycp-000001/1"]));
    make(&sandbox, &["t/.f.mycp-000000", "t/d/.1.mycp-000002"]);
    let ended = sandbox.mycp(["-aT", "s", "t"]).good();
    let left = Snapshot::of(&sandbox.path("t")).leftovers();
    assert!(left.is_empty(), "{left:?}: {ended}");
}

/// What cannot be locked is removed once it is older than any copy of it could be: it may be one
/// that a run beside this one is about to give its name.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn links_and_nodes_of_killed_runs_are_removed_when_they_are_old() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/f", "s/p", "disk/t/f"]);
    let names = ["t/.f.mycp-000000", "t/.f.mycp-000001", "t/.p.mycp-000000", "t/.p.mycp-000001"];
    for (name, node) in names.iter().zip(["link", "link", "pipe", "pipe"]) {
        let path = sandbox.path(format!("disk/{name}"));
        match node {
            "link" => std::os::unix::fs::symlink("nowhere", path).unwrap(),
            _ => succeed(Command::new("mkfifo").arg(path)),
        }
    }
    let mut mounts = Mounts::new();
    let image = mounts.image("image", 16);
    succeed(Command::new("mkfs.ext4").arg("-q").arg("-d").arg(sandbox.path("disk")).arg(&image));
    for old in [names[0], names[2]] {
        let set = format!("set_inode_field /{old} ctime 20010101");
        succeed(Command::new("debugfs").args(["-w", "-R", &set]).arg(&image));
    }
    let disk = mounts.add_image(&image);
    let arguments = ["-aT".into(), sandbox.path("s"), disk.join("t")];
    let ended = sandbox.mycp(arguments).good();
    let left = Snapshot::of(&disk.join("t")).leftovers();
    assert_eq!(left, ["\".f.mycp-000001\"", "\".p.mycp-000001\""], "{ended}");
}

/// A directory that was made and cannot be used is removed at once.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn a_directory_that_cannot_be_locked_is_not_left() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/d/1", "s/2"]);
    let log = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=flock"];
    let words = log.into_iter().chain(["-e", "inject=flock:error=EIO"]).map(OsStr::new);
    let words: Vec<_> = words.collect();
    let ended = Run::through(&words, sandbox.root(), ["-aT", "s", "t"]).end().failed();
    assert!(!sandbox.path("t").exists(), "{ended}");
    sandbox.assert_tidy(&ended.description);
}
