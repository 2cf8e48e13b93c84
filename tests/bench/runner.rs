//! Runs competitors that do the same work, round by round, and keeps what each run took.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::aged::{self, Sign};
use crate::args::{Size, Suite};
use crate::machine::FileSystem;
use crate::payload::Payload;
use crate::random::Random;
use crate::rivals::Competitor;
use crate::shape::Shape;
use crate::statistics::{self, InRound, Spread};
use crate::sys::{self, Reaped};
use crate::tree::{self, Compared};
use crate::workspace::{self, Workspace};

/// Competitors that do the same work, and how often.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) suite: Suite,
    /// Which kind of this work, where a suite has more than one.
    pub(crate) variant: &'static str,
    pub(crate) payload: Payload,
    pub(crate) competitors: Vec<Competitor>,
    /// The competitor that all are compared with, by name.
    pub(crate) baseline: &'static str,
    /// The command of mycp that all are compared with, by name.
    pub(crate) ours: &'static str,
    pub(crate) target: TargetBefore,
    pub(crate) sharing: Sharing,
    pub(crate) rounds: u32,
    /// Runs of each competitor in a round.
    pub(crate) spawns: u32,
}

/// What is at the target's name when a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetBefore {
    Nothing,
    /// A file of the source's size with other content, all of it on the disk; for files alone.
    Other,
    /// One of whose pages a hundredth have other content, all of it on the disk; a tree in which
    /// five files in a hundred have changed, and few are new or too much.
    NearlyEqual,
    /// One with the same content, all of it on the disk. A tree differs in the round that is
    /// dropped, so that a program that does nothing fails.
    Equal,
    /// A tree like [`Equal`](Self::Equal), in that round one whose lengths and times are equal.
    EqualSeenInContent,
}

/// What it means when the target has its blocks in common with the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// That the competitor did less than the others, whose figures are not compared with it.
    Spoils,
    /// What was asked for.
    Wanted,
}

/// One run, from before the process was made until it was reaped.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) round: u32,
    pub(crate) seconds: f64,
    pub(crate) user_seconds: f64,
    pub(crate) system_seconds: f64,
    pub(crate) peak_bytes: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
}

impl Sample {
    /// The time that passed.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// What became of a competitor.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) competitor: Competitor,
    pub(crate) samples: Vec<Sample>,
    /// Whether a target shared blocks with the source.
    pub(crate) cloned: bool,
    /// What its copy of a tree does not have as the source has it.
    pub(crate) lost: BTreeSet<&'static str>,
    /// Why it was dropped.
    pub(crate) failure: Option<String>,
    /// Its figures are not compared with those of others.
    pub(crate) spoiled: bool,
}

impl Entry {
    fn new(competitor: &Competitor) -> Self {
        Self {
            competitor: competitor.clone(),
            samples: Vec::new(),
            cloned: false,
            lost: BTreeSet::new(),
            failure: None,
            spoiled: false,
        }
    }

    fn learn(&mut self, group: &Group, compared: Compared) {
        self.cloned |= compared.cloned;
        self.spoiled |= self.cloned && group.sharing == Sharing::Spoils;
        self.lost.extend(compared.lost);
    }

    /// One figure a round.
    pub(crate) fn rounds(&self, figure: fn(&Sample) -> f64) -> Vec<InRound> {
        let of = |sample: &Sample| InRound::new(sample.round, figure(sample));
        statistics::by_round(&self.samples.iter().map(of).collect::<Vec<_>>())
    }

    /// The spread of a figure over the rounds.
    pub(crate) fn spread(&self, figure: fn(&Sample) -> f64) -> Option<Spread> {
        let values: Vec<f64> = self.rounds(figure).iter().map(|one| one.value).collect();
        Spread::of(&values)
    }

    /// The mean of a figure over all counted runs.
    pub(crate) fn mean(&self, figure: fn(&Sample) -> f64) -> Option<f64> {
        statistics::mean(&self.samples.iter().map(figure).collect::<Vec<_>>())
    }

    /// The greatest resident set of all counted runs.
    pub(crate) fn peak(&self) -> Option<Size> {
        self.samples.iter().map(|sample| Size(sample.peak_bytes)).max()
    }

    /// How long it took as a part of how long `other` took, in the same rounds.
    pub(crate) fn ratio(&self, other: &Self) -> Option<Spread> {
        if self.spoiled || other.spoiled {
            return None;
        }
        statistics::ratio(&self.rounds(Sample::seconds), &other.rounds(Sample::seconds))
    }

    /// The least time as a part of `other`'s least time: what is left when all that disturbs,
    /// which can only slow down, stayed away once from either.
    pub(crate) fn least_ratio(&self, other: &Self) -> Option<f64> {
        if self.spoiled || other.spoiled {
            return None;
        }
        let (own, other) = (self.spread(Sample::seconds)?, other.spread(Sample::seconds)?);
        (other.least > 0.0).then(|| own.least / other.least)
    }

    /// Whether the times differ by so much that something disturbed half of the rounds.
    pub(crate) fn is_unsteady(&self) -> bool {
        const STEADY_MAX: f64 = 1.25;
        self.spread(Sample::seconds).is_some_and(|times| times.median > times.least * STEADY_MAX)
    }
}

/// What became of a group.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) suite: Suite,
    pub(crate) variant: &'static str,
    pub(crate) payload: Payload,
    pub(crate) baseline: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) spawns: u32,
    /// No smaller peak could be seen, see [`Runner::peak_floor`].
    pub(crate) peak_floor: Size,
    pub(crate) entries: Vec<Entry>,
    /// Why nothing was run.
    pub(crate) skipped: Option<String>,
    /// What makes all of its figures doubtful.
    pub(crate) warning: Option<String>,
}

impl Measured {
    /// The competitor of this name.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.competitor.name == name)
    }
}

/// Another order for each round, the same ones in each run.
///
/// A virtual machine gives free memory back every few seconds, and the copy that comes next is two
/// to four times slower. In a fixed order the rounds can fall into step with that, so that it
/// always hits the same competitor: cp was seen 1.7 times slower than cp.
fn shuffle(order: &mut [usize], random: &mut Random) {
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last + 1));
    }
}

/// Starts processes, and reads what they wrote when they fail.
#[derive(Debug)]
pub(crate) struct Runner {
    complaints: File,
    search_path: OsString,
}

/// A round of many runs ends when a competitor has had this long.
const BATCH_TIME_MAX: Duration = Duration::from_secs(1);

impl Runner {
    /// One that lets children search `search_path`.
    pub(crate) fn new(search_path: &OsStr) -> Result<Self> {
        let descriptor = rustix::fs::memfd_create("complaints", rustix::fs::MemfdFlags::CLOEXEC)
            .context("cannot make a file in memory")?;
        Ok(Self { complaints: File::from(descriptor), search_path: search_path.to_owned() })
    }

    /// The peak that the kernel reports of a process that needs next to nothing.
    ///
    /// Until it executes the program a child runs in this process's memory, and the peak of that
    /// is counted as its own (`exec` does not start it anew): no smaller one can be seen.
    fn peak_floor(&self) -> Result<Size> {
        let (_, used) = self.time(&[OsString::from("/bin/true")])?;
        Ok(Size(used.peak_bytes))
    }

    /// Runs all of `group` in `workspace`; what it cannot measure is told in the answer.
    pub(crate) fn measure(
        &self,
        group: Group,
        workspace: &mut Workspace,
        file_system: &FileSystem,
    ) -> Result<Measured> {
        let mut measured = Measured {
            suite: group.suite,
            variant: group.variant,
            payload: group.payload,
            baseline: group.baseline,
            ours: group.ours,
            spawns: group.spawns,
            peak_floor: Size(0),
            entries: Vec::new(),
            skipped: None,
            warning: None,
        };
        let targets = match (group.target, group.payload) {
            (TargetBefore::Nothing, _) => 1,
            (_, Payload::File(_)) => 2,
            // Each competitor has its own, and files that are changed are there twice.
            (_, Payload::Tree(..)) => u64::try_from(group.competitors.len())?.saturating_add(1),
        };
        measured.skipped = workspace.lacks_room(&group.payload, targets, file_system)?;
        if measured.skipped.is_some() {
            return Ok(measured);
        }
        let source = workspace.source(&group.payload)?;
        measured.entries = group.competitors.iter().map(Entry::new).collect();
        let mut order: Vec<usize> = (0..measured.entries.len()).collect();
        let mut random = Random::new(1);
        for round in 0..=group.rounds {
            match group.payload {
                Payload::File(_) => workspace::warm(&source)?,
                Payload::Tree(..) => tree::warm(&source)?,
            }
            shuffle(&mut order, &mut random);
            for &place in &order {
                let entry = &mut measured.entries[place];
                if entry.failure.is_none() {
                    let directory = next_directory(&group, workspace, file_system, place)?;
                    self.batch(&group, entry, round, &source, &directory, workspace)?;
                }
            }
        }
        measured.peak_floor = self.peak_floor()?;
        workspace.clear_large()?;
        if !file_system.avoids_freed_inodes() {
            workspace.clear_trees(file_system)?;
        }
        if let Payload::Tree(..) = group.payload {
            measured.warning = workspace.warning();
        }
        Ok(measured)
    }

    /// All runs of one competitor in one round.
    fn batch(
        &self,
        group: &Group,
        entry: &mut Entry,
        round: u32,
        source: &Path,
        directory: &Path,
        workspace: &Workspace,
    ) -> Result<()> {
        let mut spent = Duration::ZERO;
        for spawn in 0..group.spawns {
            if spent >= BATCH_TIME_MAX && spawn > 0 {
                break;
            }
            workspace.clear_large()?;
            let target = target_name(group, source, directory, spawn);
            prepare(&target, group, round)?;
            let (seconds, used) = self.time(&entry.competitor.command(source, &target))?;
            spent += seconds;
            if sys::interrupted() {
                bail!("interrupted");
            }
            match self.check(group, round, used, source, &target) {
                Err(reason) => {
                    entry.failure = Some(format!("{reason:#}"));
                    return Ok(());
                }
                Ok(compared) => entry.learn(group, compared),
            }
            // The first round pays for pages, programs and code that nobody has touched yet.
            if round > 0 {
                entry.samples.push(Sample {
                    round,
                    seconds: seconds.as_secs_f64(),
                    user_seconds: used.user.as_secs_f64(),
                    system_seconds: used.system.as_secs_f64(),
                    peak_bytes: used.peak_bytes,
                    minor_faults: used.minor_faults,
                    major_faults: used.major_faults,
                });
            }
        }
        Ok(())
    }

    /// Fails unless all was copied. Of the content, and of new trees all, that is looked at in the
    /// first round alone, which is dropped; of trees that were there in each.
    fn check(
        &self,
        group: &Group,
        round: u32,
        used: Reaped,
        source: &Path,
        target: &Path,
    ) -> Result<Compared> {
        if !used.status.success() {
            bail!("{}: {}", ending(used), self.complaint());
        }
        match group.payload {
            Payload::Tree(..) if round == 0 || group.target != TargetBefore::Nothing => {
                tree::compare(source, target)
            }
            Payload::Tree(..) => Ok(Compared::default()),
            Payload::File(size) => {
                workspace::check_length(target, size)?;
                if round == 0 {
                    workspace::check_content(source, target)?;
                }
                let cloned = File::open(target).is_ok_and(|file| sys::shares_blocks(&file));
                Ok(Compared { cloned, ..Compared::default() })
            }
        }
    }

    /// Runs one command line and returns what it took.
    fn time(&self, words: &[OsString]) -> Result<(Duration, Reaped)> {
        let (program, arguments) = words.split_first().context("no program to run")?;
        self.complaints.set_len(0).context("cannot empty a file")?;
        (&self.complaints).rewind().context("cannot rewind a file")?;
        let complaints = self.complaints.try_clone().context("cannot copy a descriptor")?;
        let mut command = Command::new(program);
        // An environment of its own: cargo sets LD_LIBRARY_PATH, which makes programs that load
        // many libraries look for each in several places first.
        command
            .args(arguments)
            .env_clear()
            .env("PATH", &self.search_path)
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(complaints);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot run '{}'", Path::new(program).display()))?;
        let used = sys::reap(libc::pid_t::try_from(child.id())?).context("cannot wait")?;
        Ok((started.elapsed(), used))
    }

    /// The last line that the last child wrote to its standard error.
    fn complaint(&self) -> String {
        let mut text = Vec::new();
        let mut file = &self.complaints;
        let read = file.rewind().and_then(|()| file.take(1 << 16).read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        match (read, lines.next_back()) {
            (Ok(_), Some(line)) => line.chars().filter(|c| !c.is_control()).take(160).collect(),
            _ => "it said nothing".to_owned(),
        }
    }
}

fn next_directory(
    group: &Group,
    workspace: &mut Workspace,
    file_system: &FileSystem,
    place: usize,
) -> Result<PathBuf> {
    match &group.payload {
        Payload::File(size) => workspace.next_batch(*size),
        Payload::Tree(..) if group.target != TargetBefore::Nothing => {
            workspace.lasting_directory(&format!("{:?}-{place}", group.target))
        }
        tree @ Payload::Tree(..) => workspace.next_tree_batch(tree, file_system),
    }
}

/// A tree keeps its name: some copiers put it into a directory and nowhere else.
fn target_name(group: &Group, source: &Path, directory: &Path, spawn: u32) -> PathBuf {
    match (&group.payload, source.file_name()) {
        (Payload::Tree(..), Some(name)) => directory.join(name),
        _ => directory.join(format!("copy-{spawn}")),
    }
}

fn ending(used: Reaped) -> String {
    match (used.status.code(), used.status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended oddly".to_owned(),
    }
}

/// One line to standard error; a closed one ends nothing.
pub(crate) fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// Puts at the target's name what is to be there.
fn prepare(target: &Path, group: &Group, round: u32) -> Result<()> {
    if let Payload::Tree(shape, _) = group.payload {
        return prepare_tree(target, group.target, shape, round);
    }
    let size = group.payload.size();
    match group.target {
        TargetBefore::Nothing => return Ok(()),
        TargetBefore::Other => workspace::fill(target, size, 2)?,
        TargetBefore::Equal | TargetBefore::EqualSeenInContent => {
            workspace::fill(target, size, workspace::SOURCE_SEED)?;
        }
        TargetBefore::NearlyEqual => {
            workspace::fill(target, size, workspace::SOURCE_SEED)?;
            workspace::change_pages(target, size)?;
        }
    }
    Ok(())
}

/// Makes the tree when there is none; one that is there has been made equal by the round before.
fn prepare_tree(target: &Path, before: TargetBefore, shape: Shape, round: u32) -> Result<()> {
    let sign = match (before, round) {
        (TargetBefore::Nothing | TargetBefore::Other, _) => return Ok(()),
        (TargetBefore::NearlyEqual, _) | (TargetBefore::Equal, 0) => Some(Sign::Time),
        (TargetBefore::EqualSeenInContent, 0) => Some(Sign::Content),
        (TargetBefore::Equal | TargetBefore::EqualSeenInContent, _) => None,
    };
    if round == 0 {
        tree::make(shape, target)?;
    }
    if let Some(sign) = sign {
        aged::age(shape, target, sign)?;
    }
    tree::warm(target)?;
    tree::sync(target)
}
