use std::error::Error as _;
use std::path::PathBuf;

use super::*;
use crate::sys::Errno;
use crate::sys::attributes::{set_mode, set_times};
use crate::sys::file::Timestamp;

const KEEP_NOTHING: Preserve = Preserve {
    mode: Keep::No,
    ownership: Keep::No,
    timestamps: Keep::No,
    links: Keep::No,
    xattr: Keep::No,
    context: Keep::No,
    default_mode: false,
    acl_optional: false,
};

/// A new file with the mode, opened for reading and writing.
fn file_at(path: PathBuf, mode: u32) -> File {
    let file =
        File::options().read(true).write(true).create_new(true).open(path).expect("a new file");
    set_mode(&file, mode).unwrap();
    file
}

fn named<'a>(file: &'a File, endpoint: &'a Endpoint) -> Named<'a> {
    Named { file, endpoint }
}

fn chain(error: &crate::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn an_attribute_that_had_to_be_copied_is_named() {
    let named = attribute_error(c"user.a\n", Errno::OPNOTSUPP.into());
    assert!(is_refused(&named), "the system's error counts, not its wrapping");
    let error = Losses::default()
        .insist::<()>(Keep::Must, Lost::Xattr, Err(named))
        .context(Operation::SetAttributes, &Endpoint::from("t"))
        .unwrap_err();
    assert_eq!(
        chain(&error),
        format!(
            "cannot set the attributes of 't': 'user.a\\n': {}",
            io::Error::from(Errno::OPNOTSUPP)
        )
    );
}

#[test]
fn trying_bears_a_refusal_and_no_broken_disk() {
    let error = |errno: Errno| Err::<(), _>(io::Error::from(errno));
    for refusal in [Errno::PERM, Errno::ACCESS, Errno::NOSPC, Errno::OPNOTSUPP, Errno::DQUOT] {
        Losses::default().insist(Keep::Try, Lost::Mode, error(refusal)).unwrap();
        Losses::default().insist(Keep::Must, Lost::Mode, error(refusal)).unwrap_err();
    }
    Losses::default().insist(Keep::Try, Lost::Mode, error(Errno::IO)).unwrap_err();
}

#[test]
fn a_copy_has_the_times_and_the_write_protection_of_its_source() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::from("t");
    let source = file_at(directory.path().join("source"), 0o444);
    // Long ago, so that neither comes from the copying, and in steps that all systems keep.
    let accessed = Timestamp { seconds: 1_000_000_000, nanoseconds: 123_456_700 };
    let modified = Timestamp { seconds: 900_000_000, nanoseconds: 987_654_300 };
    set_times(&source, accessed, modified).unwrap();
    let facts = Attributes::of(&source).unwrap();
    for mode in [Keep::Must, Keep::No] {
        let target = file_at(directory.path().join(format!("{mode:?}")), 0o644);
        let writable = Attributes::of(&target).unwrap().mode;
        let preserve = Preserve { mode, timestamps: Keep::Must, ..KEEP_NOTHING };
        let to = named(&target, &endpoint);
        let mut losses = Losses::default();
        let from = named(&source, &endpoint);
        apply_preserved(from, &facts, to, &preserve, ModeAtEnd::AsItIs, &mut losses).unwrap();
        stamp_times(&facts, to, preserve.timestamps, &mut losses).unwrap();
        let found = Attributes::of(&target).unwrap();
        assert_eq!((found.accessed, found.modified), (accessed, modified), "{mode:?}");
        assert_eq!(found.mode, if mode == Keep::Must { facts.mode } else { writable });
        assert_ne!(facts.mode, writable);
    }
}

#[test]
fn a_new_file_keeps_the_write_protection_of_the_one_it_replaces() {
    let directory = tempfile::tempdir().unwrap();
    for mode in [0o444, 0o644] {
        let old = file_at(directory.path().join(format!("old-{mode:o}")), mode);
        let new = file_at(directory.path().join(format!("new-{mode:o}")), 0o600);
        keep_of_replaced(&old, &new, &KEEP_NOTHING).unwrap();
        let [old, new] = [old, new].map(|file| Attributes::of(&file).unwrap().mode);
        assert_eq!(old, new, "{mode:o}");
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod posix;
