//! Named sections: memory of the page file that processes share.
//!
//! A section has no owner who could remove it: its name goes with the last handle, and its memory
//! when there is no view either. Nothing here makes one live longer than what is open here; a view
//! has a handle of its own, so that what is mapped can be found.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::NonNull;

use windows_sys::Wdk::Foundation::{NtQueryObject, OBJECT_NAME_INFORMATION};
use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP, FILE_MAP_READ, FILE_MAP_WRITE, MEM_COMMIT,
    MEMORY_BASIC_INFORMATION, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, OpenFileMappingW,
    PAGE_READWRITE, UnmapViewOfFile, VirtualQuery,
};

use super::Errno;
use super::errno::{last, status};
use super::objects::{is_code, owned, wide};
use crate::options::{ObjectId, SectionName, SegmentAccess};

/// Why there can be none: there can.
pub(crate) const ABSENCE: Option<&str> = None;

/// A section that is open.
#[derive(Debug)]
pub(crate) struct Section {
    handle: OwnedHandle,
    len: u64,
    id: ObjectId,
}

impl Section {
    /// Makes a section of at least `len` bytes, which is not 0, for this user and the
    /// administrators, as the token of this process has it. Its memory is promised, so that no
    /// page of it can be missing later.
    ///
    /// # Errors
    ///
    /// `EXIST` where there is one of that name, `NOMEM` where that much cannot be promised,
    /// `ACCESS` for a name of all sessions without the right to make such
    /// (`SeCreateGlobalPrivilege`).
    pub(crate) fn make(name: &SectionName, len: u64) -> io::Result<Self> {
        let called = wide(name.as_str());
        let high = u32::try_from(len >> 32).unwrap_or(u32::MAX);
        let low = u32::try_from(len & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let file = INVALID_HANDLE_VALUE;
        // SAFETY: the name ends with a NUL and lives as long as the call; no file is the page file.
        let made = unsafe {
            CreateFileMappingW(file, std::ptr::null(), PAGE_READWRITE, high, low, called.as_ptr())
        };
        // Asked at once: success says by this whether there was one.
        match owned(made, last())? {
            (_, said) if is_code(&said, ERROR_ALREADY_EXISTS) => Err(Errno::EXIST.into()),
            (handle, _) => Self::of(handle, SegmentAccess::ReadWrite),
        }
    }

    /// Opens an existing one.
    ///
    /// # Errors
    ///
    /// `NOENT` where there is none, `ACCESS` where it may not be opened so.
    pub(crate) fn open(name: &SectionName, access: SegmentAccess) -> io::Result<Self> {
        let called = wide(name.as_str());
        // SAFETY: the name ends with a NUL and lives as long as the call.
        let opened = unsafe { OpenFileMappingW(rights(access), 0, called.as_ptr()) };
        let (handle, _) = owned(opened, last())?;
        Self::of(handle, access)
    }

    fn of(handle: OwnedHandle, access: SegmentAccess) -> io::Result<Self> {
        let len = Attachment::new_view(&handle, access)?.len as u64;
        let id = identity(&handle)?;
        Ok(Self { handle, len, id })
    }

    /// Its length in bytes, in whole pages: what was asked for when it was made is not kept.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// What no other section has while this one lives.
    pub(crate) fn id(&self) -> ObjectId {
        self.id
    }

    /// A view of all of it.
    ///
    /// # Errors
    ///
    /// `ACCESS` for writing where it was opened for reading, `NOMEM` where there is no room.
    pub(crate) fn view(&self, access: SegmentAccess) -> io::Result<Attachment> {
        Attachment::new_view(&self.handle, access)
    }
}

/// A view of a section in this process' memory, unmapped when it is dropped.
#[derive(Debug)]
pub(crate) struct Attachment {
    address: NonNull<u8>,
    len: usize,
    /// A view keeps the memory, but not the name.
    _named: OwnedHandle,
}

// SAFETY: it is an address, a length and a handle; the memory belongs to no thread, and is
// only reached through raw pointers whose users answer for each access.
unsafe impl Send for Attachment {}
// SAFETY: as above; no method changes it.
unsafe impl Sync for Attachment {}

impl Attachment {
    fn new_view(section: &OwnedHandle, access: SegmentAccess) -> io::Result<Self> {
        let named = section.try_clone()?;
        // SAFETY: it takes a handle and numbers, and finds a place where nothing is mapped.
        let view = unsafe { MapViewOfFile(section.as_raw_handle(), rights(access), 0, 0, 0) };
        let address = NonNull::new(view.Value.cast()).ok_or_else(last)?;
        // It unmaps if the next line fails.
        let mut attachment = Self { address, len: 0, _named: named };
        attachment.len = attachment.committed()?;
        Ok(attachment)
    }

    /// Bytes from the first on that can be touched: pages of one kind, which all of a new view of
    /// a section that was promised its memory is.
    fn committed(&self) -> io::Result<usize> {
        // SAFETY: it has numbers and pointers that nobody follows, for which all zeros are a value.
        let mut found: MEMORY_BASIC_INFORMATION = unsafe { std::mem::zeroed() };
        let address = self.address.as_ptr().cast();
        // SAFETY: it fills in what it is given, of this size, and touches no byte of the pages.
        if unsafe { VirtualQuery(address, &raw mut found, size_of_val(&found)) } == 0 {
            return Err(last());
        }
        match found.State {
            MEM_COMMIT => Ok(found.RegionSize),
            _ => Err(io::Error::other("its memory is reserved, and not there yet (SEC_RESERVE)")),
        }
    }

    /// Its first byte; the others follow, to the end of the last page.
    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.address.as_ptr()
    }

    /// Bytes of the section, which are those of its pages.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let view = MEMORY_MAPPED_VIEW_ADDRESS { Value: self.address.as_ptr().cast() };
        // SAFETY: `MapViewOfFile` returned the address, it is unmapped once, and whoever reads or
        // writes through it borrows this or shares it.
        unsafe { UnmapViewOfFile(view) };
    }
}

fn rights(access: SegmentAccess) -> FILE_MAP {
    match access {
        SegmentAccess::Read => FILE_MAP_READ,
        SegmentAccess::ReadWrite => FILE_MAP_READ | FILE_MAP_WRITE,
    }
}

/// `ObjectNameInformation`, of `OBJECT_INFORMATION_CLASS`.
const OBJECT_NAME: i32 = 1;

/// What the kernel calls the object, by a hash: `Local\x` and `Global\x` may be the same one.
fn identity(section: &OwnedHandle) -> io::Result<ObjectId> {
    // A name has at most 65,534 bytes, and stands behind its own description.
    let mut words = vec![0_u64; (size_of::<OBJECT_NAME_INFORMATION>() + 0x1_0000) / 8];
    let bytes = u32::try_from(size_of_val(&words[..])).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut written = 0;
    // SAFETY: it fills in a buffer of that many bytes, which is aligned for what it has.
    status(unsafe {
        NtQueryObject(
            section.as_raw_handle(),
            OBJECT_NAME,
            words.as_mut_ptr().cast(),
            bytes,
            &raw mut written,
        )
    })?;
    // SAFETY: the call has filled in one.
    let found = unsafe { words.as_ptr().cast::<OBJECT_NAME_INFORMATION>().read() };
    if found.Name.Buffer.is_null() {
        return Err(Errno::NOENT.into());
    }
    let len = usize::from(found.Name.Length);
    // SAFETY: the name is that long, lies in the buffer, and nobody changes it.
    let name = unsafe { std::slice::from_raw_parts(found.Name.Buffer.cast::<u8>(), len) };
    let hash = *blake3::hash(name).as_bytes();
    let half: [u8; 16] = std::array::from_fn(|at| hash[at]);
    Ok(ObjectId { dev: SECTIONS, ino: u128::from_le_bytes(half) })
}

/// A device that is none.
const SECTIONS: u64 = u64::MAX - 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> SectionName {
        SectionName::new(&format!("{name}-{}", std::process::id())).unwrap()
    }

    #[test]
    fn a_section_goes_with_the_last_who_has_it() {
        let name = named("Local\\mycp-test-life");
        let missing = Section::open(&name, SegmentAccess::Read).unwrap_err();
        assert_eq!(Errno::from_io_error(&missing), Some(Errno::NOENT));
        let made = Section::make(&name, 5000).unwrap();
        assert_eq!(made.len(), 8192, "it is whole pages");
        let again = Section::make(&name, 5000).unwrap_err();
        assert_eq!(Errno::from_io_error(&again), Some(Errno::EXIST));
        let view = made.view(SegmentAccess::ReadWrite).unwrap();
        assert_eq!(view.len(), 8192);
        let other = Section::open(&name, SegmentAccess::Read).unwrap();
        assert_eq!(other.id(), made.id());
        assert!(other.view(SegmentAccess::ReadWrite).is_err(), "it was opened for reading");
        drop((made, other));
        assert!(Section::open(&name, SegmentAccess::Read).is_ok(), "it is mapped");
        drop(view);
        assert!(Section::open(&name, SegmentAccess::Read).is_err());
    }

    #[test]
    fn two_sections_are_told_apart() {
        let one = Section::make(&named("Local\\mycp-test-one"), 1).unwrap();
        let two = Section::make(&named("Local\\mycp-test-two"), 1).unwrap();
        assert_ne!(one.id(), two.id());
    }
}
