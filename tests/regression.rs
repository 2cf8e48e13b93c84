//! Bugs that were found once, each with its story, so that none comes back.
//!
//! What depends on an instant is made to fall into it: a pipe that is drained late holds a copy in
//! its middle, a FIFO before its first byte, and strace behind a system call.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::fuse::{Faults, FaultyFileSystem};
use crate::support::mounts::{LoopDevice, Mounts};
use crate::support::sandbox::{Running, leftovers};
use crate::support::unix::NOBODY;
use crate::support::{Chance, ENGINES, Ended, Run, Sandbox, assert_same_bytes, content};

/// More than a pipe and the buffer before it hold, so that a dammed copy is in its middle.
const LEN: usize = 1 << 20;

/// The system calls behind each of which a held copy pauses: the target is there, and not whole.
const HELD: &str = "ftruncate,fallocate,write,pwrite64,copy_file_range,sendfile,splice";

/// Waits until `condition` holds; fails when that takes too long.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn make_fifo(sandbox: &Sandbox, name: &str) -> PathBuf {
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.path(name), mode).unwrap();
    sandbox.path(name)
}

/// The writing end of a FIFO, whose end does not come before this is dropped.
fn write_fifo(path: &Path) -> File {
    // Both ways: opening it waits for nobody then (fifo(7)).
    File::options().read(true).write(true).open(path).unwrap()
}

/// The reading end of a FIFO; it waits for nobody until [`wait_until_full`] has seen something.
fn read_fifo(path: &Path) -> File {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).unwrap().into()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// The content of every regular file in a directory.
fn contents(directory: &Path) -> BTreeSet<Vec<u8>> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap()).collect()
}

fn inode(sandbox: &Sandbox, name: &str) -> u64 {
    std::fs::symlink_metadata(sandbox.path(name)).unwrap().ino()
}

/// The program run by strace, which holds it for a moment behind each of [`HELD`].
fn held(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let log = sandbox.path("strace-log");
    let inject = format!("inject={HELD}:delay_exit=100000");
    let words = ["strace", "-f", "-qq", "-e", &inject, "-o"].map(OsStr::new);
    let words: Vec<_> = words.into_iter().chain([log.as_os_str()]).collect();
    Run::through(&words, sandbox.root(), arguments)
}

/// Starts it, does `meddle` as soon as its temporary has a length, and waits for its end.
#[track_caller]
fn held_and_meddled(sandbox: &Sandbox, arguments: &[&str], meddle: impl FnOnce()) -> Ended {
    let running = held(sandbox, arguments).start();
    wait_until("the temporary has a length", || {
        let length = |name| std::fs::metadata(sandbox.path(name)).map_or(0, |facts| facts.len());
        sandbox.leftovers().into_iter().any(|name| length(name) > 0)
    });
    meddle();
    running.end()
}

/// A run whose standard output or target is full, since nobody drains it yet.
struct Dammed {
    running: Running,
    pipe: File,
}

/// Waits until there is something in the pipe, and no more comes. From then on reading waits.
#[track_caller]
fn wait_until_full(pipe: &File) {
    let mut before = 0;
    wait_until("the pipe is full", || {
        let now = rustix::io::ioctl_fionread(pipe).unwrap();
        let is_full = now > 0 && now == before;
        before = now;
        std::thread::sleep(Duration::from_millis(20));
        is_full
    });
    rustix::fs::fcntl_setfl(pipe, rustix::fs::OFlags::empty()).unwrap();
}

/// Where a dammed run writes to.
#[derive(Clone, Copy, Debug)]
enum Dam {
    Pipe,
    Fifo,
}

impl Dammed {
    /// Starts a copy of `source`, with these options, that gets as far as the pipe lets it.
    fn new(sandbox: &Sandbox, dam: Dam, options: &[&str], source: &str) -> Self {
        let target = match dam {
            Dam::Pipe => "-",
            Dam::Fifo => "fifo",
        };
        let run = sandbox.run(options.iter().copied().chain([source, target]));
        let (running, pipe) = match dam {
            Dam::Pipe => {
                let (reader, writer) = std::io::pipe().unwrap();
                let running = run.output_file(File::from(OwnedFd::from(writer))).start();
                (running, File::from(OwnedFd::from(reader)))
            }
            Dam::Fifo => {
                drop(std::fs::remove_file(sandbox.path("fifo")));
                let fifo = read_fifo(&make_fifo(sandbox, "fifo"));
                (run.start(), fifo)
            }
        };
        wait_until_full(&pipe);
        Self { running, pipe }
    }

    /// Takes what is in the pipe and what still comes.
    fn drain(mut self) -> (Ended, Vec<u8>) {
        let mut received = Vec::new();
        self.pipe.read_to_end(&mut received).unwrap();
        (self.running.end(), received)
    }
}

/// A block device that became shorter while it was copied looked like a source that shrank: it was
/// "copied once more", with the length 0 that `stat` says of a device, and that was a success. A
/// device over a file that had been cut before it was copied went the same way through a map.
#[test]
#[ignore = "needs root: makes a loop device"]
fn a_block_device_that_ends_early_is_an_error_and_no_empty_target() {
    const KEPT: u64 = 700 << 10;
    let mounts = Mounts::new();
    let bytes = content(100, 2 << 20);
    for engine in ["--engine=auto", "--engine=mmap", "--engine=buffered"] {
        for (cut_before, told) in [(true, false), (false, false), (false, true)] {
            let image = mounts.image("image", 2);
            std::fs::write(&image, &bytes).unwrap();
            let device = LoopDevice::new(&image);
            let cut = || {
                File::options().write(true).open(&image).unwrap().set_len(KEPT).unwrap();
                if told {
                    let mut losetup = Command::new("losetup");
                    let status = losetup.arg("--set-capacity").arg(&device.path).status();
                    assert!(status.unwrap().success());
                }
            };
            let sandbox = Sandbox::new();
            let path = device.path.to_str().unwrap();
            let arguments = [engine, path, "target"];
            let ended = if cut_before {
                cut();
                sandbox.mycp(arguments)
            } else {
                held_and_meddled(&sandbox, &arguments, cut)
            };
            let ended = ended.failed().says(path);
            assert!(!sandbox.path("target").exists(), "{ended}");
            sandbox.assert_tidy(&ended.description);
        }
    }
}

/// The same device on its way into a pipe, which cannot take back what it got.
#[test]
#[ignore = "needs root: makes a loop device"]
fn a_block_device_that_ends_early_is_an_error_in_a_pipe_too() {
    let mounts = Mounts::new();
    let bytes = content(101, 8 << 20);
    let image = mounts.image("image", 8);
    std::fs::write(&image, &bytes).unwrap();
    let device = LoopDevice::new(&image);
    let sandbox = Sandbox::new();
    let dammed = Dammed::new(&sandbox, Dam::Pipe, &[], device.path.to_str().unwrap());
    File::options().write(true).open(&image).unwrap().set_len(3 << 20).unwrap();
    let status = Command::new("losetup").arg("--set-capacity").arg(&device.path).status();
    assert!(status.unwrap().success());
    let (ended, received) = dammed.drain();
    let ended = ended.failed();
    assert!(bytes.starts_with(&received), "not a beginning of the device: {ended}");
}

/// What becomes of a source in the middle of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meddling {
    Rewritten,
    RewrittenAndGrown,
    CutToHalf,
    CutToNothing,
}

impl Meddling {
    const ALL: [Self; 4] =
        [Self::Rewritten, Self::RewrittenAndGrown, Self::CutToHalf, Self::CutToNothing];

    fn meddle(self, source: &Path) {
        let file = File::options().write(true).open(source).unwrap();
        match self {
            Self::Rewritten => file.write_all_at(&content(103, LEN), 0).unwrap(),
            Self::RewrittenAndGrown => file.write_all_at(&content(103, LEN + 5000), 0).unwrap(),
            Self::CutToHalf => file.set_len(LEN as u64 / 2).unwrap(),
            Self::CutToNothing => file.set_len(0).unwrap(),
        }
    }

    /// Each received byte is the one that the source had at its place, then or now.
    #[track_caller]
    fn assert_one_attempt(self, received: &[u8], ended: &Ended) {
        let (old, new) = (content(102, LEN), content(103, LEN));
        assert!(received.len() <= LEN, "{self:?}: {} bytes of {LEN}: {ended}", received.len());
        let rewritten = matches!(self, Self::Rewritten | Self::RewrittenAndGrown);
        let fits = |(at, byte): (usize, &u8)| *byte == old[at] || rewritten && *byte == new[at];
        let count = received.iter().enumerate().take_while(|place| fits(*place)).count();
        assert_eq!(count, received.len(), "{self:?}: another byte at {count}: {ended}");
    }
}

/// A source that changed was "copied once more" into a pipe as well, behind what the pipe had
/// got already: the reader had the content twice, and the status was 0.
#[test]
fn a_source_that_changes_on_its_way_into_a_pipe_is_not_sent_twice() {
    for dam in [Dam::Pipe, Dam::Fifo] {
        for options in [&[] as &[&str], &["--on-change=retry"], &["--on-change=fail"]] {
            for meddling in Meddling::ALL {
                let sandbox = Sandbox::new();
                let source = sandbox.write("source", &content(102, LEN));
                let dammed = Dammed::new(&sandbox, dam, options, "source");
                meddling.meddle(&source);
                let (ended, received) = dammed.drain();
                meddling.assert_one_attempt(&received, &ended);
                let ended = ended.failed().says("source'");
                let why = ["changed", "shrank"];
                assert!(why.iter().any(|word| ended.errors.contains(word)), "{ended}");
            }
        }
    }
}

/// The same with standard output that is a file: the second copy stood behind the first.
#[test]
#[ignore = "needs strace"]
fn a_source_that_changes_on_its_way_into_an_open_file_is_not_stored_twice() {
    for meddling in Meddling::ALL {
        let sandbox = Sandbox::new();
        let source = sandbox.write("source", &content(102, LEN));
        let mut output = File::create(sandbox.path("output")).unwrap();
        output.write_all(b"before").unwrap();
        let running = held(&sandbox, &["source", "-"]).output_file(output).start();
        wait_until("the output grows", || sandbox.metadata("output").len() > 6);
        meddling.meddle(&source);
        let ended = running.end();
        let received = sandbox.read("output");
        assert!(received.starts_with(b"before"), "{ended}");
        meddling.assert_one_attempt(&received[6..], &ended);
        ended.failed().says("source'");
    }
}

/// A file that is all read before the pipe is full is cut while its last bytes wait.
#[test]
fn a_small_source_cut_behind_its_reading_is_sent_once() {
    let bytes = content(102, 100_000);
    let sandbox = Sandbox::new();
    let source = sandbox.write("source", &bytes);
    let dammed = Dammed::new(&sandbox, Dam::Pipe, &[], "source");
    Meddling::CutToNothing.meddle(&source);
    let (ended, received) = dammed.drain();
    assert!(bytes.starts_with(&received), "{} bytes: {ended}", received.len());
    ended.failed().says("source'");
}

/// Whether a source only grew was found out by comparing it with the target, which a pipe does not
/// let be read: a growing log on its way into a pipe was sent twice, and then refused.
#[test]
fn a_source_that_grows_on_its_way_into_a_pipe_is_sent_once_with_a_warning() {
    let grown = content(104, LEN + 10_001);
    for dam in [Dam::Pipe, Dam::Fifo] {
        let sandbox = Sandbox::new();
        let source = sandbox.write("source", &grown[..LEN]);
        let dammed = Dammed::new(&sandbox, dam, &[], "source");
        let mut source = File::options().append(true).open(source).unwrap();
        source.write_all(&grown[LEN..]).unwrap();
        let (ended, received) = dammed.drain();
        assert_same_bytes(&received, &grown[..LEN], &format!("{dam:?}, {ended}"));
        ended.good().says("warning").says("grew");
    }
}

/// The comparison took standard output's file from its begin, not from where it had stood.
#[test]
#[ignore = "needs strace"]
fn a_source_that_grows_on_its_way_into_an_open_file_is_stored_once_with_a_warning() {
    let grown = content(104, LEN + 10_001);
    let sandbox = Sandbox::new();
    let source = sandbox.write("source", &grown[..LEN]);
    sandbox.write("output", b"before, and overwritten");
    let mut output = File::options().write(true).open(sandbox.path("output")).unwrap();
    output.seek(SeekFrom::Start(6)).unwrap();
    let running = held(&sandbox, &["source", "-"]).output_file(output).start();
    wait_until("the output grows", || sandbox.metadata("output").len() > 100);
    let mut source = File::options().append(true).open(source).unwrap();
    source.write_all(&grown[LEN..]).unwrap();
    let ended = running.end();
    let expected = [b"before", &grown[..LEN]].concat();
    assert_same_bytes(&sandbox.read("output"), &expected, &ended.to_string());
    ended.good().says("warning").says("grew");
}

/// The files `a` and `b`, one inode, and the directory `T`.
fn linked_pair() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"linked content");
    std::fs::hard_link(sandbox.path("a"), sandbox.path("b")).unwrap();
    sandbox.directory("T");
    sandbox
}

#[track_caller]
fn assert_tidy_in_t(sandbox: &Sandbox, ended: &Ended) {
    let left = leftovers(&sandbox.path("T"));
    assert!(left.is_empty(), "left behind {left:?}: {ended}");
}

/// The second name was made a link to the first target, although `--attributes-only` is to leave
/// content alone: what `T/b` had held was gone.
#[test]
fn attributes_only_keeps_the_content_of_the_targets_of_linked_sources() {
    let sandbox = linked_pair();
    sandbox.write("T/a", b"content of a");
    sandbox.write("T/b", b"content of b");
    set_mode(&sandbox.path("a"), 0o640);
    let ended = sandbox.mycp(["--attributes-only", "--preserve=all", "a", "b", "T"]).good();
    assert_same_bytes(&sandbox.read("T/a"), b"content of a", &ended.description);
    assert_same_bytes(&sandbox.read("T/b"), b"content of b", &ended.description);
    assert_eq!(sandbox.metadata("T/b").mode() & 0o7777, 0o640, "{ended}");
    assert_tidy_in_t(&sandbox, &ended);
}

/// The first target was remembered by its name, under which another file lay by then: `T/b` became
/// a link to a copy of `y/a`.
#[test]
fn a_link_is_made_to_the_copy_of_the_source_and_not_to_what_took_its_name() {
    let sandbox = Sandbox::new();
    for name in ["x", "y", "T"] {
        sandbox.directory(name);
    }
    sandbox.write("x/a", b"content of x");
    std::fs::hard_link(sandbox.path("x/a"), sandbox.path("x/b")).unwrap();
    sandbox.write("y/a", b"content of y");
    let arguments = ["--backup=numbered", "--preserve=links", "x/a", "y/a", "x/b", "T"];
    let ended = sandbox.mycp(arguments).good();
    assert_same_bytes(&sandbox.read("T/a"), b"content of y", &ended.description);
    assert_same_bytes(&sandbox.read("T/b"), b"content of x", &ended.description);
    assert_same_bytes(&sandbox.read("T/a.~1~"), b"content of x", &ended.description);
    assert_tidy_in_t(&sandbox, &ended);
}

/// `--in-place` is asked for to keep the inode; making a link replaced it all the same.
#[test]
fn in_place_keeps_the_inodes_of_the_targets_of_linked_sources() {
    let sandbox = linked_pair();
    sandbox.write("T/a", b"one");
    sandbox.write("T/b", b"two");
    let before = (inode(&sandbox, "T/a"), inode(&sandbox, "T/b"));
    let ended = sandbox.mycp(["--in-place", "--preserve=links", "a", "b", "T"]).good();
    assert_eq!((inode(&sandbox, "T/a"), inode(&sandbox, "T/b")), before, "{ended}");
    assert_same_bytes(&sandbox.read("T/a"), b"linked content", &ended.description);
    assert_same_bytes(&sandbox.read("T/b"), b"linked content", &ended.description);
    assert_tidy_in_t(&sandbox, &ended);
}

/// A first target that was a symbolic link had its content stored behind it; the second target
/// became another name of that symbolic link, which led nowhere if it was relative.
#[test]
fn a_target_does_not_become_a_link_to_a_symbolic_link() {
    let sandbox = linked_pair();
    sandbox.directory("elsewhere");
    sandbox.write("elsewhere/real", b"old");
    sandbox.symlink("../elsewhere/real", "T/a");
    let ended = sandbox.mycp(["--preserve=links", "a", "b", "T"]).good();
    assert!(sandbox.path("T/a").is_symlink(), "{ended}");
    assert!(!sandbox.path("T/b").is_symlink(), "{ended}");
    assert_same_bytes(&sandbox.read("elsewhere/real"), b"linked content", &ended.description);
    assert_same_bytes(&sandbox.read("T/b"), b"linked content", &ended.description);
    assert_tidy_in_t(&sandbox, &ended);
}

/// And with a FIFO as first target there was no copy at all.
#[test]
fn a_target_does_not_become_a_link_to_a_fifo() {
    let sandbox = linked_pair();
    let mut fifo = read_fifo(&make_fifo(&sandbox, "T/a"));
    let running = sandbox.run(["--preserve=links", "a", "b", "T"]).start();
    wait_until_full(&fifo);
    let mut received = Vec::new();
    fifo.read_to_end(&mut received).unwrap();
    let ended = running.end().good();
    assert_same_bytes(&received, b"linked content", &ended.description);
    let kind = std::fs::symlink_metadata(sandbox.path("T/b")).unwrap().file_type();
    assert!(kind.is_file(), "T/b is {kind:?}: {ended}");
    assert_same_bytes(&sandbox.read("T/b"), b"linked content", &ended.description);
    assert!(sandbox.metadata("T/a").file_type().is_fifo(), "{ended}");
    assert_tidy_in_t(&sandbox, &ended);
}

/// What has to stay true while all this is put right. Where both names led to one inode before,
/// renaming the new link onto the old name did nothing and left the temporary (rename(2)).
#[test]
fn linked_sources_become_one_inode_whatever_was_there() {
    for before in [&[] as &[&str], &["T/a"], &["T/b"], &["T/a", "T/b"], &["both"]] {
        let sandbox = linked_pair();
        for name in before {
            match *name {
                "both" => {
                    sandbox.write("T/a", b"old");
                    std::fs::hard_link(sandbox.path("T/a"), sandbox.path("T/b")).unwrap();
                }
                name => drop(sandbox.write(name, b"old")),
            }
        }
        let ended = sandbox.mycp(["--preserve=links", "a", "b", "T"]).good();
        assert_eq!(inode(&sandbox, "T/a"), inode(&sandbox, "T/b"), "{before:?}: {ended}");
        assert_ne!(inode(&sandbox, "T/a"), inode(&sandbox, "a"), "{before:?}: {ended}");
        assert_same_bytes(&sandbox.read("T/b"), b"linked content", &ended.description);
        assert_eq!(sandbox.metadata("T/a").nlink(), 2, "{before:?}: {ended}");
        assert_tidy_in_t(&sandbox, &ended);
    }
}

/// One more than the highest number there is: that overflowed, to 0 and so to the simple backup's
/// name, under which another content lay. A number with more digits was not seen at all.
#[test]
fn a_backup_with_an_enormous_number_makes_no_other_backup_vanish() {
    for enormous in ["18446744073709551615", "18446744073709551614", "99999999999999999999999"] {
        for control in ["--backup=numbered", "--backup=existing"] {
            let sandbox = Sandbox::new();
            sandbox.write("source", b"new");
            sandbox.write("n", b"current");
            sandbox.write("n~", b"simple backup");
            sandbox.write("n.~1~", b"first backup");
            sandbox.write(format!("n.~{enormous}~"), b"enormous backup");
            let before = contents(sandbox.root());
            for _ in 0..3 {
                let ended = sandbox.mycp([control, "source", "n"]).orderly();
                let after = contents(sandbox.root());
                assert!(before.is_subset(&after), "{enormous}: something is lost: {ended}");
                assert!(!ended.is_good() || sandbox.read("n") == b"new", "{ended}");
                sandbox.assert_tidy(&ended.description);
            }
        }
    }
}

/// What a run with this number copies.
fn version(number: usize) -> Vec<u8> {
    format!("version {number}").into_bytes()
}

/// Fails unless the target and its numbered backups are the versions `0..=last`.
#[track_caller]
fn assert_all_versions(sandbox: &Sandbox, last: usize) {
    let name = |number| match number {
        0 => "target".to_owned(),
        number => format!("target.~{number}~"),
    };
    let kept: Vec<_> = (0..=last).map(|number| std::fs::read(sandbox.path(name(number)))).collect();
    let kept: BTreeSet<_> = kept.into_iter().flatten().collect();
    let lost: Vec<_> = (0..=last).filter(|number| !kept.contains(&version(*number))).collect();
    assert!(lost.is_empty(), "the versions {lost:?} of {last} are lost");
    sandbox.assert_tidy("concurrent numbered backups");
}

/// Two runs found the same number free, and the second one's backup took the first one's place;
/// or both backed up the same old target, and one's copy was replaced without a backup.
#[test]
fn numbered_backups_of_concurrent_runs_keep_every_version() {
    const RUNS: usize = 20;
    let sandbox = Sandbox::new();
    sandbox.write("target", &version(0));
    let source = |number| format!("pipe-{number}");
    let start = |number| {
        let mut writer = write_fifo(&make_fifo(&sandbox, &source(number)));
        writer.write_all(&version(number)).unwrap();
        let run = sandbox.run(["--backup=numbered", &source(number), "target"]);
        (run.start(), writer)
    };
    let (runs, writers): (Vec<_>, Vec<_>) = (1..=RUNS).map(start).unzip();
    wait_until("each has a temporary", || sandbox.leftovers().len() == RUNS);
    // They all come to their ends now.
    drop(writers);
    for running in runs {
        running.end().good();
    }
    assert_all_versions(&sandbox, RUNS);
}

/// The same where each has read the directory before any has made a backup.
#[test]
#[ignore = "needs strace"]
fn numbered_backups_of_runs_that_found_the_same_number_free_keep_every_version() {
    const RUNS: usize = 4;
    let sandbox = Sandbox::new();
    sandbox.write("target", &version(0));
    let start = |number| {
        let source = format!("source-{number}");
        sandbox.write(&source, &version(number));
        let words =
            ["strace", "-qq", "-e", "inject=getdents64:delay_exit=200000", "-o", "/dev/null"];
        let arguments = ["--backup=numbered", &source, "target"];
        Run::through(&words.map(OsStr::new), sandbox.root(), arguments).start()
    };
    let runs: Vec<_> = (1..=RUNS).map(start).collect();
    for running in runs {
        running.end().good();
    }
    assert_all_versions(&sandbox, RUNS);
}

/// The backup of the second target took the name that the first copy had just been given.
#[test]
fn a_backup_does_not_take_the_place_of_what_this_run_has_copied() {
    for control in ["-b", "--backup=simple"] {
        let sandbox = Sandbox::new();
        sandbox.directory("x");
        sandbox.directory("T");
        sandbox.write("x/a~", b"copied first");
        sandbox.write("x/a", b"copied second");
        sandbox.write("T/a", b"was there");
        let ended = sandbox.mycp([control, "x/a~", "x/a", "T"]).failed().says("a'");
        assert_same_bytes(&sandbox.read("T/a~"), b"copied first", &ended.description);
        assert_same_bytes(&sandbox.read("T/a"), b"was there", &ended.description);
        assert_tidy_in_t(&sandbox, &ended);
    }
}

/// The manifest lay under the name that the backup was given: nobody saw its lines again.
#[test]
fn a_backup_does_not_take_the_place_of_the_manifest() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"new");
    sandbox.write("b", b"old");
    let ended = sandbox.mycp(["-b", "--manifest=b~", "a", "b"]).failed();
    assert!(contents(sandbox.root()).contains(&b"old"[..]), "the old content is lost: {ended}");
    sandbox.assert_tidy(&ended.description);
}

/// Runs it with these descriptors closed.
fn closed(run: Run, descriptors: &'static [i32]) -> Run {
    let close = move || {
        for descriptor in descriptors {
            // SAFETY: between fork and exec nothing of this process uses standard input or output
            // any more; the program that follows finds them closed, as is wanted.
            unsafe { rustix::io::close(*descriptor) };
        }
        Ok(())
    };
    // SAFETY: close is async-signal-safe, and nothing else is called.
    unsafe { run.before_exec(close) }
}

/// Rust's runtime opens /dev/null in place of a closed standard stream before `main` begins: a
/// copy to nowhere, or an empty one, was a success.
#[test]
fn closed_standard_streams_are_errors_where_they_are_operands() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"new");
    sandbox.write("b", b"old");
    closed(sandbox.run(["a", "-"]), &[1]).end().failed();
    closed(sandbox.run(["-", "-"]).input(b"new"), &[1]).end().failed();
    for arguments in [&["-", "b"] as &[&str], &["--in-place", "-", "b"], &["-", "new"]] {
        let ended = closed(sandbox.run(arguments), &[0]).end().failed();
        assert_same_bytes(&sandbox.read("b"), b"old", &ended.description);
        assert!(!sandbox.path("new").exists(), "{ended}");
        sandbox.assert_tidy(&ended.description);
    }
    // Where they are none, nothing is missing, and no file that is opened takes their numbers.
    let ended = closed(sandbox.run(["a", "b"]), &[0, 1]).end().good();
    assert_same_bytes(&sandbox.read("b"), b"new", &ended.description);
    // Something else that has the number is what it is.
    let null = || File::options().read(true).write(true).open("/dev/null").unwrap();
    sandbox.run(["a", "-"]).output_file(null()).end().good();
    sandbox.run(["-", "empty"]).input_file(null()).end().good();
    assert_eq!(sandbox.metadata("empty").len(), 0);
}

/// The rule that lets changes pass is no way around the guard of the maps: the end is status 0,
/// with a warning or with what the source is now, or an error.
#[test]
#[ignore = "needs strace"]
fn a_source_that_shrinks_is_no_signal_where_changes_are_warnings() {
    for engine in ENGINES {
        for meddling in [Meddling::CutToHalf, Meddling::CutToNothing] {
            let sandbox = Sandbox::new();
            let whole = content(102, LEN);
            let source = sandbox.write("source", &whole);
            sandbox.write("target", b"old");
            let engine = format!("--engine={engine}");
            let arguments = [&*engine, "--on-change=warn", "source", "target"];
            let cut = || meddling.meddle(&source);
            let ended = held_and_meddled(&sandbox, &arguments, cut).orderly();
            sandbox.assert_tidy(&ended.description);
            let (now, target) = (sandbox.read("source"), sandbox.read("target"));
            match ended.is_good() {
                true if target == now || target == whole => {}
                true => drop(ended.says("source'").says("warning")),
                false => assert_same_bytes(&target, b"old", &ended.says("source'").description),
            }
        }
    }
    for meddling in [Meddling::CutToHalf, Meddling::CutToNothing] {
        let sandbox = Sandbox::new();
        let source = sandbox.write("source", &content(102, LEN));
        let dammed = Dammed::new(&sandbox, Dam::Pipe, &["--on-change=warn"], "source");
        meddling.meddle(&source);
        let (ended, received) = dammed.drain();
        meddling.assert_one_attempt(&received, &ended);
        ended.orderly().says("source'");
    }
}

/// A stream was read and written although blocks were to be shared or nothing.
#[test]
fn a_stream_cannot_be_a_reflink() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"content");
    for old in [None, Some(b"old")] {
        for (source, target) in [("-", "out"), ("/proc/version", "out"), ("a", "-")] {
            drop(std::fs::remove_file(sandbox.path("out")));
            if let Some(old) = old {
                sandbox.write("out", old);
            }
            for option in ["--reflink=always", "--engine=reflink"] {
                let run = sandbox.run([option, source, target]).input(b"content");
                let ended = run.end().failed();
                let left = std::fs::read(sandbox.path("out")).ok();
                assert_eq!(left.as_deref(), old.map(|old| &old[..]), "{ended}");
                assert!(ended.output.is_empty(), "{ended}");
                sandbox.assert_tidy(&ended.description);
            }
        }
    }
}

/// A stream's zeros were stored, whatever `--sparse=always` said.
#[test]
fn zeros_of_a_stream_become_holes() {
    const PIECE: usize = 4 << 20;
    let data = content(105, 70_001);
    let zeros = vec![0; PIECE];
    let inputs = [
        [&*data, &zeros, &data, &zeros[..PIECE - 123]].concat(),
        [&*zeros, &data].concat(),
        zeros[..PIECE - 1].to_vec(),
    ];
    for input in &inputs {
        for old in [None, Some(input.len() + 100_000), Some(1_000_000)] {
            for way in [&["--sparse=always"] as &[&str], &["--sparse=always", "--in-place"]] {
                let sandbox = Sandbox::new();
                if let Some(len) = old {
                    sandbox.write("out", &content(106, len));
                }
                let run = sandbox.run(way.iter().copied().chain(["-", "out"]));
                let ended = run.input(input).end().good();
                assert_same_bytes(&sandbox.read("out"), input, &format!("{old:?}, {ended}"));
                let allocated = sandbox.metadata("out").blocks() * 512;
                // Pieces that are not zero, and what a pipe's short reads leave around them.
                let limit = 2 * data.len() as u64 + (1 << 20);
                assert!(allocated < limit, "{allocated} of {} bytes: {ended}", input.len());
                sandbox.assert_tidy(&ended.description);
            }
        }
    }
}

/// The same from an open file, from where it stands.
#[test]
fn zeros_of_an_open_file_become_holes() {
    let sandbox = Sandbox::new();
    let bytes = [&content(105, 5000)[..], &vec![0; 4 << 20]].concat();
    let mut input = File::open(sandbox.write("input", &bytes)).unwrap();
    input.seek(SeekFrom::Start(1000)).unwrap();
    let ended = sandbox.run(["--sparse=always", "-", "out"]).input_file(input).end().good();
    assert_same_bytes(&sandbox.read("out"), &bytes[1000..], &ended.description);
    assert!(sandbox.metadata("out").blocks() * 512 < 1 << 20, "{ended}");
}

/// A target that is written in place loses its privileges, because it gets other content. With
/// `--attributes-only` it gets none, and lost them all the same.
#[test]
fn attributes_only_keeps_the_setuid_bit_and_every_byte() {
    for mode in [0o4755, 0o2755, 0o6711] {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"other");
        let target = sandbox.write("b", b"program");
        set_mode(&target, mode);
        let before = sandbox.metadata("b");
        let ended = sandbox.mycp(["--attributes-only", "a", "b"]).good();
        let after = sandbox.metadata("b");
        assert_eq!(after.mode() & 0o7777, mode, "{ended}");
        assert_same_bytes(&sandbox.read("b"), b"program", &ended.description);
        assert_eq!(
            (after.ino(), after.modified().unwrap()),
            (before.ino(), before.modified().unwrap())
        );
        let ended = sandbox.mycp(["--attributes-only", "--preserve=timestamps", "a", "b"]).good();
        assert_eq!(sandbox.metadata("b").mode() & 0o7777, mode, "{ended}");
        // The mode is another matter when it is asked for.
        let ended = sandbox.mycp(["--attributes-only", "--preserve=mode", "a", "b"]).good();
        assert_eq!(sandbox.metadata("b").mode(), sandbox.metadata("a").mode(), "{ended}");
        assert_same_bytes(&sandbox.read("b"), b"program", &ended.description);
    }
}

/// The temporary of a backup was one byte longer than the longest name.
#[test]
fn the_longest_names_are_copied_backed_up_and_linked() {
    for len in 240..=255 {
        let sandbox = Sandbox::new();
        let name = "n".repeat(len);
        sandbox.write("source", b"first");
        sandbox.mycp(["source", &name]).good();
        assert_same_bytes(&sandbox.read(&name), b"first", "a long name");
        sandbox.write("source", b"second");
        sandbox.mycp(["source", &name]).good();
        assert_same_bytes(&sandbox.read(&name), b"second", "a long name replaced");
        if len < 255 {
            let backup = format!("{name}~");
            sandbox.write(&backup, b"an older backup");
            sandbox.mycp(["--backup=simple", "source", &name]).good();
            assert_same_bytes(&sandbox.read(&backup), b"second", "a long name's backup");
        } else {
            // There is no name for a backup: refused, or kept under one that fits.
            sandbox.write("source", b"third");
            let ended = sandbox.mycp(["--backup=simple", "source", &name]).orderly();
            assert!(contents(sandbox.root()).contains(&b"second"[..]), "lost: {ended}");
        }
        sandbox.assert_tidy("long names");
        let sandbox = linked_pair();
        std::fs::rename(sandbox.path("b"), sandbox.path(&name)).unwrap();
        for _ in 0..2 {
            let ended = sandbox.mycp(["--preserve=links", "a", &name, "T"]).good();
            let linked = format!("T/{name}");
            assert_eq!(inode(&sandbox, "T/a"), inode(&sandbox, &linked), "{ended}");
            assert_tidy_in_t(&sandbox, &ended);
        }
    }
}

/// A long name was cut in the middle of a character for its temporary: file systems that take
/// valid UTF-8 only (ZFS with utf8only, ext4 with strict casefolding, APFS) refuse such a name.
#[test]
fn a_long_name_is_not_cut_within_a_character() {
    let longest = |first: &str, character: &str| {
        let count = (255 - first.len()) / character.len();
        let name = format!("{first}{}", character.repeat(count));
        // Up to the last byte.
        let rest = 255 - name.len();
        name + &"x".repeat(rest)
    };
    let names = ["", "a", "ab", "abc"].into_iter().flat_map(|first| {
        ["é", "€", "𝄞"].into_iter().map(move |character| longest(first, character))
    });
    for name in names {
        assert_eq!(name.len(), 255);
        let sandbox = Sandbox::new();
        let fifo = make_fifo(&sandbox, "pipe");
        let writer = write_fifo(&fifo);
        let running = sandbox.run(["pipe", &name]).start();
        wait_until("there is a temporary", || !sandbox.leftovers().is_empty());
        running.kill();
        running.end();
        for left in sandbox.leftovers() {
            assert!(left.len() <= 255, "{left:?}");
            assert!(left.to_str().is_some(), "not UTF-8: {left:?}");
        }
        drop(writer);
        sandbox.write("source", b"whole");
        let ended = sandbox.mycp(["source", &name]).good();
        assert_same_bytes(&sandbox.read(&name), b"whole", &ended.description);
        sandbox.assert_tidy(&ended.description);
    }
}

/// Nothing kept a second run from writing into the target that the first was writing into: both
/// succeeded, and the target had some of each.
#[test]
fn two_runs_in_place_leave_no_mixture_in_silence() {
    const PART: usize = 300_000;
    for option in ["--in-place", "--sparse=auto"] {
        let sandbox = Sandbox::new();
        let (first, second) = (content(107, 2 * PART), content(108, 2 * PART));
        let mut writer = write_fifo(&make_fifo(&sandbox, "pipe"));
        sandbox.write("second", &second);
        sandbox.write("target", &content(109, PART));
        if option != "--in-place" {
            // Then it is written in place without being asked.
            std::fs::hard_link(sandbox.path("target"), sandbox.path("other")).unwrap();
        }
        let one = sandbox.run([option, "pipe", "target"]).start();
        writer.write_all(&first[..PART]).unwrap();
        let begun = || sandbox.read("target").starts_with(&first[..PART / 2]);
        wait_until("the first run writes", begun);
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| sandbox.mycp([option, "second", "target"]));
            // One that waits for the first to end is right as well.
            let limit = Instant::now() + Duration::from_secs(1);
            while !other.is_finished() && Instant::now() < limit {
                std::thread::sleep(Duration::from_millis(5));
            }
            writer.write_all(&first[PART..]).unwrap();
            drop(writer);
            (one.end(), other.join().unwrap())
        });
        for ended in [&one, &other] {
            assert!(ended.is_good() || ended.errors.contains("target'"), "{ended}");
        }
        let seen = sandbox.read("target");
        if one.is_good() && other.is_good() {
            assert!(seen == first || seen == second, "a mixture: {one}\n{other}");
        } else {
            // Who failed has failed before it wrote anything.
            assert!(one.is_good() || other.is_good(), "neither is done: {one}\n{other}");
            let expected = if one.is_good() { &first } else { &second };
            assert_same_bytes(&seen, expected, &format!("{one}\n{other}"));
        }
    }
}

/// The program started this many times for one target, each with a temporary and none with
/// content: they wait for the FIFO.
fn waiting_runs(sandbox: &Sandbox, fifo: &str, count: usize) -> Vec<Running> {
    let before = sandbox.leftovers().len();
    let runs = (0..count).map(|_| sandbox.run([fifo, "target"]).start()).collect();
    wait_until("each has a temporary", || sandbox.leftovers().len() == before + count);
    runs
}

/// Leftovers were looked for up to the fourth number in a row that none had: those behind such a
/// gap, which many concurrent runs make, stayed for ever.
#[test]
fn leftovers_of_many_concurrent_runs_are_all_removed_by_the_next_good_one() {
    const HALF: usize = 12;
    let mut chance = Chance::new("leftovers of many runs");
    for killed_first in [false, true] {
        let sandbox = Sandbox::new();
        sandbox.write("target", b"old");
        let writer = write_fifo(&make_fifo(&sandbox, "good"));
        let _never_written = write_fifo(&make_fifo(&sandbox, "bad"));
        let good = waiting_runs(&sandbox, "good", HALF);
        let mut bad = waiting_runs(&sandbox, "bad", HALF);
        let mut kill_all = || {
            while !bad.is_empty() {
                let running = bad.swap_remove(chance.below(bad.len() as u64) as usize);
                running.kill();
                assert_eq!(running.end().status.code(), None);
            }
        };
        if killed_first {
            kill_all();
        }
        drop(writer);
        for running in good {
            running.end().good();
        }
        if !killed_first {
            kill_all();
        }
        let whole = content(110, 100_000);
        sandbox.write("source", &whole);
        let ended = sandbox.mycp(["source", "target"]).good();
        assert_same_bytes(&sandbox.read("target"), &whole, &ended.description);
        sandbox.assert_tidy(&ended.description);
    }
}

/// Something that changes a file's change time, and not its content.
type Touch = fn(&Sandbox);

const TOUCHES: [(&str, Touch); 4] = [
    ("chmod", |sandbox| {
        let mode = sandbox.metadata("source").mode() ^ 0o022;
        set_mode(&sandbox.path("source"), mode & 0o7777);
    }),
    ("touch -a", |sandbox| {
        let times = std::fs::FileTimes::new().set_accessed(std::time::SystemTime::now());
        File::open(sandbox.path("source")).unwrap().set_times(times).unwrap();
    }),
    ("ln", |sandbox| {
        drop(std::fs::remove_file(sandbox.path("link")));
        std::fs::hard_link(sandbox.path("source"), sandbox.path("link")).unwrap();
    }),
    ("setfattr", |sandbox| {
        let value = sandbox.metadata("source").ctime_nsec().to_le_bytes();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(sandbox.path("source"), "user.touched", &value, flags).unwrap();
    }),
];

/// The change time counted as a change of content: a backup program that linked the source, or a
/// chmod, had it copied again; two of them failed the copy, and a pipe got it twice.
#[test]
#[ignore = "needs strace"]
fn what_leaves_content_and_modification_time_alone_is_no_change() {
    let bytes = content(111, LEN);
    for (name, touch) in TOUCHES {
        let sandbox = Sandbox::new();
        sandbox.write("source", &bytes);
        let dammed = Dammed::new(&sandbox, Dam::Pipe, &[], "source");
        touch(&sandbox);
        let (ended, received) = dammed.drain();
        assert_same_bytes(&received, &bytes, &format!("{name}, {ended}"));
        assert_eq!(ended.good().errors, "", "{name}");
        // Again and again, so that each attempt at the copy meets some.
        let done = AtomicBool::new(false);
        let ended = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    touch(&sandbox);
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            let ended = held(&sandbox, &["source", "target"]).end();
            done.store(true, Ordering::Relaxed);
            ended
        });
        assert_eq!(ended.errors, "", "{name}: {ended}");
        assert_same_bytes(&sandbox.read("target"), &bytes, &ended.good().description);
    }
}

/// Rewrites the source, and gives it the modification time that it had.
fn rewrite_in_secret(source: &Path) {
    let file = File::options().write(true).open(source).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    Meddling::Rewritten.meddle(source);
    file.set_modified(modified).unwrap();
    assert_eq!(file.metadata().unwrap().modified().unwrap(), modified);
}

/// What the mending of the story before must not forget: only the change time tells of this.
#[test]
#[ignore = "needs strace"]
fn a_rewrite_with_the_old_time_put_back_is_noticed() {
    let (old, new) = (content(102, LEN), content(103, LEN));
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        let source = sandbox.write("source", &old);
        let engine = format!("--engine={engine}");
        let arguments = [&*engine, "source", "target"];
        let ended = held_and_meddled(&sandbox, &arguments, || rewrite_in_secret(&source));
        let ended = ended.orderly();
        if ended.is_good() {
            let seen = sandbox.read("target");
            assert!(seen == old || seen == new, "a mixture: {ended}");
        } else {
            assert!(!sandbox.path("target").exists(), "{ended}");
        }
        sandbox.assert_tidy(&ended.description);
    }
    let sandbox = Sandbox::new();
    let source = sandbox.write("source", &old);
    let dammed = Dammed::new(&sandbox, Dam::Pipe, &[], "source");
    rewrite_in_secret(&source);
    let (ended, received) = dammed.drain();
    Meddling::Rewritten.assert_one_attempt(&received, &ended);
    ended.failed().says("source'").says("changed");
}

/// What has the name of a temporary, and was put there by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    SymbolicLink,
    DanglingLink,
    Fifo,
    Directory,
    HardLink,
    LockedFile,
}

impl Obstacle {
    const ALL: [Self; 6] = [
        Self::SymbolicLink,
        Self::DanglingLink,
        Self::Fifo,
        Self::Directory,
        Self::HardLink,
        Self::LockedFile,
    ];

    /// Puts it there; what is returned has to be kept.
    fn put(self, sandbox: &Sandbox, name: &str) -> Option<File> {
        match self {
            Self::SymbolicLink => sandbox.symlink("precious", name),
            Self::DanglingLink => sandbox.symlink("nothing", name),
            Self::Fifo => drop(make_fifo(sandbox, name)),
            Self::Directory => {
                sandbox.directory(name);
                sandbox.write(format!("{name}/inside"), b"inside");
            }
            Self::HardLink => {
                std::fs::hard_link(sandbox.path("precious"), sandbox.path(name)).unwrap();
            }
            Self::LockedFile => {
                let file = File::open(sandbox.write(name, b"locked")).unwrap();
                rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
                return Some(file);
            }
        }
        None
    }

    #[track_caller]
    fn assert_unharmed(self, sandbox: &Sandbox, name: &str, ended: &Ended) {
        assert_same_bytes(&sandbox.read("precious"), b"precious", &format!("{self:?}, {ended}"));
        assert_eq!(sandbox.metadata("precious").mode() & 0o7777, 0o640, "{self:?}: {ended}");
        assert!(!sandbox.path("nothing").exists(), "{self:?}: {ended}");
        match self {
            Self::Directory => {
                assert_same_bytes(&sandbox.read(format!("{name}/inside")), b"inside", "inside");
            }
            Self::LockedFile => assert_same_bytes(&sandbox.read(name), b"locked", "locked"),
            _ => {}
        }
    }
}

/// The next run opens, locks and removes what killed ones left, by the name alone: so it has to
/// look what it is.
#[test]
fn what_has_a_temporarys_name_and_is_none_is_not_harmed() {
    let ways = [
        &["a", "b"] as &[&str],
        &["--backup=simple", "a", "b"],
        &["--remove-destination", "a", "b"],
        &["--preserve=all", "--flush=sync", "a", "b"],
        &["--preserve=links", "a", "linked/b", "-t", "."],
    ];
    for obstacle in Obstacle::ALL {
        for name in [".b.mycp-000000", ".b.mycp-000001", ".b.mycp-000000~"] {
            for way in ways {
                let sandbox = Sandbox::new();
                sandbox.write("precious", b"precious");
                set_mode(&sandbox.path("precious"), 0o640);
                sandbox.directory("linked");
                sandbox.directory("linked/a");
                sandbox.write("a", b"new");
                sandbox.write("b", b"old");
                sandbox.write("b~", b"older");
                std::fs::hard_link(sandbox.path("a"), sandbox.path("linked/b")).unwrap();
                let _held = obstacle.put(&sandbox, name);
                let ended = sandbox.mycp(way).orderly();
                obstacle.assert_unharmed(&sandbox, name, &ended);
                let copied = way.contains(&"-t") || ended.is_good();
                let expected: &[u8] = if copied { b"new" } else { b"old" };
                assert_same_bytes(&sandbox.read("b"), expected, &format!("{obstacle:?}, {ended}"));
            }
        }
    }
}

/// What `-f` is for: opening such a target fails, and putting another file in its place does not.
#[test]
#[ignore = "needs root: takes another user's part"]
fn force_replaces_a_target_that_may_not_be_opened() {
    for (owner, mode) in [(0, 0o600), (0, 0o444), (NOBODY, 0o400), (NOBODY, 0o000)] {
        for options in [&["-f"] as &[&str], &["-f", "-b"], &["-f", "--preserve=mode,timestamps"]] {
            let sandbox = Sandbox::new();
            sandbox.write("source", b"new");
            set_mode(&sandbox.directory("d"), 0o777);
            let target = sandbox.write("d/target", b"old");
            set_mode(&target, mode);
            std::os::unix::fs::chown(&target, Some(owner), Some(owner)).unwrap();
            let before = inode(&sandbox, "d/target");
            let arguments = options.iter().copied().chain(["source", "d/target"]);
            let ended = sandbox.run(arguments).by_nobody().end().good();
            assert_same_bytes(&sandbox.read("d/target"), b"new", &ended.description);
            assert_ne!(inode(&sandbox, "d/target"), before, "{ended}");
            let left = leftovers(&sandbox.path("d"));
            assert!(left.is_empty(), "left behind {left:?}: {ended}");
        }
    }
}

/// The JSON of a failure had the attribute's name as its cause, and what was wrong with it nowhere.
#[test]
#[ignore = "needs FUSE"]
fn the_json_of_a_failed_attribute_names_attribute_and_cause() {
    // It knows no extended attributes at all.
    let mount = FaultyFileSystem::new(&[], Faults::default());
    let sandbox = Sandbox::new();
    let source = sandbox.write("source", b"content");
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&source, "user.mine", b"value", flags).unwrap();
    let target: OsString = mount.path("target").into();
    let arguments = ["--json".as_ref(), "--preserve=xattr".as_ref(), source.as_os_str(), &target];
    let ended = sandbox.mycp(arguments).orderly();
    assert!(!ended.is_good(), "{ended}");
    let line: serde_json::Value = serde_json::from_slice(&ended.output).unwrap();
    assert_eq!(line["event"], "failed", "{ended}");
    assert_eq!(line["os_error"], rustix::io::Errno::OPNOTSUPP.raw_os_error(), "{ended}");
    let text = line.to_string();
    for words in ["user.mine", "not supported"] {
        assert!(text.contains(words), "{words:?} is missing: {ended}");
    }
}
