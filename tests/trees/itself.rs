//! A directory is never copied into itself (P3), loops of links end, and two sources of one name
//! do not become one file.

use std::path::Path;

use super::make;
#[cfg(target_os = "linux")]
use crate::support::mounts::Mounts;
use crate::support::snapshot::Snapshot;
use crate::support::{Ended, Sandbox, is_mycp};
use crate::wine;

/// A directory `a`, with aliases beside it.
fn directory() -> Sandbox {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/file", "a/sub/file", "a/sub/deeper/file", "b/file", "mount/"]);
    sandbox
}

/// The same with a link to it, and one in it that leads out.
fn directory_with_links() -> Sandbox {
    let sandbox = directory();
    sandbox.symlink("a", "link");
    sandbox.symlink("../..", "a/sub/up");
    sandbox
}

/// Runs what would copy `a` into itself: refused, and nothing is made. (cp 9.1 begins, and leaves
/// what it has made when it notices.)
#[track_caller]
fn refused(sandbox: &Sandbox, arguments: &[&str]) {
    let before = Snapshot::of(sandbox.root());
    let ended = sandbox.mycp(arguments).failed();
    assert!(ended.errors.contains("itself") || ended.errors.contains("same file"), "{ended}");
    if is_mycp() {
        Snapshot::of(sandbox.root()).assert_contents(&before, &ended.description);
    }
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    for way in ["-r", "-a", "-rl", "-rL", "-rH", "-rv"] {
        let sandbox = directory();
        for target in ["a", "a/b", "a/sub", "a/sub/b", "a/sub/deeper", "./a/../a"] {
            refused(&sandbox, &[way, "a", target]);
        }
        for source in ["a/", "./a", "a/.", "a/sub/..", "b/../a"] {
            refused(&sandbox, &[way, source, "a/b"]);
        }
        // A hard link to itself is there already.
        if way != "-rl" {
            refused(&sandbox, &[way, "-T", "a", "a"]);
        }
        refused(&sandbox, &[way, "-t", "a/sub", "a"]);
    }
}

/// Where letters of either case make one name, and there are two separators.
#[cfg(windows)]
#[test]
fn a_directory_is_not_copied_into_itself_by_another_spelling() {
    for way in ["-r", "-a"] {
        let sandbox = directory();
        for target in ["A", r"A\b", r"a\SUB", r".\a\..\A\x"] {
            refused(&sandbox, &[way, "a", target]);
            refused(&sandbox, &[way, r"A\", target]);
        }
        refused(&sandbox, &[way, "-T", "a", "A"]);
    }
}

#[test]
fn a_directory_with_links_is_not_copied_into_itself() {
    if wine::cannot("trees::itself::a_directory_with_links_is_not_copied_into_itself") {
        return;
    }
    for way in ["-r", "-a", "-rl", "-rs", "-rL", "-rH", "-rv"] {
        let sandbox = directory_with_links();
        let absolute = sandbox.path("a");
        // Relative symbolic links can be made in the current directory only.
        let source = if way == "-rs" { absolute.to_str().unwrap() } else { "a" };
        for target in ["a", "a/b", "a/sub", "a/sub/b", "a/sub/deeper", "link", "link/b"] {
            refused(&sandbox, &[way, source, target]);
        }
        if way != "-rs" {
            refused(&sandbox, &[way, "link/", "a/b"]);
        }
        if way != "-rl" {
            refused(&sandbox, &[way, "-T", source, "a"]);
            refused(&sandbox, &[way, "-T", source, "link/"]);
        }
    }
}

#[test]
fn the_current_directory_is_not_copied_below_itself() {
    for target in ["x", "./x", "a/x", "a", "b/../a/sub/x"] {
        let sandbox = directory();
        refused(&sandbox, &["-r", ".", target]);
        refused(&sandbox, &["-aT", ".", target]);
    }
}

#[test]
fn the_other_sources_are_copied_where_one_is_the_target_itself() {
    let sandbox = directory();
    sandbox.write("file", b"another");
    let ended = sandbox.mycp(["-r", "b", "a", "file", "a/sub"]).failed().says("itself");
    let seen = Snapshot::of(&sandbox.path("a/sub"));
    assert!(seen.at("b/file").holds(b"content of b/file"), "{ended}");
    assert!(seen.at("file").holds(b"another"), "{ended}");
    if is_mycp() {
        assert!(!seen.has("a"), "{ended}");
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_directory_is_not_copied_into_a_bind_mount_of_itself() {
    let sandbox = directory();
    let mut mounts = Mounts::new();
    mounts.bind(&sandbox.path("a"), &sandbox.path("mount"));
    for target in ["mount", "mount/b", "mount/sub", "mount/sub/b"] {
        refused(&sandbox, &["-r", "a", target]);
    }
    for target in ["a", "a/b", "a/sub"] {
        refused(&sandbox, &["-r", "mount", target]);
    }
    refused(&sandbox, &["-rT", "a", "mount"]);
}

/// The way up from the target does not lead by the source then, so that this is found out only
/// when the copy comes by.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_directory_is_not_copied_into_a_bind_mount_of_a_part_of_itself_for_ever() {
    for target in ["part", "part/x", "part/deeper", "part/deeper/x"] {
        let sandbox = directory();
        make(&sandbox, &["part/"]);
        let mut mounts = Mounts::new();
        mounts.bind(&sandbox.path("a/sub"), &sandbox.path("part"));
        let before = Snapshot::of(&sandbox.path("a"));
        let ended = sandbox.mycp(["-r", "a", target]).failed().says("itself");
        let after = Snapshot::of(&sandbox.path("a"));
        assert!(after.entries.len() <= 3 * before.entries.len(), "again and again: {ended}");
        for (name, entry) in before.entries.iter().filter(|(_, entry)| entry.is_file()) {
            assert_eq!(after.entries[name].what, entry.what, "{ended}");
        }
    }
}

/// A tree that contains itself through a mount is walked through once.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_tree_in_which_it_is_mounted_again_is_copied_to_an_end() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/file", "a/inner/mount/"]);
    let mut mounts = Mounts::new();
    mounts.bind(&sandbox.path("a"), &sandbox.path("a/inner/mount"));
    let ended = sandbox.mycp(["-r", "a", "copy"]).orderly();
    let seen = Snapshot::of(&sandbox.path("copy"));
    assert!(seen.at("file").holds(b"content of a/file"), "{ended}");
    assert!(seen.entries.len() < 20, "{ended}");
}

#[test]
fn a_tree_is_copied_to_a_place_beside_it_that_only_looks_like_below() {
    let sandbox = directory();
    let expected = Snapshot::of(&sandbox.path("a"));
    // A name that begins like another, and a way through the source that leads out of it.
    for target in ["ab", "a/../copy", "a/sub/../../other"] {
        let ended = sandbox.mycp(["-r", "a", target]).good();
        Snapshot::of(&sandbox.path(target)).assert_contents(&expected, &ended.description);
    }
}

#[test]
fn a_tree_is_copied_to_a_place_that_a_link_in_it_leads_to() {
    if wine::cannot("trees::itself::a_tree_is_copied_to_a_place_that_a_link_in_it_leads_to") {
        return;
    }
    let sandbox = directory_with_links();
    sandbox.symlink("../b", "a/elsewhere");
    let expected = Snapshot::of(&sandbox.path("a"));
    let ended = sandbox.mycp(["-r", "a", "a/elsewhere/x"]).good();
    Snapshot::of(&sandbox.path("b/x")).assert_contents(&expected, &ended.description);
}

/// The same file under source and target: nobody loses a byte, and the rest is copied.
#[test]
fn a_target_that_is_linked_to_the_source_keeps_its_content() {
    for way in [&["-aT"] as &[&str], &["-rT"], &["-aT", "-f"], &["-aT", "--remove-destination"]] {
        let sandbox = Sandbox::new();
        make(&sandbox, &["a/1", "a/2", "a/3", "a/sub/4", "b/sub/", "b/2"]);
        let link = |source: &str, target: &str| {
            std::fs::hard_link(sandbox.path(source), sandbox.path(target)).unwrap();
        };
        link("a/1", "b/1");
        // Crosswise: each is the other's source.
        link("a/3", "b/sub/4");
        link("a/sub/4", "b/3");
        let before = Snapshot::of(&sandbox.path("a"));
        let ended = sandbox.mycp(way.iter().copied().chain(["a", "b"])).orderly();
        if !way.contains(&"--remove-destination") {
            assert_eq!(ended.status.code(), Some(1), "the same file passed for a copy: {ended}");
            assert!(ended.errors.contains("a/1") && ended.errors.contains("same file"), "{ended}");
        }
        let after = Snapshot::of(&sandbox.path("a"));
        assert!(sandbox.read("b/2") == b"content of a/2", "the rest is not copied: {ended}");
        // Written through the crosswise links, a file gets the other's content, as with cp; but no
        // name is lost and none is empty.
        let names = |snapshot: &Snapshot| snapshot.names().cloned().collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before), "{ended}");
        for name in ["a/1", "a/2", "a/3", "a/sub/4", "b/1", "b/3", "b/sub/4"] {
            assert!(sandbox.read(name).starts_with(b"content of a/"), "{name}: {ended}");
        }
    }
}

/// Many names of one file, in source and target, linked to each other in other ways.
#[test]
fn hard_links_that_are_others_in_the_target_become_those_of_the_source() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/one", "a/other", "a/third", "b/one", "b/third", "b/sub/"]);
    make(&sandbox, &["a/sub/"]);
    let link = |source: &str, target: &str| {
        std::fs::hard_link(sandbox.path(source), sandbox.path(target)).unwrap();
    };
    link("a/one", "a/sub/one");
    link("a/other", "a/sub/other");
    link("b/one", "b/other");
    link("b/one", "b/sub/other");
    link("b/third", "b/sub/one");
    let expected = Snapshot::of(&sandbox.path("a"));
    for time in ["first", "second"] {
        let ended = sandbox.mycp(["-aT", "a", "b"]).good();
        let seen = Snapshot::of(&sandbox.path("b"));
        seen.assert_contents(&expected, &format!("{time}: {}", ended.description));
        for name in ["one", "other", "third"] {
            let linked = |snapshot: &Snapshot| snapshot.at(name).linked.clone();
            assert_eq!(linked(&seen), linked(&expected), "{time}, {name}: {ended}");
        }
    }
}

fn assert_just_created(ended: &Ended, target: &str) {
    assert!(ended.errors.contains("will not overwrite just-created"), "{ended}");
    assert!(ended.errors.contains(target), "the target is not named: {ended}");
}

#[test]
fn two_sources_of_one_name_do_not_become_one_file() {
    for more in [&[] as &[&str], &["-j1"], &["-f"], &["--backup=simple"]] {
        let sandbox = Sandbox::new();
        make(&sandbox, &["a/x", "b/x", "into/"]);
        let arguments = ["-r"].iter().chain(more).copied().chain(["a/x", "b/x", "into"]);
        let ended = sandbox.mycp(arguments).failed();
        assert_just_created(&ended, "into/x");
        assert!(sandbox.read("into/x") == b"content of a/x", "{ended}");
    }
}

/// As with cp: only what is named on the command line is never made twice.
#[test]
fn two_directories_of_one_name_are_merged_and_the_later_file_wins() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/d/x", "a/d/sub/common", "b/d/y", "b/d/sub/common", "b/d/sub/z", "into/"]);
    let ended = sandbox.mycp(["-r", "a/d", "b/d", "into"]).good();
    let seen = Snapshot::of(&sandbox.path("into/d"));
    for (name, from) in [("x", "a"), ("sub/common", "b"), ("y", "b"), ("sub/z", "b")] {
        let bytes = format!("content of {from}/d/{name}");
        assert!(seen.at(name).holds(bytes.as_bytes()), "{name}: {ended}");
    }
}

#[test]
fn a_source_that_is_named_twice_is_copied_once() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/d/x", "into/"]);
    let ended = sandbox.mycp(["-r", "a/d", "a/d", "into"]).good().says("more than once");
    assert!(sandbox.read("into/d/x") == b"content of a/d/x", "{ended}");
}

/// A copy whose target is one of its own sources.
#[test]
fn a_later_source_inside_the_target_is_copied_as_it_is_then() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/x", "into/b/y"]);
    let ended = sandbox.mycp(["-r", "a", "into/b", "into"]).failed();
    assert!(Path::exists(&sandbox.path("into/a/x")), "the rest is not copied: {ended}");
    assert!(sandbox.read("into/b/y") == b"content of into/b/y", "{ended}");
}
