//! Keeps the content that is replaced under another name, as `cp --backup`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::stage::temporary_name;
use super::target::Place;
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{Backup, BackupControl, Endpoint, ObjectId};
use crate::sys::file;

/// The name that a backup of `place` gets; `None` when none is asked for.
pub(super) fn backup_name(
    place: &Place,
    backup: &Backup,
    endpoint: &Endpoint,
) -> Result<Option<OsString>> {
    let numbered = || highest_number(place).context(Operation::BackUp, endpoint);
    let number = match backup.control {
        BackupControl::None => return Ok(None),
        BackupControl::Simple => 0,
        BackupControl::Numbered => numbered()? + 1,
        BackupControl::Existing => match numbered()? {
            0 => 0,
            highest => highest + 1,
        },
    };
    let mut name = place.name.clone();
    if number == 0 {
        name.push(&backup.suffix)
    } else {
        name.push(format!(".~{number}~"))
    }
    Ok(Some(name))
}

/// The highest N of the names `NAME.~N~` in the directory; 0 when there is none.
fn highest_number(place: &Place) -> io::Result<u64> {
    let mut prefix = place.name.as_bytes().to_vec();
    prefix.extend_from_slice(b".~");
    let number = |name: &OsString| {
        let digits = name.as_bytes().strip_prefix(prefix.as_slice())?.strip_suffix(b"~")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    Ok(file::names_in(&place.directory)?.iter().filter_map(number).max().unwrap_or(0))
}

/// Gives what has the target's name the backup's name as well, so that the target's name is never
/// without a file. Returns the backup's path.
///
/// # Errors
///
/// [`Cause::SameObject`] when the backup's name is the source's: it would be lost (the same
/// command lost it with GNU cp before 8.28).
pub(super) fn back_up(
    place: &Place,
    name: &OsStr,
    source: (&Endpoint, ObjectId),
    endpoint: &Endpoint,
) -> Result<PathBuf> {
    let (source_name, source_id) = source;
    let taken = place.id_of(name).context(Operation::BackUp, endpoint)?;
    if taken == Some(source_id) {
        let cause = Cause::SameObject { other: source_name.clone() };
        return Err(Error::new(Operation::BackUp, endpoint, cause));
    }
    let directory = &place.directory;
    let result = match file::link_at(directory, &place.name, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => replace_backup(place, name),
        // No hard links here: then the name is without a file for a moment.
        Err(error) if cannot_link(&error) => file::rename_at(directory, &place.name, name),
        result => result,
    };
    result.context(Operation::BackUp, endpoint)?;
    Ok(match endpoint.path() {
        Some(path) => path.with_file_name(name),
        None => place.directory_path.join(name),
    })
}

/// Puts the target in the place of an older backup, in one step.
fn replace_backup(place: &Place, name: &OsStr) -> io::Result<()> {
    let directory = &place.directory;
    let mut bytes = temporary_name(&place.name, 0).into_vec();
    bytes.extend_from_slice(b"~");
    let temporary = OsString::from_vec(bytes);
    match file::unlink_at(directory, &temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match file::link_at(directory, &place.name, &temporary) {
        Ok(()) => {}
        Err(error) if cannot_link(&error) => {
            return file::rename_at(directory, &place.name, name);
        }
        Err(error) => return Err(error),
    }
    file::rename_at(directory, &temporary, name)?;
    // Where both names led to one file already, the rename did nothing and left both (rename(2)).
    match file::unlink_at(directory, &temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn cannot_link(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS | libc::EMLINK | libc::EXDEV)
    )
}
