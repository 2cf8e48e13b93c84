//! Mapped reads, writes and copies: every length, every offset, and every way to fail.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mycp::mapped::{
    Advice, AnonymousMap, MappedSource, MappedTarget, Msync, PrivateMap, Protection, Reservation,
    copy_range,
};
use mycp::{ByteRange, Cause, Error, Flush, Operation};

use crate::guard::cut;

#[cfg(target_os = "linux")]
mod linux;

const PAGE: usize = 4096;
const WINDOW: usize = 2 << 20;
const LENGTHS: [usize; 9] =
    [0, 1, PAGE - 1, PAGE, PAGE + 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + PAGE + 3];

/// Bytes of which no two pages are equal.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|number| (number.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[1]).collect()
}

fn file_with(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Opens a file in which what was never written is a hole.
fn sparse(path: &Path) -> File {
    let file = File::options().read(true).write(true).open(path).unwrap();
    #[cfg(windows)]
    make_sparse(&file);
    file
}

#[cfg(windows)]
fn make_sparse(file: &File) {
    use std::os::windows::io::AsRawHandle;
    use std::ptr::{null, null_mut};
    use windows_sys::Win32::System::IO::DeviceIoControl;
    use windows_sys::Win32::System::Ioctl::FSCTL_SET_SPARSE;
    let (handle, mut count) = (file.as_raw_handle(), 0);
    // Where a volume cannot, as below Wine, it has to do without, or needs no telling.
    // SAFETY: the handle is open, and nothing is passed in or out.
    unsafe {
        DeviceIoControl(handle, FSCTL_SET_SPARSE, null(), 0, null_mut(), 0, &mut count, null_mut())
    };
}

fn start(error: &Error) -> u64 {
    error.range.unwrap().start()
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
        let mut file = sparse(&path);
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(&bytes).unwrap();
        let source = MappedSource::open(&path).unwrap();
        let mut read = vec![1; PAGE + 1];
        source.read_at(offset - 1, &mut read).unwrap();
        assert_eq!(read[0], 0);
        assert!(read[1..] == bytes);

        let path = file_with(directory.path(), "t", b"");
        sparse(&path).set_len(offset + PAGE as u64).unwrap();
        let target = MappedTarget::open(&path).unwrap();
        copy_range(&source, offset, &target, offset, PAGE as u64).unwrap();
        let mut written = vec![1; PAGE + 1];
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(offset - 1)).unwrap();
        file.read_exact(&mut written).unwrap();
        assert!(written == read);
        #[cfg(unix)]
        assert!(std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()) < 100);
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
        let is_cut = cut(&path, WINDOW as u64 + 10);
        std::thread::sleep(Duration::from_millis(300));
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            let ended = reader.join().unwrap();
            assert_eq!(ended.is_some(), is_cut, "the cut was not noticed");
            let Some(error) = ended else { continue };
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
        for (from, is_mapped) in [0, 1, 63, PAGE - 1, PAGE, 5 * PAGE + 100]
            .into_iter()
            .flat_map(|from| [(from, true), (from, false)])
        {
            let path = directory.path().join(format!("{left}-{from}-{is_mapped}"));
            std::fs::write(&path, &bytes).unwrap();
            let source = MappedSource::open(&path).unwrap();
            if is_mapped {
                source.read_at(0, &mut [0]).unwrap();
            }
            if !cut(&path, left as u64) {
                return;
            }
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
    // The windows that are cut below are mapped.
    copy_range(&source, 0, &target, 10, bytes.len() as u64).unwrap();

    if !cut(&target_path, (WINDOW + PAGE) as u64) {
        return;
    }
    let error = copy_range(&source, 0, &target, 10, bytes.len() as u64).unwrap_err();
    assert_eq!(error.operation, Operation::Write);
    assert_eq!(error.endpoint.path(), Some(target_path.as_path()));
    assert_eq!(start(&error), (WINDOW + PAGE) as u64);
    assert!(matches!(error.cause, Cause::Shrank { .. }));

    assert_eq!(target.resize(bytes.len() as u64 + 10).unwrap(), Reservation::Reserved);
    if !cut(&source_path, (WINDOW + 2 * PAGE) as u64) {
        return;
    }
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
    if !cut(&path, 100) {
        return;
    }
    let error = target.write_at(50, &[1; 100]).unwrap_err();
    assert!(matches!(error.cause, Cause::Shrank { len: 100 }));
    assert_eq!(error.range, Some(ByteRange::between(100, 150)));
    let map = PrivateMap::open(&path).unwrap();
    if !cut(&path, 60) {
        return;
    }
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
    if !cut(&path, 0) {
        return;
    }
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
    #[cfg(unix)]
    if target.reservation() == Reservation::Reserved {
        let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&path).unwrap());
        assert!(blocks * 512 >= 1 << 20);
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
fn hints_are_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_with(directory.path(), "s", &pattern(WINDOW + 3 * PAGE));
    let source = MappedSource::open(&path).unwrap();
    let whole = ByteRange::first((WINDOW + 3 * PAGE) as u64);
    for advice in [Advice::Normal, Advice::Sequential, Advice::Random, Advice::WillNeed] {
        source.advise(whole, advice).unwrap();
        source.advise(ByteRange::between(7, 9), advice).unwrap();
        source.read_at(WINDOW as u64 - 1, &mut [0; 2]).unwrap();
    }
    assert_eq!(
        kind(&source.advise(whole, Advice::PopulateWrite).unwrap_err()),
        Some(io::ErrorKind::PermissionDenied)
    );
    let error = source.advise(whole, Advice::HugePages);
    if cfg!(windows) {
        assert_eq!(kind(&error.unwrap_err()), Some(io::ErrorKind::Unsupported));
    }
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let error = MappedSource::open(directory.path()).unwrap_err();
    assert!(matches!(error.cause, Cause::IsDirectory));
    let null = PathBuf::from(if cfg!(windows) { "NUL" } else { "/dev/null" });
    #[cfg_attr(windows, expect(unused_mut, reason = "there is nothing else"))]
    let mut others = vec![null];
    #[cfg(unix)]
    {
        let fifo = directory.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        others.push(fifo);
    }
    for path in &others {
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
