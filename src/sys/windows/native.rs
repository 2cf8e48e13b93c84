//! Opening by a name in a directory that is held open, which only the native calls can, and what
//! drivers are asked by a number.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_OPEN_FOR_BACKUP_INTENT, FILE_SYNCHRONOUS_IO_NONALERT, NTCREATEFILE_CREATE_DISPOSITION,
    NTCREATEFILE_CREATE_OPTIONS, NtCreateFile,
};
use windows_sys::Win32::Foundation::{HANDLE, OBJ_CASE_INSENSITIVE, UNICODE_STRING};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ACCESS_RIGHTS, FILE_FLAGS_AND_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_MODE,
    FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE,
};
use windows_sys::Win32::System::IO::{DeviceIoControl, IO_STATUS_BLOCK};

use super::Errno;
use super::errno::{checked, status};
use super::handle::{self, AsHandle};

/// How something is opened or made.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) access: FILE_ACCESS_RIGHTS,
    pub(super) disposition: NTCREATEFILE_CREATE_DISPOSITION,
    pub(super) options: NTCREATEFILE_CREATE_OPTIONS,
    /// The attributes of a new file.
    pub(super) attributes: FILE_FLAGS_AND_ATTRIBUTES,
}

/// A name in UTF-16 as the native calls take it.
///
/// # Errors
///
/// `ERROR_FILENAME_EXCED_RANGE` for more than 32,767 units.
pub(super) fn unicode(name: &[u16]) -> io::Result<UNICODE_STRING> {
    let bytes = u16::try_from(size_of_val(name)).map_err(|_| Errno::NAMETOOLONG)?;
    Ok(UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        // Not written through by the calls that it is passed to.
        Buffer: name.as_ptr().cast_mut(),
    })
}

/// Opens a name relative to `directory`, an empty one for the directory itself again, or, without
/// a directory, a whole path of the native system (`NtCreateFile`). All may share what is opened.
pub(super) fn open(directory: Option<HANDLE>, name: &[u16], how: How) -> io::Result<OwnedHandle> {
    open_shared(directory, name, how, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
}

/// The same, shared as `share` says.
pub(super) fn open_shared(
    directory: Option<HANDLE>,
    name: &[u16],
    how: How,
    share: FILE_SHARE_MODE,
) -> io::Result<OwnedHandle> {
    let name = unicode(name)?;
    let attributes = OBJECT_ATTRIBUTES {
        Length: u32::try_from(size_of::<OBJECT_ATTRIBUTES>())
            .map_err(|_| io::ErrorKind::InvalidInput)?,
        RootDirectory: directory.unwrap_or(std::ptr::null_mut()),
        ObjectName: &raw const name,
        Attributes: OBJ_CASE_INSENSITIVE,
        SecurityDescriptor: std::ptr::null(),
        SecurityQualityOfService: std::ptr::null(),
    };
    let mut handle: HANDLE = std::ptr::null_mut();
    // SAFETY: it has numbers and a pointer that nobody follows, for which all zeros are a value.
    let mut block: IO_STATUS_BLOCK = unsafe { std::mem::zeroed() };
    // SAFETY: all pointers lead to what lives as long as the call, and the call is over when it
    // returns, because the handle is a synchronous one.
    status(unsafe {
        NtCreateFile(
            &raw mut handle,
            how.access | SYNCHRONIZE,
            &raw const attributes,
            &raw mut block,
            std::ptr::null(),
            how.attributes,
            share,
            how.disposition,
            how.options | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_FOR_BACKUP_INTENT,
            std::ptr::null(),
            0,
        )
    })?;
    // SAFETY: the call has made it for this process, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Calls `DeviceIoControl` with one structure in, and as many of another out as there is room for;
/// returns the bytes that came.
///
/// # Safety
///
/// They are the structures of the call, of numbers only but for handles that are open.
pub(super) unsafe fn control<In, Out>(
    object: &impl AsHandle,
    code: u32,
    wanted: &In,
    found: &mut [Out],
) -> io::Result<usize> {
    let bytes = |len: usize| u32::try_from(len).map_err(|_| io::ErrorKind::InvalidInput);
    let mut count = 0;
    // SAFETY: both lengths are those of what is passed, and the caller answers for the meaning.
    checked(unsafe {
        DeviceIoControl(
            handle::raw(object),
            code,
            std::ptr::from_ref(wanted).cast::<c_void>(),
            bytes(size_of::<In>())?,
            found.as_mut_ptr().cast(),
            bytes(size_of_val(found))?,
            &raw mut count,
            std::ptr::null_mut(),
        )
    })?;
    Ok(count as usize)
}
