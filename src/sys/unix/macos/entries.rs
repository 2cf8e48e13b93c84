//! Reading the names of a directory (getattrlistbulk(2)), whose position belongs to the handle.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};

use super::platform::errno_of_libc;
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
