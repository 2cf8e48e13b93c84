//! A copy reads and writes nothing outside its trees (P10), whoever swaps parts of them for
//! symbolic links meanwhile.
//!
//! Programs that go by paths follow such a link between two steps: every fourth copy by GNU cp 9.1
//! has something from outside while the source is swapped, and three of four write something there
//! while the target is.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps, openat,
    openat2, renameat_with, statat, symlinkat, unlinkat, utimensat,
};

use super::Meddling;
use crate::support::everything::set_attribute;
use crate::support::files::chmod;
use crate::support::snapshot::{Snapshot, What};
use crate::support::{Chance, Ended, Sandbox, scaled};

/// What no file of a copy may contain.
const MARK: &str = "This is outside. ";
/// The modification time, in seconds, and the mode of everything outside.
const OUTSIDE_TIME: i64 = 1_111_111_111;
const OUTSIDE_MODE: u32 = 0o751;

/// Directories of one level, files of one directory.
const DIRECTORIES: u64 = 4;
const FILES: u64 = 6;
/// Levels of directories below the root of a tree.
const LEVELS: u32 = 2;

/// What is given before the operands, and whether the target is there already.
const WAYS: [(&[&str], Before); 10] = [
    (&["-rT"], Before::Nothing),
    (&["-aT"], Before::Nothing),
    (&["-aT", "-j1"], Before::Nothing),
    (&["-aT", "--flush=sync"], Before::Nothing),
    (&["-aT", "--engine=mmap"], Before::Nothing),
    (&["-rT"], Before::Copy),
    (&["-aT"], Before::Copy),
    (&["-aT", "--remove-destination"], Before::Copy),
    (&["-aT", "--backup=numbered"], Before::Copy),
    (&["-rTf", "--flush=sync"], Before::Copy),
];

/// What is at the target's name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    /// What an undisturbed copy left.
    Copy,
}

/// A name that may be below any directory of a tree. Those of temporaries, of files and of
/// directories, are among them.
fn some_name(chance: &mut Chance, level: u32) -> String {
    let number = chance.below(DIRECTORIES.max(FILES));
    let is_directory = level < LEVELS && chance.below(3) > 0;
    let name = match is_directory {
        true => format!("d{}", number % DIRECTORIES),
        false => format!("f{}", number % FILES),
    };
    match chance.below(3) {
        0 => format!(".{name}.mycp-000000"),
        _ => name,
    }
}

/// Fills `directory` with files that say `text`, and with directories of the same kind.
fn fill(directory: &Path, text: &str, level: u32) {
    std::fs::create_dir(directory).unwrap();
    for number in 0..FILES {
        let bytes = text.repeat(1 + 300 * number as usize);
        std::fs::write(directory.join(format!("f{number}")), bytes).unwrap();
    }
    if level < LEVELS {
        for number in 0..DIRECTORIES {
            fill(&directory.join(format!("d{number}")), text, level + 1);
        }
    }
}

/// Gives everything outside a mode, times and an attribute by which they are known again, and adds
/// what looks like temporaries that a killed run left.
fn mark(directory: &Path) {
    std::fs::write(directory.join(".f0.mycp-000000"), MARK).unwrap();
    std::fs::create_dir(directory.join(".d0.mycp-000000")).unwrap();
    std::fs::write(directory.join(".d0.mycp-000000/f1"), MARK).unwrap();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir()
            && !entry.file_name().as_encoded_bytes().starts_with(b".")
        {
            mark(&entry.path());
        }
        stamp(&entry.path());
    }
    stamp(directory);
}

fn stamp(path: &Path) {
    chmod(path, OUTSIDE_MODE);
    set_attribute(path, "user.outside", b"yes");
    let time = Timespec { tv_sec: OUTSIDE_TIME, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

/// The directory that a test works in, and what is outside of its trees.
struct Arena {
    sandbox: Sandbox,
    outside: Snapshot,
}

impl Arena {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        fill(&sandbox.path("source"), "This is the source. ", 0);
        fill(&sandbox.path("outside"), MARK, 0);
        mark(&sandbox.path("outside"));
        let outside = Snapshot::of(&sandbox.path("outside"));
        Self { sandbox, outside }
    }

    /// Where the other half of each swap is kept, and the target as it is to be at the start.
    fn prepare(&self, before: Before) {
        for name in ["spare", "target"] {
            let path = self.sandbox.path(name);
            if path.symlink_metadata().is_ok_and(|facts| facts.is_symlink()) {
                std::fs::remove_file(&path).unwrap();
            } else if path.exists() {
                std::fs::remove_dir_all(&path).unwrap();
            }
        }
        self.sandbox.directory("spare");
        if before == Before::Copy {
            fill(&self.sandbox.path("target"), "This was the target. ", 0);
        }
    }

    /// A directory of the arena, reached through no symbolic link.
    fn open(&self, path: &str) -> Option<OwnedFd> {
        let root = openat(CWD, self.sandbox.root(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        openat2(root, path, flags, Mode::empty(), resolve).ok()
    }

    /// Fails when anything came from outside, or anything outside is another than before.
    #[track_caller]
    fn assert_confined(&self, ended: &Ended) {
        let outside = Snapshot::of(&self.sandbox.path("outside"));
        outside.assert_contents(&self.outside, &format!("outside, {ended}"));
        for (name, entry) in &outside.entries {
            let before = &self.outside.entries[name];
            let same = (entry.ino, entry.changed) == (before.ino, before.changed);
            assert!(same, "{} outside was touched: {ended}", name.escape_ascii());
        }
        for tree in ["source", "spare", "target"] {
            // A copy of the link that the source was for a moment.
            if self.sandbox.path(tree).is_dir() && !self.sandbox.path(tree).is_symlink() {
                self.assert_unmarked(tree, ended);
            }
        }
    }

    #[track_caller]
    fn assert_unmarked(&self, tree: &str, ended: &Ended) {
        let root = self.sandbox.path(tree);
        for (name, entry) in &Snapshot::of(&root).entries {
            let name = std::str::from_utf8(name).unwrap();
            if entry.is_file() {
                let bytes = std::fs::read(root.join(name)).unwrap();
                let marked = bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes());
                assert!(!marked, "{tree}/{name} has content from outside: {ended}");
            }
            if !matches!(entry.what, What::Link(_)) {
                let attributes = &entry.attributes;
                let marked = attributes.modified.0 == OUTSIDE_TIME
                    || attributes.extended.contains_key(&b"user.outside"[..])
                    || attributes.mode == OUTSIDE_MODE;
                assert!(!marked, "{tree}/{name} has attributes from outside: {ended}");
            }
        }
    }
}

/// One who swaps parts of a tree for links to their like outside, and back again.
struct Swapper<'a> {
    arena: &'a Arena,
    tree: &'a str,
    spare: OwnedFd,
    chance: Chance,
    links: u64,
    swaps: &'a AtomicU64,
}

impl Swapper<'_> {
    fn run(mut self, done: &AtomicBool) {
        // The root of the source is a part as well; that of the target is followed, as cp does.
        let root = self.arena.open(".").unwrap();
        while !done.load(Ordering::Relaxed) {
            if self.tree == "source" && self.chance.below(20) == 0 {
                self.swap(&root, "source", "outside");
                continue;
            }
            let level = self.chance.below(u64::from(LEVELS) + 1) as u32;
            let mut path = self.tree.to_owned();
            for level in 0..level {
                path = format!("{path}/{}", self.directory_name(level));
            }
            let Some(directory) = self.arena.open(&path) else { continue };
            let name = some_name(&mut self.chance, level);
            // The same place outside, where there is one.
            let plain = |name: &str| {
                name.trim_start_matches('.').trim_end_matches(".mycp-000000").to_owned()
            };
            let below = path.split('/').skip(1).chain([&*name]).map(plain);
            let leads_to = ["outside".to_owned()].into_iter().chain(below).collect::<Vec<_>>();
            self.swap(&directory, &name, &leads_to.join("/"));
        }
    }

    fn directory_name(&mut self, level: u32) -> String {
        loop {
            let name = some_name(&mut self.chance, level);
            if name.contains('d') && (self.tree == "target" || !name.starts_with('.')) {
                return name;
            }
        }
    }

    /// Swaps what is at `name` for a link, waits for a moment, and mostly swaps it back.
    fn swap(&mut self, directory: &OwnedFd, name: &str, leads_to: &str) {
        let link = format!("{}-{}", self.tree, self.links);
        let exchange =
            || renameat_with(directory, name, &self.spare, &*link, RenameFlags::EXCHANGE).is_ok();
        symlinkat(self.arena.sandbox.path(leads_to), &self.spare, &*link).unwrap();
        if !exchange() {
            unlinkat(&self.spare, &*link, AtFlags::empty()).unwrap();
            return;
        }
        self.swaps.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.chance.below(2000) {
            std::hint::spin_loop();
        }
        let stays = self.tree == "target" && self.chance.below(4) == 0;
        if !stays && exchange() && self.is_link(&link) {
            unlinkat(&self.spare, &*link, AtFlags::empty()).unwrap();
        } else {
            // What was swapped out, or was put in the place of the link, stays beside.
            self.links += 1;
        }
    }

    fn is_link(&self, name: &str) -> bool {
        let facts = statat(&self.spare, name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        FileType::from_raw_mode(facts.st_mode) == FileType::Symlink
    }
}

/// How the copies ended; a test in which nobody got in the way shows nothing.
#[derive(Debug, Default)]
struct Tally {
    good: u64,
    failed: u64,
    /// Copies with a link where the source has none.
    with_links: u64,
}

fn copied_under_attack(arena: &Arena, chance: &mut Chance, swaps: &[AtomicU64; 2]) -> Tally {
    let mut tally = Tally::default();
    for copy in 0..scaled(40) {
        let (way, before) = WAYS[copy as usize % WAYS.len()];
        arena.prepare(before);
        let done = AtomicBool::new(false);
        let ended = std::thread::scope(|scope| {
            let _meddling = Meddling(&done);
            for (tree, swaps) in ["source", "target"].into_iter().zip(swaps) {
                let spare = arena.open("spare").unwrap();
                let chance = Chance::from_seed(chance.next());
                let swapper = Swapper { arena, tree, spare, chance, links: 0, swaps };
                scope.spawn(|| swapper.run(&done));
            }
            let options = way.iter().copied();
            arena.sandbox.mycp(options.chain(["source", "target"]))
        });
        let ended = ended.orderly();
        arena.assert_confined(&ended);
        match ended.is_good() {
            true => tally.good += 1,
            false => tally.failed += 1,
        }
        if arena.sandbox.path("target").is_dir() {
            let seen = Snapshot::of(&arena.sandbox.path("target"));
            let links = seen.entries.values().any(|entry| matches!(entry.what, What::Link(_)));
            tally.with_links += u64::from(links);
        }
    }
    tally
}

#[test]
fn nothing_outside_is_read_or_written_while_parts_of_the_trees_are_swapped_for_links() {
    let mut chance = Chance::new("hostile");
    let arena = Arena::new();
    let swaps = [AtomicU64::new(0), AtomicU64::new(0)];
    let tally = copied_under_attack(&arena, &mut chance, &swaps);
    eprintln!("{tally:?}, swaps {swaps:?}");
    let copies = tally.good + tally.failed;
    for swaps in &swaps {
        assert!(swaps.load(Ordering::Relaxed) > 5 * copies, "too few swaps: {swaps:?}");
    }
    assert!(tally.with_links > copies / 4, "nobody got in the way: {tally:?}");
}
