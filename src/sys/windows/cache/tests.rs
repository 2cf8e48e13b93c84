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
