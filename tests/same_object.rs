//! A file is never copied onto itself, however the second name was made.
//!
//! Tools that compare names, or look only after they have truncated the target, replace the file
//! with zeros: cpy, xcp and older versions of others did.

use std::os::unix::fs::MetadataExt;

use crate::support::mounts::Mounts;
use crate::support::{Ended, Sandbox, assert_same_bytes, content};

/// What is given before the operands.
const WAYS: [&[&str]; 19] = [
    &[],
    &["-f"],
    &["-T"],
    &["-p"],
    &["-n"],
    &["-u"],
    &["-b"],
    &["--backup=numbered"],
    &["-f", "-b"],
    &["--remove-destination"],
    &["--remove-destination", "-b"],
    &["--in-place"],
    &["--attributes-only"],
    &["--sparse=always"],
    &["--reflink=auto"],
    &["--flush=sync"],
    &["--engine=mmap"],
    &["--engine=buffered"],
    &["--engine=kernel"],
];

fn bytes() -> Vec<u8> {
    content(30, 70_001)
}

/// A directory with the file `a`, a copy of its bytes outside, and some aliases.
fn directory() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a", &bytes());
    sandbox.directory("d");
    std::fs::hard_link(sandbox.path("a"), sandbox.path("hard")).unwrap();
    sandbox.symlink("a", "soft");
    sandbox.symlink("soft", "soft-to-soft");
    sandbox.symlink(".", "here");
    sandbox.symlink(sandbox.root(), "absolute");
    sandbox
}

/// Every name that led to the content still does: the file has not lost a byte.
#[track_caller]
fn assert_unharmed(sandbox: &Sandbox, ended: &Ended) {
    for name in ["a", "hard"] {
        assert_same_bytes(&sandbox.read(name), &bytes(), &format!("{name} after {ended}"));
    }
    sandbox.assert_tidy(&ended.description);
}

/// Runs it every way; `may_succeed` says which ways may do something that loses nothing.
fn every_way(source: &str, target: &str, may_succeed: impl Fn(&[&str]) -> bool) {
    for way in WAYS {
        let sandbox = directory();
        let arguments = way.iter().copied().chain([source, target]);
        let ended = sandbox.mycp(arguments).orderly();
        assert_unharmed(&sandbox, &ended);
        assert!(!ended.is_good() || may_succeed(way), "not refused: {ended}");
        if !ended.is_good() {
            assert!(ended.errors.contains("same file"), "not for being the same file: {ended}");
        }
    }
}

/// `-n` skips an existing target and `-u` one that is not older; a backup of a file leaves the
/// old content under another name, and cp with `-f -b` makes one of the file itself.
fn skips_or_backs_up(way: &[&str]) -> bool {
    way.iter().any(|option| matches!(*option, "-n" | "-u" | "-b" | "--backup=numbered"))
}

#[test]
fn by_the_same_name() {
    every_way("a", "a", skips_or_backs_up);
}

#[test]
fn by_a_name_with_a_dot() {
    every_way("a", "./a", skips_or_backs_up);
}

#[test]
fn by_a_way_through_another_directory() {
    every_way("a", "d/../a", skips_or_backs_up);
}

#[test]
fn by_a_link_to_the_directory() {
    every_way("a", "here/a", skips_or_backs_up);
    every_way("here/a", "a", skips_or_backs_up);
    every_way("a", "absolute/a", skips_or_backs_up);
}

#[test]
fn by_a_symbolic_link_to_the_source() {
    let replaces_the_link =
        |way: &[&str]| skips_or_backs_up(way) || way.contains(&"--remove-destination");
    every_way("a", "soft", replaces_the_link);
    every_way("a", "soft-to-soft", replaces_the_link);
    every_way("a", "here/soft", replaces_the_link);
}

#[test]
fn by_a_symbolic_link_as_the_source() {
    for source in ["soft", "soft-to-soft", "here/soft"] {
        for way in WAYS {
            let sandbox = directory();
            let ended = sandbox.mycp(way.iter().copied().chain([source, "a"])).orderly();
            assert_unharmed(&sandbox, &ended);
            let free = skips_or_backs_up(way) || way.contains(&"--remove-destination");
            assert!(!ended.is_good() || free, "not refused: {ended}");
        }
    }
}

/// Of two hard links one may be replaced, because the other keeps the content.
#[test]
fn by_a_hard_link() {
    every_way("a", "hard", |way| {
        skips_or_backs_up(way) || way.contains(&"--remove-destination") || way.contains(&"-f")
    });
}

#[test]
fn by_a_descriptor() {
    // Not /dev/stdin itself: as root some of the ways would replace it, as cp does.
    for target in ["stdin", "/proc/self/fd/0", "/dev/fd/0"] {
        for (source, target) in [("a", target), (target, "a")] {
            for way in WAYS {
                let sandbox = directory();
                sandbox.symlink("/proc/self/fd/0", "stdin");
                let file = std::fs::File::options().read(true).write(true).open(sandbox.path("a"));
                let run = sandbox.run(way.iter().copied().chain([source, target]));
                let ended = run.input_file(file.unwrap()).end().orderly();
                assert_unharmed(&sandbox, &ended);
            }
        }
    }
}

#[test]
fn by_standard_output() {
    let sandbox = directory();
    let file = std::fs::File::options().append(true).open(sandbox.path("a")).unwrap();
    let ended = sandbox.run(["a", "-"]).output_file(file).end().failed();
    assert_unharmed(&sandbox, &ended);
    let file = std::fs::File::open(sandbox.path("a")).unwrap();
    let ended = sandbox.run(["-", "a"]).input_file(file).end().failed();
    assert_unharmed(&sandbox, &ended);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn by_a_bind_mount_of_the_directory() {
    for way in WAYS {
        let sandbox = directory();
        let mut mounts = Mounts::new();
        mounts.bind(sandbox.root(), &sandbox.path("d"));
        for (source, target) in [("a", "d/a"), ("d/a", "a"), ("d/a", "d/d/../a")] {
            let ended = sandbox.mycp(way.iter().copied().chain([source, target])).orderly();
            assert_unharmed(&sandbox, &ended);
            assert!(!ended.is_good() || skips_or_backs_up(way), "not refused: {ended}");
        }
    }
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn by_a_bind_mount_of_the_file() {
    for way in WAYS {
        let sandbox = directory();
        let mut mounts = Mounts::new();
        sandbox.write("bound", b"");
        mounts.bind(&sandbox.path("a"), &sandbox.path("bound"));
        for (source, target) in [("a", "bound"), ("bound", "a"), ("hard", "bound")] {
            let ended = sandbox.mycp(way.iter().copied().chain([source, target])).orderly();
            assert_unharmed(&sandbox, &ended);
        }
    }
}

/// coreutils 8.28 NEWS: `cp --backup=simple a~ ./a` lost data since the first version, because
/// the backup of the target takes the source's name.
#[test]
fn a_backup_does_not_take_the_place_of_the_source() {
    for target in ["a", "./a", "d/../a"] {
        for way in [&["--backup=simple"] as &[_], &["-b"], &["-b", "-f"], &["-b", "--in-place"]] {
            let sandbox = Sandbox::new();
            sandbox.directory("d");
            sandbox.write("a", b"current");
            sandbox.write("a~", b"earlier");
            let ended = sandbox.mycp(way.iter().copied().chain(["a~", target])).failed();
            assert_same_bytes(&sandbox.read("a~"), b"earlier", &ended.description);
            assert_same_bytes(&sandbox.read("a"), b"current", &ended.description);
            sandbox.assert_tidy(&ended.description);
        }
    }
}

/// The only name of the only copy: removing the target first would remove the source.
#[test]
fn the_only_copy_is_not_removed_through_a_linked_directory() {
    for (source, target) in [("a", "here/a"), ("here/a", "a"), ("a", "./a")] {
        for way in [&["--remove-destination"] as &[_], &["--remove-destination", "-f"]] {
            let sandbox = Sandbox::new();
            sandbox.write("a", &bytes());
            sandbox.symlink(".", "here");
            let ended = sandbox.mycp(way.iter().copied().chain([source, target])).failed();
            assert_same_bytes(&sandbox.read("a"), &bytes(), &ended.description);
            assert_eq!(sandbox.metadata("a").nlink(), 1, "{ended}");
            sandbox.assert_tidy(&ended.description);
        }
    }
}

#[test]
fn a_file_copied_to_a_directory_that_holds_it() {
    let sandbox = directory();
    for target in [".", "here", "d/.."] {
        let ended = sandbox.mycp(["a", target]).failed().says("same file");
        assert_unharmed(&sandbox, &ended);
    }
    let ended = sandbox.mycp(["-t", ".", "a", "hard"]).failed();
    assert_unharmed(&sandbox, &ended);
}
