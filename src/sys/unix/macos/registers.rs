//! The registers of an interrupted thread, as the kernel passes them to a signal handler
//! (`sys/_types/_ucontext.h`, `mach/*/_structs.h`).

use libc::c_void;

use crate::sys::guard::{Way, machine};

/// Whether the kernel tells a signal that was sent from that of a fault: the `si_code` of every
/// SIGBUS is that of a fault here (xnu, `sendsig`).
pub(super) const TELLS_SENT: bool = false;

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
    // SAFETY: the kernel has the context lead to the registers, which lie beside it on the stack.
    let machine = unsafe { &mut *context.uc_mcontext };
    let registers = &mut machine.__ss;
    let Some(Way::Out(on)) = machine::way_from(registers.__rip) else { return false };
    registers.__r9 = address as u64;
    registers.__r10 = code as u64;
    registers.__rip = on;
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
    // SAFETY: the kernel has the context lead to the registers, which lie beside it on the stack.
    let machine = unsafe { &mut *context.uc_mcontext };
    let registers = &mut machine.__ss;
    let (on, out) = match machine::way_from(registers.__pc) {
        None => return false,
        Some(Way::Closer(on)) => (on, false),
        Some(Way::Out(on)) => (on, true),
    };
    if out {
        registers.__x[9] = address as u64;
        registers.__x[10] = code as u64;
    }
    registers.__pc = on;
    true
}
