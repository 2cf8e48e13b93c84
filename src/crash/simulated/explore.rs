//! An experiment: a command runs on a simulated disk, and the states that a crash could have left
//! are judged.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::crash::simulated::claims::Stores;
use crate::crash::simulated::disk::Shelf;
use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::findings::{Example, Findings, Flaw, Flawed, Reduction, Seen, Sight};
use crate::crash::simulated::image::Image;
use crate::crash::simulated::losses::Places;
use crate::crash::simulated::minimal::{Reduced, reduce};
use crate::crash::simulated::observe::Observed;
use crate::crash::simulated::oracle::{Breach, Oracle};
use crate::crash::simulated::promise::Promise;
use crate::crash::simulated::recording::Recording;
use crate::crash::simulated::room::{Drive, Room};
use crate::crash::simulated::states::{Bound, State, States, choose};
use crate::crash::simulated::system::FileSystem;
use crate::crash::simulated::workload::Workload;
use crate::sync::{into_inner, lock};
use crate::sys::{flush, linux};

/// What is to be found out.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The file system that is crashed.
    pub system: FileSystem,
    /// Its mount options, as mount(8) has them.
    pub mount_options: String,
    /// What runs on it.
    pub workload: Workload,
    /// Whether the disk does what a flush asks for. One that lies must be found out.
    pub is_honest: bool,
}

/// Where experiments are made, with so many states looked at side by side.
#[derive(Debug)]
pub struct Laboratory<'r> {
    pub(super) room: &'r Room,
    workers: usize,
    record_max: u64,
}

/// Bytes of memory that are taken for available where the system does not tell.
const MEMORY_UNTOLD: u64 = 2 << 30;

/// What a state holds, or why it cannot be mounted.
pub(super) type Look = Result<Observed, String>;

/// How states are mounted and looked at.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) system: FileSystem,
    pub(super) mount_options: &'a str,
    /// A longer file cannot be right.
    pub(super) len_max: u64,
}

impl<'a> Site<'a> {
    fn of(recorded: &'a Recording) -> Self {
        let (before, after) = recorded.oracle.versions();
        let len_max = recorded.record.disk_len() + before.len_max().max(after.len_max());
        Self { system: recorded.system, mount_options: &recorded.mount_options, len_max }
    }
}

/// The most states that are mounted to reduce an example.
const REDUCTION_STATES_MAX: usize = 40;

impl<'r> Laboratory<'r> {
    /// A laboratory in that room.
    #[must_use]
    pub fn new(room: &'r Room, workers: usize) -> Self {
        let memory = linux::available_memory().unwrap_or(MEMORY_UNTOLD);
        Self { room, workers: workers.max(1), record_max: memory / 4 }
    }

    /// Keeps at most so many bytes of what is written while commands run; else, a quarter of the
    /// memory that is available now. Who writes more is killed, and nothing is said of him.
    #[must_use]
    pub fn record_at_most(self, bytes: u64) -> Self {
        Self { record_max: bytes, ..self }
    }

    /// Looks at states that a crash could have left. Of what was found, `is_shown` names the flaws
    /// whose examples are to be reduced, which mounts some more states for each.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being looked at: no right to mount, say. That something is lost is
    /// no error.
    pub fn explore(
        &self,
        recorded: &Recording,
        bound: Bound,
        is_shown: impl Fn(&Findings) -> Vec<Flaw>,
    ) -> Result<Findings> {
        let started = Instant::now();
        let shelf = self.room.shelf(self.workers, recorded.record.disk_len())?;
        let states = choose(&recorded.record, recorded.is_honest, bound);
        let sights = self.look(&shelf, recorded, &states.chosen)?;
        let mut findings = Findings::of(recorded, &states, sights);
        let shown = is_shown(&findings);
        if !shown.is_empty() {
            let mut drive = Drive::attach(self.room, &shelf, 0)?;
            let places = Places::of(&recorded.oracle);
            for flaw in shown {
                let Some(example) = findings.examples.get_mut(&flaw) else { continue };
                reduce_example(&mut drive, recorded, (&states, &places), flaw, example)?;
            }
        }
        findings.elapsed = started.elapsed();
        Ok(findings)
    }

    /// Prepares a disk that is recorded from there on, and looks at what it holds.
    pub(super) fn begin(
        &self,
        shelf: &Shelf,
        number: usize,
        experiment: &Experiment,
    ) -> Result<(Drive, Observed)> {
        let mut drive = Drive::attach(self.room, shelf, number)?;
        experiment.system.make(&drive.device())?;
        drive.mount(experiment.system, &experiment.mount_options)?;
        let root = drive.directory.clone();
        (experiment.workload.prepare)(&root).map_err(|error| Error::File {
            what: "prepare",
            path: root.clone(),
            error,
        })?;
        // What is prepared is on the disk, and nothing of it is under way any more.
        drive.unmount()?;
        drive.disk.record(self.record_max / shelf.len().max(1) as u64);
        drive.mount(experiment.system, &experiment.mount_options)?;
        Ok((drive, Observed::version(&root)?))
    }

    /// Runs a command on a recorded disk.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being run: no right to mount, a file system that cannot be made, a
    /// command that fails.
    pub fn record(&self, experiment: &Experiment) -> Result<Recording> {
        let shelf = self.room.shelf(1, experiment.system.len())?;
        let workload = &experiment.workload;
        let (mut drive, before) = self.begin(&shelf, 0, experiment)?;
        let root = drive.directory.clone();
        let acknowledged = workload.program().run(&drive)?;
        let untrusted = || Error::Untrusted("it did not record".to_owned());
        let ended = drive.disk.mark().ok_or_else(untrusted)?;
        let after = Observed::version(&root)?;
        // What the system writes some time later, it may write now.
        File::open(&root)
            .and_then(|root| flush::sync_file_system(&root))
            .map_err(|error| Error::System("flush the file system", error))?;
        let record = drive.disk.recorded()?;
        drive.unmount()?;
        let (source, target) = &workload.copies;
        let oracle = Oracle::new((before, after), (source, target), workload.temporaries);
        Ok(Recording {
            system: experiment.system,
            mount_options: experiment.mount_options.clone(),
            is_honest: experiment.is_honest,
            ended,
            oracle,
            acknowledged,
            record,
        })
    }

    /// Looks at states, several at a time.
    fn look(&self, shelf: &Shelf, recorded: &Recording, states: &[State]) -> Result<Vec<Sight>> {
        let site = Site::of(recorded);
        let next = AtomicUsize::new(0);
        // An image that comes after several marks need not be mounted again.
        let mut times = HashMap::<u128, usize>::new();
        states.iter().for_each(|state| *times.entry(state.digest).or_default() += 1);
        let known: Mutex<HashMap<u128, Arc<Look>>> = Mutex::default();
        let sights = Mutex::new(Vec::with_capacity(states.len()));
        let work = |number: usize| -> Result<()> {
            let mut drive = Drive::attach(self.room, shelf, number)?;
            while let Some(state) = states.get(next.fetch_add(1, Ordering::Relaxed)) {
                let observed = lock(&known).get(&state.digest).cloned();
                let observed = match observed {
                    Some(observed) => observed,
                    None => Arc::new(look_at(&mut drive, site, &state.image())?),
                };
                if times.get(&state.digest).is_some_and(|times| *times > 1) {
                    lock(&known).insert(state.digest, Arc::clone(&observed));
                }
                let sight = match &*observed {
                    Ok(observed) => Ok(judge(recorded, state, observed)),
                    Err(why) => Err(why.clone()),
                };
                lock(&sights).push((state.number, sight));
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.workers).map(|number| scope.spawn(move || work(number))).collect();
            let mut all = Ok(());
            for worker in workers {
                all = all.and(worker.join().unwrap_or_else(|_| {
                    Err(Error::Untrusted("a thread of the laboratory has panicked".to_owned()))
                }));
            }
            all
        })?;
        // In the order of their numbers, whoever looked at them.
        let mut sights = into_inner(sights);
        sights.sort_by_key(|(number, _)| *number);
        Ok(sights.into_iter().map(|(_, sight)| sight).collect())
    }
}

fn judge(recorded: &Recording, state: &State, observed: &Observed) -> Seen {
    let has_ended = recorded.ended <= state.at;
    let acknowledged = recorded.acknowledged.iter().filter(|it| it.at <= state.at);
    let breaches = recorded.oracle.judge(observed, has_ended, &Promise::ALL).into_iter();
    let breaches = breaches.map(|Breach { promise, path, what }| Flawed {
        flaw: Flaw::Broken(promise),
        path,
        what,
    });
    let (stores, missing) = Stores::judge(recorded.oracle.versions(), acknowledged, observed);
    let missing = missing.into_iter();
    let missing =
        missing.map(|it| Flawed { flaw: Flaw::Lost(it.property), path: it.path, what: it.what });
    Seen { flaws: breaches.chain(missing).collect(), stores }
}

/// Looks for a state at the same crash point with the same flaw in which fewer changes are lacking.
fn reduce_example(
    drive: &mut Drive,
    recorded: &Recording,
    (states, places): (&States, &Places<'_>),
    flaw: Flaw,
    example: &mut Example,
) -> Result<()> {
    let number = usize::try_from(example.state).unwrap_or(usize::MAX);
    let Some(state) = states.chosen.get(number) else { return Ok(()) };
    let site = Site::of(recorded);
    // What was found in each image that was mounted.
    let mut known: HashMap<u128, Option<Flawed>> = HashMap::new();
    let Reduced { left, is_minimal } = reduce(state.lacking(), |lacking| -> Result<_> {
        let smaller = state.lacking_only(lacking);
        if let Some(found) = known.get(&smaller.digest) {
            return Ok(Some(found.is_some()));
        }
        if known.len() == REDUCTION_STATES_MAX {
            return Ok(None);
        }
        let flaws = match look_at(drive, site, &smaller.image())? {
            Ok(observed) => judge(recorded, &smaller, &observed).flaws,
            Err(_) => Vec::new(),
        };
        let found = flaws.into_iter().find(|flawed| flawed.flaw == flaw);
        let is_flawed = found.is_some();
        known.insert(smaller.digest, found);
        Ok(Some(is_flawed))
    })?;
    example.reduction = if is_minimal { Reduction::Minimal } else { Reduction::Bounded };
    let least = state.lacking_only(&left);
    if let Some(flawed) = known.remove(&least.digest).flatten() {
        *example = Example::of(recorded, places, &least, flawed, example.reduction);
    }
    Ok(())
}

/// Mounts a state, which replays its journal, and looks at what is there; or says why it cannot be
/// mounted.
pub(super) fn look_at(
    drive: &mut Drive,
    Site { system, mount_options, len_max }: Site<'_>,
    image: &Image,
) -> Result<Look> {
    drive.insert(image.clone())?;
    let mounted = drive.repair(system).and_then(|()| drive.mount(system, mount_options));
    if let Err(error) = mounted {
        if !error.is_damage() {
            return Err(error);
        }
        let cause = std::error::Error::source(&error);
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        return Ok(Err(format!("{error}{cause}")));
    }
    let observed = Observed::within(&drive.directory, len_max);
    drive.unmount()?;
    Ok(Ok(observed))
}
