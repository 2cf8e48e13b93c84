//! What a killed run left of a directory that it was filling, to go on with (`--delta`).
//!
//! It becomes like a new one and is filled again, under the temporary name that it has. Its large
//! files get temporary names in it, and are gone on with as those of a directory that has its name
//! ([`Leftover`](super::leftover::Leftover)); all else in it is removed. So nothing is carried from
//! one directory to another, and of a run that is killed again the next one finds all in one place.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;

use super::directory::{Directory, Names};
use super::leftover::{goes_on, is_large, is_large_source};
use super::session::Precious;
use super::stage::{rename_into_free, target_name, with_temporary_name};
use super::target::Place;
use crate::lock::{self, Locked};
use crate::metadata;
use crate::options::{CopyOptions, ObjectId};
use crate::sys::attributes;
use crate::sys::file::{self, Facts, Kind};
use crate::sys::names::{self, Follow, Listed, Spot};

/// What a new directory is to hold.
#[derive(Clone, Copy)]
pub(crate) struct Contents<'a> {
    pub(crate) source: &'a Directory,
    pub(crate) options: &'a CopyOptions,
    pub(crate) precious: Precious<'a>,
}

/// A file that was kept to be gone on with, under a temporary name.
#[derive(Debug)]
pub(super) struct Kept {
    name: OsString,
    id: ObjectId,
}

/// What is in a leftover directory.
struct Found {
    name: OsString,
    facts: Facts,
    /// Whether a copy can go on with it.
    is_kept: bool,
}

/// Locks the directory of that name and makes it like a new one with these permission bits; nothing
/// if it is not a killed run's, or holds nothing to go on with, and is to be removed.
///
/// # Errors
///
/// Those of the system. It may have lost then what can not be gone on with.
pub(super) fn adopt(
    place: &Place,
    name: &OsStr,
    mode: u32,
    contents: Contents<'_>,
) -> io::Result<Option<(Directory, Vec<Kept>)>> {
    if !goes_on(contents.options) {
        return Ok(None);
    }
    let Some(handle) = lock_dead(place, name, contents.precious)? else { return Ok(None) };
    let found = look_through(&handle, contents)?;
    let Some(found) = found.filter(|found| found.iter().any(|it| it.is_kept)) else {
        return Ok(None);
    };
    let Some(mode_before) = make_like_new(place, &handle, mode)? else { return Ok(None) };
    let mut directory = Directory::new(handle.into(), place.path(), Names::Hidden)?;
    directory.mode_before = mode_before;
    directory.keep_leftovers();
    let mut kept = Vec::new();
    for it in found {
        if it.is_kept {
            kept.push(keep(&directory, it, contents.source)?);
        } else {
            names::unlink_at(&directory, &it.name)?;
        }
    }
    Ok(Some((directory, kept)))
}

/// Removes those files that nothing has gone on with.
pub(super) fn remove_kept(directory: &Directory, kept: &[Kept]) {
    for Kept { name, id } in kept {
        let there = names::facts_at(directory, name).ok().flatten();
        if there.is_some_and(|there| there.id == *id) {
            // If that fails, the next run does it.
            drop(names::unlink_at(directory, name));
        }
    }
}

/// Whether a directory was this user's alone to write into.
pub(super) fn is_private(facts: &Facts) -> bool {
    const OWNER: u32 = 0o700;
    const WRITTEN_BY_OTHERS: u32 = 0o022;
    facts.kind == Kind::Directory
        && facts.uid == file::effective_uid()
        && facts.mode & (OWNER | WRITTEN_BY_OTHERS) == OWNER
}

/// Locks it, if no live run has it and nobody else could have put anything there.
fn lock_dead(place: &Place, name: &OsStr, precious: Precious<'_>) -> io::Result<Option<File>> {
    let there = names::facts_at(&place.directory, name)?;
    if !there.is_some_and(|there| is_private(&there)) || place.directory.is_content(name) {
        return Ok(None);
    }
    let handle = File::from(Spot::within(&place.directory, name).open_listable(Follow::No)?);
    if lock::try_lock(&handle)? != Locked::Held {
        return Ok(None);
    }
    let facts = file::facts(&handle)?;
    // While the lock is held no run takes it for a dead one, or gives it a name.
    let is_dead = place.id_of(name)? == Some(facts.id)
        && facts.id.dev == place.directory.id().dev
        && is_private(&facts)
        && !precious.has(facts.id)
        && !attributes::names(&handle)?.contains(attributes::ACL);
    Ok(is_dead.then_some(handle))
}

/// What is in it; nothing if it holds directories, as none that is being filled does, or something
/// that is not to be removed.
fn look_through(handle: &File, contents: Contents<'_>) -> io::Result<Option<Vec<Found>>> {
    let mut found = Vec::new();
    for Listed { name, .. } in names::list_all(handle)? {
        let Some(facts) = names::facts_at(handle, &name)? else { continue };
        if facts.kind == Kind::Directory || contents.precious.has(facts.id) {
            return Ok(None);
        }
        // With another name it is somebody's file, who linked it here or had it linked.
        let is_kept = is_large(&facts)
            && facts.links == 1
            && is_large_source(contents.source, whose(&name, contents.source)?, contents.options)?;
        found.push(Found { name, facts, is_kept });
    }
    Ok(Some(found))
}

/// The name of the file of the source that one is a part of: its own, or that whose temporary name
/// it has.
fn whose<'n>(name: &'n OsStr, source: &Directory) -> io::Result<&'n OsStr> {
    Ok(match target_name(name) {
        Some(whose) if !has(source, name)? => whose,
        _ => name,
    })
}

fn has(source: &Directory, name: &OsStr) -> io::Result<bool> {
    Ok(names::facts_at(source, name)?.is_some())
}

/// Gives `old` what a directory has that is made beside it now, and returns the permission bits
/// that such a one is made with, if it needs more to be filled; nothing if others could have
/// opened `old` who could not open that.
fn make_like_new(place: &Place, old: &File, mode: u32) -> io::Result<Option<Option<u32>>> {
    const OTHERS: u32 = 0o077;
    let directory = &place.directory;
    let name = with_temporary_name(&place.name, |name| match directory.is_content(name) {
        true => Err(io::ErrorKind::AlreadyExists.into()),
        false => names::make_directory_at(directory, name, mode),
    })?;
    let renew = || {
        let (new, mode_before) = Spot::within(directory, &name).open_made()?;
        let new = File::from(new);
        if file::facts(old)?.mode & OTHERS & !file::facts(&new)?.mode != 0 {
            return Ok(None);
        }
        metadata::renew(old, &new)?;
        Ok(Some(mode_before))
    };
    let renewed = renew();
    // It is empty. If that fails, the next run removes it.
    drop(names::remove_directory_at(directory, &name));
    renewed
}

/// Gives it a temporary name, unless it has one, and this user the right to write into it: a file
/// is made under its own name there, with the source's permissions.
fn keep(directory: &Directory, found: Found, source: &Directory) -> io::Result<Kept> {
    const OWNER: u32 = 0o600;
    let Found { name, facts, .. } = found;
    if facts.mode & OWNER != OWNER && facts.uid == file::effective_uid() {
        let handle = Spot::within(directory, &name).handle()?;
        if names::facts_of_handle(&handle)?.id == facts.id {
            attributes::set_mode(&File::from(handle), facts.mode & 0o777 | OWNER)?;
        }
    }
    let name = match whose(&name, source)? == name {
        false => name,
        true => with_temporary_name(&name, |temporary| match has(source, temporary)? {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => rename_into_free(directory, &name, temporary),
        })?,
    };
    Ok(Kept { name, id: facts.id })
}
