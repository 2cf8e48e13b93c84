//! Handles of open objects.

pub(crate) use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};

use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Foundation::HANDLE;

/// The handle that something has.
pub(crate) fn of(object: &impl AsHandle) -> BorrowedHandle<'_> {
    object.as_handle()
}

/// The same as a number, for as long as the object is borrowed.
pub(super) fn raw(object: &impl AsHandle) -> HANDLE {
    object.as_handle().as_raw_handle()
}

/// Has a type lend the handle of one of its fields.
macro_rules! lend_handle {
    ($type:ty, $field:ident) => {
        impl std::os::windows::io::AsHandle for $type {
            fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
                std::os::windows::io::AsHandle::as_handle(&self.$field)
            }
        }
    };
}

pub(crate) use lend_handle;
