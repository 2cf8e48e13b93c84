//! A file system that fills up while a tree is copied to it: each file is there whole or named in
//! an error, and with more space the same command completes the copy.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::files::stamp;
use crate::support::mounts::{Kind, Mounts};
use crate::support::snapshot::{Snapshot, shown};
use crate::support::{Chance, Ended, Sandbox, content, scaled};

const MIB: u64 = 1 << 20;
const WAYS: [&[&str]; 5] =
    [&["-rT"], &["-aT"], &["-aT", "-j1"], &["-aT", "--flush=sync"], &["-aT", "--engine=mmap"]];

/// A tree of about 16 MiB, and one with some of its names and other contents.
struct Trees {
    sandbox: Sandbox,
    source: Snapshot,
    older: Snapshot,
}

impl Trees {
    fn new(chance: &mut Chance) -> Self {
        let sandbox = Sandbox::new();
        for directory in 0..30_u64 {
            let path = match directory {
                0 => String::new(),
                _ if directory % 4 == 0 => format!("d{}/d{directory}/", directory - 1),
                _ => format!("d{directory}/"),
            };
            for tree in ["source", "older"] {
                std::fs::create_dir_all(sandbox.path(format!("{tree}/{path}"))).unwrap();
            }
            for number in 0..6_u64 {
                let len = match chance.below(10) {
                    0 => MIB,
                    1..3 => chance.below(MIB / 4),
                    _ => chance.below(20_000),
                };
                let seed = 100 * directory + number;
                sandbox.write(format!("source/{path}f{number}"), &content(seed, len as usize));
                if seed % 3 == 0 {
                    sandbox.write(format!("older/{path}f{number}"), &content(!seed, 3000));
                }
            }
        }
        stamp(&sandbox.path("source"));
        let source = Snapshot::of(&sandbox.path("source"));
        let older = Snapshot::of(&sandbox.path("older"));
        Self { sandbox, source, older }
    }

    fn copy(&self, way: &[&str], from: &str, to: &Path) -> Ended {
        let options = way.iter().map(AsRef::as_ref);
        self.sandbox.mycp(options.chain([from.as_ref(), to.as_os_str()]))
    }

    /// Judges a copy that found too little space.
    fn judge(&self, ended: Ended, target: &Path, had_older: bool) {
        let ended = ended.failed();
        let named = ["No space left on device", "bytes are needed"];
        assert!(named.iter().any(|words| ended.errors.contains(words)), "of space: {ended}");
        let seen = match target.exists() {
            true => Snapshot::of(target),
            false => Snapshot { entries: std::collections::BTreeMap::new() },
        };
        assert!(seen.leftovers().is_empty(), "left {:?}: {ended}", seen.leftovers());
        for (name, entry) in &seen.entries {
            let is_new = self.source.entries.get(name).is_some_and(|new| new.what == entry.what);
            let old = self.older.entries.get(name).filter(|_| had_older);
            let is_old = old.is_some_and(|old| old.what == entry.what);
            assert!(is_new || is_old, "{} is neither old nor new: {ended}", shown(name));
        }
        for (name, new) in &self.source.entries {
            let is_there = seen.entries.get(name).is_some_and(|seen| seen.what == new.what);
            assert!(is_there || is_named(name, &ended), "{} is in no error: {ended}", shown(name));
        }
    }

    /// With enough space.
    fn complete(&self, way: &[&str], target: &Path, had_older: bool) {
        let ended = self.copy(way, "source", target).good();
        let seen = Snapshot::of(target);
        match way[0].contains('a') && !had_older {
            true => seen.assert_copy(&self.source, &ended.description),
            false => seen.assert_contents(&self.source, &ended.description),
        }
    }
}

/// Whether an error names the path, or a directory on the way to it.
fn is_named(name: &[u8], ended: &Ended) -> bool {
    let name = format!("/{}", std::str::from_utf8(name).unwrap());
    let name = name.trim_end_matches('/');
    let mut ends: Vec<usize> = name.match_indices('/').map(|(at, _)| at).collect();
    ends.push(name.len());
    ends.iter().any(|end| {
        ["source", "target"]
            .iter()
            .any(|tree| ended.errors.contains(&format!("{tree}{}'", &name[..*end])))
    })
}

fn remount(directory: &Path, options: &str) {
    let mut mount = Command::new("mount");
    let status = mount.args(["-o", &format!("remount,{options}")]).arg(directory).status().unwrap();
    assert!(status.success(), "remount {options}");
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn a_tmpfs_that_fills_up_gets_whole_files_and_then_the_rest() {
    let mut chance = Chance::new("full tree, tmpfs");
    let trees = Trees::new(&mut chance);
    for round in 0..scaled(24) as usize {
        let mut mounts = Mounts::new();
        let disk = mounts.add(Kind::Tmpfs, 64);
        let target = disk.join("target");
        let way = WAYS[round % WAYS.len()];
        let had_older = round % 2 == 0;
        if had_older {
            trees.copy(&["-rT"], "older", &target).good();
        }
        let kib = 64 + chance.below(10 << 10);
        match round % 6 {
            // Names run out, not bytes.
            5 => remount(&disk, &format!("nr_inodes={}", 1 + 100 + chance.below(80))),
            _ => remount(&disk, &format!("size={}k", kib + if had_older { 300 } else { 0 })),
        }
        let ended = trees.copy(way, "source", &target);
        trees.judge(ended, &target, had_older);
        remount(&disk, "size=64m,nr_inodes=10000");
        trees.complete(way, &target, had_older);
    }
}

/// Fills the disk until about `rest` bytes are free.
fn fill(disk: &Path, rest: u64) -> PathBuf {
    use std::io::Write;
    let filler = disk.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    loop {
        let facts = rustix::fs::statvfs(disk).unwrap();
        let free = facts.f_bavail * facts.f_frsize;
        if free <= rest {
            return filler;
        }
        let bytes = vec![7; (free - rest).min(4 * MIB) as usize];
        if file.write_all(&bytes).is_err() {
            return filler;
        }
        file.sync_all().unwrap();
    }
}

fn a_disk_fills_up(kind: Kind) {
    let mut chance = Chance::new("full tree, disk");
    let trees = Trees::new(&mut chance);
    let mut mounts = Mounts::new();
    let disk = mounts.add(kind, kind.smallest_mib());
    let target = disk.join("target");
    for round in 0..scaled(6) as usize {
        let way = WAYS[round % WAYS.len()];
        let had_older = round % 2 == 0;
        if had_older {
            trees.copy(&["-rT"], "older", &target).good();
        }
        let filler = fill(&disk, MIB + chance.below(8 * MIB));
        let ended = trees.copy(way, "source", &target);
        trees.judge(ended, &target, had_older);
        std::fs::remove_file(filler).unwrap();
        trees.complete(way, &target, had_older);
        std::fs::remove_dir_all(&target).unwrap();
    }
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn an_ext4_that_fills_up_gets_whole_files_and_then_the_rest() {
    a_disk_fills_up(Kind::Ext4);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn an_xfs_that_fills_up_gets_whole_files_and_then_the_rest() {
    a_disk_fills_up(Kind::Xfs);
}
