//! `mycp-crash explore`: which promises hold in every crash state.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum, ValueHint};

use super::recordings;
use super::report::{Directory, Outcome, Report, Settled, Setup};
use crate::crash::simulated::{
    Bound, Cripple, Error, Experiment, FileSystem, Findings, Flaw, Laboratory, OVERWRITTEN,
    Promise, Property, Recording, Room, SyncMode, Verdict, Workload, WorkloadKind,
};
use crate::laboratory::INCONCLUSIVE;
use crate::laboratory::SPEAKER;
use crate::laboratory::live::Live;
use crate::options::Quoted;
use crate::program::words::{one_of, whole};
use crate::sys::family::Family;
use crate::sys::linux;

/// Find out, on simulated disks, which promises hold in every crash state
///
/// A command runs on a real file system whose disk is a file in memory, which records every
/// write and every flush. From that the states are rebuilt that a power cut could have left.
/// Each is mounted, which replays its journal, and compared with what there was before the
/// command and what is to be there after it. Controls, which are copiers with a step left out
/// and a disk that ignores flushes, must be found out, or nothing can be said. Takes root,
/// FUSE, loop devices, and the programs that make the file systems; nothing is left mounted.
///
/// The promises of commands: bystanders, what the command does not change stays as it is;
/// no-foreign, there are no bytes but old ones, new ones and zeros; whole, a name shows the old
/// content or the new one, and never vanishes; fresh, what has length and time of its source
/// has its content; done, after the command's end all that it has done is there. Of CMD
/// bystanders, no-foreign and done are asked, of mycp what its options promise.
#[derive(Debug, Args)]
pub(in crate::laboratory) struct ExploreArgs {
    /// File systems to crash, with commas between them
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "ext4,xfs,btrfs",
        value_parser = one_of(FileSystem::ALL, |it| (it.as_str(), "")))]
    fs: Vec<FileSystem>,
    /// Their mount options, as mount(8) has them [default: none]
    #[arg(long, value_name = "OPTIONS", default_value = "", hide_default_value = true)]
    mount_options: String,
    /// What is tried
    #[arg(
        conflicts_with = "command",
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "msync,copy,delta,mirror"
    )]
    workload: Vec<WorkloadName>,
    /// How the stores of --workload msync are flushed; always tried are none and msync-async, which
    /// must lose something [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',',
        value_parser = one_of(SyncMode::OF_A_FILE, |it| (it.as_str(), it.call(Family::running()))))]
    sync: Vec<SyncMode>,
    /// The most states to look at, for each way to flush, command and control on each file system
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = whole::<usize>(1..=STATES))]
    states: usize,
    /// What the choice of states follows from, where there are more; the same number gives the
    /// same states
    #[arg(long, value_name = "S", default_value_t = 1,
        value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// The most that is recorded of what a command writes, in MiB [default: a quarter of the memory
    /// that is available]
    #[arg(long, value_name = "MIB", conflicts_with = "again",
        value_parser = whole::<u64>(1..=1 << 30))]
    max_record: Option<u64>,
    /// Look at the states of recordings that --report has left in DIR, instead of recording anew;
    /// with the same --fs, --workload, --sync and CMD
    #[arg(long, value_name = "DIR", conflicts_with_all = ["report", "mount_options"],
        value_hint = ValueHint::DirPath)]
    again: Option<PathBuf>,
    /// Print one JSON object a line instead of tables
    #[arg(long)]
    json: bool,
    /// Write report.txt, report.json, pictures, and the recordings that replay and --again take
    /// into this directory; files there that have their names are written over
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    report: Option<PathBuf>,
    /// How long to wait for what the system writes back by itself, for the pictures that --report
    /// makes of --workload msync: 1 to 3600 [default: 65]
    #[arg(long, value_name = "SECONDS", requires = "report", conflicts_with = "command",
        value_parser = whole::<u64>(1..=3600))]
    settle: Option<u64>,
    /// A command to try instead; {} in it is the mount point, which is also its working directory.
    /// There it finds the directory source, and in target an older version of it
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WorkloadName {
    /// Stores through maps, flushed in each way
    Msync,
    /// mycp, copying files and trees
    Copy,
    /// mycp --delta
    Delta,
    /// mycp --mirror
    Mirror,
}

/// The most that `--states` takes.
const STATES: u64 = 1_000_000_000;

/// One line of the findings.
pub(in crate::laboratory) struct Trial {
    pub(in crate::laboratory) system: FileSystem,
    pub(in crate::laboratory) workload: Workload,
    pub(in crate::laboratory) subject: Subject,
}

/// What a trial is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::laboratory) enum Subject {
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
    pub(in crate::laboratory) fn verdict(&self, findings: &Findings) -> Verdict {
        let broken = Verdict::on_promises(&self.workload.promises, findings);
        let loses_data = findings.stores.kept.values().any(|kept| kept.lost() > 0);
        match self.subject {
            Subject::Command => broken,
            Subject::Mode(mode @ (SyncMode::None | SyncMode::MsyncAsync)) if !loses_data => {
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
    pub(in crate::laboratory) fn shown(&self, findings: &Findings) -> Vec<Flaw> {
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

    pub(in crate::laboratory) fn is_control(&self) -> bool {
        matches!(self.subject, Subject::Cripple(_) | Subject::Liar)
    }

    /// Whether it is a control that is to find nothing.
    pub(in crate::laboratory) fn is_sound(&self) -> bool {
        self.subject == Subject::Cripple(Cripple::Nothing)
    }

    /// Whether a promise was found broken, that of a mode included.
    pub(in crate::laboratory) fn is_broken(&self, findings: &Findings) -> bool {
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
pub(in crate::laboratory) fn run(args: &ExploreArgs) -> anyhow::Result<ExitCode> {
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
    if let Some(error) = room.risk() {
        SPEAKER.say(format_args!(
            "the simulated disks cannot be put before others when memory is short, and may then \
             hang: {error}"
        ));
    }
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut laboratory = Laboratory::new(&room, workers);
    if let Some(mib) = args.max_record {
        laboratory = laboratory.record_at_most(mib << 20);
    }
    let setup = Setup {
        kernel: linux::kernel(),
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
fn mount_options(args: &ExploreArgs, files: &Files, own: &Path) -> anyhow::Result<String> {
    let first = args.fs.first().and_then(|system| trials(args, own, *system).into_iter().next());
    let (Some(directory), Some(first)) = (&files.again, first) else {
        return Ok(args.mount_options.clone());
    };
    let name = recordings::name(0, &first);
    let path = directory.path().join(&name);
    Ok(recordings::load(&path, directory.existing(&name)?)?.mount_options)
}

fn write(report: &Report, directory: Option<&Directory>) -> anyhow::Result<()> {
    let Some(directory) = directory else { return Ok(()) };
    report.files().try_for_each(|(name, text)| directory.write(name, text))
}

/// The file systems that were named, each once.
fn systems(args: &ExploreArgs) -> Vec<FileSystem> {
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
    args: &ExploreArgs,
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
    args: &ExploreArgs,
    laboratory: &Laboratory<'_>,
    files: &Files,
    (number, trial): (usize, &Trial),
) -> anyhow::Result<Findings> {
    let name = recordings::name(number, trial);
    let recording = match &files.again {
        Some(directory) => {
            recordings::load(&directory.path().join(&name), directory.existing(&name)?)?
        }
        None => record(laboratory, args, trial)?,
    };
    if let Some(directory) = &files.report {
        recordings::save(&recording, directory, &name)?;
    }
    let bound = Bound { seed: args.seed, states: args.states };
    Ok(laboratory.explore(&recording, bound, |findings| trial.shown(findings))?)
}

fn record(
    laboratory: &Laboratory<'_>,
    args: &ExploreArgs,
    trial: &Trial,
) -> anyhow::Result<Recording> {
    let recorded = laboratory.record(&experiment(args, trial));
    recorded.map_err(|error| match error {
        // The error does not know the command, nor the option.
        Error::TooMuch { .. } => anyhow::anyhow!(
            "nothing can be said of {}: {error}; --max-record allows more",
            Quoted(Path::new(&trial.workload.name))
        ),
        error => error.into(),
    })
}

fn experiment(args: &ExploreArgs, trial: &Trial) -> Experiment {
    Experiment {
        system: trial.system,
        mount_options: args.mount_options.clone(),
        workload: trial.workload.clone(),
        is_honest: trial.subject != Subject::Liar,
    }
}

/// Lets stores settle after which nobody asks for a flush.
fn settle(
    args: &ExploreArgs,
    laboratory: &Laboratory<'_>,
    own: &Path,
    system: FileSystem,
) -> anyhow::Result<Vec<Settled>> {
    let modes = [SyncMode::None, SyncMode::MsyncAsync, SyncMode::Msync];
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
fn trials(args: &ExploreArgs, own: &Path, system: FileSystem) -> Vec<Trial> {
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
fn modes(args: &ExploreArgs) -> impl Iterator<Item = SyncMode> {
    let asked = args.sync.clone();
    let is_tried = move |mode: &SyncMode| {
        asked.is_empty()
            || asked.contains(mode)
            || matches!(mode, SyncMode::None | SyncMode::MsyncAsync)
    };
    SyncMode::OF_A_FILE.into_iter().filter(is_tried)
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
