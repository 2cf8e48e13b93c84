//! Mapped reads and writes where disks are full or broken, and what only Linux is asked for.

use crate::guard::in_child_of;
use crate::support::fuse::{Faults, FaultyFileSystem};
use crate::support::mounts::{Kind, Mounts};

use std::os::unix::fs::MetadataExt;

use super::*;

fn errno(error: &Error) -> Option<i32> {
    error.os_error().and_then(io::Error::raw_os_error)
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
    assert!(cut(&path, PAGE as u64));
    let error = source.advise(whole, Advice::PopulateRead).unwrap_err();
    assert_eq!(error.operation, Operation::Map);
    assert_eq!(errno(&error), Some(libc::EFAULT));
}
