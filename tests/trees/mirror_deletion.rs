//! What a mirror deletes, and what it leaves, when others meddle and names are odd.

#[cfg(target_os = "linux")]
use std::ffi::OsStr;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::os::unix::fs::MetadataExt;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use rustix::fs::{Mode, OFlags, openat};

#[cfg(target_os = "linux")]
use super::Reopened;
use super::make;
#[cfg(target_os = "linux")]
use crate::support::Run;
use crate::support::Sandbox;
#[cfg(target_os = "linux")]
use crate::support::files::chmod;
use crate::support::files::stamp;
#[cfg(target_os = "linux")]
use crate::support::mounts::{Mounts, succeed};
#[cfg(target_os = "linux")]
use crate::support::unix::NOBODY;
use crate::wine;

/// Two equal trees, but for what `names` has in the target alone.
fn with_extras(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/d/b", "s/d/e/c"]);
    stamp(&sandbox.path("s"));
    sandbox.mycp(["--mirror", "s", "t"]).good();
    make(&sandbox, names);
    sandbox
}

/// A mirror that waits for two seconds between its walk and the first deletion: in the flush that
/// ends the walk.
#[cfg(target_os = "linux")]
fn held_before_deletion(sandbox: &Sandbox, more: &[&str]) -> Run {
    let strace = ["strace", "-f", "-qq", "-o", "trace", "-e", "trace=syncfs"];
    let hold = ["-e", "inject=syncfs:delay_enter=2000000:when=1"];
    let wrapper: Vec<&OsStr> = strace.iter().chain(&hold).map(OsStr::new).collect();
    let words = ["--mirror", "--flush=sync", "-j1"].into_iter().chain(more.iter().copied());
    Run::through(&wrapper, sandbox.root(), words.chain(["s", "t"]))
}

#[cfg(target_os = "linux")]
fn owned_by_nobody(sandbox: &Sandbox) -> bool {
    chmod(sandbox.root(), 0o777);
    let names = ["s", "t"].map(|name| sandbox.path(name));
    names.iter().filter(|path| path.exists()).all(|path| {
        let owner = format!("{NOBODY}:{NOBODY}");
        let status = std::process::Command::new("chown").arg("-Rh").arg(owner).arg(path).status();
        status.is_ok_and(|status| status.success())
    })
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn what_comes_to_be_too_much_after_the_walk_stays() {
    let sandbox = with_extras(&["t/x", "t/d/y"]);
    let running = held_before_deletion(&sandbox, &[]).start();
    std::thread::sleep(Duration::from_millis(700));
    make(&sandbox, &["t/new", "t/d/new"]);
    std::fs::remove_file(sandbox.path("s/a")).unwrap();
    std::fs::rename(sandbox.path("s/d"), sandbox.path("old")).unwrap();
    make(&sandbox, &["s/d/"]);
    let ended = running.end().failed().says("replaced");
    for name in ["t/new", "t/d/new", "t/a", "t/d/b", "t/d/e/c", "t/d/y"] {
        assert!(sandbox.path(name).exists(), "{name} is gone: {ended}");
    }
    assert!(!sandbox.path("t/x").exists(), "{ended}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn a_source_that_is_emptied_meanwhile_deletes_nothing() {
    let sandbox = with_extras(&["t/x"]);
    let running = held_before_deletion(&sandbox, &[]).start();
    std::thread::sleep(Duration::from_millis(700));
    for name in ["s/a", "s/d/b", "s/d/e/c"] {
        std::fs::remove_file(sandbox.path(name)).unwrap();
    }
    std::fs::remove_dir_all(sandbox.path("s/d")).unwrap();
    let ended = running.end().failed().says("the source is empty");
    for name in ["t/x", "t/a", "t/d/b", "t/d/e/c"] {
        assert!(sandbox.path(name).exists(), "{name} is gone: {ended}");
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn what_fills_an_extra_directory_meanwhile_counts_for_the_limit() {
    let sandbox = with_extras(&["t/x/1"]);
    let strace = ["strace", "-f", "-qq", "-o", "trace", "-e", "trace=unlinkat"];
    let hold = ["-e", "inject=unlinkat:delay_exit=1500000:when=1"];
    let wrapper: Vec<&OsStr> = strace.iter().chain(&hold).map(OsStr::new).collect();
    make(&sandbox, &["t/w"]);
    let words = ["--mirror", "-j1", "--max-delete=3", "s", "t"];
    let running = Run::through(&wrapper, sandbox.root(), words).start();
    std::thread::sleep(Duration::from_millis(700));
    for name in 2..10 {
        sandbox.write(format!("t/x/{name}"), b"more");
    }
    let ended = running.end().failed().says("since it was counted");
    let left = std::fs::read_dir(sandbox.path("t/x")).unwrap().count();
    assert!(left >= 7, "only {left} are left: {ended}");
}

/// A directory that is in the way has its name again when the other cannot be copied.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_makes_way_only_for_what_can_be_copied() {
    let sandbox = with_extras(&[]);
    make(&sandbox, &["t/way/1", "t/way/d/2"]);
    sandbox.write("s/way", b"a file");
    chmod(&sandbox.path("s/way"), 0);
    if !owned_by_nobody(&sandbox) {
        // Whom modes do not stop can be shown nothing.
        return;
    }
    let ended = sandbox.run(["--mirror", "s", "t"]).by_nobody().end().failed();
    assert!(ended.errors.contains("'s/way'"), "{ended}");
    for name in ["t/way/1", "t/way/d/2"] {
        assert!(sandbox.path(name).exists(), "{name} is gone: {ended}");
    }
    chmod(&sandbox.path("s/way"), 0o600);
    let ended = sandbox.run(["--mirror", "s", "t"]).by_nobody().end().good();
    assert_eq!(sandbox.read("t/way"), b"a file", "{ended}");
    sandbox.assert_tidy("after it");
}

/// A pattern that protects what is in the way is not overridden by what is to take its place.
#[test]
fn what_is_left_out_makes_way_for_nothing() {
    let sandbox = with_extras(&["s/x", "t/x/1", "s/y.o/2", "t/y.o"]);
    let patterns = ["--exclude=x/", "--exclude=*.o", "--include=*.o/"];
    let mirror =
        |more: &[&str]| sandbox.mycp([&["--mirror"], &patterns[..], more, &["s", "t"]].concat());
    let ended = mirror(&[]).failed().says("'t/x'").says("'t/y.o'").says("left out");
    assert!(sandbox.path("t/x/1").is_file() && sandbox.path("t/y.o").is_file(), "{ended}");
    let ended = mirror(&["--delete-excluded"]).good();
    assert!(sandbox.path("t/y.o/2").is_file(), "{ended}");
}

#[test]
fn links_that_are_followed_lead_to_what_is_deleted() {
    if wine::cannot("trees::mirror_deletion::links_that_are_followed_lead_to_what_is_deleted") {
        return;
    }
    let sandbox = with_extras(&[]);
    make(&sandbox, &["elsewhere/k", "elsewhere/sub/l"]);
    sandbox.symlink("../elsewhere", "s/link");
    sandbox.mycp(["--mirror", "-L", "s", "t"]).good();
    make(&sandbox, &["t/link/extra", "t/link/sub/extra"]);
    let ended = sandbox.mycp(["--mirror", "-L", "s", "t"]).good();
    assert!(!sandbox.path("t/link/extra").exists(), "{ended}");
    assert!(!sandbox.path("t/link/sub/extra").exists(), "{ended}");
    assert!(sandbox.path("t/link/k").exists() && sandbox.path("elsewhere/k").exists(), "{ended}");
}

/// As rsync and rm -f do not: directories that their owner may not write to are emptied, and those
/// that stay have their modes again.
#[cfg(target_os = "linux")]
#[test]
fn an_owner_without_rights_in_a_directory_can_delete_from_it() {
    let sandbox = with_extras(&["t/d/x", "t/extra/deep/y", "t/kept/z", "t/kept/own.o"]);
    let _reopened = Reopened(sandbox.root().to_owned());
    for name in ["s/d", "t/d", "t/extra/deep", "t/extra", "t/kept"] {
        chmod(&sandbox.path(name), 0o555);
    }
    if !owned_by_nobody(&sandbox) {
        return;
    }
    let words = ["--mirror", "--exclude=*.o", "s", "t"];
    let ended = sandbox.run(words).by_nobody().end().good();
    for name in ["t/d/x", "t/extra", "t/kept/z"] {
        assert!(!sandbox.path(name).exists(), "{name}: {ended}");
    }
    for name in ["t/d", "t/kept"] {
        assert_eq!(sandbox.metadata(name).mode() & 0o777, 0o555, "{name}: {ended}");
    }
    // Nor is that in the way of what is copied.
    chmod(&sandbox.path("s/d"), 0o755);
    sandbox.write("s/d/b", b"something newer");
    make(&sandbox, &["s/d/n/o"]);
    chmod(&sandbox.path("s/d"), 0o555);
    assert!(owned_by_nobody(&sandbox));
    let ended = sandbox.run(words).by_nobody().end().good();
    assert_eq!(sandbox.read("t/d/b"), b"something newer", "{ended}");
    assert!(sandbox.path("t/d/n/o").exists(), "{ended}");
    assert_eq!(sandbox.metadata("t/d").mode() & 0o777, 0o555, "{ended}");
}

/// Rights that a directory was given to be changed do not stay where modes are not kept.
#[cfg(target_os = "linux")]
#[test]
fn rights_are_taken_back_where_modes_are_not_kept() {
    let sandbox = with_extras(&["s/d/new"]);
    let _reopened = Reopened(sandbox.root().to_owned());
    chmod(&sandbox.path("t/d"), 0o555);
    if !owned_by_nobody(&sandbox) {
        return;
    }
    let words = ["--mirror", "--no-preserve=mode,timestamps", "s", "t"];
    let ended = sandbox.run(words).by_nobody().end().good();
    assert!(sandbox.path("t/d/new").exists(), "{ended}");
    assert_eq!(sandbox.metadata("t/d").mode() & 0o777, 0o555, "{ended}");
}

/// Deeper than a stack, a path, or the open files of a process reach.
#[cfg(target_os = "linux")]
#[test]
fn what_is_deleted_may_be_very_deep() {
    const DEPTH: usize = 6000;
    let sandbox = with_extras(&["t/deep/"]);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = std::fs::File::open(sandbox.path("t/deep")).unwrap().into();
    for level in 0..DEPTH {
        rustix::fs::mkdirat(&at, "directory", Mode::RWXU).unwrap();
        if level % 7 == 0 {
            let made = flags.difference(OFlags::DIRECTORY) | OFlags::CREATE | OFlags::WRONLY;
            drop(openat(&at, "f", made, Mode::RUSR).unwrap());
        }
        at = openat(&at, "directory", flags, Mode::empty()).unwrap();
    }
    drop(at);
    let started = Instant::now();
    let files = DEPTH.div_ceil(7);
    let max = DEPTH + files + 1;
    let too_few = format!("--max-delete={}", max - 1);
    let limited = |more: &str| {
        let line = format!("ulimit -n 128; exec \"$@\" --mirror {more} s t");
        let shell = ["sh", "-c", &line, "sh"].map(OsStr::new);
        Run::through(&shell, sandbox.root(), [] as [&str; 0]).end()
    };
    let ended = limited(&too_few).failed().says(&format!("{max} of at most"));
    assert!(sandbox.path("t/deep/directory").exists(), "{ended}");
    let ended = limited(&format!("--max-delete={max}")).good();
    assert!(!sandbox.path("t/deep").exists(), "{ended}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// The source has a part of the target mounted in it, under another name.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_part_of_the_source_that_lies_in_the_target_is_not_deleted() {
    let mut mounts = Mounts::new();
    let sandbox = with_extras(&["t/extra/y/precious", "s/x/"]);
    mounts.bind(&sandbox.path("t/extra/y"), &sandbox.path("s/x"));
    let ended = sandbox.mycp(["--mirror", "s", "t"]).failed().says("part of the source");
    assert!(sandbox.path("t/extra/y/precious").exists(), "{ended}");
    assert!(sandbox.path("t/x/precious").exists(), "{ended}");
}

/// A file system on which one file has two spellings of one name.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root, mkfs.vfat and a kernel that has vfat"]
fn other_spellings_of_a_name_are_not_deleted() {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap();
    if !known.contains("vfat") {
        return;
    }
    let mut mounts = Mounts::new();
    let image = mounts.image("folding.img", 64);
    succeed(std::process::Command::new("mkfs.vfat").arg(&image));
    let disk = mounts.add_image(&image);
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/Photo", "s/Folder/One", "s/plain"]);
    std::fs::create_dir_all(disk.join("t/FOLDER")).unwrap();
    for name in ["t/PHOTO", "t/FOLDER/ONE", "t/extra"] {
        std::fs::write(disk.join(name), b"old").unwrap();
    }
    let target = disk.join("t");
    let words = ["--mirror", "--no-preserve=mode,ownership,xattr"].map(OsStr::new);
    let operands = [sandbox.path("s"), target.clone()];
    for _ in 0..2 {
        let ended = sandbox.mycp(words.into_iter().chain(operands.iter().map(|it| it.as_os_str())));
        let ended = ended.good();
        for name in ["Photo", "Folder/One", "plain"] {
            let expected = sandbox.read(format!("s/{name}"));
            assert_eq!(std::fs::read(target.join(name)).ok(), Some(expected), "{name}: {ended}");
        }
        assert!(!target.join("extra").exists(), "{ended}");
    }
}
