//! Handles of open objects: on Unix, file descriptors.

pub(crate) use std::os::fd::{
    AsFd as AsHandle, BorrowedFd as BorrowedHandle, OwnedFd as OwnedHandle,
};

/// The handle that something has.
pub(crate) fn of(object: &impl AsHandle) -> BorrowedHandle<'_> {
    object.as_fd()
}

/// Has a type lend the handle of one of its fields.
macro_rules! lend_handle {
    ($type:ty, $field:ident) => {
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(&self.$field)
            }
        }
    };
}

pub(crate) use lend_handle;
