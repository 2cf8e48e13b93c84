//! Ctrl+C and its like, which end a run.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};

use super::errno::checked;

/// Whether the user asked the run to end.
static STOP: AtomicBool = AtomicBool::new(false);

/// What asked a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopSignal;

impl StopSignal {
    /// The exit status that tells of it, as a shell of Unix does for SIGINT.
    pub(crate) fn exit_status(self) -> u8 {
        130
    }
}

/// Has Ctrl+C and Ctrl+Break noted for [`stop_signal`], for their first time: a second one ends the
/// program at once.
pub(crate) fn catch_stop() -> io::Result<()> {
    // SAFETY: the handler touches nothing but an atomic.
    checked(unsafe { SetConsoleCtrlHandler(Some(on_control), 1) })
}

/// Called in a thread of its own; returns whether it has done what is to be done.
///
/// # Safety
///
/// None is needed.
unsafe extern "system" fn on_control(event: u32) -> windows_sys::core::BOOL {
    let asks = matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT);
    let is_first = asks && !STOP.swap(true, Ordering::Relaxed);
    is_first.into()
}

/// Nothing here asks where a run stands.
pub(crate) fn catch_status() -> io::Result<()> {
    Ok(())
}

/// No limit to the length of files kills.
pub(crate) fn ignore_file_size_limit() -> io::Result<()> {
    Ok(())
}

/// What asked the run to end, if something did.
pub(crate) fn stop_signal() -> Option<StopSignal> {
    STOP.load(Ordering::Relaxed).then_some(StopSignal)
}

/// As [`catch_status`].
pub(crate) fn take_status_request() -> bool {
    false
}

/// A program ends by its exit status, which is for the caller.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn die_of(_: StopSignal) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
