//! A temporary beside the target, which takes its name when it is whole.
//!
//! It is called `.NAME.mycp-XXXXXX` and locked as long as its run lives. The numbers are tried in
//! order, so that the next run for the same target comes by what a killed one left, finds it
//! unlocked and removes it, without reading the directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::session::Precious;
use super::target::Place;
use crate::error::{Context, Error, Operation, Result};
use crate::lock::{self, Locked};
use crate::object::FileObject;
use crate::options::Endpoint;
use crate::sys::file::{self, Follow, Kind};
use crate::sys::platform;

/// A temporary file. One that is not published is removed.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    precious: Precious<'a>,
    place: &'a Place,
    endpoint: &'a Endpoint,
    object: Option<FileObject>,
    slot: u32,
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
const SLOTS_MAX: u32 = 10_000;

/// Free numbers in a row after which no more leftovers are looked for.
const FREE_SLOTS_MAX: u32 = 16;

impl<'a> Staged<'a> {
    /// Makes a temporary in the target's directory, with these permission bits less the umask (or
    /// as the directory's default ACL has it).
    pub(super) fn create(
        place: &'a Place,
        endpoint: &'a Endpoint,
        mode: u32,
        precious: Precious<'a>,
    ) -> Result<Self> {
        let mut leftovers = 0;
        for slot in 0..SLOTS_MAX {
            let name = temporary_name(&place.name, slot);
            match file::create_new_at(&place.directory, &name, mode) {
                Ok(file) => {
                    let object = Some(FileObject::new(file, endpoint));
                    let named = true;
                    let staged = Self { precious, place, endpoint, object, slot, named, leftovers };
                    if staged.holds_its_name()? {
                        return Ok(staged);
                    }
                    // Another run took it for a leftover in the moment before it was locked.
                    staged.forget();
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    leftovers += usize::from(remove_leftover(place, &name, precious));
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
        let handle = self.object().handle();
        match lock::try_lock(handle).context(Operation::Lock, self.endpoint)? {
            Locked::Busy => return Ok(false),
            Locked::Held | Locked::Unsupported => {}
        }
        let id = file::facts(handle).context(Operation::Stat, self.endpoint)?.id;
        let name = temporary_name(&self.place.name, self.slot);
        let there = self.place.id_of(&name).context(Operation::Stat, self.endpoint)?;
        Ok(there == Some(id))
    }

    /// The temporary.
    #[expect(clippy::expect_used, reason = "it is there until `close` consumes self")]
    pub(super) fn object(&self) -> &FileObject {
        self.object.as_ref().expect("a staged file is open until it is closed")
    }

    /// Gives the temporary the target's name.
    ///
    /// # Errors
    ///
    /// With [`Publish::IntoFreeName`] `EEXIST` when the name has been taken meanwhile. The
    /// temporary is still there, and can be published again.
    pub(super) fn publish(&mut self, how: Publish) -> Result<()> {
        let from = temporary_name(&self.place.name, self.slot);
        let directory = &self.place.directory;
        let to = &self.place.name;
        match how {
            Publish::OverExisting => file::rename_at(directory, &from, to),
            Publish::IntoFreeName => rename_into_free(directory, &from, to),
        }
        .context(Operation::Rename, self.endpoint)?;
        self.named = false;
        self.leftovers += sweep_from(self.place, self.slot + 1, self.precious);
        Ok(())
    }

    /// Closes the published file, and says how many temporaries of killed runs were removed.
    pub(super) fn close(mut self) -> Result<usize> {
        match self.object.take() {
            Some(object) => object.close().map(|()| self.leftovers),
            None => Ok(self.leftovers),
        }
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
            let name = temporary_name(&self.place.name, self.slot);
            drop(file::unlink_at(&self.place.directory, &name));
        }
    }
}

/// Renames unless the new name is taken (`EEXIST`).
pub(super) fn rename_into_free(directory: &OwnedFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    match platform::rename_no_replace(directory, from, to) {
        // Not in one step, then: this file system or kernel cannot.
        Err(error) if crate::object::is_unsupported(&error) => {
            match file::facts_at(directory, to)? {
                None => file::rename_at(directory, from, to),
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            }
        }
        result => result,
    }
}

/// Makes a second name of something with the first temporary name of `name` that is free.
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

/// Makes the name of `place` another name of the file at `path`, in one step.
pub(super) fn link_to(place: &Place, path: &Path) -> io::Result<()> {
    let id = file::facts_of_path(path, Follow::No)?.map(|facts| facts.id);
    // A rename between two names of one file does nothing, and leaves both (rename(2)).
    if id.is_some() && place.id_of(&place.name)? == id {
        return Ok(());
    }
    let temporary = with_temporary_name(&place.name, |temporary| {
        file::link_into(path, &place.directory, temporary)
    })?;
    file::rename_at(&place.directory, &temporary, &place.name)
}

/// Removes the temporaries that killed runs left for this target; returns how many.
pub(super) fn sweep(place: &Place, precious: Precious<'_>) -> usize {
    sweep_from(place, 0, precious)
}

fn sweep_from(place: &Place, mut slot: u32, precious: Precious<'_>) -> usize {
    let mut removed = 0;
    let mut free = 0;
    while free < FREE_SLOTS_MAX && slot < SLOTS_MAX {
        let name = temporary_name(&place.name, slot);
        match file::facts_at(&place.directory, &name) {
            Ok(None) => free += 1,
            Ok(Some(_)) => {
                free = 0;
                removed += usize::from(remove_leftover(place, &name, precious));
            }
            Err(_) => break,
        }
        slot += 1;
    }
    removed
}

/// Removes the temporary of that name if no live run has it; says whether it did.
fn remove_leftover(place: &Place, name: &OsStr, precious: Precious<'_>) -> bool {
    remove_if_dead(place, name, precious).unwrap_or(false)
}

fn remove_if_dead(place: &Place, name: &OsStr, precious: Precious<'_>) -> io::Result<bool> {
    let Some(facts) = file::facts_at(&place.directory, name)? else { return Ok(false) };
    // Nobody but this user, or the superuser, made it; and it is what we make.
    let ours = file::is_superuser() || facts.uid == file::effective_uid();
    if facts.kind != Kind::Regular || !ours || precious.has(facts.id) {
        return Ok(false);
    }
    let file = file::open_existing_at(&place.directory, name)?;
    if lock::try_lock(&file)? != Locked::Held {
        return Ok(false);
    }
    // While the lock is held no run can take the file for its own; so if the name still leads to
    // it, it is removed as a dead one.
    let same = place.id_of(name)? == Some(file::facts(&file)?.id);
    if same {
        file::unlink_at(&place.directory, name)?;
    }
    Ok(same)
}

/// Whether a name could be a temporary's.
pub(super) fn looks_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.starts_with(b".") && name.windows(6).any(|part| part == b".mycp-")
}

/// The longest file name (NAME_MAX in limits.h) of all common file systems.
const NAME_BYTES_MAX: usize = 255;

/// `.NAME.mycp-XXXXXX`; a long name is cut so that the whole fits.
fn temporary_name(name: &OsStr, slot: u32) -> OsString {
    let suffix = format!(".mycp-{slot:06}");
    let bytes = name.as_bytes();
    let mut keep = bytes.len().min(NAME_BYTES_MAX - 1 - suffix.len());
    // Some file systems refuse half a character of UTF-8.
    while keep < bytes.len() && keep > 0 && bytes[keep] & 0xc0 == 0x80 {
        keep -= 1;
    }
    let mut temporary = Vec::with_capacity(1 + keep + suffix.len());
    temporary.push(b'.');
    temporary.extend_from_slice(&bytes[..keep]);
    temporary.extend_from_slice(suffix.as_bytes());
    OsString::from_vec(temporary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_is_a_dot_file_that_bears_our_name_and_fits() {
        assert_eq!(temporary_name(OsStr::new("a.txt"), 7), ".a.txt.mycp-000007");
        let long = "x".repeat(255);
        assert_eq!(temporary_name(OsStr::new(&long), 0).len(), NAME_BYTES_MAX);
        let wide = "\u{20ac}".repeat(85);
        let temporary = temporary_name(OsStr::new(&wide), 0);
        assert!(temporary.to_str().is_some() && temporary.len() > NAME_BYTES_MAX - 3);
    }
}
