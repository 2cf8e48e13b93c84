//! Which crash states are looked at, and in which order.
//!
//! At each crash point, of what was pending: nothing, all, each prefix, all but one, one alone, one
//! torn at a sector, and random subsets; all subsets where there are few. The kinds that find most
//! come first at every point, so that a bound on their number cuts the others.

use std::collections::HashSet;
use std::sync::Arc;

use crate::crash::simulated::image::Image;
use crate::crash::simulated::random::Random;
use crate::crash::simulated::record::{Crash, Moment, Record, SECTOR};
use crate::units::ByteRange;

/// So many pending changes have all their subsets looked at.
const EXHAUSTIVE_MAX: usize = 8;

/// Which of the states are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Chooses among them, where there are too many.
    pub seed: u64,
    /// The most.
    pub states: usize,
}

/// What a disk may hold after a crash.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Its place among the states of its record.
    pub(crate) number: u64,
    pub(crate) at: Moment,
    pub(crate) choice: Choice,
    /// [`Image::digest`] of what the disk holds.
    pub(crate) digest: u128,
    crash: Arc<Crash>,
}

impl State {
    /// Whether a change arrived in part.
    pub(crate) fn is_torn(&self) -> bool {
        let parts = self.choice.0.iter().zip(&self.crash.pending);
        parts.into_iter().any(|(part, change)| !part.is_empty() && *part != change.range())
    }

    /// What the disk holds.
    pub(crate) fn image(&self) -> Image {
        self.choice.image(&self.crash)
    }
}

/// Which of the pending changes arrived: for each one the part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice(Vec<ByteRange>);

impl Choice {
    fn of(crash: &Crash, arrived: impl Fn(usize) -> bool) -> Self {
        let part = |(number, range): (usize, ByteRange)| {
            if arrived(number) { range } else { ByteRange::between(range.start(), range.start()) }
        };
        Self(crash.pending.iter().map(|change| change.range()).enumerate().map(part).collect())
    }

    /// The same with one change that arrived in part.
    fn torn(mut self, number: usize, part: ByteRange) -> Self {
        if let Some(range) = self.0.get_mut(number) {
            *range = part;
        }
        self
    }

    fn image(&self, crash: &Crash) -> Image {
        let mut image = crash.durable.clone();
        for (change, part) in crash.pending.iter().zip(&self.0) {
            change.apply_part(&mut image, *part);
        }
        image
    }

    /// How many changes arrived, in part at least, of how many.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.0.iter().filter(|part| !part.is_empty()).count(), self.0.len())
    }

    /// The numbers of the changes that were lost.
    pub(crate) fn lost(&self) -> Vec<usize> {
        let lost = |(number, part): (usize, &ByteRange)| part.is_empty().then_some(number);
        self.0.iter().enumerate().filter_map(lost).collect()
    }
}

/// The states of a record.
#[derive(Debug)]
pub(crate) struct States {
    /// Different images, or the same after different marks.
    pub(crate) chosen: Vec<State>,
    /// Whether every subset of the pending changes is among them.
    pub(crate) is_exhaustive: bool,
}

/// Chooses different states, within the bound. Equal arguments choose equally.
pub(crate) fn choose(record: &Record, honest: bool, bound: Bound) -> States {
    let Bound { seed, states: max } = bound;
    let points = record.crash_points();
    let crashes: Vec<_> =
        points.into_iter().map(|at| (at, Arc::new(record.crash(at, honest)))).collect();
    let mut states = States { chosen: Vec::new(), is_exhaustive: true };
    let mut seen = HashSet::new();
    let is_small = crashes.iter().all(|(_, crash)| crash.pending.len() <= EXHAUSTIVE_MAX);
    for round in 0.. {
        let choices = |number: usize, crash: &Crash| {
            let random = Random::new(seed ^ (number as u64) << 32 ^ round);
            choices(crash, round, random).into_iter()
        };
        let crashes = crashes.iter().enumerate();
        let mut of_points: Vec<_> =
            crashes.map(|(number, (at, crash))| (at, crash, choices(number, crash))).collect();
        let mut any = false;
        // One of each point in turn, so that a bound takes from all of them.
        loop {
            let mut is_over = true;
            for (at, crash, choices) in &mut of_points {
                let Some(choice) = choices.next() else { continue };
                (any, is_over) = (true, false);
                let digest = choice.image(crash).digest();
                // A point is known by the marks before it; between two marks equal images are one
                // state.
                if !seen.insert((record.marks_before(**at), digest)) {
                    continue;
                }
                if states.chosen.len() == max {
                    states.is_exhaustive = is_small && round > 1;
                    return states;
                }
                let number = states.chosen.len() as u64;
                let crash = Arc::clone(crash);
                states.chosen.push(State { number, at: **at, choice, digest, crash });
            }
            if is_over {
                break;
            }
        }
        if !any {
            break;
        }
    }
    states.is_exhaustive = is_small;
    states
}

/// The rounds of random subsets, after which nothing new is expected.
const RANDOM_ROUNDS: u64 = 200;

/// What a round looks at, of one point.
fn choices(crash: &Crash, round: u64, mut random: Random) -> Vec<Choice> {
    let count = crash.pending.len();
    let keep = |arrived: &dyn Fn(usize) -> bool| Choice::of(crash, arrived);
    match round {
        0 => vec![keep(&|_| false), keep(&|_| true)],
        1 if count <= EXHAUSTIVE_MAX => {
            (0..1_usize << count).map(|set| keep(&|number| set >> number & 1 == 1)).collect()
        }
        1 => (1..count).map(|end| keep(&|number| number < end)).collect(),
        2 => (0..count).map(|lost| keep(&|number| number != lost)).collect(),
        3 => (0..count).map(|only| keep(&|number| number == only)).collect(),
        4 => (0..count).flat_map(|last| torn(crash, last)).collect(),
        _ if count == 0 || round > RANDOM_ROUNDS => Vec::new(),
        _ => vec![at_random(crash, &mut random)],
    }
}

/// Any of the changes, every fourth of them in part.
fn at_random(crash: &Crash, random: &mut Random) -> Choice {
    let share = random.below(7) + 1;
    let mut part = |range: ByteRange| {
        let (is_lost, is_torn) = (random.below(8) >= share, random.below(4) == 0);
        let sectors = range.len().div_ceil(SECTOR);
        let (from, to) = (random.below(sectors), random.below(sectors) + 1);
        match (is_lost, is_torn) {
            (true, _) => ByteRange::between(range.start(), range.start()),
            (false, false) => range,
            (false, true) => {
                let start = range.start() + from.min(to) * SECTOR;
                range.intersection(ByteRange::between(start, range.start() + to * SECTOR))
            }
        }
    };
    Choice(crash.pending.iter().map(|change| part(change.range())).collect())
}

/// A prefix whose last change arrived with its first sectors only, or its last ones only.
fn torn(crash: &Crash, last: usize) -> Vec<Choice> {
    let range = crash.pending[last].range();
    let sectors = range.len() / SECTOR;
    if sectors < 2 {
        return Vec::new();
    }
    let prefix = Choice::of(crash, |number| number <= last);
    let (head, tail) = range.split_at(sectors / 2 * SECTOR);
    vec![prefix.clone().torn(last, head), prefix.torn(last, tail)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::simulated::record::Change;

    fn record(changes: u64) -> Record {
        let mut record = Record::new(Image::zeros(1 << 20));
        for number in 0..changes {
            let issued = record.issue();
            let data = vec![number.to_le_bytes()[0] + 1; 2048].into();
            record.change(Change::Write { offset: number * 4096, data }, issued);
        }
        record.mark();
        record
    }

    fn chosen(record: &Record, seed: u64, states: usize) -> Vec<(u128, Choice)> {
        let states = choose(record, true, Bound { seed, states });
        states.chosen.into_iter().map(|state| (state.digest, state.choice)).collect()
    }

    #[test]
    fn no_two_states_are_alike_and_what_is_few_is_there_whole() {
        let record = record(5);
        let states = choose(&record, true, Bound { seed: 1, states: 10_000 });
        assert!(states.is_exhaustive);
        let whole = |state: &&State| {
            let range = |change: &Change| change.range();
            let full = state.choice.0.iter().zip(&state.crash.pending);
            full.into_iter().all(|(part, change)| part.is_empty() || *part == range(change))
        };
        assert_eq!(states.chosen.iter().filter(whole).count(), 32);
        let digests: HashSet<_> = states.chosen.iter().map(|state| state.digest).collect();
        // The end is after the mark, and has nothing new.
        assert_eq!(digests.len(), states.chosen.len());
        assert!(states.chosen.iter().enumerate().all(|(at, state)| state.number == at as u64));
    }

    #[test]
    fn a_seed_chooses_the_same_again_and_another_one_others() {
        let record = record(30);
        assert_eq!(chosen(&record, 1, 300), chosen(&record, 1, 300));
        assert_ne!(chosen(&record, 1, 300), chosen(&record, 2, 300));
        // A larger bound only adds states.
        assert_eq!(chosen(&record, 1, 300)[..100], chosen(&record, 1, 100));
        assert!(!choose(&record, true, Bound { seed: 1, states: 300 }).is_exhaustive);
    }
}
