//! The guard of maps: what it takes, what it leaves to others, and how it comes and goes.
//!
//! Handlers belong to the process, so each of these tests runs itself again in a child.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus};

use mycp::Cause;
use mycp::mapped::{FaultGuard, MappedSource, Restored};

#[cfg(windows)]
mod exceptions;
#[cfg(unix)]
mod signals;

const CHILD: &str = "MYCP_TEST_CHILD";
const PAGE: usize = 4096;

/// Runs a test's `body` in a child process of its own, and returns how that ended.
pub(crate) fn in_child_of(module: &str, test: &str, body: fn()) -> Option<ExitStatus> {
    if std::env::var_os(CHILD).is_some() {
        body();
        return None;
    }
    // libtest's names do not have the crate's.
    let name = format!("{}::{test}", module.split_once("::").unwrap().1);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--test-threads=1", "--nocapture", "--include-ignored"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "no such test: {name}\n{text}");
    if !output.status.success() {
        eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Some(output.status)
}

fn passes(status: Option<ExitStatus>) {
    assert!(status.is_none_or(|status| status.success()), "{status:?}");
}

fn file_of(directory: &Path, len: usize) -> std::path::PathBuf {
    let path = directory.join("file");
    std::fs::write(&path, vec![1; len]).unwrap();
    path
}

/// Cuts a file that is mapped; false where that is refused, as by Windows (but not by Wine), so
/// that no page of a map is ever gone.
#[must_use]
pub(crate) fn cut(path: &Path, len: u64) -> bool {
    const USER_MAPPED_FILE: i32 = 1224;
    match File::options().write(true).open(path).unwrap().set_len(len) {
        Err(error) if cfg!(windows) && error.raw_os_error() == Some(USER_MAPPED_FILE) => false,
        done => {
            done.unwrap();
            true
        }
    }
}

/// Reads a file that is cut behind the first of its two pages; must be an error.
fn read_what_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_of(directory.path(), 2 * PAGE);
    let source = MappedSource::open(&path).unwrap();
    // Mapped with both pages.
    source.read_at(0, &mut [0]).unwrap();
    if !cut(&path, PAGE as u64) {
        return;
    }
    let error = source.read_at(0, &mut [0; 2 * PAGE]).unwrap_err();
    assert!(matches!(error.cause, Cause::Shrank { len: 4096 }), "{error:?}");
    assert_eq!(error.range.unwrap().start(), PAGE as u64);
}

#[test]
fn a_page_that_is_gone_is_an_error_time_and_again() {
    passes(in_child_of(module_path!(), "a_page_that_is_gone_is_an_error_time_and_again", || {
        for _ in 0..10 {
            read_what_is_gone();
        }
        let guard = FaultGuard::install().unwrap();
        let threads = [(); 4].map(|()| std::thread::spawn(read_what_is_gone));
        for thread in threads {
            thread.join().unwrap();
        }
        drop(guard);
    }));
}

#[test]
fn the_last_token_takes_the_handler_away() {
    passes(in_child_of(module_path!(), "the_last_token_takes_the_handler_away", || {
        for _ in 0..3 {
            let first = FaultGuard::install().unwrap();
            let second = first.clone();
            assert_eq!(first.uninstall().unwrap(), Restored::StillNeeded);
            read_what_is_gone();
            assert_eq!(second.uninstall().unwrap(), Restored::Previous);
        }
    }));
}
