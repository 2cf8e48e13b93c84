use std::fs;

use super::*;
use crate::sys::names::{Follow, Spot};
use crate::sys::system::samples::{file_of, open};

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

/// As git makes its objects; to flush them takes the right to write.
#[test]
fn what_is_read_only_can_be_flushed_and_stays_read_only() {
    let (_directory, path) = file_of(10_000);
    let file = File::open(&path).unwrap();
    attributes::set_mode(&file, 0o444).unwrap();
    sync_all(&file).unwrap();
    let before = file::facts(&file).unwrap();
    let again = attributes::reopened_to_write(&file).unwrap();
    sync_all(&again).unwrap();
    let after = file::facts(&file).unwrap();
    assert_eq!((after.mode, after.modified), (before.mode, before.modified));
    assert_eq!(after.mode & 0o222, 0);
}

#[test]
fn a_write_through_is_seen_at_once() {
    let (_directory, path) = file_of(10);
    let file = open(&path);
    write_through(&file, 8, b"written").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"\x07\x07\x07\x07\x07\x07\x07\x07written");
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
