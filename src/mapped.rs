//! Reading and writing files through maps, with errors where others get a SIGBUS.
//!
//! A map of a file stops being memory when the file is cut, the disk fails or the file system is
//! full, and touching it raises SIGBUS, which ends the process. Here it is an [`Error`] that says
//! which file, which bytes and why:
//!
//! ```
//! use mycp::mapped::MappedSource;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("file");
//! std::fs::write(&path, [7; 10_000])?;
//! let source = MappedSource::open(&path)?;
//! std::fs::File::options().write(true).open(&path)?.set_len(5000)?;
//!
//! let error = source.read_at(4090, &mut [0; 5000]).unwrap_err();
//! assert_eq!(error.range.unwrap().start(), 5000);
//! assert!(matches!(error.cause, mycp::Cause::Shrank { len: 5000 }));
//! # Ok(())
//! # }
//! ```
//!
//! Files of any length are mapped in windows of 2 MiB, one at a time for each handle, so that
//! neither address space nor page tables grow with the file. All functions may be called from any
//! number of threads at once. No reference to mapped bytes is ever handed out, because other
//! processes may change them: bytes are copied in and out.
//!
//! While a handle has a window mapped, a handler for SIGBUS is installed; [`FaultGuard`] tells what
//! it does with signals that are not its own, and lets a program decide when it comes and goes.
//! It exists for Linux on x86-64 and 64-bit ARM; elsewhere everything here fails with
//! [`io::ErrorKind::Unsupported`].
//!
//! [`Error`]: crate::Error

mod compare;
mod handle;
mod private;

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Cause, Context, Operation, Result};
use crate::options::{Endpoint, Flush};
use crate::sys::map::{self, Access, Mapping, Side};
use crate::sys::names::{self, Follow, OpenAs, Spot};
use crate::sys::{Errno, file, flush, space};
use crate::units::ByteRange;

use handle::{Handle, index};

pub use crate::sys::guard::{FaultGuard, Restored};
pub use crate::sys::map::{Advice, Msync, Protection};
pub use compare::differences;
pub use private::{AnonymousMap, PrivateMap};

/// How many bytes [`MappedTarget::flush_range`] maps at once; nothing of it is touched.
const FLUSH_BYTES_MAX: u64 = 1 << 30;

/// A regular file that is read through maps.
#[derive(Debug)]
pub struct MappedSource {
    handle: Handle,
}

impl MappedSource {
    /// Opens an existing regular file for reading.
    ///
    /// # Errors
    ///
    /// What `open` returns; [`Cause::IsDirectory`], and [`Cause::Unsupported`] for other objects
    /// that are not regular files.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let endpoint = Endpoint::from(path.as_ref());
        let file = Spot::of_path(path.as_ref())
            .open_for_reading(Follow::Yes)
            .context(Operation::Open, &endpoint)?;
        Ok(Self { handle: Handle::new(file, endpoint, Access::Read)? })
    }

    /// The file's length now.
    ///
    /// # Errors
    ///
    /// What `fstat` returns.
    pub fn len(&self) -> Result<u64> {
        self.handle.len(Operation::Stat)
    }

    /// Whether the file has no bytes now.
    ///
    /// # Errors
    ///
    /// What `fstat` returns.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`Error::range`] starts with the first byte that could not be read, rounded down to what
    /// the hardware tells, a page at most; `into` holds the bytes before it.
    /// [`Cause::Shrank`] when the file was cut; the operating system's error when the bytes cannot
    /// be read, and [`io::ErrorKind::UnexpectedEof`] when the file never had them.
    ///
    /// [`Error::range`]: crate::Error::range
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.handle.read_at(offset, into)
    }

    /// Tells the kernel how a range is used.
    ///
    /// [`Normal`](Advice::Normal), [`Sequential`](Advice::Sequential) and
    /// [`Random`](Advice::Random) are kept, one for each handle, and given to every window on the
    /// range from now on. [`DontNeed`](Advice::DontNeed) unmaps the window that lies in it. The
    /// others are carried out for all of the range at once.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where the system does not know the advice. The populating
    /// two fail as reading and writing would.
    pub fn advise(&self, range: ByteRange, advice: Advice) -> Result<()> {
        self.handle.advise(range, advice)
    }
}

/// Whether a target's bytes have blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reservation {
    /// They have: no store fails because the file system is full. (Where every write goes to new
    /// blocks, as on btrfs, one still may.)
    Reserved,
    /// The file system cannot reserve (`EOPNOTSUPP`), so the file only got its length. A store
    /// into a hole fails when the file system is full.
    LengthOnly,
}

/// A regular file that is written, and read, through maps.
///
/// Dropping it is no flush: what the system cannot write afterwards comes to nobody, on Windows not
/// even the full disk that a hole had to be filled on. [`flush`](Self::flush) tells. On Windows
/// each window is handed to the system (`FlushViewOfFile`) before the next one is mapped; an error
/// of that is one of the call that goes to the next, and of each flush from then on.
#[derive(Debug)]
pub struct MappedTarget {
    handle: Handle,
    reservation: Reservation,
}

impl MappedTarget {
    /// Makes a file of `len` zeros that did not exist, with mode 0666 less the umask.
    ///
    /// Its space is reserved, so that a full disk is an error here; where the file system cannot
    /// do that, [`reservation`](Self::reservation) says so.
    ///
    /// # Errors
    ///
    /// What `open` and `fallocate` return; `EFBIG` when `len` is above the process's limit. The
    /// file is then gone again.
    pub fn create(path: impl AsRef<Path>, len: u64) -> Result<Self> {
        let path = path.as_ref();
        let endpoint = Endpoint::from(path);
        let file = names::create_new(path, 0o666).context(Operation::Create, &endpoint)?;
        let made = reserve(&file, ByteRange::first(len))
            .context(Operation::Reserve, &endpoint)
            .and_then(|reservation| {
                let handle = Handle::new(file, endpoint, Access::ReadWrite)?;
                Ok(Self { handle, reservation })
            });
        if made.is_err() {
            // The error that is returned matters more than one of this.
            names::unlink(path).ok();
        }
        made
    }

    /// Opens an existing regular file for reading and writing; nothing of it changes.
    ///
    /// # Errors
    ///
    /// As [`MappedSource::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let endpoint = Endpoint::from(path.as_ref());
        let file = Spot::of_path(path.as_ref())
            .open_for_writing(OpenAs::ReadWrite, Follow::Yes)
            .context(Operation::Open, &endpoint)?;
        let handle = Handle::new(file, endpoint, Access::ReadWrite)?;
        // Nobody knows which of its bytes are holes.
        Ok(Self { handle, reservation: Reservation::LengthOnly })
    }

    /// Whether the bytes that the file had when it was made have blocks; not known, and so
    /// [`Reservation::LengthOnly`], for one that was opened.
    pub fn reservation(&self) -> Reservation {
        self.reservation
    }

    /// The file's length now.
    ///
    /// # Errors
    ///
    /// What `fstat` returns.
    pub fn len(&self) -> Result<u64> {
        self.handle.len(Operation::Stat)
    }

    /// Whether the file has no bytes now.
    ///
    /// # Errors
    ///
    /// What `fstat` returns.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Changes the length: cuts the file, or adds zeros and reserves their space.
    ///
    /// # Errors
    ///
    /// What `ftruncate` and `fallocate` return; `EFBIG` when `len` is above the process's limit.
    pub fn resize(&self, len: u64) -> Result<Reservation> {
        self.handle.forget_window()?;
        let old = self.handle.len(Operation::SetLen)?;
        let changed = if len < old {
            file::set_len(&self.handle.file, len).map(|()| Reservation::Reserved)
        } else {
            reserve(&self.handle.file, ByteRange::between(old, len))
        };
        // Whatever came of it, the length that was known may be wrong now.
        self.handle.forget_len();
        changed.context(Operation::SetLen, &self.handle.endpoint)
    }

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// As [`MappedSource::read_at`].
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.handle.read_at(offset, into)
    }

    /// Stores `from` at `offset`; the file does not grow.
    ///
    /// # Errors
    ///
    /// [`Error::range`] starts with the first byte that could not be stored, and those before it
    /// are. The cause is `ENOSPC` or `EDQUOT` when there was no space for a hole's block,
    /// [`Cause::Shrank`] when the file was cut, [`io::ErrorKind::UnexpectedEof`] when it never had
    /// these bytes, and else the operating system's error.
    ///
    /// [`Error::range`]: crate::Error::range
    pub fn write_at(&self, offset: u64, from: &[u8]) -> Result<()> {
        let handle = &self.handle;
        let whole = handle.range(Operation::Write, offset, from.len() as u64)?;
        handle.each_window(Operation::Write, whole, |window, part| {
            let from = &from[index(part.start() - offset)..index(part.end() - offset)];
            window.mapping.write_at(window.index_of(part.start()), from).map_err(|fault| {
                handle.fault(Operation::Write, window, &fault, whole, part.start())
            })
        })
    }

    /// Tells the kernel how a range is used; as [`MappedSource::advise`].
    ///
    /// # Errors
    ///
    /// As [`MappedSource::advise`].
    pub fn advise(&self, range: ByteRange, advice: Advice) -> Result<()> {
        self.handle.advise(range, advice)
    }

    /// Calls `msync` for a range; [`Msync`] tells what that means, and where nothing.
    ///
    /// # Errors
    ///
    /// What `msync` returns. After an error of [`Msync::Sync`] the bytes must be written again: a
    /// second call would succeed and mean nothing.
    pub fn flush_range(&self, range: ByteRange, how: Msync) -> Result<()> {
        let handle = &self.handle;
        handle.flush_window(how)?;
        let mut rest = range;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(FLUSH_BYTES_MAX);
            Mapping::file(&handle.file, part.start(), index(part.len()), Access::ReadWrite)
                .and_then(|mapping| mapping.flush(0, mapping.len(), how))
                .map_err(|error| handle.error(Operation::Flush, error).at(part))?;
            rest = behind;
        }
        match how {
            Msync::Sync | Msync::SyncInvalidate if !map::MSYNC_WAITS => {
                flush::sync_data(&handle.file).context(Operation::Flush, &handle.endpoint)
            }
            _ => Ok(()),
        }
    }

    /// Brings the file towards the disk.
    ///
    /// - [`Flush::None`]: nothing. The kernel writes it back when it likes, within half a minute
    ///   or so.
    /// - [`Flush::Async`]: write-out starts now and is not waited for; its errors may come to
    ///   nobody. On Linux by `sync_file_range`.
    /// - [`Flush::Sync`]: content, length and attributes are on the disk. On Linux by `fsync`; on
    ///   macOS that takes `F_FULLFSYNC`, because `fsync` leaves them in the drive's cache.
    ///
    /// None of them says anything about the file's *name*: that takes an `fsync` of its directory.
    ///
    /// # Errors
    ///
    /// What the call returns. A failed flush must not be repeated into success: the bytes that it
    /// was about may be gone, and have to be written again.
    pub fn flush(&self, flush: Flush) -> Result<()> {
        let handle = &self.handle;
        match flush {
            Flush::None => return Ok(()),
            Flush::Async => {
                handle.flush_window(Msync::Async)?;
                let len = handle.len(Operation::Flush)?;
                flush::start_write_out(&handle.file, ByteRange::first(len))
            }
            Flush::Sync => {
                handle.flush_window(Msync::Async)?;
                flush::sync_all(&handle.file)
            }
        }
        .context(Operation::Flush, &handle.endpoint)
    }
}

/// Copies `len` bytes from map to map.
///
/// # Errors
///
/// As [`MappedSource::read_at`] and [`MappedTarget::write_at`]: [`Error::endpoint`] tells the side,
/// [`Error::range`] is in that side's bytes. [`Cause::SameObject`] when the two ranges overlap in
/// one file.
///
/// [`Error::endpoint`]: crate::Error::endpoint
/// [`Error::range`]: crate::Error::range
pub fn copy_range(
    source: &MappedSource,
    source_offset: u64,
    target: &MappedTarget,
    target_offset: u64,
    len: u64,
) -> Result<()> {
    let (source, target) = (&source.handle, &target.handle);
    let from = source.range(Operation::Read, source_offset, len)?;
    let to = target.range(Operation::Write, target_offset, len)?;
    if source.id == target.id && !from.intersection(to).is_empty() {
        let other = source.endpoint.clone();
        return Err(target.error(Operation::Write, Cause::SameObject { other }).at(to));
    }
    source.each_window(Operation::Read, from, |read, part| {
        let shifted = ByteRange::between(
            part.start() - source_offset + target_offset,
            part.end() - source_offset + target_offset,
        );
        target.each_window(Operation::Write, shifted, |written, piece| {
            let read_at = piece.start() - target_offset + source_offset;
            Mapping::copy_between(
                &read.mapping,
                read.index_of(read_at),
                &written.mapping,
                written.index_of(piece.start()),
                index(piece.len()),
            )
            .map_err(|fault| match fault.side {
                Side::Source => source.fault(Operation::Read, read, &fault, from, read_at),
                Side::Target => target.fault(Operation::Write, written, &fault, to, piece.start()),
            })
        })
    })
}

/// Makes the file have all of `range`, with blocks where the file system can.
fn reserve(file: &File, range: ByteRange) -> io::Result<Reservation> {
    // The kernel would send SIGXFSZ, whose default is death, besides the errno (getrlimit(2)).
    if range.end() > file::len_max() {
        return Err(Errno::FBIG.into());
    }
    match space::reserve(file, range) {
        Ok(()) => Ok(Reservation::Reserved),
        Err(error) if not_supported(&error) => {
            file::set_len(file, range.end()).map(|()| Reservation::LengthOnly)
        }
        Err(error) => Err(error),
    }
}

fn not_supported(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno == Some(Errno::OPNOTSUPP) || errno == Some(Errno::NOSYS)
}
