//! What a mirror changes, and why: one decision, which a dry run prints and a real one obeys.

use std::fmt;

use crate::error::Result;
use crate::options::{Compare, CopyOptions, Keep};
use crate::report::ObjectKind;
use crate::sys::file::{self, Facts, Kind};

/// What is done to one name of a mirror's target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// What the object is, or was before it is deleted.
    pub kind: ObjectKind,
    /// In what the target differs, as far as it had to be looked at, in the order of [`Reason`]'s
    /// variants: of something that is copied anyway, attributes and bytes are not.
    pub reasons: Vec<Reason>,
}

/// What is done to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Action {
    /// The target gets it.
    Create,
    /// It gets the source's content, of which what it holds already is not stored again.
    Update,
    /// It makes way for something of another kind.
    Replace,
    /// Its content stays; it gets the source's attributes.
    Attributes,
    /// Neither content nor attributes change, but which names are hard links of each other.
    Link,
    /// It is deleted.
    Delete,
}

/// In what a target differs from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// It is not there.
    New,
    /// It is of another kind: a directory and a file, say.
    Kind,
    /// Its length differs.
    Size,
    /// The modification time differs.
    Time,
    /// The bytes differ, which were compared.
    Content,
    /// The text of a symbolic link differs.
    Text,
    /// The number of a device differs.
    Device,
    /// The permission bits differ.
    Mode,
    /// Owner or group differ.
    Owner,
    /// Extended attributes or ACLs differ.
    Xattr,
    /// It is a hard link of other names than the source.
    Links,
    /// The source has nothing of its name.
    Extra,
    /// It is left out of the copy, and to be deleted for that.
    Excluded,
}

impl Change {
    pub(crate) fn new(action: Action, kind: ObjectKind, reason: Reason) -> Self {
        Self { action, kind, reasons: vec![reason] }
    }

    /// Whether the content that is there is the source's.
    pub(crate) fn keeps_content(&self) -> bool {
        matches!(self.action, Action::Attributes | Action::Link)
    }
}

impl Action {
    /// The word for it in `--changes` and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Attributes => "attributes",
            Self::Link => "link",
            Self::Delete => "delete",
        }
    }
}

impl Reason {
    /// The word for it in `--changes` and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Kind => "kind",
            Self::Size => "size",
            Self::Time => "time",
            Self::Content => "content",
            Self::Text => "text",
            Self::Device => "device",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Xattr => "xattr",
            Self::Links => "links",
            Self::Extra => "extra",
            Self::Excluded => "excluded",
        }
    }

    /// Whether content or kind differ, or may.
    const fn is_of_content(self) -> bool {
        matches!(self, Self::Size | Self::Content | Self::Text | Self::Device)
    }
}

impl fmt::Display for Change {
    /// `ACTION REASON[,REASON]...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action.as_str())?;
        for (at, reason) in self.reasons.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { ' ' } else { ',' }, reason.as_str())?;
        }
        Ok(())
    }
}

/// What no facts tell of two objects of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Details {
    /// Whether the bytes of two files, or the texts of two links, are equal.
    pub(crate) content_equal: bool,
    /// Whether the extended attributes are.
    pub(crate) xattr_equal: bool,
}

/// Decides what has to be done to a target for it to equal its source; `None` when nothing has.
///
/// `look` is asked only where facts do not decide.
///
/// # Errors
///
/// Those of `look`.
pub(crate) fn decide(
    (options, compare): (&CopyOptions, Compare),
    source: &Facts,
    target: Option<&Facts>,
    look: impl FnOnce() -> Result<Details>,
) -> Result<Option<Change>> {
    let kind = ObjectKind::from(source.kind);
    let Some(target) = target else {
        return Ok(Some(Change::new(Action::Create, kind, Reason::New)));
    };
    if source.id == target.id {
        // Two names of one object.
        return Ok(None);
    }
    if source.kind != target.kind {
        return Ok(Some(Change::new(Action::Replace, kind, Reason::Kind)));
    }
    let mut reasons = differences(options, source, target);
    let is_file = source.kind == Kind::Regular;
    let by_time = is_file && compare == Compare::Quick && !same_time(source, target);
    if by_time && !reasons.contains(&Reason::Time) {
        reasons.push(Reason::Time);
    }
    let mut differs = by_time || reasons.iter().any(|reason| reason.is_of_content());
    if !differs {
        let Details { content_equal, xattr_equal } = look()?;
        if !content_equal {
            reasons.push(if is_file { Reason::Content } else { Reason::Text });
            differs = true;
        }
        if !xattr_equal {
            reasons.push(Reason::Xattr);
        }
    }
    reasons.sort_unstable();
    let action = if differs { Action::Update } else { Action::Attributes };
    Ok((!reasons.is_empty()).then_some(Change { action, kind, reasons }))
}

fn same_time(source: &Facts, target: &Facts) -> bool {
    target.was_modified_at(source.modified)
}

/// In what two objects of one kind differ, as far as their facts tell, as far as they are to be
/// equal, and this user can make them so.
fn differences(options: &CopyOptions, source: &Facts, target: &Facts) -> Vec<Reason> {
    let preserve = &options.preserve;
    let asked = |keep: Keep| keep != Keep::No;
    let has_len = matches!(source.kind, Kind::Regular | Kind::Symlink);
    let is_device = matches!(source.kind, Kind::BlockDevice | Kind::CharDevice);
    let mode_counts = asked(preserve.mode) && source.kind != Kind::Symlink;
    // Who may not give files away keeps those that are there, and can give groups of its own.
    let may_keep_owner = || {
        !file::is_superuser()
            && target.uid == file::effective_uid()
            && (source.gid == target.gid || !file::may_give_group(source.gid))
    };
    let owner_differs = (source.uid, source.gid) != (target.uid, target.gid) && !may_keep_owner();
    let found = [
        (has_len && source.len != target.len, Reason::Size),
        (asked(preserve.timestamps) && !same_time(source, target), Reason::Time),
        (is_device && source.device != target.device, Reason::Device),
        (mode_counts && source.mode != target.mode, Reason::Mode),
        (asked(preserve.ownership) && owner_differs, Reason::Owner),
    ];
    found.into_iter().filter_map(|(differs, reason)| differs.then_some(reason)).collect()
}

/// In which of mode, owner and times two objects differ, as far as these are to be equal and this
/// user can set them.
pub(crate) fn of_attributes(options: &CopyOptions, source: &Facts, target: &Facts) -> Vec<Reason> {
    let mut found = differences(options, source, target);
    found.retain(|reason| !reason.is_of_content());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Preserve;
    use crate::sys::file::Timestamp;

    const EQUAL: Details = Details { content_equal: true, xattr_equal: true };

    fn source() -> Facts {
        facts(1)
    }

    fn target() -> Facts {
        facts(2)
    }

    fn facts(ino: u128) -> Facts {
        Facts { uid: 12_345, gid: 12_345, ..Facts::example(ino) }
    }

    fn options() -> CopyOptions {
        let must = Keep::Must;
        let preserve =
            Preserve { mode: must, ownership: must, timestamps: must, ..Preserve::default() };
        CopyOptions { preserve, ..CopyOptions::default() }
    }

    fn decided(compare: Compare, target: Option<Facts>, details: Details) -> String {
        let decision =
            decide((&options(), compare), &source(), target.as_ref(), || Ok(details)).unwrap();
        decision.map_or_else(|| "nothing".to_owned(), |change| change.to_string())
    }

    #[test]
    fn each_difference_is_named() {
        let later = Timestamp { seconds: 100, nanoseconds: 6 };
        let cases = [
            (None, "create new"),
            (Some(target()), "nothing"),
            (Some(Facts { kind: Kind::Directory, ..target() }), "replace kind"),
            (Some(Facts { len: 11, modified: later, ..target() }), "update size,time"),
            (Some(Facts { modified: later, ..target() }), "update time"),
            (Some(Facts { mode: 0o600, uid: 1, ..target() }), "attributes mode,owner"),
        ];
        for (target, expected) in cases {
            assert_eq!(decided(Compare::Quick, target, EQUAL), expected);
        }
    }

    #[test]
    fn times_are_attributes_where_content_is_compared() {
        let later = Timestamp { seconds: 101, nanoseconds: 5 };
        let at = || Some(Facts { modified: later, ..target() });
        assert_eq!(decided(Compare::Content, at(), EQUAL), "attributes time");
        let unequal = Details { content_equal: false, ..EQUAL };
        assert_eq!(decided(Compare::Content, at(), unequal), "update time,content");
        assert_eq!(decided(Compare::Content, Some(target()), unequal), "update content");
        let other = Details { xattr_equal: false, ..EQUAL };
        assert_eq!(decided(Compare::Quick, Some(target()), other), "attributes xattr");
    }

    #[test]
    fn an_object_equals_itself_unread() {
        let unread = || -> Result<Details> { panic!("it was looked at") };
        let both = (&options(), Compare::Content);
        assert_eq!(decide(both, &source(), Some(&source()), unread).unwrap(), None);
    }
}
