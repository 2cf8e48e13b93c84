//! What was found by `explore`: text or JSON as it comes, and a directory with both and pictures.

mod directory;
mod examples;
mod json;
mod legend;
mod pictures;
mod replay;
mod svg;
mod text;
mod verdicts;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(super) use directory::Directory;

use super::explore::Trial;
use crate::crash::rule_of_three;
use crate::crash::simulated::{Aftermath, FileSystem, Findings, SyncMode, Verdict};
use crate::program::say::print;

/// What all trials have in common.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// Name and release of the kernel, whose file systems are tried.
    pub(super) kernel: String,
    /// Options of mount(8); none is the default.
    pub(super) mount_options: String,
    pub(super) seed: u64,
}

/// A trial and what was found.
pub(super) struct Outcome {
    pub(super) trial: Trial,
    pub(super) findings: Findings,
    pub(super) verdict: Verdict,
    /// What `replay` takes; `None` where it was not kept.
    pub(super) recording: Option<PathBuf>,
}

/// What became of the stores of a mode after which nobody asked for a flush.
pub(super) struct Settled {
    pub(super) system: FileSystem,
    pub(super) mode: SyncMode,
    pub(super) aftermath: Aftermath,
}

/// Says what was found, and gathers it.
pub(super) struct Report {
    setup: Setup,
    is_json: bool,
    begun: Instant,
    text: String,
    lines: String,
    pictures: Vec<(String, String)>,
    states: u64,
}

impl Report {
    /// Begins with what all trials have in common.
    pub(super) fn begin(setup: Setup, is_json: bool) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let (text, lines, pictures) = (String::new(), String::new(), Vec::new());
        let mut report = Self { setup, is_json, begun, text, lines, pictures, states: 0 };
        report.say(text::head(&report.setup))?;
        Ok(report)
    }

    /// States that were looked at so far.
    pub(super) fn states(&self) -> u64 {
        self.states
    }

    /// A trial is over.
    pub(super) fn trial(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        self.states += outcome.findings.states;
        self.line(json::trial(&self.setup, outcome)?)
    }

    /// All trials of a file system are over.
    pub(super) fn system(
        &mut self,
        system: FileSystem,
        outcomes: &[Outcome],
        settled: &[Settled],
    ) -> anyhow::Result<()> {
        for one in settled {
            self.line(json::settled(one)?)?;
        }
        let pictures = pictures::of(&self.setup, system, outcomes, settled);
        self.pictures.extend(pictures);
        self.say(text::section(&self.setup, system, outcomes, settled))
    }

    /// All is over.
    pub(super) fn end(&mut self, verdict: Verdict) -> anyhow::Result<()> {
        let elapsed: Duration = self.begun.elapsed();
        self.line(json::end(&self.setup, verdict, self.states, elapsed)?)?;
        self.say(text::end(&self.setup, verdict, self.states, elapsed))
    }

    /// The files of a report: their names and what is in them.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let pictures = self.pictures.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        [("report.txt", self.text.as_str()), ("report.json", self.lines.as_str())]
            .into_iter()
            .chain(pictures)
    }

    fn say(&mut self, text: String) -> anyhow::Result<()> {
        if !self.is_json {
            print(&text)?;
        }
        self.text += &text;
        Ok(())
    }

    fn line(&mut self, line: String) -> anyhow::Result<()> {
        if self.is_json {
            print(&line)?;
        }
        self.lines += &line;
        Ok(())
    }
}

/// What no state shows, because of the layers that the simulated disk is behind.
const LAYERS: &str = "The kernel's FUSE and loop drivers send a flush only when the writes before \
                      it have completed, and a write with FUA as a write and a flush: what races \
                      between a write and a flush that overlap is not explored.";

/// The upper bound, at 95 %, of the share of states that break a promise, where none of those that
/// were drawn at random does: the rule of three (Hanley and Lippman-Hand, 1983). `None` where none
/// was drawn, or all states were looked at.
fn broken_share_max(findings: &Findings) -> Option<f64> {
    rule_of_three(findings.drawn).filter(|_| !findings.is_exhaustive)
}

#[cfg(test)]
mod samples;
