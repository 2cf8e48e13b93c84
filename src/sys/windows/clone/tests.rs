use std::fs;

use super::*;
use crate::sys::system::samples::{can, file_of, open};

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
