//! Gives a file that is whole its name, and keeps what had that name if that was asked for.

use super::backup::{self, back_up};
use super::directory::Names;
use super::run::errno;
use super::session::Precious;
use super::stage::{Publish, Staged};
use super::target::{Found, Place};
use crate::error::{Context, Error, Operation, Result};
use crate::object::{FileObject, Object};
use crate::options::{BackupControl, CopyOptions, Endpoint, Flush, Update};
use crate::report::{Consent, Observer, Report, Way};
use crate::sys::{Errno, file, flush};

/// A file that is whole but for its name.
pub(crate) struct Publication<'a> {
    pub(super) options: &'a CopyOptions,
    pub(super) observer: &'a dyn Observer,
    pub(super) precious: Precious<'a>,
    pub(super) staged: Staged<'a>,
    /// Whether something had the name when it was looked at.
    pub(super) found: bool,
    pub(super) target: Endpoint,
    pub(super) report: Box<Report>,
    /// Whether it may have its name before anybody has brought it to the disk.
    pub(super) is_ordered: bool,
}

impl<'a> Publication<'a> {
    /// Gives it its name.
    ///
    /// # Errors
    ///
    /// Whatever fails; the old content has its name then, or, where a flush behind the rename has
    /// failed, the new.
    pub(crate) fn publish(mut self) -> Result<Box<Report>> {
        if self.staged.place().directory.names == Names::Hidden {
            self.staged.publish_hidden()?;
            self.report.leftovers = self.staged.close()?;
            return Ok(self.report);
        }
        check_close(self.staged.object())?;
        let place = self.staged.place().clone();
        let replaces = self.report.way == Way::Replaced;
        let backup = if replaces && self.found {
            let (options, precious) = (self.options, self.precious);
            back_up_at(&place, options, precious, &self.target, &mut self.report)?
        } else {
            None
        };
        let how = if replaces { Publish::OverExisting } else { Publish::IntoFreeName };
        let published = match self.staged.publish(how) {
            Err(error) if how == Publish::IntoFreeName && self.may_take(&error) => {
                self.report.way = Way::Replaced;
                self.staged.publish(Publish::OverExisting)
            }
            result => result,
        };
        settle(&place, backup, published)?;
        flush_directory(&place, self.options, &self.target, &mut self.report)?;
        if file::NAME_GOES_WITH_FILE && self.options.flush == Flush::Sync {
            self.staged.object().flush()?;
            self.report.flushes.files += 1;
        }
        self.report.leftovers = self.staged.close()?;
        if let Some(session) = self.precious.session {
            session.note(self.options, &self.report);
        }
        Ok(self.report)
    }

    /// Whether it needs no flush before it gets its name.
    pub(crate) fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// The length of the file.
    pub(crate) fn len(&self) -> u64 {
        self.report.len
    }

    /// The target's name, for messages.
    pub(crate) fn target(&self) -> &Endpoint {
        &self.target
    }

    /// The source's name, for messages.
    pub(crate) fn source(&self) -> &Endpoint {
        &self.report.source
    }

    /// Whether a name that was free at first, and has been taken meanwhile, is to be replaced: as
    /// it would have been, had it been taken before.
    fn may_take(&self, error: &Error) -> bool {
        errno(error) == Some(Errno::EXIST)
            && self.options.update == Update::All
            && self.options.backup.control == BackupControl::None
            && self.observer.may_replace(&self.target) == Consent::Given
    }
}

/// Asks for the errors that the system tells when a file is closed, while the temporary stays
/// open and so locked (close(2), "Dealing with error returns from close").
fn check_close(object: &FileObject) -> Result<()> {
    let another = object.handle().try_clone().context(Operation::Close, object.endpoint())?;
    file::close(another).context(Operation::Close, object.endpoint())
}

/// Keeps what was found under another name, if that was asked for.
pub(super) fn back_up_found(
    found: &Found,
    options: &CopyOptions,
    precious: Precious<'_>,
    target: &Endpoint,
    report: &mut Report,
) -> Result<Option<backup::Made>> {
    match found {
        Found::Named { place, .. } => back_up_at(place, options, precious, target, report),
        Found::Nothing(_) | Found::Unnamed(_) | Found::Segment(_) => Ok(None),
    }
}

fn back_up_at(
    place: &Place,
    options: &CopyOptions,
    precious: Precious<'_>,
    target: &Endpoint,
    report: &mut Report,
) -> Result<Option<backup::Made>> {
    let made = back_up(place, &options.backup, precious, target)?;
    if let Some(made) = &made {
        report.backup = target.path().map(|path| path.with_file_name(&made.name));
    }
    Ok(made)
}

/// Undoes a backup whose successor could not be put in its place.
pub(super) fn settle<T>(
    place: &Place,
    backup: Option<backup::Made>,
    published: Result<T>,
) -> Result<T> {
    if let (Err(_), Some(backup)) = (&published, backup) {
        // The error of the copy is the one to tell.
        drop(backup.undo(place));
    }
    published
}

/// Brings the name to the disk, if that was asked for.
pub(super) fn flush_directory(
    place: &Place,
    options: &CopyOptions,
    target: &Endpoint,
    report: &mut Report,
) -> Result<()> {
    if options.flush == Flush::Sync {
        flush::sync_all(&place.directory).context(Operation::FlushDirectory, target)?;
        report.flushes.directories += 1;
    }
    Ok(())
}
