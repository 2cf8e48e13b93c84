//! Things that are no plain files, as source and as target; names that lead elsewhere.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::support::{ENGINES, Sandbox, assert_same_bytes, content};
use crate::wine;

#[cfg(target_os = "linux")]
mod linux;

const LEN: usize = (3 << 20) + 17;

#[test]
fn a_dash_is_standard_input_and_output() {
    let bytes = content(76, LEN);
    let sandbox = Sandbox::new();
    sandbox.write("source", &bytes);
    let ended = sandbox.mycp(["source", "-"]).good();
    assert_same_bytes(&ended.output, &bytes, &ended.description);
    let ended = sandbox.run(["-", "target"]).input(&bytes).end().good();
    assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
    let ended = sandbox.run(["-", "-"]).input(&bytes).end().good();
    assert_same_bytes(&ended.output, &bytes, &ended.description);
    let ended = sandbox.run(["-", "empty"]).input(b"").end().good();
    assert_same_bytes(&sandbox.read("empty"), b"", &ended.description);
}

/// Standard input and output that are files are used from where they stand, not from the start.
#[test]
fn a_dash_goes_on_where_the_descriptor_stands() {
    use std::io::Seek;
    let bytes = content(77, LEN);
    let sandbox = Sandbox::new();
    sandbox.write("source", &bytes);
    let mut file = File::open(sandbox.path("source")).unwrap();
    file.seek(std::io::SeekFrom::Start(1000)).unwrap();
    let ended = sandbox.run(["-", "target"]).input_file(file).end().good();
    assert_same_bytes(&sandbox.read("target"), &bytes[1000..], &ended.description);
    let mut file = File::create(sandbox.path("written")).unwrap();
    file.write_all(b"before").unwrap();
    let ended = sandbox.run(["source", "-"]).output_file(file.try_clone().unwrap()).end().good();
    file.write_all(b"behind").unwrap();
    let expected = [b"before", &*bytes, b"behind"].concat();
    assert_same_bytes(&sandbox.read("written"), &expected, &ended.description);
}

#[test]
fn a_name_that_is_a_dash_is_reached_by_its_path() {
    let sandbox = Sandbox::new();
    sandbox.write("-", b"a file");
    sandbox.mycp(["./-", "target"]).good();
    assert_same_bytes(&sandbox.read("target"), b"a file", "./- as a source");
}

#[test]
fn an_empty_file_is_copied() {
    for engine in ENGINES {
        for flush in ["--flush=none", "--flush=async", "--flush=sync"] {
            let sandbox = Sandbox::new();
            sandbox.write("source", b"");
            sandbox.write("target", b"old");
            let engine = format!("--engine={engine}");
            let ended = sandbox.mycp([&*engine, flush, "source", "target"]).good();
            assert_same_bytes(&sandbox.read("target"), b"", &ended.description);
            sandbox.mycp([&*engine, flush, "source", "new"]).good();
            assert_same_bytes(&sandbox.read("new"), b"", &ended.description);
        }
    }
}

#[test]
fn a_target_with_other_hard_links_is_written_in_place_for_all_of_them() {
    for engine in ENGINES {
        let bytes = content(78, LEN);
        let sandbox = Sandbox::new();
        sandbox.write("source", &bytes);
        sandbox.write("target", &content(79, LEN + 5000));
        std::fs::hard_link(sandbox.path("target"), sandbox.path("other")).unwrap();
        let inode = sandbox.id("target");
        let engine = format!("--engine={engine}");
        let ended = sandbox.mycp([&*engine, "--explain", "source", "target"]).good();
        for name in ["target", "other"] {
            assert_same_bytes(&sandbox.read(name), &bytes, &ended.description);
            assert_eq!(sandbox.id(name), inode, "{name}: {ended}");
        }
        ended.tells("hard links");
        sandbox.assert_tidy("a target with hard links");
    }
}

#[test]
fn in_place_keeps_the_inode() {
    for engine in ENGINES {
        for old_len in [0, 100, LEN + 9000] {
            let bytes = content(80, LEN);
            let sandbox = Sandbox::new();
            sandbox.write("source", &bytes);
            sandbox.write("target", &content(81, old_len));
            let inode = sandbox.id("target");
            let engine = format!("--engine={engine}");
            let ended = sandbox.mycp([&*engine, "--in-place", "source", "target"]).good();
            assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
            assert_eq!(sandbox.id("target"), inode, "{ended}");
        }
    }
}

#[test]
fn a_symbolic_link_as_target_is_followed_and_stays() {
    if wine::cannot("special_files::a_symbolic_link_as_target_is_followed_and_stays") {
        return;
    }
    let bytes = content(82, LEN);
    for leads_to in ["real", "d/real", "soft"] {
        let sandbox = Sandbox::new();
        sandbox.write("source", &bytes);
        sandbox.directory("d");
        sandbox.write("real", b"old");
        sandbox.write("d/real", b"old");
        sandbox.symlink("d/real", "soft");
        sandbox.symlink(leads_to, "target");
        let ended = sandbox.mycp(["source", "target"]).good();
        assert_same_bytes(&sandbox.read(leads_to), &bytes, &ended.description);
        let link = std::fs::read_link(sandbox.path("target")).unwrap();
        assert_eq!(link, Path::new(leads_to), "{ended}");
        assert!(sandbox.path("soft").is_symlink(), "{ended}");
        sandbox.assert_tidy(&ended.description);
        assert!(crate::support::sandbox::leftovers(&sandbox.path("d")).is_empty(), "{ended}");
    }
}

#[test]
fn a_dangling_link_as_target_is_refused() {
    if wine::cannot("special_files::a_dangling_link_as_target_is_refused") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    sandbox.symlink("nothing", "target");
    let ended = sandbox.mycp(["source", "target"]).failed().says("dangling");
    assert!(!sandbox.path("nothing").exists(), "{ended}");
    let ended = sandbox.mycp(["--remove-destination", "source", "target"]).good();
    assert!(!sandbox.path("target").is_symlink(), "{ended}");
    assert_same_bytes(&sandbox.read("target"), b"new", &ended.description);
}

#[test]
fn a_link_that_leads_to_itself_is_an_error() {
    if wine::cannot("special_files::a_link_that_leads_to_itself_is_an_error") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    sandbox.symlink("target", "target");
    sandbox.mycp(["source", "target"]).failed();
    sandbox.mycp(["target", "other"]).failed();
    assert!(!sandbox.path("other").exists());
}

#[test]
fn a_directory_is_no_target_and_no_source() {
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    sandbox.directory("d");
    sandbox.mycp(["-T", "source", "d"]).failed().says("d'");
    sandbox.mycp(["d", "target"]).failed().says("d'");
    sandbox.mycp(["source", "missing/target"]).failed();
    sandbox.mycp(["source", "target/"]).failed();
    sandbox.mycp(["missing", "target"]).failed().says("missing'");
    sandbox.mycp(["source/", "target"]).failed();
    assert!(!sandbox.path("target").exists());
    sandbox.mycp(["source", "d"]).good();
    assert_same_bytes(&sandbox.read("d/source"), b"new", "into a directory");
}
