//! The permission bits that a new target is made with.

use crate::options::{Keep, Preserve};
use crate::sys::attributes::Attributes;

/// What a new file's permission bits are while it is filled, and afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewFileMode {
    /// The mode to pass to `open`: the kernel takes from it what the umask, or the default ACL of
    /// the directory, does not allow.
    pub(crate) at_open: u32,
    /// What [`apply_preserved`](super::apply_preserved) has to do about it.
    pub(crate) at_end: ModeAtEnd,
}

/// What becomes of the permission bits that a target has when its content is complete, unless
/// [`Preserve::mode`] says more, and what is known of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeAtEnd {
    /// They stay.
    AsItIs,
    /// They become these, less the umask: it was made with fewer.
    Widened(u32),
    /// The file was made a moment ago where nobody else sees it, and is like this.
    Known(Birth),
}

/// What a new file is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Birth {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Its permission bits; it has no ACL.
    pub(crate) mode: u32,
}

/// The permission bits of a file that did not exist, and is made in a directory that only its
/// owner sees, where files are born like `birth`.
pub(crate) fn new_hidden_file_mode(
    source: &Attributes,
    preserve: &Preserve,
    birth: Birth,
) -> NewFileMode {
    if preserve.mode == Keep::No {
        return new_file_mode(source, preserve);
    }
    let at_open = source.mode & 0o777;
    NewFileMode { at_open, at_end: ModeAtEnd::Known(Birth { mode: at_open & birth.mode, ..birth }) }
}

/// The permission bits of a directory that did not exist: as those of a file, and with all rights
/// for its owner until everything is in it.
pub(crate) fn new_directory_mode(source: &Attributes, preserve: &Preserve) -> NewFileMode {
    const OWNER: u32 = 0o700;
    const STICKY: u32 = 0o1000;
    let wanted = if preserve.default_mode { 0o777 } else { source.mode & (0o777 | STICKY) };
    if preserve.mode != Keep::No {
        NewFileMode { at_open: OWNER, at_end: ModeAtEnd::AsItIs }
    } else if preserve.ownership != Keep::No {
        NewFileMode { at_open: OWNER, at_end: ModeAtEnd::Widened(wanted) }
    } else {
        NewFileMode { at_open: wanted | OWNER, at_end: ModeAtEnd::AsItIs }
    }
}

/// The permission bits of a file that did not exist, as GNU cp 9.1 chooses them.
///
/// | asked for | bits |
/// | --- | --- |
/// | nothing | the source's `0777` part, as the umask or the directory's default ACL cuts it |
/// | mode | restricted while it is filled, at the end exactly the source's |
/// | ownership only | restricted while it is filled, at the end the `0777` part less the umask |
/// | `default_mode` | `0666` in place of the source's |
///
/// Setuid, setgid and sticky are never taken over unless mode is asked for. A default ACL of the
/// directory replaces the umask (acl(5)) and is inherited; in a setgid directory the file gets
/// the directory's group.
///
/// Differs from cp in some corners. A file whose mode is preserved is private until the end, where
/// cp makes it private only if its owner is preserved, too. And `default_mode` in a directory
/// with a default ACL follows that ACL, as any file does that a program makes there; cp 9.1
/// removes the inherited ACL and sets `0666` less the umask, which lets others read what the ACL
/// keeps from them. Nor is a file that had to be made writable for `user.*` attributes left with
/// bits that the default ACL denies.
pub(crate) fn new_file_mode(source: &Attributes, preserve: &Preserve) -> NewFileMode {
    let wanted = if preserve.default_mode { 0o666 } else { source.mode & 0o777 };
    // Nobody else may open it before it has its owner and its mode: a handle opened early would
    // read what is written later. Its owner may, to read the copy back.
    let restricted = wanted & 0o700 | 0o600;
    if preserve.mode != Keep::No {
        NewFileMode { at_open: restricted, at_end: ModeAtEnd::AsItIs }
    } else if preserve.ownership != Keep::No {
        NewFileMode { at_open: restricted, at_end: ModeAtEnd::Widened(wanted) }
    } else {
        NewFileMode { at_open: wanted, at_end: ModeAtEnd::AsItIs }
    }
}
