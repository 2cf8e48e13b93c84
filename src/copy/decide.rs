//! Whether and how the target is written: a pure decision from what was asked and what was found.

use super::stage::Publish;
use crate::error::{Cause, Error, Operation, Result};
use crate::options::{
    BackupControl, Content, CopyOptions, Endpoint, Existing, Flush, Keep, Made, Update, Verify,
};
use crate::report::{InPlaceReason, Skip};
use crate::sys::Errno;
use crate::sys::file::{Facts, Kind};
use crate::sys::names::Follow;

/// What was found of a target that exists, as far as the decision needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TargetFacts {
    pub(super) facts: Facts,
    pub(super) name: Name,
}

/// Whether the target has a name that can be given to another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// It can.
    Free,
    /// It can, and is below an operand.
    InTree,
    /// It cannot, for this reason.
    Bound(InPlaceReason),
    /// It is the source's own name, however it was spelled.
    SourcesOwn,
}

/// How the target is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new file gets a name that is free.
    Create,
    /// A new file with the attributes of the old one takes its name.
    Replace,
    /// A new file that has nothing of the old one takes its name.
    Supersede,
    /// The existing object is written into.
    InPlace(InPlaceReason),
    /// Source and target are one file; a backup of it was asked for (`cp --force --backup a a`).
    BackUpOnly,
}

/// Whether a symbolic link that has the target's name is followed.
pub(super) fn follow(options: &CopyOptions) -> Follow {
    if options.existing == Existing::Remove || options.backup.control != BackupControl::None {
        Follow::No
    } else {
        Follow::Yes
    }
}

/// Whether what exists is left alone for its name or its age, before anything else is asked.
///
/// `source` is what the source is, for the comparison of times.
pub(super) fn skip(
    options: &CopyOptions,
    source: impl FnOnce() -> Result<Facts>,
    target: (&Endpoint, Option<&Facts>),
) -> Result<Option<Skip>> {
    let (target_name, target) = target;
    let asks = options.update != Update::All;
    let (Some(facts), true) = (target, asks) else { return Ok(None) };
    // What is not there is not skipped either.
    let source = source()?;
    match options.update {
        Update::All => Ok(None),
        Update::None => Ok(Some(Skip::Exists)),
        Update::NoneFail => Err(Error::new(Operation::Copy, target_name, Cause::Exists)),
        Update::Older => {
            // That they are one file is an error, not a reason to skip it.
            let is_newer = source.modified > facts.modified || source.id == facts.id;
            Ok((!is_newer).then_some(Skip::NotOlder))
        }
    }
}

/// Refuses a target that is a directory.
pub(super) fn refuse_directory(target: (&Endpoint, Option<&Facts>)) -> Result<()> {
    match target {
        (name, Some(facts)) if facts.kind == Kind::Directory => {
            Err(Error::new(Operation::Create, name, Cause::IsDirectory))
        }
        _ => Ok(()),
    }
}

/// Decides what to do.
pub(super) fn decide(
    options: &CopyOptions,
    source: (&Endpoint, &Facts),
    target: (&Endpoint, Option<TargetFacts>),
) -> Result<Step> {
    let (source_name, source) = source;
    let (target_name, target) = target;
    let Some(TargetFacts { facts, name }) = target else {
        return Ok(Step::Create);
    };
    let replaces = follow(options) == Follow::No;
    // Two ends of one terminal or pipe have one identity, and are not one file.
    let is_file = matches!(facts.kind, Kind::Regular | Kind::BlockDevice | Kind::Segment);
    if source.id == facts.id && is_file {
        let backs_up = options.backup.control != BackupControl::None;
        if backs_up && options.existing == Existing::Force && name == Name::SourcesOwn {
            return Ok(Step::BackUpOnly);
        }
        // Another name of the same file can be given to a new one: the source keeps its own.
        let has_another_name = facts.links > 1 && name != Name::SourcesOwn;
        let gives_way = replaces || options.mirror.is_some();
        if !(gives_way && has_another_name) {
            let cause = Cause::SameObject { other: target_name.clone() };
            return Err(Error::new(Operation::Copy, source_name, cause));
        }
    }
    // A symbolic link that was not followed, as none is below an operand; and there nothing is
    // written into a device or a FIFO either, which lead out of the tree as well.
    let leads_out =
        facts.kind == Kind::Symlink || (name == Name::InTree && facts.kind != Kind::Regular);
    // What is to be equal has nothing of what was there.
    let writes_into = options.existing == Existing::InPlace && facts.links == 1;
    let is_mirrored = options.mirror.is_some() && !writes_into;
    if leads_out || is_mirrored || breaks_links(options, &facts) {
        return Ok(Step::Supersede);
    }
    check_medium(options, target_name, &facts)?;
    if replaces {
        return match name {
            Name::Bound(reason) if reason != InPlaceReason::NotRegular => {
                let why = "its name cannot be given to another file";
                Err(Error::new(Operation::Rename, target_name, Cause::Unsupported(why)))
            }
            _ => Ok(Step::Supersede),
        };
    }
    Ok(way(options, &facts, name))
}

/// Whether a target with other names gets them taken away: with hard links kept as in the source,
/// they would be links that the source does not have.
fn breaks_links(options: &CopyOptions, facts: &Facts) -> bool {
    options.preserve.links != Keep::No
        && facts.links > 1
        && !matches!(options.existing, Existing::InPlace)
        && options.content == Content::All
}

/// Decides what to do where a link or a special file is to be made.
///
/// `follow` says whether the source would be followed if it were a symbolic link.
pub(super) fn decide_made(
    options: &CopyOptions,
    follow: Follow,
    source: (&Endpoint, &Facts),
    target: (&Endpoint, Option<TargetFacts>),
) -> Result<Making> {
    let (source_name, source) = source;
    let (target_name, target) = target;
    let Some(TargetFacts { facts, name }) = target else {
        return Ok(Making::Make(Publish::IntoFreeName));
    };
    let backs_up = options.backup.control != BackupControl::None;
    if source.id == facts.id {
        let is_other_name = source.links > 1 && name != Name::SourcesOwn;
        // Another name of a symbolic link is as good as a copy, as cp has it.
        let is_copy = is_other_name && source.kind == Kind::Symlink && !backs_up;
        if options.made == Made::HardLink || is_copy {
            return Ok(Making::Skip(Skip::Linked));
        }
        // It can make way if it keeps another name; the source keeps its own.
        if !(is_other_name && backs_up) {
            let cause = Cause::SameObject { other: target_name.clone() };
            return Err(Error::new(Operation::Copy, source_name, cause));
        }
    }
    let like_source = options.made == Made::Copy && options.content == Content::All;
    // As cp: where links are copied as links, what is no regular file replaces what is there.
    let replaces_any = follow == Follow::No
        && source.kind != Kind::Regular
        && options.content == Content::All
        && options.made != Made::Copy;
    let may_replace = like_source
        || replaces_any
        || breaks_links(options, &facts)
        || matches!(options.existing, Existing::Force | Existing::Remove)
        || backs_up;
    if may_replace {
        Ok(Making::Make(Publish::OverExisting))
    } else {
        let error = std::io::Error::from(Errno::EXIST);
        Err(Error::new(Operation::Link, target_name, error))
    }
}

/// What is to be done where a link or a special file is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Making {
    Skip(Skip),
    Make(Publish),
}

/// Pipes, terminals and sockets can be neither flushed to a disk nor read back.
fn check_medium(options: &CopyOptions, target: &Endpoint, facts: &Facts) -> Result<()> {
    if options.verify != Verify::No && *target == Endpoint::Standard {
        let why = "where it begins is not known";
        return Err(Error::new(Operation::Verify, target, Cause::Unsupported(why)));
    }
    if matches!(facts.kind, Kind::Regular | Kind::BlockDevice) || follow(options) == Follow::No {
        return Ok(());
    }
    if options.flush == Flush::Sync {
        let why = "it is on no disk";
        return Err(Error::new(Operation::Flush, target, Cause::Unsupported(why)));
    }
    if options.verify != Verify::No && facts.kind != Kind::Segment {
        let why = "it cannot be read back";
        return Err(Error::new(Operation::Verify, target, Cause::Unsupported(why)));
    }
    Ok(())
}

fn way(options: &CopyOptions, facts: &Facts, name: Name) -> Step {
    if facts.kind == Kind::Segment {
        Step::InPlace(InPlaceReason::Segment)
    } else if facts.kind != Kind::Regular {
        Step::InPlace(InPlaceReason::NotRegular)
    } else if options.existing == Existing::InPlace {
        Step::InPlace(InPlaceReason::Asked)
    } else if options.content == Content::AttributesOnly {
        Step::InPlace(InPlaceReason::AttributesOnly)
    } else if facts.links > 1 {
        Step::InPlace(InPlaceReason::HardLinks)
    } else if let Name::Bound(reason) = name {
        Step::InPlace(reason)
    } else {
        Step::Replace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(ino: u128) -> Facts {
        Facts::example(ino)
    }

    fn decided(options: &CopyOptions, target: Option<(Facts, Name)>) -> Result<Step> {
        let target = target.map(|(facts, name)| TargetFacts { facts, name });
        let (a, b) = (Endpoint::from("a"), Endpoint::from("b"));
        decide(options, (&a, &facts(1)), (&b, target))
    }

    fn with(change: impl FnOnce(&mut CopyOptions)) -> CopyOptions {
        let mut options = CopyOptions::default();
        change(&mut options);
        options
    }

    #[test]
    fn a_free_name_is_created_and_a_taken_one_replaced() {
        let plain = CopyOptions::default();
        assert_eq!(decided(&plain, None).unwrap(), Step::Create);
        let taken = Some((facts(2), Name::Free));
        assert_eq!(decided(&plain, taken).unwrap(), Step::Replace);
        let removed = with(|o| o.existing = Existing::Remove);
        assert_eq!(decided(&removed, taken).unwrap(), Step::Supersede);
    }

    #[test]
    fn other_names_and_other_kinds_are_written_in_place() {
        let plain = CopyOptions::default();
        let linked = Facts { links: 2, ..facts(2) };
        assert_eq!(
            decided(&plain, Some((linked, Name::Free))).unwrap(),
            Step::InPlace(InPlaceReason::HardLinks)
        );
        let device = Facts { kind: Kind::BlockDevice, ..facts(2) };
        assert_eq!(
            decided(&plain, Some((device, Name::Free))).unwrap(),
            Step::InPlace(InPlaceReason::NotRegular)
        );
    }

    #[test]
    fn one_file_is_never_copied_onto_itself() {
        for existing in [Existing::Replace, Existing::Force, Existing::Remove, Existing::InPlace] {
            for control in [BackupControl::None, BackupControl::Simple, BackupControl::Numbered] {
                let options = with(|o| {
                    o.existing = existing;
                    o.backup.control = control;
                });
                let itself = Some((facts(1), Name::SourcesOwn));
                let asks_for_backup = existing == Existing::Force && control != BackupControl::None;
                match decided(&options, itself) {
                    Err(error) => assert!(matches!(error.cause, Cause::SameObject { .. })),
                    Ok(decision) => {
                        assert!(asks_for_backup, "{existing:?} {control:?}");
                        assert_eq!(decision, Step::BackUpOnly);
                    }
                }
                let only_name = Some((facts(1), Name::Free));
                assert!(decided(&options, only_name).is_err(), "{existing:?} {control:?}");
            }
        }
    }

    #[test]
    fn another_hard_link_of_the_source_can_only_be_superseded() {
        let linked = Some((Facts { links: 2, ..facts(1) }, Name::Free));
        assert!(decided(&CopyOptions::default(), linked).is_err());
        let removed = with(|o| o.existing = Existing::Remove);
        assert_eq!(decided(&removed, linked).unwrap(), Step::Supersede);
    }

    #[test]
    fn updates_compare_times_and_names() {
        let skipped = |update, target: Facts| {
            let options = with(|o| o.update = update);
            skip(&options, || Ok(facts(1)), (&Endpoint::from("b"), Some(&target)))
        };
        assert_eq!(skipped(Update::None, facts(2)).unwrap(), Some(Skip::Exists));
        assert_eq!(skipped(Update::Older, facts(2)).unwrap(), Some(Skip::NotOlder));
        assert_eq!(skipped(Update::Older, facts(1)).unwrap(), None, "it is the source");
        assert!(skipped(Update::NoneFail, facts(2)).is_err());
        let mut older = facts(2);
        older.modified.seconds = 99;
        assert_eq!(skipped(Update::Older, older).unwrap(), None);
    }
}
