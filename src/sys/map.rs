//! One mapping, whose bytes are only ever copied in and out, or compared, by the guarded loops.
//!
//! There is no `&[u8]` of it: other threads and processes may change the bytes, or take the pages
//! away, at any time, and neither is allowed to a Rust reference.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::guard::{self, FaultGuard, Hardware, Interrupted};
use super::system::Attachment;
use super::system::{flush, pages, view};
use crate::options::SegmentAccess;
use memory::Memory;

pub(crate) use super::system::pages::{MSYNC_WAITS, MUST_FLUSH_STORES};
pub(crate) use super::system::view::REACHES_PAST_END;
pub(crate) use fault::cause_of_fault;

mod fault;
mod memory;

/// What a mapping of a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading.
    Read,
    /// Reading, and writing into the file (`MAP_SHARED`). The file must be open for both.
    ReadWrite,
    /// Reading, and writing into pages of one's own (`MAP_PRIVATE`).
    CopyOnWrite,
}

/// What may be done with the bytes of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Nothing.
    None,
    /// They may be read.
    Read,
    /// They may be read and written.
    ReadWrite,
}

/// What the kernel is told about the use of a range (`madvise(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing special.
    Normal,
    /// It is read from begin to end: read far ahead, and drop what lies behind early.
    Sequential,
    /// It is read here and there: do not read ahead.
    Random,
    /// It is needed soon: start to read it.
    WillNeed,
    /// Make all of it present for reading now. Not a hint: it waits, and a page that cannot be
    /// had is an error (`EFAULT`), not a signal. Linux 5.14.
    PopulateRead,
    /// Make all of it present for writing now, with blocks for its holes; else as
    /// [`PopulateRead`](Self::PopulateRead).
    PopulateWrite,
    /// Its pages may leave this map; the file keeps what was written.
    DontNeed,
    /// Pages that are not in memory yet are made as large as can be, 2 MiB on x86-64. Linux.
    HugePages,
}

/// How `msync(2)` is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Msync {
    /// `MS_SYNC`. On Linux it waits until the bytes, and what is needed to read them, are on the
    /// disk; it promises neither times nor mode nor the file's name. On macOS it waits for the
    /// drive, whose cache may still lose them: [`Flush::Sync`](crate::Flush::Sync) goes further.
    Sync,
    /// `MS_ASYNC`. Starts write-out, but **does nothing** on Linux, since 2.6.19: there
    /// [`Flush::Async`](crate::Flush::Async) starts it.
    Async,
    /// `MS_SYNC | MS_INVALIDATE`: other maps of the file see the bytes, too. They always do on
    /// Linux, where the flag adds nothing but `EBUSY` for ranges that are locked in memory.
    SyncInvalidate,
    /// `MS_ASYNC | MS_INVALIDATE`.
    AsyncInvalidate,
}

/// The side of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is read.
    Source,
    /// What is written.
    Target,
}

/// A map that could not be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Which of the two memories it was.
    pub(crate) side: Side,
    /// Bytes that were copied, or found equal, before.
    pub(crate) done: usize,
    /// Where in that memory it was, as the hardware told: perhaps rounded down to a page.
    pub(crate) at: usize,
    /// What was wrong.
    pub(crate) reason: FaultReason,
}

/// What is wrong with a byte of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultReason {
    /// The kernel could not provide its page: [`cause_of_fault`] tells why.
    Missing,
    /// Its memory is broken.
    HardwareMemory,
    /// [`Mapping::protect`] forbids the access; nothing was tried.
    Protected,
}

/// Whose the pages of a mapping are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The file's, or the segment's.
    Shared,
    /// The mapping's own.
    Private,
}

/// A mapped range of a file, or memory of no file.
///
/// While it lives, the SIGBUS handler is installed.
#[derive(Debug)]
pub(crate) struct Mapping {
    memory: Memory,
    kind: Kind,
    protection: Protection,
    // Behind `memory`: fields are dropped in order, and the map goes before its guard.
    guard: FaultGuard,
}

impl Mapping {
    /// Maps `len` bytes of `file` from any `offset` on; `len` is not 0.
    ///
    /// Where [`REACHES_PAST_END`] says so the range may go past the end of the file: touching pages
    /// there is a [`Fault`].
    pub(crate) fn file(file: &File, offset: u64, len: usize, access: Access) -> io::Result<Self> {
        assert!(len > 0, "a mapping has at least one byte, because mmap refuses one of none");
        let guard = FaultGuard::install()?;
        let memory = view::of_file(file, offset, len, access)?;
        let (kind, protection) = match access {
            Access::Read => (Kind::Shared, Protection::Read),
            Access::ReadWrite => (Kind::Shared, Protection::ReadWrite),
            Access::CopyOnWrite => (Kind::Private, Protection::ReadWrite),
        };
        Ok(Self { memory: memory.into(), kind, protection, guard })
    }

    /// A range of an attached segment; it is inside of it, and not empty.
    pub(crate) fn attached(
        attachment: &Arc<Attachment>,
        range: Range<usize>,
        access: SegmentAccess,
    ) -> io::Result<Self> {
        assert!(
            range.start < range.end && range.end <= attachment.len(),
            "{range:?} does not lie in a segment of {} bytes",
            attachment.len()
        );
        let protection = match access {
            SegmentAccess::Read => Protection::Read,
            SegmentAccess::ReadWrite => Protection::ReadWrite,
        };
        let guard = FaultGuard::install()?;
        let memory = Memory::part(attachment, range);
        Ok(Self { memory, kind: Kind::Shared, protection, guard })
    }

    /// A range of the same memory, which is inside of it and not empty.
    ///
    /// # Errors
    ///
    /// `Unsupported` for what is no attached segment, `PermissionDenied` where the whole is for
    /// reading only.
    pub(crate) fn part(&self, range: Range<usize>, access: Access) -> io::Result<Self> {
        self.check(range.start, range.len());
        let (protection, wanted) = match access {
            Access::Read => (Protection::Read, Protection::Read),
            Access::ReadWrite => (Protection::ReadWrite, Protection::ReadWrite),
            Access::CopyOnWrite => return Err(io::ErrorKind::Unsupported.into()),
        };
        if self.protection < wanted {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let memory = self.memory.sub(range).ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self { memory, kind: self.kind, protection, guard: self.guard.clone() })
    }

    /// Maps `len` bytes of zeros that belong to no file; `len` is not 0.
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        assert!(len > 0, "a mapping has at least one byte, because mmap refuses one of none");
        let guard = FaultGuard::install()?;
        let memory = Memory::from(view::anonymous(len)?);
        Ok(Self { memory, kind: Kind::Private, protection: Protection::ReadWrite, guard })
    }

    /// Its first byte, for who answers for what others do to the memory.
    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.memory.as_mut_ptr()
    }

    /// Whether its bytes may be stored to, by others, too.
    pub(crate) fn is_writable(&self) -> bool {
        self.kind == Kind::Shared && self.protection == Protection::ReadWrite
    }

    /// Whether it begins with a page.
    pub(crate) fn is_page_aligned(&self) -> bool {
        (self.memory.as_ptr() as usize).is_multiple_of(pages::page_bytes())
    }

    /// Bytes of all its pages.
    pub(crate) fn pages_len(&self) -> usize {
        let (_, len) = self.pages(0, self.len());
        len.next_multiple_of(pages::page_bytes())
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.memory.len()
    }

    /// Copies the bytes from `at` on to `into`.
    pub(crate) fn read_at(&self, at: usize, into: &mut [u8]) -> Result<(), Fault> {
        self.check(at, into.len());
        self.permit(Protection::Read, Side::Source, at)?;
        // SAFETY: `at` was checked to be inside of the mapping.
        let source = unsafe { self.memory.as_ptr().add(at) };
        // SAFETY:
        // - the source is mapped for `into.len()` bytes (`check`) and readable (`permit`), and
        //   stays so: `protect` and `drop` need the mapping for themselves;
        // - the target is an exclusive reference, initialised and writable;
        // - bytes in both ranges that others change are allowed by `guard::copy`.
        unsafe { guard::copy(&self.guard, source, into.as_mut_ptr(), into.len()) }.map_err(
            |interrupted| match self.offset_of(interrupted.address) {
                Some(at) => fault(Side::Source, at, interrupted),
                None => fault(Side::Target, interrupted.done, interrupted),
            },
        )
    }

    /// Copies `from` to the bytes from `at` on.
    pub(crate) fn write_at(&self, at: usize, from: &[u8]) -> Result<(), Fault> {
        self.check(at, from.len());
        self.permit(Protection::ReadWrite, Side::Target, at)?;
        // SAFETY: `at` was checked to be inside of the mapping.
        let target = unsafe { self.memory.as_mut_ptr().add(at) };
        // SAFETY:
        // - the source is a reference, and readable;
        // - the target is mapped for `from.len()` bytes (`check`) and writable (`permit`), and
        //   stays so: `protect` and `drop` need the mapping for themselves;
        // - no reference to its bytes exists anywhere, so they may be overwritten.
        unsafe { guard::copy(&self.guard, from.as_ptr(), target, from.len()) }.map_err(
            |interrupted| match self.offset_of(interrupted.address) {
                Some(at) => fault(Side::Target, at, interrupted),
                None => fault(Side::Source, interrupted.done, interrupted),
            },
        )
    }

    /// Copies `len` bytes from one mapping to another, forwards.
    pub(crate) fn copy_between(
        source: &Self,
        source_at: usize,
        target: &Self,
        target_at: usize,
        len: usize,
    ) -> Result<(), Fault> {
        source.check(source_at, len);
        target.check(target_at, len);
        source.permit(Protection::Read, Side::Source, source_at)?;
        target.permit(Protection::ReadWrite, Side::Target, target_at)?;
        // SAFETY: `source_at` was checked to be inside of the mapping.
        let from = unsafe { source.memory.as_ptr().add(source_at) };
        // SAFETY: `target_at` was checked to be inside of the mapping.
        let to = unsafe { target.memory.as_mut_ptr().add(target_at) };
        // SAFETY: as in `read_at` for the source and as in `write_at` for the target.
        unsafe { guard::copy(&source.guard, from, to, len) }
            .map_err(|interrupted| fault_of_two(source, (target, target_at), interrupted))
    }

    /// The number of equal bytes at the start of two ranges of `len` bytes, each of one mapping.
    pub(crate) fn equal_len(
        source: &Self,
        source_at: usize,
        target: &Self,
        target_at: usize,
        len: usize,
    ) -> Result<usize, Fault> {
        source.check(source_at, len);
        target.check(target_at, len);
        source.permit(Protection::Read, Side::Source, source_at)?;
        target.permit(Protection::Read, Side::Target, target_at)?;
        // SAFETY: `source_at` was checked to be inside of the mapping.
        let left = unsafe { source.memory.as_ptr().add(source_at) };
        // SAFETY: `target_at` was checked to be inside of the mapping.
        let right = unsafe { target.memory.as_ptr().add(target_at) };
        // SAFETY: as in `read_at`, for both.
        unsafe { guard::equal_len(&source.guard, left, right, len) }
            .map_err(|interrupted| fault_of_two(source, (target, target_at), interrupted))
    }

    /// Tells the kernel how a range is used.
    ///
    /// # Errors
    ///
    /// `Unsupported` where this system or this kind of mapping does not know the advice;
    /// `PermissionDenied` where the protection forbids to populate; for the populating two,
    /// `EFAULT` when a page cannot be had.
    pub(crate) fn advise(&self, range: Range<usize>, advice: Advice) -> io::Result<()> {
        // memmap2's own check, as of 0.9.12, lets a range through that ends behind the map.
        self.check(range.start, range.len());
        let needed = match advice {
            Advice::PopulateRead => Protection::Read,
            Advice::PopulateWrite => Protection::ReadWrite,
            _ => Protection::None,
        };
        if self.protection < needed {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if advice == Advice::DontNeed && self.kind == Kind::Private {
            // It would throw away what was written (madvise(2)).
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (start, len) = self.pages(range.start, range.len());
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range is inside of the mapping, to the page, so no other memory is touched;
        // the only advice that changes bytes, that of private pages, was refused.
        unsafe { pages::advise(start, len, advice) }
    }

    /// Calls `msync` for the pages of a range.
    ///
    /// # Errors
    ///
    /// What `msync` returns; an error of write-out is returned once, and must not be retried.
    pub(crate) fn flush(&self, at: usize, len: usize, how: Msync) -> io::Result<()> {
        self.check(at, len);
        let (start, len) = self.pages(at, len);
        // SAFETY: the range is inside of the mapping, to the page; no byte of it changes, and no
        // reference to one exists.
        unsafe { pages::flush(start, len, how) }
    }

    /// Writes out what was stored into the file, where that has to be before the map goes
    /// ([`MUST_FLUSH_STORES`]). It does not wait for the disk.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush).
    pub(crate) fn flush_stores(&self) -> io::Result<()> {
        if MUST_FLUSH_STORES { self.flush(0, self.len(), Msync::Async) } else { Ok(()) }
    }

    /// Brings the pages of a range to the disk: by `msync`, and where that does not wait for it by
    /// a flush of `file`, whose map it is, too.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush), and of flushing the file.
    pub(crate) fn flush_to_disk(&self, file: &File, at: usize, len: usize) -> io::Result<()> {
        self.flush(at, len, Msync::Sync)?;
        if MSYNC_WAITS { Ok(()) } else { flush::sync_all(file) }
    }

    /// Changes what may be done with all of its bytes.
    ///
    /// It needs the mapping for itself, so that no copy is under way, which would die of SIGSEGV.
    ///
    /// # Errors
    ///
    /// What `mprotect` returns: `EACCES` when the file was not opened for that.
    pub(crate) fn protect(&mut self, protection: Protection) -> io::Result<()> {
        let (start, len) = self.pages(0, self.len());
        // SAFETY: the pages are this mapping's; no reference to their bytes exists, and copies are
        // held off by the exclusive borrow here and by `permit` afterwards.
        unsafe { pages::protect(start, len, self.kind, protection) }?;
        self.protection = protection;
        Ok(())
    }

    fn check(&self, at: usize, len: usize) {
        assert!(
            at <= self.len() && len <= self.len() - at,
            "{len} bytes from {at} on do not lie in a mapping of {} bytes",
            self.len()
        );
    }

    fn permit(&self, needed: Protection, side: Side, at: usize) -> Result<(), Fault> {
        if self.protection < needed {
            return Err(Fault { side, done: 0, at, reason: FaultReason::Protected });
        }
        Ok(())
    }

    /// The pages of a checked range: the address of the first, and the length from there on.
    fn pages(&self, at: usize, len: usize) -> (*mut u8, usize) {
        let address = self.memory.as_mut_ptr() as usize + at;
        let lead_in = address % pages::page_bytes();
        // The lead-in of a mapping whose offset is not a page's belongs to it, too.
        (self.memory.as_mut_ptr().wrapping_add(at).wrapping_sub(lead_in), len + lead_in)
    }

    /// Where an address lies in the mapping, if it does, to the page.
    fn offset_of(&self, address: usize) -> Option<usize> {
        let start = self.memory.as_ptr() as usize;
        let page = start - start % pages::page_bytes();
        (page..start + self.len()).contains(&address).then(|| address.saturating_sub(start))
    }
}

/// The fault of a loop over two mappings, in the second from `target_at` on.
fn fault_of_two(
    source: &Mapping,
    (target, target_at): (&Mapping, usize),
    interrupted: Interrupted,
) -> Fault {
    match source.offset_of(interrupted.address) {
        Some(at) => fault(Side::Source, at, interrupted),
        None => {
            let at = target.offset_of(interrupted.address);
            fault(Side::Target, at.unwrap_or(target_at + interrupted.done), interrupted)
        }
    }
}

fn fault(side: Side, at: usize, interrupted: Interrupted) -> Fault {
    let reason = match interrupted.hardware {
        Hardware::Broken => FaultReason::HardwareMemory,
        Hardware::Unsuspected => FaultReason::Missing,
    };
    Fault { side, done: interrupted.done, at, reason }
}

#[cfg(test)]
mod tests;
