//! Copies from or to something without offsets: pipes, terminals, and files whose length the
//! system makes up.

use std::fs::File;
use std::io;
use std::time::Duration;

use super::{Before, Zeros, runs};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::object::{Object, early_end};
use crate::report::{Event, Flow, Observer};
use crate::sys::file::{self, Ready};
use crate::units::ByteRange;

/// What a stream's copy came to.
#[derive(Debug)]
pub(crate) struct Streamed {
    /// Bytes copied.
    pub(crate) len: u64,
    /// Bytes of them left out as holes.
    pub(crate) holes: u64,
    /// Their hash, if asked for.
    pub(crate) hash: Option<blake3::Hash>,
}

/// Whether a stream is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashing {
    No,
    Yes,
}

/// How long a wait lasts before the observer is asked whether to go on. A signal that comes just
/// before the wait begins is noticed no later than that.
const WAIT: Duration = Duration::from_millis(100);

/// Four times a pipe's default capacity, and where GNU cp's table of buffer sizes levels out.
const BUFFER_BYTES: usize = 256 << 10;

/// A copy of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    pub(crate) source: &'a dyn Object,
    /// Bytes to read, from the begin, where the source has offsets; an earlier end is an error
    /// then. Else it is read from its own position to its end.
    pub(crate) len: Option<u64>,
    /// Written at its own position, or from its begin where there is only so much `room`.
    pub(crate) target: &'a dyn Object,
    /// Bytes that the target has, where its length is fixed; more to store is an error.
    pub(crate) room: Option<u64>,
    /// What becomes of zeros; a target that leaves them out is a file, written from its begin.
    pub(crate) zeros: Zeros,
    pub(crate) before: Before,
    pub(crate) hashing: Hashing,
    pub(crate) observer: &'a dyn Observer,
}

impl Stream<'_> {
    /// Copies to the end.
    ///
    /// # Errors
    ///
    /// Any error of either side; [`Cause::Stopped`] when the observer says so.
    pub(crate) fn copy(&self) -> Result<Streamed> {
        let mut buffer = super::zeroed(BUFFER_BYTES, self.source.endpoint())?;
        let mut hasher = (self.hashing == Hashing::Yes).then(blake3::Hasher::new);
        let mut streamed = Streamed { len: 0, holes: 0, hash: None };
        while self.len.is_none_or(|end| streamed.len < end) {
            let count = self.read(streamed.len, &mut buffer)?;
            if count == 0 {
                match self.len {
                    None => break,
                    Some(end) => {
                        let rest = ByteRange::between(streamed.len, end);
                        return Err(early_end(self.source, rest));
                    }
                }
            }
            let bytes = &buffer[..count];
            if let Some(hasher) = &mut hasher {
                hasher.update(bytes);
            }
            self.deliver(bytes, &mut streamed)?;
            if self.observer.event(Event::Copied { bytes: count as u64 }) == Flow::Stop {
                return Err(super::drive::stopped(self.target));
            }
        }
        streamed.hash = hasher.map(|hasher| hasher.finalize());
        Ok(streamed)
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let rest = self.len.map_or(u64::MAX, |end| end - offset);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let Some(handle) = self.source.file() else {
            return self.source.read_at(offset, &mut buffer[..wanted]);
        };
        self.retry(handle, Ready::ToRead, || match self.len {
            Some(_) => file::read_at(handle, offset, &mut buffer[..wanted]),
            None => file::read_next(handle, &mut buffer[..wanted]),
        })
        .map_err(|trouble| trouble.into_error(Operation::Read, self.source, offset))
    }

    /// Writes the bytes, or leaves the zeros among them out.
    fn deliver(&self, bytes: &[u8], streamed: &mut Streamed) -> Result<()> {
        if self.zeros == Zeros::Store {
            return self.write(bytes, streamed);
        }
        for run in runs(bytes) {
            if !run.zero {
                self.write(&bytes[run.start..run.end], streamed)?;
                continue;
            }
            let end = streamed.len + (run.end - run.start) as u64;
            let hole = ByteRange::between(streamed.len, end);
            if self.before == Before::Content {
                self.target.clear(hole)?;
            }
            // Where its position is now: zeros that were stored have moved it on Windows.
            self.target
                .file()
                .map_or(Ok(()), |file| file::seek_to(file, end))
                .context(Operation::Write, self.target.endpoint())?;
            streamed.holes += hole.len();
            streamed.len = end;
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8], streamed: &mut Streamed) -> Result<()> {
        let mut rest = bytes;
        if let Some(room) = self.room {
            return self.write_within(room, bytes, streamed);
        }
        let Some(handle) = self.target.file() else {
            let cause = Cause::Unsupported("it has no position to write at");
            return Err(Error::new(Operation::Write, self.target.endpoint(), cause));
        };
        while !rest.is_empty() {
            let written = self
                .retry(handle, Ready::ToWrite, || file::write_next(handle, rest))
                .and_then(|count| match count {
                    0 => Err(Trouble::Os(io::ErrorKind::WriteZero.into())),
                    count => Ok(count),
                })
                .map_err(|trouble| {
                    trouble.into_error(Operation::Write, self.target, streamed.len)
                })?;
            rest = &rest[written..];
            streamed.len += written as u64;
        }
        Ok(())
    }

    fn write_within(&self, room: u64, bytes: &[u8], streamed: &mut Streamed) -> Result<()> {
        let end = streamed.len + bytes.len() as u64;
        if end > room {
            let cause = Cause::TooSmall { len: room, needed: end };
            return Err(Error::new(Operation::Write, self.target.endpoint(), cause));
        }
        self.target.write_at(streamed.len, bytes)?;
        streamed.len = end;
        Ok(())
    }

    /// Waits until the handle is ready, asking the observer meanwhile, and then calls `step`,
    /// again where a signal interrupted it.
    fn retry(
        &self,
        handle: &File,
        ready: Ready,
        mut step: impl FnMut() -> io::Result<usize>,
    ) -> Result<usize, Trouble> {
        loop {
            while !file::wait_ready(handle, ready, WAIT).map_err(Trouble::Os)? {
                if self.observer.event(Event::Waiting) == Flow::Stop {
                    return Err(Trouble::Stopped);
                }
            }
            match step() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Standard input or output may have been made non-blocking by who gave it to us.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Trouble::Os(error)),
                Ok(count) => return Ok(count),
            }
        }
    }
}

enum Trouble {
    Os(io::Error),
    Stopped,
}

impl Trouble {
    fn into_error(self, operation: Operation, object: &dyn Object, offset: u64) -> Error {
        let cause = match self {
            Self::Os(error) => Cause::Os(error),
            Self::Stopped => Cause::Stopped,
        };
        Error::new(operation, object.endpoint(), cause).at(ByteRange::between(offset, offset))
    }
}
