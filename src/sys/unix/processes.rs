//! Other processes.

use rustix::io::Errno;
use rustix::process::Pid;

/// Whether a process of that number lives, if only as another than was meant: numbers are used
/// again.
pub(crate) fn lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // One that may not be signalled lives, too.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(Errno::SRCH))
}
