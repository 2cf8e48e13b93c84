//! What is done when this process dies.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::process::{Pid, Signal};

use super::super::errno::errno_of_libc;

/// A process that waits until this process is killed, or this is dropped. Then it kills all other
/// processes that share its mounts, and ends a FUSE file system by force (umount2(2), `MNT_FORCE`).
/// To be started in a mount namespace of one's own.
///
/// A process that serves a file system to itself cannot do without: a thread of it that waits for
/// an answer of the server keeps the killed server's connection open, and so waits for ever. Nor
/// can one that starts programs, which may leave others in the background.
#[derive(Debug)]
pub(crate) struct Undertaker {
    pid: libc::pid_t,
    /// Ends the thread that started it, which does nothing else.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
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
        let (end, ended) = mpsc::channel();
        let (started, pid) = mpsc::channel();
        // The system tells the child of the end of a thread, and one that waits for an answer of
        // the server does not end. This one never does.
        let thread = std::thread::spawn(move || {
            // Nor is it to be the last that closes a file of the server, which waits for an answer
            // as well: it has a table of open files of its own, with none.
            // SAFETY: this thread uses no descriptor, and those of the others stay open.
            unsafe {
                let flags = libc::CLOSE_RANGE_UNSHARE;
                libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, flags)
            };
            // Somebody waits for it.
            started.send(start(&directory)).ok();
            // Until the other end is dropped.
            ended.recv().ok();
        });
        let pid = pid.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
        Ok(Self { pid, end: Some(end), thread: Some(thread) })
    }
}

fn start(directory: &CStr) -> io::Result<libc::pid_t> {
    // SAFETY: the call takes nothing.
    let parent = unsafe { libc::getpid() };
    // SAFETY: the child makes nothing but system calls, which are safe after a fork.
    match unsafe { libc::fork() } {
        -1 => Err(errno_of_libc()),
        0 => bury(parent, directory),
        pid => Ok(pid),
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        // SAFETY: the child has not been waited for, so the number is its own.
        unsafe { libc::kill(self.pid, libc::SIGTERM) };
        // SAFETY: nothing is to be told of its end.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// How often, and after which pause, it is looked whether somebody is left.
const ATTEMPTS: u32 = 400;
const PAUSE: Duration = Duration::from_millis(5);

/// The life of the child.
fn bury(parent: libc::pid_t, directory: &CStr) -> ! {
    wait_for_end_of(parent);
    // Some of them may wait for the file system that is ended.
    kill_others(parent);
    // SAFETY: the directory's name ends with a NUL.
    unsafe { libc::umount2(directory.as_ptr(), libc::MNT_FORCE) };
    // Those that were being started while the others were killed are seen next time.
    let mut attempts = 0..ATTEMPTS;
    while kill_others(parent) > 0 && attempts.next().is_some() {
        std::thread::sleep(PAUSE);
    }
    // SAFETY: the call ends the process, and runs nothing of what the parent has left to do.
    unsafe { libc::_exit(0) }
}

#[expect(clippy::multiple_unsafe_ops_per_block, reason = "each is a system call of numbers only")]
fn wait_for_end_of(parent: libc::pid_t) {
    // SAFETY: all of these take numbers and the addresses of what lives here.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        libc::setsid();
        let mut dead: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut dead);
        libc::sigaddset(&raw mut dead, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const dead, std::ptr::null_mut());
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        // It may have died before the system was asked to tell, or while it was.
        let second = libc::timespec { tv_sec: 1, tv_nsec: 0 };
        while libc::getppid() == parent
            && libc::sigtimedwait(&raw const dead, std::ptr::null_mut(), &raw const second) < 0
        {
        }
    }
}

/// Kills all that share this process's mounts, but for this process and another one, and returns
/// how many there were.
///
/// It takes no memory: another thread may have had the allocator's lock when this process was
/// forked.
fn kill_others(parent: libc::pid_t) -> usize {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(proc) = rustix::fs::open(c"/proc", flags, Mode::empty()) else { return 0 };
    let mut own_link = [MaybeUninit::uninit(); LINK_MAX];
    let Some(own) = mounts_of(&proc, b"self", &mut own_link) else { return 0 };
    let mut first_link = [MaybeUninit::uninit(); LINK_MAX];
    if mounts_of(&proc, b"1", &mut first_link).is_some_and(|first| *first == *own) {
        // They would be all processes of the system.
        return 0;
    }
    let mut killed = 0;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut processes = RawDir::new(&proc, &mut buffer);
    while let Some(Ok(process)) = processes.next() {
        let name = process.file_name().to_bytes();
        let number = std::str::from_utf8(name).ok().and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = number.and_then(Pid::from_raw) else { continue };
        if pid == rustix::process::getpid() || pid.as_raw_pid() == parent {
            continue;
        }
        let mut link = [MaybeUninit::uninit(); LINK_MAX];
        if mounts_of(&proc, name, &mut link).is_some_and(|mounts| *mounts == *own) {
            // It may have ended meanwhile.
            rustix::process::kill_process(pid, Signal::KILL).ok();
            killed += 1;
        }
    }
    killed
}

/// The longest name of a namespace, `mnt:[4026531841]`, with some room.
const LINK_MAX: usize = 64;

/// Which mount namespace a process is in; `None` if it has ended, or that may not be seen.
fn mounts_of<'a>(
    proc: impl std::os::fd::AsFd,
    process: &[u8],
    into: &'a mut [MaybeUninit<u8>; LINK_MAX],
) -> Option<&'a [u8]> {
    let mut path = [0; 32];
    let end = b"/ns/mnt";
    path.get_mut(..process.len())?.copy_from_slice(process);
    path.get_mut(process.len()..process.len() + end.len())?.copy_from_slice(end);
    let path = CStr::from_bytes_until_nul(&path).ok()?;
    let (link, _) = rustix::fs::readlinkat_raw(proc, path, into).ok()?;
    Some(link)
}
