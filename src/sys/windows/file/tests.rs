use super::*;

#[test]
fn times_are_kept_to_100_nanoseconds_and_before_the_epoch() {
    for (seconds, nanoseconds) in [(0, 0), (-1, 999_999_900), (4_000_000_000, 100)] {
        let time = Timestamp { seconds, nanoseconds };
        assert_eq!(timestamp(file_time(time)), time);
    }
    assert_eq!(file_time(Timestamp { seconds: 0, nanoseconds: 199 }), EPOCH + 1);
    assert_eq!(timestamp(0), Timestamp::NEVER);
}

#[test]
fn what_is_on_no_volume_has_a_kind_and_nothing_else() {
    let null = File::options().read(true).write(true).open("NUL").unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    for (facts, kind) in [
        (facts(&null), Kind::CharDevice),
        (facts(&reader), Kind::Pipe),
        (facts(&writer), Kind::Pipe),
    ] {
        let facts = facts.unwrap();
        assert_eq!((facts.kind, facts.len, facts.born), (kind, 0, None));
    }
    for ready in [Ready::ToRead, Ready::ToWrite] {
        assert!(wait_ready(&null, ready, Duration::ZERO).unwrap(), "{ready:?}");
    }
    drop(writer);
    assert_eq!(read_next(&reader, &mut [0; 4]).unwrap(), 0);
}

#[test]
fn what_is_no_object_of_files_has_no_facts() {
    use windows_sys::Win32::System::Threading::CreateEventW;
    // SAFETY: it has no name and the default security.
    let event = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
    // SAFETY: the call has made it, and nobody else has it.
    let event: std::os::windows::io::OwnedHandle =
        unsafe { std::os::windows::io::FromRawHandle::from_raw_handle(event) };
    assert_ne!(facts(&event).unwrap_err().raw_os_error(), Some(0));
}

#[test]
fn bytes_are_read_and_written_at_any_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let far = (5 << 30) + 3;
    assert_eq!(write_at(&file, far, b"far").unwrap(), 3);
    let mut read = [0; 8];
    assert_eq!(read_at(&file, far, &mut read).unwrap(), 3);
    assert_eq!(&read[..3], b"far");
    assert_eq!(read_at(&file, far + 3, &mut read).unwrap(), 0);
    assert_eq!(facts(&file).unwrap().len, far + 3);
    set_len(&file, 2).unwrap();
    seek_to(&file, 1).unwrap();
    assert_eq!(write_next(&file, b"xy").unwrap(), 2);
    seek_to(&file, 0).unwrap();
    assert_eq!(read_next(&file, &mut read).unwrap(), 3);
    assert_eq!(&read[..3], b"\0xy");
    close(file).unwrap();
}

#[test]
fn a_handle_tells_what_it_is_good_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let written = File::create(&path).unwrap();
    let read = File::open(&path).unwrap();
    let both = File::options().read(true).write(true).open(&path).unwrap();
    let tell = |file: &File| (is_readable(file), is_writable(file), can_flush(file).unwrap());
    assert_eq!(tell(&written), (false, false, true));
    assert_eq!(tell(&read), (true, false, false));
    assert_eq!(tell(&both), (true, true, true));
    // What was not written is not flushed when it is closed: that would be refused.
    let rights = [&written, &read, &both].map(|file| writes(access_of(file).unwrap()));
    assert_eq!(rights, [true, false, true]);
    let handles = [&written, &read, &both].map(|file| facts(file).unwrap().id);
    assert!(handles.iter().all(|id| *id == handles[0]));
}

#[test]
fn a_mapped_file_keeps_its_length_or_tells() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    set_len(&file, 100_000).unwrap();
    let map = memmap2::MmapRaw::map_raw(&file).unwrap();
    // Windows refuses, Wine does it.
    if let Err(error) = set_len(&file, 10) {
        assert_eq!(crate::sys::Errno::from_io_error(&error), Some(crate::sys::Errno::BUSY));
        assert_eq!(facts(&file).unwrap().len, 100_000);
    }
    drop(map);
    set_len(&file, 10).unwrap();
    assert_eq!(facts(&file).unwrap().len, 10);
    assert_eq!(set_len(&file, u64::MAX).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}
