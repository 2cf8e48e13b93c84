//! The witness: takes what writers tell, and answers when it is on its own disk.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::sync::lock;

use super::client::{FETCH, NOTED, REFUSED};
use super::error::{Error, Result};
use super::event::{Event, LINE_BYTES_MAX, RunId};
use super::log::LogFile;

/// How often it is looked whether it is time to stop.
const TICK: Duration = Duration::from_millis(50);

/// A writer that says nothing for so long has lost its power.
const QUIET_SECONDS_MAX: u64 = 120;

/// How long whoever fetches a record may take for a piece of it.
const SEND_SECONDS_MAX: u64 = 30;

/// Until when a witness is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Until it is told to stop.
    Stopped,
    /// Until the first run has ended, in whichever way.
    FirstRunEnds,
}

/// How a run ended, as far as the witness sees.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The writer stopped by itself.
    ByItself,
    /// The connection broke off, or was closed without a word.
    Disconnected(Option<io::Error>),
    /// The writer was quiet for too long.
    Quiet,
    /// The witness was told to stop.
    WitnessStopped,
    /// The writer told something that cannot be.
    Refused(String),
}

/// Whoever looks at a witness at work.
pub(crate) trait Watch: Sync {
    /// Whether it is to stop.
    fn is_stopped(&self) -> bool;
    /// It is still there, and has noted so many acknowledgements.
    fn tick(&self, acknowledged: u64);
    /// A run began.
    fn began(&self, run: RunId, from: &str);
    /// A run ended, after so many acknowledgements.
    fn ended(&self, run: RunId, acknowledged: u64, how: &Ended);
}

/// A witness that listens.
#[derive(Debug)]
pub(crate) struct Witness {
    listener: TcpListener,
    address: SocketAddr,
    record: Mutex<LogFile>,
    acknowledged: AtomicU64,
    is_done: AtomicBool,
    failure: Mutex<Option<Error>>,
}

impl Witness {
    /// Opens or makes the record, and listens at `ADDRESS:PORT`.
    pub(crate) fn new(listen: &str, record: &Path) -> Result<Self> {
        let listener = TcpListener::bind(listen).map_err(Error::network("listen at", listen))?;
        // So that one thread can see both who comes and when to stop, on every system.
        listener.set_nonblocking(true).map_err(Error::network("listen at", listen))?;
        let address = listener.local_addr().map_err(Error::network("listen at", listen))?;
        Ok(Self {
            listener,
            address,
            record: Mutex::new(LogFile::open(record)?),
            acknowledged: AtomicU64::new(0),
            is_done: AtomicBool::new(false),
            failure: Mutex::new(None),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes what writers tell. What was answered is on the disk when this returns, and before.
    pub(crate) fn serve(&self, until: Until, watch: &dyn Watch) -> Result<()> {
        std::thread::scope(|threads| {
            while !self.is_done.load(Ordering::Relaxed) {
                match self.listener.accept() {
                    Ok((stream, from)) => {
                        threads.spawn(move || self.attend(stream, &from.to_string(), until, watch));
                    }
                    Err(error) if is_for_now(&error) => std::thread::sleep(TICK),
                    Err(error) => self.fail(Error::network("accept at", self.address)(error)),
                }
                watch.tick(self.acknowledged.load(Ordering::Relaxed));
                if watch.is_stopped() {
                    self.is_done.store(true, Ordering::Relaxed);
                }
            }
        });
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.is_done.store(true, Ordering::Relaxed);
    }

    /// Attends to one connection to its end.
    fn attend(&self, stream: TcpStream, from: &str, until: Until, watch: &dyn Watch) {
        let mut session = Session {
            witness: self,
            stream,
            run: None,
            told: 0,
            acknowledged: 0,
            has_ended: false,
        };
        let how = match session.attend(from, watch) {
            Ok(how) => how,
            Err(Trouble::Network(error)) => Ended::Disconnected(Some(error)),
            Err(Trouble::Record(error)) => {
                let how = session.refuse(format!("the witness failed: {}", with_cause(&error)));
                self.fail(error);
                how
            }
        };
        if let Some(run) = session.run {
            watch.ended(run, session.acknowledged, &how);
            if until == Until::FirstRunEnds {
                self.is_done.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// An error, and why, in one line.
fn with_cause(error: &Error) -> String {
    use std::error::Error as _;
    error.source().map_or(error.to_string(), |cause| format!("{error}: {cause}"))
}

fn is_for_now(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | TimedOut | WouldBlock)
}

/// Why a session ends before its end.
enum Trouble {
    Network(io::Error),
    Record(Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Network(error)
    }
}

/// One connection.
struct Session<'a> {
    witness: &'a Witness,
    stream: TcpStream,
    run: Option<RunId>,
    told: u64,
    acknowledged: u64,
    has_ended: bool,
}

impl Session<'_> {
    fn attend(&mut self, from: &str, watch: &dyn Watch) -> Result<Ended, Trouble> {
        // Whether a connection inherits this from its listener depends on the system.
        self.stream.set_nonblocking(false)?;
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(TICK))?;
        self.stream.set_write_timeout(Some(Duration::from_secs(SEND_SECONDS_MAX)))?;
        let mut buffer = Vec::new();
        let mut heard = Instant::now();
        loop {
            if self.witness.is_done.load(Ordering::Relaxed) {
                return Ok(Ended::WitnessStopped);
            }
            match self.receive(&mut buffer) {
                Ok(0) if self.has_ended => return Ok(Ended::ByItself),
                Ok(0) => return Ok(Ended::Disconnected(None)),
                Ok(_) => heard = Instant::now(),
                Err(error) if is_for_now(&error) => {
                    if heard.elapsed() >= Duration::from_secs(QUIET_SECONDS_MAX) {
                        return Ok(Ended::Quiet);
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(how) = self.take_lines(&mut buffer, from, watch)? {
                return Ok(how);
            }
        }
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes)?;
        buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Takes the whole lines out of the buffer, notes them together, and answers once.
    fn take_lines(
        &mut self,
        buffer: &mut Vec<u8>,
        from: &str,
        watch: &dyn Watch,
    ) -> Result<Option<Ended>, Trouble> {
        let Some(end) = buffer.iter().rposition(|byte| *byte == b'\n') else {
            let is_long = buffer.len() as u64 >= LINE_BYTES_MAX;
            return Ok(is_long.then(|| self.refuse("the line is too long".to_owned())));
        };
        let rest = buffer.split_off(end + 1);
        let lines = std::mem::replace(buffer, rest);
        let lines = String::from_utf8_lossy(&lines);
        if let Some(run) = lines.strip_prefix(FETCH) {
            return self.send(run.trim_end()).map(Some);
        }
        let events: Result<Vec<Event>, _> = lines.lines().map(str::parse).collect();
        let events = match events {
            Ok(events) => events,
            Err(error) => return Ok(Some(self.refuse(error.to_string()))),
        };
        match self.note(&events, from, watch)? {
            Some(reason) => Ok(Some(self.refuse(reason))),
            None => {
                writeln!(self.stream, "{NOTED}{}", self.told)?;
                Ok(None)
            }
        }
    }

    /// Notes events, or says why not.
    fn note(
        &mut self,
        events: &[Event],
        from: &str,
        watch: &dyn Watch,
    ) -> Result<Option<String>, Trouble> {
        let mut record = lock(&self.witness.record);
        let begun = events.iter().filter(|event| matches!(event, Event::Begin(_))).count();
        let run = match (self.run, events.first()) {
            (Some(run), _) if begun == 0 => run,
            (None, Some(Event::Begin(layout))) if begun == 1 => {
                if record.knows(layout.run) {
                    return Ok(Some(format!("run {} is in the record already", layout.run)));
                }
                layout.run
            }
            _ => return Ok(Some("a writer begins once, and begins with that".to_owned())),
        };
        record.note(micros_now(), run, events).map_err(Trouble::Record)?;
        drop(record);
        if self.run.replace(run).is_none() {
            watch.began(run, from);
        }
        self.told += events.len() as u64;
        self.has_ended |= events.contains(&Event::End);
        let is_one = |event: &&Event| matches!(event, Event::Acknowledged { .. });
        let acknowledged = events.iter().filter(is_one).count() as u64;
        self.acknowledged += acknowledged;
        self.witness.acknowledged.fetch_add(acknowledged, Ordering::Relaxed);
        Ok(None)
    }

    /// Sends the record of a run.
    fn send(&mut self, run: &str) -> Result<Ended, Trouble> {
        let run: RunId = match run.parse() {
            Ok(run) => run,
            Err(error) => return Ok(self.refuse(format!("{error}"))),
        };
        let record = lock(&self.witness.record);
        if !record.knows(run) {
            drop(record);
            return Ok(self.refuse(format!("the record knows no run {run}")));
        }
        let reader = record.reader().map_err(Trouble::Record)?;
        drop(record);
        LogFile::send(reader, run, &mut io::BufWriter::new(&self.stream))?;
        Ok(Ended::ByItself)
    }

    fn refuse(&mut self, reason: String) -> Ended {
        // Whoever is gone already need not be told.
        writeln!(self.stream, "{REFUSED}{reason}").ok();
        Ended::Refused(reason)
    }
}

/// The time, in microseconds since 1970.
fn micros_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
