//! A tree copy that is killed or interrupted at any instant leaves whole files under their names,
//! and the next run of the same command completes it.
//!
//! A program that writes under the final name leaves a part of a file in nearly every such run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::files::{chmod, stamp};
use crate::support::snapshot::{Name, Snapshot, is_temporary, shown};
use crate::support::{Chance, Ended, Sandbox, content, scaled};
use crate::wine;

/// How a run is stopped.
#[cfg(unix)]
mod stop {
    pub(super) use rustix::process::Signal as Stop;

    use crate::support::Ended;
    use crate::support::sandbox::Running;

    pub(super) fn stop(running: &Running, stop: Stop) {
        running.signal(stop);
    }

    /// Whether that has ended it.
    pub(super) fn was_stopped(ended: &Ended, stop: Stop) -> bool {
        use std::os::unix::process::ExitStatusExt;
        ended.status.signal() == Some(stop.as_raw())
    }
}
#[cfg(windows)]
mod stop {
    use crate::support::Ended;
    use crate::support::sandbox::Running;

    /// Signals are none here.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Stop;

    impl Stop {
        pub(super) const KILL: Self = Self;
    }

    pub(super) fn stop(running: &Running, _: Stop) {
        running.kill();
    }

    pub(super) fn was_stopped(ended: &Ended, _: Stop) -> bool {
        ended.was_killed()
    }
}
use stop::{Stop, stop, was_stopped};

/// Under Wine all that is done with files takes some ten times as long.
const DIRECTORIES: u64 = if cfg!(windows) { 6 } else { 30 };
const STOPS: u64 = if cfg!(windows) { 24 } else { 40 };

/// The ways of copying, and what is at the target's name.
const SETTINGS: [(&[&str], Before); 8] = [
    (&["-rT"], Before::Nothing),
    (&["-aT"], Before::Nothing),
    (&["-aT", "-j1"], Before::Nothing),
    (&["-aT", "--flush=sync"], Before::Nothing),
    (&["-rT"], Before::Older),
    (&["-aT"], Before::Older),
    (&["-aT", "--engine=mmap"], Before::Older),
    (&["-aT", "--flush=sync"], Before::Older),
];

/// What the target is at first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    /// An older tree: some files with other contents, some missing, some that are its own.
    Older,
}

/// The two trees, and the directory where one is copied over the other.
struct Trees {
    sandbox: Sandbox,
    source: Snapshot,
    older: Snapshot,
}

/// How killed runs ended; a test in which none was really killed shows nothing.
#[derive(Debug, Default)]
struct Tally {
    killed: u64,
    ended_before: u64,
    with_leftovers: u64,
    /// Runs that had done a part, but not all.
    partly_done: u64,
}

impl Trees {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let mut chance = Chance::from_seed(77);
        for (tree, seed) in [("source", 1_000), ("older", 2_000)] {
            for directory in 0..DIRECTORIES {
                let path = match directory {
                    0 => tree.to_owned(),
                    _ if directory % 3 == 0 => format!("{tree}/d{}/d{directory}", directory - 1),
                    _ => format!("{tree}/d{directory}"),
                };
                std::fs::create_dir_all(sandbox.path(&path)).unwrap();
                for number in 0..12_u64 {
                    let seed = seed + 100 * directory + number;
                    let len = match chance.below(20) {
                        0 => (1 << 20) + 77,
                        1..4 => 50_000 + chance.below(100_000),
                        4 => 0,
                        _ => chance.below(20_000),
                    };
                    // Each tree has files that the other has not.
                    if seed % 7 != 0 {
                        let bytes = content(seed, len as usize);
                        let file = sandbox.write(format!("{path}/f{number}"), &bytes);
                        chmod(&file, if seed % 2 == 0 { 0o640 } else { 0o600 });
                    }
                }
            }
        }
        if !wine::lacks(wine::Lack::SymbolicLinks) {
            sandbox.symlink("f2", "source/link");
        }
        std::fs::hard_link(sandbox.path("source/f2"), sandbox.path("source/d1/second")).unwrap();
        sandbox.directory("source/d2/empty");
        stamp(&sandbox.path("source"));
        let source = Snapshot::of(&sandbox.path("source"));
        let older = Snapshot::of(&sandbox.path("older"));
        Self { sandbox, source, older }
    }

    fn target(&self) -> PathBuf {
        self.sandbox.path("target")
    }

    fn prepare(&self, before: Before) {
        for leftover in self.sandbox.leftovers() {
            std::fs::remove_dir_all(self.sandbox.path(leftover)).unwrap();
        }
        if self.target().exists() {
            std::fs::remove_dir_all(self.target()).unwrap();
        }
        if before == Before::Older {
            copy_all(&self.sandbox.path("older"), &self.target());
        }
    }

    fn run(&self, way: &[&str]) -> crate::support::Run {
        self.sandbox.run(way.iter().copied().chain(["source", "target"]))
    }

    /// The shortest of three undisturbed runs.
    fn measure(&self, way: &[&str], before: Before) -> Duration {
        let run = || {
            self.prepare(before);
            self.run(way).end().good().elapsed
        };
        run().min(run()).min(run())
    }

    /// Everything at the target's name, and the leftovers beside it.
    fn seen(&self) -> Snapshot {
        Snapshot::of_part(self.sandbox.root(), |name| !matches!(name, b"source" | b"older"))
    }

    /// Fails when a name has neither its old content nor the new one.
    fn assert_whole(&self, seen: &Snapshot, way: &[&str], before: Before, situation: &str) {
        let mut problems = Vec::new();
        for (name, entry) in &seen.entries {
            let Some(inside) = in_target(name) else { continue };
            if let Some(temporary) = temporary_part(name) {
                // Such a name is for files, and for directories that hold nothing but files.
                if entry.is_directory() && temporary != name.len() {
                    problems.push(format!("{}: a directory in a temporary", shown(name)));
                }
                continue;
            }
            let new = self.source.entries.get(inside);
            let old = self.older.entries.get(inside).filter(|_| before == Before::Older);
            let is = |expected: Option<&crate::support::snapshot::Entry>| {
                expected.is_some_and(|expected| expected.what == entry.what)
            };
            if !is(new) && !is(old) {
                problems.push(format!("{}: neither old nor new: {:?}", shown(name), entry.what));
            } else if entry.is_file() && is(new) && !is(old) && way[0].contains('a') {
                // Whoever finds the name finds the new file with all that belongs to it.
                let (seen, new) = (&entry.attributes, &new.unwrap().attributes);
                if (seen.mode, seen.modified) != (new.mode, new.modified) {
                    problems.push(format!("{}: {seen:?}, not {new:?}", shown(name)));
                }
            }
        }
        assert!(problems.is_empty(), "{problems:#?}\n{situation}");
    }

    /// Runs the same command once more: all is there then, and nothing else.
    fn recover(&self, way: &[&str], before: Before, situation: &str) {
        let ended = self.run(way).end();
        // Of owners and access control lists Windows tells that they are not copied.
        let told = |line: &&str| !(cfg!(windows) && line.contains(" could not be given their "));
        let ok = ended.is_good() && ended.errors.lines().find(told).is_none();
        assert!(ok, "{situation}\nthe second run: {ended}");
        let situation = format!("{situation}\nand {}", ended.description);
        let mut expected = self.source.clone();
        if before == Before::Older {
            let old = self.older.entries.iter();
            expected.entries.extend(
                old.filter(|(name, _)| !self.source.entries.contains_key(*name))
                    .map(|(name, entry)| (name.clone(), entry.clone())),
            );
        }
        let seen = self.seen();
        assert!(seen.leftovers().is_empty(), "{:?} {situation}", seen.leftovers());
        let seen = Snapshot::of(&self.target());
        match way[0].contains('a') && before == Before::Nothing {
            true => seen.assert_copy(&expected, &situation),
            false => seen.assert_contents(&expected, &situation),
        }
    }
}

/// Copies files and directories, which is all that the older tree has, by other means than mycp's.
fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// The path inside the target, if it is there.
fn in_target(name: &Name) -> Option<&[u8]> {
    match name.strip_prefix(b"target") {
        Some([]) => Some(b""),
        Some([b'/', inside @ ..]) => Some(inside),
        // A temporary beside it.
        _ => temporary_part(name).map(|_| &b""[..]),
    }
}

/// Where the first part of a path that is a temporary's name ends.
fn temporary_part(name: &[u8]) -> Option<usize> {
    let mut end = 0;
    for part in name.split(|byte| *byte == b'/') {
        end += part.len();
        if is_temporary(part) {
            return Some(end);
        }
        end += 1;
    }
    None
}

fn stopped_at_any_instant(how: Stop, stops: u64) -> Tally {
    let mut chance = Chance::new("killed tree");
    let trees = Trees::new();
    let mut tally = Tally::default();
    for (way, before) in SETTINGS {
        let duration = trees.measure(way, before);
        for _ in 0..stops.div_ceil(SETTINGS.len() as u64) {
            trees.prepare(before);
            let after = chance.shorter_than(duration + duration / 10);
            let running = trees.run(way).start();
            std::thread::sleep(after);
            stop(&running, how);
            let ended = running.end();
            let situation = format!("{before:?}, {how:?} after {after:?} of {duration:?}: {ended}");
            let seen = trees.seen();
            trees.assert_whole(&seen, way, before, &situation);
            count(&mut tally, &ended, &seen, how, &trees, &situation);
            trees.recover(way, before, &situation);
        }
    }
    eprintln!("{tally:?}");
    // Under Wine a program's start takes much of the time, and differs.
    let [killed, partly_done] = if wine::lacks(wine::Lack::Pace) { [5, 12] } else { [2, 4] };
    assert!(tally.killed > stops / killed, "too few runs were stopped: {tally:?}");
    assert!(tally.partly_done > stops / partly_done, "too few had done a part: {tally:?}");
    tally
}

fn count(
    tally: &mut Tally,
    ended: &Ended,
    seen: &Snapshot,
    how: Stop,
    trees: &Trees,
    situation: &str,
) {
    match ended.status.code() {
        Some(0) => tally.ended_before += 1,
        _ if was_stopped(ended, how) => tally.killed += 1,
        _ => panic!("it ended in another way: {situation}"),
    }
    let leftovers = !seen.leftovers().is_empty();
    tally.with_leftovers += u64::from(leftovers);
    let new: BTreeMap<_, _> =
        trees.source.entries.iter().filter(|(_, entry)| entry.is_file()).collect();
    let done = new.iter().filter(|(name, entry)| {
        let name = [b"target/", &name[..]].concat();
        seen.entries.get(&name).is_some_and(|seen| seen.what == entry.what)
    });
    let done = done.count();
    tally.partly_done += u64::from(leftovers || (done > 0 && done < new.len()));
}

#[test]
fn a_killed_tree_copy_leaves_whole_files_and_the_next_run_completes_it() {
    let tally = stopped_at_any_instant(Stop::KILL, scaled(STOPS));
    assert!(tally.with_leftovers > 0, "no run was killed in its midst: {tally:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_tree_copy_dies_of_the_signal_and_leaves_no_temporary() {
    for signal in [Stop::INT, Stop::TERM] {
        let tally = stopped_at_any_instant(signal, scaled(16));
        assert_eq!(tally.with_leftovers, 0, "{tally:?}");
    }
}
