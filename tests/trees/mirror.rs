//! `--mirror`: the target becomes the source, what is equal is left alone, and what is too much is
//! deleted last, or not at all.

use std::fs::FileType;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::make;
#[cfg(target_os = "linux")]
use crate::support::everything::set_attribute;
use crate::support::files::{chmod, mode, set_times, stamp, symlink};
use crate::support::snapshot::{Snapshot, is_temporary};
use crate::support::{Chance, Ended, Sandbox, content, scaled};
use crate::wine;

#[cfg(target_os = "linux")]
mod linux;

/// So many times fewer rounds are made where a program's start takes a quarter of a second, as
/// under Wine.
const FEWER: u64 = if cfg!(windows) { 6 } else { 1 };

/// In this time a mirror of a small tree is under way.
const KILLED_WITHIN: Duration = Duration::from_millis(if cfg!(windows) { 400 } else { 30 });

/// A tree that changes at random. What changes gets a time that nothing had before, as it would
/// where changes are more than a tick apart.
pub(super) struct Changing {
    root: PathBuf,
    chance: Chance,
    clock: SystemTime,
}

impl Changing {
    /// An empty one.
    pub(super) fn new(root: PathBuf, chance: Chance) -> Self {
        std::fs::create_dir(&root).unwrap();
        Self { root, chance, clock: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000) }
    }

    /// All there is below the root, directories before what is in them.
    fn all(&self) -> Vec<(PathBuf, FileType)> {
        let mut all = Vec::new();
        let mut directories = vec![self.root.clone()];
        while let Some(directory) = directories.pop() {
            let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
            let kinds = entries.map(|entry| (entry.path(), entry.file_type().unwrap()));
            let mut kinds: Vec<_> = kinds.collect();
            kinds.sort_by(|(one, _), (other, _)| one.cmp(other));
            let inner = kinds.iter().filter(|(_, kind)| kind.is_dir());
            directories.extend(inner.map(|(path, _)| path.clone()));
            all.append(&mut kinds);
        }
        all
    }

    fn any(&mut self, wanted: impl Fn(&FileType) -> bool) -> Option<(PathBuf, FileType)> {
        let all: Vec<_> = self.all().into_iter().filter(|(_, kind)| wanted(kind)).collect();
        (!all.is_empty()).then(|| self.chance.pick(&all).clone())
    }

    fn any_directory(&mut self) -> PathBuf {
        self.any(FileType::is_dir).map_or_else(|| self.root.clone(), |(path, _)| path)
    }

    fn date(&mut self, path: &Path) {
        self.clock += Duration::from_secs(1);
        set_times(path, self.clock + Duration::from_nanos(707));
    }

    fn remove(path: &Path) {
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            // A link that leads to a directory is one, to Windows.
            std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path)).unwrap();
        }
    }

    /// Makes something new, in the place of what has its name perhaps.
    pub(super) fn make(&mut self) {
        let directory = self.any_directory();
        let path = directory.join(format!("n{}", self.chance.below(12)));
        Self::remove(&path);
        match self.chance.below(9) {
            0..3 => std::fs::create_dir(&path).unwrap(),
            3 if !wine::lacks(wine::Lack::SymbolicLinks) => {
                let leads_to = format!("n{}", self.chance.below(12));
                symlink(leads_to.as_ref(), &path).unwrap();
            }
            4 if cfg!(unix) => {
                let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
                assert!(status.success());
            }
            5 => match self.any(FileType::is_file) {
                Some((file, _)) => std::fs::hard_link(file, &path).unwrap(),
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
        let Some((path, kind)) = self.any(|_| true) else { return };
        let is_file = kind.is_file();
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
            3 if !kind.is_symlink() => {
                let mode = 0o600 + self.chance.below(64) as u32;
                chmod(&path, if kind.is_dir() { mode | 0o700 } else { mode });
                return;
            }
            #[cfg(target_os = "linux")]
            4 if is_file => {
                let value = [self.chance.below(250) as u8];
                return set_attribute(&path, "user.test", &value);
            }
            #[cfg(target_os = "linux")]
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
    random_rounds(scaled(30 / FEWER), |_| {});
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
    assert_eq!(sandbox.id("t/a"), sandbox.id("snapshot"), "what is equal stays: {ended}");
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
    let rounds = scaled(40 / FEWER);
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
        std::thread::sleep(chance.shorter_than(KILLED_WITHIN));
        running.kill();
        let ended = running.end();
        killed += u64::from(ended.was_killed());
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
    let time = sandbox.metadata("s/a").modified().unwrap();
    for name in ["s/c", "t/a", "t/b", "s", "t"] {
        set_times(&sandbox.path(name), time);
    }
    for threads in ["-j1", "-j4"] {
        let ended = mirror(&sandbox, &[threads]).good();
        let seen = kept(&sandbox.path("t"));
        seen.assert_copy(&kept(&sandbox.path("s")), &ended.description);
        // None of a kind: all single.
        for name in ["s/b", "s/c", "s/d"] {
            let bytes = sandbox.read(name);
            let time = sandbox.metadata(name).modified().unwrap();
            std::fs::remove_file(sandbox.path(name)).unwrap();
            sandbox.write(name, &bytes);
            set_times(&sandbox.path(name), time);
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
    // Of modes, Windows knows whether a file is read-only.
    const MODES: [u32; 2] = if cfg!(windows) { [0o666, 0o444] } else { [0o600, 0o640] };
    let sandbox = with_extras(&[]);
    std::fs::hard_link(sandbox.path("t/a"), sandbox.path("other")).unwrap();
    chmod(&sandbox.path("s/a"), MODES[0]);
    chmod(&sandbox.path("other"), MODES[1]);
    for more in ["--compare=quick", "--compare=content", "--in-place"] {
        let ended = mirror(&sandbox, &[more]).good();
        assert_eq!(mode(&sandbox.path("other")), MODES[1], "{ended}");
        assert_eq!(mode(&sandbox.path("t/a")), MODES[0], "{ended}");
        std::fs::remove_file(sandbox.path("t/a")).unwrap();
        std::fs::hard_link(sandbox.path("other"), sandbox.path("t/a")).unwrap();
        sandbox.write("s/a", more.as_bytes());
    }
    // Windows removes nothing that is read-only.
    chmod(&sandbox.path("other"), MODES[0]);
}

/// All names of a file but the first become links to what that has become, where their own file is
/// equal but for its attributes, and has been looked at.
#[test]
fn links_get_new_attributes_where_content_is_compared() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a"]);
    std::fs::hard_link(sandbox.path("s/a"), sandbox.path("s/b")).unwrap();
    mirror(&sandbox, &[]).good();
    set_times(&sandbox.path("s/a"), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let ended = mirror(&sandbox, &["--compare=content"]).good();
    kept(&sandbox.path("t")).assert_copy(&kept(&sandbox.path("s")), &ended.description);
}

#[test]
fn links_are_made_where_content_is_compared() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a"]);
    mirror(&sandbox, &[]).good();
    std::fs::hard_link(sandbox.path("s/a"), sandbox.path("s/b")).unwrap();
    std::fs::copy(sandbox.path("t/a"), sandbox.path("t/b")).unwrap();
    let ended = mirror(&sandbox, &["--compare=content"]).good();
    assert_eq!(sandbox.id("t/a"), sandbox.id("t/b"), "{ended}");
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
        #[cfg(target_os = "linux")]
        for name in ["a", "c", "e"] {
            set_attribute(&sandbox.path(format!("t/{name}")), "user.old", b"old");
        }
        let inodes = || ["t/a", "t/b", "t/e"].map(|name| sandbox.id(name));
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
        let ended = mirror(&sandbox, &more).good();
        assert_eq!(sandbox.id("t/a"), sandbox.id("s/a"), "{ended}");
        assert_eq!(sandbox.id("t/d/c"), sandbox.id("s/d/c"), "{ended}");
        kept(&sandbox.path("t")).assert_copy(&kept(&sandbox.path("s")), &ended.description);
        // Another name of it that is to be a file of its own, as one of them at least is.
        std::fs::write(sandbox.path("s/b"), sandbox.read("s/a")).unwrap();
        std::fs::remove_file(sandbox.path("t/b")).unwrap();
        std::fs::hard_link(sandbox.path("s/a"), sandbox.path("t/b")).unwrap();
        let time = sandbox.metadata("s/a").modified().unwrap();
        set_times(&sandbox.path("s/b"), time);
        let ended = mirror(&sandbox, &more).good();
        assert_ne!(sandbox.id("t/a"), sandbox.id("t/b"), "{ended}");
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
