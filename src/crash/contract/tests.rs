use super::samples::{disk, layer, loop_device, on_disk, place, unseen_layer};
use super::*;

fn guarantee(contract: &Contract, call: Call) -> Guarantee {
    *contract.guarantees.iter().find(|guarantee| guarantee.call == call).unwrap()
}

/// Data and cache of `fsync`.
fn fsync(place: &Place) -> (Answer, Answer) {
    let guarantee = guarantee(&contract(place), Call::Flush(SyncMode::Fsync));
    (guarantee.data, guarantee.cache)
}

/// What is warned of, without what is only noted.
fn found(place: &Place) -> Vec<String> {
    let warnings = contract(place).warnings.into_iter();
    let warnings = warnings.filter(|warning| warning.weight == Weight::Warning);
    warnings.map(|warning| warning.found).collect()
}

#[test]
fn a_plain_disk_keeps_what_the_manual_pages_say() {
    use Answer::{No, NotConcerned, Range, Yes};
    let plain = contract(&on_disk("ext4", &["rw", "relatime", "barrier", "auto_da_alloc"]));
    assert_eq!(plain.warnings, []);
    for (call, expected) in [
        (Call::Flush(SyncMode::None), [No, No, No, No, No]),
        (Call::Flush(SyncMode::MsyncAsync), [No, No, No, No, No]),
        (Call::Flush(SyncMode::Msync), [Range, Yes, No, No, Yes]),
        (Call::Flush(SyncMode::Fdatasync), [Yes, Yes, No, No, Yes]),
        (Call::Flush(SyncMode::Fsync), [Yes, Yes, Yes, No, Yes]),
        (Call::DirectoryFsync, [NotConcerned, NotConcerned, NotConcerned, Yes, Yes]),
        (Call::Flush(SyncMode::Syncfs), [Yes, Yes, Yes, Yes, Yes]),
        (Call::Flush(SyncMode::SyncFileRange), [No, No, No, No, No]),
        (Call::Flush(SyncMode::ODsync), [Range, Yes, No, No, Yes]),
        (Call::Rename, [No, No, No, No, No]),
    ] {
        let Guarantee { data, size, attributes, name, cache, source, .. } = guarantee(&plain, call);
        assert_eq!([data, size, attributes, name, cache], expected, "{call:?}");
        assert!(!source.is_empty(), "{call:?}");
    }
}

#[test]
fn options_weaken_promises() {
    use Answer::{No, Unknown, Yes};
    for (system, option, expected) in [
        ("ext4", "nobarrier", (Yes, No)),
        ("ext4", "barrier=0", (Yes, No)),
        ("ext3", "nobarrier", (Yes, No)),
        ("btrfs", "nobarrier", (Yes, No)),
        ("xfs", "nobarrier", (Yes, No)),
        ("gfs2", "nobarrier", (Yes, No)),
        ("f2fs", "fsync_mode=nobarrier", (Yes, No)),
        ("ext4", "data=writeback", (Yes, Yes)),
        ("ext4", "noauto_da_alloc", (Yes, Yes)),
    ] {
        let place = on_disk(system, &["rw", option]);
        assert_eq!(fsync(&place), expected, "{system} {option}");
        assert_eq!(found(&place), [format!("the mount option {option}")], "{system}");
    }
    assert_eq!(found(&on_disk("f2fs", &["rw", "fsync_mode=posix"])), [""; 0]);
    // Another file system's option of that name is none of ours.
    assert_eq!(fsync(&on_disk("jfs", &["nobarrier"])), (Yes, Yes));
    for system in ["cifs", "smb3"] {
        let place = place(system, &["nostrictsync"]);
        assert_eq!(fsync(&place), (Unknown, Unknown));
        assert_eq!(found(&place).len(), 2, "{system}");
    }
}

#[test]
fn what_is_only_good_to_know_takes_no_promise() {
    for option in ["lazytime", "sync", "dirsync", "async", "ro"] {
        let place = on_disk("xfs", &[option]);
        let contract = contract(&place);
        let [note] = contract.warnings.as_slice() else { panic!("{option}: {contract:?}") };
        assert_eq!(note.weight, Weight::Note, "{option}");
        assert_eq!(fsync(&place), (Answer::Yes, Answer::Yes), "{option}");
    }
}

#[test]
fn file_systems_differ_in_what_they_keep() {
    use Answer::{No, Unknown};
    for (system, expected) in [
        ("tmpfs", No),
        ("ramfs", No),
        ("devtmpfs", No),
        ("proc", No),
        ("fuse", Unknown),
        ("fuse.sshfs", Unknown),
        ("fuseblk", Unknown),
        ("virtiofs", Unknown),
        ("nfs", Unknown),
        ("nfs4", Unknown),
        ("cifs", Unknown),
        ("9p", Unknown),
        ("zfs", Unknown),
    ] {
        let place = place(system, &["rw"]);
        assert_eq!(fsync(&place), (expected, expected), "{system}");
        assert_eq!(found(&place), [format!("it is {system}")]);
        let contract = contract(&place);
        assert_eq!(guarantee(&contract, Call::Flush(SyncMode::None)).data, No, "{system}");
        assert_eq!(guarantee(&contract, Call::DirectoryFsync).data, Answer::NotConcerned);
    }
    for system in ["ext2", "vfat", "someday"] {
        let place = on_disk(system, &["rw"]);
        assert_eq!(fsync(&place), (Answer::Yes, Answer::Yes), "{system}");
        assert_eq!(found(&place).len(), 1, "{system}");
    }
    // No more than a name that begins alike.
    assert!(found(&on_disk("fusex", &[]))[0].contains("fusex"));
    assert_eq!(fsync(&on_disk("fusex", &[])).0, Answer::Yes);
}

#[test]
fn ext4_without_a_journal_is_warned_of() {
    let with = |journal| Place { journal, ..on_disk("ext4", &["rw"]) };
    assert_eq!(found(&with(Some(true))), [""; 0]);
    assert_eq!(found(&with(None)), [""; 0]);
    assert_eq!(found(&with(Some(false))), ["ext4 without a journal"]);
}

#[test]
fn a_device_that_gets_no_flush_is_told() {
    use Answer::{NotSent, Unknown, Yes};
    let on = |device| Place { devices: vec![device], ..place("xfs", &["rw"]) };
    let through = |name| disk(name, Some(WriteCache::Through));
    let real = on(through("sda"));
    assert_eq!((fsync(&real), found(&real).len()), ((Yes, NotSent), 0));
    assert_eq!(contract(&real).warnings.len(), 1);
    let virtual_disk = on(through("vda"));
    assert_eq!((fsync(&virtual_disk), found(&virtual_disk).len()), ((Yes, NotSent), 1));
    let unseen = on(disk("sda", None));
    assert_eq!(fsync(&unseen), (Yes, Unknown));
    // Also when it is one of several below another.
    let members = vec![disk("sda", Some(WriteCache::Back)), through("sdb")];
    let kind = DeviceKind::Raid("raid1".into());
    let raid = on(Device { kind, members, ..disk("md0", Some(WriteCache::Back)) });
    assert_eq!(fsync(&raid), (Yes, NotSent));
    assert_eq!(contract(&raid).warnings[0].about, "sdb");
    // A part has no cache of its own.
    let members = vec![disk("sda", Some(WriteCache::Back))];
    let part = on(Device { kind: DeviceKind::Partition, members, ..disk("sda1", None) });
    assert_eq!(fsync(&part), (Yes, Yes));
    assert_eq!(contract(&part).warnings, []);
    // A file system that is on no device that could be found.
    assert_eq!(fsync(&place("xfs", &["rw"])), (Yes, Unknown));
}

#[test]
fn memory_and_other_machines_are_no_disks() {
    let on = |kind| {
        let device = Device { kind, ..disk("device", Some(WriteCache::Through)) };
        Place { devices: vec![device], ..place("ext4", &["rw"]) }
    };
    assert_eq!(fsync(&on(DeviceKind::Memory)), (Answer::No, Answer::No));
    assert_eq!(fsync(&on(DeviceKind::Network)), (Answer::Unknown, Answer::Unknown));
    assert_eq!(found(&on(DeviceKind::Memory)), ["it is memory"]);
}

#[test]
fn a_virtual_disk_is_known_by_its_name_or_model() {
    let modelled =
        |model: &str| Device { model: Some(model.into()), ..disk("sda", Some(WriteCache::Back)) };
    for device in [disk("vda", None), disk("xvdb", None), modelled("QEMU HARDDISK")] {
        assert!(device.is_virtual(), "{device:?}");
    }
    assert!(!modelled("WDC WD40EFRX").is_virtual());
}

#[test]
fn a_loop_device_promises_what_its_file_does() {
    use Answer::{No, Unknown, Yes};
    let on = |backing| Place { devices: vec![loop_device(backing)], ..place("ext4", &["rw"]) };
    for (backing, expected) in [
        (layer(on_disk("xfs", &["rw"])), (Yes, Yes)),
        (layer(on_disk("ext4", &["rw", "nobarrier"])), (Yes, No)),
        (layer(place("tmpfs", &["rw"])), (No, No)),
        (layer(place("fuse.x", &["rw"])), (Unknown, Unknown)),
        (unseen_layer(), (Unknown, Unknown)),
    ] {
        let place = on(backing);
        assert_eq!(fsync(&place), expected, "{place:?}");
        let named = contract(&place).warnings.into_iter().any(|one| one.about == "loop0");
        assert!(named, "{place:?}");
    }
}

#[test]
fn a_stacked_file_system_promises_what_the_one_below_does() {
    use Answer::{No, Unknown, Yes};
    for (system, options, below, expected) in [
        ("overlay", "index=off", Some(layer(on_disk("xfs", &["rw"]))), (Yes, Yes)),
        ("overlay", "volatile", Some(layer(on_disk("xfs", &["rw"]))), (No, No)),
        ("overlay", "fsync=volatile", Some(layer(on_disk("xfs", &["rw"]))), (No, No)),
        ("overlay", "index=off", Some(layer(on_disk("btrfs", &["nobarrier"]))), (Yes, No)),
        ("overlay", "index=off", Some(unseen_layer()), (Unknown, Unknown)),
        ("ecryptfs", "rw", Some(layer(on_disk("ext4", &["rw"]))), (Yes, Yes)),
        ("ecryptfs", "rw", Some(layer(place("tmpfs", &["rw"]))), (No, No)),
    ] {
        let place = Place { below, ..place(system, &["rw", options]) };
        assert_eq!(fsync(&place), expected, "{place:?}");
    }
}

#[test]
fn the_same_layer_is_warned_of_once() {
    let backing = || layer(Place { journal: Some(false), ..on_disk("ext4", &["rw"]) });
    let devices = vec![loop_device(backing()), loop_device(backing())];
    let place = Place { devices, ..place("btrfs", &["rw"]) };
    assert_eq!(found(&place), ["ext4 without a journal"]);
}

/// A place of Windows, on one disk with a volatile cache.
fn on_windows(file_system: &str, options: &[&str]) -> Place {
    Place { family: Family::Windows, ..on_disk(file_system, options) }
}

#[test]
fn a_plain_disk_of_windows_keeps_what_microsoft_says() {
    use Answer::{No, NotConcerned, Range, Unknown, Yes};
    let expected = [
        (Call::Flush(SyncMode::None), [No, No, No, No, No]),
        (Call::Flush(SyncMode::MsyncAsync), [No, No, No, No, No]),
        (Call::Flush(SyncMode::Msync), [Range, Yes, Yes, No, Yes]),
        (Call::Flush(SyncMode::Fsync), [Yes, Yes, Yes, No, Yes]),
        (Call::DirectoryFsync, [NotConcerned, NotConcerned, NotConcerned, No, No]),
        (Call::Flush(SyncMode::Syncfs), [Yes, Yes, Yes, Yes, Yes]),
        (Call::Flush(SyncMode::ODsync), [Range, Yes, No, No, Unknown]),
        (Call::Direct, [Range, Yes, Yes, No, Unknown]),
        (Call::Rename, [No, No, No, No, No]),
        (Call::RenameThrough, [No, No, No, Yes, Unknown]),
    ];
    for system in ["NTFS", "ReFS"] {
        let plain = contract(&on_windows(system, &["rw"]));
        assert_eq!(plain.warnings, [], "{system}");
        assert_eq!(plain.guarantees.len(), expected.len());
        for (call, expected) in expected {
            let one = guarantee(&plain, call);
            let found = [one.data, one.size, one.attributes, one.name, one.cache];
            assert_eq!(found, expected, "{system} {call:?}");
            assert!(!one.source.is_empty() && !one.remark.is_empty(), "{call:?}");
        }
    }
}

#[test]
fn what_a_contract_promises_of_bytes_the_way_to_flush_does() {
    let places = [on_disk("ext4", &["rw"]), on_macos("apfs", &["rw"]), on_windows("NTFS", &["rw"])];
    for place in places {
        for Guarantee { call, data, .. } in contract(&place).guarantees {
            if let Call::Flush(mode) = call {
                let family = place.family;
                assert_eq!(mode.promises_data(family), data != Answer::No, "{family:?} {mode}");
            }
        }
    }
}

#[test]
fn volumes_of_windows_differ_in_what_they_keep() {
    use Answer::{Unknown, Yes};
    for (system, option, expected, warned) in [
        ("FAT32", "rw", Yes, "it is FAT32"),
        ("exFAT", "rw", Yes, "it is exFAT"),
        ("UDF", "rw", Unknown, "it is UDF"),
        ("WinBtrfs", "rw", Unknown, "it is WinBtrfs"),
        // Its name on Linux.
        ("ntfs3", "rw", Unknown, "it is ntfs3"),
        ("NTFS", "remote", Unknown, "the volume is remote"),
    ] {
        let place = on_windows(system, &[option]);
        assert_eq!(fsync(&place).0, expected, "{system}");
        assert_eq!(found(&place), [warned], "{system}");
    }
    assert_eq!(found(&on_windows("NTFS", &["removable"])), [""; 0]);
    assert_eq!(contract(&on_windows("NTFS", &["removable"])).warnings.len(), 1);
    // No option of Linux counts there.
    assert_eq!(fsync(&on_windows("NTFS", &["nobarrier"])), (Yes, Yes));
}

#[test]
fn the_cache_of_a_disk_of_windows_is_flushed_unless_that_is_turned_off() {
    use Answer::{No, Unknown, Yes};
    let on = |cache| {
        let place = on_windows("NTFS", &["rw"]);
        Place { devices: vec![disk("PhysicalDrive0", cache)], ..place }
    };
    assert_eq!(fsync(&on(Some(WriteCache::Back))), (Yes, Yes));
    // There is nothing in it that a flush would have to bring out.
    let off = on(Some(WriteCache::Through));
    assert_eq!((fsync(&off), found(&off).len()), ((Yes, Yes), 0));
    let unflushed = on(Some(WriteCache::Unflushed));
    assert_eq!(fsync(&unflushed), (Yes, No));
    assert_eq!(found(&unflushed), ["its volatile cache is not flushed"]);
    let unseen = on(None);
    assert_eq!(fsync(&unseen), (Yes, Unknown));
    assert!(contract(&unseen).warnings[0].remedy.contains("Device Manager"));
}

#[test]
fn of_what_wine_makes_up_nothing_is_promised() {
    for system in ["NTFS", "FAT32", "someday"] {
        let place = Place { family: Family::Wine, ..place(system, &["rw"]) };
        assert_eq!(fsync(&place), (Answer::Unknown, Answer::Unknown), "{system}");
        assert_eq!(found(&place), ["this is Wine"], "{system}");
        let none = guarantee(&contract(&place), Call::Flush(SyncMode::None));
        assert_eq!(none.data, Answer::No);
    }
}

/// A place of macOS, on a device of which nothing is told.
fn on_macos(file_system: &str, options: &[&str]) -> Place {
    let unseen = Device { kind: DeviceKind::Unseen, ..disk("1:4", None) };
    Place { family: Family::Macos, devices: vec![unseen], ..place(file_system, options) }
}

#[test]
fn a_drive_of_macos_keeps_what_apple_says() {
    use Answer::{No, NotConcerned, Unknown, Yes};
    let expected = [
        (Call::Flush(SyncMode::None), [No, No, No, No, No]),
        (Call::Flush(SyncMode::MsyncAsync), [No, No, No, No, No]),
        (Call::Flush(SyncMode::Msync), [No, No, No, No, No]),
        (Call::Flush(SyncMode::Fdatasync), [Yes, Yes, Yes, No, Yes]),
        (Call::Flush(SyncMode::Fsync), [Yes, Yes, Yes, No, Yes]),
        (Call::DirectoryFsync, [NotConcerned, NotConcerned, NotConcerned, Unknown, Yes]),
        (Call::Flush(SyncMode::ODsync), [Yes, Yes, Yes, No, Yes]),
        (Call::Rename, [No, No, No, No, No]),
    ];
    for system in ["apfs", "hfs"] {
        let place = on_macos(system, &["rw", "journaled"]);
        assert_eq!(found(&place), [""; 0], "{system}");
        let plain = contract(&place);
        // That the drive may ignore it.
        assert_eq!(plain.warnings.len(), 1, "{system}");
        assert_eq!(plain.guarantees.len(), expected.len());
        for (call, expected) in expected {
            let one = guarantee(&plain, call);
            let found = [one.data, one.size, one.attributes, one.name, one.cache];
            assert_eq!(found, expected, "{system} {call:?}");
            assert!(!one.source.is_empty() && !one.remark.is_empty(), "{call:?}");
            assert!(!one.source.contains("Linux") && !one.remark.contains("Linux"), "{call:?}");
        }
    }
}

#[test]
fn of_file_systems_of_macos_two_are_known() {
    use Answer::Unknown;
    for system in ["nfs", "smbfs", "afpfs", "webdav", "ftp", "msdos", "exfat", "tmpfs", "ext4"] {
        let place = on_macos(system, &["rw"]);
        assert_eq!(fsync(&place), (Unknown, Unknown), "{system}");
        assert_eq!(found(&place), [format!("it is {system}")], "{system}");
    }
    // No option of Linux counts there.
    assert_eq!(fsync(&on_macos("apfs", &["nobarrier"])), (Answer::Yes, Answer::Yes));
    assert_eq!(contract(&on_macos("apfs", &["ro"])).warnings.len(), 2);
}

#[test]
fn all_warnings_say_what_follows() {
    for rule in rules::of(Family::Linux).options {
        let warning = rule.warning("/mnt", String::new());
        assert!(!warning.reason.is_empty() && !warning.source.is_empty(), "{warning:?}");
        let has_remedy = !warning.remedy.is_empty();
        assert!(has_remedy || warning.weight == Weight::Note, "{warning:?}");
    }
}
