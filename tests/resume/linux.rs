//! Permission bits, extended attributes, and file systems that clone.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::{LEFTOVER, LEN, MIB, field, go_on, stored, with_leftover};
use crate::support::everything::set_attribute;
use crate::support::files::chmod;
use crate::support::mounts::{Kind, Mounts};
use crate::support::{Sandbox, assert_same_bytes, content};

/// A handle that somebody opened then would read what is written now.
#[test]
fn what_others_could_have_opened_is_not_gone_on_with() {
    for (mode, source_mode, goes_on) in
        [(0o644, 0o644, true), (0o644, 0o600, false), (0o622, 0o644, false), (0o600, 0o644, true)]
    {
        let (sandbox, source) = with_leftover(&content(7, LEN as usize));
        chmod(&sandbox.path("source"), source_mode);
        chmod(&sandbox.path(LEFTOVER), mode);
        let ended = go_on(&sandbox, &[]);
        assert_same_bytes(&sandbox.read("target"), &source, &ended.description);
        assert_eq!(field(&ended, "/delta/into") == "leftover", goes_on, "{mode:o}: {ended}");
        sandbox.assert_tidy(&ended.description);
    }
}

#[test]
fn a_leftover_loses_what_a_new_file_does_not_have() {
    for (number, more) in ["--preserve=mode", "--no-preserve=all", "-a"].into_iter().enumerate() {
        let (sandbox, source) = with_leftover(&content(7, LEN as usize));
        for (name, mode) in [("source", 0o640), (LEFTOVER, 0o6700)] {
            chmod(&sandbox.path(name), mode);
        }
        set_attribute(&sandbox.path(LEFTOVER), "user.test", b"old");
        for (name, seconds) in [("source", 1000), (LEFTOVER, 500)] {
            let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::open(sandbox.path(name)).unwrap().set_modified(time).unwrap();
        }
        let words = ["--delta", "--json", more, "source", "target"];
        let ended = sandbox.run(words).umask(0o022).end().good();
        assert_same_bytes(&sandbox.read("target"), &source, &ended.description);
        assert_eq!(stored(&ended), 0, "{ended}");
        let target = sandbox.path("target");
        let wanted = if number == 1 { 0o644 } else { 0o640 };
        assert_eq!(sandbox.metadata("target").mode() & 0o7777, wanted, "{ended}");
        let mut names = [0; 256];
        let len = rustix::fs::listxattr(&target, &mut names[..]).unwrap();
        let names = String::from_utf8_lossy(&names[..len]).into_owned();
        assert!(!names.contains("user.test"), "{names}: {ended}");
        let modified = sandbox.metadata("target").mtime();
        assert_ne!(modified, 500, "{ended}");
        assert_eq!(modified == 1000, number == 2, "{ended}");
    }
}

/// Where the old file can be cloned, that is the better begin, unless the leftover has got farther.
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_clone_is_preferred_to_what_has_less() {
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Xfs, 600);
    let bytes = content(7, LEN as usize);
    let mut old = bytes.clone();
    old[20 * MIB as usize] ^= 1;
    for (arrived, into) in [(18 * MIB, "clone"), (LEN, "leftover")] {
        let sandbox = Sandbox::within(&disk);
        sandbox.write("source", &bytes);
        sandbox.write("target", &old);
        sandbox.write(LEFTOVER, &bytes[..arrived as usize]);
        chmod(&sandbox.path(LEFTOVER), 0o600);
        let ended = go_on(&sandbox, &[]);
        assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        assert_eq!(field(&ended, "/delta/into"), into, "{ended}");
        sandbox.assert_tidy(&ended.description);
    }
}
