//! The same copy by GNU cp and by a small copier that calls this module must leave the same
//! attributes and succeed or fail alike.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use super::*;
use crate::sys::attributes::set_times;
use crate::sys::file::Timestamp;

const MUST: Keep = Keep::Must;
const POSIX: Preserve = Preserve { mode: MUST, ownership: MUST, timestamps: MUST, ..KEEP_NOTHING };

/// Options of cp, and what they mean.
const OPTIONS: [(&str, Preserve); 8] = [
    ("--preserve=timestamps", Preserve { timestamps: MUST, ..KEEP_NOTHING }),
    ("--preserve=mode", Preserve { mode: MUST, ..KEEP_NOTHING }),
    ("--preserve=ownership", Preserve { ownership: MUST, ..KEEP_NOTHING }),
    ("--preserve=xattr", Preserve { xattr: MUST, ..KEEP_NOTHING }),
    ("--no-preserve=mode", Preserve { default_mode: true, ..KEEP_NOTHING }),
    ("--no-preserve=all", Preserve { default_mode: true, ..KEEP_NOTHING }),
    ("-p", POSIX),
    ("-a", Preserve { xattr: Keep::Try, context: Keep::Try, ..POSIX }),
];

const MODES: [u32; 8] = [0o644, 0o600, 0o777, 0o444, 0o4755, 0o6711, 0o2745, 0o1777];

/// Moments long ago, so that neither can come from the copying.
const ACCESSED: Timestamp = Timestamp { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
const MODIFIED: Timestamp = Timestamp { seconds: 900_000_000, nanoseconds: 987_654_321 };

/// Who copies.
#[derive(Clone, Copy, Debug)]
enum Who {
    Caller,
    User,
    Member,
}

impl Who {
    fn run<T: Send>(self, action: impl FnOnce() -> T + Send) -> T {
        match self {
            Self::Caller => action(),
            Self::User => as_user(USER, USER, &[], action),
            Self::Member => as_user(USER, USER, &[GROUP], action),
        }
    }
}

/// All that is to be equal.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    succeeded: bool,
    mode: String,
    owners: (u32, u32),
    times: Option<(Timestamp, Timestamp)>,
    xattrs: BTreeMap<CString, Vec<u8>>,
}

fn look(target: &Path, preserve: &Preserve, succeeded: bool) -> Found {
    let file = File::open(target).unwrap();
    let attributes = Attributes::of(&file).unwrap();
    let xattrs = names(&file).unwrap();
    Found {
        succeeded,
        mode: format!("{:04o}", attributes.mode),
        owners: owners(&attributes),
        times: (succeeded && preserve.timestamps != Keep::No)
            .then_some((attributes.accessed, attributes.modified)),
        xattrs: xattrs
            .iter()
            .map(|name| (name.to_owned(), value(&file, name).unwrap().unwrap()))
            .collect(),
    }
}

/// What a copier does around the bytes, replacing by a new file where that can be.
fn copy(source: &Path, target: &Path, preserve: &Preserve) -> Result<()> {
    let source_endpoint = Endpoint::from(source);
    let target_endpoint = Endpoint::from(target);
    let from = File::open(source).context(Operation::Open, &source_endpoint)?;
    let facts = Attributes::of(&from).context(Operation::Stat, &source_endpoint)?;
    let source = Named { file: &from, endpoint: &source_endpoint };
    let create = |path: &Path, mode| {
        File::options().read(true).write(true).create_new(true).mode(mode).open(path)
    };
    let finish = |file: &File, at_end| {
        let named = Named { file, endpoint: &target_endpoint };
        io::copy(&mut &*source.file, &mut &*file).context(Operation::Write, &target_endpoint)?;
        apply_preserved(source, &facts, named, preserve, at_end, &mut Losses::default())?;
        stamp_times(&facts, named, preserve.timestamps, &mut Losses::default())
    };
    match File::options().write(true).open(target) {
        Ok(old) => {
            let staged = target.with_extension("new");
            let new = create(&staged, 0o600).context(Operation::Create, &target_endpoint)?;
            if keep_of_replaced(&old, &new, preserve).is_ok() {
                finish(&new, ModeAtEnd::AsItIs)?;
                fs::rename(&staged, target).context(Operation::Rename, &target_endpoint)
            } else {
                fs::remove_file(&staged).context(Operation::Remove, &target_endpoint)?;
                drop_privileged_bits(Named { file: &old, endpoint: &target_endpoint })?;
                old.set_len(0).context(Operation::SetLen, &target_endpoint)?;
                finish(&old, ModeAtEnd::AsItIs)
            }
        }
        Err(_) => {
            let mode = new_file_mode(&facts, preserve);
            let new = create(target, mode.at_open).context(Operation::Create, &target_endpoint)?;
            finish(&new, mode.at_end)
        }
    }
}

/// Prepares two equal directories, copies `source` to `into/target` in each, compares.
fn compare(
    what: &str,
    who: Who,
    (option, preserve): (&str, Preserve),
    prepare: impl Fn(&Path) -> File,
) {
    let found: Vec<Found> = ["theirs", "ours"]
        .into_iter()
        .map(|side| {
            let directory = open_directory();
            let root = directory.path();
            fs::create_dir(root.join("into")).unwrap();
            set_mode(&File::open(root.join("into")).unwrap(), 0o777).unwrap();
            let source = prepare(root);
            set_times(&source, ACCESSED, MODIFIED).unwrap();
            let (source, target) = (root.join("source"), root.join("into/target"));
            let succeeded = who.run(|| {
                if side == "ours" {
                    return copy(&source, &target, &preserve).is_ok();
                }
                let mut cp = Command::new("cp");
                cp.args([option, "--"]).args([&source, &target]).stderr(Stdio::null());
                cp.status().unwrap().success()
            });
            look(&target, &preserve, succeeded)
        })
        .collect();
    assert_eq!(found[0], found[1], "left cp, right mycp: {what}, {who:?}, {option}");
}

/// A source with the mode, of this owner and group.
fn source_of(root: &Path, mode: u32, owner: Option<(u32, u32)>) -> File {
    let file = file_at(root.join("source"), 0o600);
    fs::write(root.join("source"), "new content").unwrap();
    if let Some((uid, gid)) = owner {
        set_owner(&file, Some(uid), Some(gid)).unwrap();
    }
    set_mode(&file, mode).unwrap();
    file
}

/// What a directory does to the files that are made in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directory {
    Plain,
    Setgid,
    DefaultAcl,
    MinimalDefaultAcl,
}

impl Directory {
    fn make(self, root: &Path) {
        let directory = File::open(root.join("into")).unwrap();
        match self {
            Self::Plain => {}
            Self::Setgid => {
                set_owner(&directory, None, Some(GROUP)).unwrap();
                set_mode(&directory, 0o2777).unwrap();
            }
            Self::DefaultAcl => set_value(&directory, DEFAULT_ACL, &RICH_ACL).unwrap(),
            Self::MinimalDefaultAcl => set_value(&directory, DEFAULT_ACL, &MINIMAL_ACL).unwrap(),
        }
    }
}

/// Where mycp does better on purpose: what the default ACL denies stays denied. cp 9.1 removes an
/// inherited ACL for `--no-preserve=mode` ([`new_file_mode`]), and widens the mode past it when
/// it had to make a file writable for `user.*` attributes.
fn differs_on_purpose(directory: Directory, mode: u32, preserve: &Preserve) -> bool {
    let default_acl = matches!(directory, Directory::DefaultAcl | Directory::MinimalDefaultAcl);
    let made_writable = mode & 0o200 == 0 && preserve.xattr != Keep::No;
    default_acl && (preserve.default_mode || made_writable)
}

#[test]
fn a_new_target_is_as_cp_makes_it() {
    for option in OPTIONS {
        for mode in MODES {
            for directory in [Directory::Plain, Directory::DefaultAcl] {
                if !differs_on_purpose(directory, mode, &option.1) {
                    compare(&format!("{directory:?} {mode:o}"), Who::Caller, option, |root| {
                        directory.make(root);
                        source_of(root, mode, None)
                    });
                }
            }
        }
    }
}

#[test]
#[ignore = "needs root"]
fn a_new_target_is_as_cp_makes_it_whoever_owns_the_source() {
    for option in OPTIONS {
        for mode in MODES.into_iter().filter(|mode| mode & 0o004 != 0) {
            for directory in [Directory::Plain, Directory::Setgid, Directory::MinimalDefaultAcl] {
                for who in [Who::Caller, Who::User, Who::Member] {
                    for owner in [(USER, USER), (0, 0), (0, GROUP), (USER, GROUP)] {
                        if differs_on_purpose(directory, mode, &option.1) {
                            continue;
                        }
                        let what = format!("{directory:?} {mode:o} {owner:?}");
                        compare(&what, who, option, |root| {
                            directory.make(root);
                            source_of(root, mode, Some(owner))
                        });
                    }
                }
            }
        }
    }
}

/// A source with an ACL and attributes, some of which only root may set.
fn rich_source(root: &Path, mode: u32, owner: Option<(u32, u32)>, root_only: &[&CStr]) -> File {
    let file = source_of(root, 0o600, owner);
    set_value(&file, c"user.from-source", b"source").unwrap();
    set_value(&file, c"user.both", b"source").unwrap();
    set_value(&file, c"user.empty", b"").unwrap();
    for &name in root_only {
        let value = if name == attributes::CAPABILITY { NET_RAW.as_slice() } else { b"1" };
        set_value(&file, name, value).unwrap();
    }
    set_value(&file, attributes::ACL, &RICH_ACL).unwrap();
    set_mode(&file, mode).unwrap();
    file
}

/// An existing target with an ACL and attributes.
fn rich_target(root: &Path, mode: u32, owner: Option<(u32, u32)>) {
    let file = file_at(root.join("into/target"), 0o600);
    if let Some((uid, gid)) = owner {
        set_owner(&file, Some(uid), Some(gid)).unwrap();
    }
    set_value(&file, c"user.from-target", b"target").unwrap();
    set_value(&file, c"user.both", b"target").unwrap();
    set_value(&file, attributes::ACL, &RICH_ACL).unwrap();
    set_mode(&file, mode).unwrap();
}

#[test]
fn an_overwritten_target_keeps_and_gets_what_it_does_with_cp() {
    for option in OPTIONS {
        for mode in [0o640, 0o666, 0o2640, 0o1755] {
            if mode & 0o7000 != 0 && option.1.mode != Keep::No {
                // cp 9.1 sets the ACL and not the mode where the source has no such bit, which
                // leaves those of the target.
                continue;
            }
            compare(&format!("rich to plain {mode:o}"), Who::Caller, option, |root| {
                drop(file_at(root.join("into/target"), mode));
                rich_source(root, 0o4755, None, &[])
            });
            compare(&format!("plain to rich {mode:o}"), Who::Caller, option, |root| {
                rich_target(root, mode, None);
                source_of(root, 0o604, None)
            });
            compare(&format!("rich to rich {mode:o}"), Who::Caller, option, |root| {
                rich_target(root, mode, None);
                rich_source(root, 0o640, None, &[])
            });
        }
    }
}

#[test]
fn a_rich_source_makes_the_new_target_that_cp_makes() {
    for option in OPTIONS {
        for mode in [0o640, 0o444, 0o6755] {
            compare(&format!("{mode:o}"), Who::Caller, option, |root| {
                rich_source(root, mode, None, &[])
            });
        }
    }
}

const ROOT_ONLY: [&CStr; 5] =
    [attributes::CAPABILITY, c"security.other", c"security.ima", c"security.evm", c"trusted.t"];

#[test]
#[ignore = "needs root"]
fn attributes_of_root_are_copied_or_refused_as_by_cp() {
    for option in OPTIONS {
        for who in [Who::Caller, Who::User] {
            for owner in [(USER, USER), (0, 0)] {
                compare(&format!("new {owner:?}"), who, option, |root| {
                    rich_source(root, 0o4755, Some(owner), &ROOT_ONLY)
                });
                let failing = matches!(who, Who::User) && option.0 == "--preserve=xattr";
                if failing {
                    // cp fails with the content replaced, mycp with the target as it was.
                    continue;
                }
                compare(&format!("over {owner:?}"), who, option, |root| {
                    rich_target(root, 0o640, Some((USER, USER)));
                    rich_source(root, 0o4755, Some(owner), &ROOT_ONLY)
                });
            }
        }
    }
}

#[test]
#[ignore = "needs root"]
fn an_overwritten_target_has_the_owner_that_cp_leaves() {
    for option in OPTIONS {
        for who in [Who::Caller, Who::User, Who::Member] {
            for owner in [(USER, USER), (0, 0), (USER, GROUP), (0, GROUP)] {
                for source_owner in [(USER, USER), (0, GROUP)] {
                    let what = format!("{source_owner:?} over {owner:?}");
                    compare(&what, who, option, |root| {
                        rich_target(root, 0o666, Some(owner));
                        source_of(root, 0o4755, Some(source_owner))
                    });
                }
            }
        }
    }
}

#[test]
#[ignore = "needs root"]
fn a_label_is_copied_by_a_as_by_cp() {
    let option = OPTIONS.into_iter().find(|option| option.0 == "-a").unwrap();
    compare("label", Who::Caller, option, |root| {
        rich_source(root, 0o644, None, &[c"security.selinux"])
    });
}
