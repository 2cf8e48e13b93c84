//! Mirrors as only Linux has them: by users without rights, with extended attributes, over mounts,
//! and judged by rsync.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::support::everything::set_attribute;
use crate::support::mounts::{Kind, Mounts};
use crate::trees::assert_nothing_for_rsync;

#[test]
#[ignore = "needs rsync"]
fn rsync_finds_nothing_left_to_do() {
    random_rounds(scaled(20), |sandbox| {
        assert_nothing_for_rsync(&sandbox.path("s"), &sandbox.path("t"), &[]);
    });
}

#[test]
fn nothing_is_deleted_when_something_could_not_be_read() {
    let sandbox = with_extras(&["t/x/1", "t/d/3"]);
    sandbox.write("s/new", b"new");
    chmod(&sandbox.path("s/d/e"), 0);
    chmod(sandbox.root(), 0o777);
    let own = std::process::Command::new("chown")
        .args(["-R", "nobody"])
        .args([sandbox.path("s"), sandbox.path("t")])
        .status();
    let run = sandbox.run(["--mirror", "s", "t"]);
    // Whom modes do not stop can be shown nothing.
    if !own.unwrap().success() {
        return;
    }
    let ended = run.by_nobody().end().failed().says("nothing was deleted");
    for name in ["t/x/1", "t/d/3", "t/d/e/c", "t/new"] {
        assert!(sandbox.path(name).exists(), "{name}: {ended}");
    }
    chmod(&sandbox.path("s/d/e"), 0o755);
}

#[test]
fn attributes_that_the_source_does_not_have_go() {
    let sandbox = with_extras(&[]);
    for name in ["t/a", "t/d", "t/d/b", "t"] {
        set_attribute(&sandbox.path(name), "user.extra", b"extra");
    }
    // One whose content is compared, too.
    sandbox.write("t/d/b", &sandbox.read("s/d/b"));
    let ended = mirror(&sandbox, &[]).good();
    let (source, target) = (kept(&sandbox.path("s")), kept(&sandbox.path("t")));
    target.assert_copy(&source, &ended.description);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn nothing_is_deleted_on_another_file_system() {
    let sandbox = with_extras(&["t/extra/mount/hidden", "t/d/mount/hidden", "s/d/mount/", "t/x"]);
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Tmpfs, 8);
    std::fs::write(disk.join("precious"), b"precious").unwrap();
    mounts.bind(&disk, &sandbox.path("t/extra/mount"));
    let ended = mirror(&sandbox, &[]).failed();
    assert!(disk.join("precious").exists(), "{ended}");
    // A directory of the source's with something mounted on it in the target is its mirror.
    mounts.bind(&disk, &sandbox.path("t/d/mount"));
    std::fs::create_dir(disk.join("directory")).unwrap();
    mounts.bind(&disk, &sandbox.path("s/d/mount"));
    let ended = mirror(&sandbox, &["-x"]).failed();
    assert!(disk.join("precious").exists(), "what -x leaves out is not looked into: {ended}");
}

/// What is mounted in the target, or is the source under another name, is not the target's.
#[test]
#[ignore = "needs root: mounts file systems"]
fn nothing_is_deleted_through_a_bind_mount() {
    let mut mounts = Mounts::new();
    let sandbox = Sandbox::new();
    make(&sandbox, &["t/extra/s/a", "t/b", "mnt/", "out/p", "s/a", "s/m/", "u/extra/m/", "u/m/"]);
    mounts.bind(&sandbox.path("t/extra/s"), &sandbox.path("mnt"));
    let ended = sandbox.mycp(["--mirror", "mnt", "t"]).failed();
    assert!(sandbox.path("mnt/a").exists(), "the source is gone: {ended}");
    mounts.bind(&sandbox.path("out"), &sandbox.path("u/extra/m"));
    mounts.bind(&sandbox.path("out"), &sandbox.path("u/m"));
    for more in ["-v", "-x"] {
        let ended = sandbox.mycp(["--mirror", more, "s", "u"]).failed();
        assert!(sandbox.path("out/p").exists(), "what is mounted is gone: {ended}");
    }
}

/// A file system that cuts times off makes no target older than its source.
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_second_mirror_does_nothing_where_times_are_coarse() {
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Ext4Coarse, 64);
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/d/b", "s/d/e/c", "s/empty/"]);
    sandbox.symlink("a", "s/link");
    stamp(&sandbox.path("s"));
    assert_ne!(sandbox.metadata("s/a").mtime_nsec(), 0, "there is nothing to cut off");
    let words: [std::ffi::OsString; 4] =
        ["--mirror".into(), "--json".into(), "s".into(), disk.join("t").into()];
    sandbox.mycp(&words).good();
    assert_eq!(std::fs::metadata(disk.join("t/a")).unwrap().mtime_nsec(), 0);
    let changed = || {
        let seen = Snapshot::of(&disk.join("t"));
        seen.entries.iter().map(|(name, entry)| (name.clone(), entry.changed)).collect::<Vec<_>>()
    };
    let before = changed();
    // Else what is changed now has the same time of change.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let ended = sandbox.mycp(&words).good();
    let told = String::from_utf8_lossy(&ended.output).into_owned();
    let copied = told.lines().filter(|line| line.contains("copied") && !line.contains("merged"));
    assert_eq!(copied.count(), 0, "{ended}");
    assert_eq!(changed(), before, "{ended}");
    // Length and time are taken for the content: nothing is read.
    let target = disk.join("t/a");
    let seen = std::fs::metadata(&target).unwrap();
    let other = vec![b'?'; seen.len() as usize];
    std::fs::write(&target, &other).unwrap();
    let file = std::fs::File::open(&target).unwrap();
    file.set_modified(seen.modified().unwrap()).unwrap();
    let ended = sandbox.mycp(&words).good();
    assert_eq!(std::fs::read(&target).unwrap(), other, "{ended}");
    std::fs::write(&target, sandbox.read("s/a")).unwrap();
    // A second is seen.
    let time = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    let source = std::fs::File::open(sandbox.path("s/a")).unwrap();
    source.set_modified(time).unwrap();
    let ended = sandbox.mycp(&words).good();
    assert!(String::from_utf8_lossy(&ended.output).contains("\"kept\""), "{ended}");
}
