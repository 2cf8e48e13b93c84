//! One mirror of a target at a time: another one is refused, and says who is at it, or waits.

#[cfg(target_os = "linux")]
mod linux;

use std::ffi::OsString;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::make;
use super::mirror::kept;
use crate::support::files::stamp;
use crate::support::sandbox::Running;
use crate::support::{Chance, Ended, Sandbox, content, scaled};

/// Below the root of a source; under Wine each takes its time.
const DIRECTORIES: usize = if cfg!(windows) { 30 } else { 400 };

/// Rounds in which mirrors are started together; a start takes Wine a quarter of a second.
const ROUNDS: u64 = if cfg!(windows) { 3 } else { 25 };

/// A mirror that stands still, since nobody reads the names that it prints.
struct Held {
    running: Running,
    names: PipeReader,
}

impl Held {
    /// One that has locked its target, and cannot even print the first name.
    fn at_begin(sandbox: &Sandbox) -> Self {
        let (names, output) = full_pipe();
        let before = entries_of_target(sandbox);
        let run = sandbox.run(["--mirror", "-v", "s", "t"]).output_file(output);
        let held = Self { running: run.start(), names };
        wait_until("it has a lock", || held.has_lock(sandbox, &before));
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

    #[cfg(target_os = "linux")]
    fn has_lock(&self, _: &Sandbox, _: &[Seen]) -> bool {
        linux::has_lock(self.running.id())
    }

    /// Nobody tells of locks on Windows: by what it has done to the target since.
    #[cfg(windows)]
    fn has_lock(&self, sandbox: &Sandbox, before: &[Seen]) -> bool {
        entries_of_target(sandbox) != before
    }

    /// What says that it has the lock.
    fn words(&self) -> String {
        if cfg!(windows) {
            return "'t': another process has locked it".to_owned();
        }
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

/// A pipe that nothing can be written to before somebody reads.
#[cfg(target_os = "linux")]
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (names, mut output) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&output, 4096).unwrap();
    let room = rustix::pipe::fcntl_getpipe_size(&output).unwrap();
    output.write_all(&vec![b'\n'; room]).unwrap();
    (names, output)
}

/// The same: what is written to it comes after what waits for room there.
#[cfg(windows)]
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (names, output) = std::io::pipe().unwrap();
    let mut filling = output.try_clone().unwrap();
    // Nobody need ever read it.
    std::thread::spawn(move || drop(filling.write_all(&[b'\n'; 1 << 16])));
    (names, output)
}

/// The root of the target and what is directly in it, with their times.
type Seen = (OsString, SystemTime);

fn entries_of_target(sandbox: &Sandbox) -> Vec<Seen> {
    let target = sandbox.path("t");
    let Ok(entries) = std::fs::read_dir(&target) else { return Vec::new() };
    let time = |path: &Path| Some(path.symlink_metadata().ok()?.modified().unwrap());
    let below = entries.filter_map(|entry| {
        let entry = entry.unwrap();
        Some((entry.file_name(), time(&entry.path())?))
    });
    let mut seen: Vec<_> = below.chain(time(&target).map(|time| ("t".into(), time))).collect();
    seen.sort();
    seen
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
    for index in 0..DIRECTORIES {
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
    while round < scaled(ROUNDS) || (refused == 0 && round < scaled(8 * ROUNDS)) {
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
