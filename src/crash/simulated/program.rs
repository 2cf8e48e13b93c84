//! The command of an experiment, and what it tells.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::crash::simulated::claims::Acknowledged;
use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::observe::Object;
use crate::crash::simulated::room::Drive;
use crate::crash::simulated::stores::Claim;
use crate::crash::simulated::workload::MOUNT_POINT;
use crate::sys::platform;

/// A command, and whether it tells what it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    pub(crate) words: &'a [OsString],
    pub(crate) tells: bool,
}

impl Program<'_> {
    /// Runs it to its end in the mounted directory; what it told is marked in the disk's record
    /// before it goes on.
    ///
    /// # Errors
    ///
    /// That it cannot be started, or fails.
    pub(crate) fn run(self, drive: &Drive) -> Result<Vec<Acknowledged>> {
        let line = self.words.join(OsString::from(" ").as_os_str());
        let line = line.to_string_lossy().into_owned();
        let failed = |how: String| Error::Command { line: line.clone(), how };
        let mut child = self
            .start(&drive.directory)
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let errors = child.stderr.take();
        // Read beside the rest, so that nobody waits for a full pipe.
        let said = std::thread::spawn(move || said(errors));
        let acknowledged = match self.tells {
            true => listen(&mut child, drive),
            false => Ok(Vec::new()),
        };
        let status = child.wait().map_err(|error| failed(format!("is lost: {error}")))?;
        let said = said.join().unwrap_or_default();
        if !status.success() {
            return Err(failed(match said.trim() {
                "" => format!("failed ({status}) and said nothing"),
                said => format!("failed ({status}): {said}"),
            }));
        }
        acknowledged
    }

    fn start(self, root: &Path) -> std::io::Result<Child> {
        let mut words = self.words.iter().map(|word| with_mount_point(word, root));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(root).stderr(Stdio::piped());
        if self.tells {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(Stdio::null());
        }
        platform::kill_with_this_thread(&mut command);
        command.spawn()
    }
}

/// A word of a command with the directory in place of [`MOUNT_POINT`].
fn with_mount_point(word: &OsString, root: &Path) -> OsString {
    match word.to_str() {
        Some(text) => text.replace(MOUNT_POINT, &root.to_string_lossy()).into(),
        None => word.clone(),
    }
}

fn said(errors: Option<ChildStderr>) -> String {
    let mut said = Vec::new();
    if let Some(mut errors) = errors {
        // What can be read of it.
        errors.read_to_end(&mut said).ok();
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Marks what a program tells, and lets it go on.
fn listen(child: &mut Child, drive: &Drive) -> Result<Vec<Acknowledged>> {
    let mut acknowledged = Vec::new();
    let (Some(told), Some(mut noted)) = (child.stdout.take(), child.stdin.take()) else {
        return Ok(acknowledged);
    };
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
