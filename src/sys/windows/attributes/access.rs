//! The access control list of a file, for one that is to have the same.

use std::fs::File;
use std::io;

use windows_sys::Wdk::Storage::FileSystem::{NtQuerySecurityObject, NtSetSecurityObject};
use windows_sys::Win32::Foundation::STATUS_BUFFER_TOO_SMALL;
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, SE_DACL_AUTO_INHERIT_REQ,
    SE_DACL_AUTO_INHERITED, SE_DACL_PROTECTED, UNPROTECTED_DACL_SECURITY_INFORMATION,
};
use windows_sys::Win32::Storage::FileSystem::{READ_CONTROL, WRITE_DAC};

use super::super::Errno;
use super::super::errno::status;
use super::super::handle::{self, AsHandle};
use super::{is_unsupported, reopened};

/// Gives `new` the access control list of `old`, whether or not it is protected from what its
/// directory hands down; nothing where the file system has no lists.
///
/// # Errors
///
/// Those of reading and of setting it.
pub(crate) fn keep_access_list(old: &File, new: &File) -> io::Result<()> {
    let mut wanted = match list_of(old) {
        Err(error) if is_unsupported(&error) => return Ok(()),
        list => list?,
    };
    if list_of(new)? == wanted {
        return Ok(());
    }
    let protection = prepare(&mut wanted);
    let again = reopened(new, WRITE_DAC)?;
    // SAFETY: the descriptor is one that the system has made, and nothing of it has moved.
    status(unsafe {
        let descriptor = wanted.as_mut_ptr().cast();
        NtSetSecurityObject(handle::raw(&again), DACL_SECURITY_INFORMATION | protection, descriptor)
    })
}

/// A security descriptor with nothing but the list, in one piece ([MS-DTYP] 2.4.6), which is
/// aligned as its numbers are.
type Descriptor = Vec<u64>;

fn list_of(file: &File) -> io::Result<Descriptor> {
    match descriptor_of(file) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::ACCESS) => {
            descriptor_of(&reopened(file, READ_CONTROL)?)
        }
        found => found,
    }
}

fn descriptor_of(object: &impl AsHandle) -> io::Result<Descriptor> {
    let mut descriptor = vec![0; 64];
    loop {
        let room = u32::try_from(size_of_val(descriptor.as_slice())).unwrap_or(u32::MAX);
        let mut needed = 0;
        // SAFETY: the buffer has so many bytes.
        let returned = unsafe {
            let into = descriptor.as_mut_ptr().cast();
            let list = DACL_SECURITY_INFORMATION;
            NtQuerySecurityObject(handle::raw(object), list, into, room, &raw mut needed)
        };
        if returned != STATUS_BUFFER_TOO_SMALL || needed <= room {
            return status(returned).map(|()| descriptor);
        }
        descriptor = vec![0; (needed as usize).div_ceil(8)];
    }
}

/// Makes a descriptor that was read one to be set, and says how it is to be.
///
/// That the list was inherited is set only if that is asked for (`SE_DACL_AUTO_INHERIT_REQ`).
fn prepare(descriptor: &mut [u64]) -> u32 {
    // Bytes 2 and 3 are the flags.
    const FLAGS: u32 = 16;
    let has = |descriptor: &[u64], flag: u16| {
        descriptor.first().is_some_and(|it| it & u64::from(flag) << FLAGS != 0)
    };
    if has(descriptor, SE_DACL_AUTO_INHERITED)
        && let Some(first) = descriptor.first_mut()
    {
        *first |= u64::from(SE_DACL_AUTO_INHERIT_REQ) << FLAGS;
    }
    match has(descriptor, SE_DACL_PROTECTED) {
        true => PROTECTED_DACL_SECURITY_INFORMATION,
        false => UNPROTECTED_DACL_SECURITY_INFORMATION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The begin of a descriptor with these flags besides "in one piece" and "with a list".
    fn descriptor(flags: u16) -> [u64; 3] {
        let flags = (flags | 0x8004).to_le_bytes();
        [u64::from_le_bytes([1, 0, flags[0], flags[1], 0, 0, 0, 0]), 20 << 32, 0]
    }

    #[test]
    fn a_list_is_set_as_protected_and_as_inherited_as_it_was() {
        for (flags, expected, protection) in [
            (0, 0, UNPROTECTED_DACL_SECURITY_INFORMATION),
            (0x400, 0x500, UNPROTECTED_DACL_SECURITY_INFORMATION),
            (0x1000, 0x1000, PROTECTED_DACL_SECURITY_INFORMATION),
            (0x1400, 0x1500, PROTECTED_DACL_SECURITY_INFORMATION),
        ] {
            let mut found = descriptor(flags);
            assert_eq!(prepare(&mut found), protection, "{flags:x}");
            assert_eq!(found, descriptor(expected), "{flags:x}");
        }
    }
}
