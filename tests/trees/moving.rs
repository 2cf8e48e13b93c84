//! A tree that changes while it is copied: the copy ends, with an error for what could not be
//! copied, has all that did not change, and no file that is a mixture.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Meddling;
use crate::support::files::symlink;
use crate::support::snapshot::{Snapshot, shown};
use crate::support::{Chance, Ended, Sandbox, content, scaled};
use crate::wine;

// Less under Wine, where all that is done with files takes some ten times as long.
const DIRECTORIES: u64 = if cfg!(windows) { 3 } else { 6 };
const FILES: u64 = if cfg!(windows) { 6 } else { 12 };
const STABLE: u64 = if cfg!(windows) { 4 } else { 10 };
const ROUNDS: u64 = if cfg!(windows) { 4 } else { 24 };
const WAYS: [&[&str]; 4] = [&["-rT"], &["-aT"], &["-aT", "-j1"], &["-aT", "--engine=mmap"]];

/// The directory below which the tree changes.
struct Moving {
    root: PathBuf,
    /// One that does not change.
    stable: PathBuf,
    chance: Chance,
}

impl Moving {
    fn directory(&mut self) -> PathBuf {
        let path = self.root.join(format!("m{}", self.chance.below(DIRECTORIES)));
        match self.chance.below(3) {
            0 => path.join("inner"),
            _ => path,
        }
    }

    fn file(&mut self) -> PathBuf {
        let name = format!("f{}", self.chance.below(FILES));
        self.directory().join(name)
    }

    /// One value all over, so that a mixture of two contents is seen.
    fn write(&mut self, path: &Path) {
        let len = match self.chance.below(8) {
            0 => 700_000,
            _ => self.chance.below(40_000),
        };
        let value = self.chance.next() as u8;
        // The directory may be gone.
        std::fs::write(path, vec![value; len as usize]).ok();
    }

    fn build(&mut self) {
        for directory in 0..DIRECTORIES {
            let path = self.root.join(format!("m{directory}"));
            std::fs::create_dir_all(path.join("inner")).unwrap();
            for file in 0..FILES {
                self.write(&path.join(format!("f{file}")));
                self.write(&path.join(format!("inner/f{file}")));
            }
        }
    }

    fn delete_and_add(&mut self) {
        let path = self.file();
        std::fs::remove_file(&path).ok();
        if self.chance.below(2) == 0 {
            self.write(&path);
        }
        let fresh = format!("new-{}", self.chance.below(50));
        let fresh = self.directory().join(fresh);
        if std::fs::create_dir(&fresh).is_ok() {
            self.write(&fresh.join("f"));
        } else {
            std::fs::remove_dir_all(&fresh).ok();
        }
    }

    fn truncate_and_rewrite(&mut self) {
        // What takes long to copy is rarely copied between two changes.
        if self.chance.below(2) == 0 {
            let path = self.root.join(format!("large-{}", self.chance.below(3)));
            let value = self.chance.next() as u8;
            unless_mapped(std::fs::write(path, vec![value; 3 << 20]));
            return;
        }
        let path = self.file();
        if let Ok(file) = std::fs::File::options().write(true).open(&path) {
            // Never longer: zeros behind the content would look like a mixture.
            let len = file.metadata().unwrap().len();
            unless_mapped(file.set_len(self.chance.below(len + 1)));
        }
        if self.chance.below(2) == 0 {
            self.write(&path);
        }
    }

    fn rename_directories(&mut self) {
        let (one, other) = (self.directory(), self.directory());
        let aside = self.root.join("aside");
        std::fs::rename(&one, &aside).ok();
        std::fs::rename(&other, &one).ok();
        // Deeper into the tree, or back to where the other was.
        match self.chance.below(2) {
            0 => std::fs::rename(&aside, &other).ok(),
            _ => std::fs::rename(&aside, one.join("moved")).ok(),
        };
        std::fs::rename(one.join("moved"), &other).ok();
    }

    fn remove_directories(&mut self) {
        let path = self.directory();
        std::fs::remove_dir_all(&path).ok();
        if self.chance.below(2) == 0 {
            std::fs::create_dir_all(&path).ok();
            let file = path.join("f1");
            self.write(&file);
        }
    }

    fn change_kinds(&mut self) {
        let path = self.file();
        std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path)).ok();
        match self.chance.below(4) {
            0 => drop(std::fs::create_dir(&path)),
            1 => drop(symlink(&self.stable, &path)),
            #[cfg(unix)]
            2 => {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).ok();
            }
            _ => self.write(&path),
        }
    }
}

/// Windows cuts no file that somebody has mapped (ERROR_USER_MAPPED_FILE).
#[track_caller]
fn unless_mapped(cut: std::io::Result<()>) {
    match cut {
        Err(error) if cfg!(windows) && error.raw_os_error() == Some(1224) => {}
        cut => cut.unwrap(),
    }
}

fn stable(sandbox: &Sandbox) -> Snapshot {
    for directory in 0..STABLE {
        let path = format!("source/stable/s{directory}/inner");
        std::fs::create_dir_all(sandbox.path(&path)).unwrap();
        for file in 0..STABLE {
            let bytes = content(file, 1000 * file as usize);
            sandbox.write(format!("{path}/{file}"), &bytes);
            sandbox.write(format!("source/stable/s{directory}/{file}"), &bytes);
        }
    }
    Snapshot::of(&sandbox.path("source/stable"))
}

/// Copies while `change` is called over and over again on what is below `root`.
fn changed_meanwhile(root: &str, change: fn(&mut Moving), judge: impl Fn(&Sandbox, &Ended)) {
    let mut chance = Chance::new("moving tree");
    let sandbox = Sandbox::new();
    let expected = stable(&sandbox);
    let source = sandbox.path("source/moving");
    let mut tally = [0, 0];
    for round in 0..scaled(ROUNDS) as usize {
        for name in ["target", "source/moving"] {
            std::fs::remove_dir_all(sandbox.path(name)).ok();
        }
        let fresh = |root: PathBuf, seed: u64| Moving {
            root,
            stable: sandbox.path("source/stable"),
            chance: Chance::from_seed(seed),
        };
        fresh(source.clone(), chance.next()).build();
        let mut moving = fresh(sandbox.path(root), chance.next());
        let done = AtomicBool::new(false);
        let ended = std::thread::scope(|scope| {
            let _meddling = Meddling(&done);
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    change(&mut moving);
                    // What all processes of Wine ask for, one server does.
                    if wine::lacks(wine::Lack::Pace) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            });
            let way = WAYS[round % WAYS.len()].iter().copied();
            sandbox.mycp(way.chain(["source", "target"]))
        });
        let ended = ended.orderly();
        assert!(!ended.errors.contains("panicked"), "{ended}");
        assert!(ended.is_good() || ended.errors.contains("moving"), "what failed? {ended}");
        let seen = Snapshot::of(&sandbox.path("target/stable"));
        seen.assert_contents(&expected, &format!("what did not change: {ended}"));
        judge(&sandbox, &ended);
        tally[usize::from(!ended.is_good())] += 1;
    }
    eprintln!("good {}, failed {}", tally[0], tally[1]);
}

/// Fails when a file of the copy has parts of two contents.
fn assert_no_mixture(sandbox: &Sandbox, ended: &Ended) {
    let root = sandbox.path("target/moving");
    if !root.exists() {
        return;
    }
    let seen = Snapshot::of(&root);
    assert!(seen.leftovers().is_empty(), "{:?}: {ended}", seen.leftovers());
    for (name, entry) in &seen.entries {
        if entry.is_file() {
            let bytes = std::fs::read(root.join(std::str::from_utf8(name).unwrap())).unwrap();
            let mixed = bytes.iter().position(|byte| *byte != bytes[0]);
            let (name, len) = (shown(name), bytes.len());
            assert!(mixed.is_none(), "{name} is mixed from {mixed:?} of {len} on: {ended}");
        }
    }
}

#[test]
fn files_that_come_and_go_do_not_stop_the_copy() {
    changed_meanwhile("source/moving", Moving::delete_and_add, assert_no_mixture);
}

#[test]
fn files_that_are_cut_and_rewritten_are_copied_whole_or_not() {
    changed_meanwhile("source/moving", Moving::truncate_and_rewrite, assert_no_mixture);
}

#[test]
fn directories_that_are_renamed_do_not_stop_the_copy() {
    changed_meanwhile("source/moving", Moving::rename_directories, assert_no_mixture);
}

#[test]
fn directories_that_vanish_do_not_stop_the_copy() {
    changed_meanwhile("source/moving", Moving::remove_directories, assert_no_mixture);
}

#[test]
fn objects_that_become_others_of_their_name_do_not_stop_the_copy() {
    changed_meanwhile("source/moving", Moving::change_kinds, assert_no_mixture);
}

#[test]
fn a_target_that_is_removed_meanwhile_does_not_stop_the_copy() {
    changed_meanwhile("target/moving", Moving::remove_directories, |_, _| ());
}

#[test]
fn a_target_that_is_renamed_meanwhile_does_not_stop_the_copy() {
    changed_meanwhile("target/moving", Moving::rename_directories, |_, _| ());
}

#[test]
fn a_target_whose_objects_become_others_meanwhile_does_not_stop_the_copy() {
    changed_meanwhile("target/moving", Moving::change_kinds, |_, _| ());
}
