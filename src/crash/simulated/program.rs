//! The command of an experiment, and what it tells.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::crash::simulated::claims::Acknowledged;
use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::observe::Object;
use crate::crash::simulated::room::Drive;
use crate::crash::simulated::stores::Claim;
use crate::crash::simulated::system::{BUSY_ATTEMPTS, BUSY_PAUSE, told};
use crate::crash::simulated::workload::MOUNT_POINT;
use crate::sys::linux::{children, holders};
use crate::sys::memfd;

/// A command, and whether it tells what it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    pub(crate) words: &'a [OsString],
    pub(crate) tells: bool,
}

/// The most that a command may write to its standard error, which is kept in memory.
const ERRORS_MAX: u64 = 64 << 20;

/// Of that, the most bytes and lines that are shown: the last ones.
const SHOWN_MAX: u64 = 4096;
const SHOWN_LINES_MAX: usize = 20;

/// How often it is looked whether a command does too much.
const PAUSE: Duration = Duration::from_millis(5);

impl Program<'_> {
    /// Runs it to its end in the mounted directory; what it told is marked in the disk's record
    /// before it goes on. What it leaves in the background is killed.
    ///
    /// # Errors
    ///
    /// That it cannot be started, or fails, does too much, or leaves what cannot be killed.
    pub(crate) fn run(self, drive: &Drive) -> Result<Vec<Acknowledged>> {
        let line = self.words.join(OsString::from(" ").as_os_str());
        let line = line.to_string_lossy().into_owned();
        let failed = |how: String| Error::Command { line: line.clone(), how };
        let errors = memfd::file_in_memory("stderr")
            .map_err(|error| Error::System("make a file in memory", error))?;
        let mut child = self
            .start(&drive.directory, &errors)
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let acknowledged = self.hear(&mut child, drive, &errors);
        // Its number is its own until it is waited for.
        children::kill_group(&child);
        let status = child.wait().map_err(|error| failed(format!("is lost: {error}")))?;
        if let Some(most) = drive.disk.exceeded() {
            return Err(Error::TooMuch { most });
        }
        if len(&errors) > ERRORS_MAX {
            return Err(failed(format!(
                "wrote more than {} MiB to standard error",
                ERRORS_MAX >> 20
            )));
        }
        if !status.success() {
            return Err(failed(match last_lines(&errors).trim() {
                "" => format!("failed ({status}) and said nothing"),
                said => format!("failed ({status}): {said}"),
            }));
        }
        wait_for_others(&drive.directory).map_err(failed)?;
        acknowledged
    }

    fn start(self, root: &Path, errors: &File) -> io::Result<Child> {
        let mut words = self.words.iter().map(|word| with_mount_point(word, root));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(root).stderr(errors.try_clone()?);
        if self.tells {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(Stdio::null());
        }
        children::lead_own_session(&mut command);
        command.spawn()
    }

    /// Waits for its end, and listens until then. It has not been waited for when this returns.
    fn hear(self, child: &mut Child, drive: &Drive, errors: &File) -> Result<Vec<Acknowledged>> {
        let streams = child.stdout.take().zip(child.stdin.take()).filter(|_| self.tells);
        let child = &*child;
        let (end, ended) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(|| watch(child, drive, errors, ended));
            let acknowledged = match streams {
                Some((told, noted)) => listen(told, noted, drive),
                None => Ok(Vec::new()),
            };
            if acknowledged.is_err() {
                // It may go on for ever when nobody listens.
                children::kill_group(child);
            }
            let waited = children::wait_for_end(child);
            drop(end);
            waited.map_err(|error| Error::System("wait for the command", error))?;
            acknowledged
        })
    }
}

/// Kills a command that writes too much, until `ended` has no other end.
fn watch(child: &Child, drive: &Drive, errors: &File, ended: Receiver<()>) {
    while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        if drive.disk.exceeded().is_some() || len(errors) > ERRORS_MAX {
            children::kill_group(child);
        }
    }
}

/// Waits until nobody has anything open on a file system: what is done there after the command's
/// end, nobody judges.
fn wait_for_others(directory: &Path) -> Result<(), String> {
    let mut attempts = 0..BUSY_ATTEMPTS;
    loop {
        let others = holders::of(directory);
        if others.is_empty() {
            return Ok(());
        }
        if attempts.next().is_none() {
            return Err(format!("left what keeps the file system in use: {}", told(&others)));
        }
        std::thread::sleep(BUSY_PAUSE);
    }
}

/// A word of a command with the directory in place of [`MOUNT_POINT`].
fn with_mount_point(word: &OsString, root: &Path) -> OsString {
    match word.to_str() {
        Some(text) => text.replace(MOUNT_POINT, &root.to_string_lossy()).into(),
        None => word.clone(),
    }
}

fn len(errors: &File) -> u64 {
    errors.metadata().map_or(0, |it| it.len())
}

/// The last lines of what was written there.
fn last_lines(errors: &File) -> String {
    let len = len(errors);
    let from = len.saturating_sub(SHOWN_MAX);
    let mut said = vec![0; usize::try_from(len - from).unwrap_or(0)];
    if errors.read_exact_at(&mut said, from).is_err() {
        return String::new();
    }
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().collect();
    let last = &lines[lines.len().saturating_sub(SHOWN_LINES_MAX)..];
    let is_cut = from > 0 || last.len() < lines.len();
    let begin = if is_cut { "... " } else { "" };
    format!("{begin}{}", last.join("\n"))
}

/// Marks what a program tells, and lets it go on.
fn listen(told: impl io::Read, mut noted: impl Write, drive: &Drive) -> Result<Vec<Acknowledged>> {
    let mut acknowledged = Vec::new();
    let deaf = |error| Error::System("hear what the command tells", error);
    for line in BufReader::new(told).lines() {
        let claim: Claim =
            serde_json::from_str(&line.map_err(deaf)?).map_err(|error| deaf(error.into()))?;
        let at = drive.disk.mark();
        let at = at.ok_or_else(|| Error::Untrusted("it did not record".to_owned()))?;
        let object = Object::of(&drive.directory.join(&claim.path)).map_err(deaf)?;
        acknowledged.push(Acknowledged { at, claim, attributes: object.attributes });
        noted.write_all(b"\n").map_err(deaf)?;
    }
    Ok(acknowledged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_the_last_are_shown() {
        let shown = |said: &str| {
            let errors = memfd::file_in_memory("test").unwrap();
            errors.write_all_at(said.as_bytes(), 0).unwrap();
            last_lines(&errors)
        };
        assert_eq!(shown(""), "");
        assert_eq!(shown("one\ntwo\n"), "one\ntwo");
        let many: String = (0..1000).map(|number| format!("{number}\n")).collect();
        let last: Vec<_> = (980..1000).map(|number| number.to_string()).collect();
        assert_eq!(shown(&many), format!("... {}", last.join("\n")));
        assert_eq!(shown(&"x".repeat(5000)), format!("... {}", "x".repeat(4096)));
    }
}
