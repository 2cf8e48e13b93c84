//! Waiting for a moment of the clock that nobody sets.

use std::io;
use std::time::{Duration, Instant};

/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// Looks again and again until there is something, or no time left: for what the system cannot
/// wait for. Never, if `rest` is `None`, is there no time left.
///
/// # Errors
///
/// The first of `look`.
pub(super) fn poll<T>(
    rest: Option<Duration>,
    mut look: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    let started = Instant::now();
    let mut pause = Duration::from_micros(20);
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        let left = rest.map(|rest| rest.saturating_sub(started.elapsed()));
        if left == Some(Duration::ZERO) {
            return Ok(None);
        }
        std::thread::sleep(left.map_or(pause, |left| pause.min(left)));
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
