//! Names: what they lead to, and making, changing and removing them.
//!
//! Each call is relative to a directory that is held open, so that no name on the way to it counts,
//! but for operands, which are paths ([`Spot::of_path`]). Names are single components: none leads
//! to another directory, or to a stream within a file.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_CREATE, FILE_DELETE_ON_CLOSE, FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, FILE_OPEN,
    FILE_OPEN_REPARSE_POINT, NTCREATEFILE_CREATE_OPTIONS,
};
use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ACCESS_RIGHTS, FILE_ADD_FILE, FILE_ADD_SUBDIRECTORY, FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_READONLY, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_TRAVERSE,
    FILE_WRITE_ATTRIBUTES,
};

use super::Errno;
use super::handle::{self, AsHandle, BorrowedHandle, OwnedHandle};
use super::native::{self, How};
use crate::options::ObjectId;
use crate::sys::file::{self, Facts, Kind};
use crate::sys::names::{Follow, OpenAs, Spelling, ends_in_separator};

pub(crate) use change::{
    link_at, link_into, remove_directory_at, remove_held_directory_at, rename_at,
    rename_no_replace, unlink, unlink_at, unlink_held_at,
};
pub(crate) use link::{make_link_at, read_link};
pub(crate) use list::{each_name_in, list_some, name_behind, unread};
pub(crate) use spelling::{cut_to, fold, len_of, refusal};

mod change;
mod link;
mod list;
mod spelling;

/// Whether a directory can be given another name while something in it is open: not on NTFS.
pub(crate) const DIRECTORIES_MOVE: bool = false;

/// Whether who watches a directory is told of all that is below it as well. No other need be held
/// open then, which would keep those above it from being renamed.
pub(crate) const WATCHED_AS_A_WHOLE: bool = true;

/// Devices have names in every directory, and the case of letters does not count.
pub(crate) const SPELLING: Spelling = Spelling::Restricted;

/// A name in a directory that is held open, or a path from the working directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    directory: Option<BorrowedHandle<'a>>,
    path: &'a Path,
}

/// What is asked of an object that is only looked at.
const LOOK: FILE_ACCESS_RIGHTS = FILE_READ_ATTRIBUTES;

/// What a directory is opened for: to reach what is in it, to list it, to make names in it and to
/// flush it, to set its attributes.
const REACHED: FILE_ACCESS_RIGHTS = FILE_TRAVERSE | LOOK;
const LISTED: FILE_ACCESS_RIGHTS = FILE_LIST_DIRECTORY | REACHED;
const FILLED: FILE_ACCESS_RIGHTS = FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | LISTED;
const DRESSED: FILE_ACCESS_RIGHTS = FILE_WRITE_ATTRIBUTES | FILLED;

impl<'a> Spot<'a> {
    /// What `path` leads to from the working directory.
    pub(crate) fn of_path(path: &'a Path) -> Self {
        Self { directory: None, path }
    }

    /// What has `name` in `directory`.
    pub(crate) fn within(directory: &'a impl AsHandle, name: &'a OsStr) -> Self {
        Self { directory: Some(handle::of(directory)), path: Path::new(name) }
    }

    /// The facts of what is there; `None` when there is nothing.
    pub(crate) fn facts(self, follow: Follow) -> io::Result<Option<Facts>> {
        match self.handle_of(follow) {
            Ok(found) => file::facts(&found).map(Some),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens it for reading; a link that is not to be followed is the error `LOOP`.
    pub(crate) fn open_for_reading(self, follow: Follow) -> io::Result<File> {
        Ok(self.open(GENERIC_READ, FILE_OPEN, 0, follow)?.into())
    }

    /// Opens an existing object for writing; nothing of it is truncated.
    pub(crate) fn open_for_writing(self, open_as: OpenAs, follow: Follow) -> io::Result<File> {
        let access = match open_as {
            OpenAs::ReadWrite => GENERIC_READ | GENERIC_WRITE,
            OpenAs::WriteOnly => GENERIC_WRITE | FILE_READ_ATTRIBUTES,
        };
        Ok(self.open(access, FILE_OPEN, FILE_NON_DIRECTORY_FILE, follow)?.into())
    }

    /// The same; nothing is waited for here.
    pub(crate) fn open_for_writing_at_once(self) -> io::Result<File> {
        self.open_for_writing(OpenAs::WriteOnly, Follow::Yes)
    }

    /// Opens a file or directory that is there, for locking it; a link is not followed.
    pub(crate) fn open_existing(self) -> io::Result<File> {
        self.open_for_reading(Follow::No)
    }

    /// A handle of a directory, good for operations relative to it and for flushing it.
    pub(crate) fn open_directory(self, follow: Follow) -> io::Result<OwnedHandle> {
        // By its access list, its volume, or somebody who has it open and does not share that.
        let is_denied = |error: &io::Error| {
            let errno = Errno::from_io_error(error);
            matches!(errno, Some(Errno::ACCESS | Errno::ROFS | Errno::BUSY))
        };
        let mut denied = io::Error::from(Errno::ACCESS);
        // With fewer rights it is still good for what these allow; the rest fails and says so.
        for access in [DRESSED, FILLED, LISTED, REACHED] {
            match self.open(access, FILE_OPEN, FILE_DIRECTORY_FILE, follow) {
                Err(error) if is_denied(&error) => denied = error,
                opened => return opened,
            }
        }
        Err(denied)
    }

    /// A handle of a directory whose names can be read.
    pub(crate) fn open_listable(self, follow: Follow) -> io::Result<OwnedHandle> {
        let opened = self.open_directory(follow)?;
        if file::is_readable(&opened) { Ok(opened) } else { Err(Errno::ACCESS.into()) }
    }

    /// The same for one that was just made, which nothing keeps its owner from.
    pub(crate) fn open_made(self) -> io::Result<(OwnedHandle, Option<u32>)> {
        Ok((self.open_listable(Follow::No)?, None))
    }

    /// A handle of what is there, a link included, that allows no reading and no writing of its
    /// content.
    pub(crate) fn handle(self) -> io::Result<OwnedHandle> {
        self.open_itself(LOOK, FILE_OPEN, FILE_OPEN_REPARSE_POINT)
    }

    /// The same of what a link there leads to, if it is to be followed.
    pub(crate) fn handle_of(self, follow: Follow) -> io::Result<OwnedHandle> {
        match follow {
            Follow::Yes => self.open_itself(LOOK, FILE_OPEN, 0),
            Follow::No => self.handle(),
        }
    }

    /// Opens it; a link that is not to be followed is the error `LOOP`.
    fn open(
        self,
        access: FILE_ACCESS_RIGHTS,
        disposition: u32,
        options: NTCREATEFILE_CREATE_OPTIONS,
        follow: Follow,
    ) -> io::Result<OwnedHandle> {
        // What a directory is in is no link, but perhaps where a volume is mounted.
        let is_parent = self.directory.is_some() && self.path.as_os_str() == "..";
        if follow == Follow::Yes || is_parent || self.is_of_directory() {
            return self.open_itself(access, disposition, options);
        }
        let opened = self.open_itself(access, disposition, options | FILE_OPEN_REPARSE_POINT)?;
        if !is_reparse_point(&opened)? {
            return Ok(opened);
        }
        let itself = file::facts(&opened)?;
        if itself.kind == Kind::Symlink {
            return Err(Errno::LOOP.into());
        }
        // Of another kind, such as a file that a server keeps: what is behind it is meant.
        unless_swapped(itself.id, self.open_itself(access, disposition, options)?)
    }

    /// Whether the separator at its end says that a directory is meant, and of a link to one this.
    fn is_of_directory(self) -> bool {
        self.directory.is_none() && ends_in_separator(self.path)
    }

    fn open_itself(
        self,
        access: FILE_ACCESS_RIGHTS,
        disposition: u32,
        options: NTCREATEFILE_CREATE_OPTIONS,
    ) -> io::Result<OwnedHandle> {
        let options = match self.is_of_directory() {
            true if options & FILE_NON_DIRECTORY_FILE != 0 => {
                self.open_itself(LOOK, FILE_OPEN, 0)?;
                return Err(Errno::ISDIR.into());
            }
            true => options & !FILE_OPEN_REPARSE_POINT | FILE_DIRECTORY_FILE,
            false => options,
        };
        let how = How { access, disposition, options, attributes: FILE_ATTRIBUTE_NORMAL };
        match self.directory {
            None => {
                let opened = native::open(None, &spelling::native(self.path)?, how);
                opened.map_err(|error| of_directory(self.path, error))
            }
            Some(directory) => match self.path.as_os_str().as_encoded_bytes() {
                b"." => native::open(Some(directory.as_raw_handle()), &[], how),
                b".." => native::open(None, &parent_of(directory)?, how),
                _ => {
                    let name = spelling::component(self.path.as_os_str())?;
                    native::open(Some(directory.as_raw_handle()), &name, how)
                }
            },
        }
    }
}

/// What is to be done about an error of a file that others use.
pub(crate) fn hint(error: &io::Error) -> Option<&'static str> {
    use windows_sys::Win32::Foundation::{
        ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION, ERROR_USER_MAPPED_FILE,
    };
    match error.raw_os_error()?.cast_unsigned() {
        ERROR_SHARING_VIOLATION => {
            Some("another program has it open and does not share it: it has to be closed first")
        }
        ERROR_LOCK_VIOLATION => Some("another program has locked a part of it"),
        ERROR_USER_MAPPED_FILE => {
            Some("another program has mapped it: it cannot be cut before that program lets it go")
        }
        _ => None,
    }
}

/// The error of opening a path: of a file whose name ends like a directory's, file systems say that
/// the name is none.
fn of_directory(path: &Path, error: io::Error) -> io::Error {
    use windows_sys::Win32::Foundation::ERROR_INVALID_NAME;
    let is_invalid = error.raw_os_error() == Some(ERROR_INVALID_NAME.cast_signed());
    match is_invalid && crate::sys::names::ends_in_separator(path) {
        true => Errno::NOTDIR.into(),
        false => error,
    }
}

/// What was opened by a name again, and not as a reparse point: it must be the object of that name,
/// `itself`, and not what a link leads to that took the name in between.
fn unless_swapped(itself: ObjectId, again: OwnedHandle) -> io::Result<OwnedHandle> {
    if file::facts(&again)?.id == itself { Ok(again) } else { Err(Errno::LOOP.into()) }
}

fn is_reparse_point(object: &impl AsHandle) -> io::Result<bool> {
    use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_REPARSE_POINT;
    // Devices, such as NUL, have no attributes to be asked for.
    if !super::file::is_on_volume(object) {
        return Ok(false);
    }
    Ok(super::file::basic(object)?.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT != 0)
}

/// The path, as the native calls take it, of the directory that one is in; its own for a root.
fn parent_of(directory: BorrowedHandle<'_>) -> io::Result<Vec<u16>> {
    let path = path_of_handle(&directory)?;
    spelling::native(path.parent().unwrap_or(&path))
}

/// Where an open object is now, from `\\?\` on.
pub(in crate::sys) fn path_of_handle(object: &impl AsHandle) -> io::Result<PathBuf> {
    use windows_sys::Win32::Storage::FileSystem::{
        FILE_NAME_NORMALIZED, VOLUME_NAME_DOS, VOLUME_NAME_GUID,
    };
    match final_path(object, FILE_NAME_NORMALIZED | VOLUME_NAME_DOS) {
        // A volume without a letter has a number.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {
            final_path(object, FILE_NAME_NORMALIZED | VOLUME_NAME_GUID)
        }
        found => found,
    }
}

fn final_path(object: &impl AsHandle, flags: u32) -> io::Result<PathBuf> {
    use windows_sys::Win32::Storage::FileSystem::GetFinalPathNameByHandleW;
    let mut buffer = vec![0_u16; 512];
    loop {
        let room = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: the buffer has so many units.
        let len = unsafe {
            GetFinalPathNameByHandleW(handle::raw(object), buffer.as_mut_ptr(), room, flags)
        };
        match len as usize {
            0 => return Err(super::errno::last()),
            // Without the NUL behind it.
            len if len < buffer.len() => {
                return Ok(PathBuf::from(OsString::from_wide(&buffer[..len])));
            }
            needed => buffer.resize(needed + 1, 0),
        }
    }
}

/// The facts of `path`; `None` when there is nothing of that name.
pub(crate) fn facts_of_path(path: &Path, follow: Follow) -> io::Result<Option<Facts>> {
    Spot::of_path(path).facts(follow)
}

/// The facts of `name` in `directory`, a link not followed; `None` when there is no such name.
pub(crate) fn facts_at(directory: impl AsHandle, name: &OsStr) -> io::Result<Option<Facts>> {
    Spot::within(&directory, name).facts(Follow::No)
}

/// The facts of a handle that may be one of [`Spot::handle`].
pub(crate) fn facts_of_handle(handle: impl AsHandle) -> io::Result<Facts> {
    file::facts(handle)
}

/// Makes a new file that did not exist, open for reading and writing. Of the permission bits the
/// owner's right to write counts: without it the file is read-only.
pub(crate) fn create_new_at(directory: impl AsHandle, name: &OsStr, mode: u32) -> io::Result<File> {
    let name = spelling::new_component(name)?;
    Ok(native::open(Some(handle::raw(&directory)), &name, new_file(mode))?.into())
}

/// The same at a path from the working directory.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    if ends_in_separator(path) {
        return Err(Errno::ISDIR.into());
    }
    Ok(native::open(None, &spelling::native(path)?, new_file(mode))?.into())
}

fn new_file(mode: u32) -> How {
    const OWNER_WRITES: u32 = 0o200;
    How {
        access: GENERIC_READ | GENERIC_WRITE,
        disposition: FILE_CREATE,
        options: FILE_NON_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT,
        attributes: match mode & OWNER_WRITES {
            0 => FILE_ATTRIBUTE_READONLY,
            _ => FILE_ATTRIBUTE_NORMAL,
        },
    }
}

/// Makes a new file that is gone when it is closed, by whoever it is that closes it
/// (`FILE_FLAG_DELETE_ON_CLOSE`). It has its name until then, so that it can be opened again.
pub(crate) fn create_temporary_at(directory: impl AsHandle, name: &OsStr) -> io::Result<File> {
    let name = spelling::new_component(name)?;
    let mut how = new_file(0o600);
    how.access |= DELETE;
    how.options |= FILE_DELETE_ON_CLOSE;
    Ok(native::open(Some(handle::raw(&directory)), &name, how)?.into())
}

/// Makes a directory. It has the rights that are inherited; permission bits do not count.
pub(crate) fn make_directory_at(directory: impl AsHandle, name: &OsStr, _: u32) -> io::Result<()> {
    let name = spelling::new_component(name)?;
    let how = How {
        access: FILE_READ_ATTRIBUTES,
        disposition: FILE_CREATE,
        options: FILE_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT,
        attributes: FILE_ATTRIBUTE_NORMAL,
    };
    native::open(Some(handle::raw(&directory)), &name, how).map(drop)
}

/// There are no FIFOs, sockets and devices among the files of this system.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn make_special_at(_: impl AsHandle, _: &OsStr, _: &Facts, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The path with every link in it followed.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// What something is opened for that is renamed, linked or removed.
const CHANGE: FILE_ACCESS_RIGHTS = DELETE | FILE_READ_ATTRIBUTES;

/// Opens a directory several steps below another one: one step after the other has to do.
///
/// # Errors
///
/// `NOSYS`, always.
pub(crate) fn open_beneath(_: impl AsHandle, _: &Path) -> io::Result<OwnedHandle> {
    Err(Errno::NOSYS.into())
}

/// A file without a name cannot be made.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn unnamed_file(_: impl AsHandle) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests;
