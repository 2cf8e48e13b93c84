//! Trees with all that Linux knows, on each of its file systems.
//!
//! Judged twice, by rsync and by a look of our own: rsync does not see times of access, holes,
//! nor paths longer than PATH_MAX.

use std::path::Path;

use crate::support::Sandbox;
use crate::support::everything::{DEEP, Maker, plant, set_attribute};
use crate::support::files::chmod;
use crate::support::mounts::{Kind, Mounts};
use crate::support::snapshot::Snapshot;
use crate::trees::{Reopened, assert_nothing_for_rsync};

/// Every way to ask for all.
const WAYS: [&[&str]; 8] = [
    &["-a"],
    &["-dR", "--preserve=all"],
    &["-a", "-j1"],
    &["-a", "-j16"],
    &["-a", "--flush=sync"],
    &["-a", "--verify=cache"],
    &["-a", "--engine=buffered"],
    &["-a", "--engine=mmap"],
];

/// Copies `source` to `target`, where nothing is, and a second time over the copy.
fn copied_completely(sandbox: &Sandbox, source: &Path, target: &Path, way: &[&str]) {
    let expected = Snapshot::of(source);
    for time in ["new", "over itself"] {
        let options = way.iter().map(AsRef::as_ref).chain(["-T".as_ref()]);
        let ended = sandbox.mycp(options.chain([source.as_os_str(), target.as_os_str()])).good();
        let situation = format!("{time}: {}", ended.description);
        assert!(ended.errors.is_empty() && ended.output.is_empty(), "{time}: {ended}");
        Snapshot::of(target).assert_copy(&expected, &situation);
        Snapshot::of(source).assert_copy(&expected, &format!("the source after {situation}"));
    }
}

/// Plants a tree on `from` and copies it to `to` in these ways.
fn everything_is_copied(from: &Path, to: &Path, ways: &[&[&str]]) {
    let sandbox = Sandbox::new();
    let source = from.join("source");
    std::fs::create_dir(&source).unwrap();
    plant(&source, Maker::Root);
    for way in ways {
        let target = to.join("target");
        copied_completely(&sandbox, &source, &target, way);
        assert_nothing_for_rsync(&source, &target, &[&format!("--exclude=/{DEEP}")]);
        std::fs::remove_dir_all(&target).unwrap();
    }
}

fn within(kind: Kind) {
    let mut mounts = Mounts::new();
    let directory = mounts.add(kind, 300);
    everything_is_copied(&directory, &directory, &WAYS);
}

fn across(from: Kind, to: Kind) {
    let mut mounts = Mounts::new();
    let (from, to) = (mounts.add(from, 300), mounts.add(to, 300));
    everything_is_copied(&from, &to, &WAYS[..1]);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn everything_is_copied_within_ext4() {
    within(Kind::Ext4);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn everything_is_copied_within_xfs() {
    within(Kind::Xfs);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn everything_is_copied_within_btrfs() {
    within(Kind::Btrfs);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn everything_is_copied_within_tmpfs() {
    within(Kind::Tmpfs);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn everything_is_copied_from_one_file_system_to_another() {
    across(Kind::Ext4, Kind::Xfs);
    across(Kind::Xfs, Kind::Btrfs);
    across(Kind::Btrfs, Kind::Tmpfs);
    across(Kind::Tmpfs, Kind::Ext4);
}

#[test]
fn everything_that_anyone_may_make_is_copied() {
    let sandbox = Sandbox::new();
    let _reopened = Reopened(sandbox.root().to_owned());
    let source = sandbox.directory("source");
    plant(&source, Maker::Anyone);
    for (number, way) in WAYS[..5].iter().enumerate() {
        copied_completely(&sandbox, &source, &sandbox.path(format!("target-{number}")), way);
    }
}

/// As cp does: the right to give a file away is root's alone, so that this is no failure.
#[test]
#[ignore = "needs root: takes another user's part"]
fn a_user_without_rights_gets_all_but_the_owners() {
    let sandbox = Sandbox::new();
    let source = sandbox.directory("source");
    plant(&source, Maker::Anyone);
    // What only root may read is another test's.
    for mode in ["0", "1", "200", "400", "600", "6711"] {
        std::fs::remove_file(source.join(format!("modes/file-{mode}"))).unwrap();
    }
    for (name, mode) in [
        ("modes/directory-700", 0o755),
        ("modes/directory-4711", 0o755),
        ("modes/read-only", 0o555),
    ] {
        chmod(&source.join(name), mode);
    }
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        chmod(&sandbox.directory(name), 0o777);
        let run = sandbox.run(["-a", "source", &format!("{name}/copy")]).by_nobody();
        let expected = Snapshot::of(&source);
        let ended = run.end().orderly();
        eprintln!("{number}: {ended}");
        let seen = Snapshot::of(&sandbox.path(format!("{name}/copy")));
        seen.assert_contents(&expected, &ended.description);
    }
}

/// The directory that takes in the copy hands down an ACL and its group to what is made in it. (The
/// directories that cp 9.1 makes there keep the bit by which they would hand down the group, too.)
#[test]
#[ignore = "needs root: mounts file systems"]
fn what_a_directory_hands_down_does_not_stay_on_the_copy() {
    let mut mounts = Mounts::new();
    let directory = mounts.add(Kind::Ext4, 300);
    let sandbox = Sandbox::new();
    let source = directory.join("source");
    std::fs::create_dir(&source).unwrap();
    plant(&source, Maker::Root);
    let parent = directory.join("parent");
    std::fs::create_dir(&parent).unwrap();
    let entries = ["-m", "u:12:rwx,d:u:12:rwx,d:g:13:rwx,d:o::rwx"];
    let status = std::process::Command::new("setfacl").args(entries).arg(&parent).status().unwrap();
    assert!(status.success());
    std::os::unix::fs::chown(&parent, Some(0), Some(1234)).unwrap();
    chmod(&parent, 0o2777);
    for way in [&["-a"] as &[&str], &["-a", "-j1"]] {
        let target = parent.join("target");
        copied_completely(&sandbox, &source, &target, way);
        std::fs::remove_dir_all(target).unwrap();
    }
}

/// ramfs has neither extended attributes nor ACLs.
#[test]
#[ignore = "needs root: mounts file systems"]
fn what_the_target_cannot_hold_is_told_once_for_each_kind() {
    let mut mounts = Mounts::new();
    let (from, to) = (mounts.add(Kind::Ext4, 64), mounts.add(Kind::Ramfs, 0));
    let sandbox = Sandbox::new();
    for name in ["attributes", "acls"] {
        std::fs::create_dir(from.join(name)).unwrap();
    }
    for number in 0..40 {
        let file = from.join(format!("attributes/{number}"));
        std::fs::write(&file, b"x").unwrap();
        set_attribute(&file, "user.test", b"value");
        let file = from.join(format!("acls/{number}"));
        std::fs::write(&file, b"x").unwrap();
        let setfacl = ["-m", "u:1000:rw"];
        let mut command = std::process::Command::new("setfacl");
        assert!(command.args(setfacl).arg(&file).status().unwrap().success());
    }
    let told =
        |errors: &str, words: &str| errors.lines().filter(|line| line.contains(words)).count();
    let copy = |way: &[&str], name: &str| {
        let operands = [from.join(name), to.join(format!("{name}{}", way.concat()))];
        let arguments = way.iter().map(AsRef::as_ref);
        sandbox.mycp(arguments.chain(operands.iter().map(|path| path.as_os_str())))
    };
    let ended = copy(&["-a"], "attributes").good();
    assert_eq!(told(&ended.errors, "extended attributes"), 1, "{ended}");
    let ended = copy(&["-a"], "acls").orderly();
    assert_eq!(told(&ended.errors, "access control list"), 1, "{ended}");
    let seen = Snapshot::of(&to.join("acls-a"));
    assert_eq!(seen.names().count(), 40, "the rest of them is lost, too: {ended}");
    for (way, name) in
        [(["-r", "--preserve=xattr"], "attributes"), (["-r", "--preserve=mode"], "acls")]
    {
        let ended = copy(&way, name).failed();
        let seen = Snapshot::of(&to.join(format!("{name}{}", way.concat())));
        // Whether what lost something is there is another question: all of it is named.
        assert!(told(&ended.errors, name) >= 40, "not each is named: {ended}");
        assert!(seen.leftovers().is_empty(), "{ended}");
    }
}
