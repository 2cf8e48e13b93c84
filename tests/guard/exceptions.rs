//! What the vectored handler takes, and what it leaves to those behind it.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use windows_sys::Win32::Foundation::EXCEPTION_ACCESS_VIOLATION;
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_POINTERS, RemoveVectoredExceptionHandler,
    SetUnhandledExceptionFilter,
};
use windows_sys::Win32::System::Memory::{PAGE_NOACCESS, PAGE_READWRITE, VirtualProtect};

use super::*;

/// Where the exceptions are asked for.
#[derive(Clone, Copy)]
enum Place {
    First,
    Last,
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

fn in_child(test: &str, body: fn()) -> Option<ExitStatus> {
    in_child_of(module_path!(), test, body)
}

fn protect(page: *const c_void, flags: u32) {
    let mut before = 0;
    // SAFETY: the page is the map's of `fault_elsewhere`, which nobody refers to.
    let done = unsafe { VirtualProtect(page, PAGE, flags, &raw mut before) };
    assert_ne!(done, 0);
}

/// Touches a page that may not be, without a guard.
fn fault_elsewhere() -> u8 {
    let directory = tempfile::tempdir().unwrap();
    let path = file_of(directory.path(), PAGE);
    let file = File::options().read(true).write(true).open(path).unwrap();
    let map = memmap2::MmapRaw::map_raw(&file).unwrap();
    protect(map.as_ptr().cast(), PAGE_NOACCESS);
    // SAFETY: the map lives, and has this byte; that it may not be read is the point.
    unsafe { map.as_ptr().read_volatile() }
}

/// Allows what was forbidden, and has the instruction run again.
unsafe extern "system" fn repair(told: *mut EXCEPTION_POINTERS) -> i32 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the system passes two valid pointers.
    let told = unsafe { &*told };
    // SAFETY: as above.
    let record = unsafe { &*told.ExceptionRecord };
    assert_eq!(record.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
    let address = record.ExceptionInformation[1];
    protect((address & !(PAGE - 1)) as *const c_void, PAGE_READWRITE);
    -1
}

/// Leaves everything to the next.
unsafe extern "system" fn count(_: *mut EXCEPTION_POINTERS) -> i32 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    0
}

fn add(
    place: Place,
    handler: unsafe extern "system" fn(*mut EXCEPTION_POINTERS) -> i32,
) -> *mut c_void {
    let first = u32::from(matches!(place, Place::First));
    // SAFETY: the handlers above are good for every exception that these tests raise.
    let added = unsafe { AddVectoredExceptionHandler(first, Some(handler)) };
    assert!(!added.is_null());
    added
}

fn remove(handler: *mut c_void) {
    // SAFETY: `add` has returned it.
    assert_ne!(unsafe { RemoveVectoredExceptionHandler(handler) }, 0);
}

#[test]
fn a_fault_in_a_mapped_read_is_not_passed_on() {
    passes(in_child("a_fault_in_a_mapped_read_is_not_passed_on", || {
        let behind = add(Place::Last, count);
        let _guard = FaultGuard::install().unwrap();
        read_what_is_gone();
        assert_eq!(CALLS.load(Ordering::Relaxed), 0);
        remove(behind);
    }));
}

#[test]
fn a_fault_elsewhere_goes_to_the_handler_behind() {
    passes(in_child("a_fault_elsewhere_goes_to_the_handler_behind", || {
        add(Place::Last, repair);
        let guard = FaultGuard::install().unwrap();
        assert_eq!(fault_elsewhere(), 1);
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
        read_what_is_gone();
        drop(guard);
        assert_eq!(fault_elsewhere(), 1);
        assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    }));
}

#[test]
fn a_handler_before_ours_is_asked_first_and_left_alone() {
    passes(in_child("a_handler_before_ours_is_asked_first_and_left_alone", || {
        let guard = FaultGuard::install().unwrap();
        let before = add(Place::First, count);
        read_what_is_gone();
        assert_eq!(guard.uninstall().unwrap(), Restored::Previous);
        CALLS.store(0, Ordering::Relaxed);
        add(Place::Last, repair);
        assert_eq!(fault_elsewhere(), 1);
        assert_eq!(CALLS.load(Ordering::Relaxed), 2, "it is still there");
        remove(before);
    }));
}

/// What is asked last, in the place of who would report the death of the program.
unsafe extern "system" fn end(_: *const EXCEPTION_POINTERS) -> i32 {
    std::process::exit(DIED)
}

const DIED: i32 = 77;

#[test]
fn a_fault_elsewhere_ends_the_program_as_usual() {
    let status = in_child("a_fault_elsewhere_ends_the_program_as_usual", || {
        let _guard = FaultGuard::install().unwrap();
        // SAFETY: the filter is good for every exception.
        unsafe { SetUnhandledExceptionFilter(Some(end)) };
        fault_elsewhere();
    });
    assert!(status.is_none_or(|status| status.code() == Some(DIED)), "{status:?}");
}
