//! What a killed run had stored of a large file is gone on with, by whoever compares (`--delta`),
//! and never trusted.

#[cfg(target_os = "linux")]
mod linux;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::files::{allow_holes, chmod};
use crate::support::sandbox::leftovers;
use crate::support::{
    Ended, FileExt, Run, Sandbox, arrived_of_large, assert_same_bytes, content, same_content,
    write_large,
};
use crate::wine;

const MIB: u64 = 1 << 20;

/// Large enough to be gone on with.
const LEN: u64 = 24 * MIB + 4321;

const LEFTOVER: &str = ".target.mycp-000000";

fn field(ended: &Ended, pointer: &str) -> serde_json::Value {
    let output = String::from_utf8_lossy(&ended.output);
    let mut lines = output.lines().filter(|line| line.contains("\"delta\":{"));
    let first = lines.clone().next().unwrap_or("{}");
    let line = lines.find(|line| line.contains("\"leftover\"")).unwrap_or(first);
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    json.pointer(pointer).cloned().unwrap_or_default()
}

fn stored(ended: &Ended) -> u64 {
    assert_eq!(field(ended, "/delta/into"), "leftover", "{ended}");
    field(ended, "/delta/stored").as_u64().unwrap()
}

/// Kills the run when so much of the temporary in `directory` has come, of a file so long.
fn kill_at(run: Run, directory: &Path, (bytes, len): (u64, u64)) -> PathBuf {
    let running = run.start();
    let started = Instant::now();
    let temporary = directory.join(LEFTOVER);
    loop {
        let there = arrived_of_large(&temporary, len);
        if there >= bytes {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{there} bytes came");
        std::thread::sleep(Duration::from_micros(200));
    }
    running.kill();
    let ended = running.end();
    assert!(ended.was_killed(), "it ended before it was killed: {ended}");
    temporary
}

/// With a target that was there and differs throughout, and without one.
#[test]
fn a_killed_copy_is_completed_from_what_it_had_stored() {
    let len = 320 * MIB + 77;
    let ways: [(&[&str], &str); 4] = [
        (&["--mirror"], "--flush=none"),
        (&["--mirror"], "-j1"),
        (&["--delta"], "s/target"),
        (&["--delta", "-p"], "s/target"),
    ];
    for (number, (way, more)) in ways.into_iter().enumerate() {
        let sandbox = Sandbox::new();
        for directory in ["s", "t"] {
            sandbox.directory(directory);
        }
        write_large(&sandbox.path("s/target"), 1, len);
        if number % 2 == 0 {
            sandbox.write("t/target", &content(2, 3 * MIB as usize));
        }
        let operands = if more == "s/target" { ["s/target", "t/target"] } else { ["s", "t"] };
        let more = Some(more).filter(|more| more.starts_with('-'));
        let words = way.iter().copied().chain(more).chain(["--json"]).chain(operands);
        let words: Vec<_> = words.collect();
        let temporary = kill_at(sandbox.run(&words), &sandbox.path("t"), (64 * MIB, len));
        let arrived = arrived_of_large(&temporary, len);
        let ended = sandbox.mycp(&words).good();
        let same = same_content(&sandbox.path("s/target"), &sandbox.path("t/target"));
        assert!(same.is_ok(), "{same:?}: {ended}");
        let stored = stored(&ended);
        eprintln!("{words:?}: {arrived} arrived of {len}, {stored} stored");
        assert!(stored <= len - arrived * 9 / 10, "{arrived} had arrived: {ended}");
        let left = leftovers(&sandbox.path("t"));
        assert!(left.is_empty(), "{left:?}: {ended}");
    }
}

/// A sandbox with a source, and a leftover that holds this, private as one of a run is.
fn with_leftover(bytes: &[u8]) -> (Sandbox, Vec<u8>) {
    let sandbox = Sandbox::new();
    let source = content(7, LEN as usize);
    sandbox.write("source", &source);
    let leftover = sandbox.write(LEFTOVER, bytes);
    chmod(&leftover, 0o600);
    (sandbox, source)
}

fn go_on(sandbox: &Sandbox, more: &[&str]) -> Ended {
    let words = ["--delta", "-a", "--json"].into_iter().chain(more.iter().copied());
    sandbox.mycp(words.chain(["source", "target"])).good()
}

#[test]
fn a_leftover_of_the_right_size_and_time_is_not_trusted() {
    let mut bytes = content(7, LEN as usize);
    for at in [0, 5 * MIB + 17, LEN - 1] {
        bytes[at as usize] ^= 1;
    }
    let (sandbox, source) = with_leftover(&bytes);
    let times = sandbox.metadata("source").modified().unwrap();
    let leftover = File::options().write(true).open(sandbox.path(LEFTOVER)).unwrap();
    leftover.set_modified(times).unwrap();
    drop(leftover);
    for name in ["source", LEFTOVER] {
        chmod(&sandbox.path(name), 0o644);
    }
    let ended = go_on(&sandbox, &[]);
    assert_same_bytes(&sandbox.read("target"), &source, &ended.description);
    let last = LEN % 4096;
    assert_eq!(stored(&ended), 2 * 4096 + last, "{ended}");
    let modified = |name| sandbox.metadata(name).modified().unwrap();
    assert_eq!(modified("target"), modified("source"), "{ended}");
    sandbox.assert_tidy(&ended.description);
}

#[test]
fn a_leftover_of_any_length_is_completed() {
    let source = content(7, LEN as usize);
    let longer = [&source[..], &content(8, 5 * MIB as usize)].concat();
    let other = content(9, LEN as usize);
    let parts = [&source[..17 * MIB as usize + 5], &longer, &other, &source];
    for (part, expected) in parts.into_iter().zip([LEN - 17 * MIB, 0, LEN, 0]) {
        let (sandbox, source) = with_leftover(part);
        let ended = go_on(&sandbox, &[]);
        assert_same_bytes(&sandbox.read("target"), &source, &ended.description);
        assert!(stored(&ended) <= expected, "{ended}");
        sandbox.assert_tidy(&ended.description);
    }
    for len in [0, 1, MIB] {
        let (sandbox, source) = with_leftover(&source[..len as usize]);
        let ended = go_on(&sandbox, &[]);
        assert_same_bytes(&sandbox.read("target"), &source, &ended.description);
        assert_eq!(field(&ended, "/delta"), serde_json::Value::Null, "{len}: {ended}");
        sandbox.assert_tidy(&ended.description);
    }
}

/// Blocks come in any order, and what is between them is a hole until it comes.
#[test]
fn holes_of_a_leftover_are_filled_and_those_of_the_source_made() {
    if wine::cannot("resume::holes_of_a_leftover_are_filled_and_those_of_the_source_made") {
        return;
    }
    for (sparse, blocks) in [("auto", 18..=22), ("always", 17..=18)] {
        let sandbox = Sandbox::new();
        let mut bytes = content(7, 64 * MIB as usize);
        // Data, and 4 MiB of stored zeros; then a hole, and some data.
        bytes[14 * MIB as usize..60 * MIB as usize].fill(0);
        let source = File::create(sandbox.path("source")).unwrap();
        allow_holes(&source);
        source.write_all_at(&bytes[..18 * MIB as usize], 0).unwrap();
        source.write_all_at(&bytes[60 * MIB as usize..], 60 * MIB).unwrap();
        // In the leftover the end has come, and where the source has a hole there is something.
        let leftover = File::create(sandbox.path(LEFTOVER)).unwrap();
        allow_holes(&leftover);
        leftover.set_len(64 * MIB).unwrap();
        leftover.write_all_at(&bytes[60 * MIB as usize..], 60 * MIB).unwrap();
        leftover.write_all_at(&content(3, 13 * MIB as usize), 30 * MIB).unwrap();
        drop((source, leftover));
        chmod(&sandbox.path(LEFTOVER), 0o600);
        let ended = go_on(&sandbox, &[&format!("--sparse={sparse}")]);
        assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        let held = sandbox.allocated("target");
        assert!(blocks.contains(&(held / MIB)), "--sparse={sparse}: {held}: {ended}");
        assert!(stored(&ended) > 0);
    }
}

/// Whoever can make a name in the directory could have it lead to any file.
#[test]
fn a_file_with_another_name_is_never_written_into() {
    let bytes = content(9, LEN as usize);
    let (sandbox, source) = with_leftover(&bytes);
    std::fs::hard_link(sandbox.path(LEFTOVER), sandbox.path("precious")).unwrap();
    let ended = go_on(&sandbox, &[]);
    assert_same_bytes(&sandbox.read("precious"), &bytes, &ended.description);
    assert_same_bytes(&sandbox.read("target"), &source, &ended.description);
    assert_ne!(sandbox.id("target"), sandbox.id("precious"));
    sandbox.assert_tidy(&ended.description);
}

#[test]
fn what_a_live_run_has_is_left_to_it() {
    let bytes = content(9, LEN as usize);
    let (sandbox, source) = with_leftover(&bytes);
    let before = sandbox.id(LEFTOVER);
    let live = File::open(sandbox.path(LEFTOVER)).unwrap();
    live.lock().unwrap();
    let ended = go_on(&sandbox, &[]);
    assert_same_bytes(&sandbox.read("target"), &source, &ended.description);
    drop(live);
    assert_same_bytes(&sandbox.read(LEFTOVER), &bytes, &ended.description);
    assert_eq!(sandbox.id(LEFTOVER), before);
}

/// Of several the one with the most is taken; none stays.
#[test]
fn the_fullest_of_several_leftovers_is_taken() {
    let (sandbox, source) = with_leftover(&content(7, 17 * MIB as usize));
    for (slot, len) in [(2, 22 * MIB), (5, 20 * MIB), (9, 3)] {
        let name = format!(".target.mycp-{slot:06}");
        sandbox.write(&name, &source[..len as usize]);
        chmod(&sandbox.path(&name), 0o600);
    }
    let ended = go_on(&sandbox, &[]);
    assert_same_bytes(&sandbox.read("target"), &source, &ended.description);
    assert_eq!(stored(&ended), LEN - 22 * MIB, "{ended}");
    sandbox.assert_tidy(&ended.description);
}

/// In a directory that is copied into, a leftover stays for its file alone, and as long as that is
/// copied.
#[test]
fn a_leftover_that_nothing_goes_on_with_is_removed() {
    let source = content(7, LEN as usize);
    let names = ["a", "gone", "equal"];
    for more in ["--mirror", "-raT"] {
        let sandbox = Sandbox::new();
        for directory in ["s", "t"] {
            sandbox.directory(directory);
        }
        for name in ["a", "equal"] {
            sandbox.write(format!("s/{name}"), &source);
        }
        let words = [more, "--delta", "--json", "s", "t"];
        sandbox.mycp(words).good();
        for name in names {
            let leftover = sandbox.write(format!("t/.{name}.mycp-000000"), &source);
            chmod(&leftover, 0o600);
        }
        sandbox.write("t/a", b"old");
        let ended = sandbox.mycp(words).good();
        assert_same_bytes(&sandbox.read("t/a"), &source, &ended.description);
        let left = leftovers(&sandbox.path("t"));
        assert!(left.is_empty(), "{left:?}: {ended}");
        assert_eq!(stored(&ended), 0, "{ended}");
    }
}

/// What the source has under such a name is no leftover.
#[test]
fn a_file_of_the_source_is_not_gone_on_with() {
    let sandbox = Sandbox::new();
    let (bytes, other) = (content(7, LEN as usize), content(9, LEN as usize));
    for directory in ["s", "t"] {
        sandbox.directory(directory);
        sandbox.write(format!("{directory}/{LEFTOVER}"), &other);
    }
    sandbox.write("s/target", &bytes);
    for name in ["s", "t"] {
        chmod(&sandbox.path(format!("{name}/{LEFTOVER}")), 0o600);
    }
    sandbox.mycp(["--mirror", "--exclude=/target", "s", "t"]).good();
    let inode = || sandbox.id(format!("t/{LEFTOVER}"));
    let before = inode();
    let ended = sandbox.mycp(["--mirror", "s", "t"]).good();
    assert_eq!(inode(), before, "{ended}");
    assert_same_bytes(&sandbox.read("t/target"), &bytes, &ended.description);
    assert_same_bytes(&sandbox.read(format!("t/{LEFTOVER}")), &other, &ended.description);
}
