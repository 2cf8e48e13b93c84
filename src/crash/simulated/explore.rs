//! An experiment: a command runs on a simulated disk, and the states that a crash could have left
//! are judged.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::crash::simulated::claims::Stores;
use crate::crash::simulated::disk::Shelf;
use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::image::Image;
use crate::crash::simulated::observe::Observed;
use crate::crash::simulated::oracle::{Breach, Oracle, Promise};
use crate::crash::simulated::recording::Recording;
use crate::crash::simulated::room::{Drive, Room};
use crate::crash::simulated::states::{Bound, Choice, State, choose};
use crate::crash::simulated::system::FileSystem;
use crate::crash::simulated::workload::Workload;
use crate::sync::{into_inner, lock};
use crate::sys::platform;

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

/// What was found out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Findings {
    /// States looked at, no two alike.
    pub states: u64,
    /// Those of them after the command had ended.
    pub ended: u64,
    /// Whether every subset of the pending changes was looked at, at each crash point.
    pub is_exhaustive: bool,
    /// The binary logarithm of the number of these subsets.
    pub legal_log2: f64,
    /// Changes of the disk's content that were recorded, and flushes.
    pub changes: usize,
    /// Flushes that were recorded.
    pub flushes: usize,
    /// How many states break which promise; also promises that were not made.
    pub breaches: HashMap<Promise, u64>,
    /// An example for each broken promise.
    pub examples: HashMap<Promise, Example>,
    /// What was there of the stores that the command told of, summed over all states.
    pub stores: Stores,
    /// How long the calls took that flushed these stores, on the simulated disk.
    pub flushes_took: Vec<Duration>,
    /// States that the file system cannot mount, which is its own affair: nothing else is judged
    /// there.
    pub unmountable: u64,
    /// Those of them in which no change is torn, which a file system has to survive.
    pub unmountable_whole: u64,
    /// Why one of them cannot be mounted.
    pub unmountable_because: Option<String>,
    /// How long the looking took.
    pub elapsed: Duration,
}

/// A state that breaks a promise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Example {
    /// Its number, for looking at it again.
    pub state: u64,
    /// What is wrong.
    pub breach: Breach,
    /// Which of the changes that were pending are lost, and of how many.
    pub lost: Vec<usize>,
    /// How many changes were pending.
    pub pending: usize,
    /// Whether the command had ended.
    pub has_ended: bool,
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

/// A state that cannot be mounted.
struct Unmountable {
    number: u64,
    is_torn: bool,
    why: String,
}

/// What was seen of a state.
struct Seen {
    number: u64,
    has_ended: bool,
    choice: Choice,
    breaches: Vec<Breach>,
    stores: Stores,
}

impl<'r> Laboratory<'r> {
    /// A laboratory in that room.
    #[must_use]
    pub fn new(room: &'r Room, workers: usize) -> Self {
        let memory = platform::available_memory().unwrap_or(MEMORY_UNTOLD);
        Self { room, workers: workers.max(1), record_max: memory / 4 }
    }

    /// Keeps at most so many bytes of what is written while commands run; else, a quarter of the
    /// memory that is available now. Who writes more is killed, and nothing is said of him.
    #[must_use]
    pub fn record_at_most(self, bytes: u64) -> Self {
        Self { record_max: bytes, ..self }
    }

    /// Looks at states that a crash could have left.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being looked at: no right to mount, say. That something is lost is
    /// no error.
    pub fn explore(&self, recorded: &Recording, bound: Bound) -> Result<Findings> {
        let started = Instant::now();
        let shelf = self.room.shelf(self.workers, recorded.record.disk_len())?;
        let states = choose(&recorded.record, recorded.is_honest, bound);
        let mut seen = self.look(&shelf, recorded, &states.chosen)?;
        let (changes, flushes) = recorded.record.counts();
        let mut findings = Findings {
            states: states.chosen.len() as u64,
            ended: 0,
            is_exhaustive: states.is_exhaustive,
            legal_log2: recorded.record.legal_log2(recorded.is_honest),
            changes,
            flushes,
            breaches: HashMap::new(),
            examples: HashMap::new(),
            stores: Stores::default(),
            flushes_took: recorded.acknowledged.iter().filter_map(|it| it.claim.flush).collect(),
            unmountable: 0,
            unmountable_whole: 0,
            unmountable_because: None,
            elapsed: Duration::ZERO,
        };
        // In the order of their numbers, whoever looked at them.
        seen.sort_by_key(|seen| match seen {
            Ok(seen) => seen.number,
            Err(unmountable) => unmountable.number,
        });
        for seen in seen {
            match seen {
                Ok(seen) => findings.add(seen),
                Err(Unmountable { is_torn, why, .. }) => {
                    findings.unmountable += 1;
                    findings.unmountable_whole += u64::from(!is_torn);
                    findings.unmountable_because.get_or_insert(why);
                }
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
        Ok((drive, Observed::of(&root)))
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
        let after = Observed::of(&root);
        // What the system writes some time later, it may write now.
        File::open(&root)
            .and_then(|root| platform::sync_file_system(&root))
            .map_err(|error| Error::System("flush the file system", error))?;
        let record = drive.disk.recorded()?;
        drive.unmount()?;
        let (source, target) = &workload.copies;
        let oracle = Oracle::new(before, after, (source, target));
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
    fn look(
        &self,
        shelf: &Shelf,
        recorded: &Recording,
        states: &[State],
    ) -> Result<Vec<Result<Seen, Unmountable>>> {
        let on = (recorded.system, recorded.mount_options.as_str());
        let next = AtomicUsize::new(0);
        // An image that comes after several marks need not be mounted again.
        let mut times = HashMap::<u128, usize>::new();
        states.iter().for_each(|state| *times.entry(state.digest).or_default() += 1);
        let known: Mutex<HashMap<u128, Arc<Look>>> = Mutex::default();
        let seen = Mutex::new(Vec::with_capacity(states.len()));
        let work = |number: usize| -> Result<()> {
            let mut drive = Drive::attach(self.room, shelf, number)?;
            while let Some(state) = states.get(next.fetch_add(1, Ordering::Relaxed)) {
                let observed = lock(&known).get(&state.digest).cloned();
                let observed = match observed {
                    Some(observed) => observed,
                    None => Arc::new(look_at(&mut drive, on, &state.image())?),
                };
                if times.get(&state.digest).is_some_and(|times| *times > 1) {
                    lock(&known).insert(state.digest, Arc::clone(&observed));
                }
                lock(&seen).push(match &*observed {
                    Ok(observed) => Ok(judge(recorded, state, observed)),
                    Err(why) => Err(Unmountable {
                        number: state.number,
                        is_torn: state.is_torn(),
                        why: why.clone(),
                    }),
                });
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
        Ok(into_inner(seen))
    }
}

impl Findings {
    /// States that could be mounted, and so judged.
    #[must_use]
    pub const fn judged(&self) -> u64 {
        self.states - self.unmountable
    }

    fn add(&mut self, seen: Seen) {
        let Seen { number, has_ended, choice, breaches, stores } = seen;
        self.stores.join(stores);
        if has_ended {
            self.ended += 1;
        }
        let mut counted = Vec::new();
        for breach in breaches {
            let promise = breach.promise;
            if !counted.contains(&promise) {
                *self.breaches.entry(promise).or_default() += 1;
                counted.push(promise);
            }
            let (arrived, pending) = choice.counts();
            let lost = choice.lost();
            let example = Example { state: number, breach, lost, pending, has_ended };
            // Where the least is lost, it is clearest why.
            let is_clearer =
                |old: &Example| (pending - arrived, number) < (old.lost.len(), old.state);
            if self.examples.get(&promise).is_none_or(is_clearer) {
                self.examples.insert(promise, example);
            }
        }
    }
}

fn judge(recorded: &Recording, state: &State, observed: &Observed) -> Seen {
    let has_ended = recorded.ended <= state.at;
    let acknowledged = recorded.acknowledged.iter().filter(|it| it.at <= state.at);
    Seen {
        number: state.number,
        has_ended,
        choice: state.choice.clone(),
        breaches: recorded.oracle.judge(observed, has_ended, &Promise::ALL),
        stores: Stores::judge(recorded.oracle.versions(), acknowledged, observed),
    }
}

/// Mounts a state, which replays its journal, and looks at what is there; or says why it cannot be
/// mounted.
pub(super) fn look_at(
    drive: &mut Drive,
    (system, mount_options): (FileSystem, &str),
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
    let observed = Observed::of(&drive.directory);
    drive.unmount()?;
    Ok(Ok(observed))
}
