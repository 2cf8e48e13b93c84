//! A segment that is filled before others find it, where that can be.

use std::fs::File;

use super::{Access, Handle, Segment, SegmentOptions};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{Endpoint, SegmentName, SystemVName};
use crate::sys::Errno;
use crate::sys::sysv::{self, Get};
use crate::sys::{file, posix_shm};
use crate::units::ByteRange;

/// A new segment without its name yet. Dropped so, it is gone.
#[derive(Debug)]
pub(crate) struct Staged {
    endpoint: Endpoint,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Posix {
        file: File,
        len: u64,
    },
    /// It has its key from the beginning.
    SystemV {
        id: i32,
    },
    Published,
}

impl SegmentOptions {
    /// Makes a new segment of that length, which is not 0. The memory of a POSIX object is yet to
    /// be reserved, by whoever fills it or [`Staged::reserve`].
    pub(crate) fn stage(self, name: &SegmentName, len: u64) -> Result<(Staged, Segment)> {
        let endpoint = Endpoint::Segment(name.clone());
        super::status::reachable(Operation::Create, &endpoint)?;
        let (kind, handle) = match name {
            SegmentName::Posix(_) => {
                let file = posix_shm::make(self.mode)
                    .and_then(|file| file::set_len(&file, len).map(|()| file))
                    .context(Operation::Create, &endpoint)?;
                let again = file.try_clone().context(Operation::Create, &endpoint)?;
                (Kind::Posix { file, len }, Handle::Posix(again))
            }
            SegmentName::SystemV(SystemVName::Id(_)) => {
                let error = std::io::Error::from(Errno::NOENT);
                return Err(Error::new(Operation::Open, &endpoint, error));
            }
            SegmentName::SystemV(name) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                let id = sysv::key_of(name)
                    .map(|key| key.unwrap_or(sysv::PRIVATE))
                    .and_then(|key| sysv::get(key, Get::New { len, mode: self.mode }))
                    .context(Operation::Create, &endpoint)?;
                (Kind::SystemV { id }, Handle::SystemV { id })
            }
            SegmentName::Section(_) => {
                // Whoever stages one has it only as long as it fills it.
                let why = "it would go with the end of this process: let another hold one first, \
                           such as mycp-shm create --hold";
                return Err(Error::new(Operation::Create, &endpoint, Cause::Unsupported(why)));
            }
            SegmentName::Anonymous(_) => {
                return Err(super::status::nameless(Operation::Create, &endpoint));
            }
        };
        let staged = Staged { endpoint: endpoint.clone(), kind };
        Ok((staged, Segment { endpoint, access: Access::ReadWrite, handle, made: true }))
    }
}

impl Staged {
    /// Makes sure that there is memory for all of it.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub(crate) fn reserve(&self) -> Result<()> {
        match &self.kind {
            Kind::Posix { file, len } => crate::sys::space::reserve(file, ByteRange::first(*len))
                .context(Operation::Reserve, &self.endpoint),
            Kind::SystemV { .. } | Kind::Published => Ok(()),
        }
    }

    /// Gives it its name, and tells the identifier of a System V segment.
    ///
    /// # Errors
    ///
    /// [`Cause::Appeared`] when another has the name by now.
    pub(crate) fn publish(mut self) -> Result<Option<i32>> {
        match (&self.kind, &self.endpoint) {
            (Kind::Posix { file, .. }, Endpoint::Segment(SegmentName::Posix(name))) => {
                posix_shm::publish(file, name).map_err(|error| {
                    match Errno::from_io_error(&error) {
                        Some(Errno::EXIST) => {
                            Error::new(Operation::Create, &self.endpoint, Cause::Appeared)
                        }
                        _ => Error::new(Operation::Create, &self.endpoint, error),
                    }
                })?;
            }
            (Kind::SystemV { id }, _) => {
                let id = *id;
                self.kind = Kind::Published;
                return Ok(Some(id));
            }
            _ => {}
        }
        Ok(None)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Kind::SystemV { id } = self.kind {
            // Whatever it was made for has failed, and is what is told.
            drop(sysv::remove(id));
        }
    }
}
