//! What a file system makes of a write that fails, which is why a failed flush is never tried
//! again.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use super::room::{Drive, Room};
use super::system::FileSystem;

/// The bytes that the disk will not take.
const BAD: &[u8; 16] = b"a bad sector is.";

/// The error is told once; the next flush says that all is well, and nothing is on the disk
/// (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
fn an_error_is_told_once(system: FileSystem) {
    let room = Room::enter().unwrap();
    let shelf = room.shelf(1, system.len()).unwrap();
    let mut drive = Drive::attach(&room, &shelf, 0).unwrap();
    system.make(&drive.device()).unwrap();
    drive.mount(system, "").unwrap();
    let path = drive.directory.join("file");
    fs::write(&path, [7; 8192]).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.sync_all().unwrap();

    drive.disk.refuse(Some(BAD));
    file.write_all_at(&BAD.repeat(256), 0).unwrap();
    let error = file.sync_all().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EIO), "{system}");
    drive.disk.refuse(None);
    file.sync_all().unwrap();
    drop(file);

    drive.unmount().unwrap();
    drive.mount(system, "").unwrap();
    let bytes = fs::read(&path);
    assert!(bytes.is_ok_and(|bytes| !bytes.starts_with(BAD)), "{system}");
    drive.unmount().unwrap();
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn ext4_tells_a_failed_write_once() {
    an_error_is_told_once(FileSystem::Ext4);
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn xfs_tells_a_failed_write_once() {
    an_error_is_told_once(FileSystem::Xfs);
}
