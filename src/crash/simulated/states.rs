//! Which crash states are looked at, and in which order.
//!
//! At each crash point, of what was pending: nothing, all, each prefix, all but one, one alone, one
//! torn at a sector, and random subsets; all subsets where there are few. The kinds that find most
//! come first at every point, so that a bound on their number cuts the others.

use std::collections::HashSet;
use std::sync::Arc;

use crate::crash::simulated::image::Image;
use crate::crash::simulated::random::Random;
use crate::crash::simulated::record::{Change, Crash, Moment, Record, SECTOR};
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
    /// Whether it was drawn at random: only such states are a sample of all.
    pub(crate) is_drawn: bool,
    pub(crate) crash: Arc<Crash>,
}

impl State {
    /// Whether a change arrived in part.
    pub(crate) fn is_torn(&self) -> bool {
        let mut parts = self.choice.0.iter().zip(&self.crash.pending);
        parts.any(|(part, change)| !part.is_empty() && *part != change.range())
    }

    /// The changes that did not arrive, or not whole: the number of each.
    pub(crate) fn lacking(&self) -> Vec<usize> {
        let parts = self.choice.0.iter().zip(&self.crash.pending).enumerate();
        let lacking = parts.filter(|(_, (part, change))| **part != change.range());
        lacking.map(|(number, _)| number).collect()
    }

    /// The same state, in which only those of the changes are lacking.
    pub(crate) fn lacking_only(&self, lacking: &[usize]) -> Self {
        let parts = self.choice.0.iter().zip(&self.crash.pending).enumerate();
        let part = |(number, (part, change)): (usize, (&ByteRange, &Change))| {
            if lacking.contains(&number) { *part } else { change.range() }
        };
        let choice = Choice(parts.map(part).collect());
        let digest = choice.image(&self.crash).digest();
        Self { choice, digest, crash: Arc::clone(&self.crash), ..*self }
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

    /// The part of a change that arrived.
    pub(crate) fn part(&self, number: usize) -> Option<ByteRange> {
        self.0.get(number).copied()
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
    // Changes that were made in vain since the last new state.
    let mut wasted = 0_usize;
    let crashes = record.crashes(honest).into_iter();
    let crashes = crashes.map(|(at, crash)| (at, record.marks_before(at), Arc::new(crash)));
    let crashes: Vec<_> = crashes.collect();
    let mut states = States { chosen: Vec::new(), is_exhaustive: true };
    let mut seen = HashSet::new();
    let is_small = crashes.iter().all(|(_, _, crash)| crash.pending.len() <= EXHAUSTIVE_MAX);
    for round in 0.. {
        let mut of_points = Vec::new();
        for (number, point) in crashes.iter().enumerate() {
            let random = Random::new(seed ^ (number as u64) << 32 ^ round);
            of_points.push((point, choices(&point.2, round, random)));
        }
        let mut any = false;
        // One of each point in turn, so that a bound takes from all of them.
        loop {
            let mut is_over = true;
            for ((at, marks, crash), choices) in &mut of_points {
                let Some(choice) = choices.next() else { continue };
                (any, is_over) = (true, false);
                let digest = choice.image(crash).digest();
                // A point is known by the marks before it; between two marks equal images are one
                // state.
                let is_new = seen.insert((*marks, digest));
                if wasted >= WASTED_MAX || is_new && states.chosen.len() == max {
                    states.is_exhaustive = is_small && round > 1;
                    return states;
                }
                if !is_new {
                    wasted = wasted.saturating_add(crash.pending.len());
                    continue;
                }
                wasted = 0;
                let number = states.chosen.len() as u64;
                let crash = Arc::clone(crash);
                let is_drawn = round >= RANDOM_FROM;
                states.chosen.push(State { number, at: *at, choice, digest, is_drawn, crash });
            }
            if is_over {
                break;
            }
        }
        // Nothing may be long enough to be torn.
        if !any && round >= RANDOM_FROM {
            break;
        }
    }
    states.is_exhaustive = is_small;
    states
}

/// When so many changes were made in vain, what is pending is alike, and there is nothing new.
const WASTED_MAX: usize = 1 << 21;

/// The first round of random subsets.
const RANDOM_FROM: u64 = 5;

/// The rounds after which nothing new is expected.
const ROUNDS_MAX: u64 = 200;

/// What a round looks at, of one point; each made when it is asked for.
fn choices(crash: &Crash, round: u64, mut random: Random) -> Box<dyn Iterator<Item = Choice> + '_> {
    let count = crash.pending.len();
    let keep = move |arrived: &dyn Fn(usize) -> bool| Choice::of(crash, arrived);
    match round {
        0 => Box::new([keep(&|_| false), keep(&|_| true)].into_iter()),
        1 if count <= EXHAUSTIVE_MAX => {
            let sets = 0..1_usize << count;
            Box::new(sets.map(move |set| keep(&|number| set >> number & 1 == 1)))
        }
        1 => Box::new((1..count).map(move |end| keep(&|number| number < end))),
        2 => Box::new((0..count).map(move |lost| keep(&|number| number != lost))),
        3 => Box::new((0..count).map(move |only| keep(&|number| number == only))),
        4 => Box::new((0..count).flat_map(|last| torn(crash, last))),
        _ if count == 0 || round > ROUNDS_MAX => Box::new(std::iter::empty()),
        _ => Box::new(std::iter::once(at_random(crash, &mut random))),
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

    /// As a damaged recording may have it: no two of them differ.
    #[test]
    fn changes_that_change_nothing_come_to_an_end() {
        let mut record = Record::new(Image::zeros(1 << 20));
        for _ in 0..2000 {
            let issued = record.issue();
            record.change(Change::Zero(ByteRange::first(512)), issued);
        }
        let states = choose(&record, true, Bound { seed: 1, states: 20 });
        assert_eq!((states.chosen.len(), states.is_exhaustive), (1, false));
    }

    #[test]
    fn only_what_no_plan_has_is_drawn() {
        let record = record(12);
        let states = choose(&record, true, Bound { seed: 1, states: 300 }).chosen;
        let planned = states.iter().take_while(|state| !state.is_drawn).count();
        // None and all, prefixes, all but one and one alone (of which two are prefixes, too), and
        // heads and tails.
        assert_eq!(planned, 2 + 11 + 11 + 11 + 24);
        assert!(states[planned..].iter().all(|state| state.is_drawn) && states.len() > planned);
    }

    #[test]
    fn a_state_with_fewer_changes_lacking_has_the_others_whole() {
        let record = record(6);
        let states = choose(&record, true, Bound { seed: 1, states: 500 }).chosen;
        let torn = states.iter().find(|it| it.is_torn() && it.lacking().len() > 2).unwrap();
        let all = torn.lacking();
        assert_eq!(torn.lacking_only(&all).digest, torn.digest);
        let whole = torn.lacking_only(&[]);
        assert_eq!((whole.lacking(), whole.is_torn()), (vec![], false));
        for number in &all {
            let fewer = torn.lacking_only(&[*number]);
            assert_eq!(fewer.lacking(), [*number]);
            assert_eq!(fewer.choice.part(*number), torn.choice.part(*number));
            assert_eq!(fewer.digest, fewer.image().digest());
        }
    }
}
