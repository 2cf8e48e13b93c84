//! The options of trees, with cp's meaning.

use std::path::PathBuf;

#[cfg(unix)]
use rustix::fs::{CWD, Mode, mkfifoat};

use super::make;
#[cfg(target_os = "linux")]
use crate::support::everything::set_attribute;
use crate::support::files::{chmod, stamp};
#[cfg(target_os = "linux")]
use crate::support::mounts::{Kind, Mounts};
use crate::support::snapshot::{Snapshot, What};
use crate::support::{Sandbox, is_mycp};
use crate::wine;

#[track_caller]
fn assert_names(sandbox: &Sandbox, tree: &str, expected: &[&str]) {
    let seen = Snapshot::of(&sandbox.path(tree));
    let names: Vec<_> = seen.names().map(|name| String::from_utf8_lossy(name)).collect();
    assert_eq!(names, expected, "in {tree}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn another_file_system_is_left_out_on_request_but_for_its_mount_point() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/mount/hidden below", "a/sub/2", "a/file mount"]);
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Tmpfs, 8);
    std::fs::write(disk.join("on another"), b"x").unwrap();
    chmod(&disk, 0o1751);
    set_attribute(&disk, "user.test", b"kept");
    mounts.bind(&disk, &sandbox.path("a/mount"));
    mounts.bind(&disk.join("on another"), &sandbox.path("a/file mount"));
    for (way, more) in [("-ax", "-j1"), ("-ax", "-j4"), ("-rx", "-j4")] {
        let ended = sandbox.mycp([way, more, "-T", "a", "b"]).good();
        assert_names(&sandbox, "b", &["1", "file mount", "mount", "sub", "sub/2"]);
        let mount = sandbox.metadata("b/mount");
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&mount) & 0o777, 0o751, "{ended}");
        // A file that is mounted is on another file system, too, and yet no directory: cp copies
        // it.
        assert_eq!(sandbox.read("b/file mount"), b"x", "{ended}");
        std::fs::remove_dir_all(sandbox.path("b")).unwrap();
    }
    let ended = sandbox.mycp(["-aT", "a", "b"]).good();
    assert!(sandbox.path("b/mount/on another").exists(), "without -x: {ended}");
    // An operand that is a mount point is what the tree's file system is.
    sandbox.mycp(["-ax", "a/mount", "c"]).good();
    assert_names(&sandbox, "c", &["on another"]);
}

/// As `cp -ax / /mnt/new` does.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_file_system_is_copied_to_another_that_is_mounted_within_it() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/mount/", "a/sub/2"]);
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Tmpfs, 8);
    mounts.bind(&disk, &sandbox.path("a/mount"));
    for threads in ["-j1", "-j4"] {
        sandbox.mycp(["-ax", threads, "a/.", "a/mount/"]).good();
        assert_names(&sandbox, "a/mount", &["1", "mount", "sub", "sub/2"]);
    }
    // Without -x it would have no end.
    let ended = sandbox.mycp(["-a", "a/.", "a/mount/"]).failed();
    assert!(ended.errors.contains("itself"), "{ended}");
}

/// A directory with links to files, to directories, to nothing; none leads in a circle.
fn with_links() -> Sandbox {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/sub/2", "beside/3", "beside/sub/4"]);
    sandbox.symlink("1", "a/to file");
    sandbox.symlink("../beside", "a/to directory");
    sandbox.symlink("a", "operand");
    sandbox
}

fn what(snapshot: &Snapshot, name: &str) -> char {
    match snapshot.at(name).what {
        What::File { .. } => 'f',
        What::Directory => 'd',
        What::Link(_) => 'l',
        _ => '?',
    }
}

#[test]
fn links_are_followed_everywhere_nowhere_or_at_the_operand() {
    if wine::cannot("trees::options::links_are_followed_everywhere_nowhere_or_at_the_operand") {
        return;
    }
    for (way, operand, to_file, to_directory) in [
        (&["-r"] as &[&str], 'l', 'l', 'l'),
        (&["-rP"], 'l', 'l', 'l'),
        (&["-a"], 'l', 'l', 'l'),
        (&["-dR"], 'l', 'l', 'l'),
        (&["-rH"], 'd', 'l', 'l'),
        (&["-aH"], 'd', 'l', 'l'),
        (&["-rL"], 'd', 'f', 'd'),
        (&["-aL"], 'd', 'f', 'd'),
        (&["-RLP"], 'l', 'l', 'l'),
        (&["-RPL"], 'd', 'f', 'd'),
    ] {
        let sandbox = with_links();
        for (source, target) in [("a", "b"), ("operand", "c")] {
            sandbox.mycp(way.iter().copied().chain([source, target])).good();
        }
        let seen = Snapshot::of(sandbox.root());
        assert_eq!(what(&seen, "c"), operand, "{way:?}, the operand");
        assert_eq!(what(&seen, "b/to file"), to_file, "{way:?}, to a file");
        assert_eq!(what(&seen, "b/to directory"), to_directory, "{way:?}, to a directory");
        if to_directory == 'd' {
            assert!(seen.at("b/to directory/sub/4").holds(b"content of beside/sub/4"));
            assert!(seen.at("b/to file").holds(b"content of a/1"));
        }
    }
}

/// A link that leads up or to itself is no way to an endless copy.
#[test]
fn circles_of_links_end_when_links_are_followed() {
    if wine::cannot("trees::options::circles_of_links_end_when_links_are_followed") {
        return;
    }
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/sub/2", "a/sub/sub/3", "a/z"]);
    sandbox.symlink(".", "a/here");
    sandbox.symlink("..", "a/sub/up");
    sandbox.symlink("../..", "a/sub/sub/further up");
    sandbox.symlink("itself", "a/itself");
    sandbox.symlink("there", "a/back");
    sandbox.symlink("back", "a/there");
    sandbox.symlink("nowhere", "a/dangling");
    for more in ["-j1", "-j4"] {
        let target = format!("b{more}");
        let ended = sandbox.mycp(["-rL", more, "a", &target]).failed();
        for name in ["a/here", "a/sub/up", "further up", "a/itself", "a/back", "a/dangling"] {
            assert!(ended.errors.contains(&format!("{name}'")), "{name} is not named: {ended}");
        }
        let seen = Snapshot::of(&sandbox.path(&target));
        for name in ["1", "sub/2", "sub/sub/3", "z"] {
            assert!(seen.at(name).holds(format!("content of a/{name}").as_bytes()), "{ended}");
        }
        assert!(seen.entries.len() < 30, "round and round: {ended}");
        assert!(seen.leftovers().is_empty(), "{ended}");
    }
}

/// Two ways to one directory are no circle.
#[test]
fn a_directory_that_two_links_lead_to_is_copied_twice() {
    if wine::cannot("trees::options::a_directory_that_two_links_lead_to_is_copied_twice") {
        return;
    }
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/real/1", "a/other/2"]);
    sandbox.symlink("../real", "a/other/one");
    sandbox.symlink("real", "a/two");
    sandbox.mycp(["-rL", "a", "b"]).good();
    let seen = Snapshot::of(&sandbox.path("b"));
    for name in ["real/1", "other/one/1", "two/1"] {
        assert!(seen.at(name).holds(b"content of a/real/1"), "{name}");
    }
}

#[test]
fn parents_are_made_with_the_attributes_of_the_sources() {
    for (way, keeps) in [("-a", true), ("-rp", true), ("-r", false)] {
        let sandbox = Sandbox::new();
        make(&sandbox, &["x/y/z/tree/1", "x/y/z/tree/sub/2", "x/y/beside", "into/x/there"]);
        chmod(&sandbox.path("x"), 0o711);
        chmod(&sandbox.path("x/y"), 0o1750);
        chmod(&sandbox.path("x/y/z"), 0o500);
        stamp(&sandbox.path("x"));
        let expected = Snapshot::of(&sandbox.path("x"));
        sandbox.mycp([way, "--parents", "x/y/z/tree", "x/y/beside", "into"]).good();
        let seen = Snapshot::of(&sandbox.path("into"));
        for name in ["x/y/z/tree/1", "x/y/z/tree/sub/2", "x/y/beside"] {
            assert!(seen.at(name).holds(format!("content of {name}").as_bytes()), "{way} {name}");
        }
        assert!(seen.has("x/there"), "{way}");
        for name in ["y", "y/z", "y/z/tree", "y/z/tree/sub"] {
            let seen = &seen.at(&format!("x/{name}")).attributes;
            let expected = &expected.at(name).attributes;
            if keeps {
                assert_eq!(seen.mode, expected.mode, "{way} {name}");
                // The second operand is made in "y", which is there by then: as with cp.
                assert!(name == "y" || seen.modified == expected.modified, "{way} {name}");
            }
        }
        chmod(&sandbox.path("x/y/z"), 0o700);
        chmod(&sandbox.path("into/x/y/z"), 0o700);
    }
}

/// Without links and FIFOs, which not all have.
#[test]
fn hard_links_of_files_are_made_instead_of_copies() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/sub/2", "a/sub/deeper/3"]);
    for _ in 0..2 {
        let ended = sandbox.mycp(["-rlT", "a", "b"]).good();
        for name in ["1", "sub/2", "sub/deeper/3"] {
            let [source, target] = ["a", "b"].map(|tree| sandbox.id(format!("{tree}/{name}")));
            assert_eq!(source, target, "{name}: {ended}");
        }
    }
}

/// `..` on the way to a source would lead out of the target.
#[test]
fn parents_that_lead_up_stay_below_the_target() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "deep/er/into/"]);
    let ended = sandbox.mycp(["-r", "--parents", "deep/../a", "deep/er/into"]).orderly();
    let names = Snapshot::of(sandbox.root());
    assert!(names.has("deep/er/into/a/1") || names.has("deep/er/into/deep/../a/1"), "{ended}");
}

#[cfg(unix)]
#[test]
fn hard_links_are_made_instead_of_copies() {
    // Alone, -rl follows links, as with cp.
    for way in [&["-rlP"] as &[&str], &["-al"], &["-l", "-P", "-r", "-j1"]] {
        let sandbox = with_links();
        mkfifoat(CWD, sandbox.path("a/fifo"), Mode::from_raw_mode(0o600)).unwrap();
        let source = Snapshot::of(&sandbox.path("a"));
        let ended = sandbox.mycp(way.iter().copied().chain(["-T", "a", "b"])).good();
        let seen = Snapshot::of(&sandbox.path("b"));
        seen.assert_contents(&source, &ended.description);
        for (name, entry) in &seen.entries {
            let linked = entry.ino == source.entries[name].ino;
            assert_eq!(linked, !entry.is_directory(), "{}: {ended}", name.escape_ascii());
        }
        // What is linked already is left alone.
        sandbox.mycp(way.iter().copied().chain(["-T", "a", "b"])).good();
        Snapshot::of(&sandbox.path("b")).assert_contents(&source, "linked again");
    }
}

#[test]
fn symbolic_links_are_made_instead_of_copies() {
    if wine::cannot("trees::options::symbolic_links_are_made_instead_of_copies") {
        return;
    }
    let sandbox = with_links();
    let absolute = sandbox.path("a");
    sandbox.mycp([PathBuf::from("-rs"), absolute.clone(), "b".into()]).good();
    let seen = Snapshot::of(&sandbox.path("b"));
    assert_eq!((what(&seen, "sub"), what(&seen, "1"), what(&seen, "sub/2")), ('d', 'l', 'l'));
    assert_eq!(sandbox.read("b/sub/2"), b"content of a/sub/2");
    let leads_to = std::fs::read_link(sandbox.path("b/sub/2")).unwrap();
    assert_eq!(leads_to, absolute.join("sub/2"));
    // A relative one would lead nowhere from another directory.
    let ended = sandbox.mycp(["-rs", "a", "c"]).failed();
    let names = Snapshot::of(&sandbox.path("c"));
    assert!(names.names().all(|name| names.entries[name].is_directory()), "{ended}");
}

#[cfg(unix)]
#[test]
fn fifos_are_made_anew_and_read_on_request() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1"]);
    mkfifoat(CWD, sandbox.path("a/fifo"), Mode::from_raw_mode(0o600)).unwrap();
    sandbox.mycp(["-r", "a", "b"]).good();
    assert_eq!(Snapshot::of(&sandbox.path("b")).at("fifo").what, What::Fifo);
    let fifo = sandbox.path("a/fifo");
    let writer = std::thread::spawn(move || std::fs::write(fifo, b"through the fifo").unwrap());
    sandbox.mycp(["-r", "--copy-contents", "a", "c"]).good();
    writer.join().unwrap();
    assert!(Snapshot::of(&sandbox.path("c")).at("fifo").holds(b"through the fifo"));
}

/// The target has links to directories where the source has directories.
fn with_directory_links() -> Sandbox {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/sub/2", "a/sub/deeper/3", "elsewhere/own", "b/"]);
    sandbox.symlink("../elsewhere", "b/sub");
    sandbox
}

#[test]
fn a_link_where_a_directory_is_to_be_copied_is_refused() {
    if wine::cannot("trees::options::a_link_where_a_directory_is_to_be_copied_is_refused") {
        return;
    }
    for way in ["-r", "-a", "-rL", "-rf"] {
        let sandbox = with_directory_links();
        let ended = sandbox.mycp([way, "-T", "a", "b"]).failed().says("b/sub'");
        assert_eq!(sandbox.read("b/1"), b"content of a/1", "the rest is not copied: {ended}");
        assert_names(&sandbox, "elsewhere", &["own"]);
        assert!(sandbox.path("b/sub").is_symlink(), "{ended}");
    }
}

#[test]
fn a_link_to_a_directory_is_kept_and_followed_on_request() {
    if wine::cannot("trees::options::a_link_to_a_directory_is_kept_and_followed_on_request") {
        return;
    }
    // cp has the option since 9.5.
    if !is_mycp() {
        return;
    }
    for way in ["-r", "-a"] {
        let sandbox = with_directory_links();
        let ended = sandbox.mycp([way, "-T", "--keep-directory-symlink", "a", "b"]).good();
        assert!(sandbox.path("b/sub").is_symlink(), "{ended}");
        assert_names(&sandbox, "elsewhere", &["2", "deeper", "deeper/3", "own"]);
        // One that leads to no directory is none.
        make(&sandbox, &["c/"]);
        sandbox.symlink("nowhere", "c/sub");
        sandbox.mycp([way, "-T", "--keep-directory-symlink", "a", "c"]).failed();
        assert!(!sandbox.path("c/nowhere").exists());
    }
}

/// cp writes through it: into whatever somebody has made it lead to.
#[test]
fn a_link_where_a_file_is_to_be_copied_is_replaced() {
    if wine::cannot("trees::options::a_link_where_a_file_is_to_be_copied_is_replaced") {
        return;
    }
    for way in ["-r", "-a", "-rL", "-rf"] {
        let sandbox = Sandbox::new();
        make(&sandbox, &["a/1", "a/sub/2", "elsewhere", "b/sub/"]);
        sandbox.symlink("../elsewhere", "b/1");
        sandbox.symlink("no such file", "b/sub/2");
        let ended = sandbox.mycp([way, "-T", "a", "b"]).good();
        assert_eq!(sandbox.read("elsewhere"), b"content of elsewhere", "{ended}");
        assert!(!sandbox.path("b/sub/no such file").exists(), "{ended}");
        let seen = Snapshot::of(&sandbox.path("b"));
        assert!(seen.at("1").is_file() && seen.at("sub/2").is_file(), "{ended}");
    }
}

/// At the operand itself a link is followed, as everywhere on the way to it.
#[test]
fn a_link_as_the_target_itself_is_followed() {
    if wine::cannot("trees::options::a_link_as_the_target_itself_is_followed") {
        return;
    }
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/sub/2", "b/"]);
    sandbox.symlink("b", "link");
    sandbox.mycp(["-r", "a", "link"]).good();
    assert_names(&sandbox, "b", &["a", "a/1", "a/sub", "a/sub/2"]);
    sandbox.mycp(["-rT", "a", "link/"]).good();
    assert!(sandbox.path("b/1").exists() && sandbox.path("link").is_symlink());
}

#[cfg(unix)]
#[test]
fn attributes_alone_are_copied_over_a_whole_tree() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["a/1", "a/sub/2", "b/1", "b/sub/2", "b/own"]);
    chmod(&sandbox.path("a/1"), 0o4711);
    chmod(&sandbox.path("a/sub"), 0o1770);
    stamp(&sandbox.path("a"));
    let (source, before) = (Snapshot::of(&sandbox.path("a")), Snapshot::of(&sandbox.path("b")));
    let ended = sandbox.mycp(["-aT", "--attributes-only", "a", "b"]).good();
    let seen = Snapshot::of(&sandbox.path("b"));
    seen.assert_contents(&before, &ended.description);
    for name in ["1", "sub", "sub/2"] {
        let (seen, source) = (&seen.at(name).attributes, &source.at(name).attributes);
        assert_eq!((seen.mode, seen.modified), (source.mode, source.modified), "{name}: {ended}");
    }
}

/// A new directory has the source's mode less the umask; it is open to its owner while it is
/// filled, whatever its mode will be.
#[cfg(unix)]
#[test]
fn new_directories_have_the_mode_of_the_source_less_the_umask() {
    for mode in [0o777, 0o755, 0o700, 0o555, 0o2770, 0o1777] {
        for umask in [0o000, 0o022, 0o077, 0o700] {
            let sandbox = Sandbox::new();
            make(&sandbox, &["a/1", "a/sub/2"]);
            chmod(&sandbox.path("a/sub"), mode);
            sandbox.run(["-r", "a", "b"]).umask(umask).end().good();
            let seen = Snapshot::of(&sandbox.path("b"));
            let expected = mode & 0o777 & !umask;
            let situation = format!("mode {mode:o}, umask {umask:o}");
            assert_eq!(seen.at("sub").attributes.mode & 0o777, expected, "{situation}");
            assert!(seen.at("sub/2").is_file(), "{situation}");
            for name in ["a/sub", "b/sub", "b"] {
                chmod(&sandbox.path(name), 0o700);
            }
        }
    }
}

/// With a flush, too, where files get their names later than they are made.
#[test]
fn a_backup_never_displaces_what_the_run_has_made() {
    for flush in ["--flush=none", "--flush=sync"] {
        for first in [["a", "a~"], ["a~", "a"]] {
            let sandbox = Sandbox::new();
            for tree in ["source", "target"] {
                sandbox.directory(tree);
                for name in first {
                    sandbox.write(format!("{tree}/{name}"), format!("{name} of {tree}").as_bytes());
                }
            }
            let options = ["-aT", "-j1", "--backup=simple", flush];
            let ended = sandbox.mycp(options.into_iter().chain(["source", "target"]));
            let seen = Snapshot::of(&sandbox.path("target"));
            let is_there =
                |content: &str| seen.entries.values().any(|entry| entry.holds(content.as_bytes()));
            assert!(is_there("a of source") || !ended.is_good(), "{ended}");
            assert!(is_there("a~ of source") || !ended.is_good(), "{ended}");
        }
    }
}
