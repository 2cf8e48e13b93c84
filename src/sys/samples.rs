//! What tests need of each system.

use std::ffi::OsString;

/// A name that is no Unicode: an `a`, and behind it what is part of no character.
pub(crate) fn not_unicode() -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(b"a\xff".to_vec());
    #[cfg(windows)]
    // The first half of a character.
    return std::os::windows::ffi::OsStringExt::from_wide(&[u16::from(b'a'), 0xd800]);
}
