//! Signals, terminals, mounts, and the limits of inotify(7).

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use super::{TIME_LIMIT, Watching, make, source};
use crate::support::mounts::{Kind, Mounts};
use crate::support::snapshot::Snapshot;
use crate::support::{Chance, Ended, Run, Sandbox, content, scaled};

impl Watching<'_> {
    fn end(mut self, signal: Signal) -> Ended {
        let running = self.running.take().unwrap();
        running.signal(signal);
        running.end()
    }
}

/// With more changes than the system keeps, the last of them are not told.
#[test]
fn lost_events_are_made_up_for() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let sandbox = Sandbox::new();
    source(&sandbox);
    let watching = Watching::begin(&sandbox, &[]);
    watching.running().signal(Signal::STOP);
    // Two names in turns: equal events that follow each other are told once.
    for _ in 0..limit {
        for name in ["s/b", "s/d/c"] {
            drop(File::open(sandbox.path(name)).unwrap());
        }
    }
    sandbox.write("s/x/y/z/deep", b"changed after that");
    make(&sandbox, &["s/x/y/more/f"]);
    watching.running().signal(Signal::CONT);
    watching.converges("what was lost");
    sandbox.write("s/x/y/more/f", b"watched again");
    watching.converges("what comes after");
}

/// A directory above the source that is renamed is not told of.
#[test]
fn another_source_of_that_name_is_noticed() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["up/s/a"]);
    symlink("up/s", sandbox.path("s")).unwrap();
    let words = ["--mirror", "--watch", "up/s", "t"];
    let run = sandbox.run(words).errors_file(File::create(sandbox.path("errors")).unwrap());
    let watching = Watching::start(&sandbox, run.time_limit(TIME_LIMIT));
    watching.converges("at the begin");
    fs::rename(sandbox.path("up"), sandbox.path("gone")).unwrap();
    make(&sandbox, &["up/s/b"]);
    watching.converges("another one");
}

#[test]
fn a_signal_ends_it_and_leaves_no_temporaries() {
    let mut chance = Chance::new("watch and stop");
    for round in 0..scaled(6) {
        let sandbox = Sandbox::new();
        source(&sandbox);
        let watching = Watching::begin(&sandbox, &["--flush"]);
        if round % 3 > 0 {
            for index in 0..20 {
                sandbox.write(format!("s/d/large{index}"), &content(index, 4 << 20));
            }
            make(&sandbox, &["s/new/1/2"]);
            std::thread::sleep(chance.shorter_than(Duration::from_millis(400)));
        }
        let signal = *chance.pick(&[Signal::INT, Signal::TERM]);
        let sent = Instant::now();
        let ended = watching.end(signal);
        assert_eq!(ended.status.signal(), Some(signal.as_raw()), "{ended}");
        assert!(sent.elapsed() < Duration::from_secs(10), "{ended}");
        let left = Snapshot::of(&sandbox.path("t")).leftovers();
        assert!(left.is_empty(), "{left:?}: {ended}");
        sandbox.assert_tidy(&ended.description);
    }
}

#[test]
fn where_it_cannot_watch_nothing_is_done() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    let limited = |limit: &str| {
        let script = format!("echo {limit} && exec \"$@\"");
        let unshare = ["unshare", "-Ur", "sh", "-c", &script, "sh"].map(std::ffi::OsStr::new);
        Run::through(&unshare, sandbox.root(), ["--mirror", "--watch", "s", "t"]).end()
    };
    for (limit, name) in [
        ("3 > /proc/sys/user/max_inotify_watches", "fs.inotify.max_user_watches"),
        ("0 > /proc/sys/user/max_inotify_instances", "fs.inotify.max_user_instances"),
    ] {
        let ended = limited(limit).says("cannot watch 's");
        assert_eq!(ended.status.code(), Some(1), "{ended}");
        let ended = ended.says(name);
        assert!(!sandbox.path("t").exists(), "{ended}");
    }
}

/// Reads what is written on a terminal until that has `words` in it.
#[track_caller]
fn read_until(terminal: &mut File, words: &str) {
    let (mut seen, started) = (String::new(), Instant::now());
    while !seen.contains(words) {
        assert!(started.elapsed() < Duration::from_secs(20), "never {words:?}: {seen:?}");
        let mut ready = [PollFd::new(&*terminal, PollFlags::IN)];
        let moment = Timespec::try_from(Duration::from_millis(100)).unwrap();
        if rustix::event::poll(&mut ready, Some(&moment)).unwrap() == 0 {
            continue;
        }
        let mut bytes = [0; 4096];
        let len = terminal.read(&mut bytes).unwrap();
        seen += &String::from_utf8_lossy(&bytes[..len]);
    }
}

fn terminal() -> (File, File) {
    let (mut own, mut its) = (-1, -1);
    let size = libc::winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let null = std::ptr::null_mut();
    // SAFETY: the numbers and the size are valid for the call; a name and settings are not asked
    // for.
    let result = unsafe { libc::openpty(&mut own, &mut its, null, std::ptr::null(), &size) };
    assert_eq!(result, 0);
    // SAFETY: openpty has opened both, and nobody else owns them.
    let [own, its] = [own, its].map(|number| unsafe { File::from_raw_fd(number) });
    assert!(own.as_raw_fd() > 2);
    (own, its)
}

#[test]
fn a_line_of_status_is_on_the_terminal() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    let (mut screen, its) = terminal();
    fs::write(sandbox.path("errors"), "").unwrap();
    let wrapper = ["env", "TERM=xterm"].map(std::ffi::OsStr::new);
    let words = ["--mirror", "--watch", "-v", "s", "t"];
    let run = Run::through(&wrapper, sandbox.root(), words).errors_file(its);
    let watching = Watching::start(&sandbox, run.time_limit(TIME_LIMIT));
    read_until(&mut screen, "watching 's': no changes yet");
    sandbox.write("s/b", b"changed");
    read_until(&mut screen, "watching 's': 1 change in 1 batch, last 0 s ago");
    read_until(&mut screen, "last 1 s ago");
    watching.running().signal(Signal::USR1);
    read_until(&mut screen, "mycp: watching 's': 1 change in 1 batch");
    let ended = watching.end(Signal::INT);
    assert_eq!(ended.status.signal(), Some(libc::SIGINT), "{ended}");
    assert!(String::from_utf8_lossy(&ended.output).contains("'s/b' -> 't/b'"), "{ended}");
}

#[test]
fn elsewhere_there_is_no_line_of_status() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    for more in [&[][..], &["--progress=never"]] {
        let watching = Watching::begin(&sandbox, more);
        watching.wait_for_batch(0);
        watching.running().signal(Signal::USR1);
        let line = "mycp: watching 's': no changes yet\n";
        watching.wait_until("it tells", || watching.errors() == line);
    }
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn what_is_mounted_meanwhile_is_noticed_with_the_next_change() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Tmpfs, 8);
    let watching = Watching::begin(&sandbox, &[]);
    fs::write(disk.join("mounted"), b"mounted").unwrap();
    mounts.bind(&disk, &sandbox.path("s/empty"));
    sandbox.write("s/b", b"changed");
    watching.wait_until("it is mirrored", || sandbox.path("t/empty/mounted").exists());
    watching.converges("all of it");
    assert_ne!(sandbox.metadata("s").dev(), sandbox.metadata("s/empty").dev());
    assert!(Path::new(&disk).exists());
}
