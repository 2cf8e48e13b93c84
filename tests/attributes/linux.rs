//! What a copy leaves in mode, owner, ACLs and extended attributes: what cp leaves.
//!
//! Each case is run twice, in twin directories: once by `/bin/cp`, once by mycp.

use std::ffi::CString;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::support::{Sandbox, assert_same_bytes};

const MODES: [u32; 14] = [
    0o000, 0o001, 0o200, 0o400, 0o444, 0o600, 0o640, 0o644, 0o755, 0o777, 0o1644, 0o2755, 0o4755,
    0o7777,
];
const UMASKS: [u32; 4] = [0o000, 0o022, 0o027, 0o077];

/// Two directories that are made alike; cp works in the first, mycp in the second.
struct Twins {
    cp: Sandbox,
    mycp: Sandbox,
}

/// What is compared of a file.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    mode: String,
    owner: (u32, u32),
    attributes: Vec<(String, Vec<u8>)>,
    acl: String,
    len: u64,
}

impl Twins {
    fn new(prepare: impl Fn(&Sandbox)) -> Self {
        let twins = Self { cp: Sandbox::new(), mycp: Sandbox::new() };
        prepare(&twins.cp);
        prepare(&twins.mycp);
        twins
    }

    /// Runs both; they have to end alike.
    fn run(&self, umask: u32, arguments: &[&str]) -> &Self {
        let mut cp = Command::new("/bin/sh");
        cp.args(["-c", &format!("umask {umask:03o}; exec /bin/cp \"$@\""), "sh"]);
        let output = cp.args(arguments).current_dir(self.cp.root()).output().unwrap();
        let ended = self.mycp.run(arguments).umask(umask).end().orderly();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(ended.status.code(), output.status.code(), "cp says {errors:?}: {ended}");
        self.mycp.assert_tidy(&ended.description);
        self
    }

    #[track_caller]
    fn assert_alike(&self, name: &str, situation: &str) {
        assert_eq!(facts(&self.mycp, name), facts(&self.cp, name), "{name}, {situation}");
    }
}

fn facts(sandbox: &Sandbox, name: &str) -> Facts {
    let path = sandbox.path(name);
    let metadata = std::fs::metadata(&path).unwrap();
    let output = Command::new("getfacl").args(["-c", "-n", "-p"]).arg(&path).output().unwrap();
    Facts {
        mode: format!("{:04o}", metadata.mode() & 0o7777),
        owner: (metadata.uid(), metadata.gid()),
        attributes: extended_attributes(sandbox, name),
        acl: String::from_utf8(output.stdout).unwrap(),
        len: metadata.len(),
    }
}

fn extended_attributes(sandbox: &Sandbox, name: &str) -> Vec<(String, Vec<u8>)> {
    let path = sandbox.path(name);
    let mut names = vec![0; 4096];
    let used = rustix::fs::listxattr(&path, &mut names).unwrap();
    let mut found = Vec::new();
    for name in names[..used].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 4096];
        let used = rustix::fs::getxattr(&path, CString::new(name).unwrap(), &mut value).unwrap();
        value.truncate(used);
        found.push((String::from_utf8(name.to_vec()).unwrap(), value));
    }
    found.sort();
    found
}

fn set_mode(sandbox: &Sandbox, name: &str, mode: u32) {
    std::fs::set_permissions(sandbox.path(name), PermissionsExt::from_mode(mode)).unwrap();
}

fn set_attribute(sandbox: &Sandbox, name: &str, attribute: &str, value: &[u8]) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(sandbox.path(name), attribute, value, flags).unwrap();
}

fn set_acl(sandbox: &Sandbox, name: &str, acl: &[&str]) {
    let path = sandbox.path(name);
    let status = Command::new("setfacl").args(acl).arg(&path).status().unwrap();
    assert!(status.success(), "setfacl {acl:?}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Modes that the running user can copy from.
fn readable_modes() -> impl Iterator<Item = u32> {
    MODES.into_iter().filter(|mode| is_root() || mode & 0o400 != 0)
}

#[test]
#[ignore = "needs the programs of acl and attr"]
fn a_new_file_has_the_mode_that_cp_gives_it() {
    for mode in readable_modes() {
        for umask in UMASKS {
            for way in [
                &[] as &[&str],
                &["-p"],
                &["--no-preserve=mode"],
                &["--preserve=mode"],
                &["--preserve=timestamps"],
                &["-p", "--no-preserve=mode"],
                &["--attributes-only"],
                &["--attributes-only", "-p"],
            ] {
                let twins = Twins::new(|sandbox| {
                    sandbox.write("source", b"content");
                    set_mode(sandbox, "source", mode);
                });
                let arguments: Vec<_> = way.iter().copied().chain(["source", "target"]).collect();
                twins.run(umask, &arguments);
                let situation = format!("{way:?}, source {mode:04o}, umask {umask:03o}");
                twins.assert_alike("target", &situation);
            }
        }
    }
}

#[test]
#[ignore = "needs the programs of acl and attr"]
fn an_overwritten_file_keeps_its_mode_as_with_cp() {
    // Without sticky files: cp -p leaves the bit of the old target, and not on purpose.
    for mode in [0o600, 0o644, 0o666, 0o755, 0o777] {
        for source_mode in [0o600, 0o755, 0o4755] {
            for way in [&[] as &[&str], &["-p"], &["--no-preserve=mode"], &["-f"], &["--in-place"]]
            {
                let twins = Twins::new(|sandbox| {
                    sandbox.write("source", b"content");
                    set_mode(sandbox, "source", source_mode);
                    sandbox.write("target", b"old");
                    set_mode(sandbox, "target", mode);
                });
                // cp writes in place and does not know the word.
                let words = way.iter().copied().filter(|word| *word != "--in-place");
                let arguments: Vec<_> = words.chain(["source", "target"]).collect();
                twins.run(0o022, &arguments);
                let situation = format!("{way:?}, source {source_mode:04o}, target {mode:04o}");
                twins.assert_alike("target", &situation);
            }
        }
    }
}

#[test]
#[ignore = "needs the programs of acl and attr"]
fn a_removed_destination_has_the_mode_of_a_new_file() {
    for way in ["--remove-destination", "--backup=simple", "--backup=numbered"] {
        let twins = Twins::new(|sandbox| {
            sandbox.write("source", b"content");
            set_mode(sandbox, "source", 0o751);
            sandbox.write("target", b"old");
            set_mode(sandbox, "target", 0o606);
        });
        twins.run(0o022, &[way, "source", "target"]).assert_alike("target", way);
    }
    let twins = Twins::new(|sandbox| {
        sandbox.write("source", b"content");
        sandbox.write("target", b"old");
        set_mode(sandbox, "target", 0o606);
    });
    twins.run(0o022, &["-b", "source", "target"]).assert_alike("target~", "the backup");
}

/// cp may leave a setuid program with other content; here it is never left so.
#[test]
fn an_overwritten_setuid_file_does_not_stay_setuid() {
    for bits in [0o4755, 0o2755, 0o6755] {
        for way in [&[] as &[&str], &["-f"], &["--in-place"], &["--engine=mmap", "--in-place"]] {
            let sandbox = Sandbox::new();
            sandbox.write("source", b"other content");
            sandbox.write("target", b"old");
            set_mode(&sandbox, "target", bits);
            let ended = sandbox.mycp(way.iter().copied().chain(["source", "target"])).good();
            let mode = sandbox.metadata("target").mode() & 0o7777;
            assert_eq!(mode & 0o6000, 0, "{bits:04o} became {mode:04o}: {ended}");
            assert_eq!(mode & 0o777, 0o755, "{bits:04o} became {mode:04o}: {ended}");
        }
    }
}

#[test]
#[ignore = "needs the programs of acl and attr"]
fn an_overwritten_file_keeps_its_acl_and_attributes() {
    let twins = Twins::new(|sandbox| {
        sandbox.write("source", b"content");
        set_attribute(sandbox, "source", "user.of-source", b"1");
        sandbox.write("target", b"old");
        set_attribute(sandbox, "target", "user.of-target", b"2");
        set_acl(sandbox, "target", &["-m", "u:1234:rw,g:2345:r"]);
    });
    twins.run(0o022, &["source", "target"]).assert_alike("target", "overwritten");
    assert_eq!(extended_attributes(&twins.mycp, "target").len(), 2, "an attribute and an ACL");
}

#[test]
#[ignore = "needs the programs of acl and attr"]
fn acl_and_attributes_of_the_source_are_kept_where_asked_for() {
    for way in [
        &[] as &[&str],
        &["-p"],
        &["--preserve=mode"],
        &["--preserve=xattr"],
        &["--preserve=all"],
        &["--preserve=mode,xattr"],
        &["--preserve=all", "--no-preserve=xattr"],
        &["--attributes-only", "--preserve=xattr"],
    ] {
        for has_old in [false, true] {
            let twins = Twins::new(|sandbox| {
                sandbox.write("source", b"content");
                set_attribute(sandbox, "source", "user.note", b"kept \0 whole");
                set_acl(sandbox, "source", &["-m", "u:1234:rw,g:2345:r"]);
                if has_old {
                    sandbox.write("target", b"old");
                    set_attribute(sandbox, "target", "user.note", b"another");
                    set_acl(sandbox, "target", &["-m", "u:99:rwx"]);
                }
            });
            let arguments: Vec<_> = way.iter().copied().chain(["source", "target"]).collect();
            twins.run(0o022, &arguments);
            twins.assert_alike("target", &format!("{way:?}, old target: {has_old}"));
        }
    }
}

#[test]
#[ignore = "needs the programs of acl and attr"]
fn a_default_acl_of_the_directory_is_inherited_as_with_cp() {
    for mode in readable_modes().filter(|mode| mode & 0o7000 == 0) {
        for acl in ["u::rwx,g::rx,o::-,u:1234:rwx", "u::rw,g::r,o::r", "u::rwx,g::rwx,o::rwx"] {
            // Not --no-preserve=mode: cp then takes the inherited ACL away again, and so lets in
            // whom the directory's ACL keeps out. mycp leaves it, as any program does.
            for way in [&[] as &[&str], &["-p"]] {
                let twins = Twins::new(|sandbox| {
                    sandbox.write("source", b"content");
                    set_mode(sandbox, "source", mode);
                    sandbox.directory("d");
                    set_acl(sandbox, "d", &["-d", "-m", acl]);
                });
                let arguments: Vec<_> = way.iter().copied().chain(["source", "d/target"]).collect();
                twins.run(0o027, &arguments);
                let situation = format!("{way:?}, source {mode:04o}, default ACL {acl}");
                twins.assert_alike("d/target", &situation);
            }
        }
    }
}

#[test]
#[ignore = "needs root: gives files to others"]
fn a_setgid_directory_gives_its_group_as_with_cp() {
    for way in [&[] as &[&str], &["-p"]] {
        for has_old in [false, true] {
            let twins = Twins::new(|sandbox| {
                sandbox.write("source", b"content");
                sandbox.directory("d");
                std::os::unix::fs::chown(sandbox.path("d"), None, Some(4321)).unwrap();
                set_mode(sandbox, "d", 0o2775);
                if has_old {
                    let target = sandbox.write("d/target", b"old");
                    std::os::unix::fs::chown(target, Some(77), Some(78)).unwrap();
                }
            });
            let arguments: Vec<_> = way.iter().copied().chain(["source", "d/target"]).collect();
            twins.run(0o022, &arguments);
            twins.assert_alike("d/target", &format!("{way:?}, old target: {has_old}"));
        }
    }
}

#[test]
#[ignore = "needs root: gives files to others"]
fn owners_are_those_that_cp_leaves() {
    for way in [
        &[] as &[&str],
        &["-p"],
        &["--preserve=ownership"],
        &["--preserve=mode"],
        &["--attributes-only", "-p"],
        &["--remove-destination"],
    ] {
        for has_old in [false, true] {
            for mode in [0o644, 0o4755, 0o2755] {
                let twins = Twins::new(|sandbox| {
                    let source = sandbox.write("source", b"content");
                    std::os::unix::fs::chown(source, Some(1001), Some(1002)).unwrap();
                    set_mode(sandbox, "source", mode);
                    if has_old {
                        let target = sandbox.write("target", b"old");
                        std::os::unix::fs::chown(target, Some(2001), Some(2002)).unwrap();
                    }
                });
                let arguments: Vec<_> = way.iter().copied().chain(["source", "target"]).collect();
                twins.run(0o022, &arguments);
                let situation = format!("{way:?}, source {mode:04o}, old target: {has_old}");
                twins.assert_alike("target", &situation);
            }
        }
    }
}

/// A file capability is a right like setuid: other content must not inherit it.
#[test]
#[ignore = "needs root: gives files capabilities"]
fn capabilities_do_not_stay_on_other_content() {
    let capability =
        b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    for way in [&[] as &[&str], &["-f"], &["--in-place"], &["--engine=mmap", "--in-place"]] {
        let sandbox = Sandbox::new();
        sandbox.write("source", b"other content");
        sandbox.write("target", b"old");
        set_attribute(&sandbox, "target", "security.capability", capability);
        let ended = sandbox.mycp(way.iter().copied().chain(["source", "target"])).good();
        assert_eq!(extended_attributes(&sandbox, "target"), [], "{ended}");
    }
}

#[test]
#[ignore = "needs the programs of acl and attr"]
fn attributes_only_leaves_the_content() {
    let twins = Twins::new(|sandbox| {
        sandbox.write("source", b"content");
        set_mode(sandbox, "source", 0o751);
        sandbox.write("target", b"old and longer");
        set_mode(sandbox, "target", 0o640);
    });
    for way in [&["--attributes-only"] as &[&str], &["--attributes-only", "-p"]] {
        let arguments: Vec<_> = way.iter().copied().chain(["source", "target"]).collect();
        twins.run(0o022, &arguments).assert_alike("target", &format!("{way:?}"));
        assert_same_bytes(&twins.mycp.read("target"), b"old and longer", &format!("{way:?}"));
    }
}
