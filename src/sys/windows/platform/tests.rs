use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::sys::names::{Follow, Spot};

/// A directory, and the path of a file of so many bytes in it, of which none is zero.
fn file_of(len: usize) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, vec![7; len]).unwrap();
    (directory, path)
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

/// Whether it was done; where it was not, the error says that the volume cannot.
fn can<T>(done: io::Result<T>) -> bool {
    done.map_err(|error| {
        assert!(crate::sys::attributes::is_unsupported(&error), "{error}");
    })
    .is_ok()
}

#[test]
fn room_makes_a_file_longer_and_no_file_shorter() {
    let (_directory, path) = file_of(10_000);
    let file = open(&path);
    let len = || file::facts(&file).unwrap().len;
    reserve(&file, ByteRange::first(0)).unwrap();
    reserve(&file, ByteRange::first(1)).unwrap();
    reserve(&file, ByteRange::between(5000, 10_000)).unwrap();
    assert_eq!(len(), 10_000);
    // Wine cannot ask for room.
    if can(reserve(&file, ByteRange::between(9000, 300_000))) {
        assert_eq!(len(), 300_000);
        assert!(file::facts(&file).unwrap().allocated >= 300_000);
        let content = fs::read(&path).unwrap();
        assert!(content[..10_000] == [7; 10_000] && content[10_000..] == [0; 290_000]);
    }
}

#[test]
fn more_room_than_there_is_is_refused_and_the_length_stays() {
    let (_directory, path) = file_of(1);
    let file = open(&path);
    let free = free_bytes_of(&file).unwrap();
    assert!(free > 0);
    let error = reserve(&file, ByteRange::first(free * 2 + (1 << 40))).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::NOSPC));
    let error = reserve(&file, ByteRange::first(u64::MAX)).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::FBIG));
    assert_eq!(file::facts(&file).unwrap().len, 1);
}

#[test]
fn a_hole_is_where_no_data_is_and_the_length_stays() {
    const LEN: u64 = 1 << 20;
    let (_directory, path) = file_of(1 << 20);
    let file = open(&path);
    assert_eq!(next_data(&file, 0).unwrap(), Some(ByteRange::first(LEN)));
    assert_eq!(next_data(&file, 5).unwrap(), Some(ByteRange::between(5, LEN)));
    assert_eq!(next_data(&file, LEN).unwrap(), None);
    assert_eq!(next_data(&file, u64::MAX).unwrap(), None);
    let hole = ByteRange::between(LEN / 4, LEN / 2);
    // Wine takes the call and does nothing.
    if can(punch_hole(&file, hole)) && is_sparse(&file) {
        assert_eq!(next_data(&file, 5).unwrap(), Some(ByteRange::between(5, hole.start())));
        assert_eq!(
            next_data(&file, hole.start()).unwrap(),
            Some(ByteRange::between(hole.end(), LEN))
        );
        let mut wanted = vec![7; 1 << 20];
        wanted[1 << 18..1 << 19].fill(0);
        assert!(fs::read(&path).unwrap() == wanted);
        // What has holes has no room for all of its length.
        let room = reserve(&file, ByteRange::first(10)).unwrap_err();
        assert_eq!(Errno::from_io_error(&room), Some(Errno::OPNOTSUPP));
    }
    assert_eq!(file::facts(&file).unwrap().len, LEN);
}

fn is_sparse(file: &File) -> bool {
    crate::sys::system::file::basic(file).unwrap().FileAttributes & FILE_ATTRIBUTE_SPARSE_FILE != 0
}

#[test]
fn what_is_open_for_reading_can_be_flushed() {
    let (directory, path) = file_of(10_000);
    let file = File::open(&path).unwrap();
    sync_all(&file).unwrap();
    sync_data(&file).unwrap();
    sync_all(open(&path)).unwrap();
    start_write_out(&file, ByteRange::between(1, 9000)).unwrap();
    wait_write_out(&file, ByteRange::first(1 << 30)).unwrap();
    let spot = Spot::of_path(directory.path());
    let listable = spot.open_listable(Follow::Yes).unwrap();
    assert!(file::can_flush(&listable).unwrap());
    sync_all(&listable).unwrap();
}

#[test]
fn a_write_through_is_seen_at_once() {
    let (_directory, path) = file_of(10);
    let file = open(&path);
    write_through(&file, 8, b"written").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"\x07\x07\x07\x07\x07\x07\x07\x07written");
}

#[test]
fn the_cache_can_be_dropped_of_a_file_in_use() {
    let (_directory, path) = file_of(10_000);
    let file = open(&path);
    drop_cache(&file).unwrap();
    drop_cache(&File::open(&path).unwrap()).unwrap();
    assert_eq!(cached_bytes(&file, 7).unwrap(), 7);
    assert!(fs::read(&path).unwrap() == [7; 10_000]);
}

#[test]
fn whole_sectors_are_written_past_the_cache() {
    #[repr(align(4096))]
    struct Sector([u8; 4096]);
    let (_directory, path) = file_of(8192);
    let sector = Box::new(Sector([9; 4096]));
    let direct = open_direct(&path).unwrap();
    file::write_all_at(&direct, &sector.0, 4096).unwrap();
    let content = fs::read(&path).unwrap();
    assert!(content[..4096] == [7; 4096] && content[4096..] == [9; 4096]);
}

#[test]
fn a_volume_without_shared_clusters_says_so() {
    let (directory, path) = file_of(100_000);
    let target = open(&{
        let path = directory.path().join("target");
        fs::write(&path, b"").unwrap();
        path
    });
    let source = File::open(&path).unwrap();
    if can(clone_file(&source, &target)) {
        assert!(fs::read(directory.path().join("target")).unwrap() == vec![7; 100_000]);
    }
}

#[test]
fn file_systems_are_known_by_what_drivers_call_them() {
    for (name, kind) in [
        ("NTFS", FileSystem::Other),
        ("ReFS", FileSystem::Other),
        ("exFAT", FileSystem::Other),
        ("EXT4", FileSystem::Ext),
        ("Btrfs", FileSystem::Btrfs),
        ("FUSE-sshfs", FileSystem::Fuse),
    ] {
        assert_eq!(kind_of_name(name), kind, "{name}");
    }
    let (directory, path) = file_of(1);
    let file = File::open(&path).unwrap();
    assert!(!volume::of(&file).unwrap().file_system.is_empty());
    let handle = Spot::of_path(directory.path()).open_listable(Follow::Yes).unwrap();
    assert_eq!(file_system(&handle).unwrap(), file_system(&file).unwrap());
    assert_ne!(file_system(&file).unwrap(), FileSystem::Network);
}

#[test]
fn the_system_has_a_name() {
    let name = kernel();
    let numbers = name.strip_prefix("Windows ").unwrap();
    assert_eq!(numbers.split('.').filter(|it| it.parse::<u32>().is_ok()).count(), 3, "{name}");
}
