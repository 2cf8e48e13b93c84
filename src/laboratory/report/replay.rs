//! The command line that shows a state.

use std::path::Path;

use crate::laboratory::shell::quoted;

/// What to type to look into a state of a recording. `None` where a shell cannot be given the name.
pub(super) fn line(recording: &Path, seed: u64, state: u64) -> Option<String> {
    let recording = quoted(recording)?;
    Some(format!("mycp-crash replay --seed {seed} --state {state} --mount /mnt {recording}"))
}
