//! `mycp-crash explore` and `replay`, on small numbers of states.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::Sandbox;

/// How a run of the program ended.
struct Ended {
    status: Option<i32>,
    text: String,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mycp-crash"));
    command.stdin(Stdio::null());
    command
}

fn ended(output: &Output) -> Ended {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    Ended { status: output.status.code(), text: text.concat() }
}

fn explore<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Ended {
    ended(&program().arg("explore").args(words).output().unwrap())
}

/// The trials of a run with `--json`, by their names.
fn trials(text: &str) -> BTreeMap<String, serde_json::Value> {
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let trials = lines.filter(|line: &serde_json::Value| line["event"] == "trial");
    trials.map(|line| (line["name"].as_str().unwrap().to_owned(), line)).collect()
}

/// Everything that explore promises of mycp, and that it can find out what is wrong.
fn promises_hold(system: &str) {
    let words = ["--fs", system, "--states", "60"];
    let run = explore(words);
    assert_eq!(run.status, Some(0), "{}", run.text);
    assert!(run.text.contains("\nHOLDS: "), "{}", run.text);
    assert_eq!(run.text.matches("found out").count(), 6, "{}", run.text);
    assert_eq!(run.text.matches("found sound").count(), 1, "{}", run.text);
    assert_eq!(run.text.matches("promises nothing").count(), 3, "{}", run.text);
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn mycp_keeps_its_promises_on_ext4() {
    promises_hold("ext4");
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn mycp_keeps_its_promises_on_xfs() {
    promises_hold("xfs");
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn mycp_keeps_its_promises_on_btrfs() {
    promises_hold("btrfs");
}

/// The command is held to it that what it has finished is there.
#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_command_that_does_not_flush_is_found_out() {
    let copy = ["--fs", "ext4", "--states", "40", "--", "cp", "source/medium", "target/medium"];
    let run = explore(copy);
    assert_eq!(run.status, Some(1), "{}", run.text);
    assert!(run.text.contains("VIOLATED"), "{}", run.text);
    let flushed = "cp source/medium target/medium && sync target/medium";
    let run = explore(["--fs", "ext4", "--states", "40", "--", "sh", "-c", flushed]);
    assert_eq!(run.status, Some(0), "{}", run.text);
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_command_that_fails_is_an_error_and_no_finding() {
    for (words, what) in [
        (vec!["--fs", "ext4", "--", "false"], "'false' failed (exit status: 1) and said nothing\n"),
        (vec!["--fs", "ext4", "--", "/no/such/program"], "cannot be started"),
        (vec!["--fs", "ext4", "--mount-options", "no_such_option"], "no_such_option"),
        (vec!["--fs", "fat"], "'fat'"),
        (vec!["--fs", "ext4", "--sync", "hope"], "'hope'"),
    ] {
        let run = explore(&words);
        assert_eq!(run.status, Some(2), "{words:?}: {}", run.text);
        assert!(run.text.contains(what), "{words:?}: {}", run.text);
    }
}

/// Renames that replace, without a flush: ext4 allocates early unless it is told not to, and the
/// names of files that are empty are what a crash leaves otherwise (Ts'o, "Don't fear the fsync!",
/// 2009).
#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn ext4_without_auto_da_alloc_loses_what_is_renamed() {
    // Any flush may bring the name to the disk, and not the content.
    let replace = "cp source/medium target/part && mv target/part target/medium && \
                   echo > other && sync other";
    let mixed = |options| {
        let words = ["--fs", "ext4", "--states", "150", "--json", "--mount-options", options];
        let run = explore(words.into_iter().chain(["--", "sh", "-c", replace]));
        let trials = trials(&run.text);
        let (_, trial) = trials.iter().find(|(name, _)| name.starts_with("sh -c")).unwrap();
        let promises = trial["promises"].as_array().unwrap();
        let whole = promises.iter().find(|line| line["promise"] == "whole").unwrap();
        whole["broken"].as_u64().unwrap_or_else(|| panic!("{trial}"))
    };
    assert_eq!(mixed("auto_da_alloc"), 0);
    assert!(mixed("noauto_da_alloc") > 0);
}

/// rsync flushes the file, not the directory that has its name.
#[test]
#[ignore = "needs root, loop devices, FUSE and rsync"]
fn rsync_with_fsync_may_lose_the_name() {
    let words = ["--fs", "ext4,xfs", "--states", "80"];
    let rsync = ["--", "rsync", "-t", "--fsync", "source/medium", "target/new"];
    let run = explore(words.into_iter().chain(rsync));
    assert_eq!(run.status, Some(1), "{}", run.text);
    assert!(run.text.contains("'target/new': it is not there"), "{}", run.text);
}

/// A crash in between leaves neither the old file nor the new one.
#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_file_that_is_removed_to_be_made_anew_is_found_out() {
    let anew = "rm target/medium && sync target && cp source/medium target/medium && \
                sync target/medium target";
    let run = explore(["--fs", "ext4", "--states", "60", "--", "sh", "-c", anew]);
    assert_eq!(run.status, Some(1), "{}", run.text);
    let text = run.text.replace("\n   ", "");
    let found = "while it ran: 'target/medium': it is gone, and is there before and after";
    assert!(text.contains(found), "{text}");
}

/// Its name is nobody's business, but what others have deleted must not be in it.
#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_temporary_of_a_command_is_no_breach() {
    let through = |bytes: &str| {
        let line = format!(
            "{bytes} > target/.medium.Xa31 && sync target/.medium.Xa31 target && \
             cp source/medium target/medium && rm target/.medium.Xa31 && sync target/medium target"
        );
        explore(["--fs", "ext4", "--states", "60", "--", "sh", "-c", &line])
    };
    let run = through("cat source/large source/small");
    assert_eq!(run.status, Some(0), "{}", run.text);
    let run = through("yes | head -c 5000");
    assert_eq!(run.status, Some(1), "{}", run.text);
    let text = run.text.replace("\n   ", "");
    assert!(text.contains("sectors of this temporary are in no version of a file"), "{text}");
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_command_that_changes_nothing_proves_nothing() {
    let run = explore(["--fs", "ext4", "--states", "20", "--", "true"]);
    assert_eq!(run.status, Some(2), "{}", run.text);
    let why = "INCONCLUSIVE: it does nothing that could break no-foreign, done";
    assert!(run.text.contains(why), "{}", run.text);
}

/// Of the many losses of a state, those are shown that it takes; one seed shows the same again.
#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_counterexample_is_reduced_and_can_be_looked_into() {
    let sandbox = Sandbox::new();
    let report = sandbox.path("report");
    let mount = sandbox.directory("mount");
    let words = ["--fs", "ext4", "--states", "60", "--json"];
    let run =
        |option| explore([&words[..], &[option, report.to_str().unwrap(), "--", "true"]].concat());
    let examples = |text: &str| -> BTreeMap<String, serde_json::Value> {
        let trials = trials(text).into_iter();
        trials.map(|(name, trial)| (name, trial["promises"].clone())).collect()
    };
    let found = examples(&run("--report").text);
    assert_eq!(examples(&run("--again").text), found);

    let example = &found["a disk that ignores flushes"][4]["example"];
    assert_eq!(example["minimal"], true, "{example}");
    let losses = example["losses"].as_array().unwrap();
    assert!(!losses.is_empty() && losses.len() < 5, "{example}");
    let line = example["replay"].as_str().unwrap();
    let line = line.replace("/mnt", mount.to_str().unwrap());
    let mut command = program();
    command.args(line.split(' ').skip(1)).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_until("the state is not mounted", || mount.join("source/medium").exists());
    let [source, target] = ["source/medium", "target/medium"].map(|name| {
        let time = mount.join(name).metadata().unwrap().modified().unwrap();
        (fs::read(mount.join(name)).unwrap(), time)
    });
    assert!(source != target);
    let process = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap();
    assert_eq!(leftovers(&mount), [""; 0]);

    let mut words: Vec<_> = line.split(' ').skip(1).collect();
    let at = words.iter().position(|word| *word == "--lost").unwrap();
    words[at + 1] = "99999";
    let refused = ended(&program().args(words).output().unwrap());
    assert_eq!(refused.status, Some(2));
    assert!(refused.text.contains("that lacks all of these changes"), "{}", refused.text);
}

/// Without times, which no two runs share.
fn without_seconds(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains(" states in "));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn one_seed_gives_the_same_states_and_verdicts() {
    let sandbox = Sandbox::new();
    let report = sandbox.path("report");
    let report = report.to_str().unwrap();
    let words = ["--fs", "btrfs", "--workload", "mirror", "--states", "70"];
    let recorded = explore(words.into_iter().chain(["--report", report]));
    assert_eq!(recorded.status, Some(0), "{}", recorded.text);
    let again = explore(words.into_iter().chain(["--again", report]));
    assert_eq!(without_seconds(&again.text), without_seconds(&recorded.text));
}

/// Whether something that the laboratory makes is left.
fn leftovers(directory: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounted = directory.to_str().unwrap();
    let mounts =
        mounts.lines().filter(|line| line.contains(mounted) || line.contains("mycp-crash"));
    mounts.map(str::to_owned).collect()
}

/// The loop devices that a process has open.
fn loops_of(process: u32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let files = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    let names = files.filter_map(|file| Some(file.to_str()?.strip_prefix("/dev/")?.to_owned()));
    names.filter(|name| name.starts_with("loop") && name != "loop-control").collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn attached_loops() -> Vec<String> {
    let devices = fs::read_dir("/sys/block").unwrap();
    let names = devices.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let backing = |name: &String| format!("/sys/block/{name}/loop/backing_file");
    names.filter(|name| name.starts_with("loop") && fs::exists(backing(name)).unwrap()).collect()
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn nothing_is_left_of_one_that_is_killed() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::KILL] {
        let mut child = program()
            .args(["explore", "--fs", "ext4", "--workload", "copy"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let id = child.id();
        let mut theirs = Vec::new();
        wait_until("no loop device is attached", || {
            theirs = loops_of(id);
            theirs.len() > 1
        });
        let process = rustix::process::Pid::from_raw(id as i32).unwrap();
        rustix::process::kill_process(process, signal).unwrap();
        assert!(!child.wait().unwrap().success());
        wait_until("a loop device stays attached", || {
            let attached = attached_loops();
            !theirs.iter().any(|name| attached.contains(name))
        });
        assert_eq!(leftovers(Path::new("/mycp-crash")), [""; 0]);
    }
}

/// A recording of one command, in a directory of its own.
fn recording(sandbox: &Sandbox) -> PathBuf {
    let report = sandbox.path("report");
    let words = ["--fs", "ext4", "--states", "30", "--report", report.to_str().unwrap()];
    explore(words.into_iter().chain(["--", "cp", "source/medium", "target/new"]));
    let names = fs::read_dir(report).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|name| name.to_str().unwrap().contains("cp-source")).unwrap()
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_state_can_be_looked_into() {
    let sandbox = Sandbox::new();
    let recording = recording(&sandbox);
    let mount = sandbox.directory("mount");
    let replay = |state: &str| {
        let mut command = program();
        command.arg("replay").arg(&recording).args(["--state", state, "--mount"]).arg(&mount);
        command
    };
    let is_mounted = || mount.join("source/medium").exists();
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::KILL] {
        let mut child = replay("0").stdout(Stdio::null()).spawn().unwrap();
        wait_until("the state is not mounted", is_mounted);
        let process = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
        rustix::process::kill_process(process, signal).unwrap();
        child.wait().unwrap();
        if signal == rustix::process::Signal::KILL {
            // The next one cleans up.
            assert!(!leftovers(&mount).is_empty());
            explore(["--fs", "ext4", "--states", "1", "--", "true"]);
        }
        assert_eq!(leftovers(&mount), [""; 0], "{signal:?}");
    }
    let ended = ended(&replay("1000000").output().unwrap());
    assert_eq!(ended.status, Some(2));
    assert!(ended.text.contains("has no state 1000000"), "{}", ended.text);
}

#[test]
fn what_is_no_recording_is_refused() {
    let sandbox = Sandbox::new();
    for (name, bytes) in
        [("empty", &b""[..]), ("text", b"mycp-crash rec 1\xff\xff\xff\xff\xff\xff\xff\xff{}")]
    {
        let path = sandbox.write(name, bytes);
        let mut command = program();
        command.arg("replay").arg(&path).args(["--state", "0", "--mount"]).arg(sandbox.root());
        let ended = ended(&command.output().unwrap());
        assert_eq!(ended.status, Some(2), "{}", ended.text);
        assert!(ended.text.contains(path.to_str().unwrap()), "{}", ended.text);
    }
}
