use std::fs::File;

use super::*;
use crate::sys::names::{Follow, Spot};
use crate::sys::system::samples::file_of;

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
    assert_eq!(of(&handle).unwrap(), of(&file).unwrap());
    assert_ne!(of(&file).unwrap(), FileSystem::Network);
}
