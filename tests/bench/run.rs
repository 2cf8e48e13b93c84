//! One run of the benchmark: every suite in every directory, then the tables.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::{Arguments, Plan, Suite};
use crate::machine::{FileSystem, Machine};
use crate::rivals::Cast;
use crate::runner::{Entry, Group, Measured, Runner, say};
use crate::workspace::Workspace;
use crate::{json, shows, suites, sys, table};

/// A directory, and what was measured there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) file_system: FileSystem,
    pub(crate) groups: Vec<Measured>,
}

/// Runs it; fails when a run of mycp did.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some([source, target]) = arguments.memcpy.as_deref() {
        return match sys::memcpy(source, target) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("memcpy: {error}"));
                ExitCode::FAILURE
            }
        };
    }
    match run(&arguments) {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) => {
            for failure in failures {
                say(&format!("failed: {failure}"));
            }
            ExitCode::FAILURE
        }
        Err(_) if sys::interrupted() => ExitCode::from(130),
        Err(error) => {
            say(&format!("copy benchmark: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The runs of mycp that failed.
fn run(arguments: &Arguments) -> Result<Vec<String>> {
    sys::catch_interrupts();
    #[expect(clippy::disallowed_methods, reason = "rivals are found as a shell finds them")]
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let mycp = std::path::absolute(&arguments.mycp).context("cannot tell where mycp is")?;
    let runner = Runner::new(&search_path)?;
    let benchmark = Benchmark {
        keep: arguments.keep,
        plan: Plan::new(arguments),
        cast: Cast::look(&mycp, arguments.rivals.as_deref(), &search_path),
        runner,
    };
    let machine = Machine::look();
    print(|out| table::preface(out, &machine, &benchmark.cast))?;
    let mut places = Vec::new();
    for directory in directories(arguments) {
        places.push(benchmark.measure(&directory)?);
    }
    let promises =
        if arguments.shows { shows::shown(&places, &benchmark.plan.suites) } else { Vec::new() };
    if arguments.shows {
        print(|out| shows::print(out, &promises))?;
    }
    if let Some(path) = &arguments.json {
        json::write(path, &machine, &benchmark.cast, &places, &promises)?;
    }
    Ok(places.iter().flat_map(failures).collect())
}

fn directories(arguments: &Arguments) -> Vec<PathBuf> {
    if arguments.directories.is_empty() {
        vec![PathBuf::from(env!("CARGO_TARGET_TMPDIR"))]
    } else {
        arguments.directories.clone()
    }
}

/// What all directories have in common.
#[derive(Debug)]
struct Benchmark {
    keep: bool,
    plan: Plan,
    cast: Cast,
    runner: Runner,
}

impl Benchmark {
    /// Runs every suite in `directory`, and prints each as soon as it is done.
    fn measure(&self, directory: &Path) -> Result<Place> {
        let mut workspace = Workspace::new(directory, self.keep)?;
        if self.keep {
            say(&format!("the files are kept in '{}'", workspace.path().display()));
        }
        let file_system = FileSystem::look(workspace.path(), directory)?;
        print(|out| table::place(out, &file_system))?;
        let mut place = Place { file_system, groups: Vec::new() };
        for &suite in &self.plan.suites {
            let groups = suites::groups(suite, &self.plan, &self.cast, &place.file_system);
            if groups.is_empty() {
                let heading = suite.heading();
                print(|out| {
                    writeln!(out, "\n### {heading}\n\nThis file system shares no blocks.")
                })?;
            }
            let start = place.groups.len();
            for group in groups {
                let Group { payload, variant, .. } = &group;
                say(&format!("{} {suite:?} {payload} {variant}", place.file_system.kind));
                let measured = self.runner.measure(group, &mut workspace, &place.file_system)?;
                place.groups.push(measured);
            }
            let measured = &place.groups[start..];
            print(|out| table::suite(out, measured))?;
            if suite == Suite::Linear {
                print(|out| table::linearity(out, measured))?;
            }
        }
        Ok(place)
    }
}

fn print(write: impl Fn(&mut io::StdoutLock<'_>) -> io::Result<()>) -> Result<()> {
    write(&mut io::stdout().lock()).context("cannot write the tables")
}

fn failures(place: &Place) -> Vec<String> {
    let kind = &place.file_system.kind;
    let of_group = |group: &Measured| {
        let entries = group.entries.iter().filter(|entry| entry.competitor.is_mycp);
        let of_entry = |entry: &Entry| {
            let reason = entry.failure.as_ref()?;
            Some(format!("{} of {} on {kind}: {reason}", entry.competitor.name, group.payload))
        };
        entries.filter_map(of_entry).collect::<Vec<_>>()
    };
    place.groups.iter().flat_map(of_group).collect()
}
