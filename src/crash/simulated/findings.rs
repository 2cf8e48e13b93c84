//! What was found out in an experiment.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::crash::simulated::claims::Stores;
use crate::crash::simulated::losses::{Loss, Places};
use crate::crash::simulated::promise::Promise;
use crate::crash::simulated::recording::Recording;
use crate::crash::simulated::states::{State, States};
use crate::crash::simulated::stores::Property;

/// What was found out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Findings {
    /// States looked at, no two alike.
    pub states: u64,
    /// Those of them that were drawn at random, and judged: a sample of all that may be drawn so.
    pub drawn: u64,
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
    /// The promises that some state could have broken.
    pub tried: Vec<Promise>,
    /// How many states break which promise; also promises that were not made.
    pub breaches: HashMap<Promise, u64>,
    /// An example of each flaw: of those that lack the fewest changes the first.
    pub examples: HashMap<Flaw, Example>,
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

/// What may be wrong with a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flaw {
    /// A promise is broken.
    Broken(Promise),
    /// Of a store that was acknowledged, this is not there.
    Lost(Property),
}

/// A state with a flaw.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Example {
    /// Its number, for looking at it again. Where it was reduced, it is that state with fewer
    /// changes lacking.
    pub state: u64,
    /// The object, relative to the root of the file system.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// Which of the changes that were pending are lacking.
    pub losses: Vec<Loss>,
    /// How many changes were pending.
    pub pending: usize,
    /// Whether the command had ended.
    pub has_ended: bool,
    /// Whether fewer changes lacking would do.
    pub reduction: Reduction,
}

/// How far an example was reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Not at all.
    None,
    /// To the least: when any one of the changes that are lacking arrives, the flaw is gone.
    Minimal,
    /// As far as the number of attempts went.
    Bounded,
}

/// A flaw of an object.
#[derive(Clone, Debug)]
pub(super) struct Flawed {
    pub(super) flaw: Flaw,
    pub(super) path: PathBuf,
    pub(super) what: String,
}

/// What was seen of a state that could be mounted.
pub(super) struct Seen {
    pub(super) flaws: Vec<Flawed>,
    pub(super) stores: Stores,
}

/// What was seen of a state, or why it cannot be mounted.
pub(super) type Sight = Result<Seen, String>;

impl Findings {
    /// From what was seen of each state, in their order.
    pub(super) fn of(recorded: &Recording, states: &States, sights: Vec<Sight>) -> Self {
        let (changes, flushes) = recorded.record.counts();
        let mut findings = Self {
            states: states.chosen.len() as u64,
            drawn: 0,
            ended: 0,
            is_exhaustive: states.is_exhaustive,
            legal_log2: recorded.record.legal_log2(recorded.is_honest),
            changes,
            flushes,
            tried: Vec::new(),
            breaches: HashMap::new(),
            examples: HashMap::new(),
            stores: Stores::default(),
            flushes_took: recorded.acknowledged.iter().filter_map(|it| it.claim.flush).collect(),
            unmountable: 0,
            unmountable_whole: 0,
            unmountable_because: None,
            elapsed: Duration::ZERO,
        };
        // The state and what is wrong with it, and how many changes are lacking there.
        let mut examples: HashMap<Flaw, (usize, &State, Flawed)> = HashMap::new();
        for (state, sight) in states.chosen.iter().zip(sights) {
            let lacking = state.lacking().len();
            for flawed in findings.add(recorded, state, sight) {
                // Where the least is lost, it is clearest why.
                if examples.get(&flawed.flaw).is_none_or(|(least, ..)| lacking < *least) {
                    examples.insert(flawed.flaw, (lacking, state, flawed));
                }
            }
        }
        let has_ended = findings.ended > 0;
        let is_tried = |promise: &Promise| {
            recorded.oracle.is_tried(*promise) && (*promise != Promise::Done || has_ended)
        };
        findings.tried = Promise::ALL.into_iter().filter(is_tried).collect();
        if !examples.is_empty() {
            let places = Places::of(&recorded.oracle);
            let examples = examples.into_values().map(|(_, state, flawed)| {
                let flaw = flawed.flaw;
                (flaw, Example::of(recorded, &places, state, flawed, Reduction::None))
            });
            findings.examples = examples.collect();
        }
        findings
    }

    /// States that could be mounted, and so judged.
    #[must_use]
    pub const fn judged(&self) -> u64 {
        self.states - self.unmountable
    }

    /// Counts what was seen of a state, and returns its flaws.
    fn add(&mut self, recorded: &Recording, state: &State, sight: Sight) -> Vec<Flawed> {
        let Seen { flaws, stores } = match sight {
            Ok(seen) => seen,
            Err(why) => {
                self.unmountable += 1;
                self.unmountable_whole += u64::from(!state.is_torn());
                self.unmountable_because.get_or_insert(why);
                return Vec::new();
            }
        };
        self.stores.join(stores);
        self.drawn += u64::from(state.is_drawn);
        self.ended += u64::from(recorded.ended <= state.at);
        let mut broken: Vec<_> = flaws.iter().filter_map(|flawed| flawed.flaw.promise()).collect();
        broken.sort_unstable();
        broken.dedup();
        for promise in broken {
            *self.breaches.entry(promise).or_default() += 1;
        }
        flaws
    }
}

impl Flaw {
    const fn promise(self) -> Option<Promise> {
        match self {
            Self::Broken(promise) => Some(promise),
            Self::Lost(_) => None,
        }
    }
}

impl Example {
    pub(super) fn of(
        recorded: &Recording,
        places: &Places<'_>,
        state: &State,
        Flawed { path, what, .. }: Flawed,
        reduction: Reduction,
    ) -> Self {
        Self {
            state: state.number,
            path,
            what,
            losses: places.losses(state),
            pending: state.crash.pending.len(),
            has_ended: recorded.ended <= state.at,
            reduction,
        }
    }
}
