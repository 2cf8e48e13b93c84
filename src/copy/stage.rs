//! A temporary beside the target, which takes its name when it is whole.
//!
//! It is called `.NAME.mycp-XXXXXX` and locked as long as its run lives. The numbers are tried in
//! order, so that the next run for the same target comes by what a killed one left, finds it
//! unlocked and removes it, without reading the directory, or goes on with it
//! ([`Leftover`](super::leftover::Leftover)).
//!
//! A file in a directory that has a temporary name itself ([`Names::Hidden`]) needs neither: it
//! gets its own name at once, unless a killed run has begun it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::Duration;

use os_str_bytes::OsStrBytesExt;

use super::directory::{Directory, Names};
use super::leftover::Leftover;
use super::session::{First, Precious};
use super::target::Place;
use crate::error::{Context, Error, Operation, Result};
use crate::lock::{self, Locked};
use crate::metadata;
use crate::object::{FileObject, Object};
use crate::options::Endpoint;
use crate::sys::file::{self, Facts, Kind};
use crate::sys::names::{self, Follow, Spot};

/// A temporary file. One that is not published is removed.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    precious: Precious<'a>,
    place: Place,
    object: Option<FileObject>,
    /// The temporary's name; none in a directory that has one itself, but for what was adopted.
    name: Option<OsString>,
    /// There is no leftover with a lower number, but for those of live runs.
    swept_to: u32,
    /// Whether the temporary's name is still there.
    named: bool,
    /// Temporaries of killed runs that were removed.
    leftovers: usize,
}

/// Whether the target's name must be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publish {
    IntoFreeName,
    OverExisting,
}

/// Live runs for one target at once, at most.
pub(super) const SLOTS_MAX: u32 = 10_000;

/// Free numbers in a row after which no more leftovers are looked for.
const FREE_SLOTS_MAX: u32 = 16;

impl<'a> Staged<'a> {
    /// Makes a temporary in the target's directory, with these permission bits less the umask (or
    /// as the directory's default ACL has it).
    pub(super) fn create(
        place: &Place,
        endpoint: &Endpoint,
        mode: u32,
        precious: Precious<'a>,
    ) -> Result<Self> {
        let staged = |file, name, swept_to, leftovers| Self {
            precious,
            place: place.clone(),
            object: Some(FileObject::new(file, endpoint)),
            name,
            swept_to,
            named: true,
            leftovers,
        };
        if place.directory.names == Names::Hidden {
            let file = names::create_new_at(&place.directory, &place.name, mode)
                .context(Operation::Create, endpoint)?;
            return Ok(staged(file, None, 0, 0));
        }
        let mut leftovers = 0;
        for slot in 0..SLOTS_MAX {
            let name = temporary_name(&place.name, slot);
            if place.directory.is_content(&name) {
                continue;
            }
            match names::create_new_at(&place.directory, &name, mode) {
                Ok(file) => {
                    let staged = staged(file, Some(name), slot + 1, leftovers);
                    if staged.holds_its_name()? {
                        return Ok(staged);
                    }
                    // Another run took it for a leftover in the moment before it was locked.
                    staged.forget();
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    leftovers += usize::from(remove_leftover(place, &name, precious, OF_FILES));
                    // Its number is free now or not; either way the next one serves as well.
                }
                Err(error) => return Err(Error::new(Operation::Create, endpoint, error)),
            }
        }
        let error = io::Error::from(io::ErrorKind::AlreadyExists);
        Err(Error::new(Operation::Create, endpoint, error))
    }

    /// Locks the temporary and looks whether its name still leads to it.
    fn holds_its_name(&self) -> Result<bool> {
        let object = self.object();
        match lock::try_lock(object.handle()).context(Operation::Lock, object.endpoint())? {
            Locked::Busy => return Ok(false),
            Locked::Held | Locked::Unsupported => {}
        }
        let id = file::facts(object.handle()).context(Operation::Stat, object.endpoint())?.id;
        let there = self.place.id_of(self.name()).context(Operation::Stat, object.endpoint())?;
        Ok(there == Some(id))
    }

    /// The name that it has now, as long as it is not published.
    fn name(&self) -> &OsStr {
        self.name.as_deref().unwrap_or(&self.place.name)
    }

    /// The temporary.
    #[expect(clippy::expect_used, reason = "it is there until `close` consumes self")]
    pub(super) fn object(&self) -> &FileObject {
        self.object.as_ref().expect("a staged file is open until it is closed")
    }

    /// Where it gets its name.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Goes on with what a killed run left in place of the new temporary; says whether that could
    /// be.
    pub(super) fn adopt(&mut self, leftover: Leftover) -> bool {
        let object = self.object();
        let endpoint = object.endpoint().clone();
        if metadata::renew(&leftover.file, object.handle()).is_err() {
            self.discard(leftover);
            return false;
        }
        // If that fails, the next run removes it.
        drop(names::unlink_held_at(&self.place.directory, self.name()));
        let Leftover { file, name } = leftover;
        self.object = Some(FileObject::new(file, &endpoint));
        self.name = Some(name);
        true
    }

    /// Removes a leftover that is of no use.
    pub(super) fn discard(&mut self, leftover: Leftover) {
        // It is locked, so that its name still leads to it.
        let removed = names::unlink_held_at(&self.place.directory, &leftover.name);
        self.leftovers += usize::from(removed.is_ok());
    }

    /// Gives the temporary the target's name.
    ///
    /// # Errors
    ///
    /// With [`Publish::IntoFreeName`] `EEXIST` when the name has been taken meanwhile. The
    /// temporary is still there, and can be published again.
    pub(super) fn publish(&mut self, how: Publish) -> Result<()> {
        let Place { directory, name: to } = &self.place;
        match how {
            Publish::OverExisting => names::rename_at(directory, self.name(), to),
            Publish::IntoFreeName => rename_into_free(directory, self.name(), to),
        }
        .context(Operation::Rename, self.object().endpoint())?;
        if directory.has_leftovers() {
            self.leftovers += sweep_from(&self.place, self.swept_to, self.precious);
        }
        self.named = false;
        Ok(())
    }

    /// Gives its own name to a file in a directory that has a temporary one, unless it has had it
    /// from the begin.
    pub(super) fn publish_hidden(&mut self) -> Result<()> {
        match self.name {
            Some(_) => self.publish(Publish::IntoFreeName),
            None => Ok(()),
        }
    }

    /// Closes the published file, and says how many temporaries of killed runs were removed.
    pub(super) fn close(mut self) -> Result<usize> {
        if let Some(object) = self.object.take() {
            object.close()?;
        }
        self.named = false;
        Ok(self.leftovers)
    }

    /// Lets go of a temporary whose name is another run's business.
    fn forget(mut self) {
        self.named = false;
    }
}

impl Drop for Staged<'_> {
    /// Removes the temporary of a copy that failed. If that fails too, the next run removes it:
    /// the error of the copy is the one to tell.
    fn drop(&mut self) {
        if self.named {
            drop(names::unlink_held_at(&self.place.directory, self.name()));
        }
    }
}

/// Renames unless the new name is taken (`EEXIST`).
pub(super) fn rename_into_free(directory: &Directory, from: &OsStr, to: &OsStr) -> io::Result<()> {
    match names::rename_no_replace(directory, from, to) {
        // Not in one step, then: this file system or kernel cannot.
        Err(error) if crate::object::is_unsupported(&error) => {
            match names::facts_at(directory, to)? {
                None => names::rename_at(directory, from, to),
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            }
        }
        result => result,
    }
}

/// Gives what has `name` a temporary name instead, and says which.
pub(crate) fn set_aside(directory: &Directory, name: &OsStr) -> io::Result<OsString> {
    with_temporary_name(name, |temporary| rename_into_free(directory, name, temporary))
}

/// Gives what was [`set_aside`] its name again, unless that has been taken meanwhile.
pub(crate) fn take_back(directory: &Directory, aside: &OsStr, name: &OsStr) -> io::Result<()> {
    rename_into_free(directory, aside, name)
}

/// Makes something with the first temporary name of `name` that is free.
pub(super) fn with_temporary_name(
    name: &OsStr,
    mut make: impl FnMut(&OsStr) -> io::Result<()>,
) -> io::Result<OsString> {
    for slot in 0..SLOTS_MAX {
        let temporary = temporary_name(name, slot);
        match make(&temporary) {
            Ok(()) => return Ok(temporary),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes something that is whole from the begin, a link or a device, with the name of `place`, in
/// one step; `finish` is done before it takes the place of something else.
pub(super) fn make_at(
    place: &Place,
    how: Publish,
    mut make: impl FnMut(&OsStr) -> io::Result<()>,
    finish: impl FnOnce(&OsStr) -> Result<()>,
    (operation, endpoint): (Operation, &Endpoint),
) -> Result<()> {
    let Place { directory, name } = place;
    let made = match how {
        Publish::IntoFreeName => make(name).map(|()| name.clone()),
        Publish::OverExisting => with_temporary_name(name, make),
    }
    .context(operation, endpoint)?;
    let finished = finish(&made).and_then(|()| match how {
        Publish::IntoFreeName => Ok(()),
        Publish::OverExisting => {
            names::rename_at(directory, &made, name).context(Operation::Rename, endpoint)
        }
    });
    if finished.is_err() {
        // The error is the one to tell.
        drop(names::unlink_at(directory, &made));
    }
    finished
}

/// Makes the name of `place` another name of the first copy, in one step.
pub(super) fn link_to(place: &Place, first: &First, endpoint: &Endpoint) -> Result<()> {
    let there = place.id_of(&place.name).context(Operation::Stat, endpoint)?;
    // A rename between two names of one file does nothing, and leaves both (rename(2)).
    if there == Some(first.target_id) {
        return Ok(());
    }
    let from = first.open_directory().context(Operation::Link, endpoint)?;
    let spot = Spot::within(&from, &first.name);
    make_at(
        place,
        if there.is_some() { Publish::OverExisting } else { Publish::IntoFreeName },
        |name| names::link_into(spot, &place.directory, name, Follow::No),
        |name| {
            // What had the first one's name may be something else by now.
            let linked = place.id_of(name).context(Operation::Stat, endpoint)?;
            if linked == Some(first.target_id) {
                Ok(())
            } else {
                Err(Error::new(Operation::Link, endpoint, crate::error::Cause::Replaced))
            }
        },
        (Operation::Link, endpoint),
    )
}

/// Removes the temporaries that killed runs left for this target; returns how many.
pub(super) fn sweep(place: &Place, precious: Precious<'_>) -> usize {
    if place.directory.has_leftovers() { sweep_from(place, 0, precious) } else { 0 }
}

/// Removes the temporaries from this number on, until some numbers in a row are free.
fn sweep_from(place: &Place, slot: u32, precious: Precious<'_>) -> usize {
    sweep_kinds(place, slot, precious, OF_FILES)
}

/// The same, of these kinds.
pub(super) fn sweep_kinds(
    place: &Place,
    slot: u32,
    precious: Precious<'_>,
    kinds: &[Kind],
) -> usize {
    let mut removed = 0;
    each_temporary(place, slot, |name, _| {
        removed += usize::from(remove_leftover(place, &name, precious, kinds));
    });
    removed
}

/// Looks at the temporaries from this number on, until some numbers in a row are free.
pub(super) fn each_temporary(place: &Place, mut slot: u32, mut look: impl FnMut(OsString, Facts)) {
    let mut free = 0;
    while free < FREE_SLOTS_MAX && slot < SLOTS_MAX {
        let name = temporary_name(&place.name, slot);
        match names::facts_at(&place.directory, &name) {
            Ok(None) => free += 1,
            Ok(Some(facts)) => {
                free = 0;
                look(name, facts);
            }
            Err(_) => break,
        }
        slot += 1;
    }
}

/// Removes the temporary of that name if no live run has it; says whether it did.
pub(super) fn remove_leftover(
    place: &Place,
    name: &OsStr,
    precious: Precious<'_>,
    kinds: &[Kind],
) -> bool {
    remove_if_dead(place, name, precious, kinds).unwrap_or(false)
}

/// What a killed copy of a file leaves.
const OF_FILES: &[Kind] = &[Kind::Regular];

/// What a killed copy of a tree leaves.
pub(super) const OF_TREES: &[Kind] = &[
    Kind::Regular,
    Kind::Directory,
    Kind::Symlink,
    Kind::Pipe,
    Kind::Socket,
    Kind::CharDevice,
    Kind::BlockDevice,
];

/// What cannot be locked has its temporary name for a moment only; after this time it is dead.
const MOMENT: Duration = Duration::from_secs(60);

fn remove_if_dead(
    place: &Place,
    name: &OsStr,
    precious: Precious<'_>,
    kinds: &[Kind],
) -> io::Result<bool> {
    let Some(facts) = names::facts_at(&place.directory, name)? else { return Ok(false) };
    // Nobody but this user, or the superuser, made it; and it is what we make.
    let ours = file::is_superuser() || facts.uid == file::effective_uid();
    let is_content = precious.has(facts.id) || place.directory.is_content(name);
    if !kinds.contains(&facts.kind) || !ours || is_content {
        return Ok(false);
    }
    if !matches!(facts.kind, Kind::Regular | Kind::Directory) {
        let is_dead = facts.age().is_some_and(|age| age > MOMENT);
        if is_dead {
            names::unlink_at(&place.directory, name)?;
        }
        return Ok(is_dead);
    }
    let file = Spot::within(&place.directory, name).open_existing()?;
    if lock::try_lock(&file)? != Locked::Held {
        return Ok(false);
    }
    // While the lock is held no run can take it for its own; so if the name still leads to it, it
    // is removed as a dead one.
    if place.id_of(name)? != Some(file::facts(&file)?.id) {
        return Ok(false);
    }
    if facts.kind == Kind::Directory {
        return super::staged_directory::remove_tree_of_files(&place.directory, name, |id| {
            !precious.has(id)
        });
    }
    names::unlink_held_at(&place.directory, name)?;
    Ok(true)
}

/// Whether something has a temporary's name, and a live run has it.
pub(crate) fn is_live(directory: &Directory, name: &OsStr) -> bool {
    let locked = |file: std::fs::File| lock::try_lock(&file);
    is_temporary_name(name)
        && Spot::within(directory, name)
            .open_existing()
            .and_then(locked)
            .is_ok_and(|locked| locked == Locked::Busy)
}

/// Whether a path's name could be a temporary's.
pub(super) fn looks_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(is_temporary_name)
}

/// Whether a name is of the form `.NAME.mycp-XXXXXX`.
pub(crate) fn is_temporary_name(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    let Some(at) = bytes.len().checked_sub(6) else { return false };
    let (stem, digits) = bytes.split_at(at);
    stem.starts_with(b".")
        && stem.len() > SUFFIX.len() + 1
        && stem.ends_with(SUFFIX.as_bytes())
        && digits.iter().all(u8::is_ascii_digit)
}

/// The name whose temporary has this one, if it was not cut.
pub(super) fn target_name(temporary: &OsStr) -> Option<&OsStr> {
    if !is_temporary_name(temporary) {
        return None;
    }
    Some(temporary.strip_prefix('.')?.rsplit_once(SUFFIX)?.0)
}

/// What stands between the name and the number.
const SUFFIX: &str = ".mycp-";

/// `.NAME.mycp-XXXXXX`; a long name is cut so that the whole fits.
pub(super) fn temporary_name(name: &OsStr, slot: u32) -> OsString {
    let suffix = format!("{SUFFIX}{slot:06}");
    let mut temporary = OsString::from(".");
    temporary.push(names::cut(name, names::LEN_MAX - 1 - suffix.len()));
    temporary.push(suffix);
    temporary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_is_a_dot_file_that_bears_our_name_and_fits() {
        assert_eq!(temporary_name(OsStr::new("a.txt"), 7), ".a.txt.mycp-000007");
        assert_eq!(target_name(OsStr::new(".a.txt.mycp-000007")), Some(OsStr::new("a.txt")));
        assert_eq!(target_name(OsStr::new(".mycp-000007")), None);
        let long = "x".repeat(255);
        assert_eq!(temporary_name(OsStr::new(&long), 0).len(), names::LEN_MAX);
        let wide = "\u{20ac}".repeat(85);
        let temporary = temporary_name(OsStr::new(&wide), 0);
        assert!(temporary.to_str().is_some() && temporary.len() > names::LEN_MAX - 3);
    }
}
