//! No false fresh: a mirror gives no file the source's times under its name before the content is
//! on the disk, whether or not a flush was asked for.

use std::ffi::OsStr;
use std::path::Path;

use super::make;
use crate::support::files::stamp;
use crate::support::mounts::{Kind, Mounts};
use crate::support::{Run, Sandbox};

/// The calls that flush and name, in order, of a mirror of three files that have changed.
fn calls(target: &Path, more: &[&str]) -> Vec<String> {
    let sandbox = Sandbox::within(target);
    make(&sandbox, &["s/a", "s/b", "s/d/c", "s/same"]);
    stamp(&sandbox.path("s"));
    sandbox.mycp(["--mirror", "s", "t"]).good();
    for name in ["a", "b", "d/c"] {
        sandbox.write(format!("s/{name}"), b"something new, of another length");
    }
    let log = sandbox.path("log");
    let strace = ["strace", "-f", "-qq", "-o"].map(OsStr::new);
    let trace = ["-e", "trace=syncfs,fsync,fdatasync,renameat,renameat2"].map(OsStr::new);
    let words: Vec<_> = strace.into_iter().chain([log.as_os_str()]).chain(trace).collect();
    let arguments = ["--mirror", "-j1"].into_iter().chain(more.iter().copied());
    let ended = Run::through(&words, sandbox.root(), arguments.chain(["s", "t"])).end().good();
    assert_eq!(sandbox.read("t/d/c"), b"something new, of another length", "{ended}");
    let log = std::fs::read_to_string(log).unwrap();
    let name = |line: &str| {
        let call = line.split_once(char::is_whitespace)?.1.trim_start();
        let name = call.split_once('(')?.0.to_owned();
        // An old strace does not know all calls, and shows those that it does not.
        (!name.starts_with("syscall_")).then_some(name)
    };
    log.lines().filter_map(name).collect()
}

/// Whether each name is given after a flush that nothing but names have followed.
fn names_follow_a_flush(calls: &[String]) -> bool {
    let names = calls.iter().filter(|call| call.starts_with("rename")).count();
    let flush = calls.iter().position(|call| call == "syncfs");
    let first = calls.iter().position(|call| call.starts_with("rename"));
    names == 3 && flush.is_some_and(|flush| first.is_some_and(|first| flush < first))
}

#[test]
#[ignore = "needs strace, and root: mounts file systems"]
fn content_is_on_the_disk_before_it_has_its_name() {
    let mut mounts = Mounts::new();
    for kind in [Kind::Ext4, Kind::Xfs, Kind::Btrfs] {
        let disk = mounts.add(kind, kind.smallest_mib());
        let calls = calls(&disk, &["--reflink=never"]);
        assert!(names_follow_a_flush(&calls), "{kind:?}: {calls:?}");
    }
}

/// A clone's content was on the disk before it was made, and the journal keeps the order of what
/// follows: nothing has to be waited for.
#[test]
#[ignore = "needs strace, and root: mounts file systems"]
fn clones_are_named_without_a_flush_where_the_file_system_keeps_the_order() {
    let mut mounts = Mounts::new();
    for kind in [Kind::Xfs, Kind::Btrfs] {
        let disk = mounts.add(kind, kind.smallest_mib());
        let calls = calls(&disk, &[]);
        let is_name = |call: &String| call.starts_with("rename");
        assert!(calls.len() == 3 && calls.iter().all(is_name), "{kind:?}: {calls:?}");
    }
    let disk = mounts.add(Kind::Xfs, Kind::Xfs.smallest_mib());
    let calls = calls(&disk, &["--flush=sync"]);
    assert!(names_follow_a_flush(&calls), "with --flush: {calls:?}");
}
