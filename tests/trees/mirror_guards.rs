//! Ways in which a mirror could lose what is not its to delete.

use super::make;
use crate::support::Sandbox;
#[cfg(target_os = "linux")]
use crate::support::everything::set_attribute;
#[cfg(target_os = "linux")]
use crate::support::files::{chmod, stamp};
#[cfg(target_os = "linux")]
use crate::support::mounts::{Kind, Mounts, words};
use crate::wine;

fn mirror(sandbox: &Sandbox, more: &[&str]) -> crate::support::Ended {
    sandbox.mycp([&["--mirror"], more, &["s", "t"]].concat())
}

/// Names like temporaries are what killed runs leave; they go as everything else does that the
/// source has not: counted, told, and only when nothing has failed.
#[test]
fn what_looks_like_a_leftover_is_counted_and_told() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/", "t/.album.mycp-000000/p", "t/.pic.mycp-000042", "t/k"]);
    mirror(&sandbox, &[]).failed().says("the source is empty").says("--allow-empty");
    make(&sandbox, &["s/k"]);
    mirror(&sandbox, &["--max-delete=2"]).failed().says("3 of at most 2");
    assert!(sandbox.path("t/.album.mycp-000000/p").exists());
    assert!(sandbox.path("t/.pic.mycp-000042").exists());
    let ended = mirror(&sandbox, &["--max-delete=3", "--changes"]).good();
    let told = String::from_utf8_lossy(&ended.output);
    assert_eq!(told.matches("delete extra").count(), 3, "{ended}");
    sandbox.assert_tidy("after it");
}

/// A temporary that somebody is writing is not too much.
#[test]
fn what_a_live_run_has_is_not_deleted() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "t/a"]);
    let live = sandbox.write("t/.b.mycp-000000", b"half of it");
    let handle = std::fs::File::open(&live).unwrap();
    handle.lock().unwrap();
    let ended = mirror(&sandbox, &["--changes"]).good();
    assert!(live.exists(), "{ended}");
    drop(handle);
    let ended = mirror(&sandbox, &["--changes"]).good();
    assert!(!live.exists(), "{ended}");
}

#[test]
fn the_list_of_what_was_copied_is_not_deleted() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "t/x"]);
    let ended = mirror(&sandbox, &["--manifest=t/sums.b3"]).good();
    assert!(sandbox.path("t/sums.b3").exists() && !sandbox.path("t/x").exists(), "{ended}");
    let before = sandbox.read("t/sums.b3");
    mirror(&sandbox, &["--dry-run", "--manifest=t/sums.b3"]).failed().says("--dry-run");
    assert_eq!(sandbox.read("t/sums.b3"), before);
}

/// What the source reaches by a link into the target is the source's, too.
#[test]
fn what_a_followed_link_leads_to_is_not_deleted() {
    if wine::cannot("trees::mirror_guards::what_a_followed_link_leads_to_is_not_deleted") {
        return;
    }
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/", "t/data/p", "t/file"]);
    sandbox.symlink("../t/data", "s/link");
    sandbox.symlink("../t/file", "s/other");
    for _ in 0..2 {
        let ended = mirror(&sandbox, &["-L"]).failed().says("part of the source");
        for name in ["t/data/p", "t/file", "t/link/p", "t/other"] {
            assert!(sandbox.path(name).exists(), "{name}: {ended}");
        }
    }
}

#[test]
fn a_link_in_the_target_leads_nowhere() {
    if wine::cannot("trees::mirror_guards::a_link_in_the_target_leads_nowhere") {
        return;
    }
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/d/a", "s/other/p", "t/"]);
    sandbox.symlink("../s/other", "t/d");
    mirror(&sandbox, &["--keep-directory-symlink"]).failed().says("--keep-directory-symlink");
    let ended = mirror(&sandbox, &[]).good();
    assert!(sandbox.path("s/other/p").exists() && !sandbox.path("s/other/a").exists(), "{ended}");
    assert!(sandbox.path("t/d/a").is_file() && !sandbox.path("t/d").is_symlink(), "{ended}");
}

/// A file that a directory takes the place of is deleted as late as everything else, and counts.
#[test]
fn a_file_that_makes_way_is_deleted_last() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/w/1", "t/w"]);
    let old = sandbox.read("t/w");
    for _ in 0..2 {
        let ended = mirror(&sandbox, &["--max-delete=0"]).failed().says("1 of at most 0");
        assert_eq!(sandbox.read("t/.w.mycp-000000"), old, "{ended}");
    }
    let ended = mirror(&sandbox, &["--max-delete=1"]).good();
    sandbox.assert_tidy(&ended.description);
    assert!(sandbox.path("t/w/1").is_file(), "{ended}");
}

/// What makes way may have other names, which are too much as any.
#[test]
fn other_names_of_what_makes_way_are_deleted() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/w/1", "t/w"]);
    std::fs::hard_link(sandbox.path("t/w"), sandbox.path("t/x")).unwrap();
    let ended = mirror(&sandbox, &["--max-delete=2"]).good();
    assert!(!sandbox.path("t/x").exists() && sandbox.path("t/w/1").exists(), "{ended}");
    sandbox.assert_tidy("after it");
}

/// One name that cannot be deleted does not keep the others from it.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: makes a file immutable"]
fn what_cannot_be_deleted_does_not_stop_the_rest() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/k", "t/a", "t/d/fixed", "t/d/other", "t/z"]);
    let fixed = sandbox.path("t/d/fixed");
    let chattr = |how: &str| words("chattr").arg(how).arg(&fixed).status().unwrap().success();
    if !chattr("+i") {
        return;
    }
    let ended = mirror(&sandbox, &["--json"]);
    assert!(chattr("-i"));
    let ended = ended.failed().says("'t/d/fixed'");
    assert!(!sandbox.path("t/a").exists() && !sandbox.path("t/z").exists(), "{ended}");
}

#[test]
fn what_has_nothing_to_delete_needs_no_leave_to() {
    let sandbox = Sandbox::new();
    sandbox.directory("s");
    sandbox.directory("t");
    mirror(&sandbox, &[]).good();
    mirror(&sandbox, &["--max-delete=0"]).good();
}

/// A file system without extended attributes is none that a mirror can do nothing about.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn what_a_file_system_cannot_hold_does_not_differ() {
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Ramfs, 8);
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/d/b"]);
    for name in ["s/a", "s/d"] {
        set_attribute(&sandbox.path(name), "user.test", b"value");
    }
    stamp(&sandbox.path("s"));
    let target = disk.join("t");
    let source = sandbox.path("s");
    let words = [std::ffi::OsStr::new("--mirror"), "--changes".as_ref()];
    let run = || {
        let operands = [source.as_os_str(), target.as_os_str()];
        sandbox.mycp(words.into_iter().chain(operands)).good()
    };
    run();
    std::fs::write(target.join("extra"), b"").unwrap();
    let ended = run();
    let told = String::from_utf8_lossy(&ended.output);
    let deletes = told.lines().filter(|line| line.starts_with("delete")).count();
    assert_eq!((deletes, told.lines().count()), (1, 2), "the extra, and its directory: {ended}");
    let ended = run();
    assert!(ended.output.is_empty(), "{ended}");
}

/// A part of the source that is mounted in the target, under the name of another.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_part_of_the_source_is_not_written_into() {
    let mut mounts = Mounts::new();
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/d/a", "s/e/a", "t/d/", "t/e/"]);
    let before = sandbox.read("s/e/a");
    mounts.bind(&sandbox.path("s/e"), &sandbox.path("t/d"));
    let ended = mirror(&sandbox, &[]).failed().says("something is mounted on it");
    assert_eq!(sandbox.read("s/e/a"), before, "{ended}");
}

/// Deeper than directories are held open.
#[test]
fn a_dry_run_goes_as_deep_as_a_real_one() {
    if wine::cannot("trees::mirror_guards::a_dry_run_goes_as_deep_as_a_real_one") {
        return;
    }
    let sandbox = Sandbox::new();
    let deep = vec!["d"; 150].join("/");
    make(&sandbox, &[&format!("s/{deep}/a"), "s/b", &format!("s/x/{deep}/c")]);
    std::fs::create_dir_all(sandbox.path(format!("t/x/{}", vec!["d"; 70].join("/")))).unwrap();
    let lines = |ended: crate::support::Ended| {
        let output = String::from_utf8_lossy(&ended.good().output).into_owned();
        let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    for threads in ["-j1", "-j4"] {
        let planned = lines(mirror(&sandbox, &["--dry-run", threads]));
        assert!(planned.len() > 230, "{planned:?}");
        if threads == "-j4" {
            assert_eq!(planned, lines(mirror(&sandbox, &["--changes"])));
        }
    }
}

#[test]
fn a_dry_run_takes_what_is_left_out_for_no_failure() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/d/x.tmp", "s/y", "t/x.tmp", "t/z"]);
    for how in ["--dry-run", "--changes"] {
        mirror(&sandbox, &["--exclude=*.tmp", "--delete-excluded", how]).good();
    }
}

/// What a dry run is asked for has to be what a real one could do.
#[cfg(target_os = "linux")]
#[test]
fn a_dry_run_fails_where_a_real_one_would() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "t/x"]);
    chmod(&sandbox.path("s/a"), 0);
    chmod(sandbox.root(), 0o777);
    let own = |path: &str| {
        let mut chown = words("chown -R nobody");
        chown.arg(sandbox.path(path)).status().unwrap().success()
    };
    if !(own("s") && own("t")) {
        return;
    }
    for how in ["--dry-run", "--changes"] {
        let ended = sandbox.run(["--mirror", how, "s", "t"]).by_nobody().end();
        let ended = ended.failed().says("'s/a'").says("nothing was deleted");
        let told = String::from_utf8_lossy(&ended.output);
        assert!(!told.contains("delete") && !told.contains("create"), "{ended}");
        assert!(sandbox.path("t/x").exists(), "{ended}");
    }
}
