//! What a killed run had stored of a directory that it was filling is gone on with as well, and
//! never trusted.
//!
//! On Windows a directory that is being filled has its name, and its files have temporary ones.
//! None with a temporary name is a run's there, and none is locked.

#[cfg(target_os = "linux")]
mod linux;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::files::chmod;
use crate::support::sandbox::{Running, leftovers};
use crate::support::{
    Ended, Sandbox, arrived_of_large, assert_same_bytes, content, same_content, write_large,
};

const MIB: u64 = 1 << 20;

/// Large enough to be gone on with.
const LEN: u64 = 17 * MIB + 4321;

/// Of a file that takes so long that its copy can be killed.
const LONG: u64 = 72 * MIB + 77;

const FILES: [&str; 4] = ["one", "two", "three", "four"];

const LEFTOVER: &str = ".t.mycp-000000";

/// Whether a directory has a temporary name while it is filled.
const HAS_TEMPORARY_NAME: bool = !cfg!(windows);

/// What the directory is called that a run to `t` fills.
const BEING_FILLED: &str = if HAS_TEMPORARY_NAME { LEFTOVER } else { "t" };

/// A source `s` of some long files and a short one.
fn long_files() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.directory("s");
    for (seed, name) in (1..).zip(FILES) {
        write_large(&sandbox.path(format!("s/{name}")), seed, LONG);
    }
    sandbox.write("s/short", b"short");
    sandbox
}

/// What has come of the files in a directory.
fn held(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.map(|path| arrived_of_large(&path, LONG)).sum()
}

/// Kills the run when the directory holds so much; returns how much it holds then.
fn kill_at(running: Running, directory: &Path, bytes: u64) -> u64 {
    let started = Instant::now();
    while held(directory) < bytes {
        let there = held(directory);
        assert!(started.elapsed() < Duration::from_secs(30), "{there} of {bytes} bytes came");
        std::thread::sleep(Duration::from_micros(200));
    }
    running.kill();
    let ended = running.end();
    assert!(ended.was_killed(), "it ended before it was killed: {ended}");
    held(directory)
}

fn reports(ended: &Ended) -> Vec<serde_json::Value> {
    let is_of_file = |it: &serde_json::Value| it["event"] == "copied" && it["kind"] == "file";
    ended.json().into_iter().filter(is_of_file).collect()
}

/// The bytes that a run has stored of this file; of all of them without a name.
fn stored(ended: &Ended, name: &str) -> u64 {
    let of = |report: &serde_json::Value| {
        let delta = report.pointer("/delta/stored").unwrap_or(&report["len"]).as_u64().unwrap();
        let is_it = report["target"].as_str().unwrap().ends_with(name);
        if is_it { delta } else { 0 }
    };
    reports(ended).iter().map(of).sum()
}

fn goes_on(ended: &Ended, name: &str) -> bool {
    let is_it = |report: &&serde_json::Value| report["target"].as_str().unwrap().ends_with(name);
    let report = reports(ended).into_iter().find(|report| is_it(&report)).unwrap();
    report.pointer("/delta/into").is_some_and(|into| into == "leftover")
}

#[track_caller]
fn assert_copied(sandbox: &Sandbox, target: &str, ended: &Ended) {
    for entry in std::fs::read_dir(sandbox.path("s")).unwrap() {
        let name = entry.unwrap().file_name();
        let copy = sandbox.path(target).join(&name);
        let same = same_content(&sandbox.path("s").join(&name), &copy);
        assert!(same.is_ok(), "{same:?}: {ended}");
    }
    let count = |name| std::fs::read_dir(sandbox.path(name)).unwrap().count();
    assert_eq!(count("s"), count(target), "{ended}");
    assert!(sandbox.leftovers().is_empty(), "{:?}: {ended}", sandbox.leftovers());
}

/// After a run that was killed: what it had begun has a temporary name, and nothing else has.
#[track_caller]
fn assert_no_part_has_its_name(sandbox: &Sandbox) {
    if HAS_TEMPORARY_NAME {
        assert_eq!(sandbox.leftovers(), [LEFTOVER]);
        assert!(!sandbox.path("t").exists());
        return;
    }
    sandbox.assert_tidy("beside the directory");
    assert!(!leftovers(&sandbox.path("t")).is_empty(), "nothing was begun");
    for name in FILES.iter().filter(|name| sandbox.path("t").join(name).exists()) {
        let of = |tree| sandbox.path(tree).join(name);
        assert_eq!(same_content(&of("s"), &of("t")), Ok(()), "{name}");
    }
}

#[test]
fn a_directory_that_was_being_filled_is_completed() {
    let ways: [&[&str]; 5] = [
        &["--mirror", "-j1"],
        &["--mirror", "-j4", "--flush=none"],
        &["-aT", "--delta", "-j4"],
        &["-rT", "--delta", "-j1"],
        &["-rT", "--delta", "--flush", "-j4"],
    ];
    for way in ways {
        let sandbox = long_files();
        let words: Vec<_> = way.iter().copied().chain(["--json", "s", "t"]).collect();
        let held = kill_at(sandbox.run(&words).start(), &sandbox.path(BEING_FILLED), LONG * 5 / 2);
        assert_no_part_has_its_name(&sandbox);
        let ended = sandbox.mycp(&words).good();
        assert_copied(&sandbox, "t", &ended);
        let stored = stored(&ended, "");
        eprintln!("{words:?}: {held} arrived of {}, {stored} stored", LONG * 4);
        assert!(stored <= LONG * 4 - held * 9 / 10, "{held} had arrived: {ended}");
    }
}

#[test]
fn a_directory_whose_run_is_killed_again_and_again_is_completed() {
    for threads in ["-j1", "-j4"] {
        let sandbox = long_files();
        let words = ["--mirror", "--json", threads, "s", "t"];
        let directory = sandbox.path(BEING_FILLED);
        let mut arrived = 0;
        for _ in 0..3 {
            arrived = kill_at(sandbox.run(words).start(), &directory, arrived + LONG * 2 / 3);
            assert_no_part_has_its_name(&sandbox);
        }
        let ended = sandbox.mycp(words).good();
        assert_copied(&sandbox, "t", &ended);
        let stored = stored(&ended, "");
        eprintln!("{threads}: {arrived} arrived of {}, {stored} stored", LONG * 4);
        assert!(stored <= LONG * 4 - arrived * 9 / 10, "{arrived} had arrived: {ended}");
    }
}

/// A source `s` with one large file, and a leftover of the directory, private as one of a run is.
fn with_leftover(bytes: &[u8]) -> (Sandbox, Vec<u8>) {
    let sandbox = Sandbox::new();
    let source = content(7, LEN as usize);
    for name in ["s", LEFTOVER] {
        sandbox.directory(name);
    }
    chmod(&sandbox.path(LEFTOVER), 0o700);
    for (name, bytes) in [("s/large", &source[..]), (&in_leftover("large"), bytes)] {
        sandbox.write(name, bytes);
    }
    (sandbox, source)
}

fn in_leftover(name: &str) -> String {
    format!("{LEFTOVER}/{name}")
}

fn go_on(sandbox: &Sandbox, way: &str) -> Ended {
    sandbox.mycp([way, "--delta", "--json", "s", "t"]).good()
}

#[cfg(windows)]
#[test]
fn a_directory_with_a_temporary_name_is_left_alone() {
    for way in ["-aT", "-rT"] {
        let bytes = content(7, LEN as usize);
        let (sandbox, _) = with_leftover(&bytes);
        let ended = go_on(&sandbox, way);
        assert_same_bytes(&sandbox.read("t/large"), &bytes, &ended.description);
        assert!(!goes_on(&ended, "large"), "{ended}");
        assert_same_bytes(&sandbox.read(in_leftover("large")), &bytes, &ended.description);
    }
}

#[test]
fn a_directory_with_directories_in_it_is_not_touched() {
    for way in ["--mirror", "-a"] {
        let (sandbox, bytes) = with_leftover(&content(7, LEN as usize));
        sandbox.directory(in_leftover("sub"));
        let small: Vec<_> = (0..20).map(|number| in_leftover(&format!("small{number}"))).collect();
        for name in &small {
            sandbox.write(name, b"small");
        }
        let ended = go_on(&sandbox, way);
        assert_eq!(sandbox.leftovers(), [LEFTOVER], "{ended}");
        assert!(small.iter().all(|name| sandbox.path(name).exists()), "{ended}");
        assert_same_bytes(&sandbox.read("t/large"), &bytes, &ended.description);
        assert_same_bytes(&sandbox.read(in_leftover("large")), &bytes, &ended.description);
        assert!(!goes_on(&ended, "large"), "{ended}");
    }
}
