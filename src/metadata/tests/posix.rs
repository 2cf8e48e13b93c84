//! What only POSIX attributes have: permission bits, owners, ACLs and capabilities as Linux keeps
//! them.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::metadata::plan::NewFileMode;
use crate::sys::attributes::identity::{as_root_without_chown, as_user};
use crate::sys::attributes::{names, set_owner, set_value, value};

mod differential;

/// An ordinary user that need not exist.
const USER: u32 = 1000;
/// A group that need not exist.
const GROUP: u32 = 1500;

/// Owner rwx, user 77 rw, owning group r, mask rw, others nothing.
const RICH_ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 6, 0, 77, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255,
    255, 16, 0, 6, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];
/// Owner rwx, owning group r-x, others nothing: what permission bits can say.
const MINIMAL_ACL: [u8; 28] = [
    2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255,
    255, 255, 255,
];
/// `cap_net_raw+ep`.
const NET_RAW: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const DEFAULT_ACL: &CStr = c"system.posix_acl_default";

/// A directory that everybody may write to.
fn open_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_mode(&File::open(directory.path()).unwrap(), 0o777).unwrap();
    directory
}

fn mode_of(file: &File) -> u32 {
    Attributes::of(file).unwrap().mode
}

#[test]
fn a_replaced_files_mode_acl_and_attributes_go_over_and_its_privileges_do_not() {
    let directory = open_directory();
    let old = file_at(directory.path().join("old"), 0o640);
    set_value(&old, c"user.a", b"1").unwrap();
    set_value(&old, attributes::ACL, &RICH_ACL).unwrap();
    set_mode(&old, 0o6770).unwrap();
    let new = file_at(directory.path().join("new"), 0o600);
    keep_of_replaced(&old, &new, &KEEP_NOTHING).unwrap();
    assert_eq!(mode_of(&new), 0o770);
    assert_eq!(value(&new, c"user.a").unwrap().unwrap(), b"1");
    assert_eq!(value(&new, attributes::ACL).unwrap(), value(&old, attributes::ACL).unwrap());
}

#[test]
fn setgid_without_group_execution_is_no_privilege() {
    let directory = open_directory();
    let old = file_at(directory.path().join("old"), 0o2640);
    let new = file_at(directory.path().join("new"), 0o600);
    keep_of_replaced(&old, &new, &KEEP_NOTHING).unwrap();
    assert_eq!(mode_of(&new), 0o2640);
}

#[test]
fn an_acl_that_only_the_directory_gave_to_the_new_file_is_removed() {
    let directory = open_directory();
    let old = file_at(directory.path().join("old"), 0o640);
    set_value(&File::open(directory.path()).unwrap(), DEFAULT_ACL, &RICH_ACL).unwrap();
    let new = file_at(directory.path().join("new"), 0o600);
    assert!(names(&new).unwrap().contains(attributes::ACL));
    keep_of_replaced(&old, &new, &KEEP_NOTHING).unwrap();
    assert!(!names(&new).unwrap().contains(attributes::ACL));
    assert_eq!(mode_of(&new), 0o640);
}

#[test]
fn a_file_whose_mode_the_source_decides_stays_private_until_then() {
    let directory = open_directory();
    let old = file_at(directory.path().join("old"), 0o644);
    let new = file_at(directory.path().join("new"), 0o600);
    let preserve = Preserve { mode: Keep::Must, ..KEEP_NOTHING };
    keep_of_replaced(&old, &new, &preserve).unwrap();
    assert_eq!(mode_of(&new), 0o600);
}

#[test]
#[ignore = "needs root"]
fn capabilities_and_signatures_of_the_old_content_do_not_go_over() {
    let directory = open_directory();
    let old = file_at(directory.path().join("old"), 0o755);
    set_value(&old, attributes::CAPABILITY, &NET_RAW).unwrap();
    set_value(&old, c"security.ima", b"signature").unwrap();
    set_value(&old, c"security.selinux", b"label").unwrap();
    set_value(&old, c"trusted.t", b"2").unwrap();
    let new = file_at(directory.path().join("new"), 0o600);
    keep_of_replaced(&old, &new, &KEEP_NOTHING).unwrap();
    let names = names(&new).unwrap();
    assert!(!names.contains(attributes::CAPABILITY) && !names.contains(c"security.ima"));
    assert_eq!(value(&new, c"security.selinux").unwrap().unwrap(), b"label");
    assert_eq!(value(&new, c"trusted.t").unwrap().unwrap(), b"2");
}

#[test]
#[ignore = "needs root"]
fn a_foreign_file_cannot_be_kept_by_an_ordinary_user() {
    let directory = open_directory();
    let root = directory.path();
    drop(file_at(root.join("owner"), 0o666));
    set_owner(&file_at(root.join("group"), 0o666), Some(USER), Some(GROUP)).unwrap();
    let keep = |name: &str, groups: &[u32]| {
        as_user(USER, USER, groups, || {
            let old = File::options().read(true).write(true).open(root.join(name)).unwrap();
            let new = file_at(root.join(format!("new-{name}-{}", groups.len())), 0o600);
            keep_of_replaced(&old, &new, &KEEP_NOTHING)
        })
    };
    assert!(matches!(keep("owner", &[]), Err(Unkeepable::Owner(_))));
    assert!(matches!(keep("group", &[]), Err(Unkeepable::Owner(_))));
    keep("group", &[GROUP]).unwrap();
}

#[test]
#[ignore = "needs root"]
fn attributes_that_only_root_may_set_cannot_be_kept_by_an_ordinary_user() {
    let directory = open_directory();
    let root = directory.path();
    let old = file_at(root.join("old"), 0o666);
    set_owner(&old, Some(USER), Some(USER)).unwrap();
    set_value(&old, c"security.other", b"1").unwrap();
    let kept = as_user(USER, USER, &[], || {
        let new = file_at(root.join("new"), 0o600);
        keep_of_replaced(&old, &new, &KEEP_NOTHING)
    });
    let Err(Unkeepable::Attributes(error)) = kept else { panic!("{kept:?}") };
    assert_eq!(error.to_string(), "'security.other'");
}

#[test]
fn an_owner_may_strip_its_file_before_it_is_written_in_place() {
    let directory = open_directory();
    let endpoint = Endpoint::from("f");
    for (before, after) in [(0o6755, 0o755), (0o2640, 0o2640), (0o1755, 0o1755), (0o4640, 0o640)] {
        let file = file_at(directory.path().join(format!("{before:o}")), before);
        drop_privileged_bits(named(&file, &endpoint)).unwrap();
        assert_eq!(mode_of(&file), after, "{before:o}");
    }
}

/// `fchmod` and `fremovexattr` are denied to who is not the owner; `write` would have stripped
/// the file for anybody.
#[test]
#[ignore = "needs root"]
fn who_may_write_to_a_foreign_file_strips_it_as_write_would() {
    let directory = open_directory();
    let path = directory.path().join("f");
    let endpoint = Endpoint::from("f");
    let file = file_at(path.clone(), 0o600);
    file.set_len(12_345).unwrap();
    for user in [0, USER] {
        set_value(&file, attributes::CAPABILITY, &NET_RAW).unwrap();
        set_mode(&file, 0o6777).unwrap();
        as_user(user, user, &[], || {
            let file = File::options().write(true).open(&path).unwrap();
            drop_privileged_bits(named(&file, &endpoint)).unwrap();
        });
        assert_eq!(mode_of(&file), 0o777, "as {user}");
        assert!(!names(&file).unwrap().contains(attributes::CAPABILITY), "as {user}");
        assert_eq!(file.metadata().unwrap().len(), 12_345);
    }
}

/// Runs `action` as an ordinary user, whoever runs the tests.
fn as_ordinary_user<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    if crate::sys::file::is_superuser() { as_user(USER, USER, &[], action) } else { action() }
}

#[test]
fn user_attributes_reach_a_target_that_its_owner_may_not_write() {
    let directory = open_directory();
    let endpoint = Endpoint::from("f");
    let preserve = Preserve { xattr: Keep::Must, ..KEEP_NOTHING };
    as_ordinary_user(|| {
        let source = file_at(directory.path().join("source"), 0o644);
        set_value(&source, c"user.a", b"1").unwrap();
        let target = file_at(directory.path().join("target"), 0o444);
        let facts = Attributes::of(&source).unwrap();
        apply_preserved(
            named(&source, &endpoint),
            &facts,
            named(&target, &endpoint),
            &preserve,
            ModeAtEnd::AsItIs,
            &mut Losses::default(),
        )
        .unwrap();
        assert_eq!(value(&target, c"user.a").unwrap().unwrap(), b"1");
        assert_eq!(mode_of(&target), 0o444);
    });
}

/// cp 9.1: "failed to preserve ownership for 't': Operation not permitted", exit status 1.
#[test]
#[ignore = "needs root"]
fn to_root_an_owner_that_cannot_be_set_is_a_failure() {
    let directory = open_directory();
    let endpoint = Endpoint::from("t");
    let source = file_at(directory.path().join("source"), 0o600);
    set_owner(&source, Some(USER), Some(USER)).unwrap();
    set_mode(&source, 0o4755).unwrap();
    let facts = Attributes::of(&source).unwrap();
    let target = file_at(directory.path().join("target"), 0o666);
    let attempt = |ownership| {
        let preserve = Preserve { mode: Keep::Must, ownership, ..KEEP_NOTHING };
        as_root_without_chown(|| {
            apply_preserved(
                named(&source, &endpoint),
                &facts,
                named(&target, &endpoint),
                &preserve,
                ModeAtEnd::AsItIs,
                &mut Losses::default(),
            )
        })
    };
    let error = attempt(Keep::Must).unwrap_err();
    assert_eq!(chain(&error), "cannot set the owner of 't': Operation not permitted (os error 1)");
    assert_eq!(mode_of(&target), 0o600, "as with cp, it is left private");
    attempt(Keep::Try).unwrap();
    assert_eq!(mode_of(&target), 0o755, "without its owner it is not setuid");
}

#[test]
fn nothing_is_asked_of_a_copy_that_preserves_nothing() {
    let directory = open_directory();
    let endpoint = Endpoint::from("t");
    let source = file_at(directory.path().join("source"), 0o4755);
    let facts = Attributes::of(&source).unwrap();
    let mode = new_file_mode(&facts, &KEEP_NOTHING);
    assert_eq!(mode, NewFileMode { at_open: 0o755, at_end: ModeAtEnd::AsItIs });
    // Whatever is set on a file of /proc fails.
    let target = File::open("/proc/self/status").unwrap();
    apply_preserved(
        named(&source, &endpoint),
        &facts,
        named(&target, &endpoint),
        &KEEP_NOTHING,
        mode.at_end,
        &mut Losses::default(),
    )
    .unwrap();
    stamp_times(&facts, named(&target, &endpoint), Keep::No, &mut Losses::default()).unwrap();
}

/// The group bits of a file with an ACL are its mask. A copy that cannot have the ACL must not
/// give them to the owning group.
#[test]
#[ignore = "needs root, to mount a file system without ACLs"]
fn without_its_acl_a_copy_is_narrower_and_the_copy_fails() {
    let directory = open_directory();
    let mount = directory.path().join("ramfs");
    fs::create_dir(&mount).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let status = std::process::Command::new(program).args(arguments).arg(&mount).status();
        assert!(status.unwrap().success(), "{program}");
    };
    run("mount", &["-t", "ramfs", "ramfs"]);
    let endpoint = Endpoint::from("t");
    let source = file_at(directory.path().join("source"), 0o600);
    set_value(&source, attributes::ACL, &RICH_ACL).unwrap();
    let facts = Attributes::of(&source).unwrap();
    let attempt = |name: &str, mode| {
        let target = file_at(mount.join(name), 0o600);
        let preserve = Preserve { mode, ..KEEP_NOTHING };
        let outcome = apply_preserved(
            named(&source, &endpoint),
            &facts,
            named(&target, &endpoint),
            &preserve,
            ModeAtEnd::AsItIs,
            &mut Losses::default(),
        );
        (outcome.map_err(|error| chain(&error)), mode_of(&target))
    };
    let (must, tried) = (attempt("must", Keep::Must), attempt("try", Keep::Try));
    run("umount", &[]);
    assert_eq!(facts.mode, 0o760);
    assert_eq!(tried, (Ok(()), 0o740));
    let error = "cannot set the permissions of 't': 'system.posix_acl_access': \
                 Operation not supported (os error 95)";
    assert_eq!(must, (Err(error.to_owned()), 0o740));
}
