//! The names of a directory: reading them (getattrlistbulk(2)), whose position belongs to the
//! handle, and the calls on them that macOS has in its own way, or lacks.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use super::errno::errno_of_libc;
use crate::sys::file::Kind;
use crate::sys::names::Listed;

/// Calls `look` with each name in a directory, but for those of the directory itself and its
/// parent. The handle's position stays.
pub(crate) fn each_name_in(directory: impl AsFd, mut look: impl FnMut(&OsStr)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
    let mut some = Vec::new();
    loop {
        list_some(&directory, &mut some)?;
        if some.is_empty() {
            return Ok(());
        }
        some.drain(..).for_each(|listed| look(&listed.name));
    }
}

/// Bytes of names that one call asks for.
const LISTING_BYTES: usize = 32 << 10;

/// "The entry has an error instead of attributes" (`sys/attr.h`).
const ATTR_CMN_ERROR: libc::attrgroup_t = 0x2000_0000;

/// The next names of a directory, as many as one call yields, in `into`; none at the end. The
/// position belongs to the handle.
pub(crate) fn list_some(directory: impl AsFd, into: &mut Vec<Listed>) -> io::Result<()> {
    let mut wanted = libc::attrlist {
        bitmapcount: libc::ATTR_BIT_MAP_COUNT,
        reserved: 0,
        commonattr: libc::ATTR_CMN_RETURNED_ATTRS
            | libc::ATTR_CMN_NAME
            | libc::ATTR_CMN_OBJTYPE
            | ATTR_CMN_ERROR,
        volattr: 0,
        dirattr: 0,
        fileattr: 0,
        forkattr: 0,
    };
    let mut buffer = vec![0_u8; LISTING_BYTES];
    while into.is_empty() {
        // SAFETY: the list says which attributes are wanted, and the buffer has so many bytes.
        let count = unsafe {
            libc::getattrlistbulk(
                directory.as_fd().as_raw_fd(),
                (&raw mut wanted).cast(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
            )
        };
        match count {
            -1 => return Err(errno_of_libc()),
            0 => return Ok(()),
            _ => {}
        }
        let mut rest = buffer.as_slice();
        for _ in 0..count {
            let malformed = || io::Error::from(io::ErrorKind::InvalidData);
            let len = number(rest, 0).ok_or_else(malformed)? as usize;
            let (entry, behind) = rest.split_at_checked(len).ok_or_else(malformed)?;
            into.push(listed(entry).ok_or_else(malformed)?);
            rest = behind;
        }
    }
    Ok(())
}

/// What one entry says: its length, which attributes it has, perhaps an error, where its name is,
/// its type. `None` if it is cut.
fn listed(entry: &[u8]) -> Option<Listed> {
    let has = number(entry, 4)?;
    let mut at = 4 + size_of::<libc::attribute_set_t>();
    if has & ATTR_CMN_ERROR != 0 {
        // It has its name all the same; what is wrong with it is told to whoever opens it.
        at += 4;
    }
    // The place is counted from where it is told.
    let name_at = at.checked_add(number(entry, at)? as usize)?;
    let name_end = name_at.checked_add(number(entry, at + 4)? as usize)?;
    let name = entry.get(name_at..name_end)?.split(|byte| *byte == 0).next()?;
    let kind = match has & libc::ATTR_CMN_OBJTYPE {
        0 => None,
        _ => kind_of(number(entry, at + 8)?),
    };
    Some(Listed { name: OsStr::from_bytes(name).to_owned(), kind })
}

/// The number of four bytes at a place.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// The kind of an `enum vtype` (`sys/vnode.h`).
fn kind_of(number: u32) -> Option<Kind> {
    match number {
        1 => Some(Kind::Regular),
        2 => Some(Kind::Directory),
        3 => Some(Kind::BlockDevice),
        4 => Some(Kind::CharDevice),
        5 => Some(Kind::Symlink),
        6 => Some(Kind::Socket),
        7 => Some(Kind::Pipe),
        _ => None,
    }
}

/// Opens a directory several steps below another one: one step after the other has to do.
///
/// # Errors
///
/// `ENOSYS`, always.
pub(crate) fn open_beneath(_: impl AsFd, _: &Path) -> io::Result<OwnedFd> {
    Err(Errno::NOSYS.into())
}

/// A file without a name cannot be made.
///
/// # Errors
///
/// `EOPNOTSUPP`, always.
pub(crate) fn unnamed_file(_: impl AsFd) -> io::Result<File> {
    Err(Errno::OPNOTSUPP.into())
}

/// Renames within one directory unless the new name is taken (`EEXIST`; `RENAME_EXCL`,
/// renameatx_np(2)).
///
/// # Errors
///
/// `EINVAL` where the file system cannot do that in one step.
pub(crate) fn rename_no_replace(directory: impl AsFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let directory = directory.as_fd();
    let (from, to) = (Path::new(from), Path::new(to));
    match rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
        // The caller knows this one.
        Err(Errno::NOTSUP | Errno::OPNOTSUPP) => Err(Errno::INVAL.into()),
        done => Ok(done?),
    }
}

/// Makes a FIFO or a device file (mkfifoat(2), mknodat(2), macOS 13).
///
/// # Errors
///
/// `EOPNOTSUPP` for a socket: only who listens at it makes one.
pub(super) fn make_special(
    directory: impl AsFd,
    name: &OsStr,
    kind: FileType,
    mode: u32,
    device: u64,
) -> rustix::io::Result<()> {
    let directory = directory.as_fd().as_raw_fd();
    let kind_bits = kind.as_raw_mode();
    let mode = mode_of(mode).as_raw_mode();
    name.into_with_c_str(|name| {
        let made = match kind {
            // SAFETY: the name ends with a NUL and lives as long as the call.
            FileType::Fifo => unsafe { libc::mkfifoat(directory, name.as_ptr(), mode) },
            FileType::BlockDevice | FileType::CharacterDevice => {
                let device = i32::try_from(device.cast_signed()).map_err(|_| Errno::INVAL)?;
                // SAFETY: as above.
                unsafe { libc::mknodat(directory, name.as_ptr(), kind_bits | mode, device) }
            }
            _ => return Err(Errno::OPNOTSUPP),
        };
        match made {
            0 => Ok(()),
            _ => Err(Errno::from_io_error(&errno_of_libc()).unwrap_or(Errno::IO)),
        }
    })
}

/// Permission bits as calls take them.
pub(super) fn mode_of(mode: u32) -> Mode {
    Mode::from_raw_mode(u16::try_from(mode & 0o7777).unwrap_or(0))
}
