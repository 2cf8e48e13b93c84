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

#[test]
fn a_comparison_stops_where_a_page_is_gone() {
    let guard = FaultGuard::install().unwrap();
    let content = bytes(16384);
    let file = tempfile::tempfile().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &content, 0).unwrap();
    let map = memmap2::MmapRaw::map_raw(&file).unwrap();
    file.set_len(8192).unwrap();
    for (from, len) in [(0, 16384), (63, 12000), (8190, 3), (8192, 1)] {
        let (there, here) = (map.as_ptr().wrapping_add(from), &content[from..]);
        for (left, right) in [(there, here.as_ptr()), (here.as_ptr(), there)] {
            // SAFETY: one side is mapped, and the other a reference to at least `len` bytes.
            let stopped = unsafe { equal_len(&guard, left, right, len) }.unwrap_err();
            let good = 8192 - from;
            assert!(stopped.done <= good && good - stopped.done < 64, "{stopped:?}");
            let page = map.as_ptr() as usize + 8192;
            assert_eq!(stopped.address, page, "{stopped:?}");
        }
    }
}
