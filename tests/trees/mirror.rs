//! `--mirror`: the target becomes the source, what is equal is left alone, and what is too much is
//! deleted last, or not at all.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::{assert_nothing_for_rsync, make};
use crate::support::everything::set_attribute;
use crate::support::files::{chmod, stamp};
use crate::support::mounts::{Kind, Mounts};
use crate::support::snapshot::{Snapshot, is_temporary};
use crate::support::{Chance, Ended, Sandbox, content, scaled};

/// A tree that changes at random. What changes gets a time that nothing had before, as it would
/// where changes are more than a tick apart.
pub(super) struct Changing {
    root: PathBuf,
    chance: Chance,
    clock: i64,
}

impl Changing {
    /// An empty one.
    pub(super) fn new(root: PathBuf, chance: Chance) -> Self {
        std::fs::create_dir(&root).unwrap();
        Self { root, chance, clock: 1_000_000_000 }
    }

    /// All there is below the root, directories before what is in them.
    fn all(&self) -> Vec<PathBuf> {
        let snapshot = Snapshot::of(&self.root);
        let names: Vec<_> = snapshot.names().cloned().collect();
        names
            .into_iter()
            .map(|name| {
                use std::os::unix::ffi::OsStringExt;
                self.root.join(std::ffi::OsString::from_vec(name))
            })
            .collect()
    }

    fn any(&mut self, wanted: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let all: Vec<_> = self.all().into_iter().filter(|path| wanted(path)).collect();
        (!all.is_empty()).then(|| self.chance.pick(&all).clone())
    }

    fn any_directory(&mut self) -> PathBuf {
        let is_directory = |path: &Path| path.is_dir() && !path.is_symlink();
        self.any(is_directory).unwrap_or_else(|| self.root.clone())
    }

    fn date(&mut self, path: &Path) {
        self.clock += 1;
        let time = Timespec { tv_sec: self.clock, tv_nsec: 7 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    fn remove(path: &Path) {
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// Makes something new, in the place of what has its name perhaps.
    pub(super) fn make(&mut self) {
        let directory = self.any_directory();
        let path = directory.join(format!("n{}", self.chance.below(12)));
        Self::remove(&path);
        match self.chance.below(9) {
            0..3 => std::fs::create_dir(&path).unwrap(),
            3 => symlink(format!("n{}", self.chance.below(12)), &path).unwrap(),
            4 => {
                let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
                assert!(status.success());
            }
            5 => match self.any(|path| path.is_file() && !path.is_symlink()) {
                Some(file) => std::fs::hard_link(file, &path).unwrap(),
                None => std::fs::write(&path, b"").unwrap(),
            },
            _ => {
                let len = self.chance.below(40_000) as usize;
                std::fs::write(&path, content(self.chance.next(), len)).unwrap();
            }
        }
        self.date(&path);
    }

    /// Changes what is there.
    fn change(&mut self) {
        let Some(path) = self.any(|_| true) else { return };
        let is_file = path.is_file() && !path.is_symlink();
        match self.chance.below(6) {
            0 => return Self::remove(&path),
            1 | 2 if is_file => {
                let mut bytes = std::fs::read(&path).unwrap();
                let at = self.chance.below(bytes.len().max(1) as u64) as usize;
                match bytes.get_mut(at) {
                    Some(byte) => *byte ^= 1,
                    None => bytes.push(1),
                }
                std::fs::write(&path, bytes).unwrap();
            }
            3 if !path.is_symlink() => {
                let mode = 0o600 + self.chance.below(64) as u32;
                chmod(&path, if path.is_dir() { mode | 0o700 } else { mode });
                return;
            }
            4 if is_file => {
                let value = [self.chance.below(250) as u8];
                return set_attribute(&path, "user.test", &value);
            }
            5 if is_file => {
                rustix::fs::lremovexattr(&path, "user.test").ok();
                return;
            }
            _ => {}
        }
        self.date(&path);
    }

    /// Some changes.
    pub(super) fn mutate(&mut self) {
        for _ in 0..1 + self.chance.below(12) {
            if self.chance.below(2) == 0 { self.make() } else { self.change() }
        }
    }
}

/// What a mirror keeps of a tree: all but the access times.
pub(super) fn kept(root: &Path) -> Snapshot {
    let mut seen = Snapshot::of(root);
    for entry in seen.entries.values_mut() {
        entry.attributes.accessed = (0, 0);
    }
    seen
}

fn mirror(sandbox: &Sandbox, more: &[&str]) -> Ended {
    let words = ["--mirror"].into_iter().chain(more.iter().copied());
    sandbox.mycp(words.chain(["s", "t"]))
}

/// Everything of both trees, change times included, that reading does not change.
fn whole(sandbox: &Sandbox) -> Vec<Snapshot> {
    let roots = ["s", "t"].map(|name| sandbox.path(name));
    roots.iter().filter(|root| root.exists()).map(|root| kept(root)).collect()
}

/// What was printed, in no certain order.
fn lines(ended: &Ended) -> Vec<String> {
    let output = String::from_utf8_lossy(&ended.output);
    let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn random_rounds(rounds: u64, check: impl Fn(&Sandbox)) {
    let mut chance = Chance::new("mirror");
    for _ in 0..rounds {
        let sandbox = Sandbox::new();
        let mut tree = Changing::new(sandbox.path("s"), Chance::from_seed(chance.next()));
        for _ in 0..30 {
            tree.make();
        }
        for step in 0..3 {
            let threads = *chance.pick(&["-j1", "-j4"]);
            let more = *chance.pick(&["--flush=none", "--flush", "--compare=content"]);
            let way = *chance.pick(&["--in-place", "--delta"]);
            let words = ["--allow-empty", threads, more, way];
            let before = whole(&sandbox);
            let planned = mirror(&sandbox, &[&words[..], &["--dry-run"]].concat()).good();
            assert!(before == whole(&sandbox), "a dry run has touched something: {planned}");
            let ended = mirror(&sandbox, &[&words[..], &["--changes"]].concat()).good();
            let situation = format!("step {step}: {ended}");
            assert_eq!(lines(&planned), lines(&ended), "planned and done, {situation}");
            kept(&sandbox.path("t")).assert_copy(&kept(&sandbox.path("s")), &situation);
            check(&sandbox);
            let before = kept(&sandbox.path("t"));
            let again = mirror(&sandbox, &["--changes", "--allow-empty", threads]).good();
            assert_eq!(lines(&again), Vec::<String>::new(), "{situation}\nand {again}");
            let after = kept(&sandbox.path("t"));
            for (name, entry) in &before.entries {
                assert_eq!(entry.changed, after.entries[name].changed, "{situation}\nand {again}");
            }
            tree.mutate();
        }
    }
}

#[test]
fn a_target_becomes_the_source_and_a_second_run_does_nothing() {
    random_rounds(scaled(30), |_| {});
}

#[test]
#[ignore = "needs rsync"]
fn rsync_finds_nothing_left_to_do() {
    random_rounds(scaled(20), |sandbox| {
        assert_nothing_for_rsync(&sandbox.path("s"), &sandbox.path("t"), &[]);
    });
}

/// Two equal trees, but for what `names` has in the target alone.
fn with_extras(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/d/b", "s/d/e/c"]);
    stamp(&sandbox.path("s"));
    mirror(&sandbox, &[]).good();
    make(&sandbox, names);
    sandbox
}

#[test]
fn nothing_is_deleted_beyond_what_may_be() {
    let names = ["t/x/1", "t/x/y/2", "t/d/3"];
    for (max, goes) in [(0, false), (4, false), (5, true), (6, true)] {
        let sandbox = with_extras(&names);
        let before = Snapshot::of(&sandbox.path("t"));
        let ended = mirror(&sandbox, &[&format!("--max-delete={max}")]);
        if goes {
            ended.good();
            kept(&sandbox.path("t")).assert_copy(&kept(&sandbox.path("s")), "after it");
        } else {
            let ended = ended.failed().says("5 of at most");
            Snapshot::of(&sandbox.path("t")).assert_contents(&before, &ended.description);
        }
    }
}

#[test]
fn nothing_is_deleted_when_something_could_not_be_read() {
    let sandbox = with_extras(&["t/x/1", "t/d/3"]);
    sandbox.write("s/new", b"new");
    chmod(&sandbox.path("s/d/e"), 0);
    chmod(sandbox.root(), 0o777);
    let own = std::process::Command::new("chown")
        .args(["-R", "nobody"])
        .args([sandbox.path("s"), sandbox.path("t")])
        .status();
    let run = sandbox.run(["--mirror", "s", "t"]);
    // Whom modes do not stop can be shown nothing.
    if !own.unwrap().success() {
        return;
    }
    let ended = run.by_nobody().end().failed().says("nothing was deleted");
    for name in ["t/x/1", "t/d/3", "t/d/e/c", "t/new"] {
        assert!(sandbox.path(name).exists(), "{name}: {ended}");
    }
    chmod(&sandbox.path("s/d/e"), 0o755);
}

#[test]
fn an_empty_source_deletes_nothing_unless_told_to() {
    let sandbox = with_extras(&[]);
    std::fs::remove_dir_all(sandbox.path("s")).unwrap();
    let ended = mirror(&sandbox, &[]).failed();
    assert!(sandbox.path("t/d/e/c").exists(), "{ended}");
    sandbox.directory("s");
    let ended = mirror(&sandbox, &[]).failed().says("the source is empty");
    assert!(sandbox.path("t/d/e/c").exists(), "{ended}");
    mirror(&sandbox, &["--allow-empty"]).good();
    assert_eq!(Snapshot::of(&sandbox.path("t")).names().count(), 0);
}

#[test]
fn what_is_left_out_is_neither_copied_nor_deleted() {
    let names = ["s/keep.o", "s/d/no", "t/own.o", "t/d/own.o", "t/cache/1", "t/x"];
    let sandbox = with_extras(&names);
    let patterns = ["--exclude=*.o", "--exclude=/cache/", "--exclude=d/no"];
    let ended = mirror(&sandbox, &patterns).good();
    for (name, stays) in [
        ("t/keep.o", false),
        ("t/d/no", false),
        ("t/own.o", true),
        ("t/d/own.o", true),
        ("t/cache/1", true),
        ("t/x", false),
    ] {
        assert_eq!(sandbox.path(name).exists(), stays, "{name}: {ended}");
    }
    let more: Vec<_> = patterns.into_iter().chain(["--delete-excluded"]).collect();
    let ended = mirror(&sandbox, &more).good();
    for name in ["t/keep.o", "t/d/no", "t/own.o", "t/d/own.o", "t/cache"] {
        assert!(!sandbox.path(name).exists(), "{name}: {ended}");
    }
}

#[test]
fn a_mirror_of_what_is_in_it_is_refused() {
    let sandbox = with_extras(&[]);
    let before = Snapshot::of(sandbox.root());
    for (source, target) in [("t/d", "t"), ("t/d/e", "t"), ("s", "s/d"), ("s", "s"), ("t/d", "t/.")]
    {
        let ended = sandbox.mycp(["--mirror", source, target]).failed();
        Snapshot::of(sandbox.root()).assert_contents(&before, &ended.description);
    }
}

/// Another name of a target that belongs to no source of this name is not written through.
#[test]
fn links_to_elsewhere_are_not_written_through() {
    let sandbox = with_extras(&[]);
    std::fs::hard_link(sandbox.path("t/a"), sandbox.path("snapshot")).unwrap();
    let ended = mirror(&sandbox, &["--json"]).good();
    let inode = |name: &str| sandbox.metadata(name).ino();
    assert_eq!(inode("t/a"), inode("snapshot"), "what is equal stays: {ended}");
    sandbox.write("s/a", b"something else");
    let ended = mirror(&sandbox, &[]).good();
    assert_eq!(sandbox.read("t/a"), b"something else");
    assert_eq!(sandbox.read("snapshot"), b"content of s/a", "{ended}");
}

/// After a kill each name has what it had, what it is to have, or nothing where its kind changes;
/// and the next run finishes it.
#[test]
fn a_killed_mirror_is_finished_by_the_next() {
    let mut chance = Chance::new("killed mirror");
    let mut killed = 0;
    let rounds = scaled(40);
    for round in 0..rounds {
        let sandbox = Sandbox::new();
        let mut tree = Changing::new(sandbox.path("s"), Chance::from_seed(chance.next()));
        for _ in 0..120 {
            tree.make();
        }
        mirror(&sandbox, &["--allow-empty"]).good();
        for _ in 0..6 {
            tree.mutate();
        }
        let (old, new) = (kept(&sandbox.path("t")), kept(&sandbox.path("s")));
        let running = sandbox.run(["--mirror", "--allow-empty", "s", "t"]).start();
        std::thread::sleep(chance.shorter_than(std::time::Duration::from_millis(30)));
        running.kill();
        let ended = running.end();
        killed += u64::from(ended.status.code().is_none());
        for (name, entry) in &kept(&sandbox.path("t")).entries {
            let is = |tree: &Snapshot| {
                tree.entries.get(name).is_some_and(|expected| expected.what == entry.what)
            };
            let parts = name.split(|byte| *byte == b'/');
            let is_temporary = parts.clone().any(is_temporary);
            assert!(is_temporary || is(&old) || is(&new), "{name:?} in round {round}: {ended}");
        }
        let ended = mirror(&sandbox, &["--allow-empty"]).good();
        kept(&sandbox.path("t")).assert_copy(&new, &format!("round {round}: {ended}"));
    }
    assert!(killed > rounds / 4, "only {killed} of {rounds} were killed");
}

#[test]
fn links_are_made_broken_and_regrouped() {
    let sandbox = Sandbox::new();
    for tree in ["s", "t"] {
        sandbox.directory(tree);
        for name in ["a", "b", "c", "d"] {
            sandbox.write(format!("{tree}/{name}"), b"the same");
        }
    }
    let link = |of: &str, name: &str| {
        std::fs::remove_file(sandbox.path(name)).unwrap();
        std::fs::hard_link(sandbox.path(of), sandbox.path(name)).unwrap();
    };
    // Pairs a and b, c and d here; all but a there.
    link("s/a", "s/b");
    link("s/c", "s/d");
    link("t/b", "t/c");
    link("t/b", "t/d");
    for tree in ["s", "t"] {
        stamp(&sandbox.path(tree));
    }
    let times = ["-r", "s/a", "s/c", "t/a", "t/b", "s", "t"].map(std::ffi::OsStr::new);
    let mut touch = std::process::Command::new("touch");
    assert!(touch.args(times).current_dir(sandbox.root()).status().unwrap().success());
    for threads in ["-j1", "-j4"] {
        let ended = mirror(&sandbox, &[threads]).good();
        let seen = kept(&sandbox.path("t"));
        seen.assert_copy(&kept(&sandbox.path("s")), &ended.description);
        // None of a kind: all single.
        for name in ["s/b", "s/c", "s/d"] {
            let bytes = sandbox.read(name);
            let times = sandbox.metadata(name).modified().unwrap();
            std::fs::remove_file(sandbox.path(name)).unwrap();
            sandbox.write(name, &bytes);
            let file = std::fs::File::options().write(true).open(sandbox.path(name)).unwrap();
            file.set_modified(times).unwrap();
            drop(file);
        }
        let ended = mirror(&sandbox, &[threads]).good();
        let seen = kept(&sandbox.path("t"));
        seen.assert_copy(&kept(&sandbox.path("s")), &ended.description);
        for (of, name) in [("s/a", "s/b"), ("s/c", "s/d"), ("t/b", "t/c")] {
            link(of, name);
        }
    }
}

#[test]
fn attributes_that_the_source_does_not_have_go() {
    let sandbox = with_extras(&[]);
    for name in ["t/a", "t/d", "t/d/b", "t"] {
        set_attribute(&sandbox.path(name), "user.extra", b"extra");
    }
    // One whose content is compared, too.
    sandbox.write("t/d/b", &sandbox.read("s/d/b"));
    let ended = mirror(&sandbox, &[]).good();
    let (source, target) = (kept(&sandbox.path("s")), kept(&sandbox.path("t")));
    target.assert_copy(&source, &ended.description);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn nothing_is_deleted_on_another_file_system() {
    let sandbox = with_extras(&["t/extra/mount/hidden", "t/d/mount/hidden", "s/d/mount/", "t/x"]);
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Tmpfs, 8);
    std::fs::write(disk.join("precious"), b"precious").unwrap();
    mounts.bind(&disk, &sandbox.path("t/extra/mount"));
    let ended = mirror(&sandbox, &[]).failed();
    assert!(disk.join("precious").exists(), "{ended}");
    // A directory of the source's with something mounted on it in the target is its mirror.
    mounts.bind(&disk, &sandbox.path("t/d/mount"));
    std::fs::create_dir(disk.join("directory")).unwrap();
    mounts.bind(&disk, &sandbox.path("s/d/mount"));
    let ended = mirror(&sandbox, &["-x"]).failed();
    assert!(disk.join("precious").exists(), "what -x leaves out is not looked into: {ended}");
}

/// What is mounted in the target, or is the source under another name, is not the target's.
#[test]
#[ignore = "needs root: mounts file systems"]
fn nothing_is_deleted_through_a_bind_mount() {
    let mut mounts = Mounts::new();
    let sandbox = Sandbox::new();
    make(&sandbox, &["t/extra/s/a", "t/b", "mnt/", "out/p", "s/a", "s/m/", "u/extra/m/", "u/m/"]);
    mounts.bind(&sandbox.path("t/extra/s"), &sandbox.path("mnt"));
    let ended = sandbox.mycp(["--mirror", "mnt", "t"]).failed();
    assert!(sandbox.path("mnt/a").exists(), "the source is gone: {ended}");
    mounts.bind(&sandbox.path("out"), &sandbox.path("u/extra/m"));
    mounts.bind(&sandbox.path("out"), &sandbox.path("u/m"));
    for more in ["-v", "-x"] {
        let ended = sandbox.mycp(["--mirror", more, "s", "u"]).failed();
        assert!(sandbox.path("out/p").exists(), "what is mounted is gone: {ended}");
    }
}

#[test]
fn what_is_left_out_keeps_the_directories_that_it_is_in() {
    let sandbox = with_extras(&["t/extra/keep.o", "t/extra/gone", "t/x/y/keep.o"]);
    let ended = mirror(&sandbox, &["--exclude=*.o", "--max-delete=1"]).good();
    assert!(sandbox.path("t/extra/keep.o").exists() && !sandbox.path("t/extra/gone").exists());
    assert!(sandbox.path("t/x/y/keep.o").exists(), "{ended}");
    // Nor does it make way for a file.
    make(&sandbox, &["s/x"]);
    let ended = mirror(&sandbox, &["--exclude=*.o"]).failed().says("left out, and stays");
    assert!(sandbox.path("t/x/y/keep.o").exists(), "{ended}");
}

/// The attributes of a file with other names are those names', too.
#[test]
fn other_names_of_a_target_keep_their_attributes() {
    let sandbox = with_extras(&[]);
    std::fs::hard_link(sandbox.path("t/a"), sandbox.path("other")).unwrap();
    chmod(&sandbox.path("s/a"), 0o600);
    chmod(&sandbox.path("other"), 0o640);
    for more in ["--compare=quick", "--compare=content", "--in-place"] {
        let ended = mirror(&sandbox, &[more]).good();
        assert_eq!(sandbox.metadata("other").mode() & 0o777, 0o640, "{ended}");
        assert_eq!(sandbox.metadata("t/a").mode() & 0o777, 0o600, "{ended}");
        std::fs::remove_file(sandbox.path("t/a")).unwrap();
        std::fs::hard_link(sandbox.path("other"), sandbox.path("t/a")).unwrap();
        sandbox.write("s/a", more.as_bytes());
    }
}

#[test]
fn links_are_made_where_content_is_compared() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a"]);
    mirror(&sandbox, &[]).good();
    std::fs::hard_link(sandbox.path("s/a"), sandbox.path("s/b")).unwrap();
    std::fs::copy(sandbox.path("t/a"), sandbox.path("t/b")).unwrap();
    let ended = mirror(&sandbox, &["--compare=content"]).good();
    let ino = |name: &str| sandbox.metadata(name).ino();
    assert_eq!(ino("t/a"), ino("t/b"), "{ended}");
}

/// A file system that cuts times off makes no target older than its source.
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_second_mirror_does_nothing_where_times_are_coarse() {
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Ext4Coarse, 64);
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/d/b", "s/d/e/c", "s/empty/"]);
    symlink("a", sandbox.path("s/link")).unwrap();
    stamp(&sandbox.path("s"));
    assert_ne!(sandbox.metadata("s/a").mtime_nsec(), 0, "there is nothing to cut off");
    let words: [std::ffi::OsString; 4] =
        ["--mirror".into(), "--json".into(), "s".into(), disk.join("t").into()];
    sandbox.mycp(&words).good();
    assert_eq!(std::fs::metadata(disk.join("t/a")).unwrap().mtime_nsec(), 0);
    let changed = || {
        let seen = Snapshot::of(&disk.join("t"));
        seen.entries.iter().map(|(name, entry)| (name.clone(), entry.changed)).collect::<Vec<_>>()
    };
    let before = changed();
    // Else what is changed now has the same time of change.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let ended = sandbox.mycp(&words).good();
    let told = String::from_utf8_lossy(&ended.output).into_owned();
    let copied = told.lines().filter(|line| line.contains("copied") && !line.contains("merged"));
    assert_eq!(copied.count(), 0, "{ended}");
    assert_eq!(changed(), before, "{ended}");
    // Length and time are taken for the content: nothing is read.
    let target = disk.join("t/a");
    let seen = std::fs::metadata(&target).unwrap();
    let other = vec![b'?'; seen.len() as usize];
    std::fs::write(&target, &other).unwrap();
    let file = std::fs::File::open(&target).unwrap();
    file.set_modified(seen.modified().unwrap()).unwrap();
    let ended = sandbox.mycp(&words).good();
    assert_eq!(std::fs::read(&target).unwrap(), other, "{ended}");
    std::fs::write(&target, sandbox.read("s/a")).unwrap();
    // A second is seen.
    let time = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    let source = std::fs::File::open(sandbox.path("s/a")).unwrap();
    source.set_modified(time).unwrap();
    let ended = sandbox.mycp(&words).good();
    assert!(String::from_utf8_lossy(&ended.output).contains("\"kept\""), "{ended}");
}

/// What is written in place keeps its inode, but not if that has other names than it is to have.
#[test]
fn links_are_regrouped_in_place_too() {
    for threads in ["-j1", "-j4"] {
        let sandbox = Sandbox::new();
        make(&sandbox, &["s/a", "s/c", "s/d", "s/e", "t/a", "t/b", "t/c", "t/e"]);
        std::fs::hard_link(sandbox.path("s/a"), sandbox.path("s/b")).unwrap();
        std::fs::hard_link(sandbox.path("t/c"), sandbox.path("t/d")).unwrap();
        std::fs::hard_link(sandbox.path("t/c"), sandbox.path("snapshot")).unwrap();
        for name in ["a", "c", "e"] {
            set_attribute(&sandbox.path(format!("t/{name}")), "user.old", b"old");
        }
        let inodes = || ["t/a", "t/b", "t/e"].map(|name| sandbox.metadata(name).ino());
        let before = inodes();
        let ended = mirror(&sandbox, &["--in-place", threads]).good();
        kept(&sandbox.path("t")).assert_copy(&kept(&sandbox.path("s")), &ended.description);
        let after = inodes();
        assert!(before[..2].contains(&after[0]), "{ended}");
        assert_eq!(before[2], after[2], "{ended}");
        assert_eq!(sandbox.read("snapshot"), b"content of t/c", "{ended}");
    }
}

/// As `cp -al` leaves it: a name of the target may lead to the file of the source itself.
#[test]
fn what_is_the_source_itself_is_equal() {
    let ways = [["--compare=content", "-j1"], ["--compare=quick", "-j4"], ["--in-place", "-j1"]];
    for more in ways {
        let sandbox = Sandbox::new();
        make(&sandbox, &["s/a", "s/b", "s/d/c", "t/d/"]);
        for name in ["a", "b", "d/c"] {
            let target = sandbox.path(format!("t/{name}"));
            std::fs::hard_link(sandbox.path(format!("s/{name}")), target).unwrap();
        }
        let inode = |name: &str| sandbox.metadata(name).ino();
        let ended = mirror(&sandbox, &more).good();
        assert_eq!(inode("t/a"), inode("s/a"), "{ended}");
        assert_eq!(inode("t/d/c"), inode("s/d/c"), "{ended}");
        kept(&sandbox.path("t")).assert_copy(&kept(&sandbox.path("s")), &ended.description);
        // Another name of it that is to be a file of its own, as one of them at least is.
        std::fs::write(sandbox.path("s/b"), sandbox.read("s/a")).unwrap();
        std::fs::remove_file(sandbox.path("t/b")).unwrap();
        std::fs::hard_link(sandbox.path("s/a"), sandbox.path("t/b")).unwrap();
        let time = sandbox.metadata("s/a").modified().unwrap();
        std::fs::File::open(sandbox.path("s/b")).unwrap().set_modified(time).unwrap();
        let ended = mirror(&sandbox, &more).good();
        assert_ne!(inode("t/a"), inode("t/b"), "{ended}");
        assert_eq!(sandbox.read("s/a"), b"content of s/a", "{ended}");
        // Either of them may go on to be a name of the source's file.
        let [seen, wanted] = ["t", "s"].map(|tree| {
            let mut tree = kept(&sandbox.path(tree));
            tree.entries.values_mut().for_each(|entry| entry.linked = None);
            tree
        });
        seen.assert_copy(&wanted, &ended.description);
    }
}
