//! All integration tests, in one binary.
//!
//! They run the program `mycp` and look at what it leaves. `MYCP_UNDER_TEST=/bin/cp cargo test`
//! runs them against another program (mycp's own options are left out then), which shows that a
//! test can fail. `MYCP_TEST_SEED` repeats the random choices of a failed test, `MYCP_TEST_SCALE`
//! multiplies their number. `cargo test -- --include-ignored`, as root, runs those that mount
//! file systems, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, reads its environment, and looks at files by their names"
)]

#[path = "bench/statistics_tests.rs"]
mod benchmark_statistics;
mod tidy;

mod attributes;
mod cli;
mod crash_cli;
mod crash_explain;
#[cfg(target_os = "linux")]
mod crash_explore;
mod crash_probe;
#[cfg(target_os = "linux")]
mod crash_report;
#[cfg(target_os = "linux")]
mod crash_room;
mod crash_witness;
mod delta;
mod differences;
#[cfg(target_os = "linux")]
mod differential;
mod documented;
mod engines;
#[cfg(target_os = "linux")]
mod flush_injection;
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(target_os = "linux")]
mod fuse_faults;
mod guard;
#[cfg(windows)]
mod in_use;
mod kill;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(any(target_os = "linux", windows))]
mod locks;
mod mapped_io;
mod moving_source;
mod readme;
mod regression;
mod rescue;
mod resume;
mod resume_directory;
mod same_object;
#[cfg(any(target_os = "linux", windows))]
mod segments;
#[cfg(target_os = "linux")]
mod shm;
mod sparse;
mod special_files;
#[cfg_attr(windows, allow(dead_code, reason = "tests of Linux' own use the rest of it"))]
mod support;
mod trees;
mod verify;
mod wine;
