//! How names are spelt: which the system takes, and which it takes for one.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use windows_sys::Wdk::System::SystemServices::RtlUpcaseUnicodeChar;

use crate::sys::Errno;
use crate::sys::names::LEN_MAX;

/// The path as the native calls take it: from the root of all names on, which `\??\` begins. It
/// may be as long as they take, 32,767 units.
///
/// # Errors
///
/// `NOENT` for an empty one, `NAMETOOLONG` for one with such a name in it, and what
/// `GetFullPathNameW` says.
pub(super) fn native(path: &Path) -> io::Result<Vec<u16>> {
    if path.as_os_str().is_empty() {
        return Err(Errno::NOENT.into());
    }
    const SEPARATOR: u16 = b'\\' as u16;
    let absolute = std::path::absolute(path)?;
    if absolute.components().any(is_too_long) {
        return Err(Errno::NAMETOOLONG.into());
    }
    // A separator at the end is kept for roots only: what it says is for `Spot` to see to.
    let trimmed = match absolute.file_name() {
        Some(_) => crate::sys::names::without_separators(&absolute),
        None => &absolute,
    };
    let wide: Vec<u16> = trimmed.as_os_str().encode_wide().collect();
    let (prefix, rest) = match wide.as_slice() {
        // `\\?\...` and `\\.\...`
        [SEPARATOR, SEPARATOR, dot, SEPARATOR, rest @ ..]
            if [u16::from(b'?'), u16::from(b'.')].contains(dot) =>
        {
            ("", rest)
        }
        [SEPARATOR, SEPARATOR, rest @ ..] => ("UNC\\", rest),
        whole => ("", whole),
    };
    Ok(r"\??\".encode_utf16().chain(prefix.encode_utf16()).chain(rest.iter().copied()).collect())
}

/// Whether a component is a name that no file system takes: they tell such a one from an invalid
/// one in no way.
fn is_too_long(component: Component<'_>) -> bool {
    matches!(component, Component::Normal(name) if len_of(name) > LEN_MAX)
}

/// A name in a directory, in UTF-16.
///
/// # Errors
///
/// `ERROR_INVALID_NAME` for one that leads elsewhere: through a separator, or to a stream within a
/// file. `NAMETOOLONG` for more than 255 units.
pub(super) fn component(name: &OsStr) -> io::Result<Vec<u16>> {
    let leads_on = |byte: &u8| matches!(byte, b'\\' | b'/' | b':' | 0);
    if name.is_empty() || name.as_encoded_bytes().iter().any(leads_on) {
        use windows_sys::Win32::Foundation::ERROR_INVALID_NAME;
        return Err(io::Error::from_raw_os_error(ERROR_INVALID_NAME.cast_signed()));
    }
    match len_of(name) > LEN_MAX {
        true => Err(Errno::NAMETOOLONG.into()),
        false => Ok(name.encode_wide().collect()),
    }
}

/// The same for a name that is to be made.
///
/// # Errors
///
/// `InvalidInput` with the reason for one that other programs could not open, or would take for
/// another one.
pub(super) fn new_component(name: &OsStr) -> io::Result<Vec<u16>> {
    match refusal(name) {
        None => component(name),
        Some(why) => Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
    }
}

/// Names of devices in every directory ("Naming Files, Paths, and Namespaces", Microsoft).
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Why no file is made with this name; `None` for a good one.
pub(crate) fn refusal(name: &OsStr) -> Option<&'static str> {
    let bytes = name.as_encoded_bytes();
    let is_forbidden = |byte: &u8| *byte < 32 || br#"<>:"/\|?*"#.contains(byte);
    if bytes.iter().any(is_forbidden) {
        return Some(
            "Windows takes no name with a control character or one of < > : \" / \\ | ? *",
        );
    }
    if matches!(bytes.last(), Some(b' ' | b'.')) {
        return Some("Windows cuts dots and spaces from the end of a name");
    }
    // What is behind the first dot does not count, nor do spaces before it.
    let stem = bytes.split(|byte| *byte == b'.').next().unwrap_or_default();
    let stem = stem.trim_ascii_end();
    let is_device = DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device.as_bytes()));
    (is_device || is_port(stem)).then_some("Windows has a device of this name in every directory")
}

/// `COM1` to `COM9`, `LPT1` to `LPT9`, and the same with superscript digits.
fn is_port(stem: &[u8]) -> bool {
    let Some((kind, number)) = stem.split_at_checked(3) else { return false };
    let is_kind = kind.eq_ignore_ascii_case(b"COM") || kind.eq_ignore_ascii_case(b"LPT");
    let superscripts = ["\u{b9}", "\u{b2}", "\u{b3}"];
    let is_number = matches!(number, [b'1'..=b'9'])
        || superscripts.iter().any(|digit| digit.as_bytes() == number);
    is_kind && is_number
}

/// What names that lead to one file have in common: upper case, letter by letter, as file systems
/// have it.
pub(crate) fn fold(name: &OsStr) -> OsString {
    // SAFETY: it takes a number.
    let upper = |unit| unsafe { RtlUpcaseUnicodeChar(unit) };
    OsString::from_wide(&name.encode_wide().map(upper).collect::<Vec<_>>())
}

/// How long a name is, as file systems count: in units of UTF-16.
pub(crate) fn len_of(name: &OsStr) -> usize {
    name.encode_wide().count()
}

/// The first units of a longer name, so many at most.
pub(crate) fn cut_to(name: &OsStr, len_max: usize) -> OsString {
    let mut units: Vec<u16> = name.encode_wide().take(len_max).collect();
    // Half a character, whose other half is cut.
    if units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
        units.pop();
    }
    OsString::from_wide(&units)
}
