//! `--verify` finds what a disk, or anything behind it, makes of the bytes.

use std::io::Write;
use std::time::Duration;

use crate::support::{FileExt, Sandbox, assert_same_bytes, content};

const LEN: usize = 1 << 20;

/// Copies from a pipe, which holds the copy in its middle, and spoils one byte of what has been
/// written so far, as a broken disk would.
fn copy_onto_a_bad_disk(option: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("target", b"old");
    let (source, mut pipe) = std::io::pipe().unwrap();
    let copying = sandbox.run([option, "-", "target"]).input_file(source).start();
    pipe.write_all(&content(71, LEN)).unwrap();

    let written = || {
        let temporary = sandbox.leftovers().into_iter().next()?;
        let file = std::fs::File::options().write(true).open(sandbox.path(temporary)).ok()?;
        (file.metadata().ok()?.len() >= LEN as u64 / 2).then_some(file)
    };
    let temporary = loop {
        match written() {
            Some(file) => break file,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    temporary.write_all_at(b"?", 12_345).unwrap();
    drop(temporary);
    pipe.write_all(b"end").unwrap();
    drop(pipe);

    let ended = copying.end().failed().says("verify").says("differs");
    assert_same_bytes(&sandbox.read("target"), b"old", &ended.description);
    sandbox.assert_tidy(&ended.description);
}

#[test]
fn a_spoiled_byte_is_found_on_the_medium() {
    copy_onto_a_bad_disk("--verify");
}

#[test]
fn a_spoiled_byte_is_found_in_the_cache() {
    copy_onto_a_bad_disk("--verify=cache");
}
