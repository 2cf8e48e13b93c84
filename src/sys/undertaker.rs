//! What is done when this process dies.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::platform::errno_of_libc;

/// A process that waits for the end of the thread that started it, killed or not, and then ends a
/// FUSE file system by force (umount2(2), `MNT_FORCE`).
///
/// A process that serves a file system to itself cannot do without: a thread of it that waits for
/// an answer of the server keeps the killed server's connection open, and so waits for ever.
#[derive(Debug)]
pub(crate) struct Undertaker {
    pid: libc::pid_t,
}

impl Undertaker {
    /// Starts one for what will be mounted at `directory`. It has no open files, and belongs to no
    /// terminal.
    ///
    /// # Errors
    ///
    /// Those of fork(2).
    pub(crate) fn watch(directory: &Path) -> io::Result<Self> {
        let directory = CString::new(directory.as_os_str().as_bytes())?;
        // SAFETY: the call takes nothing.
        let parent = unsafe { libc::getpid() };
        // SAFETY: the child makes nothing but system calls, which are safe after a fork.
        match unsafe { libc::fork() } {
            -1 => Err(errno_of_libc()),
            0 => bury(parent, &directory),
            pid => Ok(Self { pid }),
        }
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        // SAFETY: the child has not been waited for, so the number is its own.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        // SAFETY: nothing is to be told of its end.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

/// The life of the child.
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "each is a system call of numbers only")]
fn bury(parent: libc::pid_t, directory: &CStr) -> ! {
    // SAFETY: all of these take numbers and the addresses of what lives here, and `directory` ends
    // with a NUL.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        libc::setsid();
        let mut dead: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut dead);
        libc::sigaddset(&raw mut dead, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const dead, std::ptr::null_mut());
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        // It may have died before.
        if libc::getppid() == parent {
            let mut signal = 0;
            libc::sigwait(&raw const dead, &raw mut signal);
        }
        libc::umount2(directory.as_ptr(), libc::MNT_FORCE);
        libc::_exit(0)
    }
}
