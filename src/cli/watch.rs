//! The observer of a copy: counts, asks the user, and listens to signals.

use std::io::{self, BufRead, Write};

use super::interrupt;
use super::landing::Job;
use super::progress::Progress;
use super::request::Replacing;
use crate::options::Endpoint;
use crate::report::{Consent, Event, Flow, Observer};

/// Watches one copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watcher<'a> {
    pub(super) progress: &'a Progress,
    pub(super) job: &'a Job,
    pub(super) replacing: Replacing,
}

impl Observer for Watcher<'_> {
    /// Called for every window by every thread: an atomic addition and two loads.
    fn event(&self, event: Event) -> Flow {
        self.progress.count(event);
        if interrupt::take_status_request() {
            self.progress.print_standing(self.job);
        }
        if interrupt::stop_requested() { Flow::Stop } else { Flow::Continue }
    }

    fn may_replace(&self, target: &Endpoint) -> Consent {
        match self.replacing {
            Replacing::Allowed => Consent::Given,
            Replacing::Asked => self.progress.while_hidden(|| ask(target)),
        }
    }
}

/// Asks on standard error and takes a line from standard input for the answer; no answer is no.
fn ask(target: &Endpoint) -> Consent {
    let question = format!("mycp: overwrite {target}? ");
    let asked = io::stderr().write_all(question.as_bytes());
    match asked.and_then(|()| first_byte_of_line(&mut io::stdin().lock())) {
        Ok(Some(b'y' | b'Y')) => Consent::Given,
        Ok(_) | Err(_) => Consent::Refused,
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
