//! Copies of trees: complete, confined, whole, and done with when something fails.

mod complete;
mod errors;
#[cfg(target_os = "linux")]
mod flushed;
#[cfg(target_os = "linux")]
mod full;
#[cfg(target_os = "linux")]
mod hostile;
mod itself;
mod killed;
mod leftovers;
mod limits;
mod mirror;
mod mirror_changes;
mod mirror_deletion;
#[cfg(target_os = "linux")]
mod mirror_flush;
mod mirror_guards;
mod mirror_library;
mod mirror_lock;
mod mirror_watch;
mod moving;
mod options;
mod selection;
mod spelling;
mod told;

#[cfg(target_os = "linux")]
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::Sandbox;

/// Makes directories that their modes close removable at the end of a test, for whom modes matter.
#[cfg(target_os = "linux")]
struct Reopened(PathBuf);

#[cfg(target_os = "linux")]
impl Drop for Reopened {
    fn drop(&mut self) {
        drop(Command::new("chmod").args(["-R", "u+rwX"]).arg(&self.0).status());
    }
}

/// Tells the threads that meddle with a copy to end, also when the copy's test fails.
struct Meddling<'a>(&'a AtomicBool);

impl Drop for Meddling<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes files and directories: what ends in a slash is a directory.
fn make(sandbox: &Sandbox, names: &[&str]) {
    for name in names {
        let path = sandbox.path(name);
        match name.strip_suffix('/') {
            Some(_) => std::fs::create_dir_all(path).unwrap(),
            None => {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, format!("content of {name}")).unwrap();
            }
        }
    }
}

/// Fails unless rsync, which shares nothing with the program, finds nothing left to do.
#[cfg(target_os = "linux")]
#[track_caller]
fn assert_nothing_for_rsync(source: &Path, target: &Path, more: &[&str]) {
    let mut rsync = Command::new("rsync");
    rsync.args(["-aHAXSn", "--delete", "--checksum", "--itemize-changes"]).args(more);
    // XFS shows each ACL a second time, under a name that no other file system has.
    rsync.arg("--filter=-x trusted.SGI_ACL_*");
    rsync.arg(source.join("")).arg(target.join(""));
    let output = rsync.output().unwrap();
    let found = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && found.is_empty(), "{rsync:?}\n{found}{errors}");
}
