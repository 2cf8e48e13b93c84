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

#[cfg(unix)]
mod cli;

#[cfg(target_os = "linux")]
mod attributes;
#[cfg(target_os = "linux")]
mod crash_cli;
#[cfg(target_os = "linux")]
mod crash_explain;
#[cfg(target_os = "linux")]
mod crash_explore;
#[cfg(target_os = "linux")]
mod crash_probe;
#[cfg(target_os = "linux")]
mod crash_report;
mod crash_room;
#[cfg(target_os = "linux")]
mod crash_witness;
#[cfg(target_os = "linux")]
mod delta;
#[cfg(target_os = "linux")]
mod differences;
#[cfg(target_os = "linux")]
mod differential;
#[cfg(target_os = "linux")]
mod engines;
#[cfg(target_os = "linux")]
mod flush_injection;
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(target_os = "linux")]
mod fuse_faults;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(target_os = "linux")]
mod kill;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod locks;
#[cfg(target_os = "linux")]
mod mapped_io;
#[cfg(target_os = "linux")]
mod moving_source;
#[cfg(target_os = "linux")]
mod readme;
#[cfg(target_os = "linux")]
mod regression;
#[cfg(target_os = "linux")]
mod rescue;
#[cfg(target_os = "linux")]
mod resume;
#[cfg(target_os = "linux")]
mod resume_directory;
#[cfg(target_os = "linux")]
mod same_object;
#[cfg(target_os = "linux")]
mod shm;
#[cfg(target_os = "linux")]
mod sparse;
#[cfg(target_os = "linux")]
mod special_files;
#[cfg(target_os = "linux")]
mod support;
#[cfg(target_os = "linux")]
mod trees;
#[cfg(target_os = "linux")]
mod verify;
