//! `--flush=sync` over a tree (P6): what is on the disk when a name is given, that it is brought
//! there in batches, and that a flush that fails fails the copy.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use rustix::process::Resource;

use super::limits::linux::limited;
use crate::support::files::{chmod, stamp};
use crate::support::snapshot::{Snapshot, is_temporary, last, shown};
use crate::support::{Ended, Run, Sandbox, content};

const FLUSHES: [&str; 4] = ["fsync", "fdatasync", "syncfs", "sync_file_range"];
/// Calls that store bytes or make names.
const STORES: &str = "write,pwrite64,pwritev,copy_file_range,ioctl,ftruncate,fallocate,openat,\
                      openat2,mkdirat,symlinkat,mknodat";
const ATTRIBUTES: &str = "fchmod,fchmodat,fchown,fchownat,utimensat,fsetxattr,setxattr,lsetxattr";
const NAMES: &str = "/^rename,linkat,unlinkat";

const DIRECTORIES: u64 = 24;
const FILES: u64 = 12;

/// What the target is at first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    Older,
}

fn prepare(before: Before) -> Sandbox {
    let sandbox = Sandbox::new();
    for directory in 0..DIRECTORIES {
        let path = match directory % 3 {
            0 => format!("d{directory}"),
            _ => format!("d{}/d{directory}", directory - directory % 3),
        };
        for (tree, seed) in [("source", 1), ("target", 2)] {
            if tree == "target" && (before == Before::Nothing || directory % 4 == 3) {
                continue;
            }
            std::fs::create_dir_all(sandbox.path(format!("{tree}/{path}"))).unwrap();
            for file in 0..FILES {
                let len = if file == 0 && directory % 8 == 0 { 700_000 } else { 900 * file };
                let bytes = content(seed + directory + file, len as usize + seed as usize);
                sandbox.write(format!("{tree}/{path}/f{file}"), &bytes);
            }
        }
    }
    sandbox.symlink("d0/f1", "source/link");
    for (name, other) in [("d0/f1", "d3/linked"), ("d6/d7/f2", "d0/linked")] {
        let name = sandbox.path(format!("source/{name}"));
        std::fs::hard_link(name, sandbox.path(format!("source/{other}"))).unwrap();
    }
    chmod(&sandbox.path("source/d3"), 0o750);
    stamp(&sandbox.path("source"));
    sandbox
}

/// Runs the program under strace, which writes to `log`.
fn traced(sandbox: &Sandbox, strace: &[&str], arguments: &[&str]) -> Ended {
    under_strace(sandbox, strace, arguments).end()
}

fn under_strace(sandbox: &Sandbox, strace: &[&str], arguments: &[&str]) -> Run {
    let log = sandbox.path("log");
    let words: Vec<&OsStr> = ["strace", "-f", "-qq", "-y", "-s", "300", "-o"]
        .into_iter()
        .map(OsStr::new)
        .chain([log.as_os_str()])
        .chain(strace.iter().map(OsStr::new))
        .collect();
    Run::through(&words, sandbox.root(), arguments)
}

/// One system call, and the lines of the log where it began and ended.
#[derive(Debug)]
struct Call {
    name: String,
    arguments: String,
    began: usize,
    ended: usize,
    succeeded: bool,
}

impl Call {
    /// The paths that strace shows of its descriptors, in order; last, of the one it returns.
    fn paths(&self) -> Vec<&str> {
        let parts = self.arguments.split('<').skip(1);
        parts.filter_map(|part| part.split_once('>').map(|(path, _)| path)).collect()
    }

    /// The text of its `number`th string.
    fn string(&self, number: usize) -> &str {
        self.arguments.split('"').nth(2 * number + 1).unwrap_or_default()
    }

    /// What it changes, where it is one of those that change something.
    fn changes(&self) -> Option<String> {
        let paths = self.paths();
        let first = (*paths.first()?).to_owned();
        let named = || format!("{first}/{}", self.string(0));
        match &*self.name {
            "write" | "pwrite64" | "pwritev" | "ftruncate" | "fallocate" | "fchmod" | "fchown"
            | "fsetxattr" => Some(first),
            "ioctl" => self.arguments.contains("FICLONE").then_some(first),
            "copy_file_range" => paths.get(1).map(|path| (*path).to_owned()),
            "openat" | "openat2" => {
                self.arguments.contains("O_CREAT").then(|| (*paths.last().unwrap()).to_owned())
            }
            "utimensat" | "fchmodat" | "fchownat" if self.arguments.contains("NULL,") => {
                Some(first)
            }
            "mkdirat" | "mknodat" | "utimensat" | "fchmodat" | "fchownat" => Some(named()),
            "symlinkat" => Some(format!("{first}/{}", self.string(1))),
            _ => None,
        }
    }

    fn flushes(&self, path: &str) -> bool {
        self.succeeded
            && match &*self.name {
                "syncfs" => true,
                "fsync" | "fdatasync" => self.paths().first() == Some(&path),
                _ => false,
            }
    }
}

/// The calls of a log, in the order in which they began.
fn calls(log: &Path) -> Vec<Call> {
    let log = std::fs::read_to_string(log).unwrap();
    let mut calls: Vec<Call> = Vec::new();
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    for (number, line) in log.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix("<... ") {
            let Some(call) = open.remove(thread) else { continue };
            let rest = rest.split_once("resumed>").map_or(rest, |(_, rest)| rest);
            calls[call].ended = number;
            calls[call].succeeded = succeeded(rest);
            calls[call].arguments.push_str(rest);
        } else if let Some((name, arguments)) = rest.split_once('(') {
            if arguments.ends_with("<unfinished ...>") {
                open.insert(thread.to_owned(), calls.len());
            }
            calls.push(Call {
                name: name.to_owned(),
                arguments: arguments.replace("<unfinished ...>", ""),
                began: number,
                ended: number,
                succeeded: succeeded(arguments),
            });
        }
    }
    calls
}

fn succeeded(rest: &str) -> bool {
    rest.rsplit_once(" = ").is_some_and(|(_, value)| !value.starts_with('-'))
}

/// Where a rename gives a final name to what had a temporary one: both paths.
fn published(call: &Call) -> Option<(String, String)> {
    let paths = call.paths();
    let (from, to) = match &*call.name {
        "rename" => (call.string(0).to_owned(), call.string(1).to_owned()),
        "renameat" | "renameat2" => {
            (format!("{}/{}", paths[0], call.string(0)), format!("{}/{}", paths[1], call.string(1)))
        }
        _ => return None,
    };
    let is_final = is_temporary(last(from.as_bytes())) && !is_temporary(last(to.as_bytes()));
    (call.succeeded && is_final).then_some((from, to))
}

/// Fails unless all that a new name leads to had been flushed before the name was given, and the
/// name and the attributes after it.
fn assert_flushed_in_order(calls: &[Call], situation: &str) {
    let mut names = 0;
    for (number, call) in calls.iter().enumerate() {
        let Some((from, to)) = published(call) else { continue };
        names += 1;
        let below = format!("{from}/");
        for stored in &calls[..number] {
            let Some(path) = stored.changes() else { continue };
            if path != from && !path.starts_with(&below) {
                continue;
            }
            let flushed = calls.iter().any(|flush| {
                flush.flushes(&path) && flush.began > stored.ended && flush.ended < call.began
            });
            assert!(flushed, "{to} was named before {stored:?} was flushed: {situation}");
        }
        let directory = to.rsplit_once('/').unwrap().0;
        let flushed = calls[number..]
            .iter()
            .any(|later| later.flushes(directory) && later.began > call.ended);
        assert!(flushed, "the name {to} was not flushed: {situation}");
    }
    assert_all_flushed(calls, "/target", situation);
    assert!(names >= DIRECTORIES, "only {names} names were given: {situation}");
}

/// Fails unless everything that was changed below `part` was flushed after that.
fn assert_all_flushed(calls: &[Call], part: &str, situation: &str) {
    let mut changes = 0;
    for changed in calls {
        let Some(path) = changed.changes().filter(|path| path.contains(part)) else {
            continue;
        };
        changes += 1;
        let flushed = calls.iter().any(|flush| flush.flushes(&path) && flush.began > changed.ended);
        assert!(flushed, "{changed:?} was not flushed: {situation}");
    }
    assert!(changes > 0, "nothing was changed: {situation}");
}

#[test]
#[ignore = "needs strace"]
fn the_directories_of_parents_are_flushed_with_their_names() {
    let trace = format!("trace={STORES},{ATTRIBUTES},{NAMES},{}", FLUSHES.join(","));
    for source in ["source/d6/d7/f1", "source/d6/d7"] {
        let sandbox = prepare(Before::Nothing);
        sandbox.directory("below");
        let arguments = ["-a", "--parents", "--flush=sync", "--engine=buffered", source, "below"];
        let ended = traced(&sandbox, &["-e", &trace], &arguments).good();
        let calls = calls(&sandbox.path("log"));
        assert_all_flushed(&calls, "/below", &ended.description);
        let name = |call: &&Call| call.name == "mkdirat" && call.string(0) == "source";
        let made = calls.iter().find(name).expect("no directory was made");
        let below = made.paths()[0];
        let flushed = calls.iter().any(|call| call.flushes(below) && call.began > made.ended);
        assert!(flushed, "the first name was not flushed: {}", ended.description);
    }
}

/// The system tells of a failure once, and not which files it hit.
#[test]
#[ignore = "needs strace"]
fn nothing_gets_a_name_after_a_flush_has_failed() {
    for (before, threads) in [(Before::Nothing, "-j1"), (Before::Older, "-j3")] {
        let sandbox = prepare(before);
        let trace = format!("trace={NAMES},syncfs");
        let strace = ["-e", &trace, "-e", "inject=syncfs:error=EIO:when=1"];
        // What is to be linked to is flushed by itself.
        let options = ["-aT", "--no-preserve=links", threads, "--flush=sync"];
        let arguments: Vec<_> = options.into_iter().chain(["source", "target"]).collect();
        // With few descriptors batches are small, and there are several.
        let run = under_strace(&sandbox, &strace, &arguments);
        let ended = limited(run, Resource::Nofile, 64).end();
        assert_eq!(ended.status.code(), Some(1), "{ended}");
        let calls = calls(&sandbox.path("log"));
        let failed = calls.iter().position(|call| call.name == "syncfs" && !call.succeeded);
        let later = &calls[failed.expect("no flush failed")..];
        let named = later.iter().find_map(published);
        assert_eq!(named, None, "{ended}");
        assert!(sandbox.leftovers().is_empty(), "{:?} {ended}", sandbox.leftovers());
    }
}

#[test]
#[ignore = "needs strace"]
fn every_name_is_given_after_a_flush_of_what_it_leads_to_and_flushed_itself() {
    let trace = format!("trace={STORES},{ATTRIBUTES},{NAMES},{}", FLUSHES.join(","));
    for before in [Before::Nothing, Before::Older] {
        for (way, threads) in [("-aT", "-j1"), ("-aT", "-j4"), ("-rT", "-j4")] {
            let sandbox = prepare(before);
            let expected = Snapshot::of(&sandbox.path("source"));
            // Maps are stored to without a call.
            let arguments = [way, threads, "--flush=sync", "--engine=buffered", "source", "target"];
            let ended = traced(&sandbox, &["-e", &trace], &arguments).good();
            let calls = calls(&sandbox.path("log"));
            let situation = format!("{before:?}: {}", ended.description);
            assert_flushed_in_order(&calls, &situation);
            Snapshot::of(&sandbox.path("target")).assert_contents(&expected, &situation);
            let count = calls.iter().filter(|call| FLUSHES.contains(&&*call.name)).count();
            let files = (DIRECTORIES * FILES) as usize;
            assert!(count < files / 5, "{count} flushes for {files} files: {situation}");
        }
    }
}

/// Nothing is flushed without need.
#[test]
#[ignore = "needs strace"]
fn a_copy_that_was_not_to_flush_does_not() {
    let sandbox = prepare(Before::Older);
    let trace = format!("trace={}", FLUSHES.join(","));
    traced(&sandbox, &["-e", &trace], &["-aT", "source", "target"]).good();
    let calls = calls(&sandbox.path("log"));
    assert!(calls.is_empty(), "{calls:?}");
}

/// Fails one call after the other, until none is left that could.
fn every_flush_fails(call: &str, before: Before, threads: &str) -> u32 {
    for number in 1.. {
        let sandbox = prepare(before);
        let (source, old) =
            (Snapshot::of(&sandbox.path("source")), snapshot_if_there(&sandbox.path("target")));
        let inject = format!("inject={call}:error=EIO:when={number}");
        let arguments = ["-aT", threads, "--flush=sync", "source", "target"];
        let strace = ["-e", &format!("trace={call}"), "-e", &inject];
        let ended = traced(&sandbox, &strace, &arguments);
        let log = std::fs::read_to_string(sandbox.path("log")).unwrap();
        if !log.contains("(INJECTED)") {
            ended.good();
            return number - 1;
        }
        let situation = format!("{call} number {number} failed, {before:?}: {ended}");
        assert_eq!(ended.status.code(), Some(1), "{situation}");
        assert!(ended.errors.contains("Input/output error"), "no cause: {situation}");
        let seen = snapshot_if_there(&sandbox.path("target"));
        for (name, entry) in &seen.entries {
            let is = |tree: &Snapshot| {
                tree.entries.get(name).is_some_and(|expected| expected.what == entry.what)
            };
            let name = shown(name);
            assert!(is(&source) || is(&old), "{name} is neither old nor new: {situation}");
        }
        assert!(seen.leftovers().is_empty(), "{:?} {situation}", seen.leftovers());
        assert!(sandbox.leftovers().is_empty(), "{:?} {situation}", sandbox.leftovers());
        // It can be done again.
        sandbox.mycp(arguments).good();
        Snapshot::of(&sandbox.path("target")).assert_contents(&source, &situation);
    }
    unreachable!("there are not as many calls")
}

fn snapshot_if_there(path: &Path) -> Snapshot {
    match path.exists() {
        true => Snapshot::of(path),
        false => Snapshot { entries: BTreeMap::new() },
    }
}

#[test]
#[ignore = "needs strace"]
fn a_failed_flush_in_a_tree_fails_the_copy() {
    for before in [Before::Nothing, Before::Older] {
        for threads in ["-j1", "-j3"] {
            let counts = FLUSHES.map(|call| every_flush_fails(call, before, threads));
            eprintln!("{before:?}, {threads}: {counts:?}");
            assert!(counts.iter().sum::<u32>() > 0, "no call flushes");
        }
    }
}

/// Nothing of a tree looks up to date before its content is on the disk (P7): with `--delta` names
/// come after a flush of the file system, one for many files.
#[test]
#[ignore = "needs strace"]
fn with_delta_names_come_after_a_flush_for_many_files() {
    for before in [Before::Nothing, Before::Older] {
        let sandbox = prepare(before);
        let trace = format!("trace=syncfs,fsync,{NAMES}");
        let ended = traced(&sandbox, &["-e", &trace], &["-aT", "--delta", "source", "target"]);
        let ended = ended.good();
        let source = Snapshot::of(&sandbox.path("source"));
        let target = Snapshot::of(&sandbox.path("target"));
        for (name, entry) in &source.entries {
            let seen = target.entries.get(name).map(|seen| &seen.what);
            assert_eq!(seen, Some(&entry.what), "{}: {ended}", shown(name));
        }
        let log = String::from_utf8_lossy(&sandbox.read("log")).into_owned();
        let flushed = log.lines().position(|line| line.contains("syncfs("));
        let flushed = flushed.unwrap_or_else(|| panic!("no flush of all: {log}"));
        let mut singly = Vec::new();
        for line in log.lines().take(flushed) {
            if line.contains("fsync(") {
                singly.extend(line.split_once(".mycp-").map(|(path, _)| path.rsplit('.').next()));
            } else if line.contains("linkat(") {
                // It is as flushed as the first name that it is linked to.
                let made = line.split('"').nth(3).and_then(|it| it.split(".mycp-").next());
                singly.push(made.map(|name| name.trim_start_matches('.')));
            } else if line.contains("rename") {
                // The first names of hard links: links to them are made at once.
                let name = line.split('"').nth(3).unwrap();
                assert!(singly.contains(&Some(name)), "{name} was not flushed: {log}");
            }
        }
        let singly = log.lines().filter(|line| line.contains("fsync(")).count();
        assert!(singly <= 4, "{singly} files were flushed singly: {before:?}: {log}");
    }
}
