//! Renaming, linking and removing.

use std::ffi::{OsStr, c_void};
use std::io;
use std::path::Path;
use std::time::Duration;

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_INFORMATION_CLASS, FILE_LINK_INFORMATION, FILE_OPEN, FILE_OPEN_REPARSE_POINT,
    FILE_RENAME_IGNORE_READONLY_ATTRIBUTE, FILE_RENAME_INFORMATION, FILE_RENAME_INFORMATION_0,
    FILE_RENAME_POSIX_SEMANTICS, FILE_RENAME_REPLACE_IF_EXISTS, FILE_WRITE_THROUGH,
    FileLinkInformation, FileRenameInformation, FileRenameInformationEx, NtSetInformationFile,
};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_READONLY, FILE_BASIC_INFO, FILE_DISPOSITION_FLAG_DELETE,
    FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE, FILE_DISPOSITION_FLAG_POSIX_SEMANTICS,
    FILE_DISPOSITION_INFO, FILE_DISPOSITION_INFO_EX, FILE_WRITE_ATTRIBUTES, FileDispositionInfo,
    FileDispositionInfoEx,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::super::attributes;
use super::super::errno::status;
use super::super::handle::{self, AsHandle, OwnedHandle};
use super::{CHANGE, Spot, spelling};
use crate::options::ObjectId;
use crate::sys::Errno;
use crate::sys::clock;
use crate::sys::file::{self, Kind};
use crate::sys::names::Follow;

/// Gives `from` the name `to`, replacing what has it, within one directory.
///
/// The change is written through: it is not acknowledged before it is in the file system's log, as
/// with `MOVEFILE_WRITE_THROUGH`.
pub(crate) fn rename_at(directory: impl AsHandle, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let to = spelling::new_component(to)?;
    let object = Spot::within(&directory, from).open_to_change()?;
    let into = handle::raw(&directory);
    let mut last = None;
    let renamed = clock::poll(Some(OTHERS_WAIT), || match replace(&object, into, &to) {
        Err(error) if is_in_use(&error) => {
            last = Some(error);
            Ok(None)
        }
        renamed => renamed.map(Some),
    })?;
    match (renamed, last) {
        (None, Some(error)) => Err(error),
        _ => Ok(()),
    }
}

/// How long what has the name is waited for: who has just closed it, and programs that look at each
/// new file, have it open for a moment.
const OTHERS_WAIT: Duration = Duration::from_millis(300);

/// Whether somebody may have it open.
fn is_in_use(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ACCESS | Errno::BUSY))
}

fn replace(object: &OwnedHandle, into: HANDLE, to: &[u16]) -> io::Result<()> {
    let flags = FILE_RENAME_REPLACE_IF_EXISTS
        | FILE_RENAME_POSIX_SEMANTICS
        | FILE_RENAME_IGNORE_READONLY_ATTRIBUTE;
    match name_anew(object, FileRenameInformationEx, flags, into, to) {
        // Since Windows 10 1809, and on NTFS; without it, what has the name must not be open.
        Err(error) if is_unknown(&error) => within(into, |into| {
            name_anew(object, FileRenameInformation, FILE_RENAME_REPLACE_IF_EXISTS, into, to)
        }),
        renamed => renamed,
    }
}

/// Gives something a name in the directory that it has one in already.
///
/// "For network operations" no directory may be named ([MS-FSCC] 2.4.28, 2.4.42.2): where naming it
/// is refused, the name alone is, which then is one in that directory.
fn within(directory: HANDLE, name: impl Fn(HANDLE) -> io::Result<()>) -> io::Result<()> {
    match name(directory) {
        Err(error) if is_unknown(&error) => match name(std::ptr::null_mut()) {
            // That is not known either: what was refused first counts.
            Err(other) if is_unknown(&other) => Err(error),
            named => named,
        },
        named => named,
    }
}

/// Renames within one directory unless the new name is taken (`EXIST`).
pub(crate) fn rename_no_replace(
    directory: impl AsHandle,
    from: &OsStr,
    to: &OsStr,
) -> io::Result<()> {
    let to = spelling::new_component(to)?;
    let object = Spot::within(&directory, from).open_to_change()?;
    within(handle::raw(&directory), |into| name_anew(&object, FileRenameInformation, 0, into, &to))
}

/// Gives the object a second name, which must be free.
pub(crate) fn link_at(directory: impl AsHandle, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let to = spelling::new_component(to)?;
    let object = Spot::within(&directory, from).open_to_link(Follow::No)?;
    within(handle::raw(&directory), |into| name_anew(&object, FileLinkInformation, 0, into, &to))
}

/// Gives what is at `spot` another name in `directory`, which must be free.
pub(crate) fn link_into(
    spot: Spot<'_>,
    directory: impl AsHandle,
    name: &OsStr,
    follow: Follow,
) -> io::Result<()> {
    let name = spelling::new_component(name)?;
    let object = spot.open_to_link(follow)?;
    name_anew(&object, FileLinkInformation, 0, handle::raw(&directory), &name)
}

// Both structures are: flags, a directory, the length of a name, a name.
const _: () = assert!(
    size_of::<FILE_RENAME_INFORMATION>() == size_of::<FILE_LINK_INFORMATION>()
        && std::mem::offset_of!(FILE_RENAME_INFORMATION, RootDirectory)
            == std::mem::offset_of!(FILE_LINK_INFORMATION, RootDirectory)
        && std::mem::offset_of!(FILE_RENAME_INFORMATION, FileNameLength)
            == std::mem::offset_of!(FILE_LINK_INFORMATION, FileNameLength)
        && std::mem::offset_of!(FILE_RENAME_INFORMATION, FileName)
            == std::mem::offset_of!(FILE_LINK_INFORMATION, FileName)
);

/// Gives an object a new name, or another one.
fn name_anew(
    object: &impl AsHandle,
    class: FILE_INFORMATION_CLASS,
    flags: u32,
    directory: HANDLE,
    name: &[u16],
) -> io::Result<()> {
    let too_long = |_| io::Error::from(Errno::NAMETOOLONG);
    let begin = std::mem::offset_of!(FILE_RENAME_INFORMATION, FileName);
    let bytes = size_of_val(name);
    // What is behind the name is not read; numbers of 64 bits are aligned as the structure is.
    let len = (begin + bytes).max(size_of::<FILE_RENAME_INFORMATION>());
    let mut buffer = vec![0_u64; len.div_ceil(8)];
    let wanted = buffer.as_mut_ptr().cast::<FILE_RENAME_INFORMATION>();
    let head = FILE_RENAME_INFORMATION {
        Anonymous: FILE_RENAME_INFORMATION_0 { Flags: flags },
        RootDirectory: directory,
        FileNameLength: u32::try_from(bytes).map_err(too_long)?,
        FileName: [0],
    };
    // SAFETY: the buffer has room for all of the structure and is aligned for it.
    unsafe { wanted.write(head) };
    let place = wanted.cast::<u8>().wrapping_add(begin).cast::<u16>();
    // SAFETY: behind the begin of the name the buffer has room for all of it.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), place, name.len()) };
    // SAFETY: it has numbers and a pointer that nobody follows, for which all zeros are a value.
    let mut block: IO_STATUS_BLOCK = unsafe { std::mem::zeroed() };
    let len = u32::try_from(len).map_err(too_long)?;
    // SAFETY: the buffer has so many bytes, which are the structure of the class.
    status(unsafe {
        let wanted = wanted.cast::<c_void>();
        NtSetInformationFile(handle::raw(object), &raw mut block, wanted, len, class)
    })
}

/// Whether the system or the volume does not know what it was asked for.
fn is_unknown(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS))
}

impl Spot<'_> {
    /// What is there, a link included, for giving it another name or none.
    fn open_to_change(self) -> io::Result<OwnedHandle> {
        self.open_itself(CHANGE, FILE_OPEN, FILE_OPEN_REPARSE_POINT | FILE_WRITE_THROUGH)
    }

    /// The same for giving it another name besides; a link may be followed.
    fn open_to_link(self, follow: Follow) -> io::Result<OwnedHandle> {
        let options = match follow {
            Follow::Yes => 0,
            Follow::No => FILE_OPEN_REPARSE_POINT,
        };
        self.open_itself(FILE_WRITE_ATTRIBUTES, FILE_OPEN, options)
    }
}

/// Removes a name that is not a directory's; it is gone then.
///
/// # Errors
///
/// `BUSY` where it goes only when others close the file, and they do not in time.
pub(crate) fn unlink_at(directory: impl AsHandle, name: &OsStr) -> io::Result<()> {
    remove(Spot::within(&directory, name), unless_directory, Until::Gone)
}

/// The same for a file that the caller has open: on some file systems the name goes only when that
/// is closed.
pub(crate) fn unlink_held_at(directory: impl AsHandle, name: &OsStr) -> io::Result<()> {
    remove(Spot::within(&directory, name), unless_directory, Until::Closed)
}

/// The same as [`unlink_at`] at a path from the working directory.
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    remove(Spot::of_path(path), unless_directory, Until::Gone)
}

/// Removes an empty directory.
pub(crate) fn remove_directory_at(directory: impl AsHandle, name: &OsStr) -> io::Result<()> {
    remove(Spot::within(&directory, name), if_directory, Until::Gone)
}

/// The same for one that the caller has open, as with [`unlink_held_at`].
pub(crate) fn remove_held_directory_at(directory: impl AsHandle, name: &OsStr) -> io::Result<()> {
    remove(Spot::within(&directory, name), if_directory, Until::Closed)
}

fn unless_directory(kind: Kind) -> Option<Errno> {
    (kind == Kind::Directory).then_some(Errno::ISDIR)
}

fn if_directory(kind: Kind) -> Option<Errno> {
    (kind != Kind::Directory).then_some(Errno::NOTDIR)
}

/// When a name has been removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// It is not there any more.
    Gone,
    /// It is not when all have closed what has it, of whom the caller is one.
    Closed,
}

fn remove(spot: Spot<'_>, refusal: fn(Kind) -> Option<Errno>, until: Until) -> io::Result<()> {
    let object = spot.open_to_change()?;
    let facts = file::facts(&object)?;
    if let Some(errno) = refusal(facts.kind) {
        return Err(errno.into());
    }
    let flags = FILE_DISPOSITION_FLAG_DELETE
        | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS
        | FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE;
    let wanted = FILE_DISPOSITION_INFO_EX { Flags: flags };
    // SAFETY: that is the structure of the class.
    match unsafe { super::super::file::set(&object, FileDispositionInfoEx, &wanted) } {
        // As with renaming. The name goes when the last handle is closed.
        Err(error) if is_unknown(&error) => {
            remove_at_close(&object)?;
            drop(object);
            match until {
                Until::Gone => wait_for_end(spot, facts.id),
                Until::Closed => Ok(()),
            }
        }
        removed => removed,
    }
}

/// Has the name go when the last handle is closed; what is refused stays as it was.
fn remove_at_close(object: &OwnedHandle) -> io::Result<()> {
    let basic = super::super::file::basic(object)?;
    let is_read_only = basic.FileAttributes & FILE_ATTRIBUTE_READONLY != 0;
    if is_read_only {
        let attributes = match basic.FileAttributes & !FILE_ATTRIBUTE_READONLY {
            0 => FILE_ATTRIBUTE_NORMAL,
            others => others,
        };
        attributes::set_basic(object, &FILE_BASIC_INFO { FileAttributes: attributes, ..basic })?;
    }
    let wanted = FILE_DISPOSITION_INFO { DeleteFile: true };
    // SAFETY: that is the structure of the class.
    let removed = unsafe { super::super::file::set(object, FileDispositionInfo, &wanted) };
    if removed.is_err() && is_read_only {
        // Why it is refused is what counts.
        attributes::set_basic(object, &basic).unwrap_or_default();
    }
    removed
}

/// Waits until what was removed has its name no more, which it has as long as others have it open.
fn wait_for_end(spot: Spot<'_>, id: ObjectId) -> io::Result<()> {
    use windows_sys::Win32::Foundation::ERROR_DELETE_PENDING;
    let gone = clock::poll(Some(OTHERS_WAIT), || match spot.facts(Follow::No) {
        Ok(Some(there)) if there.id == id => Ok(None),
        Ok(_) => Ok(Some(())),
        Err(error) if is_in_use(&error) => Ok(None),
        Err(error) => Err(error),
    })?;
    gone.ok_or_else(|| io::Error::from_raw_os_error(ERROR_DELETE_PENDING.cast_signed()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// What is asked of a file system that answers so, and what comes of it.
    fn asked(answers: &[Result<(), Errno>]) -> (Vec<bool>, Result<(), Errno>) {
        let asked = RefCell::new(Vec::new());
        let named = within(std::ptr::dangling_mut(), |directory| {
            let answer = answers[asked.borrow().len()];
            asked.borrow_mut().push(!directory.is_null());
            answer.map_err(io::Error::from)
        });
        let errno = |error| Errno::from_io_error(&error).unwrap();
        (asked.into_inner(), named.map_err(errno))
    }

    /// (Wine takes a directory, and no name without one.)
    #[test]
    fn a_server_that_takes_no_directory_is_given_the_name_alone() {
        let unknown = Err(Errno::INVAL);
        assert_eq!(asked(&[Ok(())]), (vec![true], Ok(())));
        assert_eq!(asked(&[Err(Errno::EXIST)]), (vec![true], Err(Errno::EXIST)));
        assert_eq!(asked(&[unknown, Ok(())]), (vec![true, false], Ok(())));
        let taken = Err(Errno::EXIST);
        assert_eq!(asked(&[unknown, taken]), (vec![true, false], taken));
        let both = [Err(Errno::OPNOTSUPP), unknown];
        assert_eq!(asked(&both), (vec![true, false], Err(Errno::OPNOTSUPP)));
    }
}
