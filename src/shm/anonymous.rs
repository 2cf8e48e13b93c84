//! Memory without a name, which processes hand to each other as an open file (memfd_create(2)).

use std::fs::File;

use super::{Access, Handle, Segment};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{Endpoint, SegmentName};
use crate::sys::handle::{self, BorrowedHandle, OwnedHandle};
use crate::sys::{Errno, file, memfd, space};
use crate::units::ByteRange;

pub use crate::sys::memfd::Seal;

impl Segment {
    /// Makes a segment of `len` bytes, at least 1, that has no name, and goes when nobody has it
    /// open or mapped any more. `label` is what errors call it, and `/proc`; it need not be unique.
    ///
    /// Another process gets it as an open file: inherited, or sent over a Unix socket
    /// (`SCM_RIGHTS`, unix(7)). What it must not do to it is sealed before.
    ///
    /// # Errors
    ///
    /// [`Operation::Create`] with what the system says: that there is no memory, above all.
    /// [`Cause::Unsupported`] on Windows, which has no memory that is an open file.
    ///
    /// # Example
    ///
    /// ```
    /// use mycp::shm::{Seal, Segment};
    ///
    /// let segment = Segment::anonymous("frame", 5000)?;
    /// segment.map()?.write_at(0, b"pixels")?;
    /// segment.seal(&[Seal::Shrink, Seal::Grow, Seal::Write, Seal::Further])?;
    ///
    /// // In the other process, with the file that it was sent:
    /// let sent = segment.file().ok_or("it is a file")?.try_clone_to_owned()?;
    /// let received = Segment::received(sent)?;
    /// assert!(received.seals()?.contains(&Seal::Shrink), "it cannot be cut while it is read");
    /// let mut bytes = [0; 6];
    /// received.map()?.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"pixels");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn anonymous(label: &str, len: u64) -> Result<Self> {
        let endpoint = named(label);
        super::reachable(Operation::Create, &endpoint)?;
        if len == 0 {
            return Err(super::no_bytes(&endpoint));
        }
        let made = memfd::file_in_memory(label).and_then(|file| {
            space::reserve(&file, ByteRange::first(len))?;
            Ok(file)
        });
        let file = made.context(Operation::Create, &endpoint)?;
        let handle = Handle::Posix(file);
        Ok(Self { endpoint, access: Access::ReadWrite, handle, made: true })
    }

    /// The segment that an open file is, which another process has sent: made by
    /// [`anonymous`](Self::anonymous) or memfd_create(2), or a POSIX object's. It is mapped for
    /// what the file is open for, and for reading only where writing is sealed.
    ///
    /// # Errors
    ///
    /// [`Operation::Open`] for what is no regular file, and [`Cause::Unfinished`] for one without
    /// bytes. [`Cause::Unsupported`] on Windows.
    pub fn received(file: impl Into<OwnedHandle>) -> Result<Self> {
        let file = File::from(file.into());
        let endpoint = named("received");
        super::reachable(Operation::Open, &endpoint)?;
        let facts = file::facts(&file).context(Operation::Stat, &endpoint)?;
        if facts.kind != file::Kind::Regular {
            let cause = Cause::Unsupported("it is no memory that could be mapped");
            return Err(Error::new(Operation::Open, &endpoint, cause));
        }
        if facts.len == 0 {
            return Err(Error::new(Operation::Open, &endpoint, Cause::Unfinished));
        }
        let is_sealed = memfd::seals(&file).is_ok_and(|seals| seals.contains(&Seal::Write));
        let access = match file::is_writable(&file) && !is_sealed {
            true => Access::ReadWrite,
            false => Access::Read,
        };
        Ok(Self { endpoint, access, handle: Handle::Posix(file), made: false })
    }

    /// Rules things out, for all processes and for ever (`F_ADD_SEALS`, fcntl(2)).
    ///
    /// # Errors
    ///
    /// [`Operation::SetAttributes`]: `EBUSY` for [`Seal::Write`] while a map of it can be written
    /// to, `EPERM` after [`Seal::Further`], `EINVAL` for what was not made by memfd_create(2).
    pub fn seal(&self, seals: &[Seal]) -> Result<()> {
        let added = self.anonymous_file().and_then(|file| memfd::add_seals(file, seals));
        added.context(Operation::SetAttributes, &self.endpoint)
    }

    /// What is ruled out.
    ///
    /// # Errors
    ///
    /// [`Operation::Stat`]: `EINVAL` for what cannot be sealed.
    pub fn seals(&self) -> Result<Vec<Seal>> {
        let found = self.anonymous_file().and_then(memfd::seals);
        found.context(Operation::Stat, &self.endpoint)
    }

    fn anonymous_file(&self) -> std::io::Result<&File> {
        match &self.handle {
            Handle::Posix(file) => Ok(file),
            Handle::SystemV { .. } | Handle::Section(_) => Err(std::io::Error::from(Errno::INVAL)),
        }
    }

    /// The open file behind it, to be sent to another process; none behind a System V segment or a
    /// section.
    #[must_use]
    pub fn file(&self) -> Option<BorrowedHandle<'_>> {
        self.anonymous_file().ok().map(handle::of)
    }
}

fn named(label: &str) -> Endpoint {
    Endpoint::Segment(SegmentName::Anonymous(label.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn again(segment: &Segment) -> Segment {
        Segment::received(segment.file().unwrap().try_clone_to_owned().unwrap()).unwrap()
    }

    #[cfg(windows)]
    #[test]
    fn there_is_none_on_windows() {
        let (pipe, _end) = std::io::pipe().unwrap();
        for refused in [Segment::anonymous("none", 1), Segment::received(pipe)] {
            assert!(matches!(refused.unwrap_err().cause, Cause::Unsupported(_)));
        }
    }

    // Windows has no memory that is an open file.
    #[cfg(unix)]
    #[test]
    fn what_is_sealed_cannot_be_done_by_anybody() {
        let segment = Segment::anonymous("sealed", 5000).unwrap();
        assert_eq!((segment.len().unwrap(), segment.status().unwrap().len), (5000, 5000));
        let region = segment.map().unwrap();
        region.write_at(4990, b"x").unwrap();
        segment.seal(&[Seal::Shrink, Seal::Grow]).unwrap();
        let Handle::Posix(file) = &segment.handle else { panic!() };
        assert_eq!(file.set_len(10).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
        assert_eq!(file.set_len(10_000).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
        again(&segment).map().unwrap().write_at(0, b"y").unwrap();
        let busy = segment.seal(&[Seal::Write]).unwrap_err();
        assert_eq!(Errno::from_io_error(busy.os_error().unwrap()), Some(Errno::BUSY));
        drop(region);
        segment.seal(&[Seal::Write, Seal::Further]).unwrap();
        assert_eq!(
            segment.seals().unwrap(),
            [Seal::Shrink, Seal::Grow, Seal::Write, Seal::Further]
        );
        let received = again(&segment).map().unwrap();
        let mut seen = [0; 1];
        received.read_at(0, &mut seen).unwrap();
        assert_eq!(&seen, b"y");
        assert!(received.write_at(0, b"z").is_err());
        let late = segment.seal(&[Seal::Grow]).unwrap_err();
        assert_eq!(late.to_string(), "cannot set the attributes of 'memfd:sealed'");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_memory_is_not_received() {
        let (pipe, _end) = std::io::pipe().unwrap();
        assert!(Segment::received(pipe).is_err());
        let empty = memfd::file_in_memory("empty").unwrap();
        let refused = Segment::received(empty).unwrap_err();
        assert!(matches!(refused.cause, Cause::Unfinished), "{refused:?}");
        assert!(Segment::anonymous("none", 0).is_err());
    }
}
