//! Makes a file or directory that is there like one that was just made.

use std::fs::File;
use std::io;

use super::owners;
use crate::sys::attributes::{self, Attributes};

/// Gives `file` what `new` has, and nothing else: owner, group, permission bits, ACL, extended
/// attributes; and a modification time that is no source's.
///
/// # Errors
///
/// The first of them that cannot be set. The file is private then, or as it was.
pub(crate) fn renew(file: &File, new: &File) -> io::Result<()> {
    let (found, wanted) = (Attributes::of(file)?, Attributes::of(new)?);
    // A directory stays one that can be searched.
    let private = 0o600 | wanted.mode & 0o100;
    // As long as it has an owner and an ACL that it is not to have, nobody else gets at it; its
    // owner needs the right to write for `user.*` (xattr(7)).
    attributes::set_mode(file, private)?;
    if owners(&found) != owners(&wanted) {
        attributes::set_owner(file, Some(wanted.uid), Some(wanted.gid))?;
    }
    attributes::keep_access_list(new, file)?;
    let (found, names) = (attributes::names(file)?, attributes::names(new)?);
    for name in found.iter().filter(|name| !names.contains(name)) {
        attributes::remove_value(file, name)?;
    }
    for name in names.iter() {
        let value = attributes::value(new, name)?;
        if let Some(value) = value
            && attributes::value(file, name)?.as_ref() != Some(&value)
        {
            attributes::set_value(file, name, &value)?;
        }
    }
    attributes::set_mode(file, wanted.mode)?;
    attributes::set_modified_now(file)
}
