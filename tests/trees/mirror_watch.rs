//! `--mirror --watch`: the target follows what changes in the source, whatever that is, and nothing
//! is done when nothing changes.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use super::make;
use super::mirror::{Changing, kept};
use crate::support::everything::set_attribute;
use crate::support::files::{chmod, stamp};
use crate::support::mounts::{Kind, Mounts};
use crate::support::sandbox::Running;
use crate::support::snapshot::Snapshot;
use crate::support::{Chance, Ended, Run, Sandbox, content, scaled};

/// No test needs as long.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// A mirror that goes on; ended with the test.
struct Watching<'a> {
    sandbox: &'a Sandbox,
    running: Option<Running>,
}

impl<'a> Watching<'a> {
    /// One whose first mirror is done.
    fn begin(sandbox: &'a Sandbox, more: &[&str]) -> Self {
        let watching = Self::start(sandbox, Self::run(sandbox, more));
        watching.converges("at the begin");
        watching
    }

    fn run(sandbox: &Sandbox, more: &[&str]) -> Run {
        let words = ["--mirror", "--watch", "--json"].iter().chain(more).chain(&["s", "t"]);
        let run = sandbox.run(words).time_limit(TIME_LIMIT);
        run.output_file(File::create(sandbox.path("told")).unwrap())
            .errors_file(File::create(sandbox.path("errors")).unwrap())
    }

    fn start(sandbox: &'a Sandbox, run: Run) -> Self {
        Self { sandbox, running: Some(run.start()) }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.sandbox.path("errors")).unwrap()
    }

    /// The lines of its mirrors' ends.
    fn summaries(&self) -> Vec<String> {
        let told = fs::read_to_string(self.sandbox.path("told")).unwrap();
        let is_summary = |line: &&str| line.starts_with("{\"event\":\"summary\"");
        told.lines().filter(is_summary).map(str::to_owned).collect()
    }

    /// Waits until the target equals the source.
    #[track_caller]
    fn converges(&self, what: &str) {
        let check = || {
            let situation = format!("{what}; errors: {}", self.errors());
            let trees = ["t", "s"].map(|name| kept(&self.sandbox.path(name)));
            trees[0].assert_copy(&trees[1], &situation);
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        // What is looked at may go away meanwhile, which fails, too.
        while catch_unwind(AssertUnwindSafe(check)).is_err() {
            if Instant::now() > deadline {
                return check();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[track_caller]
    fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let started = Instant::now();
        while !is_so() {
            let errors = self.errors();
            assert!(started.elapsed() < Duration::from_secs(20), "never: {what}; errors: {errors}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end of the mirror of what has changed.
    #[track_caller]
    fn wait_for_batch(&self, before: usize) {
        self.wait_until("another batch", || self.summaries().len() > before);
    }

    fn end(mut self, signal: Signal) -> Ended {
        let running = self.running.take().unwrap();
        running.signal(signal);
        running.end()
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }
}

fn source(sandbox: &Sandbox) {
    make(sandbox, &["s/a", "s/b", "s/d/c", "s/d/e/f", "s/x/y/z/deep", "s/empty/"]);
    symlink("a", sandbox.path("s/link")).unwrap();
    stamp(&sandbox.path("s"));
}

#[test]
fn each_kind_of_change_is_followed() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    sandbox.directory("out");
    make(&sandbox, &["elsewhere/in/1", "elsewhere/2"]);
    let watching = Watching::begin(&sandbox, &[]);
    let path = |name: &str| sandbox.path(name);
    let rename = |from: &str, to: &str| fs::rename(path(from), path(to)).unwrap();
    let step = |what: &str, change: &dyn Fn()| {
        change();
        watching.converges(what);
    };
    step("content", &|| drop(sandbox.write("s/d/e/f", b"other")));
    step("a new file", &|| drop(sandbox.write("s/x/y/new", b"new")));
    step("a deep directory at once", &|| make(&sandbox, &["s/n/1/2/3/4/f", "s/n/1/g"]));
    step("in what was new", &|| drop(sandbox.write("s/n/1/2/3/h", b"later")));
    step("a file is renamed", &|| rename("s/a", "s/d/a"));
    step("a file takes the place of another", &|| rename("s/d/a", "s/d/c"));
    step("a directory is renamed", &|| rename("s/n/1", "s/d/one"));
    step("in what was renamed", &|| drop(sandbox.write("s/d/one/2/3/4/f", b"f")));
    step("a directory comes in", &|| rename("elsewhere", "s/d/came"));
    step("in what came in", &|| drop(sandbox.write("s/d/came/in/3", b"3")));
    step("a directory goes out", &|| rename("s/d/one", "out/one"));
    step("in what went out", &|| {
        sandbox.write("out/one/g", b"nobody's");
        sandbox.write("s/b", b"somebody's");
    });
    step("a name is another directory's", &|| {
        rename("s/d/came", "s/d/went");
        make(&sandbox, &["s/d/came/in/1"]);
    });
    step("in what has the name now", &|| drop(sandbox.write("s/d/came/in/1", b"1")));
    step("deletion", &|| fs::remove_dir_all(path("s/x")).unwrap());
    step("the mode of a file", &|| chmod(&path("s/b"), 0o600));
    step("the mode of a directory", &|| chmod(&path("s/empty"), 0o700));
    step("the mode of the source", &|| chmod(&path("s"), 0o750));
    step("an attribute", &|| set_attribute(&path("s/b"), "user.test", b"value"));
    step("a time", &|| stamp(&path("s/d/e")));
    step("a hard link", &|| fs::hard_link(path("s/b"), path("s/d/e/link")).unwrap());
    step("content of both names", &|| drop(sandbox.write("s/d/e/link", b"both")));
    step("a hard link is broken, with equal content", &|| {
        let modified = sandbox.metadata("s/b").modified().unwrap();
        fs::remove_file(path("s/d/e/link")).unwrap();
        sandbox.write("s/d/e/link", &sandbox.read("s/b"));
        set_attribute(&path("s/d/e/link"), "user.test", b"value");
        chmod(&path("s/d/e/link"), 0o600);
        File::open(path("s/d/e/link")).unwrap().set_modified(modified).unwrap();
    });
    step("the text of a link", &|| {
        fs::remove_file(path("s/link")).unwrap();
        symlink("elsewhere", path("s/link")).unwrap();
    });
    step("a file becomes a directory", &|| {
        fs::remove_file(path("s/link")).unwrap();
        make(&sandbox, &["s/link/f"]);
    });
    step("a directory becomes a file", &|| {
        fs::remove_dir_all(path("s/link")).unwrap();
        sandbox.write("s/link", b"file");
    });
    let errors = watching.errors();
    assert_eq!(errors, "");
    let ended = watching.end(Signal::TERM);
    assert_eq!(ended.status.signal(), Some(libc::SIGTERM), "{ended}");
}

/// What has not changed is not looked at: not what others have done to the target there.
#[test]
fn only_what_changes_is_looked_at() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    make(&sandbox, &["s/d/e/beside/f"]);
    let watching = Watching::begin(&sandbox, &[]);
    make(&sandbox, &["t/x/extra", "t/extra", "t/d/e/extra", "t/d/e/beside/extra"]);
    let modified = |name: &str| sandbox.metadata(name).modified().unwrap();
    let before = ["t", "t/x", "t/d"].map(modified);
    let count = watching.summaries().len();
    sandbox.write("s/d/e/f", b"other");
    watching.wait_for_batch(count);
    watching.wait_until("the content", || sandbox.read("t/d/e/f") == b"other");
    watching.wait_until("deletion", || !sandbox.path("t/d/e/extra").exists());
    for name in ["t/x/extra", "t/extra", "t/d/e/beside/extra"] {
        assert!(sandbox.path(name).exists(), "{name} was looked at");
    }
    assert_eq!(["t", "t/x", "t/d"].map(modified), before);
    let last = watching.summaries().pop().unwrap();
    assert!(last.contains("\"directories\":1,"), "{last}");
    // What the target lacks on the way is made by a mirror of all.
    fs::remove_dir_all(sandbox.path("t/d")).unwrap();
    sandbox.write("s/d/e/f", b"once more");
    watching.converges("a mirror of all");
}

#[test]
fn hundreds_of_random_changes_are_followed() {
    let mut chance = Chance::new("watch");
    for _ in 0..scaled(2) {
        let sandbox = Sandbox::new();
        let mut tree = Changing::new(sandbox.path("s"), Chance::from_seed(chance.next()));
        for _ in 0..30 {
            tree.make();
        }
        let threads = *chance.pick(&["-j1", "-j4"]);
        let watching = Watching::begin(&sandbox, &["--allow-empty", threads]);
        for round in 0..8 {
            for _ in 0..8 {
                tree.mutate();
                std::thread::sleep(chance.shorter_than(Duration::from_millis(60)));
            }
            watching.converges(&format!("round {round}"));
        }
        assert!(watching.summaries().len() > 8, "{:?}", watching.summaries());
    }
}

/// Directories that are moved around while their new places are made.
#[test]
fn directories_that_move_are_still_watched() {
    let mut chance = Chance::new("moves");
    let sandbox = Sandbox::new();
    for index in 0..6 {
        make(&sandbox, &[&format!("s/n{index}/sub/f"), &format!("s/n{index}/g")]);
    }
    let watching = Watching::begin(&sandbox, &[]);
    let mut places: Vec<_> = (0..6).map(|index| format!("s/n{index}")).collect();
    for round in 0..scaled(3) {
        let started = Instant::now();
        let mut step = 0;
        // Longer than a batch takes to be full.
        while started.elapsed() < Duration::from_millis(2500) {
            let index = chance.below(6) as usize;
            let above = format!("s/m{round}-{step}");
            sandbox.directory(&above);
            let to = format!("{above}/n{index}");
            fs::rename(sandbox.path(&places[index]), sandbox.path(&to)).unwrap();
            places[index] = to;
            std::thread::sleep(chance.shorter_than(Duration::from_millis(2)));
            step += 1;
        }
        watching.converges("moved");
        for place in &places {
            sandbox.write(format!("{place}/sub/f"), format!("round {round}").as_bytes());
        }
        watching.converges("changed where they are now");
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

#[test]
fn a_source_that_goes_and_comes_back_is_watched_again() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    make(&sandbox, &["above/"]);
    let watching = Watching::begin(&sandbox, &[]);
    for how in ["deleted", "renamed", "replaced"] {
        let before = Snapshot::of(&sandbox.path("t"));
        match how {
            "deleted" => fs::remove_dir_all(sandbox.path("s")).unwrap(),
            _ => fs::rename(sandbox.path("s"), sandbox.path(how)).unwrap(),
        }
        if how != "replaced" {
            let said = || watching.errors().contains("'s': No such file or directory");
            watching.wait_until("it says so", said);
            Snapshot::of(&sandbox.path("t")).assert_contents(&before, how);
        }
        let errors = watching.errors();
        assert!(errors.lines().count() < 20, "errors flood: {errors}");
        make(&sandbox, &["s/again/f", &format!("s/{how}")]);
        watching.converges(how);
        sandbox.write("s/again/f", how.as_bytes());
        watching.converges(&format!("{how}, and changed"));
        fs::write(sandbox.path("errors"), "").unwrap();
    }
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

/// Seconds of the processor that it has used.
fn processor_time(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / rustix::param::clock_ticks_per_second() as f64
}

#[test]
fn nothing_is_done_while_nothing_changes() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    let watching = Watching::begin(&sandbox, &["--compare=content"]);
    sandbox.write("s/b", b"some change");
    watching.converges("a change");
    std::thread::sleep(Duration::from_millis(500));
    let (count, before) = (watching.summaries().len(), processor_time(watching.running().id()));
    std::thread::sleep(Duration::from_secs(2));
    let used = processor_time(watching.running().id()) - before;
    assert!(used < 0.1, "{used} s of 2 s");
    // Nor when somebody reads.
    Snapshot::of(&sandbox.path("s"));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(watching.summaries().len(), count);
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
fn what_may_be_deleted_is_counted_for_each_batch() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    make(&sandbox, &["s/g/1", "s/g/2", "s/g/3", "s/g/4"]);
    let watching = Watching::begin(&sandbox, &["--max-delete=1"]);
    for name in ["s/g/1", "s/g/2"] {
        fs::remove_file(sandbox.path(name)).unwrap();
        watching.converges(name);
    }
    fs::remove_file(sandbox.path("s/g/3")).unwrap();
    fs::remove_file(sandbox.path("s/g/4")).unwrap();
    sandbox.write("s/a", b"changed");
    let said = || watching.errors().matches("2 of at most 1 names").count();
    watching.wait_until("it refuses", || said() > 1);
    assert!(sandbox.path("t/g/3").exists() && sandbox.path("t/g/4").exists());
    assert_eq!(sandbox.read("t/a"), b"changed");
    // A delay comes between two attempts.
    std::thread::sleep(Duration::from_secs(1));
    assert!(said() < 5, "{}", watching.errors());
    make(&sandbox, &["s/g/3", "s/g/4"]);
    watching.converges("they are back");
}

#[test]
fn what_is_left_out_is_neither_copied_nor_deleted_nor_worth_a_batch() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    make(&sandbox, &["s/cache/1", "s/d/no.o", "t/d/own.o", "t/cache/own"]);
    let patterns = ["--exclude=*.o", "--exclude=/cache/"];
    let watching = Watching::start(&sandbox, Watching::run(&sandbox, &patterns));
    watching.wait_for_batch(0);
    std::thread::sleep(Duration::from_millis(400));
    let count = watching.summaries().len();
    make(&sandbox, &["s/cache/2", "s/cache/new/3", "s/d/no.o", "s/d/other.o"]);
    std::thread::sleep(Duration::from_millis(600));
    // The times of the directories have changed, of which nobody is told.
    assert_eq!(watching.summaries().len(), count);
    sandbox.write("s/d/c", b"changed");
    fs::remove_file(sandbox.path("s/d/no.o")).unwrap();
    sandbox.write("s/b", b"changed");
    watching.wait_until("both", || {
        sandbox.read("t/d/c") == b"changed" && sandbox.read("t/b") == b"changed"
    });
    std::thread::sleep(Duration::from_millis(300));
    for (name, is_there) in [
        ("t/d/own.o", true),
        ("t/cache/own", true),
        ("t/cache/2", false),
        ("t/cache/new", false),
        ("t/d/no.o", false),
        ("t/d/other.o", false),
    ] {
        assert_eq!(sandbox.path(name).exists(), is_there, "{name}: {}", watching.errors());
    }
}

#[test]
fn what_fails_is_tried_again_and_nothing_is_deleted_meanwhile() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    let watching = Watching::begin(&sandbox, &[]);
    // Something that can be no mirror's target.
    fs::rename(sandbox.path("t"), sandbox.path("kept")).unwrap();
    sandbox.write("t", b"a file");
    fs::remove_file(sandbox.path("s/d/c")).unwrap();
    watching.wait_until("it fails twice", || watching.errors().matches("'t'").count() > 1);
    assert!(sandbox.path("kept/d/c").exists());
    fs::remove_file(sandbox.path("t")).unwrap();
    fs::rename(sandbox.path("kept"), sandbox.path("t")).unwrap();
    watching.converges("it can be done again");
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
    sandbox.mycp(["--mirror", "--watch", "nothing", "t"]).failed().says("cannot watch 'nothing'");
    sandbox.mycp(["--mirror", "--watch", "s", "s/t"]).failed().says("into itself");
    assert!(!sandbox.path("t").exists() && !sandbox.path("s/t").exists());
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
