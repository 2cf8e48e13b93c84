//! Mapped reads, writes and copies: every length, every offset, and every way to fail.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mycp::mapped::{
    Advice, AnonymousMap, MappedSource, MappedTarget, Msync, PrivateMap, Protection, Reservation,
    copy_range,
};
use mycp::{ByteRange, Cause, Error, Flush, Operation};

use crate::guard::in_child_of;
use crate::support::content;
use crate::support::fuse::{Faults, FaultyFileSystem};
use crate::support::mounts::{Kind, Mounts};

const PAGE: usize = 4096;
const WINDOW: usize = 2 << 20;
const LENGTHS: [usize; 9] =
    [0, 1, PAGE - 1, PAGE, PAGE + 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + PAGE + 3];

fn pattern(len: usize) -> Vec<u8> {
    content(1, len)
}

fn file_with(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn cut(path: &Path, len: u64) {
    File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn start(error: &Error) -> u64 {
    error.range.unwrap().start()
}

fn errno(error: &Error) -> Option<i32> {
    error.os_error().and_then(io::Error::raw_os_error)
}

fn kind(error: &Error) -> Option<io::ErrorKind> {
    error.os_error().map(io::Error::kind)
}

#[test]
fn files_of_every_length_are_read_whole_and_from_the_middle() {
    let directory = tempfile::tempdir().unwrap();
    for len in LENGTHS {
        let bytes = pattern(len);
        let source = MappedSource::open(file_with(directory.path(), "s", &bytes)).unwrap();
        assert_eq!(source.len().unwrap(), len as u64);
        for from in [0, 1, len / 2, len.saturating_sub(1), len] {
            let from = from.min(len);
            let mut read = vec![0; len - from];
            source.read_at(from as u64, &mut read).unwrap();
            assert!(read == bytes[from..], "{len} bytes from {from}");
        }
        let error = source.read_at(len as u64, &mut [0]).unwrap_err();
        assert_eq!(kind(&error), Some(io::ErrorKind::UnexpectedEof));
        assert_eq!(error.range, ByteRange::new(len as u64, 1));
    }
}

#[test]
fn files_of_every_length_are_written_whole_and_in_pieces() {
    let directory = tempfile::tempdir().unwrap();
    for (number, len) in LENGTHS.into_iter().enumerate() {
        let bytes = pattern(len);
        let path = directory.path().join(number.to_string());
        let target = MappedTarget::create(&path, len as u64).unwrap();
        assert_eq!(target.len().unwrap(), len as u64);
        target.write_at(0, &bytes).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes, "{len} bytes at once");
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        for (index, piece) in reversed.chunks(100_003).enumerate() {
            target.write_at(index as u64 * 100_003, piece).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == reversed, "{len} bytes in pieces");
        assert!(target.write_at(len as u64, &[1]).is_err());
        assert_eq!(target.len().unwrap(), len as u64);
    }
}

#[test]
fn ranges_are_copied_between_any_offsets() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = pattern(2 * WINDOW + 5);
    let source = MappedSource::open(file_with(directory.path(), "s", &bytes)).unwrap();
    for (number, len) in LENGTHS.into_iter().enumerate() {
        let len = len.min(bytes.len() - 3);
        for (from, to) in [(0, 0), (3, 0), (0, 7), (3, PAGE + 1)] {
            let path = directory.path().join(format!("{number}-{from}-{to}"));
            let target = MappedTarget::create(&path, (to + len + 2) as u64).unwrap();
            copy_range(&source, from as u64, &target, to as u64, len as u64).unwrap();
            let copied = std::fs::read(&path).unwrap();
            assert!(copied[to..to + len] == bytes[from..from + len], "{len}: {from} to {to}");
            assert!(copied[..to].iter().chain(&copied[to + len..]).all(|byte| *byte == 0));
        }
    }
}

#[test]
fn bytes_behind_2_and_4_gib_are_where_they_belong() {
    let directory = tempfile::tempdir().unwrap();
    for offset in [(2_u64 << 30) + 1, (4 << 30) + 1] {
        let path = file_with(directory.path(), "s", b"");
        let bytes = pattern(PAGE);
        File::options().write(true).open(&path).unwrap().write_all_at(&bytes, offset).unwrap();
        let source = MappedSource::open(&path).unwrap();
        let mut read = vec![1; PAGE + 1];
        source.read_at(offset - 1, &mut read).unwrap();
        assert_eq!(read[0], 0);
        assert!(read[1..] == bytes);

        let path = file_with(directory.path(), "t", b"");
        cut(&path, offset + PAGE as u64);
        let target = MappedTarget::open(&path).unwrap();
        copy_range(&source, offset, &target, offset, PAGE as u64).unwrap();
        let mut written = vec![1; PAGE + 1];
        File::open(&path).unwrap().read_exact_at(&mut written, offset - 1).unwrap();
        assert!(written == read);
        assert!(std::fs::File::open(&path).unwrap().metadata().unwrap().blocks() < 100);
    }
}

#[test]
fn a_source_cut_under_four_reading_threads_is_an_error_in_each() {
    let directory = tempfile::tempdir().unwrap();
    let len = 4 * WINDOW;
    let path = file_with(directory.path(), "s", &pattern(len));
    let source = MappedSource::open(&path).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut buffer = vec![0; len];
                    while !done.load(Ordering::Relaxed) {
                        if let Err(error) = source.read_at(0, &mut buffer) {
                            return Some(error);
                        }
                    }
                    None
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(30));
        cut(&path, WINDOW as u64 + 10);
        std::thread::sleep(Duration::from_millis(300));
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            let error = reader.join().unwrap().expect("the cut was not noticed");
            assert!(matches!(error.cause, Cause::Shrank { len } if len == WINDOW as u64 + 10));
            assert_eq!(error.operation, Operation::Read);
            assert_eq!(error.endpoint.path(), Some(path.as_path()));
            assert!(start(&error) >= WINDOW as u64 + 10, "{error:?}");
        }
    });
}

#[test]
fn an_error_starts_with_the_first_byte_that_could_not_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = pattern(8 * PAGE);
    for left in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 7 * PAGE + 17] {
        for from in [0, 1, 63, PAGE - 1, PAGE, 5 * PAGE + 100] {
            let path = file_with(directory.path(), "s", &bytes);
            let source = MappedSource::open(&path).unwrap();
            cut(&path, left as u64);
            let mut read = vec![0; bytes.len() - from];
            let error = source.read_at(from as u64, &mut read).unwrap_err();
            let first = left.max(from);
            assert_eq!(start(&error), first as u64, "{left} bytes left, read from {from}");
            assert_eq!(error.range.unwrap().end(), bytes.len() as u64);
            assert!(matches!(error.cause, Cause::Shrank { len } if len == left as u64));
            assert!(read[..first - from] == bytes[from..first]);
        }
    }
}

#[test]
fn an_error_of_a_copy_names_its_side() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = pattern(WINDOW + 4 * PAGE);
    let source_path = file_with(directory.path(), "s", &bytes);
    let target_path = directory.path().join("t");
    let source = MappedSource::open(&source_path).unwrap();
    let target = MappedTarget::create(&target_path, bytes.len() as u64 + 10).unwrap();

    cut(&target_path, (WINDOW + PAGE) as u64);
    let error = copy_range(&source, 0, &target, 10, bytes.len() as u64).unwrap_err();
    assert_eq!(error.operation, Operation::Write);
    assert_eq!(error.endpoint.path(), Some(target_path.as_path()));
    assert_eq!(start(&error), (WINDOW + PAGE) as u64);
    assert!(matches!(error.cause, Cause::Shrank { .. }));

    assert_eq!(target.resize(bytes.len() as u64 + 10).unwrap(), Reservation::Reserved);
    cut(&source_path, (WINDOW + 2 * PAGE) as u64);
    let error = copy_range(&source, 0, &target, 10, bytes.len() as u64).unwrap_err();
    assert_eq!(error.operation, Operation::Read);
    assert_eq!(error.endpoint.path(), Some(source_path.as_path()));
    assert_eq!(start(&error), (WINDOW + 2 * PAGE) as u64);
}

#[test]
fn a_cut_within_a_page_raises_no_signal_and_is_an_error_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_with(directory.path(), "s", &pattern(PAGE));
    let target = MappedTarget::open(&path).unwrap();
    cut(&path, 100);
    let error = target.write_at(50, &[1; 100]).unwrap_err();
    assert!(matches!(error.cause, Cause::Shrank { len: 100 }));
    assert_eq!(error.range, Some(ByteRange::between(100, 150)));
    let map = PrivateMap::open(&path).unwrap();
    cut(&path, 60);
    let error = map.read_at(0, &mut [0; 100]).unwrap_err();
    assert!(matches!(error.cause, Cause::Shrank { len: 60 }));
    assert_eq!(error.range, Some(ByteRange::between(60, 100)));
}

#[test]
fn a_private_map_does_not_reach_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = pattern(3 * PAGE);
    let path = file_with(directory.path(), "s", &bytes);
    let range = ByteRange::between(100, 2 * PAGE as u64 + 50);
    let map = PrivateMap::open_range(&path, range).unwrap();
    assert_eq!(map.len(), range.len());
    let mut read = vec![0; 2 * PAGE - 50];
    map.write_at(0, &vec![7; read.len()]).unwrap();
    map.read_at(0, &mut read).unwrap();
    assert!(read.iter().all(|byte| *byte == 7));
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(
        kind(&map.write_at(range.len(), &[1]).unwrap_err()).unwrap(),
        io::ErrorKind::UnexpectedEof
    );
    // Advice that would throw the changes away is refused.
    assert_eq!(
        kind(&map.advise(Advice::DontNeed).unwrap_err()).unwrap(),
        io::ErrorKind::Unsupported
    );
    // Cutting the file takes even changed pages away.
    cut(&path, 0);
    let error = map.read_at(0, &mut read).unwrap_err();
    assert_eq!(start(&error), 100);
    assert!(matches!(error.cause, Cause::Shrank { len: 0 }));
    let empty = PrivateMap::open(&path).unwrap();
    assert!(empty.is_empty());
    empty.read_at(0, &mut []).unwrap();
    assert!(empty.read_at(0, &mut [0]).is_err());
}

#[test]
fn protected_memory_is_an_error_and_not_a_signal() {
    let mut map = AnonymousMap::new(3 * PAGE + 1).unwrap();
    let mut byte = [0];
    map.write_at(3 * PAGE, &[5]).unwrap();
    map.protect(Protection::Read).unwrap();
    map.read_at(3 * PAGE, &mut byte).unwrap();
    assert_eq!(byte, [5]);
    let denied = Some(io::ErrorKind::PermissionDenied);
    assert_eq!(map.write_at(0, &[1]).err().map(|e| e.kind()), denied);
    assert_eq!(map.advise(Advice::PopulateWrite).err().map(|e| e.kind()), denied);
    map.protect(Protection::None).unwrap();
    assert_eq!(map.read_at(0, &mut byte).err().map(|e| e.kind()), denied);
    map.protect(Protection::ReadWrite).unwrap();
    map.write_at(3 * PAGE, &[6]).unwrap();
    assert!(map.read_at(3 * PAGE + 1, &mut byte).is_err());

    let directory = tempfile::tempdir().unwrap();
    let mut map = PrivateMap::open(file_with(directory.path(), "s", b"bytes")).unwrap();
    map.protect(Protection::Read).unwrap();
    let error = map.write_at(1, b"x").unwrap_err();
    assert_eq!((error.operation, kind(&error)), (Operation::Write, denied));
}

#[test]
fn a_target_is_new_and_its_space_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let target = MappedTarget::create(&path, 1 << 20).unwrap();
    if target.reservation() == Reservation::Reserved {
        assert!(File::open(&path).unwrap().metadata().unwrap().blocks() * 512 >= 1 << 20);
    }
    let error = MappedTarget::create(&path, 1).unwrap_err();
    assert_eq!(kind(&error), Some(io::ErrorKind::AlreadyExists));

    target.write_at(0, &[9; 100]).unwrap();
    assert_eq!(target.resize(50).unwrap(), Reservation::Reserved);
    assert_eq!(target.len().unwrap(), 50);
    assert_eq!(
        kind(&target.write_at(49, &[1; 2]).unwrap_err()),
        Some(io::ErrorKind::UnexpectedEof)
    );
    assert_eq!(target.resize(WINDOW as u64 + 100).unwrap(), target.reservation());
    let mut read = [1; 100];
    target.read_at(0, &mut read).unwrap();
    assert!(read[..50] == [9; 50] && read[50..] == [0; 50]);
    target.write_at(WINDOW as u64, &[3; 100]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[WINDOW..], [3; 100]);
}

#[test]
fn a_target_above_the_process_limit_is_an_error_and_not_a_signal() {
    let test = "a_target_above_the_process_limit_is_an_error_and_not_a_signal";
    let status = in_child_of(module_path!(), test, || {
        let directory = tempfile::tempdir().unwrap();
        let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the structure is valid for reads.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
        let path = directory.path().join("t");
        let error = MappedTarget::create(&path, (1 << 20) + 1).unwrap_err();
        assert_eq!(errno(&error), Some(libc::EFBIG));
        assert!(!path.exists(), "a target that was not made is still there");
        let target = MappedTarget::create(&path, 1 << 20).unwrap();
        assert_eq!(errno(&target.resize(1 << 21).unwrap_err()), Some(libc::EFBIG));
    });
    assert!(status.is_none_or(|status| status.success()), "{status:?}");
}

#[test]
fn every_flush_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let target = MappedTarget::create(directory.path().join("t"), WINDOW as u64 + 100).unwrap();
    let middle = ByteRange::between(5, WINDOW as u64 + 77);
    for how in [Msync::Sync, Msync::Async, Msync::SyncInvalidate, Msync::AsyncInvalidate] {
        target.write_at(0, &pattern(WINDOW + 100)).unwrap();
        target.flush_range(middle, how).unwrap();
        target.flush_range(ByteRange::first(0), how).unwrap();
    }
    for flush in [Flush::None, Flush::Async, Flush::Sync] {
        target.write_at(0, &pattern(WINDOW + 100)).unwrap();
        target.flush(flush).unwrap();
    }
    let empty = MappedTarget::create(directory.path().join("e"), 0).unwrap();
    empty.flush(Flush::Async).unwrap();
    empty.flush(Flush::Sync).unwrap();
}

#[test]
fn advice_is_taken_and_populating_reports_what_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_with(directory.path(), "s", &pattern(WINDOW + 3 * PAGE));
    let source = MappedSource::open(&path).unwrap();
    let whole = ByteRange::first((WINDOW + 3 * PAGE) as u64);
    let advice = [
        Advice::Normal,
        Advice::Sequential,
        Advice::Random,
        Advice::WillNeed,
        Advice::PopulateRead,
        Advice::DontNeed,
    ];
    for advice in advice {
        source.advise(whole, advice).unwrap();
        source.advise(ByteRange::between(7, 9), advice).unwrap();
        source.read_at(WINDOW as u64 - 1, &mut [0; 2]).unwrap();
    }
    assert_eq!(
        kind(&source.advise(whole, Advice::PopulateWrite).unwrap_err()),
        Some(io::ErrorKind::PermissionDenied)
    );
    let target = MappedTarget::open(&path).unwrap();
    target.advise(whole, Advice::PopulateWrite).unwrap();
    cut(&path, PAGE as u64);
    let error = source.advise(whole, Advice::PopulateRead).unwrap_err();
    assert_eq!(error.operation, Operation::Map);
    assert_eq!(errno(&error), Some(libc::EFAULT));
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let error = MappedSource::open(directory.path()).unwrap_err();
    assert!(matches!(error.cause, Cause::IsDirectory));
    let fifo = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [fifo.as_path(), Path::new("/dev/null")] {
        assert!(matches!(MappedSource::open(path).unwrap_err().cause, Cause::Unsupported(_)));
        assert!(matches!(MappedTarget::open(path).unwrap_err().cause, Cause::Unsupported(_)));
    }
}

#[test]
fn a_range_is_not_copied_onto_itself() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = pattern(3 * PAGE);
    let path = file_with(directory.path(), "s", &bytes);
    let link = directory.path().join("link");
    std::fs::hard_link(&path, &link).unwrap();
    let source = MappedSource::open(&path).unwrap();
    let target = MappedTarget::open(&link).unwrap();
    let error = copy_range(&source, 0, &target, PAGE as u64, 2 * PAGE as u64).unwrap_err();
    assert!(matches!(error.cause, Cause::SameObject { .. }));
    copy_range(&source, 0, &target, PAGE as u64, PAGE as u64).unwrap();
    let after = std::fs::read(&path).unwrap();
    assert!(after[..PAGE] == bytes[..PAGE] && after[PAGE..2 * PAGE] == bytes[..PAGE]);
    assert!(after[2 * PAGE..] == bytes[2 * PAGE..]);
}

#[test]
#[ignore = "needs root: mounts a tmpfs"]
fn a_full_file_system_is_enospc_when_a_hole_is_stored_into() {
    let mut mounts = Mounts::new();
    let path = mounts.add(Kind::Tmpfs, 1).join("t");
    let file = File::create(&path).unwrap();
    file.set_len(2 << 20).unwrap();
    let target = MappedTarget::open(&path).unwrap();
    let bytes = pattern(2 << 20);
    let error = target.write_at(0, &bytes).unwrap_err();
    assert_eq!(errno(&error), Some(libc::ENOSPC), "{error:?}");
    assert_eq!(error.operation, Operation::Write);
    // Every page of the file system was filled, and the next byte is the error's.
    let first = usize::try_from(start(&error)).unwrap();
    assert_eq!(first as u64, file.metadata().unwrap().blocks() * 512);
    assert!(std::fs::read(&path).unwrap()[..first] == bytes[..first]);

    let directory = tempfile::tempdir().unwrap();
    let source = MappedSource::open(file_with(directory.path(), "s", &bytes)).unwrap();
    let error = copy_range(&source, 0, &target, 0, 2 << 20).unwrap_err();
    assert_eq!(errno(&error), Some(libc::ENOSPC), "{error:?}");
    assert_eq!(error.endpoint.path(), Some(path.as_path()));
}

#[test]
#[ignore = "needs root: mounts a tmpfs"]
fn a_target_without_space_is_not_made() {
    let mut mounts = Mounts::new();
    let path = mounts.add(Kind::Tmpfs, 1).join("t");
    let error = MappedTarget::create(&path, 2 << 20).unwrap_err();
    assert_eq!((error.operation, errno(&error)), (Operation::Reserve, Some(libc::ENOSPC)));
    assert!(!path.exists());
}

#[test]
#[ignore = "needs root: mounts a FUSE file system"]
fn a_page_that_cannot_be_read_is_the_error_that_reading_gives() {
    let bytes = pattern(64 * PAGE);
    let bad = 37 * PAGE as u64 + 5;
    let faults = Faults { read_at: Some(bad), ..Faults::default() };
    let served = FaultyFileSystem::new(&[("s", &bytes)], faults);
    let path = served.path("s");
    let source = MappedSource::open(&path).unwrap();
    let mut read = vec![0; 40 * PAGE];
    let error = source.read_at(100, &mut read).unwrap_err();
    assert_eq!(errno(&error), Some(libc::EIO), "{error:?}");
    assert_eq!((error.operation, error.endpoint.path()), (Operation::Read, Some(path.as_path())));
    assert_eq!(start(&error), 37 * PAGE as u64);
    assert!(read[..37 * PAGE - 100] == bytes[100..37 * PAGE]);

    // The page is needed for a store into it, too: the side is the target's then.
    let target = MappedTarget::open(&path).unwrap();
    let error = target.write_at(36 * PAGE as u64, &vec![1; 2 * PAGE]).unwrap_err();
    assert_eq!(errno(&error), Some(libc::EIO), "{error:?}");
    assert_eq!((error.operation, start(&error)), (Operation::Write, 37 * PAGE as u64));
    // So it is for a page of one's own.
    let map = PrivateMap::open(&path).unwrap();
    let error = map.write_at(37 * PAGE as u64, &[1]).unwrap_err();
    assert_eq!(errno(&error), Some(libc::EIO), "{error:?}");
}
