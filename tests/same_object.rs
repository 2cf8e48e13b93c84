//! A file is never copied onto itself, however the second name was made.
//!
//! Tools that compare names, or look only after they have truncated the target, replace the file
//! with zeros: cpy, xcp and older versions of others did.

#[cfg(target_os = "linux")]
use crate::support::mounts::Mounts;
use crate::support::{Ended, Sandbox, assert_same_bytes, content};
use crate::wine;

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
    sandbox
}

/// The same with links to it, to a link, and to the directory.
fn directory_with_links() -> Sandbox {
    let sandbox = directory();
    sandbox.symlink("a", "soft");
    sandbox.symlink("soft", "soft-to-soft");
    sandbox.symlink(".", "here");
    sandbox.symlink(sandbox.root(), "absolute");
    sandbox
}

/// The kernel of Windows has no call that the engine of that name could be.
fn is_possible(way: &[&str]) -> bool {
    !cfg!(windows) || !way.contains(&"--engine=kernel")
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
    every_way_of(WAYS, directory, source, target, may_succeed);
}

fn every_way_of(
    ways: impl IntoIterator<Item = &'static [&'static str]>,
    directory: fn() -> Sandbox,
    source: &str,
    target: &str,
    may_succeed: impl Fn(&[&str]) -> bool,
) {
    for way in ways.into_iter().filter(|way| is_possible(way)) {
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

/// The target gets another file in its place, and the old one keeps its other names.
fn replaces(way: &[&str]) -> bool {
    ["-b", "--backup=numbered", "--remove-destination"].iter().any(|word| way.contains(word))
}

#[test]
fn by_the_same_name() {
    every_way("a", "a", skips_or_backs_up);
}

#[test]
fn by_a_name_with_a_dot() {
    every_way("a", "./a", skips_or_backs_up);
}

/// Where letters of either case make one name.
#[cfg(windows)]
#[test]
fn by_a_name_in_other_letters() {
    every_way("a", "A", skips_or_backs_up);
    every_way("A", "a", skips_or_backs_up);
    every_way("a", "D/../A", skips_or_backs_up);
}

#[cfg(windows)]
#[test]
fn by_a_name_with_other_separators() {
    every_way("a", r".\a", skips_or_backs_up);
    every_way(r"d\..\a", "d/../A", skips_or_backs_up);
}

#[test]
fn by_a_way_through_another_directory() {
    every_way("a", "d/../a", skips_or_backs_up);
}

#[test]
fn by_a_link_to_the_directory() {
    if wine::cannot("same_object::by_a_link_to_the_directory") {
        return;
    }
    for (source, target) in [("a", "here/a"), ("here/a", "a"), ("a", "absolute/a")] {
        every_way_of(WAYS, directory_with_links, source, target, skips_or_backs_up);
    }
}

#[test]
fn by_a_symbolic_link_to_the_source() {
    if wine::cannot("same_object::by_a_symbolic_link_to_the_source") {
        return;
    }
    let replaces_the_link =
        |way: &[&str]| skips_or_backs_up(way) || way.contains(&"--remove-destination");
    for target in ["soft", "soft-to-soft", "here/soft"] {
        every_way_of(WAYS, directory_with_links, "a", target, replaces_the_link);
    }
}

#[test]
fn by_a_symbolic_link_as_the_source() {
    if wine::cannot("same_object::by_a_symbolic_link_as_the_source") {
        return;
    }
    for source in ["soft", "soft-to-soft", "here/soft"] {
        for way in WAYS.into_iter().filter(|way| is_possible(way)) {
            let sandbox = directory_with_links();
            let ended = sandbox.mycp(way.iter().copied().chain([source, "a"])).orderly();
            assert_unharmed(&sandbox, &ended);
            let free = skips_or_backs_up(way) || way.contains(&"--remove-destination");
            assert!(!ended.is_good() || free, "not refused: {ended}");
        }
    }
}

/// Of two hard links one may be replaced, because the other keeps the content.
#[test]
fn by_a_hard_link_that_is_replaced() {
    if wine::cannot("same_object::by_a_hard_link_that_is_replaced") {
        return;
    }
    for way in WAYS.into_iter().filter(|way| replaces(way)) {
        let sandbox = directory();
        let ended = sandbox.mycp(way.iter().copied().chain(["a", "hard"])).good();
        assert_unharmed(&sandbox, &ended);
        assert_ne!(sandbox.id("a"), sandbox.id("hard"), "{ended}");
    }
}

#[test]
fn by_a_hard_link() {
    let ways = WAYS.into_iter().filter(|way| !replaces(way));
    every_way_of(ways, directory, "a", "hard", |way| skips_or_backs_up(way) || way.contains(&"-f"));
}

/// Windows has no names for open files.
#[cfg(unix)]
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

#[cfg(target_os = "linux")]
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

#[cfg(target_os = "linux")]
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
    if wine::cannot("same_object::the_only_copy_is_not_removed_through_a_linked_directory") {
        return;
    }
    for (source, target) in [("a", "here/a"), ("here/a", "a"), ("a", "./a")] {
        for way in [&["--remove-destination"] as &[_], &["--remove-destination", "-f"]] {
            let sandbox = Sandbox::new();
            sandbox.write("a", &bytes());
            sandbox.symlink(".", "here");
            let ended = sandbox.mycp(way.iter().copied().chain([source, target])).failed();
            assert_same_bytes(&sandbox.read("a"), &bytes(), &ended.description);
            assert_eq!(sandbox.links("a"), 1, "{ended}");
            sandbox.assert_tidy(&ended.description);
        }
    }
}

#[test]
fn a_file_copied_to_a_directory_that_holds_it() {
    let sandbox = directory();
    for target in [".", "d/.."] {
        let ended = sandbox.mycp(["a", target]).failed().says("same file");
        assert_unharmed(&sandbox, &ended);
    }
    let ended = sandbox.mycp(["-t", ".", "a", "hard"]).failed();
    assert_unharmed(&sandbox, &ended);
}
