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
    /// The characters that are shown.
    len: usize,
}

impl Live {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let is_terminal = io::stderr().is_terminal();
        Self { is_terminal, begin: now, last: now, last_count: 0, len: 0 }
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
        let line = format!("{seconds} s: {count} {what}, {rate}/s");
        // Spaces cover what is left of the line before, on consoles without escape sequences, too.
        // Nobody is left to be told if that fails.
        write!(io::stderr(), "\r{line:<0$}", self.len).ok();
        (self.last, self.last_count, self.len) = (Instant::now(), count, line.len());
    }

    /// Takes the line away, before something else is printed.
    pub(super) fn clear(&mut self) {
        if self.len > 0 {
            write!(io::stderr(), "\r{:1$}\r", "", self.len).ok();
            self.len = 0;
        }
    }
}
