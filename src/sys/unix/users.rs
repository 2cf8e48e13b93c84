//! Names of users and groups.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

/// The name of a user; `None` for one without a name, or where it cannot be looked up.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    // SAFETY: it has numbers and pointers only, for which all zeros are a value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    looked_up(|buffer, len| {
        let mut found = ptr::null_mut();
        // SAFETY: it fills in the entry, whose strings it keeps in the buffer of that length.
        let status = unsafe { libc::getpwuid_r(uid, &raw mut entry, buffer, len, &raw mut found) };
        (status, if found.is_null() { ptr::null() } else { entry.pw_name })
    })
}

/// The name of a group, likewise.
pub(crate) fn group_name(gid: u32) -> Option<String> {
    // SAFETY: as above.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    looked_up(|buffer, len| {
        let mut found = ptr::null_mut();
        // SAFETY: as above.
        let status = unsafe { libc::getgrgid_r(gid, &raw mut entry, buffer, len, &raw mut found) };
        (status, if found.is_null() { ptr::null() } else { entry.gr_name })
    })
}

/// A group's members stand in the buffer, too.
const BUFFER_MAX: usize = 1 << 20;

fn looked_up(mut call: impl FnMut(*mut c_char, usize) -> (c_int, *const c_char)) -> Option<String> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        match call(buffer.as_mut_ptr(), buffer.len()) {
            (libc::ERANGE, _) if buffer.len() < BUFFER_MAX => buffer.resize(buffer.len() * 4, 0),
            (0, name) if !name.is_null() => {
                // SAFETY: it is a string in the buffer, which lives until it is copied.
                let name = unsafe { CStr::from_ptr(name) };
                return Some(name.to_string_lossy().into_owned());
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_name_is_called_by_it() {
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert!(group_name(0).is_some());
        assert_eq!(user_name(u32::MAX - 7), None);
    }
}
