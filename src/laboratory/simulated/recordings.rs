//! Recordings in files: what a report leaves, and `replay` and `--again` look at again.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use anyhow::Context;

use super::explore::Trial;
use super::report::Directory;
use crate::crash::simulated::Recording;
use crate::options::Quoted;

/// The name of a recording: its number among those of the file system, and what tells it from
/// others for the eye.
pub(in crate::laboratory) fn name(number: usize, trial: &Trial) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let words: String = trial.workload.name.chars().map(word).take(60).collect();
    format!("{}-{number:02}-{words}.recording", trial.system)
}

/// Reads one.
pub(in crate::laboratory) fn load(path: &Path, file: File) -> anyhow::Result<Recording> {
    let loaded = Recording::load(BufReader::new(file));
    loaded.with_context(|| format!("cannot read {}", Quoted(path)))
}

/// Writes one.
pub(in crate::laboratory) fn save(
    recording: &Recording,
    directory: &Directory,
    name: &str,
) -> anyhow::Result<()> {
    let mut file = BufWriter::new(directory.create(name)?);
    recording
        .save(&mut file)
        .and_then(|()| std::io::Write::flush(&mut file))
        .with_context(|| format!("cannot write {}", Quoted(&directory.path().join(name))))
}
