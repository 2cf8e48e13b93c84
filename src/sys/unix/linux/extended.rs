//! What files have besides the attributes of POSIX.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::path::Arg;

use super::errno::errno_of_libc;

/// Gives a new, empty file those flags of an old one that a program cannot see but a file system
/// obeys: no copy on write, no dump, no access times (ioctl_iflags(2)). A file system that has no
/// such flags has nothing to keep.
pub(crate) fn keep_flags(old: &File, new: &File) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let kept = IFlags::NOCOW | IFlags::NODUMP | IFlags::NOATIME;
    if let (Ok(old), Ok(flags)) = (ioctl_getflags(old), ioctl_getflags(new))
        && !(old & kept).is_empty()
    {
        ioctl_setflags(new, flags | (old & kept)).ok();
    }
}

/// Whether files here have labels of a security module that a copy can keep.
pub(crate) fn has_security_contexts() -> bool {
    std::path::Path::new("/sys/fs/selinux/enforce").exists()
}

/// The length of the list of names of the extended attributes that what has `name` in a directory
/// has; a link is not followed.
///
/// Asked with `listxattrat` (Linux 6.13).
///
/// # Errors
///
/// Those of llistxattr(2); `ENOSYS`, or `EPERM` of a filter, where there is no such call.
pub(crate) fn attribute_names_len(directory: impl AsFd, name: &OsStr) -> rustix::io::Result<usize> {
    const LISTXATTRAT: libc::c_long = 465;
    name.into_with_c_str(|name| {
        let directory = directory.as_fd().as_raw_fd();
        // SAFETY: the name ends with a NUL and lives as long as the call, and no byte is written to
        // a list of length 0.
        let len = unsafe {
            libc::syscall(
                LISTXATTRAT,
                directory,
                name.as_ptr(),
                libc::AT_SYMLINK_NOFOLLOW,
                std::ptr::null_mut::<libc::c_char>(),
                0_usize,
            )
        };
        usize::try_from(len)
            .map_err(|_| Errno::from_io_error(&errno_of_libc()).unwrap_or(Errno::IO))
    })
}
