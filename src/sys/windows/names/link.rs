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
///
/// # Errors
///
/// `Unsupported` with the reason for a directory that a volume is mounted on: it is a junction, but
/// a link to the volume would be no copy of what is there. `INVAL` for what holds no text.
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
    match held(&buffer) {
        Some(Held::Text(text)) => Ok(text),
        Some(Held::Volume) => Err(io::Error::new(io::ErrorKind::Unsupported, MOUNTED)),
        None => Err(Errno::INVAL.into()),
    }
}

const MOUNTED: &str = "a volume is mounted there, which is no link that could be copied";

/// What a reparse point leads to.
#[derive(Debug, PartialEq, Eq)]
enum Held {
    /// What this names.
    Text(OsString),
    /// A volume that is mounted on it.
    Volume,
}

/// What a reparse buffer says; `None` for one without a name.
fn held(buffer: &[u8]) -> Option<Held> {
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
    let behind = name(HEADER)?;
    if tag == IO_REPARSE_TAG_MOUNT_POINT && is_volume(&behind) {
        return Some(Held::Volume);
    }
    // The name to be shown, if there is one, is what was typed; `mountvol` and PowerShell leave
    // none.
    let shown = name(HEADER + 4)?;
    let text = if shown.is_empty() { of_native(behind) } else { shown };
    Some(Held::Text(OsString::from_wide(&text)))
}

/// Whether a native name is that of a whole volume, `\??\Volume{...}\`.
fn is_volume(native: &[u16]) -> bool {
    let name = String::from_utf16_lossy(native).to_ascii_lowercase();
    let name = name.strip_suffix('\\').unwrap_or(&name);
    name.strip_prefix(r"\??\volume{").is_some_and(|rest| rest.find('}') == Some(rest.len() - 1))
}

/// The path that a native name is, as Win32 has it; one that is relative is that already.
fn of_native(native: Vec<u16>) -> Vec<u16> {
    let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
    let Some(rest) = native.strip_prefix(units(r"\??\").as_slice()) else { return native };
    if let Some(share) = rest.strip_prefix(units(r"UNC\").as_slice()) {
        return [&units(r"\\"), share].concat();
    }
    let is_letter = |unit: u16| u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphabetic());
    match *rest {
        [letter, colon, ..] if is_letter(letter) && colon == u16::from(b':') => rest.to_vec(),
        // Without this prefix it would be a name in the directory of the link.
        _ => [&units(r"\\?\"), rest].concat(),
    }
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

    fn text_of(buffer: &[u8]) -> OsString {
        match held(buffer) {
            Some(Held::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    /// The buffer of a junction that leads to a native name, with a name to be shown or an empty
    /// one.
    fn junction(behind: &str, shown: &str) -> Vec<u8> {
        let bytes = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let number = |value: usize| u16::try_from(value).unwrap().to_le_bytes();
        let (behind, shown) = (bytes(behind), bytes(shown));
        let mut buffer = IO_REPARSE_TAG_MOUNT_POINT.to_le_bytes().to_vec();
        // A zero is behind each name.
        let len = PLACES + behind.len() + 2 + shown.len() + 2;
        for value in [len, 0, 0, behind.len(), behind.len() + 2, shown.len()] {
            buffer.extend(number(value));
        }
        [buffer, behind, vec![0; 2], shown, vec![0; 2]].concat()
    }

    /// `mountvol` and PowerShell make junctions without a name to be shown. Of such a one to a
    /// directory of a volume without a letter, the text was that of a link to its neighbour.
    #[test]
    fn a_junction_without_a_name_to_be_shown_leads_where_it_did() {
        for (behind, text) in [
            (r"\??\C:\a", r"C:\a"),
            (r"\??\d:\", r"d:\"),
            (r"\??\UNC\server\share\a", r"\\server\share\a"),
            (r"\??\Volume{1-2}\a", r"\\?\Volume{1-2}\a"),
            (r"\??\GLOBALROOT\Device\a", r"\\?\GLOBALROOT\Device\a"),
        ] {
            assert_eq!(text_of(&junction(behind, "")), text, "{behind}");
            // What is made of that leads there again.
            let made = buffer_of(OsStr::new(text)).unwrap();
            let names = HEADER + PLACES + 4;
            let wide: Vec<u8> = behind.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(made[names..names + wide.len()], wide, "{behind}");
        }
        assert_eq!(text_of(&junction(r"\??\C:\a", r"C:\typed")), r"C:\typed");
    }

    #[test]
    fn a_mounted_volume_is_no_link() {
        for behind in [r"\??\Volume{1-2}\", r"\??\Volume{1-2}", r"\??\VOLUME{1-2}\"] {
            for shown in ["", r"\\?\Volume{1-2}\"] {
                assert_eq!(held(&junction(behind, shown)), Some(Held::Volume), "{behind}");
            }
        }
        for behind in [r"\??\Volume{1-2}\a", r"\??\Volumes\", r"\??\C:\Volume{1-2}\"] {
            assert!(matches!(held(&junction(behind, "")), Some(Held::Text(_))), "{behind}");
        }
    }

    #[test]
    fn a_link_holds_the_text_that_it_was_made_with() {
        for text in ["a", "a/b", r"..\b\c", r"\d", r"C:\d", r"\\server\share\e", "\u{1f600}"] {
            assert_eq!(text_of(&buffer_of(OsStr::new(text)).unwrap()), text);
        }
        assert_eq!(held(b"abc"), None);
        assert!(buffer_of(OsStr::new("")).is_err());
    }

    /// The name that is followed, and whether it begins at the link.
    fn followed(text: &str) -> (String, bool) {
        let mut buffer = buffer_of(OsStr::new(text)).unwrap();
        let flags = HEADER + PLACES;
        let is_relative = buffer[flags] == 1;
        // Without a name to be shown it is told.
        buffer[HEADER + 6..HEADER + 8].fill(0);
        (text_of(&buffer).into_string().unwrap(), is_relative)
    }

    #[test]
    fn a_link_leads_where_its_text_says() {
        for (text, name, is_relative) in [
            ("a/b", r"a\b", true),
            (r"..\a", r"..\a", true),
            (r"\a\b", r"\a\b", true),
            ("C:/a/b", r"C:\a\b", false),
            (r"\\?\C:\a", r"C:\a", false),
            (r"\\server\share\a", r"\\server\share\a", false),
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
