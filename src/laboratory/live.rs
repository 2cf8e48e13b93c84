//! A line on the terminal that says how far it is, and how fast it goes.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The line. Where standard error is no terminal, there is none.
#[derive(Debug)]
pub(super) struct Live {
    is_terminal: bool,
    begin: Instant,
    last: Instant,
    last_count: u64,
    is_shown: bool,
}

impl Live {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let is_terminal = io::stderr().is_terminal();
        Self { is_terminal, begin: now, last: now, last_count: 0, is_shown: false }
    }

    /// Shows the count, unless it did so a moment ago.
    pub(super) fn show(&mut self, count: u64, what: &str, every: Duration) {
        let since = self.last.elapsed();
        if !self.is_terminal || since < every {
            return;
        }
        let new = u128::from(count.saturating_sub(self.last_count));
        let rate = new * 1000 / since.as_millis().max(1);
        let seconds = self.begin.elapsed().as_secs();
        // Nobody is left to be told if that fails.
        write!(io::stderr(), "\r\x1b[K{seconds} s: {count} {what}, {rate}/s").ok();
        (self.last, self.last_count, self.is_shown) = (Instant::now(), count, true);
    }

    /// Takes the line away, before something else is printed.
    pub(super) fn clear(&mut self) {
        if self.is_shown {
            write!(io::stderr(), "\r\x1b[K").ok();
            self.is_shown = false;
        }
    }
}
