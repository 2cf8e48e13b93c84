//! The names in a directory.

use std::ffi::{OsStr, OsString, c_void};
use std::io;
use std::os::windows::ffi::OsStringExt;

use windows_sys::Wdk::Storage::FileSystem::{FileIdBothDirectoryInformation, NtQueryDirectoryFile};
use windows_sys::Win32::Foundation::{NTSTATUS, STATUS_NO_MORE_FILES, STATUS_NO_SUCH_FILE};
use windows_sys::Win32::Storage::FileSystem::FILE_ID_BOTH_DIR_INFO;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::super::errno::status;
use super::super::file::kind_of;
use super::super::handle::{self, AsHandle};
use super::super::native;
use super::{Spot, fold, spelling};
use crate::sys::Errno;
use crate::sys::names::{Follow, Listed};

/// Bytes of names that one call asks for.
const LISTING_BYTES: usize = 32 << 10;

/// Where entries begin: at multiples of 8.
#[repr(C, align(8))]
struct Buffer([u8; LISTING_BYTES]);

/// The next names of a directory, as many as one call yields, in `into`; none at the end. The
/// position belongs to the handle.
pub(crate) fn list_some(directory: impl AsHandle, into: &mut Vec<Listed>) -> io::Result<()> {
    let mut buffer = Box::new(Buffer([0; LISTING_BYTES]));
    // One that holds nothing but the directory itself and its parent is not the end.
    while into.is_empty() {
        if is_end(ask(&directory, None, &mut buffer)?, || begin_of(&directory))? {
            return Ok(());
        }
        read(&buffer.0, into)?;
    }
    Ok(())
}

/// Whether what a call for the next names has returned says that there are none.
///
/// That there is no such file says only the first call for a directory, of a root without names:
/// its list has neither the directory itself nor its parent. Of a later one it is an error, behind
/// which there may be more names, and a mirror would delete what has them. So it counts only if
/// `begin`, what another first call returns now, is the same.
fn is_end(returned: NTSTATUS, begin: impl FnOnce() -> io::Result<NTSTATUS>) -> io::Result<bool> {
    match returned {
        STATUS_NO_MORE_FILES => Ok(true),
        STATUS_NO_SUCH_FILE if begin()? == STATUS_NO_SUCH_FILE => Ok(true),
        returned => status(returned).map(|()| false),
    }
}

/// What the first call for the names of a directory returns.
fn begin_of(directory: &impl AsHandle) -> io::Result<NTSTATUS> {
    let again = Spot::within(directory, OsStr::new(".")).open_listable(Follow::Yes)?;
    ask(&again, None, &mut Box::new(Buffer([0; LISTING_BYTES])))
}

/// The entries that a call has left in a buffer.
fn read(buffer: &[u8], into: &mut Vec<Listed>) -> io::Result<()> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut at = 0;
    loop {
        let fields = size_of::<FILE_ID_BOTH_DIR_INFO>();
        let entry = buffer.get(at..at + fields).ok_or_else(bad)?.as_ptr();
        // SAFETY: so many bytes are there, which are numbers, and the copy need not be aligned.
        let entry = unsafe { entry.cast::<FILE_ID_BOTH_DIR_INFO>().read_unaligned() };
        let begin = at + std::mem::offset_of!(FILE_ID_BOTH_DIR_INFO, FileName);
        let name = buffer.get(begin..begin + entry.FileNameLength as usize).ok_or_else(bad)?;
        let (units, _) = name.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let name = OsString::from_wide(&units);
        if name != "." && name != ".." {
            // Of a reparse point this field holds the tag ([MS-FSCC] 2.4.17).
            let kind = kind_of(entry.FileAttributes, entry.EaSize);
            into.push(Listed { name, kind: Some(kind) });
        }
        match entry.NextEntryOffset {
            0 => return Ok(()),
            step => at += step as usize,
        }
    }
}

/// Calls `look` with each name in a directory, but for those of the directory itself and its
/// parent. The handle's position stays.
pub(crate) fn each_name_in(
    directory: impl AsHandle,
    mut look: impl FnMut(&OsStr),
) -> io::Result<()> {
    let again = Spot::within(&directory, OsStr::new(".")).open_listable(Follow::Yes)?;
    let mut some = Vec::new();
    loop {
        list_some(&again, &mut some)?;
        if some.is_empty() {
            return Ok(());
        }
        some.drain(..).for_each(|listed| look(&listed.name));
    }
}

/// The name that the directory lists for what is found by `name`, if that is another one: of a long
/// name some file systems make a short one (`LONGFI~1.TXT`), by which it is found, too. Only names
/// with a `~` are asked for.
pub(crate) fn name_behind(directory: impl AsHandle, name: &OsStr) -> io::Result<Option<OsString>> {
    if !name.as_encoded_bytes().contains(&b'~') {
        return Ok(None);
    }
    let again = Spot::within(&directory, OsStr::new(".")).open_listable(Follow::Yes)?;
    let mut buffer = Box::new(Buffer([0; LISTING_BYTES]));
    match ask(&again, Some(&spelling::component(name)?), &mut buffer)? {
        STATUS_NO_SUCH_FILE | STATUS_NO_MORE_FILES => return Ok(None),
        returned => status(returned)?,
    }
    let mut found = Vec::new();
    read(&buffer.0, &mut found)?;
    let is_itself = |listed: &Listed| fold(&listed.name) == fold(name);
    if found.iter().any(is_itself) {
        return Ok(None);
    }
    Ok(found.into_iter().next().map(|listed| listed.name))
}

/// Asks for the next entries of a directory, of those that are found by `name` if that is given,
/// and returns what the call does.
fn ask(
    directory: &impl AsHandle,
    name: Option<&[u16]>,
    buffer: &mut Buffer,
) -> io::Result<NTSTATUS> {
    let name = name.map(native::unicode).transpose()?;
    // SAFETY: it has numbers and a pointer that nobody follows, for which all zeros are a value.
    let mut block: IO_STATUS_BLOCK = unsafe { std::mem::zeroed() };
    let bytes = u32::try_from(LISTING_BYTES).unwrap_or(0);
    // SAFETY: the buffer has so many bytes, all pointers lead to what lives as long as the call,
    // and that is over when it returns, because the handle is a synchronous one.
    Ok(unsafe {
        NtQueryDirectoryFile(
            handle::raw(directory),
            std::ptr::null_mut(),
            None,
            std::ptr::null(),
            &raw mut block,
            buffer.0.as_mut_ptr().cast::<c_void>(),
            bytes,
            FileIdBothDirectoryInformation,
            false,
            name.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            false,
        )
    })
}

/// The error of listing a directory that was opened without the right to read it, as it is.
pub(crate) fn unread(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::BADF) => Errno::ACCESS.into(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Foundation::{STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS};

    use super::*;

    #[test]
    fn a_list_ends_only_where_there_are_no_more_names() {
        let never = || panic!("it is not asked again");
        assert!(is_end(STATUS_NO_MORE_FILES, never).unwrap());
        assert!(!is_end(STATUS_SUCCESS, never).unwrap());
        assert!(is_end(STATUS_OBJECT_NAME_NOT_FOUND, never).is_err());
        // An empty root.
        assert!(is_end(STATUS_NO_SUCH_FILE, || Ok(STATUS_NO_SUCH_FILE)).unwrap());
        // A server that has lost its place in the midst of a list.
        let error = is_end(STATUS_NO_SUCH_FILE, || Ok(STATUS_SUCCESS)).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::NOENT));
        assert!(is_end(STATUS_NO_SUCH_FILE, || Err(Errno::IO.into())).is_err());
    }
}
