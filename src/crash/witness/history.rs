//! What one run claimed, page by page.

use std::collections::BTreeMap;

use super::event::{Event, Layout, Store};
use super::mode::Mode;

/// What one run claimed.
#[derive(Debug)]
pub(crate) struct History {
    layout: Layout,
    pages: BTreeMap<(Mode, u64), PageClaims>,
    begin_micros: u64,
    /// The latest time of all.
    last_micros: u64,
    has_ended: bool,
}

/// What was claimed for one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageClaims {
    /// The last generation that a store was announced of.
    pub(crate) announced: u64,
    /// What was acknowledged, the oldest first, and not taken back since.
    pub(crate) acknowledged: Vec<Acknowledgement>,
}

/// One acknowledged store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    /// Its generation.
    pub(crate) generation: u64,
    /// When the witness heard of it.
    pub(crate) at_micros: u64,
    /// How long it took.
    pub(crate) took_micros: u64,
}

impl PageClaims {
    /// The newest generation that is claimed.
    pub(crate) fn claimed(&self) -> Option<u64> {
        self.acknowledged.last().map(|last| last.generation)
    }

    /// Whether a store was announced and not acknowledged.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.claimed() != Some(self.announced)
    }
}

impl History {
    /// One that has just begun.
    pub(crate) fn new(layout: Layout, micros: u64) -> Self {
        Self {
            layout,
            pages: BTreeMap::new(),
            begin_micros: micros,
            last_micros: micros,
            has_ended: false,
        }
    }

    /// Adds what was told next, or says why no writer tells that.
    pub(crate) fn note(&mut self, micros: u64, event: &Event) -> Result<(), String> {
        // A clock may be set back.
        self.last_micros = self.last_micros.max(micros);
        match *event {
            Event::Begin(_) => return Err("the run begins twice".to_owned()),
            Event::End => self.has_ended = true,
            Event::Announced(store) => {
                let page = self.page(store)?;
                if store.generation <= page.announced {
                    return Err("an older generation was announced before".to_owned());
                }
                page.announced = store.generation;
                if store.mode.removes_the_previous() {
                    page.acknowledged.clear();
                }
            }
            Event::Acknowledged { store, micros: took_micros } => {
                let page = self.page(store)?;
                if store.generation != page.announced || !page.is_in_flight() {
                    return Err("what is acknowledged is not what was announced".to_owned());
                }
                let generation = store.generation;
                page.acknowledged.push(Acknowledgement {
                    generation,
                    at_micros: micros,
                    took_micros,
                });
            }
        }
        Ok(())
    }

    fn page(&mut self, store: Store) -> Result<&mut PageClaims, String> {
        let Store { mode, page, .. } = store;
        if !self.layout.modes.contains(&mode) || page >= self.layout.pages {
            return Err(format!("the run has no page {page} of mode {mode}"));
        }
        Ok(self.pages.entry((mode, page)).or_default())
    }

    /// What the run was to store.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What was claimed for each page that was announced, with its mode and number.
    pub(crate) fn pages(&self) -> impl Iterator<Item = (Mode, u64, &PageClaims)> {
        self.pages.iter().map(|((mode, page), claimed)| (*mode, *page, claimed))
    }

    /// The number of stores that were acknowledged, and not taken back.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.pages.values().map(|page| page.acknowledged.len() as u64).sum()
    }

    /// Whether the writer stopped by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// From the first thing that was told to the last.
    pub(crate) fn micros(&self) -> u64 {
        self.last_micros.saturating_sub(self.begin_micros)
    }

    /// How long before the end of the record that was.
    pub(crate) fn age_micros(&self, acknowledged: &Acknowledgement) -> u64 {
        self.last_micros.saturating_sub(acknowledged.at_micros)
    }
}
