//! Random trees and random options, given to GNU cp and to mycp: what comes out must be the same.
//!
//! A [`Case`] describes a world of files and a command line. Both programs run in a world made
//! from it; content, every attribute and the exit status are compared. What differs is either in
//! the [`TABLE`] of documented differences, or a failure: then the case is made as small as it
//! goes, and printed as a shell script that shows the same.

mod case;
mod compare;
mod example;
mod generate;
mod script;
mod shrink;
mod situation;
mod snapshot;
mod table;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{Chance, Sandbox, is_mycp, scaled};
use case::{Case, Program};
use compare::{Difference, compare};
use generate::{Backups, Generator, Rights};
use situation::Situation;
use table::TABLE;
use world::clear;

/// More failures than this say nothing new.
const FAILURES_MAX: u64 = 30;

/// What both programs made of a case.
struct Verdict {
    unexplained: Vec<Difference>,
    /// Rows of the table that explain other differences.
    rows: Vec<usize>,
}

fn judge(case: &Case, place: &Path) -> Verdict {
    let gnu = case.run(Program::Gnu, place);
    let ours = case.run(Program::UnderTest, place);
    let mut verdict = Verdict { unexplained: Vec::new(), rows: Vec::new() };
    let differences = compare(case, &gnu, &ours);
    let situation = Situation { case, gnu: &gnu, ours: &ours };
    for difference in differences {
        match TABLE.iter().position(|row| (row.explains)(&situation, &difference)) {
            Some(row) => verdict.rows.push(row),
            None => verdict.unexplained.push(difference),
        }
    }
    verdict
}

/// The smallest case like this one, as a script.
fn minimised(case: Case, difference: &Difference, backups: Backups, place: &Path) -> String {
    let smallest = shrink::shrink(case, |case| {
        if backups == Backups::Misplaced && case.backs_up_into_directory() {
            return false;
        }
        judge(case, place).unexplained.iter().any(|other| other.field == difference.field)
    });
    let left = judge(&smallest, place).unexplained;
    // What a program says may have several lines.
    let remark = |difference: &Difference| difference.to_string().replace('\n', " ");
    let mut remarks: Vec<String> = left.iter().map(remark).collect();
    if left.is_empty() {
        remarks.push(format!("not every time: {}", remark(difference)));
    }
    script::script(&smallest, &remarks)
}

/// A place for worlds: in memory where that has attributes of users, as it does since Linux 6.6.
fn sandbox() -> Sandbox {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        let sandbox = Sandbox::within(memory);
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(sandbox.root(), "user.test", b"", flags).is_ok() {
            return sandbox;
        }
    }
    Sandbox::new()
}

/// Where the installed cp puts a simple backup of `t/a`, when it copies into `t`.
fn backups(place: &Path) -> Backups {
    let case = Case::of("f a; d t; f t/a; cp --backup=simple a t");
    match case.run(Program::Gnu, place).snapshot.contains_key(b"t/a~".as_slice()) {
        true => Backups::Sound,
        false => Backups::Misplaced,
    }
}

/// What a run of random cases came to.
struct Findings {
    /// How often each row of the table explained a difference.
    applied: Vec<u64>,
    /// Scripts of minimised cases, and how many cases shrank to each.
    failures: BTreeMap<String, u64>,
}

/// Judges `count` random cases, on all cores.
fn judge_random_cases(test: &str, count: u64, rights: Rights) -> Findings {
    let sandbox = sandbox();
    let backups = backups(&sandbox.path("backups"));
    let generator = Mutex::new(Generator { chance: Chance::new_or(test, SEED), rights, backups });
    let begun = AtomicU64::new(0);
    let applied = vec![0; TABLE.len()];
    let findings = Mutex::new(Findings { applied, failures: BTreeMap::new() });
    let work = |place: PathBuf| {
        while findings.lock().unwrap().failures.values().sum::<u64>() < FAILURES_MAX {
            if begun.fetch_add(1, Ordering::Relaxed) >= count {
                return;
            }
            // Under one lock, so that a seed makes the same cases with any number of threads.
            let case = generator.lock().unwrap().next();
            let verdict = judge(&case, &place);
            for row in verdict.rows {
                findings.lock().unwrap().applied[row] += 1;
            }
            if let Some(difference) = verdict.unexplained.first() {
                let script = minimised(case, difference, backups, &place);
                *findings.lock().unwrap().failures.entry(script).or_default() += 1;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for number in 0..threads {
            let place = sandbox.path(format!("{number}"));
            let work = &work;
            scope.spawn(move || {
                work(place.clone());
                clear(&place);
            });
        }
    });
    findings.into_inner().unwrap()
}

/// The cases that everybody runs; `MYCP_TEST_SEED` finds others.
const SEED: u64 = 1;

fn assert_all_alike(test: &str, count: u64, rights: Rights) {
    let Findings { applied, failures } = judge_random_cases(test, count, rights);
    for (row, applied) in TABLE.iter().zip(&applied) {
        eprintln!("{applied} times: {}", row.reason);
    }
    let cases: u64 = failures.values().sum();
    for (script, count) in &failures {
        eprintln!("\n# {count} cases shrank to this one:\n{script}");
    }
    assert!(failures.is_empty(), "{cases} cases differ, see the scripts above");
}

/// A row that explains nothing any more goes.
#[test]
#[ignore = "needs root"]
fn every_documented_difference_is_one() {
    if !is_mycp() {
        return;
    }
    let sandbox = sandbox();
    let mut gone = Vec::new();
    for (number, row) in TABLE.iter().enumerate() {
        let verdict = judge(&Case::of(row.example), &sandbox.path("place"));
        if !verdict.rows.contains(&number) {
            gone.push(row.reason);
        }
    }
    assert!(gone.is_empty(), "no difference any more: {gone:#?}");
}

#[test]
fn random_copies_come_out_as_with_gnu_cp() {
    assert_all_alike("random copies", scaled(300), Rights::User);
}

#[test]
#[ignore = "needs root"]
fn random_copies_by_root_and_by_others_come_out_as_with_gnu_cp() {
    assert_all_alike("random copies by root and by others", scaled(3000), Rights::Root);
}
