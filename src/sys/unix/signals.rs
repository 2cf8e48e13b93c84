//! Signals that end a run, that ask where it stands, and that must not kill it.
//!
//! A handler only stores into atomics, which is safe in any thread at any moment; whoever copies
//! looks at them between two windows.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The first signal that asked the run to end; 0 when there was none.
static STOP: AtomicI32 = AtomicI32::new(0);
/// Whether someone asked where the run stands, and was not answered yet.
static STATUS: AtomicBool = AtomicBool::new(false);

/// A signal that asks a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopSignal(libc::c_int);

impl StopSignal {
    /// The exit status by which a shell tells death by this signal.
    pub(crate) fn exit_status(self) -> u8 {
        u8::try_from(self.0).map_or(u8::MAX, |number| number.saturating_add(128))
    }
}

/// What a signal asks for while it is caught.
#[derive(Clone, Copy)]
enum Request {
    Stop,
    Status,
}

/// Has SIGINT, SIGTERM and SIGHUP noted for [`stop_signal`], each for its first time: a second one
/// kills at once. One that was ignored when the program started stays ignored, as `nohup` and
/// shells without job control want it.
///
/// Calls that wait are interrupted (`EINTR`), so that a copy from a FIFO can be stopped.
pub(crate) fn catch_stop() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        if action(signal, None)?.sa_sigaction != libc::SIG_IGN {
            catch(signal, Request::Stop)?;
        }
    }
    Ok(())
}

/// Has SIGUSR1, and SIGINFO where there is one, noted for [`take_status_request`]. Calls that wait
/// go on waiting.
pub(crate) fn catch_status() -> io::Result<()> {
    catch(libc::SIGUSR1, Request::Status)?;
    #[cfg(target_os = "macos")]
    catch(libc::SIGINFO, Request::Status)?;
    Ok(())
}

/// Turns death by SIGXFSZ into the error `EFBIG`, which says what happened to which file.
pub(crate) fn ignore_file_size_limit() -> io::Result<()> {
    set(libc::SIGXFSZ, libc::SIG_IGN, 0)
}

/// The signal that asked the run to end, if one did.
pub(crate) fn stop_signal() -> Option<StopSignal> {
    match STOP.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(StopSignal(signal)),
    }
}

/// Whether someone asks where the run stands; `true` once for each time.
pub(crate) fn take_status_request() -> bool {
    // The swap would make all threads write to one cache line at every window.
    STATUS.load(Ordering::Relaxed) && STATUS.swap(false, Ordering::Relaxed)
}

/// Ends the program by `signal`, so that whoever waits for it sees why it ended; comes back only
/// with an error.
pub(crate) fn die_of(signal: StopSignal) -> io::Result<()> {
    set(signal.0, libc::SIG_DFL, 0)?;
    unblock(signal.0)?;
    // SAFETY: raise(3) takes any number and reports a bad one by its return value.
    match unsafe { libc::raise(signal.0) } {
        0 => Ok(()),
        _ => Err(errno()),
    }
}

extern "C" fn on_signal(signal: libc::c_int) {
    if matches!(signal, libc::SIGINT | libc::SIGTERM | libc::SIGHUP) {
        STOP.store(signal, Ordering::Relaxed);
    } else {
        STATUS.store(true, Ordering::Relaxed);
    }
}

fn catch(signal: libc::c_int, request: Request) -> io::Result<()> {
    let flags = match request {
        Request::Stop => libc::SA_RESETHAND,
        Request::Status => libc::SA_RESTART,
    };
    let handler: extern "C" fn(libc::c_int) = on_signal;
    set(signal, handler as libc::sighandler_t, flags)
}

fn set(signal: libc::c_int, handler: libc::sighandler_t, flags: libc::c_int) -> io::Result<()> {
    let mut wanted = empty_action();
    wanted.sa_sigaction = handler;
    wanted.sa_flags = flags;
    action(signal, Some(&wanted)).map(drop)
}

/// Sets the action of `signal`, if one is given, and returns the one there was.
fn action(signal: libc::c_int, wanted: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut before = empty_action();
    let wanted = wanted.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `wanted` is null or points to an initialized action that outlives the call; `before`
    // is ours. The handler, if one is set, is `on_signal`, which only stores into atomics and so
    // is async-signal-safe, or SIG_IGN or SIG_DFL.
    match unsafe { libc::sigaction(signal, wanted, &raw mut before) } {
        0 => Ok(before),
        _ => Err(errno()),
    }
}

fn unblock(signal: libc::c_int) -> io::Result<()> {
    let mut signals = empty_action().sa_mask;
    // SAFETY: the set is initialized and ours; a bad signal number is reported.
    if unsafe { libc::sigaddset(&raw mut signals, signal) } != 0 {
        return Err(errno());
    }
    // SAFETY: the set is initialized, and the old mask is not asked for. Unblocking a signal
    // breaks no invariant of this program: its handlers may run in any thread.
    let error = unsafe {
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const signals, std::ptr::null_mut())
    };
    match error {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

fn empty_action() -> libc::sigaction {
    // SAFETY: all members are integers, sets of integers, or optional function pointers, for which
    // zero is a value; a set of zeros is the empty set on Linux, macOS and FreeBSD alike.
    unsafe { std::mem::zeroed() }
}

#[expect(
    clippy::disallowed_methods,
    reason = "sigaction, sigaddset and raise report in errno only, and nothing ran since"
)]
fn errno() -> io::Error {
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_for_the_status_is_answered_once() {
        catch_status().unwrap();
        assert!(!take_status_request());
        // SAFETY: raise(3) takes any number; the handler was set above.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
        assert!(take_status_request());
        assert!(!take_status_request());
    }

    #[test]
    fn a_shell_tells_death_by_sigint_as_130() {
        assert_eq!(StopSignal(libc::SIGINT).exit_status(), 130);
    }

    #[test]
    fn a_limit_can_be_made_an_error() {
        ignore_file_size_limit().unwrap();
        assert_eq!(action(libc::SIGXFSZ, None).unwrap().sa_sigaction, libc::SIG_IGN);
    }
}
