use std::fs;

use super::*;
use crate::sys::system::samples::{file_of, open};

#[test]
fn the_cache_can_be_dropped_of_a_file_in_use() {
    let (_directory, path) = file_of(10_000);
    let file = open(&path);
    drop_cache(&file).unwrap();
    drop_cache(&File::open(&path).unwrap()).unwrap();
    assert_eq!(cached_bytes(&file, 7).unwrap(), 7);
    assert!(fs::read(&path).unwrap() == [7; 10_000]);
}

/// From any place, to any place of memory, over the end, and what has just been written.
#[test]
fn bytes_are_read_past_the_cache() {
    let (_directory, path) = file_of(10_000);
    let uncached = Uncached::of(&File::open(&path).unwrap()).unwrap();
    file::write_all_at(&open(&path), b"new", 8191).unwrap();
    let content = fs::read(&path).unwrap();
    for (offset, len) in [(0, 1), (1, 4096), (4095, 2), (8190, 5), (9990, 100), (0, 20_000)] {
        let mut read = vec![1; len];
        let count = uncached.read_at(offset as u64, &mut read).unwrap();
        let expected = &content[offset..content.len().min(offset + len)];
        assert!(read[..count] == *expected, "{len} bytes at {offset}");
    }
    assert_eq!(uncached.read_at(10_000, &mut [0; 7]).unwrap(), 0);
    assert_eq!(uncached.read_at(50_000, &mut [0; 7]).unwrap(), 0);
}
