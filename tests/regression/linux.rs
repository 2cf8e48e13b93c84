//! Those of them that need FIFOs, strace, file systems that are mounted, or permission bits.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::support::ENGINES;
use crate::support::fuse::{Faults, FaultyFileSystem};
use crate::support::mounts::{LoopDevice, Mounts};
use crate::support::unix::NOBODY;

/// The system calls behind each of which a held copy pauses: the target is there, and not whole.
const HELD: &str = "ftruncate,fallocate,write,pwrite64,copy_file_range,sendfile,splice";

pub(super) fn make_fifo(sandbox: &Sandbox, name: &str) -> PathBuf {
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.path(name), mode).unwrap();
    sandbox.path(name)
}

/// The reading end of a FIFO; it waits for nobody until [`wait_until_full`] has seen something.
fn read_fifo(path: &Path) -> File {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).unwrap().into()
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

impl Dammed {
    /// As [`Dammed::by_pipe`], to a FIFO.
    fn by_fifo(sandbox: &Sandbox, options: &[&str], source: &str) -> Self {
        drop(std::fs::remove_file(sandbox.path("fifo")));
        let fifo = read_fifo(&make_fifo(sandbox, "fifo"));
        let running = sandbox.run(options.iter().copied().chain([source, "fifo"])).start();
        wait_until_full(|| rustix::io::ioctl_fionread(&fifo).unwrap());
        // From now on reading waits.
        rustix::fs::fcntl_setfl(&fifo, rustix::fs::OFlags::empty()).unwrap();
        Self { running, pipe: Box::new(fifo) }
    }
}

#[test]
fn a_source_that_changes_on_its_way_into_a_fifo_is_not_sent_twice() {
    assert_not_sent_twice(Dammed::by_fifo);
}

#[test]
fn a_source_that_grows_on_its_way_into_a_fifo_is_sent_once_with_a_warning() {
    assert_sent_once_with_a_warning(Dammed::by_fifo);
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
    let dammed = Dammed::by_pipe(&sandbox, &[], device.path.to_str().unwrap());
    File::options().write(true).open(&image).unwrap().set_len(3 << 20).unwrap();
    let status = Command::new("losetup").arg("--set-capacity").arg(&device.path).status();
    assert!(status.unwrap().success());
    let (ended, received) = dammed.drain();
    let ended = ended.failed();
    assert!(bytes.starts_with(&received), "not a beginning of the device: {ended}");
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

/// The comparison took standard output's file from its begin, not from where it had stood.
#[test]
#[ignore = "needs strace"]
fn a_source_that_grows_on_its_way_into_an_open_file_is_stored_once_and_told() {
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

/// And with a FIFO as first target there was no copy at all.
#[test]
fn a_target_does_not_become_a_link_to_a_fifo() {
    let sandbox = linked_pair();
    let mut fifo = read_fifo(&make_fifo(&sandbox, "T/a"));
    let running = sandbox.run(["--preserve=links", "a", "b", "T"]).start();
    wait_until_full(|| rustix::io::ioctl_fionread(&fifo).unwrap());
    rustix::fs::fcntl_setfl(&fifo, rustix::fs::OFlags::empty()).unwrap();
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

/// The same where each has read the directory before any has made a backup.
#[test]
#[ignore = "needs strace"]
fn numbered_backups_of_runs_that_found_one_number_free_keep_every_version() {
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
        let dammed = Dammed::by_pipe(&sandbox, &["--on-change=warn"], "source");
        meddling.meddle(&source);
        let (ended, received) = dammed.drain();
        meddling.assert_one_attempt(&received, &ended);
        ended.orderly().says("source'");
    }
}

/// A target that is written in place loses its privileges, because it gets other content. With
/// `--attributes-only` it gets none, and lost them all the same.
#[test]
fn attributes_only_keeps_the_setuid_bit_and_every_byte() {
    for mode in [0o4755, 0o2755, 0o6711] {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"other");
        let target = sandbox.write("b", b"program");
        chmod(&target, mode);
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

const SETFATTR: (&str, Touch) = ("setfattr", |sandbox| {
    let value = sandbox.metadata("source").ctime_nsec().to_le_bytes();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(sandbox.path("source"), "user.touched", &value, flags).unwrap();
});

/// Again and again, so that each attempt at the copy meets some.
#[test]
#[ignore = "needs strace"]
fn what_leaves_content_and_modification_time_alone_is_no_change() {
    let bytes = content(111, LEN);
    assert_no_change_for_a_pipe(SETFATTR.0, SETFATTR.1);
    for (name, touch) in TOUCHES.into_iter().chain([SETFATTR]) {
        let sandbox = Sandbox::new();
        sandbox.write("source", &bytes);
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
}

/// What `-f` is for: opening such a target fails, and putting another file in its place does not.
#[test]
#[ignore = "needs root: takes another user's part"]
fn force_replaces_a_target_that_may_not_be_opened() {
    for (owner, mode) in [(0, 0o600), (0, 0o444), (NOBODY, 0o400), (NOBODY, 0o000)] {
        for options in [&["-f"] as &[&str], &["-f", "-b"], &["-f", "--preserve=mode,timestamps"]] {
            let sandbox = Sandbox::new();
            sandbox.write("source", b"new");
            chmod(&sandbox.directory("d"), 0o777);
            let target = sandbox.write("d/target", b"old");
            chmod(&target, mode);
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
