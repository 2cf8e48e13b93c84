//! Processes that are started here, and those that they leave behind.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// Has the process that `command` starts killed when the thread that starts it ends, so that it
/// survives nobody who was killed (`PR_SET_PDEATHSIG`). What [`flush_for_others`] gave this thread
/// it does not get.
pub(crate) fn kill_with_this_thread(command: &mut Command) {
    // SAFETY: between fork and exec nothing but system calls are made.
    unsafe { command.pre_exec(be_ordinary) };
}

/// The same, in a session of its own: it has no terminal that could stop it, and
/// [`kill_group`] reaches what it starts in the background.
pub(crate) fn lead_own_session(command: &mut Command) {
    let lead = || {
        rustix::process::setsid()?;
        be_ordinary()
    };
    // SAFETY: between fork and exec nothing but system calls are made.
    unsafe { command.pre_exec(lead) };
}

fn be_ordinary() -> io::Result<()> {
    // Who may not be such a process is none.
    rustix::process::configure_io_flusher_behavior(false).ok();
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Lets the calling thread, and those that it starts afterwards, get memory without waiting for
/// what they have to write themselves (`PR_SET_IO_FLUSHER`, prctl(2)): one that serves a file
/// system, or has a lock that a server needs, waits for itself otherwise when memory is short.
///
/// # Errors
///
/// `EINVAL` before Linux 5.6, `EPERM` without `CAP_SYS_RESOURCE`.
pub(crate) fn flush_for_others() -> io::Result<()> {
    Ok(rustix::process::configure_io_flusher_behavior(true)?)
}

/// Waits for the end of a child, whose number stays its own until [`Child::wait`].
///
/// # Errors
///
/// `ECHILD` if it has been waited for.
pub(crate) fn wait_for_end(child: &Child) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(child.id().cast_signed()) else { return Ok(()) };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), options))?;
    Ok(())
}

/// Kills the process group of a child that leads one. To be called before [`Child::wait`]: the
/// number may be another's afterwards.
pub(crate) fn kill_group(child: &Child) {
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        // Nobody may be left in it.
        rustix::process::kill_process_group(pid, Signal::KILL).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn state_of(pid: &str) -> Option<String> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(stat.rsplit_once(") ")?.1.to_owned())
    }

    /// The story: a shell ends, and what it left in the background goes on for ever.
    #[test]
    fn the_group_of_a_child_that_has_ended_can_be_killed() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]);
        command.stdout(std::process::Stdio::piped());
        lead_own_session(&mut command);
        let mut child = command.spawn().unwrap();
        wait_for_end(&child).unwrap();
        let mut pid = String::new();
        io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut pid).unwrap();
        assert!(state_of(pid.trim()).is_some_and(|state| !state.starts_with('Z')));
        kill_group(&child);
        assert!(child.wait().unwrap().success());
        let begun = std::time::Instant::now();
        while state_of(pid.trim()).is_some_and(|state| !state.starts_with('Z')) {
            assert!(begun.elapsed().as_secs() < 20, "it lives");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_child_can_be_killed_with_its_group() {
        let mut command = Command::new("sleep");
        lead_own_session(command.arg("1000"));
        let mut child = command.spawn().unwrap();
        kill_group(&child);
        wait_for_end(&child).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn what_a_thread_was_given_for_serving_its_children_do_not_have() {
        let serve = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t"));
            // CAP_SYS_RESOURCE.
            if u64::from_str_radix(effective.unwrap(), 16).unwrap() & 1 << 24 == 0 {
                let error = flush_for_others().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EPERM));
                return;
            }
            flush_for_others().unwrap();
            // PF_MEMALLOC_NOIO, of the flags in proc_pid_stat(5).
            let has_flag = |state: &str| {
                let flags: u64 = state.split(' ').nth(6).unwrap().parse().unwrap();
                flags & 0x8_0000 != 0
            };
            let later = std::thread::spawn(move || has_flag(&state_of("thread-self").unwrap()));
            assert!(later.join().unwrap());
            let mut command = Command::new("cat");
            kill_with_this_thread(command.arg("/proc/self/stat"));
            let stat = String::from_utf8(command.output().unwrap().stdout).unwrap();
            assert!(!has_flag(stat.rsplit_once(") ").unwrap().1));
        };
        std::thread::spawn(serve).join().unwrap();
    }
}
