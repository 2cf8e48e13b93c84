use std::fs;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::sys::names::{Follow, Spot};

/// A file of 8 bytes, and it opened twice.
fn twice(directory: &Path) -> [File; 2] {
    let path = directory.join("file");
    fs::write(&path, b"01234567").unwrap();
    [(); 2].map(|()| File::options().read(true).write(true).open(&path).unwrap())
}

fn is_busy(result: io::Result<()>) -> bool {
    match result {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            true
        }
    }
}

#[test]
fn one_handle_has_the_lock_of_a_file_and_nobody_is_kept_from_its_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = twice(directory.path());
    try_lock(&one).unwrap();
    assert!(is_busy(try_lock(&two)));
    for file in [&one, &two] {
        let mut read = [0; 8];
        assert_eq!(crate::sys::file::read_at(file, 0, &mut read).unwrap(), 8);
        assert_eq!(&read, b"01234567");
        crate::sys::file::write_all_at(file, b"01234567", 0).unwrap();
    }
    fs::write(directory.path().join("file"), b"anew").unwrap();
    unlock(&one).unwrap();
    try_lock(&two).unwrap();
    assert!(is_busy(try_lock(&one)));
    // With the handle goes its lock.
    drop(two);
    assert!(!is_busy(try_lock(&one)));
}

#[test]
fn ranges_are_shared_or_one_handle_s_own() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = twice(directory.path());
    let now = Some(Duration::ZERO);
    let [low, high, all] = [(0, 4), (4, 8), (0, 8)].map(|(it, end)| ByteRange::between(it, end));
    assert!(lock_range(&one, low, true, now).unwrap());
    assert!(!lock_range(&two, all, true, now).unwrap());
    assert!(!lock_range(&two, low, false, now).unwrap());
    assert!(lock_range(&two, high, true, None).unwrap());
    unlock_range(&one, low).unwrap();
    unlock_range(&two, high).unwrap();
    assert!(lock_range(&one, all, false, now).unwrap());
    assert!(lock_range(&two, low, false, now).unwrap());
    assert!(!lock_range(&two, high, true, now).unwrap());
    unlock_range(&one, all).unwrap();
    assert!(lock_range(&two, high, true, now).unwrap());
    let nothing = lock_range(&one, ByteRange::first(0), true, now).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_range_is_waited_for_as_long_as_was_said() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = twice(directory.path());
    let all = ByteRange::first(8);
    assert!(lock_range(&one, all, true, None).unwrap());
    let begun = Instant::now();
    let wait = Duration::from_millis(80);
    assert!(!lock_range(&two, all, true, Some(wait)).unwrap());
    assert!(begun.elapsed() >= wait);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| lock_range(&two, all, false, None));
        std::thread::sleep(wait);
        unlock_range(&one, all).unwrap();
        assert!(waits.join().unwrap().unwrap());
    });
}

#[test]
fn a_file_is_opened_again_for_what_it_was_opened_for() {
    let directory = tempfile::tempdir().unwrap();
    let [both, _] = twice(directory.path());
    let again = reopened(handle::of(&both)).unwrap();
    assert!(crate::sys::file::is_writable(&again));
    try_lock(&both).unwrap();
    assert!(is_busy(try_lock(&again)), "it is another one");
}

#[test]
fn a_name_is_held_by_one_whatever_leads_to_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let open = |path: &Path| Spot::of_path(path).open_listable(Follow::Yes).unwrap();
    let path = directory.path();
    let [here, there] = [open(path), open(&path.join(".."))];
    let other_path = path.join("..").join(path.file_name().unwrap());
    let here_again = open(&other_path);
    let is_first = |handle: &OwnedHandle, name: Option<&str>| match try_lock_name(
        handle,
        name.map(OsStr::new),
    ) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    };
    let held = is_first(&here, Some("name")).unwrap();
    for busy in ["name", "NAME"] {
        assert!(is_first(&here_again, Some(busy)).is_none(), "{busy}");
    }
    assert!(is_first(&here, Some("other")).is_some());
    assert!(is_first(&here, None).is_some());
    assert!(is_first(&there, Some("name")).is_some());
    // A directory is the same before and after it is made, and has one lock when it is there.
    let to_be = is_first(&there, path.file_name().unwrap().to_str()).unwrap();
    assert!(is_first(&here_again, None).is_none());
    drop(to_be);
    let made = is_first(&here, None).unwrap();
    for _ in 0..2 {
        assert!(is_first(&there, path.file_name().unwrap().to_str()).is_none());
    }
    drop(made);
    drop(held);
    assert!(is_first(&here_again, Some("name")).is_some());
}

#[test]
fn a_lock_is_taken_by_a_handle_whose_calls_wait() {
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::AsHandle;
    use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OVERLAPPED;
    let directory = tempfile::tempdir().unwrap();
    let [one, _] = twice(directory.path());
    let mut overlapped = File::options();
    overlapped.read(true).write(true).custom_flags(FILE_FLAG_OVERLAPPED);
    let overlapped = overlapped.open(directory.path().join("file")).unwrap();
    let waits = super::super::streams::is_synchronous;
    assert!(waits(&one).unwrap() && !waits(&overlapped).unwrap());
    let again = reopened(overlapped.as_handle()).unwrap();
    assert!(waits(&again).unwrap());
}
