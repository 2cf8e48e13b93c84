//! Where mycp differs from GNU cp on purpose, and why. Nothing else may.

use super::case::Who;
use super::compare::{Difference, Field};
use super::situation::{
    Situation, is_second_copy, keeps_link, plain_lines, replaces_link, shares_inode,
};
use super::snapshot::Seen;
use super::world::{Entry, Kind, name, parent};

/// One kind of difference.
pub(crate) struct Row {
    /// What mycp does, and why.
    pub(crate) reason: &'static str,
    /// A case that shows it, as [`Case::of`] takes it.
    pub(crate) example: &'static str,
    /// Whether a difference is of this kind.
    pub(crate) explains: fn(&Situation<'_>, &Difference) -> bool,
}

const SETUID_SETGID: u32 = 0o6000;
const STICKY: u32 = 0o1000;

/// All of them.
pub(crate) const TABLE: &[Row] = &[
    Row {
        reason: "a replaced file is a new one, which its directory's time shows",
        example: "f a; d t; f t/a; cp a t",
        explains: |situation, difference| {
            let entries = situation.case.world.entries.iter();
            let files =
                entries.filter(|entry| matches!(entry.kind, Kind::File(_) | Kind::HardLink(_)));
            let mut files = files.map(|entry| entry.path.as_slice());
            // One operand's copy may be replaced by another's.
            let made = situation.ours.snapshot.keys().map(Vec::as_slice);
            let mut made = made.filter(|_| situation.case.sources.len() > 1);
            let is_inside = |path: &[u8]| parent(path) == difference.path;
            let had_a_file = files.any(is_inside) || made.any(is_inside);
            difference.field == Field::Modified && difference.ours == "now" && had_a_file
        },
    },
    Row {
        reason: "below an operand a file replaces a symbolic link; cp writes through it, or does \
                 not where it dangles",
        example: "d s; f s/a; d t; d t/s; l t/s/a nowhere; cp -r s t",
        explains: replaces_link,
    },
    Row {
        reason: "below an operand a link is not written through where it may not be replaced",
        example: "d s; f s/a; f b; d t; d t/s; owner t/s 0; l t/s/a ../../b; by nobody; \
                  cp -r -T s t/s",
        explains: keeps_link,
    },
    Row {
        reason: "below an operand a file replaces a FIFO, a socket or a device; cp writes into it, \
                 or fails",
        example: "d s; f s/a; d t; d t/s; socket t/s/a; cp -r s t",
        explains: |situation, difference| {
            let replaced = |path: &[u8]| {
                let was = situation.case.world.get(path).map(|was| &was.kind);
                let ours = situation.ours.snapshot.get(path);
                was.is_some_and(|was| !matches!(was, Kind::File(_) | Kind::SymbolicLink(_)))
                    && ours.is_some_and(|ours| ours.kind == "file")
            };
            let mut entries = situation.case.world.entries.iter();
            situation.case.recurses()
                && match difference.field {
                    Field::Status | Field::Errors => {
                        situation.cp_says_only(": cannot create regular file ")
                            && entries.any(|entry| replaced(&entry.path))
                    }
                    Field::Modified if !replaced(&difference.path) => entries.any(|entry| {
                        parent(&entry.path) == difference.path && replaced(&entry.path)
                    }),
                    // Other names of it have lost one.
                    Field::Links | Field::Names => entries.any(|entry| replaced(&entry.path)),
                    _ => replaced(&difference.path),
                }
        },
    },
    Row {
        reason: "other content under a name does not stay setuid or setgid",
        example: "f a; d t; f t/a 4755; cp a t",
        explains: |situation, difference| {
            let Some((gnu, ours)) = situation.both(difference) else { return false };
            // The inode may have got the name in this run.
            let names = situation.gnu.snapshot.iter();
            let mut names = names.filter(|(_, seen)| seen.first_name == gnu.first_name);
            let was = |path: &[u8]| situation.case.world.inode(path);
            names.any(|(path, _)| was(path).is_some_and(|was| was.mode & SETUID_SETGID != 0))
                && difference.field == Field::Mode
                && gnu.kind == "file"
                && gnu.mode & !SETUID_SETGID == ours.mode & !SETUID_SETGID
                && ours.mode & SETUID_SETGID == 0
        },
    },
    Row {
        reason: "--preserve=mode and --no-preserve=mode give exactly that mode; cp 9.1 sets an ACL \
                 instead, which leaves setuid, setgid and sticky bits that are there",
        example: "f a; d t; f t/a 1644; cp --preserve=mode a t",
        explains: |situation, difference| {
            let Some((gnu, ours)) = situation.both(difference) else { return false };
            let special = STICKY | SETUID_SETGID;
            situation.case.has("pa", "preserve") | situation.case.has("", "no-preserve")
                && difference.field == Field::Mode
                && gnu.mode & !special == ours.mode & !special
                && gnu.mode & ours.mode & special == ours.mode & special
        },
    },
    Row {
        reason: "a default ACL that a directory hands down is obeyed as by any other program: \
                 --no-preserve=mode does not undo it, and the umask does not count",
        example: "f a; d t; default t 640; cp --no-preserve=mode a t",
        explains: |situation, difference| {
            let Some((gnu, ours)) = situation.both(difference) else { return false };
            let above = situation.ours.snapshot.get(parent(&difference.path));
            let has_default =
                |seen: &Seen| seen.attributes.contains_key("system.posix_acl_default");
            above.is_some_and(has_default)
                && matches!(difference.field, Field::Mode | Field::Attributes)
                && (situation.case.has("pa", "preserve")
                    || situation.case.has("", "no-preserve")
                    || (gnu.mode ^ ours.mode) & !0o022 == 0)
        },
    },
    Row {
        reason: "a new directory that cannot be copied has no right that the source has not",
        example: "d s 311; attribute s user.x; by nobody; cp -r --preserve=xattr s t",
        explains: |situation, difference| {
            let Some((gnu, ours)) = situation.both(difference) else { return false };
            difference.field == Field::Mode
                && situation.was(difference).is_none()
                && gnu.kind == "directory"
                && situation.gnu.status != "exit status: 0"
                && gnu.mode == ours.mode | 0o700
        },
    },
    Row {
        reason: "a replaced file loses attributes that only root could see",
        example: "f a; d t; f t/a; attribute t/a trusted.t; by nobody; cp a t",
        explains: |situation, difference| {
            let Some((gnu, ours)) = situation.both(difference) else { return false };
            let mut visible = gnu.attributes.clone();
            visible.retain(|name, _| !name.starts_with("trusted."));
            difference.field == Field::Attributes
                && situation.case.who == Who::Nobody
                && situation.was(difference).is_some_and(|was| matches!(was.kind, Kind::File(_)))
                && visible == ours.attributes
        },
    },
    Row {
        reason: "a device or FIFO that is written to keeps its own attributes",
        example: "f a 600; d t; fifo t/a; cp --preserve=mode a t",
        explains: |situation, difference| {
            let was = situation.was(difference).map(|was| &was.kind);
            matches!(was, Some(Kind::Null | Kind::Fifo))
                && matches!(
                    difference.field,
                    Field::Mode
                        | Field::Owner
                        | Field::Group
                        | Field::Modified
                        | Field::Accessed
                        | Field::Attributes
                )
        },
    },
    Row {
        reason: "attributes that -a cannot keep are told of, once for each kind",
        example: "f a; attribute a security.capability; by nobody; cp -a a t",
        explains: |situation, difference| {
            let told = |line: &str| {
                line.starts_with("mycp: warning: ") && line.contains(" could not be given ")
            };
            difference.field == Field::Errors
                && situation.case.has("a", "archive")
                && difference.gnu.is_empty()
                && difference.ours.lines().all(told)
        },
    },
    Row {
        reason: "where a copy fails its target is as it was; cp has removed it, cut it, changed \
                 its attributes, or moved it to its backup's name and back",
        example: "socket a; d t; f t/a; cp --remove-destination a t",
        explains: |situation, difference| {
            situation.both_fail()
                && (situation.is_untouched(difference) || situation.is_first_of_several(difference))
                && match difference.field {
                    // Something else may have been made there then.
                    _ if situation.both(difference).is_some_and(|(a, b)| a.kind != b.kind) => true,
                    Field::Modified | Field::Accessed => difference.gnu == "now",
                    Field::Presence => difference.gnu == "nothing",
                    Field::Content | Field::Allocation => true,
                    Field::Mode | Field::Owner | Field::Group | Field::Attributes => {
                        situation.mycp_names(&difference.path)
                    }
                    Field::Links | Field::Names => {
                        situation.gives_way_to_directory(&difference.path)
                            || situation.other_names(difference).any(|path| {
                                situation.case.world.get(path).is_some()
                                    && situation.only_with_mycp(path)
                            })
                    }
                    _ => false,
                }
        },
    },
    Row {
        reason: "a new file that fails is not left half done",
        example: "f a; attribute a security.capability; by nobody; cp --preserve=xattr a t",
        explains: |situation, difference| {
            situation.both_fail()
                && match difference.field {
                    Field::Presence => {
                        situation.was(difference).is_none()
                            && situation.only_with_cp(&difference.path)
                            && situation.mycp_names(&difference.path)
                    }
                    _ => {
                        !situation.case.recurses()
                            && situation.follows_from(difference, Situation::only_with_cp)
                    }
                }
        },
    },
    Row {
        reason: "user attributes of a read-only directory are kept",
        example: "d s; attribute s user.x; d t; d t/s 555; by nobody; cp -r --preserve=xattr s t",
        explains: |situation, difference| {
            let words = ": setting attribute 'user.";
            match difference.field {
                Field::Status | Field::Errors => situation.cp_says_only(words),
                Field::Attributes => situation
                    .was(difference)
                    .is_some_and(|was| was.is_directory() && was.mode & 0o200 == 0),
                _ => false,
            }
        },
    },
    Row {
        reason: "a source of -s that is named again, after it failed, is linked to",
        example: "d s; f s/a; d t; cp -s s/a /W/s/a t",
        explains: |situation, difference| {
            let made = |path: &[u8]| {
                let ours = situation.ours.snapshot.get(path);
                ours.is_some_and(|seen| seen.kind == "symbolic link")
            };
            situation.gnu.errors.contains(": warning: source file ")
                && situation.case.has("s", "symbolic-link")
                && (made(&difference.path)
                    || situation.follows_from(difference, Situation::only_with_mycp))
        },
    },
    Row {
        reason: "a directory that would be copied into itself is refused before anything is made, \
                 and the rest is copied",
        example: "d s; cp -r s s",
        explains: |situation, difference| {
            situation.ours.errors.contains(" into itself")
                && situation.both_fail()
                && (difference.field == Field::Output
                    || difference.field == Field::Presence
                    || situation.follows_from(difference, Situation::only_with_cp)
                    || situation.follows_from(difference, Situation::only_with_mycp)
                    || situation.other_names(difference).any(|it| situation.only_with_mycp(it))
                    || matches!(
                        difference.field,
                        Field::Links
                            | Field::Names
                            | Field::Mode
                            | Field::Owner
                            | Field::Group
                            | Field::Accessed
                            | Field::Attributes
                    )
                    || situation.is_untouched(difference))
        },
    },
    Row {
        reason: "a directory that two operands lead to is copied for both",
        example: "d a; d a/s; d t; cp -r a/s a t",
        explains: is_second_copy,
    },
    Row {
        reason: "a directory that --parents made for one operand takes in another; cp tries to \
                 make it again",
        example: "d s; d t; cp --parents -r s/. t",
        explains: |situation, difference| {
            let words = ": cannot create directory ";
            situation.case.has("", "parents")
                && situation.gnu.errors.contains(words)
                && match difference.field {
                    Field::Status | Field::Errors => situation.cp_says_only(words),
                    Field::Output => true,
                    Field::Presence => situation.only_with_mycp(&difference.path),
                    _ => situation.follows_from(difference, Situation::only_with_mycp),
                }
        },
    },
    Row {
        reason: "a directory that is there keeps its attributes with --parents; cp changes those \
                 that '..' leads to",
        example: "d s; f s/a; d t; d t/s; cp --parents --preserve=timestamps s/../s/a t/s",
        explains: |situation, difference| {
            situation.case.has("", "parents")
                && situation.case.names_above()
                && matches!(
                    difference.field,
                    Field::Output
                        | Field::Mode
                        | Field::Owner
                        | Field::Group
                        | Field::Accessed
                        | Field::Modified
                        | Field::Attributes
                )
                && situation.ours.snapshot.get(&difference.path).is_none_or(|ours| {
                    ours.kind == "directory"
                        && (situation.was(difference).is_some() || difference.path.is_empty())
                })
        },
    },
    Row {
        reason: "directories that --parents has made get their attributes, even if what was to be \
                 in them could not be copied",
        example: "d s; attribute s user.x; d t; cp --parents --preserve=xattr s/a t",
        explains: |situation, difference| {
            let is_new = situation.was(difference).is_none();
            let kind = |(_, ours): (&Seen, &Seen)| ours.kind;
            situation.case.has("", "parents")
                && (situation.both_fail() || difference.field == Field::Attributes)
                && is_new
                && situation.both(difference).map(kind) == Some("directory")
        },
    },
    Row {
        reason: "what is passed over is as if it were not named; cp goes back to it when it is \
                 named again",
        example: "f s; d t; f t/s; cp -b -u s s t",
        explains: |situation, difference| {
            let now = difference.field == Field::Modified && difference.gnu == "now";
            situation.case.sources.len() > 1
                && (situation.case.has("nu", "update") || now)
                && !matches!(
                    difference.field,
                    Field::Presence | Field::Status | Field::Errors | Field::Output
                )
        },
    },
    Row {
        reason: "what -u passes over stands for the copy of a source only if it is of its kind",
        example: "d s; l s/a nowhere; h s/b s/a; d t; d t/s; f t/s/a; f t/s/b; cp -r -u -d s t",
        explains: |situation, difference| {
            let link = |entry: &Entry| matches!(entry.kind, Kind::HardLink(_));
            situation.case.has("nu", "update")
                && situation.case.world.entries.iter().any(link)
                && matches!(
                    difference.field,
                    Field::Kind
                        | Field::Links
                        | Field::Names
                        | Field::Modified
                        | Field::Mode
                        | Field::Content
                        | Field::Allocation
                        | Field::Owner
                        | Field::Group
                        | Field::Attributes
                        | Field::Accessed
                )
        },
    },
    Row {
        reason: "with --attributes-only no file gives way to a hard link",
        example: "d s; f s/b; d s/a; h s/a/c s/b; d t; f t/b; cp -d -r --attributes-only -T s t",
        explains: |situation, difference| {
            let link = |entry: &Entry| matches!(entry.kind, Kind::HardLink(_));
            situation.case.has("", "attributes-only")
                && situation.case.world.entries.iter().any(link)
                && matches!(
                    difference.field,
                    Field::Links
                        | Field::Names
                        | Field::Modified
                        | Field::Mode
                        | Field::Owner
                        | Field::Group
                        | Field::Attributes
                        | Field::Content
                        | Field::Allocation
                )
        },
    },
    Row {
        reason: "what -u replaces with a hard link is kept as a backup like anything else",
        example: "d s; f s/a; h s/b s/a; d t; f t/b; cp -u -b -d s/a s/b t",
        explains: |situation, difference| {
            let is_backup = |path: &[u8]| {
                (path.ends_with(b"~") || path.ends_with(b".old")) && situation.only_with_mycp(path)
            };
            situation.case.backs_up()
                && situation.case.has("nu", "update")
                && match difference.field {
                    Field::Presence => is_backup(&difference.path),
                    Field::Links | Field::Names => {
                        situation.other_names(difference).any(|path| is_backup(path))
                    }
                    _ => false,
                }
        },
    },
    Row {
        reason: "with -L, too, a special file takes the place of another file",
        example: "socket a; d t; f t/a; cp -r -L a t",
        explains: |situation, difference| {
            let words = ": File exists";
            let ours = situation.ours.snapshot.get(&difference.path).map(|seen| seen.kind);
            let special = ["socket", "FIFO", "block device", "character device"];
            match difference.field {
                Field::Status | Field::Errors => situation.cp_says_only(words),
                Field::Links | Field::Names => situation.gnu.errors.contains(words),
                Field::Kind | Field::Mode | Field::Owner | Field::Group | Field::Accessed => {
                    situation.gnu.errors.contains(words)
                        && ours.is_some_and(|kind| special.contains(&kind))
                }
                Field::Modified => {
                    let kinds = situation.ours.snapshot.iter();
                    situation.gnu.errors.contains(words)
                        && kinds.filter(|(_, seen)| special.contains(&seen.kind)).any(
                            |(path, _)| *path == difference.path || parent(path) == difference.path,
                        )
                }
                _ => false,
            }
        },
    },
    Row {
        reason: "cp 9.1 moves a backup into the working directory if it cannot read the file's own",
        example: "f a; d t 311; f t/a; by nobody; cp -b a t",
        explains: |situation, difference| {
            let gone = |path: &[u8]| {
                path.ends_with(b"~")
                    && situation.only_with_cp(path)
                    && situation.case.world.get(path).is_none()
            };
            situation.case.who == Who::Nobody
                && situation.case.has("bS", "backup")
                && match difference.field {
                    // Somewhere, or where it belongs.
                    Field::Presence => {
                        let unread = |above: &Seen| above.mode & 0o400 == 0;
                        let above = situation.ours.snapshot.get(parent(&difference.path));
                        gone(&difference.path)
                            || situation.only_with_mycp(&difference.path)
                                && difference.path.ends_with(b"~")
                                && above.is_some_and(unread)
                    }
                    Field::Modified => situation
                        .gnu
                        .snapshot
                        .keys()
                        .any(|path| gone(path) && parent(path) == difference.path),
                    _ => false,
                }
        },
    },
    Row {
        reason: "what has a backup's name already may depend on what is copied first",
        example: "d s; f s/a; f s/a.~1~; d t; d t/s; f t/s/a; cp -r --backup=existing s t",
        explains: |situation, difference| {
            let mut entries = situation.case.world.entries.iter();
            let displaces = situation.ours.errors.contains(" would displace ");
            situation.case.backs_up()
                && (difference.path.ends_with(b"~") || displaces)
                && entries.any(|entry| entry.path.ends_with(b"~"))
        },
    },
    Row {
        reason: "-f with -b keeps a backup of a file that is copied to itself, however it is named",
        example: "d s; f s/a; cp -f -b s/a s",
        explains: |situation, difference| {
            let words = " are the same file";
            situation.case.has("f", "force")
                && situation.case.backs_up()
                && match difference.field {
                    Field::Status | Field::Errors => situation.cp_says_only(words),
                    Field::Presence => {
                        situation.gnu.errors.contains(words)
                            && situation.only_with_mycp(&difference.path)
                    }
                    Field::Modified => situation.gnu.errors.contains(words),
                    _ => false,
                }
        },
    },
    Row {
        reason: "a backup's name that would be too long is cut no more than it has to be",
        example: "f LONG; d t; f t/LONG; cp -b LONG t",
        explains: |situation, difference| {
            let words = ": File name too long";
            let name = name(&difference.path);
            match difference.field {
                Field::Status | Field::Errors => situation.cp_says_only(words),
                Field::Presence => name.len() > 250 && name.ends_with(b"~"),
                _ => name.len() > 250 && situation.gnu.errors.contains(words),
            }
        },
    },
    Row {
        reason: "an attribute that cannot be kept does not keep others from being kept",
        example: "d s; attribute s user.x; d t; d t/s 777; owner t/s 0; by nobody; \
                  cp -r --preserve=all s t",
        explains: |situation, difference| {
            let Some((gnu, ours)) = situation.both(difference) else { return false };
            match difference.field {
                Field::Attributes => {
                    situation.gnu.errors.contains(": preserving ")
                        && gnu.attributes.iter().all(|it| ours.attributes.get(it.0) == Some(it.1))
                }
                Field::Mode => situation.both_fail() && situation.case.has("", "preserve"),
                _ => false,
            }
        },
    },
    Row {
        reason: "attributes of a directory come from it, not from a symbolic link that leads to it",
        example: "d s; d b; l s/a ../b; attribute s/a trusted.t; cp -r -L --preserve=xattr s t",
        explains: |situation, difference| {
            let mut entries = situation.case.world.entries.iter();
            difference.field == Field::Attributes
                && situation.both(difference).is_some_and(|(gnu, _)| gnu.kind == "directory")
                && entries.any(|entry| matches!(entry.kind, Kind::SymbolicLink(_)))
        },
    },
    Row {
        reason: "a new directory has the setgid bit of the one above it, as mkdir(2) gives it",
        example: "d s; d t 2755; owner t 65534 1000; by nobody; cp -r --no-preserve=mode s t",
        explains: |situation, difference| {
            let Some((gnu, ours)) = situation.both(difference) else { return false };
            let above = situation.ours.snapshot.get(parent(&difference.path));
            difference.field == Field::Mode
                && situation.was(difference).is_none()
                && ours.kind == "directory"
                && above.is_some_and(|above| above.mode & 0o2000 != 0)
                && ours.mode == gnu.mode | 0o2000
        },
    },
    Row {
        reason: "what the run has made under a name is not overwritten, however it was made",
        example: "d s; f s/b; f b; l s/a ../b; d t; cp --preserve=links s/a b s/b t",
        explains: |situation, difference| {
            !matches!(difference.field, Field::Presence | Field::Kind | Field::Output)
                && !situation.case.has("nu", "update")
                && situation.ours.errors.contains(": will not overwrite just-created ")
        },
    },
    Row {
        reason: "which of several hard links is copied, and which are linked to the copy, is not \
                 said: one may be possible where another is not",
        example: "d s; d s/b; f s/b/a; h s/c s/b/a; d t; d t/b; f t/b/a; owner t/b/a 0; by nobody; \
                  cp -r -d -T s t",
        explains: |situation, difference| {
            let words = [": cannot create regular file ", ": cannot create hard link "];
            match difference.field {
                Field::Content if situation.case.has("s", "symbolic-link") => {
                    let linked = |entry: &Entry| matches!(entry.kind, Kind::HardLink(_));
                    situation.both(difference).is_some_and(|(gnu, _)| gnu.kind == "symbolic link")
                        && situation.case.world.entries.iter().any(linked)
                }
                Field::Status | Field::Errors => {
                    words.iter().any(|words| situation.cp_says_only(words))
                        && situation.ours.snapshot.values().any(|seen| seen.links > 1)
                }
                Field::Attributes | Field::Owner | Field::Group | Field::Mode => {
                    situation.case.has("da", "archive")
                        && situation.other_names(difference).count() > 1
                }
                _ => {
                    // Links that are followed are names of what they lead to, too.
                    words.iter().any(|words| situation.gnu.errors.contains(words))
                        && (situation.other_names(difference).count() > 1
                            || situation.case.has("L", "dereference"))
                }
            }
        },
    },
    Row {
        reason: "which of several files comes last into one inode, and what one has that is \
                 written to as well, is not said",
        example: "d s; f s/a; f s/b 755; d t; d t/s; f t/s/a; h t/s/b t/s/a; \
                  cp -r --preserve=mode s t",
        explains: shares_inode,
    },
    Row {
        reason: "a name does not become a hard link to a device that was written to",
        example: "d s; f s/a; h s/b s/a; d t; d t/s; fifo t/s/b; cp -r -d s t",
        explains: |situation, difference| {
            let device = |entry: &Entry| matches!(entry.kind, Kind::Null | Kind::Fifo);
            let mut devices = situation.case.world.entries.iter().filter(|entry| device(entry));
            devices.any(|device| {
                let device = situation.gnu.snapshot.get(&device.path);
                let gnu = situation.gnu.snapshot.get(&difference.path);
                device.zip(gnu).is_some_and(|(device, gnu)| {
                    gnu.links > 1 && gnu.first_name == device.first_name
                })
            })
        },
    },
    Row {
        reason: "whoever reads a file twice finds the time of the first reading",
        example: "d s; f s/b; l s/a b; cp -L --preserve=timestamps -r s t",
        explains: |situation, difference| {
            let mut entries = situation.case.world.entries.iter();
            difference.field == Field::Accessed
                && (difference.gnu == "now" || difference.ours == "now")
                && (situation.case.sources.len() > 1
                    || situation.case.names_above()
                    || entries.any(|entry| {
                        matches!(entry.kind, Kind::HardLink(_) | Kind::SymbolicLink(_))
                    }))
        },
    },
    Row {
        reason: "-v tells what was done, cp's what is tried; without needless slashes and dots, \
                 names that are removed first",
        example: "f a; d t; f t/a; cp -v --remove-destination a t",
        explains: |situation, difference| {
            let failures = situation.ours.errors.lines().count();
            let (gnu, ours) = (plain_lines(situation.gnu), plain_lines(situation.ours));
            difference.field == Field::Output
                && ours.iter().all(|line| line.is_empty() || gnu.contains(line))
                && gnu.len() <= ours.len() + failures
        },
    },
    Row {
        reason: "names are quoted in mycp's own way where they have unusual characters",
        example: "f it's; cp -v it's t",
        explains: |situation, difference| {
            let unusual = |byte: &u8| !(b' '..=b'~').contains(byte) || b"'\\\"".contains(byte);
            difference.field == Field::Output
                && situation.case.world.entries.iter().any(|entry| entry.path.iter().any(unusual))
        },
    },
    Row {
        reason: "a source that is a part of another one, or is named in other words, is not told \
                 of as a repetition",
        example: "d s; d s/a; d t; cp -r s/a s/. t",
        explains: |situation, difference| {
            let repeated = |errors: &str| errors.contains("specified more than once");
            matches!(difference.field, Field::Errors | Field::Status)
                && (repeated(&situation.gnu.errors) || repeated(&situation.ours.errors))
        },
    },
    Row {
        reason: "a socket gets the default permissions of a file, not of a program",
        example: "d s; socket s/a; cp -r --no-preserve=mode s t",
        explains: |situation, difference| {
            difference.field == Field::Mode
                && situation.case.has("", "no-preserve")
                && situation.both(difference).is_some_and(|(gnu, _)| gnu.kind == "socket")
        },
    },
    Row {
        reason: "attributes are kept where the umask leaves the copy's owner no right to write; cp \
                 loses them",
        example: "f a; attribute a user.x; umask 777; by nobody; cp --preserve=xattr a t",
        explains: |situation, difference| {
            difference.field == Field::Attributes
                && situation.case.umask & 0o200 != 0
                && situation.case.has("pa", "preserve")
        },
    },
];
