use std::fs;

use super::*;
use crate::sys::system::samples::{can, file_of, open};

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
    let free = free_bytes(&file).unwrap();
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

/// A file whose content is with a cloud provider looks like one that is a hole.
#[test]
fn what_has_its_content_elsewhere_has_no_holes() {
    assert!(has_holes(FILE_ATTRIBUTE_SPARSE_FILE));
    assert!(!has_holes(FILE_ATTRIBUTE_OFFLINE));
    for elsewhere in [
        FILE_ATTRIBUTE_REPARSE_POINT,
        FILE_ATTRIBUTE_OFFLINE,
        FILE_ATTRIBUTE_RECALL_ON_OPEN,
        FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS,
    ] {
        assert!(!has_holes(FILE_ATTRIBUTE_SPARSE_FILE | elsewhere), "{elsewhere:#x}");
    }
}

#[test]
fn a_file_keeps_its_bytes_when_holes_are_allowed() {
    let (_directory, path) = file_of(10_000);
    let file = open(&path);
    allow_holes(&file).unwrap();
    settle_data(&file).unwrap();
    settle_data(&File::open(&path).unwrap()).unwrap();
    assert!(fs::read(&path).unwrap() == [7; 10_000]);
}
