//! What a copy gets by with, as Linux limits and counts it: descriptors and memory.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::support::files::chmod;
use crate::support::snapshot::Snapshot;
use crate::support::{Run, Sandbox, is_mycp};

const LEVELS: usize = 1500;

/// Longer than PATH_MAX from the fifth hundred on.
const NAME: &str = "a level";

/// Removes what is too deep for the standard library, which holds a descriptor for each level.
struct Removed<'a>(&'a Sandbox);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        for name in ["source", "target"] {
            drop(Command::new("rm").arg("-rf").arg(self.0.path(name)).status());
        }
    }
}

pub(in crate::trees) fn limited(run: Run, resource: Resource, limit: u64) -> Run {
    let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
    // SAFETY: setrlimit is one system call, which neither allocates nor takes locks.
    unsafe { run.before_exec(move || Ok(setrlimit(resource, limit)?)) }
}

/// Goes from level to level; `visit` is called with each directory and its number.
fn descend(root: &Path, mut visit: impl FnMut(&OwnedFd, usize)) {
    let mut directory = openat(CWD, root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for level in 0..LEVELS {
        visit(&directory, level);
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
        directory = openat(&directory, NAME, flags, Mode::empty())
            .unwrap_or_else(|error| panic!("level {level}: {error}"));
    }
    visit(&directory, LEVELS);
}

fn content_of(level: usize) -> String {
    format!("the file of level {level}")
}

/// What each level has beside the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beside {
    Nothing,
    /// A directory, so that there is more than one way to go at each level.
    Directory,
}

fn plant(root: &Path, beside: Beside) {
    std::fs::create_dir(root).unwrap();
    let mut directory = openat(CWD, root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for level in 0..=LEVELS {
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let file = openat(&directory, "file", flags, Mode::from_raw_mode(0o640)).unwrap();
        rustix::io::write(&file, content_of(level).as_bytes()).unwrap();
        if beside == Beside::Directory {
            mkdirat(&directory, "beside", Mode::from_raw_mode(0o700)).unwrap();
        }
        if level < LEVELS {
            mkdirat(&directory, NAME, Mode::from_raw_mode(0o755)).unwrap();
            directory = openat(&directory, NAME, OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
    }
}

fn assert_planted(root: &Path, beside: Beside, situation: &str) {
    descend(root, |directory, level| {
        let file = openat(directory, "file", OFlags::RDONLY, Mode::empty())
            .unwrap_or_else(|error| panic!("level {level}: {error}, {situation}"));
        let mut bytes = [0; 64];
        let len = rustix::io::read(&file, &mut bytes).unwrap();
        assert_eq!(&bytes[..len], content_of(level).as_bytes(), "level {level}, {situation}");
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_mode & 0o777, 0o640, "{situation}");
        let mut names: Vec<_> = rustix::fs::Dir::read_from(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
            .filter(|name| name != "." && name != "..")
            .collect();
        names.sort();
        let is_there = |name: &str| match name {
            NAME => level < LEVELS,
            "beside" => beside == Beside::Directory,
            _ => true,
        };
        let expected: Vec<_> =
            [NAME, "beside", "file"].into_iter().filter(|name| is_there(name)).collect();
        assert_eq!(names, expected, "level {level}, {situation}");
    });
}

fn copied_with_few_descriptors(beside: Beside) {
    let sandbox = Sandbox::new();
    let _removed = Removed(&sandbox);
    plant(&sandbox.path("source"), beside);
    for (way, more) in [("-rT", "-j1"), ("-aT", "-j2"), ("-aT", "-j8"), ("-aT", "--flush=sync")] {
        for time in ["new", "over itself"] {
            let run = sandbox.run([way, more, "source", "target"]);
            let ended = limited(run, Resource::Nofile, 256).end().good();
            let situation = format!("{time}: {}", ended.description);
            assert_planted(&sandbox.path("target"), beside, &situation);
        }
        let removed = Command::new("rm").arg("-rf").arg(sandbox.path("target")).status().unwrap();
        assert!(removed.success());
    }
}

#[test]
fn a_deep_tree_is_copied_with_few_descriptors() {
    copied_with_few_descriptors(Beside::Nothing);
}

#[test]
fn a_deep_tree_with_branches_at_each_level_is_copied_with_few_descriptors() {
    copied_with_few_descriptors(Beside::Directory);
}

/// What is known of hard links does not keep trees open that were copied.
#[test]
fn many_trees_with_hard_links_are_copied_with_few_descriptors() {
    let sandbox = Sandbox::new();
    sandbox.directory("into");
    let sources: Vec<_> = (0..300).map(|number| format!("source-{number}")).collect();
    for source in &sources {
        std::fs::create_dir_all(sandbox.path(format!("{source}/in"))).unwrap();
        let file = sandbox.write(format!("{source}/in/file"), source.as_bytes());
        std::fs::hard_link(&file, sandbox.path(format!("{source}/in/other"))).unwrap();
    }
    let sources = sources.iter().map(|source| &**source);
    let run = sandbox.run(["-a"].into_iter().chain(sources).chain(["into"]));
    let ended = limited(run, Resource::Nofile, 128).end().good();
    let links = std::fs::metadata(sandbox.path("into/source-299/in/other")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::nlink(&links), 2, "{ended}");
}

/// What waits for a common flush may not hold more descriptors than there are. Most systems give a
/// process 1024, some 256.
#[test]
fn a_wide_tree_is_copied_with_few_descriptors_and_flushed() {
    let sandbox = Sandbox::new();
    for directory in 0..1200 {
        let path = sandbox.path(format!("source/{}/{directory}", directory % 7));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("file"), format!("{directory}")).unwrap();
    }
    let files = sandbox.directory("source/files");
    for number in 0..1200 {
        std::fs::write(files.join(format!("{number}")), format!("{number}")).unwrap();
    }
    let expected = Snapshot::of(&sandbox.path("source"));
    for descriptors in [1024, 256] {
        for threads in ["-j1", "-j4"] {
            for time in ["new", "over itself"] {
                let run = sandbox.run(["-rT", threads, "--flush=sync", "source", "target"]);
                let ended = limited(run, Resource::Nofile, descriptors).end().good();
                let situation = format!("{time}, {descriptors} descriptors: {ended}");
                Snapshot::of(&sandbox.path("target")).assert_contents(&expected, &situation);
            }
            std::fs::remove_dir_all(sandbox.path("target")).unwrap();
        }
    }
}

/// With too few for anything, too, there is an end, and what is there is whole.
#[test]
fn very_few_descriptors_give_a_copy_or_errors() {
    let sandbox = Sandbox::new();
    for directory in 0..40 {
        let path = format!("source/{directory}/in/an/other");
        std::fs::create_dir_all(sandbox.path(&path)).unwrap();
        for name in 0..5 {
            sandbox.write(format!("{path}/{name}"), b"some content");
            sandbox.write(format!("source/{directory}/{name}"), b"some content");
        }
    }
    let mut copies = 0;
    for descriptors in [8, 10, 12, 14, 16, 20, 24, 32, 48, 64] {
        for more in ["-j1", "-j4"] {
            let target = format!("target-{descriptors}{more}");
            let run = sandbox.run(["-a", more, "source", &target]);
            let ended = limited(run, Resource::Nofile, descriptors).end();
            if !is_mycp() && !ended.is_good() {
                continue;
            }
            let ended = ended.orderly();
            assert!(ended.is_good() || !ended.errors.is_empty(), "in silence: {ended}");
            assert!(!ended.errors.contains("panicked"), "{ended}");
            copies += u32::from(ended.is_good());
            if sandbox.path(&target).exists() {
                let seen = Snapshot::of(&sandbox.path(&target));
                let whole = |name: &Vec<u8>| {
                    let entry = &seen.entries[name];
                    !entry.is_file() || entry.holds(b"some content")
                };
                assert!(seen.names().all(whole), "a part of a file: {ended}");
                assert!(seen.leftovers().is_empty(), "{:?}: {ended}", seen.leftovers());
                let complete = seen.names().count() == 40 * 14;
                assert!(complete || !ended.is_good(), "not all: {ended}");
            }
        }
    }
    assert!(copies > 0, "64 descriptors are not enough");
}

/// The most that a process had in memory, in KiB, looked at until it ends.
fn peak_kib(id: u32) -> u64 {
    let mut peak = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{id}/status")) {
        // One that has ended, and was not waited for, has none.
        let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) else { break };
        let kib = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        peak = peak.max(kib);
        std::thread::sleep(Duration::from_millis(1));
    }
    peak
}

#[test]
fn a_directory_with_very_many_names_is_copied_with_little_memory() {
    const NAMES: usize = 100_000;
    let sandbox = Sandbox::new();
    let source = sandbox.directory("source");
    for number in 0..NAMES {
        std::fs::File::create(source.join(format!("a file of a rather long name {number}")))
            .unwrap();
    }
    for way in ["-rT", "-aT"] {
        for time in ["new", "over itself"] {
            let run = sandbox.run([way, "-j4", "source", "target"]);
            let running = run.time_limit(Duration::from_secs(300)).start();
            let peak = peak_kib(running.id());
            let ended = running.end().good();
            let count = std::fs::read_dir(sandbox.path("target")).unwrap().count();
            assert_eq!(count, NAMES, "{time}: {ended}");
            eprintln!("{way}, {time}: {peak} KiB");
            assert!(peak > 0, "nothing was measured");
            assert!(peak < 64 << 10, "{peak} KiB, {time}: {ended}");
        }
        std::fs::remove_dir_all(sandbox.path("target")).unwrap();
    }
}

/// The names are few, but each directory that waits for its turn would have its place in memory.
#[test]
fn a_directory_with_very_many_directories_is_copied_with_little_memory() {
    const DIRECTORIES: usize = 20_000;
    let sandbox = Sandbox::new();
    let source = sandbox.directory("source");
    for number in 0..DIRECTORIES {
        let path = source.join(format!("a directory of a rather long name {number}"));
        std::fs::create_dir(&path).unwrap();
        chmod(&path, 0o750);
        if number % 10 == 0 {
            std::fs::write(path.join("file"), b"x").unwrap();
        }
    }
    let run = sandbox.run(["-aT", "-j4", "source", "target"]);
    let running = limited(run, Resource::Nofile, 256).time_limit(Duration::from_secs(300)).start();
    let peak = peak_kib(running.id());
    let ended = running.end().good();
    let count = std::fs::read_dir(sandbox.path("target")).unwrap().count();
    assert_eq!(count, DIRECTORIES, "{ended}");
    eprintln!("{peak} KiB");
    assert!(peak > 0 && peak < 64 << 10, "{peak} KiB: {ended}");
}
