//! Views of files, and memory of no file.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::NonNull;
use std::sync::OnceLock;

use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_COPY, FILE_MAP_READ, FILE_MAP_WRITE, MEM_COMMIT, MEM_RELEASE,
    MEM_RESERVE, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, PAGE_READONLY, PAGE_READWRITE,
    PAGE_WRITECOPY, UnmapViewOfFile, VirtualAlloc, VirtualFree,
};

use super::errno::last;
use super::handle;
use crate::sys::map::Access;

/// Whether a view may reach past the end of the file: it is refused.
pub(crate) const REACHES_PAST_END: bool = false;

/// A range of a file, or memory, mapped until it is dropped.
#[derive(Debug)]
pub(crate) struct View {
    /// Where it begins.
    base: NonNull<u8>,
    /// Bytes before the first one that was asked for: views begin at multiples of 64 KiB.
    lead_in: usize,
    len: usize,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Section,
    Allocated,
}

// SAFETY: it is an address and a length; the memory belongs to no thread, and is only reached
// through raw pointers whose users answer for each access.
unsafe impl Send for View {}
// SAFETY: as above; no method changes it.
unsafe impl Sync for View {}

/// Maps `len` bytes of a file from any offset on (`CreateFileMappingW`, `MapViewOfFile`).
///
/// # Errors
///
/// Those of the two calls: `ERROR_FILE_INVALID` for an empty file, `ERROR_ACCESS_DENIED` for a
/// range that reaches past the end, and for a handle that is not open for that.
pub(crate) fn of_file(file: &File, offset: u64, len: usize, access: Access) -> io::Result<View> {
    let (protection, access) = match access {
        Access::Read => (PAGE_READONLY, FILE_MAP_READ),
        Access::ReadWrite => (PAGE_READWRITE, FILE_MAP_READ | FILE_MAP_WRITE),
        Access::CopyOnWrite => (PAGE_WRITECOPY, FILE_MAP_COPY),
    };
    let null = std::ptr::null();
    // SAFETY: the section gets the file's own length, no name, and the default security.
    let section =
        unsafe { CreateFileMappingW(handle::raw(file), null, protection, 0, 0, std::ptr::null()) };
    if section.is_null() {
        return Err(last());
    }
    // SAFETY: the call has made it for this process, and nobody else has it. A view keeps it.
    let section = unsafe { OwnedHandle::from_raw_handle(section) };
    let lead_in = offset % granularity();
    let begin = offset - lead_in;
    let lead_in = usize::try_from(lead_in).map_err(|_| io::ErrorKind::InvalidInput)?;
    let whole = len.checked_add(lead_in).ok_or(io::ErrorKind::OutOfMemory)?;
    let [high, low] = [begin >> 32, begin & u64::from(u32::MAX)]
        .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
    // SAFETY: the system finds a place where nothing is.
    let view = unsafe { MapViewOfFile(section.as_raw_handle(), access, high, low, whole) };
    let base = NonNull::new(view.Value.cast()).ok_or_else(last)?;
    Ok(View { base, lead_in, len, origin: Origin::Section })
}

/// Maps `len` bytes of zeros that belong to no file (`VirtualAlloc`).
pub(crate) fn anonymous(len: usize) -> io::Result<View> {
    let flags = MEM_COMMIT | MEM_RESERVE;
    // SAFETY: the system finds a place where nothing is.
    let base = unsafe { VirtualAlloc(std::ptr::null(), len, flags, PAGE_READWRITE) };
    let base = NonNull::new(base.cast()).ok_or_else(last)?;
    Ok(View { base, lead_in: 0, len, origin: Origin::Allocated })
}

/// What the offset of a view is a multiple of: 64 KiB.
fn granularity() -> u64 {
    use windows_sys::Win32::System::SystemInformation::GetSystemInfo;
    static GRANULARITY: OnceLock<u64> = OnceLock::new();
    *GRANULARITY.get_or_init(|| {
        let mut info = std::mem::MaybeUninit::uninit();
        // SAFETY: it fills in what it is given.
        unsafe { GetSystemInfo(info.as_mut_ptr()) };
        // SAFETY: it was filled in.
        let info = unsafe { info.assume_init() };
        u64::from(info.dwAllocationGranularity.max(1))
    })
}

impl View {
    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first byte.
    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.base.as_ptr().wrapping_add(self.lead_in)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let base = self.base.as_ptr().cast();
        match self.origin {
            Origin::Section => {
                let address = MEMORY_MAPPED_VIEW_ADDRESS { Value: base };
                // SAFETY: it is the base of a view, which is unmapped once, and whoever reads or
                // writes through it borrows this or shares it.
                unsafe { UnmapViewOfFile(address) };
            }
            Origin::Allocated => {
                // SAFETY: likewise, of memory that was allocated; its length is known.
                unsafe { VirtualFree(base, 0, MEM_RELEASE) };
            }
        }
    }
}
