//! The writer: stores in all modes by turns, and tells the witness before and after each store.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;
use std::time::{Duration, Instant};

use super::client::Connection;
use super::error::Result;
use super::event::{Event, Layout, RunId, Store};
use super::mode::Mode;
use super::store::{Skipped, Storage, pages_of};

/// What a writer is to do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How to store, by turns; each once.
    pub(crate) modes: Vec<Mode>,
    /// The size of all pages.
    pub(crate) size_mib: u64,
    /// What the order of pages follows from.
    pub(crate) seed: u64,
    /// When to stop; without it, when told to.
    pub(crate) limit: Option<Duration>,
}

/// Whoever looks at a writer at work.
pub(crate) trait Watch {
    /// Whether it is to stop.
    fn is_stopped(&self) -> bool;
    /// A mode is left out.
    fn skipped(&self, skipped: &Skipped);
    /// The files are there, and the witness knows of the run: from now on the power can be cut.
    fn began(&self, layout: &Layout);
    /// So many stores were acknowledged, and noted by the witness.
    fn noted(&self, acknowledged: u64);
}

/// The pages to come: the modes by turns, the page of each by chance.
struct Turns {
    layout: Layout,
    chance: blake3::OutputReader,
    turn: usize,
    generations: HashMap<(Mode, u64), u64>,
}

impl Turns {
    fn new(layout: Layout, seed: u64) -> Self {
        let chance = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
        Self { layout, chance, turn: 0, generations: HashMap::new() }
    }
}

impl Iterator for Turns {
    type Item = Store;

    fn next(&mut self) -> Option<Store> {
        let mode = *self.layout.modes.get(self.turn)?;
        self.turn = (self.turn + 1) % self.layout.modes.len();
        let mut number = [0; 8];
        self.chance.fill(&mut number);
        let page = u64::from_le_bytes(number) % self.layout.pages;
        let generation = self.generations.entry((mode, page)).or_default();
        *generation += 1;
        Some(Store { mode, page, generation: *generation })
    }
}

/// A number that no other run has.
pub(crate) fn unused_number() -> u64 {
    // Each such state has keys that the system drew.
    RandomState::new().hash_one(std::process::id())
}

/// Stores until the limit, or until it is told to stop, and returns the number of acknowledged
/// stores.
///
/// Each store is told before and after it. What comes after one is told together with what comes
/// before the next, so that the witness is waited for once.
pub(crate) fn write(
    directory: &Path,
    witness: &str,
    plan: &Plan,
    watch: &dyn Watch,
) -> Result<u64> {
    let pages = pages_of(plan.size_mib, plan.modes.len())?;
    let layout = Layout { run: RunId(unused_number()), pages, modes: plan.modes.clone() };
    // First of all, so that a wrong address leaves no files behind.
    let mut connection = Connection::new(witness)?;
    let (storage, skipped) = Storage::make(directory, layout)?;
    skipped.iter().for_each(|skipped| watch.skipped(skipped));
    connection.tell(&[Event::Begin(storage.layout().clone())])?;
    watch.began(storage.layout());
    let begin = Instant::now();
    let mut acknowledged = 0;
    let mut told: Option<Event> = None;
    for store in Turns::new(storage.layout().clone(), plan.seed) {
        if watch.is_stopped() || plan.limit.is_some_and(|limit| begin.elapsed() >= limit) {
            break;
        }
        acknowledged += u64::from(told.is_some());
        let events: Vec<_> = told.take().into_iter().chain([Event::Announced(store)]).collect();
        connection.tell(&events)?;
        watch.noted(acknowledged);
        let start = Instant::now();
        storage.store(store)?;
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        told = Some(Event::Acknowledged { store, micros });
    }
    acknowledged += u64::from(told.is_some());
    let events: Vec<_> = told.into_iter().chain([Event::End]).collect();
    connection.tell(&events)?;
    watch.noted(acknowledged);
    Ok(acknowledged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::flush::SyncMode;

    #[test]
    fn modes_take_turns_and_the_same_seed_takes_the_same_pages() {
        let layout = Layout {
            run: RunId(1),
            pages: 3,
            modes: vec![Mode::InPlace(SyncMode::None), Mode::InPlace(SyncMode::Fsync)],
        };
        let of = |seed| Turns::new(layout.clone(), seed).take(40).collect::<Vec<_>>();
        let stores = of(1);
        assert_eq!(stores, of(1));
        assert_ne!(stores, of(2));
        let mut last = HashMap::new();
        for (turn, store) in stores.iter().enumerate() {
            assert_eq!(store.mode, layout.modes[turn % 2]);
            let before = last.insert((store.mode, store.page), store.generation);
            assert_eq!(store.generation, before.unwrap_or(0) + 1);
        }
        assert_eq!(last.len(), 6);
    }
}
