//! Holes stay holes, and offsets past 2 and 4 GiB are copied like others.
//!
//! xcp once ended at byte 2147479552, the most that one call of `copy_file_range` moves, with
//! status 0.

use std::fs::File;
use std::path::PathBuf;

use crate::support::{ENGINES, FileExt, Sandbox, assert_same_bytes, content, files, same_content};
use crate::wine;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A file of `len` bytes with 70,000 random ones at each of these places, as far as it goes.
fn sparse_file(sandbox: &Sandbox, len: u64, places: &[u64]) -> PathBuf {
    let path = sandbox.write("source", b"");
    let file = File::options().write(true).open(&path).unwrap();
    files::allow_holes(&file);
    file.set_len(len).unwrap();
    for place in places {
        let bytes = content(50 + place, (len - place).min(70_000) as usize);
        file.write_all_at(&bytes, *place).unwrap();
    }
    path
}

/// Copies with each engine and each policy that keeps holes.
fn comes_out_equal(len: u64, places: &[u64]) {
    for engine in ENGINES {
        for way in [&[] as &[&str], &["--sparse=always"], &["--reflink=never", "--verify=cache"]] {
            // The kernel's engine moves no zeros away and cannot do without sharing on XFS.
            if engine == "kernel" && !way.is_empty() {
                continue;
            }
            // Verifying reads the holes, too.
            if len > GIB && way.contains(&"--verify=cache") {
                continue;
            }
            let sandbox = Sandbox::new();
            let source = sparse_file(&sandbox, len, places);
            let engine = format!("--engine={engine}");
            let options = [&*engine].into_iter().chain(way.iter().copied());
            let ended = sandbox.mycp(options.chain(["source", "target"])).good();
            let same = same_content(&source, &sandbox.path("target"));
            assert!(same.is_ok(), "{len} bytes, data at {places:?}, {same:?}: {ended}");
            let (before, after) =
                (sandbox.allocated("source") / 512, sandbox.allocated("target") / 512);
            // Each piece may take a few blocks more at its ends.
            let limit = before + 256 * places.len() as u64 + 64;
            assert!(after <= limit, "{before} blocks became {after}: {ended}");
        }
    }
}

#[test]
fn data_past_two_and_four_gib_arrives() {
    if wine::cannot("sparse::data_past_two_and_four_gib_arrives") {
        return;
    }
    comes_out_equal(4 * GIB + 70_000 + 1, &[0, 2 * GIB + 1, 4 * GIB + 1]);
}

#[test]
fn a_hole_at_the_beginning() {
    if wine::cannot("sparse::a_hole_at_the_beginning") {
        return;
    }
    comes_out_equal(9 * MIB + 5, &[7 * MIB + 3]);
}

#[test]
fn a_hole_at_the_end() {
    if wine::cannot("sparse::a_hole_at_the_end") {
        return;
    }
    comes_out_equal(9 * MIB + 5, &[0, MIB]);
    comes_out_equal(5 * GIB, &[0]);
}

#[test]
fn nothing_but_a_hole() {
    if wine::cannot("sparse::nothing_but_a_hole") {
        return;
    }
    for len in [1, 4095, 4096, 4097, 2 * MIB, 9 * MIB + 1, 5 * GIB] {
        comes_out_equal(len, &[]);
    }
}

#[test]
fn a_byte_at_each_end() {
    if wine::cannot("sparse::a_byte_at_each_end") {
        return;
    }
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        let source = sandbox.write("source", b"a");
        let file = File::options().write(true).open(&source).unwrap();
        files::allow_holes(&file);
        file.write_all_at(b"z", 3 * GIB).unwrap();
        let ended = sandbox.mycp([&*format!("--engine={engine}"), "source", "target"]).good();
        let same = same_content(&source, &sandbox.path("target"));
        assert!(same.is_ok(), "{same:?}: {ended}");
        assert!(sandbox.allocated("target") / 512 < 256, "holes were filled: {ended}");
    }
}

#[test]
fn many_small_holes() {
    if wine::cannot("sparse::many_small_holes") {
        return;
    }
    let places: Vec<_> = (0..100).map(|number| number * 300_000).collect();
    comes_out_equal(30 * MIB + 17, &places);
}

/// A target that was longer or had data where the source has a hole reads as zeros there.
#[test]
fn old_data_does_not_shine_through_a_hole() {
    for engine in ENGINES {
        for way in ["--in-place", "--sparse=auto", "--sparse=always"] {
            if engine == "kernel" && way == "--sparse=always" {
                continue;
            }
            let sandbox = Sandbox::new();
            let source = sparse_file(&sandbox, 5 * MIB + 9, &[MIB + 1]);
            sandbox.write("target", &vec![0xff; 6 << 20]);
            let ended =
                sandbox.mycp([&*format!("--engine={engine}"), way, "source", "target"]).good();
            let same = same_content(&source, &sandbox.path("target"));
            assert!(same.is_ok(), "{same:?}: {ended}");
        }
    }
}

#[test]
fn zeros_become_holes_with_sparse_always() {
    if wine::cannot("sparse::zeros_become_holes_with_sparse_always") {
        return;
    }
    for engine in ["auto", "mmap", "buffered"] {
        let sandbox = Sandbox::new();
        let mut bytes = vec![0; 9 << 20];
        bytes[3 << 20..][..1000].copy_from_slice(&content(51, 1000));
        bytes[(9 << 20) - 1] = 1;
        sandbox.write("source", &bytes);
        let engine = format!("--engine={engine}");
        let ended = sandbox.mycp([&*engine, "--sparse=always", "source", "target"]).good();
        assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        let blocks = sandbox.allocated("target") / 512;
        assert!(blocks * 512 < MIB, "{blocks} blocks of 18432 are left: {ended}");
    }
}

#[test]
fn holes_are_filled_with_sparse_never() {
    for engine in ["auto", "mmap", "buffered"] {
        let sandbox = Sandbox::new();
        let source = sparse_file(&sandbox, 3 * MIB + 1, &[MIB]);
        let engine = format!("--engine={engine}");
        let ended = sandbox.mycp([&*engine, "--sparse=never", "source", "target"]).good();
        let same = same_content(&source, &sandbox.path("target"));
        assert!(same.is_ok(), "{same:?}: {ended}");
        let blocks = sandbox.allocated("target") / 512;
        assert!(blocks * 512 > 3 * MIB, "{blocks} blocks only: {ended}");
    }
}

/// OpenZFS once said "no data" of a file just written; cp believed it. Nothing here is flushed.
#[test]
fn a_file_just_written_is_not_taken_for_a_hole() {
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        let bytes = content(52, 300_000);
        for round in 0..20 {
            let file = File::create(sandbox.path("source")).unwrap();
            file.set_len(4 * MIB).unwrap();
            file.write_all_at(&bytes, round * 4096).unwrap();
            drop(file);
            sandbox.mycp([&*format!("--engine={engine}"), "source", "target"]).good();
            let expected = sandbox.read("source");
            assert_same_bytes(&sandbox.read("target"), &expected, &format!("{engine}, {round}"));
        }
    }
}
