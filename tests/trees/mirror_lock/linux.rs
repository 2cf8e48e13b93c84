//! Signals, who holds a lock, and targets that get their names late.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Held, assert_mirrored, holders, make, mirror, source, stamp, wait_until};
use crate::support::{Run, Sandbox};

pub(super) fn has_lock(process: u32) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("FLOCK") && line.contains(&format!(" {process} ")))
}

#[test]
fn a_signal_ends_the_waiting() {
    for (sandbox, held) in holders() {
        for signal in [Signal::INT, Signal::TERM] {
            let errors = sandbox.path("errors");
            let run = sandbox.run(["--mirror", "--lock-wait", "s", "t"]);
            let run = run.errors_file(File::create(&errors).unwrap()).start();
            let said = || std::fs::read_to_string(&errors).unwrap();
            wait_until("it waits", || said().contains("waiting for"));
            let sent = Instant::now();
            run.signal(signal);
            let ended = run.end();
            assert_eq!(ended.status.signal(), Some(signal.as_raw()), "{ended}");
            assert!(sent.elapsed() < Duration::from_secs(5), "{ended}");
            assert!(said().ends_with("mycp: cannot lock 't': interrupted\n"), "{}", said());
        }
        held.end().good();
    }
}

/// What other programs do to the name meanwhile is theirs.
#[test]
fn a_directory_that_has_appeared_is_told_of_and_left_alone() {
    let sandbox = Sandbox::new();
    source(&sandbox, true);
    let held = Held::at_begin(&sandbox);
    make(&sandbox, &["t/theirs"]);
    let ended = held.end().failed();
    let ended = ended.says("cannot create 't': another program has made it meanwhile");
    assert_eq!(std::fs::read_dir(sandbox.path("t")).unwrap().count(), 1, "{ended}");
    sandbox.assert_tidy(&ended.description);
}

/// A process of another kind may have the lock, and nobody may be known to have it.
#[test]
fn whoever_has_the_lock_is_named() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "t/"]);
    let mut holder = std::process::Command::new("flock")
        .args(["t", "sleep", "1000"].map(OsStr::new))
        .current_dir(sandbox.root())
        .spawn()
        .unwrap();
    wait_until("flock has it", || has_lock(holder.id()));
    let ended = mirror(&sandbox, &[]).failed();
    let child = format!("/proc/{0}/task/{0}/children", holder.id());
    let child = std::fs::read_to_string(child).unwrap();
    let child = rustix::process::Pid::from_raw(child.trim().parse().unwrap()).unwrap();
    let words = format!("cannot lock 't': process {} (flock) holds it", holder.id());
    holder.kill().unwrap();
    holder.wait().unwrap();
    // What has inherited the handle still holds the lock, and did not take it.
    let orphaned = mirror(&sandbox, &[]).failed();
    rustix::process::kill_process(child, Signal::KILL).unwrap();
    ended.says(&words);
    let sentence = orphaned.errors.lines().next().unwrap();
    assert!(
        sentence.ends_with("another process has locked it") || sentence.ends_with("holds it"),
        "{orphaned}"
    );
}

/// Between any two steps of a mirror towards a new target another one may come and go.
#[test]
#[ignore = "needs strace"]
fn another_mirror_in_any_moment_of_the_making_is_noticed() {
    for (call, with_files) in
        ["mkdirat", "flock", "renameat2"].into_iter().flat_map(|call| [(call, true), (call, false)])
    {
        let sandbox = Sandbox::new();
        make(&sandbox, if with_files { &["s/a", "s/d/b", "s/d/e/c"] } else { &["s/d/b", "s/e/"] });
        stamp(&sandbox.path("s"));
        let inject = format!("inject={call}:delay_enter=1500000:when=1");
        let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject].map(OsStr::new);
        let arguments = ["--mirror", "--lock-wait", "s", "t"];
        let delayed = Run::through(&words, sandbox.root(), arguments).start();
        std::thread::sleep(Duration::from_millis(500));
        let other = mirror(&sandbox, &["--lock-wait"]).good();
        let delayed = delayed.end().good();
        assert_mirrored(&sandbox, &format!("{call}: {other}\n{delayed}"));
    }
}
