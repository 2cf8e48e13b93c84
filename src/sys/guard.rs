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
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{c_int, c_void, siginfo_t};

// The two loops, and the function that sends an interrupted thread to their way out:
//
// mycp_guarded_copy(target, source, len, fault) returns 0, or 1 with `fault` filled in.
// mycp_guarded_compare(left, right, len, fault) returns 0 for equal bytes, 1 as above, or 2 with
// the number of bytes from the first difference on in `fault.remaining`. A thread that is found
// between the labels `first` and `end` goes on at `stopped`, with the address and the code of the
// fault in two registers that the loops leave alone.
#[cfg_attr(
    all(target_arch = "x86_64", any(target_os = "linux", target_os = "android")),
    path = "guard/x86_64.rs"
)]
#[cfg_attr(
    all(target_arch = "aarch64", any(target_os = "linux", target_os = "android")),
    path = "guard/aarch64.rs"
)]
#[cfg_attr(
    not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        any(target_os = "linux", target_os = "android")
    )),
    path = "guard/none.rs"
)]
mod machine;

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
            state.enter()?;
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
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `sigemptyset` fills in the set it is given, and cannot fail for a valid pointer.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: the set was filled in above; SIGBUS is a valid signal.
        unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGBUS) };
        // SAFETY: the set is valid for reads; a null pointer asks for no old set.
        let error =
            unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut()) };
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
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
        let is_broken = origin(self.code) == Origin::Broken;
        let hardware = if is_broken { Hardware::Broken } else { Hardware::Unsuspected };
        Interrupted { done: len - self.remaining, address: self.address, hardware }
    }
}

// ---- The handler ----------------------------------------------------------------------------

/// How often the handler can be in the chain of handlers at once.
///
/// A handler that was left installed under a foreign one cannot be put above it as well: the two
/// would pass a signal to each other for ever. Hence several of them, each with its own memory of
/// what it replaced.
const SLOTS: usize = 4;

/// What a handler needs to pass a signal on; a signal handler may read nothing but atomics.
struct Slot {
    handler: AtomicUsize,
    flags: AtomicI32,
}

static CHAIN: [Slot; SLOTS] =
    [const { Slot { handler: AtomicUsize::new(libc::SIG_DFL), flags: AtomicI32::new(0) } }; SLOTS];

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

const HANDLERS: [Handler; SLOTS] = [handle::<0>, handle::<1>, handle::<2>, handle::<3>];

extern "C" fn handle<const SLOT: usize>(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t` to a handler installed with SA_SIGINFO.
    let told = unsafe { &*info };
    let origin = origin(told.si_code as usize);
    if matches!(origin, Origin::Access | Origin::Broken) {
        // SAFETY: SIGBUS of a memory access carries an address.
        let address = unsafe { told.si_addr() } as usize;
        // SAFETY: the kernel passes the interrupted thread's context as the third argument.
        if unsafe { machine::recover(context, address, told.si_code as usize) } {
            return;
        }
    }
    pass_on(&CHAIN[SLOT], origin, signal, info, context);
}

/// Where a SIGBUS comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The interrupted instruction touched memory that is not there.
    Access,
    /// The interrupted instruction touched memory that is broken.
    Broken,
    /// The interrupted instruction did something else, without a useful address.
    Instruction,
    /// Another process, `raise`, or broken memory that nobody has touched yet.
    Sent,
}

/// What the `si_code` of a SIGBUS says; the numbers are Linux's, as `sigaction(2)` lists them.
fn origin(code: usize) -> Origin {
    match code {
        1..=3 => Origin::Access,     // BUS_ADRALN, BUS_ADRERR, BUS_OBJERR
        4 => Origin::Broken,         // BUS_MCEERR_AR: "action required"
        0x80 => Origin::Instruction, // SI_KERNEL, as for a non-canonical stack address
        _ => Origin::Sent,           // BUS_MCEERR_AO and what kill, tgkill and sigqueue set
    }
}

/// Does with a signal what the action under ours would have done.
fn pass_on(
    under: &Slot,
    origin: Origin,
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    let flags = under.flags.load(Ordering::Relaxed);
    let mut handler = under.handler.load(Ordering::Acquire);
    if flags & libc::SA_RESETHAND != 0 {
        handler = under.handler.swap(libc::SIG_DFL, Ordering::AcqRel);
    }
    match handler {
        libc::SIG_IGN if origin == Origin::Sent => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // An instruction that faulted is run again on return, and now dies of it as it would
            // have, with a core that shows where. The kernel kills for a fault that is ignored.
            set_plain(handler);
            if origin == Origin::Sent {
                // SAFETY: `raise` may be called in a handler; the signal is delivered on return.
                unsafe { libc::raise(signal) };
            }
        }
        _ if flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: the address came from the kernel with SA_SIGINFO set, so it is a function of
            // three arguments.
            let function = unsafe { std::mem::transmute::<usize, Handler>(handler) };
            function(signal, info, context);
        }
        _ => {
            // SAFETY: the address came from the kernel without SA_SIGINFO and is neither SIG_DFL
            // nor SIG_IGN, so it is a function of one argument.
            let function = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
            function(signal);
        }
    }
}

fn set_plain(handler: usize) {
    // SAFETY: all bytes zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: the action is valid; `sigaction` may be called in a handler.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
}

// ---- Installing it --------------------------------------------------------------------------

struct State {
    tokens: usize,
    /// Which of the handlers serves the tokens.
    slot: usize,
    /// What each handler that is in the chain has replaced.
    replaced: [Option<libc::sigaction>; SLOTS],
}

static STATE: Mutex<State> = Mutex::new(State { tokens: 0, slot: 0, replaced: [None; SLOTS] });

fn lock() -> MutexGuard<'static, State> {
    // Nothing panics while it is held, and a count of tokens is not half-way anywhere.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn enter(&mut self) -> io::Result<()> {
        let current = query()?;
        if let Some(slot) = HANDLERS.iter().position(|ours| is(&current, *ours)) {
            // It was left under a foreign handler, which has gone.
            self.slot = slot;
            return Ok(());
        }
        let Some(slot) = self.replaced.iter().position(Option::is_none) else {
            return Err(io::Error::other("too many SIGBUS handlers lie above one another"));
        };
        remember(slot, &current);
        let mut action = current;
        action.sa_sigaction = HANDLERS[slot] as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | inherited_flags(&current);
        let found = exchange(&action)?;
        remember(slot, &found);
        self.replaced[slot] = Some(found);
        self.slot = slot;
        Ok(())
    }

    fn leave(&mut self) -> io::Result<Restored> {
        self.tokens -= 1;
        if self.tokens > 0 {
            return Ok(Restored::StillNeeded);
        }
        let current = query()?;
        match self.replaced[self.slot] {
            Some(replaced) if is(&current, HANDLERS[self.slot]) => {
                exchange(&replaced)?;
                self.replaced[self.slot] = None;
                Ok(Restored::Previous)
            }
            _ => Ok(Restored::LeftInstalled),
        }
    }
}

/// The flags that decide how a signal that is passed on behaves around the handler.
fn inherited_flags(replaced: &libc::sigaction) -> c_int {
    let restart = match replaced.sa_sigaction {
        // These two interrupt no system call, or the process is gone.
        libc::SIG_DFL | libc::SIG_IGN => libc::SA_RESTART,
        _ => replaced.sa_flags & libc::SA_RESTART,
    };
    restart | (replaced.sa_flags & libc::SA_NODEFER)
}

fn remember(slot: usize, replaced: &libc::sigaction) {
    CHAIN[slot].flags.store(replaced.sa_flags, Ordering::Relaxed);
    CHAIN[slot].handler.store(replaced.sa_sigaction, Ordering::Release);
}

fn is(action: &libc::sigaction, handler: Handler) -> bool {
    action.sa_sigaction == handler as usize
}

fn query() -> io::Result<libc::sigaction> {
    sigaction(ptr::null())
}

fn exchange(action: &libc::sigaction) -> io::Result<libc::sigaction> {
    sigaction(action)
}

fn sigaction(new: *const libc::sigaction) -> io::Result<libc::sigaction> {
    // SAFETY: all bytes zero is a valid `sigaction`.
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `new` is null or a reference of the two functions above; `old` is valid for writes.
    // The handlers installed are ours, which are async-signal-safe, or one that was there before.
    if unsafe { libc::sigaction(libc::SIGBUS, new, &raw mut old) } == 0 {
        Ok(old)
    } else {
        Err(super::platform::errno_of_libc())
    }
}

#[cfg(test)]
#[path = "guard/tests.rs"]
mod tests;
