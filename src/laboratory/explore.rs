//! `mycp-crash explore`: which promises hold in every crash state.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::INCONCLUSIVE;
use super::live::Live;
use super::recordings;
use super::report::{Directory, Outcome, Report, Settled, Setup};
use crate::crash::simulated::{
    Bound, Cripple, Experiment, FileSystem, Findings, Flaw, Laboratory, OVERWRITTEN, Promise,
    Property, Room, SyncMode, Verdict, Workload, WorkloadKind,
};
use crate::sys::platform;

/// What was typed behind `explore`.
#[derive(Debug, Args)]
pub(super) struct Explore {
    /// File systems to crash: ext4, xfs, btrfs, ext2
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "ext4,xfs,btrfs")]
    fs: Vec<FileSystem>,
    /// Their mount options, as mount(8) has them
    #[arg(long, value_name = "OPTIONS", default_value = "")]
    mount_options: String,
    /// What is tried: stores through maps, or mycp itself
    #[arg(
        conflicts_with = "command",
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "msync,copy,delta,mirror"
    )]
    workload: Vec<WorkloadName>,
    /// How the stores of `--workload msync` are flushed: none, ms-async (these two always),
    /// sync-file-range, dsync, ms-sync, fdatasync, fsync, fsync-directory [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    sync: Vec<SyncMode>,
    /// The most states to look at, for each command on each file system
    #[arg(long, value_name = "N", default_value = "300")]
    states: NonZeroUsize,
    /// Chooses among states, where there are more
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Look at the states of recordings that are in DIR, instead of recording anew
    #[arg(long, value_name = "DIR", conflicts_with_all = ["report", "mount_options"])]
    again: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Write report.txt, report.json, pictures, and the recordings that `replay` and `--again` take
    /// into this directory; files there that have their names are written over
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// How long to wait for what the system writes back by itself, for the pictures of
    /// `--workload msync` [default: 65]
    #[arg(long, value_name = "SECONDS", requires = "report", conflicts_with = "command",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    settle: Option<u64>,
    /// A command to try instead; {} in it is the mount point, which is also its working directory.
    /// There it finds `source`, and `target` with an older version
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WorkloadName {
    Msync,
    Copy,
    Delta,
    Mirror,
}

/// One line of the findings.
pub(super) struct Trial {
    pub(super) system: FileSystem,
    pub(super) workload: Workload,
    pub(super) subject: Subject,
}

/// What a trial is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// What a way to flush keeps.
    Mode(SyncMode),
    /// What a command promises.
    Command,
    /// A copier with something wrong with it: nothing, and it must be found sound; or something.
    Cripple(Cripple),
    /// A sound copier on a disk that ignores flushes.
    Liar,
}

impl Trial {
    /// What the findings say. A control that is to be found out has to break a promise.
    pub(super) fn verdict(&self, findings: &Findings) -> Verdict {
        let broken = Verdict::on_promises(&self.workload.promises, findings);
        let loses_data = findings.stores.kept.values().any(|kept| kept.lost() > 0);
        match self.subject {
            Subject::Command => broken,
            Subject::Mode(mode @ (SyncMode::None | SyncMode::MsAsync)) if !loses_data => {
                Verdict::on_mode(mode, findings).max(Verdict::Inconclusive)
            }
            Subject::Mode(mode) => Verdict::on_mode(mode, findings),
            Subject::Cripple(Cripple::Nothing) => broken,
            Subject::Cripple(_) | Subject::Liar => {
                let must_break = self.must_break();
                match findings.breaches.get(&must_break) {
                    Some(1..) => Verdict::Holds,
                    _ => Verdict::Inconclusive,
                }
            }
        }
    }

    /// The flaws of which an example is worth a closer look: broken promises, and what a mode loses
    /// of what it promises, or, if that is nothing, the first that it loses; of a control that is
    /// to be found out, what it has to break.
    pub(super) fn shown(&self, findings: &Findings) -> Vec<Flaw> {
        let is_found = |flaw: &Flaw| findings.examples.contains_key(flaw);
        let broken = self.workload.promises.iter().map(|promise| Flaw::Broken(*promise));
        let mut shown: Vec<_> = broken.filter(is_found).collect();
        match self.subject {
            Subject::Mode(mode) => {
                let lost = Property::ALL.into_iter().filter(|property| {
                    mode.promises().is_empty() || mode.promises().contains(property)
                });
                let lost = lost.map(Flaw::Lost).filter(is_found);
                shown.extend(lost.take(mode.promises().len().max(1)));
            }
            Subject::Cripple(_) | Subject::Liar if !self.is_sound() => {
                shown.retain(|flaw| *flaw == Flaw::Broken(self.must_break()));
            }
            Subject::Command | Subject::Cripple(_) | Subject::Liar => {}
        }
        shown
    }

    /// The promise that a control has to break.
    fn must_break(&self) -> Promise {
        match self.subject {
            Subject::Cripple(Cripple::TimesFirst) => Promise::Fresh,
            Subject::Cripple(Cripple::NoFileFlush | Cripple::RenameFirst) => Promise::Whole,
            _ => Promise::Done,
        }
    }

    pub(super) fn is_control(&self) -> bool {
        matches!(self.subject, Subject::Cripple(_) | Subject::Liar)
    }

    /// Whether it is a control that is to find nothing.
    pub(super) fn is_sound(&self) -> bool {
        self.subject == Subject::Cripple(Cripple::Nothing)
    }

    /// Whether a promise was found broken, that of a mode included.
    pub(super) fn is_broken(&self, findings: &Findings) -> bool {
        let of_mode = |mode| Verdict::on_mode(mode, findings) == Verdict::Violated;
        Verdict::on_promises(&self.workload.promises, findings) == Verdict::Violated
            || matches!(self.subject, Subject::Mode(mode) if of_mode(mode))
    }
}

/// Directories that the laboratory's room may hide by name.
struct Files {
    report: Option<Directory>,
    /// Where recordings are that are looked at again.
    again: Option<Directory>,
}

/// Seconds after which what was stored is seen to be on the disk: 37 on ext4, 32 on XFS, 61 on
/// btrfs. The kernel looks every 5 s for pages that have been dirty for 30 s, and what leads to
/// them is flushed some time after that.
const SETTLE_SECONDS: u64 = 65;

/// Makes the experiments and prints what was found.
pub(super) fn run(args: &Explore) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let is_stored = args.command.is_empty() && args.workload.contains(&WorkloadName::Msync);
    anyhow::ensure!(args.settle.is_none() || is_stored, "--settle is for --workload msync");
    anyhow::ensure!(args.sync.is_empty() || is_stored, "--sync is for --workload msync");
    // Its name may be hidden in the room.
    let files = Files {
        report: args.report.as_deref().map(Directory::make).transpose()?,
        again: args.again.as_deref().map(Directory::open).transpose()?,
    };
    let room = Room::enter()?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let laboratory = Laboratory::new(&room, workers);
    let setup = Setup {
        kernel: platform::kernel(),
        mount_options: mount_options(args, &files, &own)?,
        seed: args.seed,
    };
    let mut report = Report::begin(setup, args.json)?;
    let mut verdict = None;
    for system in systems(args) {
        let outcomes =
            explore(args, &laboratory, (&mut report, &files), trials(args, &own, system))?;
        let settled = match (is_stored, &files.report) {
            (true, Some(_)) => settle(args, &laboratory, &own, system)?,
            _ => Vec::new(),
        };
        report.system(system, &outcomes, &settled)?;
        // What is found later may fail.
        write(&report, files.report.as_ref())?;
        verdict = verdict.max(outcomes.iter().map(|outcome| outcome.verdict).max());
    }
    let verdict = verdict.unwrap_or(Verdict::Inconclusive);
    report.end(verdict)?;
    write(&report, files.report.as_ref())?;
    Ok(match verdict {
        Verdict::Holds => ExitCode::SUCCESS,
        Verdict::Violated => ExitCode::FAILURE,
        Verdict::Inconclusive => ExitCode::from(INCONCLUSIVE),
    })
}

/// The mount options, which are those of the recordings if there are some.
fn mount_options(args: &Explore, files: &Files, own: &Path) -> anyhow::Result<String> {
    let first = args.fs.first().and_then(|system| trials(args, own, *system).into_iter().next());
    let (Some(directory), Some(first)) = (&files.again, first) else {
        return Ok(args.mount_options.clone());
    };
    let name = recordings::name(0, &first);
    Ok(recordings::load(&name, directory.existing(&name)?)?.mount_options)
}

fn write(report: &Report, directory: Option<&Directory>) -> anyhow::Result<()> {
    let Some(directory) = directory else { return Ok(()) };
    report.files().try_for_each(|(name, text)| directory.write(name, text))
}

/// The file systems that were named, each once.
fn systems(args: &Explore) -> Vec<FileSystem> {
    let mut systems = Vec::new();
    for system in &args.fs {
        if !systems.contains(system) {
            systems.push(*system);
        }
    }
    systems
}

/// Tries all that is to be tried on a file system.
fn explore(
    args: &Explore,
    laboratory: &Laboratory<'_>,
    (report, files): (&mut Report, &Files),
    trials: Vec<Trial>,
) -> anyhow::Result<Vec<Outcome>> {
    let mut live = Live::new();
    let mut outcomes = Vec::new();
    for trial in trials {
        let findings = look(args, laboratory, files, (outcomes.len(), &trial));
        live.clear();
        let findings = findings?;
        let kept = files.report.as_ref().or(files.again.as_ref());
        let recording = kept.map(|it| it.path().join(recordings::name(outcomes.len(), &trial)));
        let outcome = Outcome { verdict: trial.verdict(&findings), trial, findings, recording };
        report.trial(&outcome)?;
        outcomes.push(outcome);
        live.show(report.states(), "states looked at", Duration::from_secs(1));
    }
    live.clear();
    Ok(outcomes)
}

/// Records a trial, or takes the recording that was kept, and looks at its states.
fn look(
    args: &Explore,
    laboratory: &Laboratory<'_>,
    files: &Files,
    (number, trial): (usize, &Trial),
) -> anyhow::Result<Findings> {
    let name = recordings::name(number, trial);
    let recording = match &files.again {
        Some(directory) => recordings::load(&name, directory.existing(&name)?)?,
        None => laboratory.record(&experiment(args, trial))?,
    };
    if let Some(directory) = &files.report {
        recordings::save(&recording, directory, &name)?;
    }
    let bound = Bound { seed: args.seed, states: args.states.get() };
    Ok(laboratory.explore(&recording, bound, |findings| trial.shown(findings))?)
}

fn experiment(args: &Explore, trial: &Trial) -> Experiment {
    Experiment {
        system: trial.system,
        mount_options: args.mount_options.clone(),
        workload: trial.workload.clone(),
        is_honest: trial.subject != Subject::Liar,
    }
}

/// Lets stores settle after which nobody asks for a flush.
fn settle(
    args: &Explore,
    laboratory: &Laboratory<'_>,
    own: &Path,
    system: FileSystem,
) -> anyhow::Result<Vec<Settled>> {
    let modes = [SyncMode::None, SyncMode::MsAsync, SyncMode::MsSync];
    let experiments = modes.map(|mode| {
        let workload = Workload::of_stores(own, mode);
        experiment(args, &Trial { system, workload, subject: Subject::Mode(mode) })
    });
    let wait = Duration::from_secs(args.settle.unwrap_or(SETTLE_SECONDS));
    let found = laboratory.settle(&experiments, wait, Path::new(OVERWRITTEN))?;
    let found = modes.into_iter().zip(found);
    Ok(found.map(|(mode, aftermath)| Settled { system, mode, aftermath }).collect())
}

/// All that is tried on a file system, the controls first.
fn trials(args: &Explore, own: &Path, system: FileSystem) -> Vec<Trial> {
    let mycp = own.with_file_name("mycp");
    let trial = |(workload, subject)| Trial { system, workload, subject };
    let mut trials: Vec<_> = controls(own).map(trial).collect();
    if !args.command.is_empty() {
        trials.push(trial((Workload::of_command(args.command.clone()), Subject::Command)));
        return trials;
    }
    for name in &args.workload {
        let kind = match name {
            WorkloadName::Msync => {
                let stores = |mode| (Workload::of_stores(own, mode), Subject::Mode(mode));
                trials.extend(modes(args).map(stores).map(trial));
                continue;
            }
            WorkloadName::Copy => WorkloadKind::Copy,
            WorkloadName::Delta => WorkloadKind::Delta,
            WorkloadName::Mirror => WorkloadKind::Mirror,
        };
        let commands = kind.commands(&mycp).into_iter();
        trials.extend(commands.map(|workload| trial((workload, Subject::Command))));
    }
    trials
}

/// The ways to flush that are tried: those that were asked for, and the two that must lose
/// something.
fn modes(args: &Explore) -> impl Iterator<Item = SyncMode> {
    let asked = args.sync.clone();
    let is_tried = move |mode: &SyncMode| {
        asked.is_empty()
            || asked.contains(mode)
            || matches!(mode, SyncMode::None | SyncMode::MsAsync)
    };
    SyncMode::ALL.into_iter().filter(is_tried)
}

fn controls(own: &Path) -> impl Iterator<Item = (Workload, Subject)> {
    let own: PathBuf = own.to_owned();
    let mut liar = Workload::of_cripple(&own, Cripple::Nothing);
    liar.name = "a disk that ignores flushes".to_owned();
    Cripple::ALL
        .into_iter()
        .map(move |cripple| (Workload::of_cripple(&own, cripple), Subject::Cripple(cripple)))
        .chain([(liar, Subject::Liar)])
}
