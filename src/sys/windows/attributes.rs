//! Attributes of open objects: the read-only, hidden and system flags, times, and streams besides
//! the content, which stand where other systems have extended attributes.
//!
//! Owners are not asked, and access control lists only of a file that is replaced ([`access`]):
//! what is made has those that its directory gives it.

use std::ffi::{CStr, CString, OsStr, OsString, c_void};
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::windows::fs::MetadataExt;

use windows_sys::Wdk::Storage::FileSystem::{FILE_OPEN, FILE_OPEN_IF, FILE_OPEN_REPARSE_POINT};
use windows_sys::Win32::Foundation::{
    ERROR_HANDLE_EOF, ERROR_MORE_DATA, GENERIC_READ, GENERIC_WRITE,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ATTRIBUTE_COMPRESSED, FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_SYSTEM, FILE_BASIC_INFO, FILE_DISPOSITION_INFO,
    FILE_READ_ATTRIBUTES, FILE_STREAM_INFO, FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA, FileBasicInfo,
    FileDispositionInfo, FileStreamInfo, GetFileInformationByHandleEx,
};
use windows_sys::Win32::System::Ioctl::FSCTL_SET_COMPRESSION;

use super::Errno;
use super::errno::checked;
use super::file::{self as open, HIDDEN, SYSTEM};
use super::handle::{self, AsHandle, OwnedHandle};
use super::native::{self, How, control};
use crate::sys::attributes::Attributes;
use crate::sys::file::Timestamp;

pub(crate) use access::keep_access_list;

mod access;

/// Names of what other systems have; nothing here has them.
pub(crate) const ACL: &CStr = c"system.posix_acl_access";
pub(crate) const DEFAULT_ACL: &CStr = c"system.posix_acl_default";
pub(crate) const CAPABILITY: &CStr = c"security.capability";

impl From<&Metadata> for Attributes {
    fn from(metadata: &Metadata) -> Self {
        let time = |time: u64| open::timestamp(time.cast_signed());
        Self {
            mode: open::mode_of(metadata.file_attributes()),
            uid: 0,
            gid: 0,
            accessed: time(metadata.last_access_time()),
            modified: time(metadata.last_write_time()),
            born: Some(time(metadata.creation_time())),
        }
    }
}

/// Whether objects have owners, and rights for each of their classes, that a copy can keep: here
/// they have access control lists, which are not copied from a source.
pub(crate) const HAS_OWNERS: bool = false;

/// Nothing of the basic information: a time or a set of attributes of 0 stays as it is.
const UNCHANGED: FILE_BASIC_INFO = FILE_BASIC_INFO {
    CreationTime: 0,
    LastAccessTime: 0,
    LastWriteTime: 0,
    ChangeTime: 0,
    FileAttributes: 0,
};

/// Sets attributes and times, by another handle where this one does not allow it.
pub(super) fn set_basic(file: &impl AsHandle, wanted: &FILE_BASIC_INFO) -> io::Result<()> {
    // SAFETY: that is the structure of the class.
    match unsafe { open::set(file, FileBasicInfo, wanted) } {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::ACCESS) => {
            let again = reopened(file, FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES)?;
            // SAFETY: as above.
            unsafe { open::set(&again, FileBasicInfo, wanted) }
        }
        set => set,
    }
}

/// The same object, opened for something else.
pub(super) fn reopened(file: &impl AsHandle, access: u32) -> io::Result<OwnedHandle> {
    let how = How {
        access,
        disposition: FILE_OPEN,
        options: FILE_OPEN_REPARSE_POINT,
        attributes: FILE_ATTRIBUTE_NORMAL,
    };
    native::open(Some(handle::raw(file)), &[], how)
}

/// The same file, opened once more for writing: what is read-only is not for that moment.
///
/// # Errors
///
/// Those of opening it, and of setting its attributes.
pub(super) fn reopened_to_write(file: &impl AsHandle) -> io::Result<OwnedHandle> {
    let attributes = open::basic(file)?.FileAttributes;
    if attributes & FILE_ATTRIBUTE_READONLY == 0 {
        return reopened(file, FILE_WRITE_DATA);
    }
    let changing = File::from(reopened(file, FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES)?);
    let writable = (attributes & !FILE_ATTRIBUTE_READONLY) | FILE_ATTRIBUTE_NORMAL;
    set_basic(&changing, &FILE_BASIC_INFO { FileAttributes: writable, ..UNCHANGED })?;
    let opened = reopened(file, FILE_WRITE_DATA);
    let restored =
        set_basic(&changing, &FILE_BASIC_INFO { FileAttributes: attributes, ..UNCHANGED });
    let opened = opened?;
    restored.map(|()| opened)
}

/// Sets the read-only flag of what its owner may not write, and the hidden and system flags.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    const OWNER_WRITES: u32 = 0o200;
    let before = open::basic(file)?.FileAttributes;
    let others = FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM;
    let mut attributes = before & !others & !FILE_ATTRIBUTE_NORMAL;
    for (is_set, attribute) in [
        (mode & OWNER_WRITES == 0, FILE_ATTRIBUTE_READONLY),
        (mode & HIDDEN != 0, FILE_ATTRIBUTE_HIDDEN),
        (mode & SYSTEM != 0, FILE_ATTRIBUTE_SYSTEM),
    ] {
        if is_set {
            attributes |= attribute;
        }
    }
    if attributes == before & !FILE_ATTRIBUTE_NORMAL {
        return Ok(());
    }
    // None at all is told by a flag of its own.
    let attributes = if attributes == 0 { FILE_ATTRIBUTE_NORMAL } else { attributes };
    set_basic(file, &FILE_BASIC_INFO { FileAttributes: attributes, ..UNCHANGED })
}

/// There are no owners with numbers.
///
/// # Errors
///
/// `Unsupported` where one is to be set.
pub(crate) fn set_owner(_: &File, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    match (uid.unwrap_or(0), gid.unwrap_or(0)) {
        (0, 0) => Ok(()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Sets the access and the modification time, cut to 100 ns.
pub(crate) fn set_times(file: &File, accessed: Timestamp, modified: Timestamp) -> io::Result<()> {
    let (accessed, modified) = (settable(accessed), settable(modified));
    set_basic(
        file,
        &FILE_BASIC_INFO { LastAccessTime: accessed, LastWriteTime: modified, ..UNCHANGED },
    )
}

/// Sets the time at which it was made.
pub(crate) fn set_born(file: &File, born: Timestamp) -> io::Result<()> {
    set_basic(file, &FILE_BASIC_INFO { CreationTime: settable(born), ..UNCHANGED })
}

/// A moment as it can be set: none before 1601 can, where 0 and less would mean something else
/// (`FILE_BASIC_INFORMATION`).
fn settable(time: Timestamp) -> i64 {
    open::file_time(time).max(1)
}

/// Sets the modification time to now.
pub(crate) fn set_modified_now(file: &File) -> io::Result<()> {
    use windows_sys::Win32::Foundation::FILETIME;
    use windows_sys::Win32::System::SystemInformation::GetSystemTimePreciseAsFileTime;
    let mut now = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    // SAFETY: it fills in what it is given.
    unsafe { GetSystemTimePreciseAsFileTime(&raw mut now) };
    let now = i64::from(now.dwHighDateTime) << 32 | i64::from(now.dwLowDateTime);
    set_basic(file, &FILE_BASIC_INFO { LastWriteTime: now, ..UNCHANGED })
}

/// No permission is kept from new files.
pub(crate) fn file_mode_mask() -> u32 {
    0
}

/// The names of an object's streams, the content left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    list: Vec<CString>,
}

impl Names {
    /// The names, in the order in which the system lists them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CStr> {
        self.list.iter().map(CString::as_c_str)
    }

    /// Whether `name` is one of them.
    pub(crate) fn contains(&self, name: &CStr) -> bool {
        self.iter().any(|listed| listed == name)
    }
}

/// Bytes of one list of streams; the system fails with more.
const LIST_MAX: usize = 1 << 20;

/// The names of the streams of a file besides its content; none where the volume has no such thing.
pub(crate) fn names(file: &File) -> io::Result<Names> {
    // The structure is aligned to 8.
    let mut buffer = vec![0_u64; 128];
    loop {
        let bytes = u32::try_from(size_of_val(buffer.as_slice())).unwrap_or(u32::MAX);
        let room = buffer.as_mut_ptr().cast::<c_void>();
        // SAFETY: the buffer has so many bytes.
        let listed = checked(unsafe {
            GetFileInformationByHandleEx(handle::raw(file), FileStreamInfo, room, bytes)
        });
        match listed {
            Ok(()) => {
                let bytes: Vec<u8> = buffer.iter().flat_map(|part| part.to_le_bytes()).collect();
                return read_names(&bytes);
            }
            Err(error) => match error.raw_os_error().map(i32::cast_unsigned) {
                Some(ERROR_MORE_DATA) if size_of_val(buffer.as_slice()) < LIST_MAX => {
                    buffer.resize(buffer.len() * 4, 0);
                }
                // A directory without any.
                Some(ERROR_HANDLE_EOF) => return Ok(Names::default()),
                _ if is_unsupported(&error) => return Ok(Names::default()),
                _ => return Err(error),
            },
        }
    }
}

/// The names in a list of streams, `:NAME:$DATA` each.
fn read_names(list: &[u8]) -> io::Result<Names> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut names = Names::default();
    let mut at = 0;
    loop {
        let fields = size_of::<FILE_STREAM_INFO>();
        let entry = list.get(at..at + fields).ok_or_else(bad)?.as_ptr();
        // SAFETY: so many bytes are there, which are numbers, and the copy need not be aligned.
        let entry = unsafe { entry.cast::<FILE_STREAM_INFO>().read_unaligned() };
        let begin = at + std::mem::offset_of!(FILE_STREAM_INFO, StreamName);
        let name = list.get(begin..begin + entry.StreamNameLength as usize).ok_or_else(bad)?;
        let (units, _) = name.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let spelt = String::from_utf16(&units).map_err(|_| bad())?;
        let bare = spelt.strip_prefix(':').and_then(|rest| rest.strip_suffix(":$DATA"));
        if let Some(bare) = bare.filter(|bare| !bare.is_empty()) {
            names.list.push(CString::new(bare)?);
        }
        match entry.NextEntryOffset {
            0 => return Ok(names),
            step => at += step as usize,
        }
    }
}

/// Whether what has `name` in a directory has streams besides its content; a link is not followed.
pub(crate) fn has_names_at(directory: &File, name: &OsStr) -> io::Result<bool> {
    let spot = crate::sys::names::Spot::within(directory, name);
    let found = File::from(spot.handle()?);
    Ok(names(&found)?.iter().next().is_some())
}

/// The name of a stream, to be shown.
pub(crate) fn spelt(name: &CStr) -> OsString {
    OsString::from(name.to_string_lossy().into_owned())
}

/// Bytes of a stream that is copied: all of them are in memory for that.
const VALUE_MAX: u64 = 64 << 20;

fn open_stream(file: &File, name: &CStr, access: u32, disposition: u32) -> io::Result<File> {
    let name = name.to_str().map_err(|_| Errno::INVAL)?;
    let name: Vec<u16> = ":".encode_utf16().chain(name.encode_utf16()).collect();
    let how = How {
        access,
        disposition,
        options: FILE_OPEN_REPARSE_POINT,
        attributes: FILE_ATTRIBUTE_NORMAL,
    };
    Ok(native::open(Some(handle::raw(file)), &name, how)?.into())
}

/// The bytes of a stream; `None` when there is none of the name.
///
/// # Errors
///
/// `FileTooLarge` for more than 64 MiB, and those of reading it.
pub(crate) fn value(file: &File, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let stream = match open_stream(file, name, GENERIC_READ, FILE_OPEN) {
        Err(error) if is(&error, &[Errno::NOENT]) => return Ok(None),
        opened => opened?,
    };
    let mut value = Vec::new();
    if stream.take(VALUE_MAX + 1).read_to_end(&mut value)? as u64 > VALUE_MAX {
        return Err(Errno::FBIG.into());
    }
    Ok(Some(value))
}

/// Sets the bytes of a stream, whether or not there is one of the name. They are on the disk then:
/// a flush of the file brings its content there, and none of its other streams.
pub(crate) fn set_value(file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
    let mut stream = open_stream(file, name, GENERIC_WRITE, FILE_OPEN_IF)?;
    stream.set_len(0)?;
    stream.write_all(value)?;
    stream.sync_all()
}

/// Removes a stream, if there is one of the name.
pub(crate) fn remove_value(file: &File, name: &CStr) -> io::Result<()> {
    match open_stream(file, name, DELETE, FILE_OPEN) {
        Err(error) if is(&error, &[Errno::NOENT]) => Ok(()),
        Err(error) => Err(error),
        Ok(stream) => {
            let wanted = FILE_DISPOSITION_INFO { DeleteFile: true };
            // SAFETY: that is the structure of the class.
            unsafe { open::set(&stream, FileDispositionInfo, &wanted) }
        }
    }
}

/// Whether an error says that the file system does not have such a thing.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || is(error, &[Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL])
}

/// Whether an error says that the caller may not do it.
pub(crate) fn is_forbidden(error: &io::Error) -> bool {
    is(error, &[Errno::PERM, Errno::ACCESS])
}

/// Whether an error of setting the owner says that it cannot be done here.
pub(crate) fn is_owner_refused(error: &io::Error) -> bool {
    is_forbidden(error) || is_unsupported(error)
}

/// Whether an error says that this object, file system or caller cannot have such an attribute,
/// and not that something broke.
pub(crate) fn is_refused(error: &io::Error) -> bool {
    is_unsupported(error)
        || is_forbidden(error)
        || is_no_room(error)
        || is(error, &[Errno::FBIG, Errno::NAMETOOLONG])
}

/// Whether an error says that the disk or the user's part of it is full.
pub(crate) fn is_no_room(error: &io::Error) -> bool {
    is(error, &[Errno::NOSPC, Errno::DQUOT])
}

fn is(error: &io::Error, wanted: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| wanted.contains(&errno))
}

/// Gives a new, empty file the compression of an old one. A volume that has no such thing has
/// nothing to keep.
pub(crate) fn keep_flags(old: &File, new: &File) {
    let is_compressed =
        open::basic(old).is_ok_and(|basic| basic.FileAttributes & FILE_ATTRIBUTE_COMPRESSED != 0);
    if is_compressed {
        const DEFAULT_FORMAT: u16 = 1;
        // SAFETY: that is what the call takes, and nothing comes out.
        unsafe { control::<_, u8>(new, FSCTL_SET_COMPRESSION, &DEFAULT_FORMAT, &mut []) }.ok();
    }
}

/// There are no labels of security modules.
pub(crate) fn has_security_contexts() -> bool {
    false
}

#[cfg(test)]
mod tests;
