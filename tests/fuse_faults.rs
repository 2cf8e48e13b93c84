//! Reads and writes that fail, and files that cannot be mapped, on a file system that fails at
//! the wanted place.
//!
//! Behind a map such a failure is SIGBUS: it has killed ClickHouse and dwarfs.

use fuser::Errno;

use crate::support::fuse::{Faults, FaultyFileSystem};
use crate::support::{Sandbox, assert_same_bytes, content};

/// Those that copy from one file system to another: the kernel's does not.
const ENGINES: [&str; 3] = ["auto", "mmap", "buffered"];

const LEN: usize = (5 << 20) + 123;
const PAGE: u64 = 4096;

/// The range that a message names as `bytes A..B`.
fn named_range(message: &str) -> Option<(u64, u64)> {
    let range = message.split(" bytes ").nth(1)?.split(':').next()?;
    let (start, end) = range.split_once("..")?;
    Some((start.parse().ok()?, end.parse().ok()?))
}

fn bad_sector(engine: &str, bad: u64, faults: Faults) {
    let bytes = content(20, LEN);
    let faults = Faults { read_at: Some(bad), ..faults };
    let disk = FaultyFileSystem::new(&[("bad", &bytes)], faults);
    let sandbox = Sandbox::new();
    sandbox.write("target", b"old");
    let engine = format!("--engine={engine}");
    let source = disk.path("bad");
    let ended = sandbox.mycp([engine.as_ref(), source.as_os_str(), "target".as_ref()]).failed();
    assert!(ended.errors.contains("Input/output error"), "{ended}");
    assert!(ended.errors.contains("cannot read"), "the side is not named: {ended}");
    assert!(ended.errors.contains("bad'"), "the file is not named: {ended}");
    let (start, end) = named_range(&ended.errors).unwrap_or_else(|| panic!("no range: {ended}"));
    assert!(start <= bad && bad < end && end - start <= PAGE, "the page of {bad}: {ended}");
    assert_same_bytes(&sandbox.read("target"), b"old", &ended.description);
    sandbox.assert_tidy(&ended.description);
}

#[test]
#[ignore = "needs FUSE"]
fn a_bad_sector_is_an_error_that_names_file_side_and_page() {
    for engine in ["auto", "mmap", "buffered"] {
        for bad in [0, 5000, (2 << 20) + 4095, (3 << 20) + 4096, LEN as u64 - 1] {
            bad_sector(engine, bad, Faults::default());
        }
    }
}

#[test]
#[ignore = "needs FUSE"]
fn a_bad_sector_of_a_file_that_cannot_be_mapped_is_named_too() {
    for engine in ["auto", "buffered"] {
        bad_sector(engine, (3 << 20) + 77, Faults { direct_io: true, ..Faults::default() });
    }
}

/// The kernel refuses to map such a file shared with ENODEV, as vboxsf and others do with all.
#[test]
#[ignore = "needs FUSE"]
fn a_target_that_cannot_be_mapped_is_refused_by_the_mapped_engine_alone() {
    let bytes = content(21, LEN);
    let faults = Faults { direct_io: true, ..Faults::default() };
    let disk = FaultyFileSystem::new(&[("target", b"old")], faults);
    let sandbox = Sandbox::new();
    sandbox.write("source", &bytes);
    let target = disk.path("target");
    for option in ["--explain", "--in-place"] {
        let arguments =
            ["--engine=mmap".as_ref(), option.as_ref(), "source".as_ref(), target.as_os_str()];
        let ended = sandbox.mycp(arguments).failed().says("map");
        assert!(ended.errors.contains("target'"), "the file is not named: {ended}");
        let served = disk.served("target").unwrap();
        assert_same_bytes(&served, b"old", &ended.description);
        assert_eq!(disk.names(), ["target"], "{ended}");
    }
    let arguments = ["--explain".as_ref(), "source".as_ref(), target.as_os_str()];
    let ended = sandbox.mycp(arguments).good();
    assert_same_bytes(&disk.served("target").unwrap(), &bytes, &ended.description);
    let told = String::from_utf8_lossy(&ended.output).into_owned() + &ended.errors;
    assert!(told.contains("buffered") || told.contains("kernel"), "no other engine: {ended}");
}

#[test]
#[ignore = "needs FUSE"]
fn a_source_that_cannot_be_mapped_is_copied_by_another_engine() {
    let bytes = content(22, LEN);
    let faults = Faults { direct_io: true, ..Faults::default() };
    let disk = FaultyFileSystem::new(&[("source", &bytes)], faults);
    let sandbox = Sandbox::new();
    let source = disk.path("source");
    let ended = sandbox.mycp(["--explain".as_ref(), source.as_os_str(), "target".as_ref()]).good();
    assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
    // A private map may be possible where a shared one is not; whole or refused, never another.
    let arguments = ["--engine=mmap".as_ref(), source.as_os_str(), "second".as_ref()];
    let ended = sandbox.mycp(arguments).orderly();
    match ended.is_good() {
        true => assert_same_bytes(&sandbox.read("second"), &bytes, &ended.description),
        false => assert!(ended.errors.contains("map"), "no word of mapping: {ended}"),
    }
}

/// It says to be longer than it is, and each time to have been written just now.
#[test]
#[ignore = "needs FUSE"]
fn a_source_that_is_made_up_as_it_is_read_is_copied_as_it_reads() {
    let bytes = content(23, 100_000);
    let faults = Faults { direct_io: true, longer_by: 500, ..Faults::default() };
    let disk = FaultyFileSystem::new(&[("source", &bytes)], faults);
    let sandbox = Sandbox::new();
    for way in ["--engine=auto", "--in-place"] {
        let source = disk.path("source");
        let ended = sandbox.mycp([way.as_ref(), source.as_os_str(), "target".as_ref()]).good();
        assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
    }
}

/// Copies to a file system with `faults`, over a target and to none: it has to fail and to leave
/// what was there.
fn refused_by_target(faults: Faults, cause: &str, flush: &str, engine: &str) {
    let bytes = content(23, LEN);
    let sandbox = Sandbox::new();
    sandbox.write("source", &bytes);
    let old = b"the old target".as_slice();
    for files in [&[("target", old)] as &[_], &[]] {
        let disk = FaultyFileSystem::new(files, faults);
        let target = disk.path("target");
        let engine = format!("--engine={engine}");
        let arguments = [engine.as_ref(), flush.as_ref(), "source".as_ref(), target.as_os_str()];
        let ended = sandbox.mycp(arguments).failed();
        assert!(ended.errors.contains(cause), "{cause} is not named with {faults:?}: {ended}");
        assert!(ended.errors.contains("target'"), "the target is not named: {ended}");
        let expected = files.first().map(|_| old.to_vec());
        assert!(disk.served("target") == expected, "not as it was, {faults:?}: {ended}");
        let left = crate::support::sandbox::leftovers(disk.root());
        assert!(left.is_empty(), "{left:?} left by {ended}");
    }
}

#[test]
#[ignore = "needs FUSE"]
fn a_failing_write_is_an_error_that_leaves_the_old_target() {
    let at = (3 << 20) + 5;
    for (error, cause) in [(Errno::EIO, "Input/output error"), (Errno::ENOSPC, "No space left")] {
        for direct_io in [false, true] {
            for flush in ["--flush=none", "--flush=sync"] {
                let faults = Faults { write_at: Some((at, error)), direct_io, ..Faults::default() };
                for engine in ENGINES.iter().filter(|engine| !direct_io || **engine != "mmap") {
                    refused_by_target(faults, cause, flush, engine);
                }
            }
        }
    }
}

#[test]
#[ignore = "needs FUSE"]
fn a_failing_fsync_is_an_error_that_leaves_the_old_target() {
    let faults = Faults { fsync: Some(Errno::EIO), ..Faults::default() };
    for engine in ENGINES {
        refused_by_target(faults, "Input/output error", "--flush=sync", engine);
    }
}

/// Network file systems report a failed write when the file is closed.
#[test]
#[ignore = "needs FUSE"]
fn a_failing_close_is_an_error_that_leaves_the_old_target() {
    for (error, cause) in [(Errno::EIO, "Input/output error"), (Errno::ENOSPC, "No space left")] {
        let faults = Faults { close: Some(error), ..Faults::default() };
        for engine in ENGINES {
            refused_by_target(faults, cause, "--flush=none", engine);
            refused_by_target(faults, cause, "--flush=sync", engine);
        }
    }
}
