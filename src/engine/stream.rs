//! Copies from or to something without offsets: pipes, terminals, and files whose length the
//! system makes up.

use std::fs::File;
use std::io;
use std::time::Duration;

use crate::error::{Cause, Error, Operation, Result};
use crate::object::{FileObject, Object, early_end};
use crate::report::{Event, Flow, Observer};
use crate::sys::file::{self, Ready};
use crate::units::ByteRange;

/// What a stream's copy came to.
#[derive(Debug)]
pub(crate) struct Streamed {
    /// Bytes copied.
    pub(crate) len: u64,
    /// Their hash, if asked for.
    pub(crate) hash: Option<blake3::Hash>,
}

/// What a stream is read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From<'a> {
    pub(crate) object: &'a FileObject,
    /// Bytes to read, where that is known; an earlier end is an error then.
    pub(crate) len: Option<u64>,
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

/// Copies from the source's own position to its end, to the target's own position.
///
/// # Errors
///
/// Any error of either side; [`Cause::Stopped`] when the observer says so.
pub(crate) fn copy(
    from: From<'_>,
    target: &FileObject,
    hashing: Hashing,
    observer: &dyn Observer,
) -> Result<Streamed> {
    let source = from.object;
    let mut buffer = super::zeroed(BUFFER_BYTES, source.endpoint())?;
    let mut hasher = (hashing == Hashing::Yes).then(blake3::Hasher::new);
    let mut len = 0;
    let waits = Waits { observer, target };
    while from.len.is_none_or(|end| len < end) {
        let rest = from.len.map_or(u64::MAX, |end| end - len);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let count = match waits.retry(source, Ready::ToRead, || {
            file::read_next(source.handle(), &mut buffer[..wanted])
        }) {
            Ok(0) => match from.len {
                None => break,
                Some(end) => return Err(early_end(source, ByteRange::between(len, end))),
            },
            Ok(count) => count,
            Err(error) => return Err(error.into_error(Operation::Read, source, len)),
        };
        if let Some(hasher) = &mut hasher {
            hasher.update(&buffer[..count]);
        }
        let mut done = 0;
        while done < count {
            match waits.retry(target, Ready::ToWrite, || {
                file::write_next(target.handle(), &buffer[done..count])
            }) {
                Ok(0) => {
                    let error = Trouble::Os(io::ErrorKind::WriteZero.into());
                    return Err(error.into_error(Operation::Write, target, len));
                }
                Ok(written) => {
                    done += written;
                    len += written as u64;
                }
                Err(error) => return Err(error.into_error(Operation::Write, target, len)),
            }
        }
        if observer.event(Event::Copied { bytes: count as u64 }) == Flow::Stop {
            return Err(Error::new(Operation::Copy, target.endpoint(), Cause::Stopped));
        }
    }
    Ok(Streamed { len, hash: hasher.map(|hasher| hasher.finalize()) })
}

enum Trouble {
    Os(io::Error),
    Stopped,
}

impl Trouble {
    fn into_error(self, operation: Operation, object: &FileObject, offset: u64) -> Error {
        let cause = match self {
            Self::Os(error) => Cause::Os(error),
            Self::Stopped => Cause::Stopped,
        };
        Error::new(operation, object.endpoint(), cause).at(ByteRange::between(offset, offset))
    }
}

struct Waits<'a> {
    observer: &'a dyn Observer,
    target: &'a FileObject,
}

impl Waits<'_> {
    /// Waits until the object is ready, asking the observer meanwhile, and then calls `step`,
    /// again where a signal interrupted it.
    fn retry(
        &self,
        object: &FileObject,
        ready: Ready,
        mut step: impl FnMut() -> io::Result<usize>,
    ) -> Result<usize, Trouble> {
        loop {
            while !file::wait_ready(object.handle(), ready, WAIT).map_err(Trouble::Os)? {
                super::drive::may_go_on(self.observer, self.target)
                    .map_err(|_| Trouble::Stopped)?;
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

/// The file behind a stream is at its begin.
pub(crate) fn rewind(file: &File) -> io::Result<()> {
    use std::io::Seek;
    let mut file = file;
    file.rewind()
}
