//! Copies files with mycp and with every other copier at hand, and says who took how long.
//!
//! `cargo bench --bench copy -- [OPTION]... DIRECTORY...`, one directory for each file system.
//! Whole processes are timed, from just before one is made until it is reaped. Competitors that do
//! the same work take turns, without pauses, in another order each round; the first round is
//! dropped, and what is compared is the median of the quotients within each round: a virtual
//! machine drifts by more than copiers differ, and it takes back memory that stays free for
//! seconds. Sources are warm, targets are removed before each run, or what a mirror finds there is
//! put back, and after it they are checked: one that fails, or clones where bytes should move, is
//! named and not compared.
//!
//! Given a script that runs cp as `--mycp`, it should find a ratio of 1: do that first on a machine
//! whose figures are to be believed.

#![cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "the modules need Linux"))]

#[cfg(target_os = "linux")]
mod aged;
#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod json;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod mirror_suite;
#[cfg(target_os = "linux")]
mod payload;
mod random;
#[cfg(target_os = "linux")]
mod rivals;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod segment_suite;
mod shape;
#[cfg(target_os = "linux")]
mod shows;
mod statistics;
#[cfg(target_os = "linux")]
mod suites;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod tree_suites;
#[cfg(target_os = "linux")]
mod workspace;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stderr(), "the benchmark runs on Linux alone")
}
