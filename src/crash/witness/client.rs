//! The writer's side of a connection to a witness.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::error::{Error, Result};
use super::event::{Event, LINE_BYTES_MAX, RunId};
use super::history::History;
use super::log::{self, Ends};

/// How long a witness may take to flush its record and answer.
const ANSWER_SECONDS_MAX: u64 = 30;

/// What a witness answers to lines that are on its disk; their number so far follows.
pub(super) const NOTED: &str = "noted ";

/// What it answers to what it does not take; the reason follows.
pub(super) const REFUSED: &str = "refused: ";

/// What is asked for a record; the run follows.
pub(super) const FETCH: &str = "fetch ";

/// A connection to a witness.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
    told: u64,
    noted: u64,
}

impl Connection {
    /// Connects to the witness at `HOST:PORT`.
    pub(crate) fn new(address: &str) -> Result<Self> {
        let stream = connect(address).map_err(Error::network("connect to", address))?;
        let stream = BufReader::new(stream);
        Ok(Self { stream, address: address.to_owned(), told: 0, noted: 0 })
    }

    /// Tells the witness all of this, and waits until that is on its disk.
    pub(crate) fn tell(&mut self, events: &[Event]) -> Result<()> {
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        let written = self.stream.get_mut().write_all(lines.as_bytes());
        written.map_err(|error| self.gone(error))?;
        self.told += events.len() as u64;
        while self.noted < self.told {
            let answer = self.answer()?;
            match answer.strip_prefix(NOTED).and_then(|count| count.parse().ok()) {
                Some(count) if count > self.noted && count <= self.told => self.noted = count,
                _ => return Err(self.refused(answer)),
            }
        }
        Ok(())
    }

    /// Asks for what the witness has on one run.
    pub(crate) fn fetch(mut self, run: RunId) -> Result<History> {
        let asked = self.stream.get_mut().write_all(format!("{FETCH}{run}\n").as_bytes());
        asked.map_err(Error::network("ask", &self.address))?;
        let peeked = self.stream.fill_buf().map_err(Error::network("read from", &self.address))?;
        if peeked.starts_with(REFUSED.as_bytes()) {
            let answer = self.answer()?;
            return Err(self.refused(answer));
        }
        let name = format!("the record of {}", self.address);
        log::read(self.stream, &name, run, Ends::Complete)
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = io::Read::take(&mut self.stream, LINE_BYTES_MAX).read_line(&mut line);
        match read {
            Ok(0) => Err(self.gone(io::ErrorKind::ConnectionAborted.into())),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(self.gone(error)),
        }
    }

    fn gone(&self, source: io::Error) -> Error {
        let source = match source.kind() {
            // Which of the two depends on the system.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                let text = format!("no answer for {ANSWER_SECONDS_MAX} s");
                io::Error::new(io::ErrorKind::TimedOut, text)
            }
            _ => source,
        };
        Error::WitnessGone { address: self.address.clone(), noted: self.noted, source }
    }

    fn refused(&self, answer: String) -> Error {
        let answer = answer.chars().filter(|c| !c.is_control()).collect();
        Error::Refused { address: self.address.clone(), answer }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => {
                // Each line is waited for.
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What comes of telling two lines to somebody who answers this, and then hangs up.
    fn told_two(answer: &'static str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let (stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(&stream).lines();
                assert_eq!(
                    [lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()],
                    ["end", "end"]
                );
                (&stream).write_all(answer.as_bytes()).unwrap();
            });
            Connection::new(&address).unwrap().tell(&[Event::End, Event::End])
        })
    }

    #[test]
    fn all_that_was_told_must_be_noted() {
        assert!(told_two("noted 2\n").is_ok());
        assert!(told_two("noted 1\nnoted 2\n").is_ok());
        for gone in ["", "noted 1\n"] {
            assert!(matches!(told_two(gone), Err(Error::WitnessGone { .. })), "{gone:?}");
        }
        for nonsense in ["noted 3\n", "noted 0\n", "noted\n", "hello\n", "noted 1\nnoted 1\n"] {
            assert!(matches!(told_two(nonsense), Err(Error::Refused { .. })), "{nonsense:?}");
        }
    }
}
