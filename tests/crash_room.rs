//! What `mycp-crash explore` and `replay` do about commands that misbehave, and about each other.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Sandbox;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mycp-crash");

/// Runs it to its end, which it must come to by itself; its exit status, and what it said.
fn run(words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    let output = command.args(["120", PROGRAM]).args(words).stdin(Stdio::null()).output().unwrap();
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    (output.status.code(), text.concat())
}

/// Has a shell run a line on a simulated disk.
fn explore(options: &[&str], line: &str) -> (Option<i32>, String) {
    let words = [&["explore", "--fs", "ext4"], options, &["--", "sh", "-c", line]].concat();
    run(&words)
}

fn start(words: &[&str]) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn send(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(process.cast_signed()).unwrap(), signal).unwrap();
}

/// The fields of proc_pid_stat(5) from the state on; `None` if there is no such process.
fn stat(process: &Path) -> Option<Vec<String>> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    Some(stat.rsplit_once(") ").unwrap().1.split(' ').map(str::to_owned).collect())
}

fn lives(process: &str) -> bool {
    stat(&Path::new("/proc").join(process)).is_some_and(|stat| stat[0] != "Z")
}

/// Whether what is started here has `CAP_SYS_RESOURCE`.
fn may_serve() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    u64::from_str_radix(effective, 16).unwrap() & 1 << 24 != 0
}

/// The process whose number is in a file, once it is there.
fn number_in(file: &Path) -> String {
    let mut number = String::new();
    wait_until("no process was started", || {
        number = fs::read_to_string(file).unwrap_or_default().trim().to_owned();
        !number.is_empty()
    });
    number
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The mounts that have something in their line.
fn mounts_with(what: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = mounts.lines().filter(|line| line.contains(what.to_str().unwrap()));
    mounts.map(str::to_owned).collect()
}

/// The loop devices of a laboratory's disks, by the names of their files.
fn disks_of(process: u32) -> usize {
    let devices = fs::read_dir("/sys/block").unwrap();
    let files = devices.filter_map(|device| {
        fs::read_to_string(device.unwrap().path().join("loop/backing_file")).ok()
    });
    files.filter(|file| file.contains(&format!("-{process}-"))).count()
}

/// The story: the command's shell has ended, and what it left in the background has the pipe of
/// its standard error open.
#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn what_a_command_leaves_in_the_background_is_killed_and_not_waited_for() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("number");
    let line = format!(
        "sleep 1000 & echo $! >{}; cp source/medium target/medium && sync target/medium",
        file.display()
    );
    let (status, text) = explore(&["--states", "40"], &line);
    assert_eq!(status, Some(0), "{text}");
    wait_until("it lives", || !lives(&number_in(&file)));
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn what_leaves_the_commands_session_is_named_where_it_is_in_the_way_and_killed_at_the_end() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("number");
    for (directory, is_in_the_way) in [("{}", true), ("/", false)] {
        let line = format!(
            "(cd {directory}; exec setsid sh -c 'echo $$ >{}; exec sleep 1000') & \
             while ! test -s {}; do :; done; true",
            file.display(),
            file.display()
        );
        let (status, text) = explore(&["--states", "1"], &line);
        let number = number_in(&file);
        assert_eq!(status, Some(2), "{text}");
        let named = format!("left what keeps the file system in use: 'sleep' ({number})");
        assert_eq!(text.contains(&named), is_in_the_way, "{text}");
        // What is killed is not gone at once.
        wait_until("it lives", || !lives(&number));
        fs::remove_file(&file).unwrap();
    }
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_command_that_writes_for_ever_is_killed_with_an_error() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("number");
    let endless = format!(
        "echo $$ >{}; while :; do dd if=/dev/zero of=x bs=1M count=8 conv=fsync,notrunc; done",
        file.display()
    );
    let (status, text) = explore(&["--states", "1", "--max-record", "32"], &endless);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("wrote more than 32 MiB"), "{text}");
    assert!(text.contains("--max-record"), "{text}");
    assert!(!text.contains("VIOLATED") && !text.contains("HOLDS"), "{text}");
    wait_until("it lives", || !lives(&number_in(&file)));

    // What the system writes after the command's end is part of it.
    let (status, text) =
        explore(&["--states", "1", "--max-record", "5"], "head -c 8388608 /dev/urandom >x");
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("wrote more than 5 MiB"), "{text}");

    let (status, text) = explore(&["--states", "1"], "yes >&2");
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("wrote more than 64 MiB to standard error"), "{text}");
    let (status, text) = explore(&["--states", "1"], "seq 1 100000 >&2; exit 3");
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("\n100000\n") && !text.contains("\n99000\n"), "{text}");
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn nothing_is_left_of_what_a_killed_ones_command_has_started() {
    let sandbox = Sandbox::new();
    for signal in [Signal::TERM, Signal::KILL] {
        let numbers = ["own", "group", "session"].map(|name| sandbox.path(name));
        let [own, group, session] = numbers.each_ref().map(|path| path.to_str().unwrap());
        let line = format!(
            "echo $$ >{own}; sleep 1000 & echo $! >{group}; \
             setsid sh -c 'echo $$ >{session}; exec sleep 1000' & sleep 1000"
        );
        let mut laboratory =
            start(&["explore", "--fs", "ext4", "--states", "1", "--", "sh", "-c", &line]);
        let processes = numbers.each_ref().map(|path| number_in(path));
        // It serves a disk, and what it runs does not (PF_MEMALLOC_NOIO).
        let serves = |process: &Path| {
            let flags: u64 = stat(process).unwrap()[6].parse().unwrap();
            flags & 0x8_0000 != 0
        };
        let threads = fs::read_dir(format!("/proc/{}/task", laboratory.id())).unwrap();
        let threads: Vec<_> = threads.map(|thread| thread.unwrap().path()).collect();
        assert!(threads.len() > 2);
        for thread in &threads {
            assert_eq!(serves(thread), may_serve(), "{}", thread.display());
        }
        assert!(!serves(&Path::new("/proc").join(&processes[0])));

        send(laboratory.id(), signal);
        laboratory.wait().unwrap();
        wait_until("a process is left", || !processes.iter().any(|process| lives(process)));
        wait_until("a disk is left", || disks_of(laboratory.id()) == 0);
        numbers.iter().for_each(|path| fs::remove_file(path).unwrap());
    }
}

/// A recording of one command, in a directory of its own.
fn recording(sandbox: &Sandbox) -> String {
    let report = sandbox.path("report");
    explore(&["--states", "1", "--report", report.to_str().unwrap()], "true");
    let names = fs::read_dir(report).unwrap().map(|entry| entry.unwrap().path());
    let name = names.into_iter().find(|name| name.to_str().unwrap().contains("sh--c-true"));
    name.unwrap().to_str().unwrap().to_owned()
}

fn replay(recording: &str, mount: &Path) -> Child {
    let mount = mount.to_str().unwrap();
    let child = start(&["replay", recording, "--state", "0", "--mount", mount]);
    wait_until("the state is not mounted", || Path::new(mount).join("source/medium").exists());
    child
}

/// The story: a laboratory that was started meanwhile had the state in its own room, too, and so
/// kept its disk.
#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_state_is_kept_by_no_other_laboratory() {
    let sandbox = Sandbox::new();
    let recording = recording(&sandbox);
    let mount = sandbox.directory("mount");
    let file = sandbox.path("number");
    let mut shown = replay(&recording, &mount);
    let line = format!("echo $$ >{}; sleep 1000", file.display());
    let words = ["explore", "--fs", "ext4", "--states", "1", "--", "sh", "-c", &line];
    let mut other = start(&words);
    number_in(&file);
    send(shown.id(), Signal::TERM);
    assert!(shown.wait().unwrap().success());
    wait_until("a disk is left", || disks_of(shown.id()) == 0);
    other.kill().unwrap();
    other.wait().unwrap();
}

/// The story: a `replay` was stopped with Ctrl-Z, and the next laboratory asked its disk, which did
/// not answer.
#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn one_that_is_stopped_holds_up_nobody_and_goes_on() {
    let sandbox = Sandbox::new();
    let recording = recording(&sandbox);
    let mount = sandbox.directory("mount");
    let mut stopped = replay(&recording, &mount);
    send(stopped.id(), Signal::STOP);
    let (status, text) = run(&["explore", "--fs", "ext4,btrfs,xfs", "--states", "1", "--", "true"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("INCONCLUSIVE"), "{text}");
    assert_eq!(mounts_with(&mount).len(), 1);

    send(stopped.id(), Signal::CONT);
    fs::write(mount.join("new"), "x").unwrap();
    fs::File::open(mount.join("new")).unwrap().sync_all().unwrap();
    send(stopped.id(), Signal::TERM);
    assert!(stopped.wait().unwrap().success());
    assert_eq!(mounts_with(&mount), [""; 0]);
    wait_until("a disk is left", || disks_of(stopped.id()) == 0);
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn who_is_in_a_state_that_is_to_be_unmounted_is_named() {
    let sandbox = Sandbox::new();
    let recording = recording(&sandbox);
    let mount = sandbox.directory("mount");
    let errors = fs::File::create(sandbox.path("errors")).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["replay", &recording, "--state", "0", "--mount"]).arg(&mount);
    let mut shown = command.stdout(Stdio::null()).stderr(errors).spawn().unwrap();
    wait_until("the state is not mounted", || mount.join("source/medium").exists());
    let mut inside = Command::new("sleep").arg("1000").current_dir(&mount).spawn().unwrap();
    send(shown.id(), Signal::TERM);
    assert_eq!(shown.wait().unwrap().code(), Some(2));
    let said = fs::read_to_string(sandbox.path("errors")).unwrap();
    let by = format!("it is in use by 'sleep' ({})", inside.id());
    assert!(said.contains(&by) && said.contains(mount.to_str().unwrap()), "{said}");
    assert_eq!(mounts_with(&mount), [""; 0]);
    inside.kill().unwrap();
    inside.wait().unwrap();
    wait_until("a disk is left", || disks_of(shown.id()) == 0);
}
