//! Pages of memory: their size, what is to become of them, and their way to the disk.

use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use windows_sys::Win32::System::Memory::{
    FlushViewOfFile, MEMORY_BASIC_INFORMATION, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE,
    PAGE_WRITECOPY, PrefetchVirtualMemory, VirtualProtect, VirtualQuery, WIN32_MEMORY_RANGE_ENTRY,
};
use windows_sys::Win32::System::SystemInformation::GetSystemInfo;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::errno::{checked, last};
use crate::sys::map::{Advice, Kind, Msync, Protection};

/// Whether a flush of pages that waits has brought them to the disk: `FlushFileBuffers` does.
pub(crate) const MSYNC_WAITS: bool = false;

/// Whether what was stored through a map has to be flushed before that is unmapped: later nobody is
/// told of a page that cannot be written, since a store into a hole or a compressed page raises
/// nothing for a full disk; and the page writer may set the time of modification when it comes to
/// the page.
pub(crate) const MUST_FLUSH_STORES: bool = true;

/// Bytes of a page.
pub(crate) fn page_bytes() -> usize {
    static PAGE: OnceLock<usize> = OnceLock::new();
    *PAGE.get_or_init(|| {
        let mut info = MaybeUninit::uninit();
        // SAFETY: it fills in what it is given.
        unsafe { GetSystemInfo(info.as_mut_ptr()) };
        // SAFETY: it was filled in.
        let info = unsafe { info.assume_init() };
        usize::try_from(info.dwPageSize).unwrap_or(4096)
    })
}

/// Tells the system how pages will be used. Windows knows one such hint: that they are needed soon
/// (`PrefetchVirtualMemory`).
///
/// # Errors
///
/// `Unsupported` for advice that changes what happens, which this system does not know.
///
/// # Safety
///
/// The pages are the caller's.
pub(crate) unsafe fn advise(start: *mut u8, len: usize, advice: Advice) -> io::Result<()> {
    match advice {
        // Hints, and this is what is done without them.
        Advice::Normal | Advice::Sequential | Advice::Random => Ok(()),
        Advice::WillNeed => {
            let range =
                WIN32_MEMORY_RANGE_ENTRY { VirtualAddress: start.cast(), NumberOfBytes: len };
            // SAFETY: it takes no memory; what it returns stands for this process.
            let process = unsafe { GetCurrentProcess() };
            // SAFETY: it reads one range, which it is given, and touches no byte of the pages.
            checked(unsafe { PrefetchVirtualMemory(process, 1, &raw const range, 0) })
        }
        Advice::PopulateRead | Advice::PopulateWrite | Advice::DontNeed | Advice::HugePages => {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

/// Calls `FlushViewOfFile`, which starts the writing of changed pages, and for [`Msync::Sync`] does
/// not wait for the disk either: `FlushFileBuffers` of the file does. Other views of the file see
/// what is stored at once, so that there is nothing to invalidate.
///
/// # Errors
///
/// Those of the call.
///
/// # Safety
///
/// The pages are mapped.
pub(crate) unsafe fn flush(start: *mut u8, len: usize, _: Msync) -> io::Result<()> {
    // SAFETY: the caller answers for the pages.
    checked(unsafe { FlushViewOfFile(start.cast(), len) })
}

/// Calls `VirtualProtect`.
///
/// # Errors
///
/// Those of the call: a view cannot be given more than its section allows.
///
/// # Safety
///
/// The pages are the caller's, who answers for those who touch them.
pub(crate) unsafe fn protect(
    start: *mut u8,
    len: usize,
    kind: Kind,
    protection: Protection,
) -> io::Result<()> {
    let flags = match (protection, kind) {
        (Protection::None, _) => PAGE_NOACCESS,
        (Protection::Read, _) => PAGE_READONLY,
        (Protection::ReadWrite, Kind::Shared) => PAGE_READWRITE,
        // Memory of no file knows no copies on write.
        (Protection::ReadWrite, Kind::Private) if is_section(start)? => PAGE_WRITECOPY,
        (Protection::ReadWrite, Kind::Private) => PAGE_READWRITE,
    };
    let mut before = 0;
    // SAFETY: the caller answers for the pages.
    checked(unsafe { VirtualProtect(start.cast(), len, flags, &raw mut before) })
}

/// Whether a page belongs to a view of a section.
fn is_section(page: *mut u8) -> io::Result<bool> {
    use windows_sys::Win32::System::Memory::MEM_MAPPED;
    Ok(region(page)?.Type == MEM_MAPPED)
}

/// What the system says of the pages that begin with this one and are like it.
pub(super) fn region(page: *const u8) -> io::Result<MEMORY_BASIC_INFORMATION> {
    let mut found = MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
    let bytes = size_of::<MEMORY_BASIC_INFORMATION>();
    // SAFETY: it fills in as many bytes as it is told that there are, and takes any address.
    if unsafe { VirtualQuery(page.cast(), found.as_mut_ptr(), bytes) } == 0 {
        return Err(last());
    }
    // SAFETY: it was filled in.
    Ok(unsafe { found.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::map::{Access, FaultReason, Mapping};
    use windows_sys::Win32::System::Memory::{MEM_COMMIT, MEM_MAPPED};

    #[test]
    fn what_may_be_done_with_pages_is_what_was_said_last() {
        let file = tempfile::tempfile().unwrap();
        crate::sys::file::write_all_at(&file, &[1; 10_000], 0).unwrap();
        for access in [Access::ReadWrite, Access::CopyOnWrite] {
            let mut map = Mapping::file(&file, 0, 10_000, access).unwrap();
            let found = |map: &Mapping| region(map.as_mut_ptr()).unwrap();
            assert_eq!((found(&map).State, found(&map).Type), (MEM_COMMIT, MEM_MAPPED));
            assert!(found(&map).RegionSize >= 10_000);
            for (protection, flags) in
                [(Protection::None, PAGE_NOACCESS), (Protection::Read, PAGE_READONLY)]
            {
                map.protect(protection).unwrap();
                assert_eq!(found(&map).Protect, flags);
                let refused = map.write_at(5000, b"x").unwrap_err();
                assert_eq!(refused.reason, FaultReason::Protected);
            }
            map.protect(Protection::ReadWrite).unwrap();
            map.write_at(5000, b"x").unwrap();
            let mut seen = [0; 1];
            crate::sys::file::read_at(&file, 5000, &mut seen).unwrap();
            assert_eq!(seen[0], if access == Access::ReadWrite { b'x' } else { 1 });
            crate::sys::file::write_all_at(&file, &[1], 5000).unwrap();
        }
    }

    #[test]
    #[ignore = "Wine lets views be written that were mapped for reading"]
    fn a_view_cannot_be_given_more_than_its_section_allows() {
        let file = tempfile::tempfile().unwrap();
        crate::sys::file::set_len(&file, 10_000).unwrap();
        let mut map = Mapping::file(&file, 0, 10_000, Access::Read).unwrap();
        assert!(map.protect(Protection::ReadWrite).is_err());
    }

    #[test]
    fn memory_of_no_file_is_written_again() {
        let mut map = Mapping::anonymous(10_000).unwrap();
        map.write_at(9_999, b"x").unwrap();
        map.protect(Protection::Read).unwrap();
        map.protect(Protection::ReadWrite).unwrap();
        map.write_at(9_999, b"y").unwrap();
        let mut seen = [0; 2];
        map.read_at(9_998, &mut seen).unwrap();
        assert_eq!(&seen, b"\0y");
    }

    #[test]
    fn changed_pages_can_be_flushed_and_asked_for() {
        let file = tempfile::tempfile().unwrap();
        crate::sys::file::set_len(&file, 100_000).unwrap();
        let map = Mapping::file(&file, 0, 100_000, Access::ReadWrite).unwrap();
        map.write_at(50_000, b"stored").unwrap();
        for how in [Msync::Sync, Msync::Async] {
            map.flush(0, 100_000, how).unwrap();
            map.flush(50_001, 3, how).unwrap();
        }
        map.advise(0..100_000, Advice::Sequential).unwrap();
        let kind = |result: io::Result<()>| result.err().map(|error| error.kind());
        for unknown in [Advice::PopulateRead, Advice::DontNeed, Advice::HugePages] {
            assert_eq!(kind(map.advise(0..100_000, unknown)), Some(io::ErrorKind::Unsupported));
        }
        map.advise(0..100_000, Advice::WillNeed).unwrap();
    }

    #[test]
    fn a_page_is_a_power_of_two() {
        assert!(page_bytes().is_power_of_two() && page_bytes() >= 4096);
    }
}
