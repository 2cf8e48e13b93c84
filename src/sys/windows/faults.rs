//! The handler for pages that cannot be had, which turns a fault in a guarded loop into the loop's
//! end.
//!
//! Where Unix raises SIGBUS, Windows raises the exception `EXCEPTION_IN_PAGE_ERROR`, and
//! `EXCEPTION_ACCESS_VIOLATION` where nothing is mapped any more. A vectored handler is asked
//! first, sends a thread out of a guarded loop, and leaves every other exception to those behind
//! it, so that they are chained by the system.

use std::ffi::c_void;
use std::io;

use windows_sys::Win32::Foundation::{EXCEPTION_ACCESS_VIOLATION, EXCEPTION_IN_PAGE_ERROR};
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, CONTEXT, EXCEPTION_POINTERS, RemoveVectoredExceptionHandler,
};

use super::errno::last;
use crate::sys::guard::{Restored, Way, machine};

/// What a vectored handler returns: go on at the context, or ask the next one.
const CONTINUE_EXECUTION: i32 = -1;
const CONTINUE_SEARCH: i32 = 0;

/// Exceptions are blocked by no thread.
pub(crate) fn unblock_this_thread() -> io::Result<()> {
    Ok(())
}

/// Whether a fault of this code says that the memory is broken. Windows stops for that, so that
/// none does.
pub(crate) fn is_broken(_: usize) -> bool {
    false
}

/// The handler, while it is installed.
pub(crate) struct Handlers {
    handle: *mut c_void,
}

// SAFETY: it is a handle, which any thread may use, and only under the lock that this is behind.
unsafe impl Send for Handlers {}

impl Handlers {
    /// None.
    pub(crate) const fn new() -> Self {
        Self { handle: std::ptr::null_mut() }
    }

    /// Puts it before all others, for the first token.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        // SAFETY: the handler touches nothing but what it is given.
        self.handle = unsafe { AddVectoredExceptionHandler(1, Some(handle)) };
        if self.handle.is_null() { Err(last()) } else { Ok(()) }
    }

    /// Takes it away, after the last.
    pub(crate) fn leave(&mut self) -> io::Result<Restored> {
        // SAFETY: the handle is that of the handler that `enter` has added.
        if unsafe { RemoveVectoredExceptionHandler(self.handle) } == 0 {
            return Err(last());
        }
        self.handle = std::ptr::null_mut();
        Ok(Restored::Previous)
    }
}

/// # Safety
///
/// `told` is what the system passes to a vectored handler.
unsafe extern "system" fn handle(told: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes two valid pointers.
    let told = unsafe { &*told };
    // SAFETY: as above; nothing else refers to the record.
    let record = unsafe { &*told.ExceptionRecord };
    // Both have the kind of access and the address; in-page errors a status besides.
    let is_fault =
        matches!(record.ExceptionCode, EXCEPTION_IN_PAGE_ERROR | EXCEPTION_ACCESS_VIOLATION)
            && record.NumberParameters >= 2;
    if !is_fault {
        return CONTINUE_SEARCH;
    }
    let code = match record.ExceptionCode {
        // The status of the read that failed (EXCEPTION_RECORD).
        EXCEPTION_IN_PAGE_ERROR => record.ExceptionInformation[2],
        _ => 0,
    };
    // SAFETY: as above; the thread stands still while its handlers run.
    let context = unsafe { &mut *told.ContextRecord };
    if recover(context, record.ExceptionInformation[1], code) {
        CONTINUE_EXECUTION
    } else {
        CONTINUE_SEARCH
    }
}

/// Sends a thread that was interrupted in one of the guarded loops where it goes on; false for any
/// other.
#[cfg(target_arch = "x86_64")]
fn recover(context: &mut CONTEXT, address: usize, code: usize) -> bool {
    let Some(Way::Out(on)) = machine::way_from(context.Rip) else { return false };
    context.R9 = address as u64;
    context.R10 = code as u64;
    context.Rip = on;
    true
}

/// Where there are no guarded loops.
#[cfg(not(target_arch = "x86_64"))]
fn recover(_: &mut CONTEXT, _: usize, _: usize) -> bool {
    false
}
