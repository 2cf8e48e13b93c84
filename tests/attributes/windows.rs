//! What only Windows has: flags, and the time of birth.

use std::os::windows::fs::{FileTimesExt, MetadataExt, OpenOptionsExt};

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_SYSTEM, FILE_WRITE_ATTRIBUTES,
    SetFileAttributesW,
};

use super::*;
use crate::support::assert_same_bytes;
use crate::wine;

const FLAGS: u32 = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_SYSTEM;

fn set_flags(sandbox: &Sandbox, name: &str, flags: u32) {
    use std::os::windows::ffi::OsStrExt;
    let path = sandbox.path(name);
    let words: Vec<_> = path.as_os_str().encode_wide().chain([0]).collect();
    // SAFETY: the name ends with NUL.
    let done = unsafe { SetFileAttributesW(words.as_ptr(), flags) };
    assert_ne!(done, 0, "{}: {}", path.display(), std::io::Error::last_os_error());
}

fn flags(sandbox: &Sandbox, name: &str) -> u32 {
    sandbox.metadata(name).file_attributes() & FLAGS
}

#[test]
fn flags_are_kept_where_asked_for() {
    for (way, are_kept) in [
        (&["-p"] as &[&str], true),
        (&["-a"], true),
        (&["--preserve=mode"], true),
        (&["-p", "--flush=sync"], true),
        (&["--attributes-only", "-p"], true),
        (&[], false),
        (&["--preserve=timestamps"], false),
    ] {
        for set in [FLAGS, FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_READONLY] {
            let sandbox = Sandbox::new();
            sandbox.write("source", b"content");
            set_flags(&sandbox, "source", set);
            let ended = sandbox.mycp(way.iter().copied().chain(["source", "target"])).good();
            // A new file is read-only as its source is, unless that is left out.
            let expected = if are_kept { set } else { set & FILE_ATTRIBUTE_READONLY };
            assert_eq!(flags(&sandbox, "target"), expected, "{ended}");
            for name in ["source", "target"] {
                set_flags(&sandbox, name, 0);
            }
        }
    }
}

#[test]
fn the_time_of_birth_is_kept_with_the_others() {
    let born = SystemTime::UNIX_EPOCH + Duration::new(876_543_210, 123_456_700);
    if wine::cannot("attributes::windows::the_time_of_birth_is_kept_with_the_others") {
        return;
    }
    for (way, is_kept) in [("-p", true), ("--preserve=timestamps", true), ("--flush=none", false)] {
        let sandbox = Sandbox::new();
        let source = sandbox.write("source", b"content");
        let file = File::options().access_mode(FILE_WRITE_ATTRIBUTES).open(source).unwrap();
        file.set_times(FileTimes::new().set_created(born)).unwrap();
        drop(file);
        let ended = sandbox.mycp([way, "source", "target"]).good();
        assert_same_bytes(&sandbox.read("target"), b"content", &ended.description);
        let seen = sandbox.metadata("target").created().unwrap();
        assert_eq!(seen == born, is_kept, "{seen:?}: {ended}");
    }
}
