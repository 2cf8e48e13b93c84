//! The registers of an interrupted thread, as the kernel passes them to a signal handler.

use libc::c_void;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::sys::guard::{Way, machine};

/// Whether the kernel tells a signal that was sent from that of a fault.
pub(super) const TELLS_SENT: bool = true;

/// Sends a thread that was interrupted in one of the guarded loops where it goes on; false for any
/// other.
///
/// # Safety
///
/// `context` must be what the kernel passed to a signal handler.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn recover(context: *mut c_void, address: usize, code: usize) -> bool {
    // SAFETY: the caller vouches for it; nothing else refers to it while the handler runs.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let Some(Way::Out(on)) = machine::way_from(registers[libc::REG_RIP as usize].cast_unsigned())
    else {
        return false;
    };
    registers[libc::REG_R9 as usize] = address.cast_signed() as i64;
    registers[libc::REG_R10 as usize] = code.cast_signed() as i64;
    registers[libc::REG_RIP as usize] = on.cast_signed();
    true
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn recover(context: *mut c_void, address: usize, code: usize) -> bool {
    // SAFETY: the caller vouches for it; nothing else refers to it while the handler runs.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let machine = &mut context.uc_mcontext;
    let (on, out) = match machine::way_from(machine.pc) {
        None => return false,
        Some(Way::Closer(on)) => (on, false),
        Some(Way::Out(on)) => (on, true),
    };
    if out {
        machine.regs[9] = address as u64;
        machine.regs[10] = code as u64;
    }
    machine.pc = on;
    true
}

/// Where there are no guarded loops.
///
/// # Safety
///
/// None is needed.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe fn recover(_: *mut c_void, _: usize, _: usize) -> bool {
    false
}
