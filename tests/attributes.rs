//! What a copy leaves in times and other attributes: those that it was to keep.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use crate::support::{ENGINES, Sandbox, content, is_mycp};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

/// What this is of a second, as exactly as the system stores it.
fn after_the_second(nanoseconds: u32) -> u32 {
    const UNIT: u32 = if cfg!(windows) { 100 } else { 1 };
    nanoseconds / UNIT * UNIT
}

#[test]
fn times_are_kept_to_the_nanosecond() {
    let moment = |seconds, nanoseconds| {
        SystemTime::UNIX_EPOCH + Duration::new(seconds, after_the_second(nanoseconds))
    };
    let accessed = moment(1_234_567_890, 123_456_789);
    let modified = moment(987_654_321, 987_654_321);
    for engine in ENGINES {
        for way in ["-p", "--preserve=timestamps", "--preserve=all"] {
            for option in ["--flush=none", "--flush=sync", "--in-place", "--verify=cache"] {
                if way == "-p" && option == "--in-place" && !is_mycp() {
                    continue;
                }
                let sandbox = Sandbox::new();
                sandbox.write("source", &content(90, 3_000_000));
                sandbox.write("target", b"old");
                let source = File::options().write(true).open(sandbox.path("source")).unwrap();
                let times = FileTimes::new().set_accessed(accessed).set_modified(modified);
                source.set_times(times).unwrap();
                drop(source);
                let engine = format!("--engine={engine}");
                let ended = sandbox.mycp([&*engine, way, option, "source", "target"]).good();
                let seen = sandbox.metadata("target");
                assert_eq!(seen.modified().unwrap(), modified, "{ended}");
                let read = seen.accessed().unwrap();
                // The test's file system may set the access time when the source is read.
                let unread = sandbox.metadata("source").accessed().unwrap() == accessed;
                assert!(!unread || read == accessed, "{read:?}: {ended}");
            }
        }
    }
}
