//! The observer of a run: counts, tells, asks the user, and listens to signals.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Mutex;
use std::time::Duration;

use super::interrupt;
use super::manifest::Manifest;
use super::output::{Failure, Output, say};
use super::progress::Progress;
use super::request::Replacing;
use crate::change::Change;
use crate::error::{Holder, Result, held_by};
use crate::options::Endpoint;
use crate::report::{Consent, Done, Event, Flow, ObjectKind, Observer, Warning};
use crate::sync::lock;
use crate::sys::file::{self, Ready};
use crate::tree::{Operand, Watch};

/// Watches a run, and is called from all of its threads.
#[derive(Debug)]
pub(super) struct Watcher<'a> {
    progress: &'a Progress,
    replacing: Replacing,
    /// Locked while a question is open: there is one terminal.
    answers: Mutex<BufReader<StandardInput>>,
    telling: Mutex<Telling<'a>>,
    /// Whether nothing is to be told of what was copied as it should be.
    is_quiet: bool,
}

/// What is told to the user: by one thread at a time, so that lines stay whole.
#[derive(Debug)]
struct Telling<'a> {
    output: &'a mut Output,
    manifest: Option<Manifest>,
    /// The operand that is being copied.
    operand: Option<Operand>,
    fate: Fate,
}

/// What became of an operand, as far as that is known: of a directory that it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Copied,
    Skipped,
    Failed,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(
        output: &'a mut Output,
        manifest: Option<Manifest>,
        progress: &'a Progress,
        replacing: Replacing,
    ) -> Self {
        let answers = Mutex::new(BufReader::new(StandardInput));
        let is_quiet = output.is_silent_of_copies() && manifest.is_none();
        let telling = Mutex::new(Telling { output, manifest, operand: None, fate: Fate::Copied });
        Self { progress, replacing, answers, telling, is_quiet }
    }

    /// Has `operand` watched.
    pub(super) fn begin(&self, operand: &Operand) {
        self.progress.begin(operand);
        let mut telling = lock(&self.telling);
        (telling.operand, telling.fate) = (Some(operand.clone()), Fate::Copied);
    }

    /// What became of the operand that was begun last.
    pub(super) fn fate(&self) -> Fate {
        lock(&self.telling).fate
    }

    /// Tells of an operand that is not copied at all.
    pub(super) fn refuse(&self, operand: &Operand, failure: Failure<'_>) {
        let mut telling = lock(&self.telling);
        let Operand { source, target, .. } = operand;
        self.progress.while_hidden(|| telling.output.failed(source, target, failure));
    }

    /// Tells of something that is no failure.
    pub(super) fn warn(&self, text: &str) {
        self.progress.while_hidden(|| Output::warn(text));
    }

    /// The manifest, when everything is in it.
    pub(super) fn finish(self) -> Option<Manifest> {
        lock(&self.telling).manifest.take()
    }
}

impl Observer for Watcher<'_> {
    /// Called for every window by every thread: an atomic addition and two loads.
    fn event(&self, event: Event) -> Flow {
        self.progress.count(event);
        if interrupt::take_status_request() {
            self.progress.print_standing();
        }
        if interrupt::stop_requested() { Flow::Stop } else { Flow::Continue }
    }

    fn may_replace(&self, target: &Endpoint) -> Consent {
        match self.replacing {
            Replacing::Allowed => Consent::Given,
            Replacing::Asked => {
                let mut answers = lock(&self.answers);
                self.progress.while_hidden(|| ask(target, &mut *answers))
            }
        }
    }
}

impl Watch for Watcher<'_> {
    fn entry(&self, source: &Endpoint, target: &Endpoint, result: Result<Done>) {
        self.progress.ended(&result);
        // An operand counts as copied until it is told of otherwise.
        if let (true, Ok(Done::Copied(report))) = (self.is_quiet, &result)
            && report.warnings.is_empty()
        {
            return;
        }
        let mut telling = lock(&self.telling);
        let Telling { output, manifest, operand, fate } = &mut *telling;
        if operand.as_ref().is_some_and(|it| it.source == *source && it.target == *target) {
            *fate = match &result {
                Ok(Done::Copied(_)) => Fate::Copied,
                Ok(Done::Skipped(_)) => Fate::Skipped,
                Err(_) => Fate::Failed,
            };
        }
        if !output.is_silent_of(&result) {
            self.progress.while_hidden(|| output.tell(source, target, &result));
        }
        if let (Some(manifest), Ok(Done::Copied(report))) = (manifest, &result)
            && let Err(error) = manifest.add(report)
        {
            self.progress.while_hidden(|| output.error(&error));
        }
    }

    fn changed(&self, target: &Endpoint, change: &Change) {
        let mut telling = lock(&self.telling);
        self.progress.while_hidden(|| telling.output.changed(target, change));
    }

    fn deleted(&self, target: &Endpoint, kind: ObjectKind) {
        if !self.is_quiet {
            let mut telling = lock(&self.telling);
            self.progress.while_hidden(|| telling.output.deleted(target, kind));
        }
    }

    fn waits(&self, target: &Endpoint, holder: Option<&Holder>) {
        let text = format!("waiting for {target}: {}", held_by(holder));
        self.progress.while_hidden(|| say(&text));
    }

    fn warning(&self, source: &Endpoint, target: &Endpoint, warning: &Warning) {
        let mut telling = lock(&self.telling);
        self.progress.while_hidden(|| telling.output.warned(source, target, warning));
    }
}

/// Asks on standard error and takes a line from `answers`; no answer is no.
fn ask(target: &Endpoint, answers: &mut impl BufRead) -> Consent {
    // Whoever waited for the end of another question has not been asked before the stop.
    if interrupt::stop_requested() {
        return Consent::Refused;
    }
    let question = format!("mycp: overwrite {target}? ");
    let asked = io::stderr().write_all(question.as_bytes());
    match asked.and_then(|()| first_byte_of_line(answers)) {
        Ok(Some(b'y' | b'Y')) => Consent::Given,
        Ok(_) | Err(_) => Consent::Refused,
    }
}

/// Standard input, read so that a signal ends the waiting whichever thread the signal reaches:
/// only that one's calls are interrupted.
#[derive(Debug)]
struct StandardInput;

/// Between two looks at what signals have asked for: no user waits for longer.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

impl Read for StandardInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = io::stdin();
        loop {
            if interrupt::stop_requested() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if file::wait_ready(&input, Ready::ToRead, BETWEEN_LOOKS)? {
                return file::read_next(&input, buffer);
            }
        }
    }
}

/// Takes a whole line away and returns what it starts with.
///
/// Not `read_line`, which goes on reading after a signal, so that SIGINT could not end a question.
fn first_byte_of_line(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    let mut first = None;
    loop {
        let (taken, ended) = match input.fill_buf() {
            Ok([]) => return Ok(first),
            Ok(bytes) => {
                first = first.or(bytes.first().copied());
                match bytes.iter().position(|byte| *byte == b'\n') {
                    Some(end) => (end + 1, true),
                    None => (bytes.len(), false),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if interrupt::stop_requested() {
                    return Err(error);
                }
                (0, false)
            }
            Err(error) => return Err(error),
        };
        input.consume(taken);
        if ended {
            return Ok(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_a_line_of_its_own() {
        let mut input = io::BufReader::with_capacity(2, &b"yes\n\nno\nY"[..]);
        let mut answer = || first_byte_of_line(&mut input).unwrap();
        assert_eq!(answer(), Some(b'y'));
        assert_eq!(answer(), Some(b'\n'));
        assert_eq!(answer(), Some(b'n'));
        assert_eq!(answer(), Some(b'Y'));
        assert_eq!(answer(), None);
    }
}
