//! What a run over a tree asks and tells: one question at a time, cp's lines, backups, JSON, the
//! manifest, and proof.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
#[cfg(target_os = "linux")]
use std::time::SystemTime;

#[cfg(unix)]
use rustix::fs::{CWD, Mode, mkfifoat};

use super::make;
use crate::support::snapshot::Snapshot;
#[cfg(target_os = "linux")]
use crate::support::snapshot::is_temporary;
use crate::support::{Chance, Sandbox, content, is_mycp};
#[cfg(target_os = "linux")]
use crate::support::{Ended, FileExt};

/// Some files in several directories.
const FILES: [&str; 14] = [
    "1", "2", "d/1", "d/2", "d/3", "d/e/1", "d/e/2", "f/1", "f/g/1", "f/g/h/1", "f/g/h/2", "i/1",
    "i/2", "i/3",
];

fn twins_of(sandbox: &Sandbox, trees: &[&str]) {
    for tree in trees {
        let names: Vec<_> = FILES.iter().map(|name| format!("{tree}/{name}")).collect();
        make(sandbox, &names.iter().map(|name| &**name).collect::<Vec<_>>());
    }
}

/// Answers one question after the other, and fails when a second one comes before the answer to
/// the first. Returns the answers by file.
fn answer_all(
    mut questions: PipeReader,
    mut answers: PipeWriter,
    chance: &mut Chance,
) -> BTreeMap<String, bool> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // What is not received any more has no reader either.
        while let Ok(len @ 1..) = questions.read(&mut bytes) {
            drop(sender.send(bytes[..len].to_vec()));
        }
    });
    let mut given = BTreeMap::new();
    let mut asked = Vec::new();
    while let Ok(bytes) = receiver.recv() {
        asked.extend_from_slice(&bytes);
        if !asked.ends_with(b"? ") {
            continue;
        }
        // A second thread has time to ask, too.
        let more = receiver.recv_timeout(Duration::from_millis(30));
        assert_eq!(more, Err(RecvTimeoutError::Timeout), "another question before the answer");
        let text = String::from_utf8(std::mem::take(&mut asked)).unwrap();
        // Behind warnings of files before it.
        let question = text.split("overwrite ").nth(1);
        let name = question.and_then(|it| it.split('\'').nth(1));
        let name = name.unwrap_or_else(|| panic!("what is asked? {text}"));
        assert_eq!(text.matches("overwrite").count(), 1, "one question: {text}");
        let yes = chance.below(2) == 0;
        let name = name.replace(std::path::MAIN_SEPARATOR, "/");
        assert!(given.insert(name.clone(), yes).is_none(), "{name} was asked for twice");
        answers.write_all(if yes { b"y\n" } else { b"n\n" }).unwrap();
    }
    given
}

#[test]
fn questions_come_one_at_a_time_and_each_answer_counts_for_its_file() {
    let mut chance = Chance::new("questions");
    for way in [&["-ri", "-j4"] as &[&str], &["-ai", "-j4"], &["-ri", "-j1"]] {
        let sandbox = Sandbox::new();
        twins_of(&sandbox, &["a", "b"]);
        make(&sandbox, &["a/new", "a/d/new"]);
        let (stdin, answers) = std::io::pipe().unwrap();
        let (questions, stderr) = std::io::pipe().unwrap();
        let arguments = way.iter().copied().chain(["-T", "a", "b"]);
        let run = sandbox.run(arguments).input_file(stdin).errors_file(stderr);
        let running = run.start();
        let given = answer_all(questions, answers, &mut chance);
        let ended = running.end();
        let names: BTreeSet<_> = given.keys().cloned().collect();
        let expected: BTreeSet<_> = FILES.iter().map(|name| format!("b/{name}")).collect();
        assert_eq!(names, expected, "what was asked for: {ended}");
        for (name, yes) in &given {
            let from = name.replacen('b', if *yes { "a" } else { "b" }, 1);
            let seen = String::from_utf8(sandbox.read(name)).unwrap();
            assert_eq!(seen, format!("content of {from}"), "{name}, {ended}");
        }
        assert_eq!(sandbox.read("b/d/new"), b"content of a/d/new", "{ended}");
        // That something was left out is a failure by POSIX; cp 9.1 does not see it so.
        let status = if is_mycp() && given.values().any(|yes| !yes) { 1 } else { 0 };
        assert_eq!(ended.status.code(), Some(status), "{ended}");
    }
}

/// No answer is a no, for this question and all that follow.
#[test]
fn nothing_is_replaced_when_nobody_answers() {
    let sandbox = Sandbox::new();
    twins_of(&sandbox, &["a", "b"]);
    make(&sandbox, &["a/new"]);
    let before = Snapshot::of(&sandbox.path("b"));
    let ended = sandbox.mycp(["-riT", "a", "b"]).orderly();
    assert!(sandbox.path("b/new").exists(), "{ended}");
    std::fs::remove_file(sandbox.path("b/new")).unwrap();
    Snapshot::of(&sandbox.path("b")).assert_contents(&before, &ended.description);
}

/// Runs GNU cp, and says what it printed.
#[cfg(target_os = "linux")]
fn by_cp(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let mut cp = Command::new("/bin/cp");
    let output = cp.args(arguments).current_dir(sandbox.root()).env_clear().output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(target_os = "linux")]
fn lines(output: &str) -> Vec<&str> {
    let mut lines: Vec<_> = output.lines().collect();
    lines.sort_unstable();
    lines
}

#[cfg(target_os = "linux")]
#[test]
fn the_lines_of_v_are_those_of_cp_and_a_directory_comes_before_what_is_in_it() {
    for (way, target) in [
        (&["-rv"] as &[&str], "new"),
        (&["-rv"], "there/"),
        (&["-rvT"], "there"),
        (&["-rv", "--strip-trailing-slashes"], "there"),
        (&["-av", "--backup=numbered", "-T"], "there"),
        (&["-av", "--backup=simple", "-T"], "there"),
        (&["-rvuT"], "there"),
        (&["-rvnT"], "there"),
        (&["-rvlT"], "new"),
        (&["-rv", "--parents"], "there"),
    ] {
        let twins = [Sandbox::new(), Sandbox::new()];
        for sandbox in &twins {
            twins_of(sandbox, &["a", "there"]);
            sandbox.symlink("1", "a/link");
            for name in ["d/1", "f/g/h/1"] {
                let file = File::options().write(true).open(sandbox.path("there").join(name));
                let old = SystemTime::now() - Duration::from_secs(1000);
                file.unwrap().set_modified(old).unwrap();
            }
        }
        let arguments: Vec<_> = way.iter().copied().chain(["a", target]).collect();
        let expected = by_cp(&twins[0], &arguments);
        let ended = twins[1].mycp(&arguments).orderly();
        let seen = String::from_utf8(ended.output.clone()).unwrap();
        assert_eq!(lines(&seen), lines(&expected), "{ended}");
        let targets = seen.lines().filter_map(|line| line.split("' -> '").nth(1));
        let mut told = BTreeSet::new();
        for target in targets.map(|target| target.split('\'').next().unwrap()) {
            let below = format!("{target}/");
            let early = told.iter().any(|told: &String| told.starts_with(&below));
            assert!(!early, "{target} comes after what is in it: {ended}");
            told.insert(target.to_owned());
        }
    }
}

/// Of everything but times.
#[cfg(target_os = "linux")]
fn assert_like_cps(twins: &[Sandbox; 2], tree: &str, ended: &Ended) {
    let expected = Snapshot::of(&twins[0].path(tree));
    Snapshot::of(&twins[1].path(tree)).assert_contents(&expected, &ended.to_string());
}

#[cfg(target_os = "linux")]
#[test]
fn replaced_files_of_a_tree_are_kept_as_cp_keeps_them() {
    for way in [
        &["-b"] as &[&str],
        &["--backup=simple", "-S", ".old"],
        &["--backup=numbered"],
        &["--backup=existing"],
        &["--backup=none"],
        &["-f", "-b"],
        &["--remove-destination", "-b"],
        &["--backup=numbered", "-j4"],
    ] {
        let twins = [Sandbox::new(), Sandbox::new()];
        for sandbox in &twins {
            twins_of(sandbox, &["a", "b"]);
            make(sandbox, &["b/own", "a/new", "b/d/1.~7~"]);
            for tree in ["a", "b"] {
                sandbox.symlink(tree, format!("{tree}/link"));
            }
        }
        for time in 0..3 {
            let arguments: Vec<_> =
                ["-a"].iter().chain(way).copied().chain(["-T", "a", "b"]).collect();
            let for_cp: Vec<_> = arguments.iter().copied().filter(|word| *word != "-j4").collect();
            by_cp(&twins[0], &for_cp);
            let ended = twins[1].mycp(&arguments).good();
            assert_like_cps(&twins, "b", &ended);
            let contents = format!("content of a, {time}");
            for sandbox in &twins {
                sandbox.write("a/d/1", contents.as_bytes());
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn only_what_is_older_is_replaced_on_request() {
    for way in
        [&["-ru"] as &[&str], &["-au"], &["-ru", "-j1"], &["-rn"], &["-ru", "--backup=simple"]]
    {
        let twins = [Sandbox::new(), Sandbox::new()];
        let base = SystemTime::now() - Duration::from_secs(100_000);
        for sandbox in &twins {
            twins_of(sandbox, &["a", "b"]);
            make(sandbox, &["a/new"]);
            for (number, name) in FILES.iter().enumerate() {
                // Older, newer by a nanosecond, the same.
                for (tree, by) in [("a", 50), ("b", [40, 50, 51][number % 3])] {
                    let file = File::options().write(true).open(sandbox.path(tree).join(name));
                    let time = base + Duration::from_nanos(by);
                    file.unwrap().set_modified(time).unwrap();
                }
            }
        }
        let arguments = way.iter().copied().chain(["-T", "a", "b"]);
        let for_cp: Vec<_> = arguments.clone().filter(|word| *word != "-j1").collect();
        by_cp(&twins[0], &for_cp);
        let ended = twins[1].mycp(arguments).good();
        assert_like_cps(&twins, "b", &ended);
    }
}

/// A tree with all kinds of objects that anyone can make, and names that need care.
fn with_all_kinds(sandbox: &Sandbox) {
    twins_of(sandbox, &["a"]);
    make(sandbox, &["a/empty/", "a/quote'", "a/two  spaces", "a/\u{e9}"]);
    #[cfg(unix)]
    {
        make(sandbox, &["a/new\nline", "a/back\\slash", "a/quote\""]);
        sandbox.symlink("nowhere", "a/link");
        mkfifoat(CWD, sandbox.path("a/fifo"), Mode::from_raw_mode(0o600)).unwrap();
    }
    for name in ["a/linked", "a/d/linked"] {
        std::fs::hard_link(sandbox.path("a/1"), sandbox.path(name)).unwrap();
    }
    sandbox.write("a/large", &content(1, 3 << 20));
}

#[test]
fn json_has_one_object_for_each_object_and_a_summary() {
    if !is_mycp() {
        return;
    }
    for (way, threads) in [("-a", "-j4"), ("-r", "-j4"), ("-a", "-j1")] {
        let sandbox = Sandbox::new();
        with_all_kinds(&sandbox);
        #[cfg(unix)]
        std::fs::write(sandbox.path("a").join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), b"x")
            .unwrap();
        make(&sandbox, &["b/d/3/in the way", "b/i/2", "b/own"]);
        let ended = sandbox.mycp([way, threads, "--json", "-T", "a", "b"]).failed();
        let objects = ended.json();
        let mut told: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        let mut summaries = 0;
        for object in &objects {
            let event = object["event"].as_str().unwrap().to_owned();
            if event == "summary" {
                summaries += 1;
                continue;
            }
            if cfg!(windows) && object["warning"] == "not_kept" {
                // Owner and access control list: once, whatever else is told of the object.
                continue;
            }
            let target = match object.get("target_bytes") {
                Some(hex) => from_hex(hex.as_str().unwrap()),
                None => object["target"].as_str().unwrap().as_bytes().to_vec(),
            };
            let again = told.insert(target, event);
            assert!(again.is_none(), "told twice: {object}");
        }
        assert_eq!(summaries, 1, "{ended}");
        let source = Snapshot::of(&sandbox.path("a"));
        let expected: BTreeMap<Vec<u8>, String> = source
            .entries
            .keys()
            .map(|name| {
                let target =
                    if name.is_empty() { b"b".to_vec() } else { [b"b/", &name[..]].concat() };
                let event = if name == b"d/3" { "failed" } else { "copied" };
                (target, event.to_owned())
            })
            .collect();
        assert_eq!(told, expected, "{ended}");
        let summary = objects.last().unwrap();
        assert_eq!(summary["event"], "summary", "{ended}");
        assert_eq!(summary["failed"], 1, "{ended}");
        let sum =
            |keys: &[&str]| keys.iter().map(|key| summary[*key].as_u64().unwrap()).sum::<u64>();
        let all = sum(&["files", "directories", "others", "links", "skipped", "failed"]);
        assert_eq!(all as usize, expected.len(), "the summary counts another number: {summary}");
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Checks a manifest as `b3sum --check` does, in `directory`; returns the names.
fn check_manifest(text: &str, directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        let (escaped, line) = line.strip_prefix('\\').map_or((false, line), |line| (true, line));
        let (hash, name) = line.split_once("  ").unwrap_or_else(|| panic!("no line: {line}"));
        let name = match escaped {
            true if cfg!(windows) => name.replace("\\\\", "/"),
            true => name.replace("\\n", "\n").replace("\\\\", "\\"),
            false => name.to_owned(),
        };
        let bytes = std::fs::read(directory.join(&name))
            .unwrap_or_else(|error| panic!("{name} of the manifest: {error}"));
        assert_eq!(blake3::hash(&bytes).to_hex().as_str(), hash, "{name} of the manifest");
        names.push(name);
    }
    names.sort();
    names
}

#[test]
fn a_manifest_has_every_regular_file_of_a_tree() {
    if !is_mycp() {
        return;
    }
    for (way, threads) in [("-a", "-j4"), ("-r", "-j4"), ("-a", "-j1")] {
        let sandbox = Sandbox::new();
        with_all_kinds(&sandbox);
        for time in ["new", "over itself"] {
            let ended = sandbox.mycp([way, threads, "--manifest=list", "-T", "a", "b"]).good();
            let list = String::from_utf8(sandbox.read("list")).unwrap();
            let names = check_manifest(&list, sandbox.root());
            let copy = Snapshot::of(&sandbox.path("b"));
            let expected: Vec<_> = copy
                .names()
                .filter(|name| copy.entries[*name].is_file())
                .map(|name| format!("b/{}", String::from_utf8(name.clone()).unwrap()))
                .collect();
            let missing: Vec<_> = expected.iter().filter(|name| !names.contains(name)).collect();
            assert!(missing.is_empty(), "{missing:?} missing, {time}: {ended}");
            assert_eq!(names, expected, "{time}: {ended}");
        }
    }
}

#[test]
fn every_file_of_a_tree_is_read_back_on_request() {
    if !is_mycp() {
        return;
    }
    for option in ["--verify", "--verify=cache"] {
        let sandbox = Sandbox::new();
        with_all_kinds(&sandbox);
        let ended = sandbox.mycp(["-a", option, "--json", "a", "b"]).good();
        let mut verified = 0;
        for object in ended.json() {
            if object["kind"] == "file" && object["way"] == "created" {
                assert_eq!(object["verified"], object["len"], "{object}");
                verified += 1;
            }
        }
        // Each name of a linked file but the first leads to what was verified.
        let odd = if cfg!(unix) { 7 } else { 4 };
        assert_eq!(verified, FILES.len() + odd, "{ended}");
    }
}

/// The only regular file of this name that is being written.
#[cfg(target_os = "linux")]
fn temporary_of(sandbox: &Sandbox, name: &str) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(sandbox.root()).unwrap().map(|entry| entry.unwrap());
    let staged = entries.filter(|entry| is_temporary(entry.file_name().as_bytes()));
    staged.map(|entry| entry.path().join(name)).find(|path| path.is_file())
}

/// A FIFO holds the copy in its middle, and one byte of what has been written is spoiled, as by a
/// broken disk.
#[cfg(target_os = "linux")]
#[test]
fn a_spoiled_file_of_a_tree_is_found_and_the_rest_is_copied() {
    if !is_mycp() {
        return;
    }
    const LEN: usize = 1 << 20;
    for option in ["--verify", "--verify=cache"] {
        let sandbox = Sandbox::new();
        twins_of(&sandbox, &["a"]);
        mkfifoat(CWD, sandbox.path("a/fifo"), Mode::from_raw_mode(0o600)).unwrap();
        let running = sandbox.run(["-r", "--copy-contents", option, "a", "b"]).start();
        let mut fifo = File::options().write(true).open(sandbox.path("a/fifo")).unwrap();
        fifo.write_all(&content(71, LEN)).unwrap();
        let temporary = loop {
            let file = temporary_of(&sandbox, "fifo")
                .and_then(|path| File::options().write(true).open(path).ok());
            match file {
                Some(file) if file.metadata().unwrap().len() >= LEN as u64 / 2 => break file,
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        temporary.write_all_at(b"?", 12_345).unwrap();
        fifo.write_all(b"end").unwrap();
        drop(fifo);
        let ended = running.end().failed().says("verify").says("b/fifo'").says("differs");
        let seen = Snapshot::of(&sandbox.path("b"));
        assert!(!seen.has("fifo"), "a spoiled file has its name: {ended}");
        for name in FILES {
            assert!(seen.at(name).holds(format!("content of a/{name}").as_bytes()), "{ended}");
        }
        assert!(seen.leftovers().is_empty() && sandbox.leftovers().is_empty(), "{ended}");
    }
}
