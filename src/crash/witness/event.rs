//! What a writer tells its witness: one line of text each, on the wire and in the record.
//!
//! ```text
//! begin 0123456789abcdef 4096 none,msync   run, pages of each mode, modes
//! pre msync 17 3                           about to store generation 3 of page 17
//! ack msync 17 3 412                       it is stored, and synced in 412 microseconds
//! end                                        the writer stops by itself
//! ```

use std::fmt;
use std::str::{FromStr, SplitAsciiWhitespace};

use super::mode::Mode;

/// The longest line, with what stands before the event in a record.
pub(crate) const LINE_BYTES_MAX: u64 = 512;

/// More pages than anybody has, few enough that offsets can be calculated.
pub(crate) const PAGES_MAX: u64 = 1 << 40;

/// A run of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RunId(pub(crate) u64);

/// What a run stores, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The run.
    pub(crate) run: RunId,
    /// Pages, or names, of each mode.
    pub(crate) pages: u64,
    /// The modes, each once.
    pub(crate) modes: Vec<Mode>,
}

/// One store of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    /// How.
    pub(crate) mode: Mode,
    /// Which page of that mode.
    pub(crate) page: u64,
    /// The how many-th of this page, from 1 on.
    pub(crate) generation: u64,
}

/// What a writer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first it tells.
    Begin(Layout),
    /// It is about to store.
    Announced(Store),
    /// It has stored, and synced as the mode says.
    Acknowledged {
        /// What.
        store: Store,
        /// How long that took.
        micros: u64,
    },
    /// It stops, and there was no crash yet.
    End,
}

/// A line that is no event.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is nothing that a writer tells")]
pub(crate) struct NoEvent(String);

/// A word that is no run.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no run: a run has 16 hexadecimal digits")]
pub(crate) struct NoRun(String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for RunId {
    type Err = NoRun;

    fn from_str(word: &str) -> Result<Self, NoRun> {
        let is_one = word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_one.then(|| u64::from_str_radix(word, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| NoRun(word.to_owned()))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(Layout { run, pages, modes }) => {
                let modes: Vec<_> = modes.iter().map(|mode| mode.as_str()).collect();
                write!(f, "begin {run} {pages} {}", modes.join(","))
            }
            Self::Announced(Store { mode, page, generation }) => {
                write!(f, "pre {mode} {page} {generation}")
            }
            Self::Acknowledged { store: Store { mode, page, generation }, micros } => {
                write!(f, "ack {mode} {page} {generation} {micros}")
            }
            Self::End => f.write_str("end"),
        }
    }
}

impl FromStr for Event {
    type Err = NoEvent;

    fn from_str(line: &str) -> Result<Self, NoEvent> {
        parse(line).ok_or_else(|| NoEvent(line.chars().take(100).collect()))
    }
}

fn parse(line: &str) -> Option<Event> {
    let mut words = line.split_ascii_whitespace();
    let event = match words.next()? {
        "begin" => Event::Begin(layout(&mut words)?),
        "pre" => Event::Announced(store(&mut words)?),
        "ack" => {
            Event::Acknowledged { store: store(&mut words)?, micros: words.next()?.parse().ok()? }
        }
        "end" => Event::End,
        _ => return None,
    };
    words.next().is_none().then_some(event)
}

fn layout(words: &mut SplitAsciiWhitespace<'_>) -> Option<Layout> {
    let run = words.next()?.parse().ok()?;
    let pages = words.next()?.parse().ok().filter(|pages| (1..=PAGES_MAX).contains(pages))?;
    let modes = words.next()?.split(',').map(Mode::from_str).collect::<Result<Vec<_>, _>>().ok()?;
    let once = modes.iter().enumerate().all(|(at, mode)| !modes[..at].contains(mode));
    once.then_some(Layout { run, pages, modes })
}

fn store(words: &mut SplitAsciiWhitespace<'_>) -> Option<Store> {
    let mode = words.next()?.parse().ok()?;
    let page = words.next()?.parse().ok().filter(|page| *page < PAGES_MAX)?;
    let generation = words.next()?.parse().ok().filter(|generation| *generation > 0)?;
    Some(Store { mode, page, generation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let store = Store { mode: Mode::Direct, page: 17, generation: 3 };
        let modes = Mode::ALL.to_vec();
        for event in [
            Event::Begin(Layout { run: RunId(0xabc), pages: 4096, modes }),
            Event::Announced(store),
            Event::Acknowledged { store, micros: 412 },
            Event::End,
        ] {
            let line = event.to_string();
            assert!(line.len() as u64 + 100 < LINE_BYTES_MAX, "{line}");
            assert_eq!(line.parse::<Event>().unwrap(), event, "{line}");
        }
    }

    #[test]
    fn what_nobody_tells_is_refused() {
        for line in [
            "",
            "end now",
            "pre none 1",
            "pre none 1 0",
            "pre none 1 1 1",
            "pre none -1 1",
            "pre none 1099511627776 1",
            "pre some 1 1",
            "ack none 1 1",
            "ack none 1 1 99999999999999999999",
            "begin 0123456789abcdef 0 none",
            "begin 0123456789abcdef 1 none,none",
            "begin 0123456789abcdef 1 ",
            "begin +123456789abcdef 1 none",
            "begin 123 1 none",
        ] {
            assert!(line.parse::<Event>().is_err(), "{line}");
        }
    }
}
