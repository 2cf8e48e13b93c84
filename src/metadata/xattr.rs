//! Which extended attributes are copied when, and the copying of them.

use std::ffi::CStr;
use std::fs::File;
use std::io;

use super::{Losses, Named, attribute_error};
use crate::error::{Context, Operation, Result};
use crate::options::{Keep, Preserve};
use crate::report::Lost;
use crate::sys::attributes::{self, Names};

/// What an extended attribute is for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A POSIX ACL: goes with the mode.
    Acl,
    /// Another form of ACL.
    ForeignAcl,
    /// What the program may do when it is executed: lost when its content is replaced.
    Capability,
    /// The label of a security module.
    Context,
    /// A hash or signature of this very content.
    ContentSignature,
    /// Bound to one inode or one file system; copying it is wrong.
    Private,
    /// Everything else.
    Ordinary,
}

/// Names that libattr, and so GNU cp, leaves alone: the "skip" lines of its `/etc/xattr.conf`.
const PRIVATE: [&[u8]; 4] =
    [b"security.evm", b"trusted.SGI_ACL_DEFAULT", b"trusted.SGI_ACL_FILE", b"trusted.SGI_CAP_FILE"];

/// The same, where only the beginning counts.
const PRIVATE_PREFIXES: [&[u8]; 5] =
    [b"trusted.SGI_DMI_", b"trusted.SGI_MAC_FILE", b"xfsroot.", b"user.Beagle.", b"afs."];

impl Class {
    pub(super) fn of(name: &CStr) -> Self {
        match name.to_bytes() {
            b"system.posix_acl_access" | b"system.posix_acl_default" => Self::Acl,
            b"system.nfs4_acl" | b"system.nfs4acl" | b"system.richacl" => Self::ForeignAcl,
            b"security.capability" => Self::Capability,
            b"security.selinux" => Self::Context,
            b"security.ima" => Self::ContentSignature,
            name if PRIVATE.contains(&name) => Self::Private,
            name if PRIVATE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Self::Private,
            _ => Self::Ordinary,
        }
    }

    /// How much `preserve` wants one of the class to be copied from the source.
    pub(super) fn keep(self, preserve: &Preserve) -> Keep {
        match self {
            Self::Acl | Self::ForeignAcl | Self::Private => Keep::No,
            Self::Context => preserve.context,
            Self::Capability | Self::ContentSignature | Self::Ordinary => preserve.xattr,
        }
    }

    /// Whether a file that is overwritten still has one of the class afterwards.
    fn survives_overwriting(self) -> bool {
        match self {
            Self::Context | Self::ForeignAcl | Self::Ordinary => true,
            // The ACL does, too, but is set after the others.
            Self::Acl | Self::Capability | Self::ContentSignature | Self::Private => false,
        }
    }
}

/// Whether one of the source's attributes is to be copied.
pub(super) fn any_wanted(names: &Names, preserve: &Preserve) -> bool {
    names.iter().any(|name| Class::of(name).keep(preserve) != Keep::No)
}

/// Copies to `target` what `preserve` wants of the source's attributes.
///
/// # Errors
///
/// The first attribute that could not be copied and had to be; the others are copied all the same.
pub(super) fn copy_preserved(
    source: Named<'_>,
    names: &Names,
    target: Named<'_>,
    preserve: &Preserve,
    losses: &mut Losses,
) -> Result<()> {
    let mut outcome = Ok(());
    for name in names.iter() {
        let keep = Class::of(name).keep(preserve);
        if keep != Keep::No {
            let copied = copy(source, name, target, keep, losses);
            outcome = outcome.and(copied);
        }
    }
    outcome
}

fn copy(
    source: Named<'_>,
    name: &CStr,
    target: Named<'_>,
    keep: Keep,
    losses: &mut Losses,
) -> Result<()> {
    let lost = if Class::of(name) == Class::Context { Lost::Context } else { Lost::Xattr };
    let mut context = |operation, endpoint, result: io::Result<()>| {
        losses
            .insist(keep, lost, result)
            .map_err(|error| attribute_error(name, error))
            .context(operation, endpoint)
    };
    match attributes::value(source.file, name) {
        // Somebody removed it since it was listed.
        Ok(None) => Ok(()),
        Ok(Some(value)) => {
            let set = attributes::set_value(target.file, name, &value);
            context(Operation::SetAttributes, target.endpoint, set)
        }
        Err(error) => context(Operation::Stat, source.endpoint, Err(error)),
    }
}

/// Gives `new` the attributes of `old` that a file keeps when it is overwritten, ACL excepted.
///
/// # Errors
///
/// The first attribute that cannot be read or set, named.
pub(super) fn copy_surviving(
    old: &File,
    old_names: &Names,
    new: &File,
    new_names: &Names,
) -> io::Result<()> {
    for name in old_names.iter().filter(|name| Class::of(name).survives_overwriting()) {
        let copied = attributes::value(old, name).and_then(|value| match value {
            None => Ok(()),
            // A security module has labelled the new file already, most often with the same
            // label; setting it again would need a right that few have.
            Some(value) if new_names.contains(name) && holds(new, name, &value) => Ok(()),
            Some(value) => attributes::set_value(new, name, &value),
        });
        copied.map_err(|error| attribute_error(name, error))?;
    }
    Ok(())
}

fn holds(file: &File, name: &CStr, wanted: &[u8]) -> bool {
    attributes::value(file, name).is_ok_and(|found| found.as_deref() == Some(wanted))
}
