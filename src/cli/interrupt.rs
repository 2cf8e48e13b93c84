//! What the program does about signals.

use std::io;
use std::process::ExitCode;

use crate::sys::signals;

/// Prepares the process before the first file is touched: requests to end and to report are
/// noted, and no limit kills it. (Faults are the guard's business.)
pub(super) fn install() -> io::Result<()> {
    signals::ignore_file_size_limit()?;
    signals::catch_status()?;
    signals::catch_stop()
}

/// Whether a signal asked the run to end.
pub(super) fn stop_requested() -> bool {
    signals::stop_signal().is_some()
}

/// Whether SIGUSR1 asked where the run stands; `true` once for each time.
pub(super) fn take_status_request() -> bool {
    signals::take_status_request()
}

/// The program's last act: dies by the signal that asked it to end, if one did, so that a shell
/// stops its loop too; otherwise `status`.
pub(super) fn exit(status: ExitCode) -> ExitCode {
    match signals::stop_signal() {
        None => status,
        Some(signal) => match signals::die_of(signal) {
            // Not reached unless the signal could not be raised; the number says the same.
            Ok(()) | Err(_) => ExitCode::from(signal.exit_status()),
        },
    }
}
