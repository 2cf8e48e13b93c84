//! Whether two objects have the same extended attributes.

use std::ffi::CStr;

use super::xattr::Class;
use super::{Losses, Named};
use crate::error::{Context, Operation, Result};
use crate::options::{Keep, Preserve};
use crate::report::Lost;
use crate::sys::attributes;

/// How much `preserve` wants the target to have one.
fn keep(name: &CStr, preserve: &Preserve) -> Keep {
    match Class::of(name) {
        Class::Acl if preserve.acl_optional => preserve.mode.min(Keep::Try),
        Class::Acl => preserve.mode,
        class => class.keep(preserve),
    }
}

/// Whether two objects have the same extended attributes, ACLs included, as far as `preserve`
/// wants them. What the target's file system cannot hold does not count where it is only tried.
///
/// # Errors
///
/// Those of listing and reading them, of the side that failed.
pub(crate) fn extended_equal(
    source: Named<'_>,
    target: Named<'_>,
    preserve: &Preserve,
) -> Result<bool> {
    let here = attributes::names(source.file).context(Operation::Stat, source.endpoint)?;
    let there = attributes::names(target.file).context(Operation::Stat, target.endpoint)?;
    let is_wanted = |name: &&CStr| keep(name, preserve) != Keep::No;
    for name in here.iter().filter(is_wanted) {
        let wanted = attributes::value(source.file, name)
            .map_err(|error| super::attribute_error(name, error))
            .context(Operation::Stat, source.endpoint)?;
        let found = match attributes::value(target.file, name) {
            Err(error)
                if keep(name, preserve) == Keep::Try && attributes::is_unsupported(&error) =>
            {
                continue;
            }
            found => found
                .map_err(|error| super::attribute_error(name, error))
                .context(Operation::Stat, target.endpoint)?,
        };
        if wanted != found {
            return Ok(false);
        }
    }
    Ok(there.iter().filter(is_wanted).all(|name| here.contains(name)))
}

/// Takes from `target` those extended attributes that `preserve` wants and the source has not.
/// ACLs go when the mode is set.
///
/// # Errors
///
/// The first attribute that could not be removed and had to be.
pub(crate) fn remove_extra(
    source: Named<'_>,
    target: Named<'_>,
    preserve: &Preserve,
    losses: &mut Losses,
) -> Result<()> {
    let wanted = attributes::names(source.file).context(Operation::Stat, source.endpoint)?;
    let found = attributes::names(target.file).context(Operation::Stat, target.endpoint)?;
    for name in found.iter().filter(|name| !wanted.contains(name)) {
        let keep = keep(name, preserve);
        if Class::of(name) != Class::Acl && keep != Keep::No {
            let removed = attributes::remove_value(target.file, name);
            losses
                .insist(keep, Lost::Xattr, removed)
                .map_err(|error| super::attribute_error(name, error))
                .context(Operation::SetAttributes, target.endpoint)?;
        }
    }
    Ok(())
}
