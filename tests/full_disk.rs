//! A disk that is full, or fills up, is an error that leaves the old target and no temporary.
//!
//! A mapped store into a hole of a full disk raises SIGBUS: libffi, syslog-ng, osmium and others
//! have died of it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::mounts::{Kind, Mounts};
use crate::support::{Chance, Ended, Sandbox, assert_same_bytes, content, same_content, scaled};

/// Those that copy from one file system to another: the kernel's does not.
const ENGINES: [&str; 3] = ["auto", "mmap", "buffered"];

const MIB: u64 = 1 << 20;

/// Bytes that a process may still allocate there.
fn free(directory: &Path) -> u64 {
    let facts = rustix::fs::statvfs(directory).unwrap();
    facts.f_bavail * facts.f_frsize
}

/// Fills the file system until about `rest` bytes are free.
fn fill(directory: &Path, rest: u64) {
    let mut filler =
        File::options().create(true).append(true).open(directory.join("filler")).unwrap();
    let bytes = content(7, 1 << 20);
    while free(directory) > rest {
        let step = (free(directory) - rest).min(MIB) as usize;
        if filler.write(&bytes[..step]).is_err() {
            break;
        }
        // btrfs and XFS count what is not yet written only roughly.
        filler.sync_all().unwrap();
    }
}

fn assert_no_space(ended: Ended, old: Option<&[u8]>, directory: &Sandbox) {
    let ended = ended.failed();
    let named = ["No space left on device", "bytes are needed"];
    assert!(named.iter().any(|words| ended.errors.contains(words)), "no word of space: {ended}");
    match old {
        Some(old) => assert_same_bytes(&directory.read("target"), old, &ended.description),
        None => assert!(!directory.path("target").exists(), "a target was left: {ended}"),
    }
    directory.assert_tidy(&ended.description);
}

/// A directory on `disk` with a target, made before the disk is full: btrfs, when it is, makes
/// not even an empty file.
fn with_target(disk: &Path) -> Sandbox {
    let directory = Sandbox::within(disk);
    directory.write("target", &old_content());
    directory
}

fn old_content() -> Vec<u8> {
    content(8, 300_000)
}

/// Copies `source`, which does not fit, with each engine, over a target and to none.
fn copied_to_too_little_space(source: &Path, directory: &Sandbox) {
    refused_for_space(source, directory, &ENGINES);
}

fn refused_for_space(source: &Path, directory: &Sandbox, engines: &[&str]) {
    for old in [Some(old_content()), None] {
        if old.is_none() {
            std::fs::remove_file(directory.path("target")).unwrap();
        }
        for engine in engines {
            let engine = format!("--engine={engine}");
            let arguments = [engine.as_ref(), source.as_os_str(), "target".as_ref()];
            assert_no_space(directory.mycp(arguments), old.as_deref(), directory);
        }
    }
}

fn too_little_space(kind: Kind) {
    let mut chance = Chance::new("full disk");
    let sources = Sandbox::new();
    for _ in 0..scaled(2) {
        let mut mounts = Mounts::new();
        let disk = mounts.add(kind, kind.smallest_mib());
        let directory = with_target(&disk);
        let rest = 4 * MIB + chance.below(24 * MIB);
        fill(&disk, rest);
        eprintln!("{kind:?}: {rest} bytes to be left, {} are", free(&disk));
        // btrfs may say 0 where there is something.
        let len = rest.max(free(&disk)) + 8 * MIB + chance.below(8 * MIB);
        let source = sources.write("source", &content(9, len as usize));
        copied_to_too_little_space(&source, &directory);
    }
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn a_full_tmpfs_is_an_error_that_leaves_the_old_target() {
    too_little_space(Kind::Tmpfs);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn a_full_ext4_is_an_error_that_leaves_the_old_target() {
    too_little_space(Kind::Ext4);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn a_full_xfs_is_an_error_that_leaves_the_old_target() {
    too_little_space(Kind::Xfs);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn a_full_btrfs_is_an_error_that_leaves_the_old_target() {
    too_little_space(Kind::Btrfs);
}

/// Within one file system all engines can, where none shares blocks.
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_source_on_the_full_disk_itself_is_not_copied_in_part() {
    let mut chance = Chance::new("full disk, one file system");
    for kind in [Kind::Tmpfs, Kind::Ext4] {
        let mut mounts = Mounts::new();
        let disk = mounts.add(kind, kind.smallest_mib());
        let directory = with_target(&disk);
        let source = directory.write("source", &content(14, 22 << 20));
        fill(&disk, 4 * MIB + chance.below(16 * MIB));
        refused_for_space(&source, &directory, &crate::support::ENGINES);
    }
}

/// Holes take no space, but what lies between them does.
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_sparse_source_whose_data_does_not_fit_is_an_error() {
    for kind in Kind::ALL {
        let mut mounts = Mounts::new();
        let disk = mounts.add(kind, kind.smallest_mib());
        let directory = with_target(&disk);
        fill(&disk, 16 * MIB);
        let sources = Sandbox::new();
        let source = sparse_source(&sources, free(&disk).max(16 * MIB) + 8 * MIB);
        copied_to_too_little_space(&source, &directory);
    }
}

/// The opposite: a sparse source larger than the disk, whose data fits, is copied.
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_sparse_source_larger_than_the_disk_is_copied_when_its_data_fits() {
    for kind in Kind::ALL {
        let mut mounts = Mounts::new();
        let disk = mounts.add(kind, kind.smallest_mib());
        let sources = Sandbox::new();
        let source = sparse_source(&sources, 4 * MIB);
        let directory = Sandbox::within(&disk);
        for engine in ENGINES {
            let engine = format!("--engine={engine}");
            let arguments = [engine.as_ref(), source.as_os_str(), "target".as_ref()];
            let ended = directory.mycp(arguments).good();
            let same = same_content(&source, &directory.path("target"));
            assert!(same.is_ok(), "{kind:?}, {same:?}: {ended}");
        }
    }
}

/// A file of 1 GiB with `data` bytes in pieces of 64 KiB.
fn sparse_source(sources: &Sandbox, data: u64) -> std::path::PathBuf {
    use std::os::unix::fs::FileExt;
    let path = sources.write("sparse", b"");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1024 * MIB).unwrap();
    let piece = content(10, 64 << 10);
    let pieces = data.div_ceil(64 << 10);
    let distance = (1024 * MIB / pieces) & !0xffff;
    assert!(distance > 64 << 10, "the pieces would touch");
    for number in 0..pieces {
        file.write_all_at(&piece, number * distance).unwrap();
    }
    path
}

/// Another process takes the space while the copy goes on: it may have been enough or not, but
/// the target is never in between.
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_disk_that_fills_up_meanwhile_leaves_the_old_target_or_the_new_one() {
    let mut chance = Chance::new("filling up");
    let sources = Sandbox::new();
    let new = content(11, 24 << 20);
    let old = content(12, 100_000);
    let source = sources.write("source", &new);
    let mut failures = 0;
    for kind in Kind::ALL {
        let mut mounts = Mounts::new();
        let disk = mounts.add(kind, kind.smallest_mib());
        let directory = Sandbox::within(&disk);
        for engine in ENGINES {
            for _ in 0..scaled(2) {
                drop(std::fs::remove_file(disk.join("filler")));
                drop(std::fs::remove_file(disk.join("eaten")));
                directory.write("target", &old);
                // The copy alone would fit.
                fill(&disk, 28 * MIB + chance.below(8 * MIB));
                let engine = format!("--engine={engine}");
                let arguments = [engine.as_ref(), source.as_os_str(), "target".as_ref()];
                let pause = chance.shorter_than(Duration::from_millis(20));
                let ended = eaten_meanwhile(&disk, pause, || directory.mycp(arguments));
                directory.assert_tidy(&ended.description);
                match ended.is_good() {
                    true => assert_same_bytes(&directory.read("target"), &new, "the new target"),
                    false => {
                        failures += 1;
                        assert_no_space(ended, Some(&old), &directory);
                    }
                }
            }
        }
    }
    assert!(failures > 0, "the space always sufficed");
}

fn eaten_meanwhile(disk: &Path, pause: Duration, copy: impl FnOnce() -> Ended) -> Ended {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(pause);
            let mut eaten = File::create(disk.join("eaten")).unwrap();
            let bytes = content(13, 1 << 20);
            while eaten.write_all(&bytes).is_ok() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let ended = copy();
        stop.store(true, Ordering::Relaxed);
        ended
    })
}
