//! A place in shared memory that only locks touch.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::map::Mapping;

/// Memory that processes share, as locks see it: a [`Region`](crate::shm::Region).
pub trait SharedMemory: sealed::Sealed {}

pub(crate) mod sealed {
    use super::Mapped;

    /// Nobody else can implement what this is a bound of.
    pub trait Sealed {
        #[doc(hidden)]
        fn mapped(&self) -> Mapped<'_>;
    }
}

/// The mapping of a [`SharedMemory`].
#[derive(Clone, Copy, Debug)]
pub struct Mapped<'a>(pub(crate) &'a Arc<Mapping>);

/// Bytes of shared memory that have been given to a lock, and stay mapped while one uses them.
#[derive(Clone, Debug)]
pub struct Place {
    mapping: Arc<Mapping>,
    at: usize,
    len: usize,
}

/// What the offset of a place is a multiple of: a line of the processor's cache.
pub const PLACE_ALIGNMENT: u64 = 64;

impl Place {
    /// The `len` bytes from `offset` on; `None` where the memory does not have them, may not be
    /// written, or where `offset` is no multiple of [`PLACE_ALIGNMENT`].
    ///
    /// # Safety
    ///
    /// As long as any process uses a lock there:
    ///
    /// - These bytes are touched by locks only, and all by locks of one kind that begin with the
    ///   same byte. A lock has pointers in them; where something else is written, locking and
    ///   unlocking writes to where that points to. So all who may write to the segment are to be
    ///   trusted, and no copy is restored over it.
    /// - None is made there ([`Mutex::create`](crate::lock::Mutex::create) and its like) while
    ///   somebody has the one that is there, or waits for it. A thread has a list of the locks that
    ///   it holds, through the locks themselves (set_robust_list(2)); of one that was made anew it
    ///   would keep the address when the memory is another's.
    /// - The segment is not cut.
    #[must_use]
    pub unsafe fn new(memory: &impl SharedMemory, offset: u64, len: u64) -> Option<Self> {
        let mapping = memory.mapped().0;
        let (at, len) = (usize::try_from(offset).ok()?, usize::try_from(len).ok()?);
        let is_inside = at.checked_add(len).is_some_and(|end| end <= mapping.len());
        let is_aligned = offset.is_multiple_of(PLACE_ALIGNMENT);
        (is_inside && is_aligned && mapping.is_writable() && mapping.is_page_aligned())
            .then(|| Self { mapping: Arc::clone(mapping), at, len })
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The address of the `T` at an offset, which is a multiple of its alignment.
    pub(super) fn address<T>(&self, offset: usize) -> *mut T {
        assert!(
            offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.len)
                && offset.is_multiple_of(align_of::<T>()),
            "a lock has its parts inside of its {} bytes, aligned",
            self.len
        );
        self.mapping.as_mut_ptr().wrapping_add(self.at + offset).cast()
    }

    /// The word at an offset.
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: it is mapped, writable and aligned (`new`, `address`), stays mapped as long as
        // this lives, and who made this has promised that only locks touch it, which they do with
        // atomic instructions.
        unsafe { AtomicU32::from_ptr(self.address(offset)) }
    }
}
