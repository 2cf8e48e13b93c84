//! `--mirror --watch`: the target follows what changes in the source, whatever that is, and nothing
//! is done when nothing changes.

#[cfg(target_os = "linux")]
mod linux;

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::make;
use super::mirror::{Changing, kept};
#[cfg(target_os = "linux")]
use crate::support::everything::set_attribute;
use crate::support::files::{as_on_unix, chmod, stamp, symlink};
use crate::support::sandbox::Running;
use crate::support::snapshot::Snapshot;
use crate::support::{Chance, Run, Sandbox, scaled};
use crate::wine;

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

    /// What it has said but that owners are not kept, as none are on Windows.
    fn failures(&self) -> String {
        let errors = self.errors();
        let failures = errors.lines().filter(|line| cfg!(unix) || !line.contains("warning: "));
        failures.collect::<Vec<_>>().join("\n")
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
    link("a", &sandbox.path("s/link"));
    stamp(&sandbox.path("s"));
}

/// Makes a symbolic link; a file in Wine, which has none.
fn link(leads_to: &str, path: &Path) {
    if wine::lacks(wine::Lack::SymbolicLinks) {
        fs::write(path, leads_to).unwrap();
    } else {
        symlink(Path::new(leads_to), path).unwrap();
    }
}

#[test]
fn each_kind_of_change_is_followed() {
    if wine::cannot("trees::mirror_watch::each_kind_of_change_is_followed") {
        return;
    }
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
    for mode in [0o400, 0o600] {
        step("the mode of a file", &|| chmod(&path("s/b"), mode));
    }
    step("the mode of a directory", &|| chmod(&path("s/empty"), 0o700));
    step("the mode of the source", &|| chmod(&path("s"), 0o750));
    #[cfg(target_os = "linux")]
    step("an attribute", &|| set_attribute(&path("s/b"), "user.test", b"value"));
    step("a time", &|| stamp(&path("s/d/e")));
    step("a hard link", &|| fs::hard_link(path("s/b"), path("s/d/e/link")).unwrap());
    step("content of both names", &|| drop(sandbox.write("s/d/e/link", b"both")));
    step("a hard link is broken, with equal content", &|| {
        let modified = sandbox.metadata("s/b").modified().unwrap();
        fs::remove_file(path("s/d/e/link")).unwrap();
        sandbox.write("s/d/e/link", &sandbox.read("s/b"));
        #[cfg(target_os = "linux")]
        set_attribute(&path("s/d/e/link"), "user.test", b"value");
        chmod(&path("s/d/e/link"), 0o600);
        let file = File::options().write(true).open(path("s/d/e/link")).unwrap();
        file.set_modified(modified).unwrap();
    });
    step("the text of a link", &|| {
        fs::remove_file(path("s/link")).unwrap();
        link("elsewhere", &path("s/link"));
    });
    step("a file becomes a directory", &|| {
        fs::remove_file(path("s/link")).unwrap();
        make(&sandbox, &["s/link/f"]);
    });
    step("a directory becomes a file", &|| {
        fs::remove_dir_all(path("s/link")).unwrap();
        sandbox.write("s/link", b"file");
    });
    assert_eq!(watching.failures(), "");
}

/// Also in Wine, which is told of nothing in directories that were there before.
#[test]
fn what_is_new_is_followed() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/b"]);
    let watching = Watching::begin(&sandbox, &[]);
    let step = |what: &str, change: &dyn Fn()| {
        change();
        watching.converges(what);
    };
    step("content", &|| drop(sandbox.write("s/a", b"other")));
    step("a deep directory at once", &|| make(&sandbox, &["s/n/1/2/3/f", "s/n/1/g"]));
    step("in what was new", &|| drop(sandbox.write("s/n/1/2/3/h", b"later")));
    step("a file is renamed", &|| {
        fs::rename(sandbox.path("s/b"), sandbox.path("s/n/b")).unwrap();
    });
    step("a directory goes", &|| fs::remove_dir_all(sandbox.path("s/n/1/2")).unwrap());
    step("a file goes", &|| fs::remove_file(sandbox.path("s/a")).unwrap());
    assert_eq!(watching.failures(), "");
}

/// What has not changed is not looked at: not what others have done to the target there.
#[test]
fn only_what_changes_is_looked_at() {
    if wine::cannot("trees::mirror_watch::only_what_changes_is_looked_at") {
        return;
    }
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
    if wine::cannot("trees::mirror_watch::hundreds_of_random_changes_are_followed") {
        return;
    }
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
    if wine::cannot("trees::mirror_watch::directories_that_move_are_still_watched") {
        return;
    }
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

#[test]
fn a_source_that_goes_and_comes_back_is_watched_again() {
    if wine::cannot("trees::mirror_watch::a_source_that_goes_and_comes_back_is_watched_again") {
        return;
    }
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
            let words = "'s': No such file or directory";
            let said = || as_on_unix(&watching.errors()).contains(words);
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

/// Seconds of the processor that it has used.
#[cfg(target_os = "linux")]
fn processor_time(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / rustix::param::clock_ticks_per_second() as f64
}

/// The same.
#[cfg(windows)]
fn processor_time(id: u32) -> f64 {
    crate::support::processor_time(id).as_secs_f64()
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
    // Wine takes longer for each look whether something is to be done.
    let most = if wine::lacks(wine::Lack::Pace) { 0.5 } else { 0.1 };
    assert!(used < most, "{used} s of 2 s");
    // Nor when somebody reads.
    Snapshot::of(&sandbox.path("s"));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(watching.summaries().len(), count);
}

#[test]
fn what_may_be_deleted_is_counted_for_each_batch() {
    if wine::cannot("trees::mirror_watch::what_may_be_deleted_is_counted_for_each_batch") {
        return;
    }
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
fn what_is_left_out_is_left_alone_and_not_worth_a_batch() {
    if wine::cannot("trees::mirror_watch::what_is_left_out_is_left_alone_and_not_worth_a_batch") {
        return;
    }
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
fn what_fails_is_tried_again_and_nothing_is_deleted() {
    if wine::cannot("trees::mirror_watch::what_fails_is_tried_again_and_nothing_is_deleted") {
        return;
    }
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
fn what_cannot_be_mirrored_is_not_watched() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    let ended = sandbox.mycp(["--mirror", "--watch", "nothing", "t"]).failed();
    let said = as_on_unix(&ended.errors);
    assert!(said.contains("cannot watch 'nothing': No such file or directory"), "{said}");
    sandbox.mycp(["--mirror", "--watch", "s", "s/t"]).failed().says("into itself");
    assert!(!sandbox.path("t").exists() && !sandbox.path("s/t").exists());
}
