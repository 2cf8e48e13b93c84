//! The handler for SIGBUS, which turns a fault in a guarded loop into the loop's end.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use libc::{c_int, c_void, siginfo_t};

use super::errno;
use crate::sys::guard::Restored;

#[cfg_attr(target_os = "macos", path = "macos/registers.rs")]
#[cfg_attr(not(target_os = "macos"), path = "linux/registers.rs")]
mod registers;

/// Lets SIGBUS through to the calling thread.
pub(crate) fn unblock_this_thread() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` fills in the set it is given, and cannot fail for a valid pointer.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set was filled in above; SIGBUS is a valid signal.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGBUS) };
    // SAFETY: the set is valid for reads; a null pointer asks for no old set.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut()) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Whether a fault of this code says that the memory is broken.
pub(crate) fn is_broken(code: usize) -> bool {
    origin(code) == Origin::Broken
}

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
        if unsafe { registers::recover(context, address, told.si_code as usize) } {
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

/// What the `si_code` of a SIGBUS says; the numbers are Linux's, as `sigaction(2)` lists them, and
/// the first line is that of macOS, too (`sys/signal.h`).
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
            if origin == Origin::Sent || !registers::TELLS_SENT {
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

/// The handlers that are in the chain.
pub(crate) struct Handlers {
    /// Which of them serves the tokens.
    slot: usize,
    /// What each has replaced.
    replaced: [Option<libc::sigaction>; SLOTS],
}

impl Handlers {
    /// None.
    pub(crate) const fn new() -> Self {
        Self { slot: 0, replaced: [None; SLOTS] }
    }

    /// Puts one on top, for the first token.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
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

    /// Takes it away, after the last.
    pub(crate) fn leave(&mut self) -> io::Result<Restored> {
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
        Err(errno::errno_of_libc())
    }
}
