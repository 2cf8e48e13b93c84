use super::*;
use crate::sys::file::{read_at, set_len, write_all_at};

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|number| (number.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect()
}

fn file_of(content: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
    write_all_at(&file, content, 0).unwrap();
    file
}

#[test]
fn a_map_begins_at_any_byte() {
    let bytes = content(300_000);
    let file = file_of(&bytes);
    for (offset, len) in [(0, 1), (1, 4096), (4095, 2), (65_535, 70_000), (131_073, 168_927)] {
        for access in [Access::Read, Access::ReadWrite, Access::CopyOnWrite] {
            let map = Mapping::file(&file, offset as u64, len, access).unwrap();
            assert_eq!(map.len(), len);
            assert_eq!(map.is_writable(), access == Access::ReadWrite);
            let mut read = vec![0; len];
            map.read_at(0, &mut read).unwrap();
            assert!(read == bytes[offset..offset + len], "{offset}, {len}, {access:?}");
            let last = &mut read[..1];
            map.read_at(len - 1, last).unwrap();
            assert_eq!(last[0], bytes[offset + len - 1]);
        }
    }
}

#[test]
fn what_is_stored_is_in_the_file_unless_the_pages_are_private() {
    let bytes = content(200_000);
    let file = file_of(&bytes);
    let mut read = [0; 3];
    for access in [Access::CopyOnWrite, Access::ReadWrite] {
        let map = Mapping::file(&file, 66_000, 1000, access).unwrap();
        map.write_at(10, b"new").unwrap();
        map.read_at(10, &mut read).unwrap();
        assert_eq!(&read, b"new");
        read_at(&file, 66_010, &mut read).unwrap();
        assert_eq!(&read == b"new", access == Access::ReadWrite);
    }
    // And the other way round.
    let map = Mapping::file(&file, 66_000, 1000, Access::Read).unwrap();
    write_all_at(&file, b"old", 66_010).unwrap();
    map.read_at(10, &mut read).unwrap();
    assert_eq!(&read, b"old");
    let refused = map.write_at(0, b"x").unwrap_err();
    assert_eq!((refused.side, refused.reason), (Side::Target, FaultReason::Protected));
}

#[test]
fn bytes_go_from_map_to_map_and_are_compared() {
    let bytes = content(150_000);
    let [source, target] = [file_of(&bytes), file_of(&vec![0; 150_000])];
    let from = Mapping::file(&source, 0, 150_000, Access::Read).unwrap();
    let to = Mapping::file(&target, 3, 149_997, Access::ReadWrite).unwrap();
    Mapping::copy_between(&from, 70_001, &to, 5, 60_000).unwrap();
    assert_eq!(Mapping::equal_len(&from, 70_001, &to, 5, 60_000).unwrap(), 60_000);
    to.write_at(5 + 40_000, &[bytes[110_001] ^ 1]).unwrap();
    assert_eq!(Mapping::equal_len(&from, 70_001, &to, 5, 60_000).unwrap(), 40_000);
    let mut found = vec![1; 150_000];
    read_at(&target, 0, &mut found).unwrap();
    let mut wanted = vec![0; 150_000];
    wanted[8..60_008].copy_from_slice(&bytes[70_001..130_001]);
    wanted[40_008] ^= 1;
    assert!(found == wanted);
}

#[test]
fn a_page_that_cannot_be_had_names_side_and_place() {
    let bytes = content(100_000);
    let file = file_of(&bytes);
    let map = Mapping::file(&file, 0, 100_000, Access::ReadWrite).unwrap();
    match set_len(&file, 10_000) {
        Err(_) if cfg!(windows) => return,
        // Windows keeps the length of what is mapped, where nothing is missing then; Wine does not.
        cut => cut.unwrap(),
    }
    let page = 10_000_usize.next_multiple_of(pages::page_bytes());
    let mut read = vec![0; 50_000];
    let fault = map.read_at(1, &mut read).unwrap_err();
    assert_eq!((fault.side, fault.reason), (Side::Source, FaultReason::Missing));
    assert_eq!((fault.at, fault.done), (page, page - 1));
    assert!(read[..9999] == bytes[1..10_000]);
    let fault = map.write_at(page, &[1; 10]).unwrap_err();
    assert_eq!((fault.side, fault.at, fault.done), (Side::Target, page, 0));
    let cause = cause_of_fault(&file, page as u64, &fault);
    assert!(matches!(cause, crate::error::Cause::Shrank { len: 10_000 }), "{cause:?}");
}
