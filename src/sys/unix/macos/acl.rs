//! Access control lists (acl(3), `sys/acl.h`): beside the permission bits, and no extended
//! attributes. Here each is one, of a form of its own, so that it is copied as others are.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use libc::{c_int, c_void};
use rustix::io::Errno;

use super::errno::errno_of_libc;

/// Comes before the list as acl_copy_ext_native(3) has it: so it is none of another system.
const MARK: u8 = b'N';

/// `ACL_TYPE_EXTENDED`.
const EXTENDED: c_int = 0x100;
/// `ACL_FIRST_ENTRY`.
const FIRST_ENTRY: c_int = 0;
/// `FILESEC_ACL`.
const FILESEC_ACL: c_int = 5;

unsafe extern "C" {
    fn acl_get_fd_np(fd: c_int, kind: c_int) -> *mut c_void;
    fn acl_set_fd_np(fd: c_int, acl: *mut c_void, kind: c_int) -> c_int;
    fn acl_get_entry(acl: *mut c_void, which: c_int, entry: *mut *mut c_void) -> c_int;
    fn acl_size(acl: *mut c_void) -> isize;
    fn acl_copy_ext_native(into: *mut c_void, acl: *mut c_void, len: isize) -> isize;
    fn acl_copy_int_native(from: *const c_void) -> *mut c_void;
    fn acl_free(acl: *mut c_void) -> c_int;
    fn filesec_init() -> *mut c_void;
    fn filesec_set_property(security: *mut c_void, which: c_int, to: *const c_void) -> c_int;
    fn filesec_free(security: *mut c_void);
    fn fchmodx_np(fd: c_int, security: *mut c_void) -> c_int;
}

/// A list in memory, freed when it is dropped.
struct List(*mut c_void);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: a function of the library returned it, and it is not used any more.
        unsafe { acl_free(self.0) };
    }
}

impl List {
    fn owned(list: *mut c_void) -> io::Result<Self> {
        if list.is_null() { Err(errno_of_libc()) } else { Ok(Self(list)) }
    }

    /// The one of an object; `None` for one without, or with an empty one.
    fn of(file: &File) -> io::Result<Option<Self>> {
        // SAFETY: it takes numbers, and returns a list or nothing.
        let list = match Self::owned(unsafe { acl_get_fd_np(file.as_raw_fd(), EXTENDED) }) {
            Err(error) => {
                return match Errno::from_io_error(&error) {
                    // None; none on this file system; none on this kind of object.
                    Some(Errno::NOENT | Errno::NOTSUP | Errno::OPNOTSUPP | Errno::INVAL) => {
                        Ok(None)
                    }
                    _ => Err(error),
                };
            }
            Ok(list) => list,
        };
        let mut first = std::ptr::null_mut();
        // SAFETY: the list is one, and the entry is written to a pointer.
        let has_some = unsafe { acl_get_entry(list.0, FIRST_ENTRY, &raw mut first) } == 0;
        Ok(has_some.then_some(list))
    }
}

/// Whether an object has one.
pub(super) fn exists(file: &File) -> io::Result<bool> {
    Ok(List::of(file)?.is_some())
}

/// The list of an object; `None` when it has none.
pub(super) fn value(file: &File) -> io::Result<Option<Vec<u8>>> {
    let Some(list) = List::of(file)? else { return Ok(None) };
    // SAFETY: the list is one.
    let len = unsafe { acl_size(list.0) };
    let room = usize::try_from(len).map_err(|_| errno_of_libc())?;
    let mut value = vec![0; room];
    // SAFETY: the buffer has so many bytes, and the list is one.
    let len = unsafe { acl_copy_ext_native(value.as_mut_ptr().cast(), list.0, len) };
    value.truncate(usize::try_from(len).map_err(|_| errno_of_libc())?);
    value.insert(0, MARK);
    Ok(Some(value))
}

/// Sets a list that [`value`] returned.
///
/// # Errors
///
/// `EINVAL` for another one, and those of acl_set_fd(3).
pub(super) fn set(file: &File, value: &[u8]) -> io::Result<()> {
    let Some((&MARK, native)) = value.split_first() else { return Err(Errno::INVAL.into()) };
    // A list says how many entries it has, and the call takes no length: so it gets room for all
    // that it may have, 128 of 24 bytes behind 44 (`KAUTH_ACL_MAX_ENTRIES`, `sys/kauth.h`).
    const ROOM: usize = 44 + 128 * 24;
    let mut padded = native.to_vec();
    padded.resize(native.len().max(ROOM), 0);
    // SAFETY: it is a list in the library's form, or is told not to be, and none is longer.
    let list = List::owned(unsafe { acl_copy_int_native(padded.as_ptr().cast()) })?;
    // SAFETY: it takes numbers and the list.
    checked(unsafe { acl_set_fd_np(file.as_raw_fd(), list.0, EXTENDED) })
}

/// Removes the list of an object.
pub(super) fn remove(file: &File) -> io::Result<()> {
    // `_FILESEC_REMOVE_ACL`.
    let nothing = std::ptr::without_provenance(1);
    // SAFETY: it takes nothing.
    let security = unsafe { filesec_init() };
    if security.is_null() {
        return Err(errno_of_libc());
    }
    // SAFETY: that is a property, and this value of it is not followed.
    let set = checked(unsafe { filesec_set_property(security, FILESEC_ACL, nothing) });
    let removed = set.and_then(|()| {
        // SAFETY: it takes a number and what the library made.
        checked(unsafe { fchmodx_np(file.as_raw_fd(), security) })
    });
    // SAFETY: the library made it, and it is not used any more.
    unsafe { filesec_free(security) };
    removed
}

fn checked(returned: c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(errno_of_libc()) }
}
