//! `mycp-crash probe`: what is measured, and what is left behind.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::documented::assert_documented;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mycp-crash");

fn run(directory: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("probe").args(options).arg(directory).stdin(Stdio::null()).output().unwrap()
}

fn measured(directory: &Path, rounds: u64) -> Value {
    let rounds = format!("--rounds={rounds}");
    let output = run(directory, &["--json", &rounds]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let printed = serde_json::from_slice(&output.stdout).unwrap();
    assert_documented(&printed);
    printed
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn each_call_is_measured_in_each_round_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let probed = measured(directory.path(), 3);
    let measured = probed["measured"].as_array().unwrap();
    let calls = |pages: u64| {
        let of = measured.iter().filter(move |one| one["pages"] == pages);
        of.map(|one| one["call"].as_str().unwrap()).collect::<Vec<_>>()
    };
    let many = match cfg!(windows) {
        true => &["none", "msync-async", "msync", "fsync"][..],
        false => &["none", "msync-async", "msync", "fdatasync", "fsync", "sync_file_range"],
    };
    assert_eq!(calls(256), many);
    let one = [many, &["O_DSYNC", "fsync+directory"]].concat();
    assert_eq!(calls(1), one);
    for call in measured {
        assert_eq!(call["rounds"], 3, "{call}");
        let buckets = call["histogram"].as_array().unwrap().iter();
        assert_eq!(buckets.map(|bucket| bucket["count"].as_u64().unwrap()).sum::<u64>(), 3);
        let (median, longest) = (call["p50_ns"].as_u64(), call["p99_ns"].as_u64());
        assert!(median > Some(0) && median <= longest, "{call}");
    }
    assert_eq!(names(directory.path()), [""; 0]);
    assert!(probed["place"]["mount"]["file_system"].is_string());
}

#[test]
fn what_the_system_lacks_is_left_out_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let probed = measured(directory.path(), 1);
    let output = run(directory.path(), &["--rounds=1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    match cfg!(windows) {
        true => {
            let left_out = probed["left_out"].as_array().unwrap().iter();
            let calls: Vec<_> = left_out.map(|one| one["call"].as_str().unwrap()).collect();
            assert_eq!(calls, ["sync_file_range", "fdatasync"]);
            let reason = "\nleft out: sync_file_range: the nearest call of Windows is ";
            assert!(text.contains(reason), "{text}");
        }
        false => {
            assert!(probed["left_out"].is_null(), "{probed}");
            assert!(!text.contains("left out"), "{text}");
        }
    }
}

#[test]
fn what_cannot_be_measured_is_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    // ENOTDIR and ENOENT; ERROR_DIRECTORY and ERROR_FILE_NOT_FOUND.
    let is_no_directory = if cfg!(windows) { "(os error 267)" } else { "(os error 20)" };
    let none = directory.path().join("none");
    for (path, expected) in [(file, is_no_directory), (none, "(os error 2)")] {
        let output = run(&path, &["--rounds=1"]);
        assert_eq!(output.status.code(), Some(2), "{path:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("cannot open"), "{path:?}: {errors}");
        assert!(errors.ends_with(&format!("{expected}\n")), "{path:?}: {errors}");
    }
    assert_eq!(run(directory.path(), &["--rounds=0"]).status.code(), Some(2));
}

fn started(directory: &Path) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(["probe", "--rounds=1000000"]).arg(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until the probe is in the middle of the rounds, the ones with a name included.
fn wait_for_names(directory: &Path) {
    let begun = Instant::now();
    let is_one = |name: &String| name.starts_with(".mycp-probe-");
    // Where the first file has a name, too, the second tells.
    let wanted = if cfg!(windows) { 2 } else { 1 };
    while names(directory).iter().filter(|name| is_one(name)).count() < wanted {
        assert!(begun.elapsed() < Duration::from_secs(20), "no round with a new name began");
    }
}

/// On Windows the process is ended by `TerminateProcess`.
#[test]
fn of_a_killed_one_no_more_than_a_page_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = started(directory.path());
    wait_for_names(directory.path());
    child.kill().unwrap();
    child.wait().unwrap();
    // The system may close what the process had open a moment later.
    let begun = Instant::now();
    let is_large = |name: &String| {
        let found = std::fs::metadata(directory.path().join(name));
        found.is_ok_and(|it| it.len() > 65_536)
    };
    while names(directory.path()).iter().any(is_large) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", names(directory.path()));
    }
    let left = names(directory.path());
    assert!(left.len() <= 1, "{left:?}");
    assert!(left.iter().all(|name| name.starts_with(".mycp-probe-")), "{left:?}");
}

/// With signals, `/proc`, `/dev/shm` and strace.
#[cfg(target_os = "linux")]
mod on_linux {
    use std::os::unix::process::ExitStatusExt;

    use rustix::process::Signal;

    use super::*;
    use crate::support::Sandbox;
    use crate::support::with_default_signals;

    #[test]
    fn where_no_file_can_be_made_that_is_said() {
        let output = run("/proc".as_ref(), &["--rounds=1"]);
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("cannot create a file in '/proc': "), "{errors}");
    }

    #[test]
    fn a_person_gets_the_place_the_times_and_the_doubts() {
        let output = run("/dev/shm".as_ref(), &["--rounds=2"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        for expected in [
            "\nfile system  tmpfs\n",
            "\nOne page stored to, then:\n\ncall                       p50",
            "\n256 pages stored to, no two of them neighbours, then:\n\n",
            "\n2 rounds. ",
            "\ndoubt: nothing there survives a crash, ",
            "\nTimes are evidence, and no proof: ",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
    }

    fn started_with_default_signals(directory: &Path) -> Child {
        let mut command = Command::new(PROGRAM);
        command.args(["probe", "--rounds=1000000"]).arg(directory);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        with_default_signals(&mut command);
        command.spawn().unwrap()
    }

    #[test]
    fn a_signal_ends_it_and_nothing_is_left() {
        for (number, signal) in [Signal::INT, Signal::TERM, Signal::HUP].into_iter().enumerate() {
            let sandbox = Sandbox::new();
            let child = started_with_default_signals(sandbox.root());
            // So that it is in the middle of the rounds, the ones with a name included.
            let begun = Instant::now();
            let mut seen = false;
            while !seen && begun.elapsed() < Duration::from_secs(20) {
                seen = names(sandbox.root()).iter().any(|name| name.starts_with(".mycp-probe-"));
            }
            assert!(seen, "no round with a new name began");
            std::thread::sleep(Duration::from_millis(number as u64));
            let id = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(id, signal).unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.signal(), Some(signal.as_raw()), "{output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stderr), "mycp-crash: interrupted\n");
            assert!(output.stdout.is_empty());
            assert_eq!(names(sandbox.root()), [""; 0]);
        }
    }

    #[test]
    #[ignore = "needs strace"]
    fn the_calls_are_those_that_are_named() {
        const ROUNDS: usize = 5;
        let sandbox = Sandbox::new();
        let work = sandbox.directory("work");
        let trace = sandbox.path("trace");
        let status = Command::new("strace")
            .args(["-f", "-qq", "-y", "-e", "trace=msync,fsync,fdatasync,sync_file_range,pwritev2"])
            .arg("-o")
            .arg(&trace)
            .args([PROGRAM, "probe", &format!("--rounds={ROUNDS}")])
            .arg(&work)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let trace = std::fs::read_to_string(trace).unwrap();
        let count = |words: &[&str]| {
            trace.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
        };
        assert_eq!(count(&["msync(", "MS_SYNC"]), 2 * ROUNDS, "{trace}");
        assert_eq!(count(&["msync(", "MS_ASYNC"]), 2 * ROUNDS);
        assert_eq!(count(&["fdatasync("]), 2 * ROUNDS);
        let page = rustix::param::page_size();
        let sizes =
            [page, 4096 * page].map(|size| format!("0, {size}, SYNC_FILE_RANGE_WAIT_BEFORE"));
        for size in sizes {
            assert_eq!(count(&["sync_file_range(", &size]), ROUNDS, "{size}");
        }
        assert_eq!(count(&["pwritev2(", "RWF_DSYNC"]), ROUNDS);
        assert_eq!(count(&["fsync(", "/.mycp-probe-"]), ROUNDS);
        assert_eq!(count(&[" fsync(", "/work>"]), ROUNDS);
        // That of both extents, one after each call that leaves dirty pages, and one at the begin.
        let of_names = 2 * ROUNDS;
        assert_eq!(count(&[" fsync("]), of_names + 2 * ROUNDS + 2 * 3 * ROUNDS + 1);
    }
}
