//! Symbolic links and junctions: reparse points with another name in them ([MS-FSCC] 2.1.2).

use std::ffi::{OsStr, OsString, c_void};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_CREATE, FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, FILE_OPEN_REPARSE_POINT,
    SYMLINK_FLAG_RELATIVE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_NORMAL, FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA, MAXIMUM_REPARSE_DATA_BUFFER_SIZE,
};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{FSCTL_GET_REPARSE_POINT, FSCTL_SET_REPARSE_POINT};
use windows_sys::Win32::System::SystemServices::{
    IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK,
};

use super::super::errno::checked;
use super::super::handle::{self, AsHandle};
use super::super::native::{self, How};
use super::{CHANGE, spelling, unlink_at};
use crate::sys::Errno;

/// Bytes before the offsets and lengths of the two names: tag, length of what follows, reserved.
const HEADER: usize = 8;
/// Bytes of the offsets and lengths: of each name, four numbers of 16 bits in all.
const PLACES: usize = 8;

/// The text of the link that `link`, from [`Spot::handle`](super::Spot::handle), holds.
pub(crate) fn read_link(link: impl AsHandle) -> io::Result<OsString> {
    let mut buffer = vec![0_u8; MAXIMUM_REPARSE_DATA_BUFFER_SIZE as usize];
    let mut count = 0;
    // SAFETY: the buffer has as many bytes as the call is told, and nothing is passed in.
    checked(unsafe {
        DeviceIoControl(
            handle::raw(&link),
            FSCTL_GET_REPARSE_POINT,
            std::ptr::null(),
            0,
            buffer.as_mut_ptr().cast(),
            MAXIMUM_REPARSE_DATA_BUFFER_SIZE,
            &raw mut count,
            std::ptr::null_mut(),
        )
    })?;
    buffer.truncate(count as usize);
    text_of(&buffer).ok_or_else(|| Errno::INVAL.into())
}

/// The text in a reparse buffer; `None` for one without a name.
fn text_of(buffer: &[u8]) -> Option<OsString> {
    let number = |at: usize| {
        let bytes = buffer.get(at..at + 2)?;
        Some(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
    };
    let tag = buffer.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))?;
    let names = match tag {
        // Behind the places a symbolic link has flags.
        IO_REPARSE_TAG_SYMLINK => HEADER + PLACES + 4,
        IO_REPARSE_TAG_MOUNT_POINT => HEADER + PLACES,
        _ => return None,
    };
    let name = |place: usize| {
        let begin = names + number(place)?;
        let bytes = buffer.get(begin..begin + number(place + 2)?)?;
        let (units, _) = bytes.as_chunks::<2>();
        Some(units.iter().map(|unit| u16::from_le_bytes(*unit)).collect::<Vec<_>>())
    };
    // The name to be shown, if there is one, is what was typed.
    let shown = name(HEADER + 4)?;
    if !shown.is_empty() {
        return Some(OsString::from_wide(&shown));
    }
    let behind = name(HEADER)?;
    let native: Vec<u16> = r"\??\".encode_utf16().collect();
    Some(OsString::from_wide(behind.strip_prefix(native.as_slice()).unwrap_or(&behind)))
}

/// Makes a symbolic link with this text, of the kind that leads to directories or of the other.
///
/// # Errors
///
/// `ERROR_PRIVILEGE_NOT_HELD` for whom may not make links: all but administrators, where the
/// developer mode is off.
pub(crate) fn make_link_at(
    text: &OsStr,
    directory: impl AsHandle,
    name: &OsStr,
    leads_to_directory: bool,
) -> io::Result<()> {
    let content = buffer_of(text)?;
    let kind = if leads_to_directory { FILE_DIRECTORY_FILE } else { FILE_NON_DIRECTORY_FILE };
    let how = How {
        access: CHANGE | FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES,
        disposition: FILE_CREATE,
        options: kind | FILE_OPEN_REPARSE_POINT,
        attributes: FILE_ATTRIBUTE_NORMAL,
    };
    let spelt = spelling::new_component(name)?;
    let made = native::open(Some(handle::raw(&directory)), &spelt, how)?;
    let len = u32::try_from(content.len()).map_err(|_| Errno::NAMETOOLONG)?;
    let mut unused = 0;
    // SAFETY: the content has so many bytes, and nothing is passed out.
    let set = checked(unsafe {
        DeviceIoControl(
            handle::raw(&made),
            FSCTL_SET_REPARSE_POINT,
            content.as_ptr().cast::<c_void>(),
            len,
            std::ptr::null_mut(),
            0,
            &raw mut unused,
            std::ptr::null_mut(),
        )
    });
    if set.is_err() {
        drop(made);
        let removed = match leads_to_directory {
            true => super::remove_directory_at(&directory, name),
            false => unlink_at(&directory, name),
        };
        // What went wrong first is what counts.
        removed.unwrap_or_default();
    }
    set
}

/// The reparse buffer of a symbolic link.
fn buffer_of(text: &OsStr) -> io::Result<Vec<u8>> {
    if text.is_empty() {
        return Err(Errno::NOENT.into());
    }
    let path = Path::new(text);
    // What names no volume is looked for on that of the link: `\a` from its root on.
    let is_relative = !matches!(path.components().next(), Some(std::path::Component::Prefix(_)));
    let shown: Vec<u16> = text.encode_wide().collect();
    // The file system, which follows the link, knows one separator.
    let native = |unit: &u16| if *unit == u16::from(b'/') { u16::from(b'\\') } else { *unit };
    let behind =
        if is_relative { shown.iter().map(native).collect() } else { spelling::native(path)? };
    let bytes_of = |units: &[u16]| units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let (shown, behind): (Vec<u8>, Vec<u8>) = (bytes_of(&shown), bytes_of(&behind));
    let number = |value: usize| {
        u16::try_from(value).map(u16::to_le_bytes).map_err(|_| io::Error::from(Errno::NAMETOOLONG))
    };
    let flags = if is_relative { SYMLINK_FLAG_RELATIVE } else { 0 };
    let mut buffer = IO_REPARSE_TAG_SYMLINK.to_le_bytes().to_vec();
    buffer.extend(number(PLACES + 4 + behind.len() + shown.len())?);
    buffer.extend([0; 2]);
    for value in [0, behind.len(), behind.len(), shown.len()] {
        buffer.extend(number(value)?);
    }
    buffer.extend(flags.to_le_bytes());
    buffer.extend(behind);
    buffer.extend(shown);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::names::{Follow, Spot};

    #[test]
    fn a_link_holds_the_text_that_it_was_made_with() {
        for text in ["a", "a/b", r"..\b\c", r"\d", r"C:\d", r"\\server\share\e", "\u{1f600}"] {
            assert_eq!(text_of(&buffer_of(OsStr::new(text)).unwrap()).unwrap(), text);
        }
        assert_eq!(text_of(b"abc"), None);
        assert!(buffer_of(OsStr::new("")).is_err());
    }

    /// The name that is followed, and whether it begins at the link.
    fn followed(text: &str) -> (String, bool) {
        let mut buffer = buffer_of(OsStr::new(text)).unwrap();
        let flags = HEADER + PLACES;
        let is_relative = buffer[flags] == 1;
        // Without a name to be shown it is told.
        buffer[HEADER + 6..HEADER + 8].fill(0);
        (text_of(&buffer).unwrap().into_string().unwrap(), is_relative)
    }

    #[test]
    fn a_link_leads_where_its_text_says() {
        for (text, name, is_relative) in [
            ("a/b", r"a\b", true),
            (r"..\a", r"..\a", true),
            (r"\a\b", r"\a\b", true),
            ("C:/a/b", r"C:\a\b", false),
            (r"\\?\C:\a", r"C:\a", false),
            (r"\\server\share\a", r"UNC\server\share\a", false),
        ] {
            assert_eq!(followed(text), (name.to_owned(), is_relative), "{text}");
        }
    }

    #[test]
    fn of_a_link_that_cannot_be_made_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let handle = Spot::of_path(path).open_listable(Follow::Yes).unwrap();
        for leads_to_directory in [false, true] {
            let name = OsStr::new("link");
            // Wine cannot make any; Windows only lets some.
            match make_link_at(OsStr::new("text"), &handle, name, leads_to_directory) {
                Err(_) => assert!(std::fs::read_dir(path).unwrap().next().is_none()),
                Ok(()) => {
                    let link = Spot::within(&handle, name).handle().unwrap();
                    assert_eq!(read_link(&link).unwrap(), "text");
                    let facts = crate::sys::file::facts(&link).unwrap();
                    assert_eq!(facts.kind, crate::sys::file::Kind::Symlink);
                    assert_eq!(facts.leads_to_directory(), leads_to_directory);
                    unlink_at(&handle, name).unwrap();
                }
            }
        }
    }
}
