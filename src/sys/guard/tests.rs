use super::*;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|number| (number.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect()
}

#[test]
fn a_comparison_finds_the_first_difference() {
    let guard = FaultGuard::install().unwrap();
    let left = bytes(5000);
    let equal = |right: &[u8], shift: usize, len: usize| {
        let (left, right) = (&left[shift..][..len], &right[shift..][..len]);
        // SAFETY: both are references to `len` bytes.
        unsafe { equal_len(&guard, left.as_ptr(), right.as_ptr(), len) }.unwrap()
    };
    for (shift, len) in [0, 1, 7]
        .iter()
        .flat_map(|shift| (0..200).chain([4096, 4097, 4160]).map(|len| (*shift, len)))
    {
        assert_eq!(equal(&left, shift, len), len);
        for place in (0..len).step_by(if len > 200 { 37 } else { 1 }) {
            let mut right = left.clone();
            right[shift + place] ^= 0x10;
            assert_eq!(equal(&right, shift, len), place, "{len} bytes from {shift} on");
        }
    }
}

/// A map of 16 KiB with this content, whose second half is gone.
///
/// Windows cuts no file that is mapped (Wine does): there the pages are taken from the process,
/// which a guarded loop sees in the same way.
fn half_a_map(content: &[u8]) -> memmap2::MmapRaw {
    let file = tempfile::tempfile().unwrap();
    crate::sys::file::write_all_at(&file, content, 0).unwrap();
    let map = memmap2::MmapRaw::map_raw(&file).unwrap();
    match crate::sys::file::set_len(&file, 8192) {
        Ok(()) => {}
        #[cfg(windows)]
        Err(error) => {
            use windows_sys::Win32::Foundation::ERROR_USER_MAPPED_FILE;
            assert_eq!(error.raw_os_error(), Some(ERROR_USER_MAPPED_FILE.cast_signed()));
            take_away(&map);
        }
        #[cfg(unix)]
        Err(error) => panic!("{error}"),
    }
    map
}

/// Forbids the second half.
#[cfg(windows)]
fn take_away(map: &memmap2::MmapRaw) {
    use crate::sys::map::{Kind, Protection};
    let half = map.as_mut_ptr().wrapping_add(8192);
    // SAFETY: the pages are the map's, and nobody refers to them.
    unsafe { super::super::system::pages::protect(half, 8192, Kind::Shared, Protection::None) }
        .unwrap();
}

fn stops_at_the_half(map: &memmap2::MmapRaw, content: &[u8]) {
    let guard = FaultGuard::install().unwrap();
    let page = map.as_ptr() as usize + 8192;
    for (from, len) in [(0, 16384), (63, 12000), (8190, 3), (8192, 1)] {
        let (there, here) = (map.as_ptr().wrapping_add(from), &content[from..]);
        let good = 8192 - from;
        for (left, right) in [(there, here.as_ptr()), (here.as_ptr(), there)] {
            // SAFETY: one side is mapped, and the other a reference to at least `len` bytes.
            let stopped = unsafe { equal_len(&guard, left, right, len) }.unwrap_err();
            assert!(stopped.done <= good && good - stopped.done < 64, "{stopped:?}");
            assert_eq!(stopped.address, page, "{stopped:?}");
        }
        let mut copied = vec![0; len];
        // SAFETY: the source is mapped, the target a reference to `len` bytes.
        let stopped = unsafe { copy(&guard, there, copied.as_mut_ptr(), len) }.unwrap_err();
        assert_eq!((stopped.done, stopped.address), (good, page), "{stopped:?}");
        assert!(copied[..good] == here[..good] && copied[good..].iter().all(|byte| *byte == 0));
        let to = there.cast_mut();
        // SAFETY: the target is mapped, and nobody refers to its bytes.
        let stopped = unsafe { copy(&guard, here.as_ptr(), to, len) }.unwrap_err();
        assert_eq!((stopped.done, stopped.address), (good, page), "{stopped:?}");
    }
}

#[test]
fn a_copy_and_a_comparison_stop_where_a_page_is_gone() {
    let content = bytes(16384);
    stops_at_the_half(&half_a_map(&content), &content);
}

#[cfg(windows)]
#[test]
fn a_copy_and_a_comparison_stop_where_access_is_denied() {
    let content = bytes(16384);
    let file = tempfile::tempfile().unwrap();
    crate::sys::file::write_all_at(&file, &content, 0).unwrap();
    let map = memmap2::MmapRaw::map_raw(&file).unwrap();
    take_away(&map);
    stops_at_the_half(&map, &content);
}
