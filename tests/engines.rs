//! What each engine does with a file, and that one goes on where another stops.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

#[cfg(target_os = "linux")]
mod strace;

/// Not a multiple of a page, and more than one window.
const LEN: usize = (5 << 20) + 123;

fn content(seed: usize) -> Vec<u8> {
    (0..LEN).map(|number| ((number + seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mycp"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_engine_copies_the_whole_file_or_says_that_it_cannot() {
    let bytes = content(1);
    // The first two work everywhere, the others where system and file system have them.
    for (engine, must) in
        [("mmap", true), ("buffered", true), ("auto", true), ("kernel", false), ("reflink", false)]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("source"), &bytes).unwrap();
        fs::write(path.join("old"), content(2)).unwrap();
        for target in ["new", "old"] {
            let before = fs::read(path.join(target)).ok();
            let ended = run(path, &[&format!("--engine={engine}"), "source", target]);
            let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
            let after = fs::read(path.join(target)).ok();
            if ended.status.success() {
                assert!(after == Some(bytes.clone()), "{engine}, {target}: {errors}");
            } else {
                assert!(!must, "{engine}, {target}: {errors}");
                assert_eq!(ended.status.code(), Some(1), "{engine}, {target}: {errors}");
                assert!(errors.contains(&format!("the {engine} engine cannot")), "{errors}");
                assert!(after == before, "{engine}, {target}: {errors}");
            }
        }
        let found = names(path);
        assert!(found.iter().all(|name| ["new", "old", "source"].contains(&name.as_str())));
    }
}

#[test]
fn each_engine_writes_in_place_what_it_writes_anew() {
    let bytes = content(3);
    for engine in ["mmap", "buffered"] {
        for old in [0, 100, LEN, LEN + 70_000] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            fs::write(path.join("source"), &bytes).unwrap();
            fs::write(path.join("target"), vec![9; old]).unwrap();
            let engine = format!("--engine={engine}");
            let ended = run(path, &["--in-place", &engine, "source", "target"]);
            let errors = String::from_utf8_lossy(&ended.stderr);
            assert!(ended.status.success(), "{engine} over {old} bytes: {errors}");
            assert!(fs::read(path.join("target")).unwrap() == bytes, "{engine} over {old} bytes");
        }
    }
}

#[test]
fn what_an_engine_did_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("source"), content(4)).unwrap();
    for engine in ["mmap", "buffered"] {
        let option = format!("--engine={engine}");
        let ended = run(directory.path(), &["--explain", &option, "source", "target"]);
        let told = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(told.contains(&format!("engine {engine}")), "{told}");
    }
}
