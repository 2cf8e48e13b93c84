//! Attributes of open objects: what a copy takes over from its source, and what it keeps of the
//! file that it replaces.
//!
//! A `chown` strips setuid, setgid and capabilities, an ACL sets permission bits, and `chmod`
//! cuts an ACL. So the order is always: owner, extended attributes, ACL, mode. Times come last of
//! all ([`stamp_times`]), when no map is left whose stores could set them again (mmap(2)).

mod acl;
mod equality;
mod plan;
mod renew;
mod xattr;

#[cfg(test)]
mod tests;

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Context, Operation, Result};
use crate::options::{Endpoint, Keep, Preserve, Quoted};
use crate::report::{Lost, Warning};
use crate::sys::attributes::{self, Names};
use crate::sys::file::is_superuser;

pub(crate) use crate::metadata::equality::{extended_equal, remove_extra};
pub(crate) use crate::metadata::plan::{
    Birth, ModeAtEnd, new_directory_mode, new_file_mode, new_hidden_file_mode,
};
pub(crate) use crate::metadata::renew::renew;
pub(crate) use crate::sys::attributes::Attributes;

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const GROUP_EXECUTE: u32 = 0o010;

/// An open object, and the name that errors give it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) file: &'a File,
    pub(crate) endpoint: &'a Endpoint,
}

/// Why a new file cannot take the place of an old one: it cannot be given what the old one has.
#[derive(Debug)]
pub(crate) enum Unkeepable {
    /// Its owner or group.
    Owner(io::Error),
    /// Its permissions or extended attributes.
    Attributes(io::Error),
}

/// Gives `new`, just made and private, what `old` would keep if it were overwritten as GNU cp
/// does it: owner, group, permission bits, ACL, extended attributes.
///
/// Not kept is what a program may do beyond its user: setuid, setgid (of an executable) and
/// capabilities, which `write` takes away as well. (cp run by root leaves setuid and setgid on a
/// file with other content; mycp does not.) Nor is a signature of the old content.
///
/// Where `preserve` wants the mode of the source, ACL and mode of `old` are left out and `new`
/// stays private until [`apply_preserved`]. On Windows, where that cannot give it the access
/// control list of the source, it has that of `old`.
///
/// Returns what is lost although `new` can take the place of `old`.
///
/// # Errors
///
/// The caller has to write into `old` instead. No byte need have been copied to learn that.
pub(crate) fn keep_of_replaced(
    old: &File,
    new: &File,
    preserve: &Preserve,
) -> Result<Losses, Unkeepable> {
    let mut losses = Losses::default();
    let listed = attributes::keep_access_list(old, new);
    losses.insist(Keep::Try, Lost::Acl, listed).map_err(Unkeepable::Attributes)?;
    if preserve.mode != Keep::No {
        // That is told of the source's already.
        losses = Losses::default();
    }
    let old_attributes = Attributes::of(old).map_err(Unkeepable::Attributes)?;
    let new_attributes = Attributes::of(new).map_err(Unkeepable::Attributes)?;
    attributes::keep_flags(old, new);
    if owners(&old_attributes) != owners(&new_attributes) {
        let (uid, gid) = owners(&old_attributes);
        attributes::set_owner(new, Some(uid), Some(gid)).map_err(Unkeepable::Owner)?;
    }
    keep_attributes(old, &old_attributes, new, preserve).map_err(Unkeepable::Attributes)?;
    Ok(losses)
}

fn keep_attributes(
    old: &File,
    old_attributes: &Attributes,
    new: &File,
    preserve: &Preserve,
) -> io::Result<()> {
    let old_names = attributes::names(old)?;
    let new_names = attributes::names(new)?;
    xattr::copy_surviving(old, &old_names, new, &new_names)?;
    if preserve.mode != Keep::No {
        return Ok(());
    }
    let acl = acl_of(old, &old_names, attributes::ACL)?;
    set_acl(new, attributes::ACL, acl.as_deref(), &new_names)?;
    let mode = without_privilege(old_attributes.mode);
    // Not without need: an NFSv4 ACL has just set it, and would be cut by setting it again.
    if Attributes::of(new)?.mode == mode { Ok(()) } else { attributes::set_mode(new, mode) }
}

/// Gives `target` what `preserve` wants of the source, times excepted.
///
/// `source_attributes` are those that the source had when it was opened. `at_end` is from
/// [`new_file_mode`] and its like for what was made with its mode, [`ModeAtEnd::AsItIs`] else.
///
/// As GNU cp: an owner that an ordinary user may not set is no failure, even with [`Keep::Must`],
/// but costs the copy its setuid, setgid and sticky bits; the group alone is set where that can
/// be. To root it is a failure.
///
/// # Errors
///
/// The first attribute that could not be set and had to be ([`Keep::Must`]). The others have been
/// set as far as they could, so that a target written in place is not left more open than
/// need be.
pub(crate) fn apply_preserved<'a>(
    source: impl Into<Option<Named<'a>>>,
    source_attributes: &Attributes,
    target: Named<'_>,
    preserve: &Preserve,
    at_end: ModeAtEnd,
    losses: &mut Losses,
) -> Result<()> {
    let source = source.into();
    let Preserve { mode, ownership, xattr, context, .. } = *preserve;
    if [mode, ownership, xattr, context] == [Keep::No; 4] {
        return Ok(());
    }
    if !attributes::HAS_OWNERS {
        losses.add_wanted(ownership, Lost::Ownership);
        losses.add_wanted(mode, Lost::Acl);
    }
    let owner = match (ownership, at_end) {
        (Keep::No, _) => Owner::Kept,
        (_, ModeAtEnd::Known(birth)) if (birth.uid, birth.gid) == owners(source_attributes) => {
            Owner::Kept
        }
        (Keep::Try | Keep::Must, _) => set_owner(source_attributes, target, preserve, losses)?,
    };
    let names = match source {
        Some(source) if [mode, xattr, context] != [Keep::No; 3] => {
            let keep = mode.max(xattr).max(context);
            let names = attributes::names(source.file);
            losses.insist(keep, Lost::Xattr, names).context(Operation::Stat, source.endpoint)?
        }
        _ => Names::default(),
    };
    let copied = match source {
        Some(source) if xattr::any_wanted(&names, preserve) => while_writable(target, || {
            xattr::copy_preserved(source, &names, target, preserve, losses)
        }),
        _ => Ok(()),
    };
    let permitted = match (mode, at_end) {
        (Keep::No, ModeAtEnd::AsItIs | ModeAtEnd::Known(_)) => Ok(()),
        (Keep::No, ModeAtEnd::Widened(wanted)) => {
            let mode = wanted & !attributes::file_mode_mask();
            let set = attributes::set_mode(target.file, mode);
            losses.insist(ownership, Lost::Mode, set).context(Operation::SetMode, target.endpoint)
        }
        (Keep::Try | Keep::Must, ModeAtEnd::Known(birth))
            if (birth.uid, birth.gid, birth.mode)
                == (source_attributes.uid, source_attributes.gid, source_attributes.mode)
                && !names.contains(attributes::ACL) =>
        {
            Ok(())
        }
        (Keep::Try | Keep::Must, _) => {
            let wanted = match owner {
                Owner::Kept => source_attributes.mode,
                Owner::Refused => source_attributes.mode & 0o777,
            };
            let acl = if preserve.acl_optional { Keep::Try } else { mode };
            set_permissions(source, &names, target, (wanted, mode, acl), losses)
        }
    };
    copied.and(permitted)
}

/// Gives `target` the times that the source had when it was opened.
///
/// To be called when the content is complete, no map of it is left and it is flushed: a store
/// through a map sets the time as late as that.
pub(crate) fn stamp_times(
    source_attributes: &Attributes,
    target: Named<'_>,
    keep: Keep,
    losses: &mut Losses,
) -> Result<()> {
    if keep == Keep::No {
        return Ok(());
    }
    let Attributes { accessed, modified, born, .. } = *source_attributes;
    let set = attributes::set_times(target.file, accessed, modified)
        .and_then(|()| born.map_or(Ok(()), |born| attributes::set_born(target.file, born)));
    losses.insist(keep, Lost::Timestamps, set).context(Operation::SetTimes, target.endpoint)
}

/// Takes from a new directory whose mode is not preserved the rights that it was given to be
/// filled: what its owner cannot do in the source, and, where `mode_before` is what it had before
/// it was given more, all of that.
pub(crate) fn narrow_directory(
    source_attributes: &Attributes,
    target: Named<'_>,
    preserve: &Preserve,
    mode_before: Option<u32>,
) -> Result<()> {
    const OWNER: u32 = 0o700;
    let unwanted = if preserve.default_mode { 0 } else { OWNER & !source_attributes.mode };
    if preserve.mode != Keep::No || (unwanted == 0 && mode_before.is_none()) {
        return Ok(());
    }
    let before = match mode_before {
        Some(mode) => mode,
        None => Attributes::of(target.file).context(Operation::Stat, target.endpoint)?.mode,
    };
    attributes::set_mode(target.file, before & !unwanted)
        .context(Operation::SetMode, target.endpoint)
}

/// Takes from an existing target what a program may do beyond its user, before it is written in
/// place: setuid, setgid (of an executable), capabilities.
///
/// `write` takes them away, except setuid and setgid if the caller is root; stores through a map
/// take nothing away from anybody (seen on Linux 6.18, ext4).
pub(crate) fn drop_privileged_bits(target: Named<'_>) -> Result<()> {
    let Named { file, endpoint } = target;
    let metadata = file.metadata().context(Operation::Stat, endpoint)?;
    if !metadata.is_file() {
        return Ok(());
    }
    let mode = Attributes::from(&metadata).mode;
    let harmless = without_privilege(mode);
    if mode != harmless {
        or_by_truncation(file, attributes::set_mode(file, harmless))
            .context(Operation::SetMode, endpoint)?;
    }
    let names = attributes::names(file).context(Operation::Stat, endpoint)?;
    if names.contains(attributes::CAPABILITY) {
        or_by_truncation(file, attributes::remove_value(file, attributes::CAPABILITY))
            .map_err(|error| attribute_error(attributes::CAPABILITY, error))
            .context(Operation::SetAttributes, endpoint)?;
    }
    Ok(())
}

/// Where the caller may write to a file but does not own it, lets the kernel strip it: it does so
/// for any change of the length, even to what it is.
fn or_by_truncation(file: &File, stripped: io::Result<()>) -> io::Result<()> {
    match stripped {
        Err(error) if attributes::is_forbidden(&error) => file.set_len(file.metadata()?.len()),
        other => other,
    }
}

/// `mode` after the file's content has been replaced. As in the kernel, setgid without group
/// execution is no privilege but the old mark of mandatory locking, and stays.
const fn without_privilege(mode: u32) -> u32 {
    if mode & GROUP_EXECUTE == 0 { mode & !SETUID } else { mode & !(SETUID | SETGID) }
}

const fn owners(attributes: &Attributes) -> (u32, u32) {
    (attributes.uid, attributes.gid)
}

/// Whether the target has owner and group of the source, or was not asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Kept,
    Refused,
}

fn set_owner(
    source_attributes: &Attributes,
    target: Named<'_>,
    preserve: &Preserve,
    losses: &mut Losses,
) -> Result<Owner> {
    let Named { file, endpoint } = target;
    let before = Attributes::of(file).context(Operation::Stat, endpoint)?;
    let (uid, gid) = owners(source_attributes);
    if owners(&before) == (uid, gid) {
        return Ok(Owner::Kept);
    }
    if preserve.mode != Keep::No && before.mode & !0o700 != 0 {
        // An existing file: what its old group may do is not for the new group to do, until the
        // mode is set.
        match attributes::set_mode(file, before.mode & 0o700) {
            // Who may not set the mode may not set the owner either, and learns it there.
            Err(error) if !attributes::is_forbidden(&error) => {
                losses
                    .insist::<()>(preserve.ownership, Lost::Mode, Err(error))
                    .context(Operation::SetMode, endpoint)?;
            }
            Ok(()) | Err(_) => {}
        }
    }
    match attributes::set_owner(file, Some(uid), Some(gid)) {
        Ok(()) => Ok(Owner::Kept),
        Err(error) => {
            let refused = attributes::is_owner_refused(&error);
            if refused {
                // The group at least, where that can be; the owner's refusal is what counts.
                attributes::set_owner(file, None, Some(gid)).unwrap_or_default();
            }
            let bearable = preserve.ownership == Keep::Try || (refused && !is_superuser());
            if preserve.ownership == Keep::Try {
                losses.add(Lost::Ownership);
            }
            if bearable { Ok(Owner::Refused) } else { Err(error) }
        }
    }
    .context(Operation::SetOwner, endpoint)
}

/// Gives `target` the ACL of the source, or none, and the permission bits `mode`.
fn set_permissions(
    source: Option<Named<'_>>,
    source_names: &Names,
    target: Named<'_>,
    (mode, keep, keep_acl): (u32, Keep, Keep),
    losses: &mut Losses,
) -> Result<()> {
    let acl = match source {
        Some(source) => {
            let acl = acl_of(source.file, source_names, attributes::ACL);
            losses.insist(keep_acl, Lost::Acl, acl).context(Operation::Stat, source.endpoint)?
        }
        None => None,
    };
    let listed = losses
        .insist(keep_acl, Lost::Acl, attributes::names(target.file))
        .context(Operation::Stat, target.endpoint)?;
    let inherited = source.map_or(Ok(()), |it| inherit_acl(it, source_names, target, &listed));
    let set = set_acl(target.file, attributes::ACL, acl.as_deref(), &listed);
    let (mode, missing) = match (set, acl) {
        (Ok(()), _) => (mode, Ok(())),
        // It says what the mode says.
        (Err(error), Some(acl))
            if attributes::is_unsupported(bare(&error)) && !acl::is_extended(&acl) =>
        {
            (mode, Ok(()))
        }
        (Err(error), Some(acl)) => (acl::mode_without(&acl, mode), Err(error)),
        (Err(error), None) => (mode, Err(error)),
    };
    // The mode even so: without its ACL the copy has the narrower one.
    let set = losses.insist(keep, Lost::Mode, attributes::set_mode(target.file, mode));
    let missing = losses.insist(keep_acl, Lost::Acl, inherited.and(missing));
    set.and(missing).context(Operation::SetMode, target.endpoint)
}

/// Gives a directory the default ACL of the source, or none.
fn inherit_acl(
    source: Named<'_>,
    source_names: &Names,
    target: Named<'_>,
    listed: &Names,
) -> io::Result<()> {
    let acl = acl_of(source.file, source_names, attributes::DEFAULT_ACL)?;
    set_acl(target.file, attributes::DEFAULT_ACL, acl.as_deref(), listed)
}

/// The ACL of an object in the kernel's form; `None` when it has none but its mode.
fn acl_of(file: &File, names: &Names, which: &CStr) -> io::Result<Option<Vec<u8>>> {
    if names.contains(which) {
        attributes::value(file, which).map_err(|error| attribute_error(which, error))
    } else {
        Ok(None)
    }
}

/// Sets the ACL; without one removes that which it has, inherited from its directory perhaps.
fn set_acl(file: &File, which: &CStr, acl: Option<&[u8]>, listed: &Names) -> io::Result<()> {
    match acl {
        Some(acl) => attributes::set_value(file, which, acl),
        None if listed.contains(which) => attributes::remove_value(file, which),
        None => Ok(()),
    }
    .map_err(|error| attribute_error(which, error))
}

/// Runs `action` while the owner of `target` may write to it, which `user.*` attributes need
/// (xattr(7)) even through a handle that is open for writing.
fn while_writable(target: Named<'_>, action: impl FnOnce() -> Result<()>) -> Result<()> {
    let Named { file, endpoint } = target;
    let mode = Attributes::of(file).context(Operation::Stat, endpoint)?.mode;
    if mode & 0o200 != 0 || is_superuser() {
        return action();
    }
    if attributes::set_mode(file, mode | 0o200).is_err() {
        // Not the owner; the attributes will tell.
        return action();
    }
    let outcome = action();
    let restored = attributes::set_mode(file, mode).context(Operation::SetMode, endpoint);
    outcome.and(restored)
}

/// Attributes that a target could not be given, where that is no failure.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<Lost>);

impl Losses {
    /// What was lost, each once.
    pub(crate) fn into_warnings(self) -> impl Iterator<Item = Warning> {
        self.0.into_iter().map(Warning::NotKept)
    }

    /// Notes what cannot be kept at all, if it was asked for.
    fn add_wanted(&mut self, keep: Keep, lost: Lost) {
        if keep != Keep::No {
            self.add(lost);
        }
    }

    fn add(&mut self, lost: Lost) {
        if !self.0.contains(&lost) {
            self.0.push(lost);
        }
    }

    /// `result`, unless it may fail: with [`Keep::Try`] a refusal leaves the value that stands for
    /// nothing, and is noted. What is broken is reported even then.
    fn insist<T: Default>(
        &mut self,
        keep: Keep,
        lost: Lost,
        result: io::Result<T>,
    ) -> io::Result<T> {
        match result {
            Err(error) if keep != Keep::Must && is_refused(&error) => {
                self.add(lost);
                Ok(T::default())
            }
            result => result,
        }
    }
}

/// An error of one extended attribute, behind which the system's error is its source.
#[derive(Debug, thiserror::Error)]
#[error("{}", Quoted(Path::new(.name)))]
struct AttributeError {
    name: std::ffi::OsString,
    source: io::Error,
}

fn attribute_error(name: &CStr, source: io::Error) -> io::Error {
    let name = attributes::spelt(name);
    io::Error::new(source.kind(), AttributeError { name, source })
}

/// The system's error in one that may name an attribute.
fn bare(error: &io::Error) -> &io::Error {
    let named = error.get_ref().and_then(|inner| inner.downcast_ref::<AttributeError>());
    named.map_or(error, |named| &named.source)
}

/// Whether a new file cannot have the old one's attributes for good. A full disk is another matter:
/// the old file is not to be written into for that.
pub(crate) fn is_unkeepable(error: &io::Error) -> bool {
    is_refused(error) && !attributes::is_no_room(bare(error))
}

fn is_refused(error: &io::Error) -> bool {
    attributes::is_refused(bare(error))
}
