use super::*;

#[test]
fn flags_and_times_are_kept_though_the_handle_is_for_reading() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    File::create(&path).unwrap();
    let file = File::open(&path).unwrap();
    let early = Timestamp { seconds: -1, nanoseconds: 999_999_900 };
    let late = Timestamp { seconds: 4_000_000_000, nanoseconds: 100 };
    set_times(&file, early, late).unwrap();
    set_mode(&file, 0o444 | HIDDEN).unwrap();
    let found = Attributes::of(&file).unwrap();
    assert_eq!((found.mode, found.accessed, found.modified), (0o444 | HIDDEN, early, late));
    set_mode(&file, 0o644).unwrap();
    assert_eq!(Attributes::of(&file).unwrap().mode, 0o666);
}

#[test]
fn each_flag_is_kept_by_itself_and_none_is_a_flag_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let file = File::create(&path).unwrap();
    let only = |file: &File| open::basic(file).unwrap().FileAttributes;
    for mode in [0o444, 0o666 | SYSTEM, 0o444 | HIDDEN | SYSTEM, 0o666] {
        set_mode(&file, mode).unwrap();
        assert_eq!(Attributes::of(&file).unwrap().mode, mode, "{mode:o}");
        set_mode(&file, mode).unwrap();
        let expected = (mode & 0o200 == 0, mode & HIDDEN != 0, mode & SYSTEM != 0);
        let has = |flag| only(&file) & flag != 0;
        let found =
            [FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_SYSTEM].map(has);
        assert_eq!(found, <[bool; 3]>::from(expected), "{mode:o}");
    }
}

#[test]
fn a_time_that_cannot_be_set_becomes_the_first_that_can() {
    let directory = tempfile::tempdir().unwrap();
    let file = File::create(directory.path().join("file")).unwrap();
    // What is before 1601, and what would mean "leave it" and "never again".
    for seconds in [i64::MIN, -20_000_000_000, -11_644_473_600] {
        let time = Timestamp { seconds, nanoseconds: 0 };
        let now = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };
        set_times(&file, now, now).unwrap();
        set_times(&file, now, time).unwrap();
        let modified = Attributes::of(&file).unwrap().modified;
        // Below Wine is a file system that begins in 1901.
        assert!(modified.seconds <= -2_147_483_648, "{seconds}: {modified:?}");
    }
    set_modified_now(&file).unwrap();
    assert!(Attributes::of(&file).unwrap().modified.seconds > 1_700_000_000);
}

#[test]
fn the_time_of_birth_is_set_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let file = File::create(directory.path().join("file")).unwrap();
    let before = Attributes::of(&file).unwrap();
    set_born(&file, Timestamp { seconds: 1_000_000_000, nanoseconds: 0 }).unwrap();
    let after = Attributes::of(&file).unwrap();
    assert_eq!((after.accessed, after.modified), (before.accessed, before.modified));
}

#[test]
fn what_has_no_streams_has_no_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"content").unwrap();
    let file = File::open(&path).unwrap();
    let above = crate::sys::names::Spot::of_path(directory.path());
    let above = above.open_listable(crate::sys::names::Follow::Yes).unwrap();
    assert_eq!(names(&file).unwrap().iter().count(), 0);
    assert!(!has_names_at(&File::from(above), OsStr::new("file")).unwrap());
}

/// One entry of a list of streams.
fn entry(name: &str, next: u32) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut bytes = next.to_le_bytes().to_vec();
    bytes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(name);
    bytes.resize(bytes.len().next_multiple_of(8).max(32), 0);
    bytes
}

#[test]
fn the_content_is_no_name_and_a_broken_list_is_told() {
    let content = entry("::$DATA", 40);
    assert_eq!(content.len(), 40);
    let stream = entry(":Zone.Identifier:$DATA", 0);
    let both = [content, stream].concat();
    let read: Vec<_> = read_names(&both).unwrap().list;
    assert_eq!(read, [c"Zone.Identifier".to_owned()]);
    for broken in [&both[..60], &both[..90], &entry(":a:$DATA", 4096), &[]] {
        let error = read_names(broken).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
#[ignore = "Wine has no streams besides the content"]
fn streams_are_made_listed_replaced_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"content").unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    assert_eq!(value(&file, c"a").unwrap(), None);
    remove_value(&file, c"a").unwrap();
    // More than one list of the first size has room for.
    let many: Vec<_> =
        (0..60).map(|it| CString::new(format!("stream number {it}")).unwrap()).collect();
    for name in &many {
        set_value(&file, name, name.to_bytes()).unwrap();
    }
    let found = names(&file).unwrap();
    assert!(found.iter().count() == 60 && many.iter().all(|name| found.contains(name)));
    set_value(&file, &many[0], b"short").unwrap();
    assert_eq!(value(&file, &many[0]).unwrap().unwrap(), b"short");
    many.iter().for_each(|name| remove_value(&file, name).unwrap());
    assert_eq!(names(&file).unwrap().iter().count(), 0);
    assert_eq!(std::fs::read(&path).unwrap(), b"content");
    let above = reopened(&file, GENERIC_READ).unwrap();
    set_value(&File::from(above), c"b", b"").unwrap();
    assert_eq!(value(&file, c"b").unwrap().unwrap(), b"");
}
