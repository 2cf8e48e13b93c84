//! One mirror of a target at a time: another one is refused, and says who is at it, or waits.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::make;
use super::mirror::kept;
use crate::support::files::stamp;
use crate::support::sandbox::Running;
use crate::support::{Chance, Ended, Run, Sandbox, content, scaled};

/// A mirror that stands still, since nobody reads the names that it prints.
struct Held {
    running: Running,
    names: File,
}

impl Held {
    /// One that has locked its target, and cannot even print the first name.
    fn at_begin(sandbox: &Sandbox) -> Self {
        let (names, mut output) = rustix::pipe::pipe().map(|(a, b)| (File::from(a), b)).unwrap();
        rustix::pipe::fcntl_setpipe_size(&output, 4096).unwrap();
        let room = rustix::pipe::fcntl_getpipe_size(&output).unwrap();
        output = {
            let mut file = File::from(output);
            file.write_all(&vec![b'\n'; room]).unwrap();
            file.into()
        };
        let run = sandbox.run(["--mirror", "-v", "s", "t"]).output_file(File::from(output));
        let held = Self { running: run.start(), names };
        wait_until("it has a lock", || has_lock(held.running.id()));
        held
    }

    /// The same, when its target, a new one, has its name. The source must have many names below
    /// its root.
    fn when_named(sandbox: &Sandbox) -> Self {
        let mut held = Self::at_begin(sandbox);
        let mut some = [0; 256];
        while !sandbox.path("t").exists() {
            assert!(held.names.read(&mut some).unwrap() > 0, "it ended");
        }
        held
    }

    /// What says that it has the lock.
    fn words(&self) -> String {
        format!("'t': process {} (mycp) holds it", self.running.id())
    }

    /// Lets it go on to its end.
    fn end(mut self) -> Ended {
        let reader = std::thread::spawn(move || drop(self.names.read_to_end(&mut Vec::new())));
        let ended = self.running.end();
        reader.join().unwrap();
        ended
    }
}

fn has_lock(process: u32) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("FLOCK") && line.contains(&format!(" {process} ")))
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assert_mirrored(sandbox: &Sandbox, situation: &str) {
    kept(&sandbox.path("t")).assert_copy(&kept(&sandbox.path("s")), situation);
    sandbox.assert_tidy(situation);
}

/// A source with files in its root, or without, and with many names below.
fn source(sandbox: &Sandbox, with_files: bool) {
    if with_files {
        make(sandbox, &["s/a", "s/b"]);
    }
    for index in 0..400 {
        make(sandbox, &[&format!("s/directory{index}/file")]);
    }
    stamp(&sandbox.path("s"));
}

fn mirror(sandbox: &Sandbox, more: &[&str]) -> Ended {
    sandbox.mycp(["--mirror"].iter().chain(more).chain(&["s", "t"]))
}

/// Situations in which a mirror has its target, each of them new.
fn holders() -> impl Iterator<Item = (Sandbox, Held)> {
    type Begin = fn(&Sandbox) -> Held;
    let begins: [(bool, bool, Begin); 5] = [
        (true, false, Held::at_begin),
        (false, false, Held::at_begin),
        (true, false, Held::when_named),
        (false, false, Held::when_named),
        (true, true, Held::at_begin),
    ];
    begins.into_iter().map(|(with_files, is_there, begin)| {
        let sandbox = Sandbox::new();
        source(&sandbox, with_files);
        if is_there {
            make(&sandbox, &["t/a", "t/x/y"]);
        }
        let held = begin(&sandbox);
        (sandbox, held)
    })
}

#[test]
fn who_has_the_target_is_named() {
    for (sandbox, held) in holders() {
        let words = format!("cannot lock {}", held.words());
        let ended = mirror(&sandbox, &[]).failed().says(&words);
        assert!(ended.elapsed < Duration::from_secs(10), "it has waited: {ended}");
        let ended = mirror(&sandbox, &["--lock-wait=0.2"]).failed().says(&words);
        ended.says(&format!("waiting for {}", held.words()));
        let ended = held.end().good();
        assert_mirrored(&sandbox, &ended.description);
        mirror(&sandbox, &[]).good();
    }
}

#[test]
fn a_mirror_waits_for_the_end_of_another_and_no_longer() {
    for (sandbox, held) in holders() {
        let waiting = held.words();
        let runs = [&["--lock-wait"][..], &["--lock-wait=50", "--compare=content"]].map(|more| {
            let words = ["--mirror", "--json"].iter().chain(more).chain(&["s", "t"]);
            sandbox.run(words).start()
        });
        std::thread::sleep(Duration::from_millis(300));
        let first = held.end().good();
        for run in runs {
            let ended = run.end().good();
            let told: Vec<_> = ended.errors.lines().collect();
            assert_eq!(told, [format!("mycp: waiting for {waiting}")], "{ended}");
            assert!(ended.elapsed > Duration::from_millis(290), "{ended}");
            // The first one has left nothing to do.
            let output = String::from_utf8_lossy(&ended.output);
            assert!(output.contains("\"skipped\""), "{ended}");
            let copied = |line: &&str| line.contains("\"copied\",") && !line.contains("merged");
            assert_eq!(output.lines().find(copied), None, "{ended}");
        }
        assert_mirrored(&sandbox, &first.description);
    }
}

#[test]
fn waiting_ends_at_its_limit() {
    let sandbox = Sandbox::new();
    source(&sandbox, true);
    sandbox.directory("t");
    let held = Held::at_begin(&sandbox);
    let ended = mirror(&sandbox, &["--lock-wait=0.7"]).failed();
    let waited = ended.elapsed;
    assert!(waited > Duration::from_millis(700) && waited < Duration::from_secs(10), "{ended}");
    for none in ["--lock-wait=0", "--lock-wait=0.0"] {
        let ended = mirror(&sandbox, &[none]).failed();
        assert!(!ended.errors.contains("waiting"), "{ended}");
    }
    held.end().good();
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

#[test]
fn the_lock_of_a_killed_mirror_is_gone() {
    for (sandbox, held) in holders() {
        let waiting = sandbox.run(["--mirror", "--lock-wait", "s", "t"]).start();
        std::thread::sleep(Duration::from_millis(100));
        held.running.kill();
        held.running.end();
        let ended = waiting.end().good();
        assert_mirrored(&sandbox, &ended.description);
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

/// Changes some files, with times that nothing had before.
fn change(root: &Path, chance: &mut Chance, round: u64) {
    for index in 0..6 {
        let name = format!("f{}", chance.below(12));
        let path = match chance.below(3) {
            0 => root.join(name),
            _ => root.join(format!("d{}", chance.below(4))).join(name),
        };
        if chance.below(4) == 0 && path.exists() {
            std::fs::remove_file(path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content(chance.next(), chance.below(20_000) as usize)).unwrap();
        let time = Duration::from_secs(1_000_000_000 + round * 100 + index);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + time).unwrap();
    }
}

/// Starts some mirrors at once, and returns what came of each.
fn race(sandbox: &Sandbox, chance: &mut Chance, more: &[&str]) -> Vec<Ended> {
    let runs: Vec<_> = (0..2 + chance.below(2))
        .map(|_| {
            std::thread::sleep(chance.shorter_than(Duration::from_millis(12)));
            let words = ["--mirror", "--allow-empty"].iter().chain(more).chain(&["s", "t"]);
            sandbox.run(words).start()
        })
        .collect();
    runs.into_iter().map(Running::end).collect()
}

#[test]
fn mirrors_that_are_started_together_come_one_after_the_other() {
    let mut chance = Chance::new("mirrors together");
    let mut refused = 0;
    let mut round = 0;
    // On a busy machine it may take some more for two to meet.
    while round < scaled(25) || (refused == 0 && round < scaled(200)) {
        round += 1;
        let sandbox = Sandbox::new();
        sandbox.directory("s");
        let waits = round % 2 == 0;
        let more = if waits { &["--lock-wait"][..] } else { &[] };
        // Into a new target first, then into one that is there.
        for step in 0..4 {
            change(&sandbox.path("s"), &mut chance, round * 4 + step);
            let all = race(&sandbox, &mut chance, more);
            let situation = format!("round {round}, step {step}: {all:#?}");
            for ended in &all {
                if !ended.is_good() {
                    refused += 1;
                    assert!(!waits, "{situation}");
                    assert_eq!(ended.status.code(), Some(1), "{situation}");
                    assert!(ended.errors.starts_with("mycp: cannot lock 't': "), "{situation}");
                    assert_eq!(ended.errors.lines().count(), 1, "{situation}");
                }
            }
            assert!(all.iter().any(Ended::is_good), "{situation}");
            assert_mirrored(&sandbox, &situation);
        }
    }
    assert!(refused > 0, "none has met another");
}
