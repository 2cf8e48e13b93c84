//! Keeps the content that is replaced under another name, as `cp --backup`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;

use super::session::Precious;
use super::stage::with_temporary_name;
use super::target::Place;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::lock;
use crate::options::{Backup, BackupControl, Endpoint, ObjectId};
use crate::sys::Errno;
use crate::sys::names;

/// A backup that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: OsString,
    how: How,
    /// Held until what replaces the target is in its place.
    _locks: Vec<File>,
}

/// How the old content came to its second name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It has both.
    Linked,
    /// It had both before.
    WasLinked,
    /// The first one is free: this file system has no hard links.
    Moved,
}

/// Gives what has the target's name the backup's name as well, so that the target's name is never
/// without a file. Returns `None` when no backup is asked for.
///
/// # Errors
///
/// [`Cause::Displaced`] when the backup would take the place of something precious: the source,
/// which the same command lost with GNU cp before 8.28, or a file that this run has made.
pub(super) fn back_up(
    place: &Place,
    backup: &Backup,
    precious: Precious<'_>,
    endpoint: &Endpoint,
) -> Result<Option<Made>> {
    let numbered = match backup.control {
        BackupControl::None => return Ok(None),
        BackupControl::Simple => false,
        BackupControl::Numbered => true,
        BackupControl::Existing => {
            highest_number(place).context(Operation::BackUp, endpoint)?.is_some()
        }
    };
    // Between the backup and what takes the target's place no other run may come: what that run
    // has put there would be in no backup.
    let locks = lock::lock_directory(&place.directory).context(Operation::Lock, endpoint)?;
    if !numbered {
        let name = simple_name(place, backup);
        let taken = place.id_of(&name).context(Operation::BackUp, endpoint)?;
        if taken.is_some_and(|id| precious.has(id)) {
            return Err(Error::new(Operation::BackUp, endpoint, Cause::Displaced));
        }
        let how = keep(place, &name, Taken::Replaced).context(Operation::BackUp, endpoint)?;
        return Ok(Some(Made { name, how, _locks: locks }));
    }
    let mut before = OsString::new();
    loop {
        let name = numbered_name(place).context(Operation::BackUp, endpoint)?;
        match keep(place, &name, Taken::Refused) {
            Ok(how) => return Ok(Some(Made { name, how, _locks: locks })),
            // Another run was quicker: then there is a higher number now, unless none fits.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && name != before => {
                before = name;
            }
            Err(error) => return Err(Error::new(Operation::BackUp, endpoint, error)),
        }
    }
}

impl Made {
    /// Takes the backup back: else the target would have a second name, and the next copy would
    /// write into both.
    pub(super) fn undo(&self, place: &Place) -> io::Result<()> {
        match self.how {
            How::Linked => names::unlink_at(&place.directory, &self.name),
            How::WasLinked => Ok(()),
            How::Moved => names::rename_at(&place.directory, &self.name, &place.name),
        }
    }
}

/// Whether the second name of this object, which has two, is one that a backup of it would have.
///
/// A run that is killed between its backup and the new file's publication leaves both names to
/// the old file. It is to be replaced then, not written into: that would be the end of the backup.
pub(super) fn is_own_backup(place: &Place, backup: &Backup, id: ObjectId) -> io::Result<bool> {
    for name in [simple_name(place, backup), with_ending(&place.name, "~")] {
        if place.id_of(&name)? == Some(id) {
            return Ok(true);
        }
    }
    let Some(number) = highest_number(place)? else { return Ok(false) };
    Ok(place.id_of(&with_ending(&place.name, format!(".~{number}~")))? == Some(id))
}

/// The name that the next backup would get.
pub(super) fn next_name(place: &Place, backup: &Backup) -> io::Result<OsString> {
    match backup.control {
        BackupControl::Numbered => numbered_name(place),
        BackupControl::Existing if highest_number(place)?.is_some() => numbered_name(place),
        _ => Ok(simple_name(place, backup)),
    }
}

fn simple_name(place: &Place, backup: &Backup) -> OsString {
    with_ending(&place.name, &backup.suffix)
}

/// The name with this ending; with `~` in place of what does not fit, as cp has it.
fn with_ending(name: &OsStr, ending: impl AsRef<OsStr>) -> OsString {
    let mut whole = name.to_os_string();
    whole.push(ending);
    if names::len_of(&whole) > names::LEN_MAX {
        whole = names::cut(name, names::LEN_MAX - 1);
        whole.push("~");
    }
    whole
}

/// `NAME.~N~` with a number above all that are there.
fn numbered_name(place: &Place) -> io::Result<OsString> {
    let number = match highest_number(place)? {
        None => 1,
        Some(highest) => highest
            .checked_add(1)
            .ok_or_else(|| io::Error::other("the numbers of its backups are used up"))?,
    };
    Ok(with_ending(&place.name, format!(".~{number}~")))
}

/// The highest N of the names `NAME.~N~` in the directory.
fn highest_number(place: &Place) -> io::Result<Option<u64>> {
    let mut prefix = names::fold(&place.name).into_encoded_bytes();
    prefix.extend_from_slice(b".~");
    let mut highest = None;
    let listed = names::each_name_in(&place.directory, |name| {
        let name = names::fold(name);
        let digits = name.as_encoded_bytes().strip_prefix(prefix.as_slice());
        let digits = digits.and_then(|rest| rest.strip_suffix(b"~"));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        highest = highest.max(number);
    });
    match listed {
        // A directory that may not be read: what is in it cannot be found.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::BADF) => Ok(None),
        listed => listed.map(|()| highest),
    }
}

/// What becomes of something that has the backup's name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Refused,
    Replaced,
}

fn keep(place: &Place, name: &OsStr, taken: Taken) -> io::Result<How> {
    let directory = &place.directory;
    match names::link_at(directory, &place.name, name) {
        Ok(()) => Ok(How::Linked),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && taken == Taken::Replaced => {
            replace_backup(place, name)
        }
        // No hard links here: then the name is without a file for a moment.
        Err(error) if cannot_link(&error) => {
            match taken {
                Taken::Replaced => names::rename_at(directory, &place.name, name)?,
                Taken::Refused => super::stage::rename_into_free(directory, &place.name, name)?,
            }
            Ok(How::Moved)
        }
        Err(error) => Err(error),
    }
}

/// Puts the target in the place of an older backup, in one step.
fn replace_backup(place: &Place, name: &OsStr) -> io::Result<How> {
    let directory = &place.directory;
    // A rename between two names of one file does nothing, and leaves both (rename(2)).
    if place.id_of(name)? == place.id_of(&place.name)? {
        return Ok(How::WasLinked);
    }
    let linked = with_temporary_name(&place.name, |temporary| {
        names::link_at(directory, &place.name, temporary)
    });
    match linked {
        Ok(temporary) => match names::rename_at(directory, &temporary, name) {
            Ok(()) => Ok(How::Linked),
            Err(error) => {
                // The error that matters is the other one.
                drop(names::unlink_at(directory, &temporary));
                Err(error)
            }
        },
        Err(error) if cannot_link(&error) => {
            names::rename_at(directory, &place.name, name)?;
            Ok(How::Moved)
        }
        Err(error) => Err(error),
    }
}

fn cannot_link(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::XDEV)
    )
}
