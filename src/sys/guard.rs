//! A copy and a comparison that come back with an error where touching a map would raise SIGBUS.
//!
//! A page of a map may be gone by the time it is touched: the file shrank, the disk failed, the
//! file system is full. The kernel then raises SIGBUS in the thread that touched it. Here every
//! touch is made by two hand-written loops, and the signal handler does nothing but recognise such
//! a loop by the interrupted instruction's address: it sends the thread to the way out, with
//! the address and the code of the fault in registers. So there is nothing to register before a
//! copy, no thread-local state, no page is replaced, and no Rust frame is jumped over. The model
//! is the `trycopy` crate of openvmm, and the exception table of the Linux kernel before it.
//!
//! Every other SIGBUS goes where it would have gone without this handler.

use std::cell::Cell;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::system::faults::{self, Handlers};

// The two loops, and where a thread that was interrupted in one of them goes on:
//
// mycp_guarded_copy(target, source, len, fault) returns 0, or 1 with `fault` filled in.
// mycp_guarded_compare(left, right, len, fault) returns 0 for equal bytes, 1 as above, or 2 with
// the number of bytes from the first difference on in `fault.remaining`. A thread that is found
// between the labels `first` and `end` goes on at `stopped`, with the address and the code of the
// fault in two registers that the loops leave alone.
#[cfg_attr(all(target_arch = "x86_64", any(unix, windows)), path = "guard/x86_64.rs")]
#[cfg_attr(all(target_arch = "aarch64", unix), path = "guard/aarch64.rs")]
#[cfg_attr(
    not(any(all(target_arch = "x86_64", any(unix, windows)), all(target_arch = "aarch64", unix))),
    path = "guard/none.rs"
)]
pub(super) mod machine;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod directives;

/// Where a thread that was interrupted in one of the loops goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// At this address, in smaller steps, which come to the very byte.
    #[cfg(target_arch = "aarch64")]
    Closer(u64),
    /// At this address, which ends the loop, with address and code of the fault in registers.
    Out(u64),
}

/// Whether this processor and system have a guarded copy.
pub(crate) const fn supported() -> bool {
    machine::SUPPORTED
}

/// A token: while one lives, a fault in a mapped read or write is an error, not a death.
///
/// The maps of this library hold one each, so that nobody needs to make one; a program that maps
/// and unmaps often keeps one to save the system calls that the first and the last token cost.
///
/// The signal handler for SIGBUS that the first token installs passes on whatever is not a fault
/// of this library's own copies, to the handler or the default that it found.
#[derive(Debug)]
pub struct FaultGuard {
    // Only `install` and `clone` make one: they count it.
    _counted: (),
}

/// What became of the signal handler when a token was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The action for SIGBUS is again what it was before the first token.
    Previous,
    /// Other tokens live, so the handler stays.
    StillNeeded,
    /// Somebody has installed another handler since, which may pass signals on to this one: it
    /// stays, idle.
    LeftInstalled,
}

impl FaultGuard {
    /// Counts one more token, installs the handler if it is the first, and lets SIGBUS through to
    /// this thread.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where there is no guarded copy, and what `sigaction` returns.
    pub fn install() -> io::Result<Self> {
        if !supported() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut state = lock();
        if state.tokens == 0 {
            state.handlers.enter()?;
        }
        state.tokens += 1;
        drop(state);
        let token = Self { _counted: () };
        unblock_once()?;
        Ok(token)
    }

    /// Gives the token back and says what became of the handler.
    ///
    /// # Errors
    ///
    /// What `sigaction` returns; the token is gone all the same.
    pub fn uninstall(self) -> io::Result<Restored> {
        std::mem::forget(self);
        lock().leave()
    }

    /// Lets SIGBUS through to the calling thread.
    ///
    /// A thread that blocks SIGBUS dies of a fault, and the process with it, whatever handler
    /// there is. The first mapped access of each thread does this by itself; only a thread that
    /// has blocked SIGBUS after that needs to call it.
    ///
    /// # Errors
    ///
    /// What `pthread_sigmask` returns.
    pub fn unblock_this_thread() -> io::Result<()> {
        faults::unblock_this_thread()
    }
}

impl Clone for FaultGuard {
    /// One more token; cannot fail, because the handler is there.
    fn clone(&self) -> Self {
        lock().tokens += 1;
        Self { _counted: () }
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        // A handler that could not be taken away only passes signals on: nothing is lost.
        lock().leave().ok();
    }
}

thread_local! {
    #[allow(
        clippy::missing_const_for_thread_local,
        reason = "it is const, which the lint does not see where threads have keys for such memory"
    )]
    static UNBLOCKED: Cell<bool> = const { Cell::new(false) };
}

fn unblock_once() -> io::Result<()> {
    if !UNBLOCKED.get() {
        FaultGuard::unblock_this_thread()?;
        UNBLOCKED.set(true);
    }
    Ok(())
}

/// Where a guarded copy or comparison stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interrupted {
    /// Bytes that were copied, or found equal, before.
    pub(super) done: usize,
    /// The address that could not be touched, as the kernel tells it: perhaps only its page.
    pub(super) address: usize,
    /// Whether the memory itself is broken.
    pub(super) hardware: Hardware,
}

/// What a fault says about the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hardware {
    /// Nothing.
    Unsuspected,
    /// It is broken: a machine check.
    Broken,
}

/// Copies `len` bytes forwards, and stops at the first that raises SIGBUS.
///
/// # Safety
///
/// - `source` must be mapped for reading and `target` for writing, for `len` bytes: protections
///   that forbid it and addresses without a map raise SIGSEGV, which is not guarded against.
/// - The bytes at `target` must be the caller's to overwrite. Other threads and processes may read
///   and write either range meanwhile: the loop is outside of Rust's memory model, and what it
///   then copies is some mixture of bytes that were there.
pub(super) unsafe fn copy(
    _: &FaultGuard,
    source: *const u8,
    target: *mut u8,
    len: usize,
) -> Result<(), Interrupted> {
    // It fails only for arguments that are not passed here.
    unblock_once().ok();
    let mut fault = RawFault { remaining: 0, address: 0, code: 0 };
    // SAFETY: the caller vouches for both ranges, the reference to `fault` is valid for writes, and
    // the token says that the handler that answers for the loop is installed.
    let stopped = unsafe { machine::copy(target, source, len, &raw mut fault) };
    if stopped == 0 { Ok(()) } else { Err(fault.interrupted(len)) }
}

/// The number of equal bytes at the start of two ranges of `len` bytes; stops at the first that
/// raises SIGBUS.
///
/// # Safety
///
/// Both ranges must be mapped for reading, for `len` bytes: protections that forbid it and
/// addresses without a map raise SIGSEGV, which is not guarded against. Others may write either
/// meanwhile: each byte was equal when it was looked at.
pub(super) unsafe fn equal_len(
    _: &FaultGuard,
    left: *const u8,
    right: *const u8,
    len: usize,
) -> Result<usize, Interrupted> {
    // It fails only for arguments that are not passed here.
    unblock_once().ok();
    let mut fault = RawFault { remaining: 0, address: 0, code: 0 };
    // SAFETY: as in `copy`; no byte is stored but into `fault`.
    match unsafe { machine::compare(left, right, len, &raw mut fault) } {
        1 => Err(fault.interrupted(len)),
        _ => Ok(len - fault.remaining),
    }
}

/// What a loop leaves when it was interrupted, or met a difference. The loops know the layout.
#[repr(C)]
struct RawFault {
    remaining: usize,
    address: usize,
    code: usize,
}

impl RawFault {
    /// What it says of a loop over `len` bytes.
    fn interrupted(&self, len: usize) -> Interrupted {
        let is_broken = faults::is_broken(self.code);
        let hardware = if is_broken { Hardware::Broken } else { Hardware::Unsuspected };
        Interrupted { done: len - self.remaining, address: self.address, hardware }
    }
}

// ---- The tokens -----------------------------------------------------------------------------

struct State {
    tokens: usize,
    handlers: Handlers,
}

static STATE: Mutex<State> = Mutex::new(State { tokens: 0, handlers: Handlers::new() });

fn lock() -> MutexGuard<'static, State> {
    // Nothing panics while it is held, and a count of tokens is not half-way anywhere.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn leave(&mut self) -> io::Result<Restored> {
        self.tokens -= 1;
        if self.tokens > 0 {
            return Ok(Restored::StillNeeded);
        }
        self.handlers.leave()
    }
}

#[cfg(test)]
#[path = "guard/tests.rs"]
mod tests;
