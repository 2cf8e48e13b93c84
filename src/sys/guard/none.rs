//! Where there is no guarded copy or comparison.

use super::RawFault;

pub(super) const SUPPORTED: bool = false;

pub(super) unsafe fn copy(_: *mut u8, _: *const u8, _: usize, _: *mut RawFault) -> usize {
    unreachable!("a token cannot be made where there is no guarded copy")
}

pub(super) unsafe fn compare(_: *const u8, _: *const u8, _: usize, _: *mut RawFault) -> usize {
    unreachable!("a token cannot be made where there is no guarded comparison")
}
