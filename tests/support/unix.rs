//! What the tests have of a Unix: users, signals, and what a process is like before it starts.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{AtFlags, CWD, Timestamps, utimensat};
use rustix::process::{PidfdFlags, Signal};

use super::sandbox::{Run, Running, Sandbox};

pub(crate) use std::os::unix::fs::FileExt;

/// The user "nobody" of most systems; any that is not root will do.
pub(crate) const NOBODY: u32 = 65_534;

/// An environment that is the same everywhere, and a group of its own, so that a wrapper and what
/// it runs can be killed together.
pub(crate) fn set_apart(command: &mut Command) {
    command.env_clear().env("PATH", "/usr/bin:/bin").process_group(0);
}

pub(super) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    command.spawn()
}

/// Kills it and whatever it started with SIGKILL.
pub(super) fn kill(child: &Child) {
    signal(child, Signal::KILL);
}

/// Panics if those who read what a program prints with `--generate` have a complaint about it.
#[track_caller]
pub(crate) fn assert_no_complaints(generated: impl Fn(&str) -> Vec<u8>) {
    for (what, program, words) in [
        ("man", "groff", ["-man", "-Tutf8", "-ww"].as_slice()),
        ("bash", "bash", &["-n"]),
        ("zsh", "zsh", &["-n"]),
        ("fish", "fish", &["-n"]),
    ] {
        let sandbox = Sandbox::new();
        let file = sandbox.write("generated", &generated(what));
        match Command::new(program).args(words).arg(file).output() {
            Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program}"),
            // A fresh machine need not have it; CI installs it.
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && std::env::var_os("CI").is_none() => {}
            Err(error) => panic!("{program}: {error}"),
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    let group = rustix::process::Pid::from_child(child);
    // It may have ended by itself; until it is waited for, its number is not used again.
    rustix::process::kill_process_group(group, signal).ok();
}

/// Waits for the end of a process, no longer than that; it is still to be waited for.
pub(super) fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let pid = rustix::process::Pid::from_child(child);
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let limit = Timespec::try_from(limit).unwrap();
    let mut ready = [PollFd::new(&pidfd, PollFlags::IN)];
    rustix::event::poll(&mut ready, Some(&limit)).unwrap() != 0
}

impl Running {
    /// Sends this to it and to whatever it started.
    pub(crate) fn signal(&self, signal: Signal) {
        self::signal(&self.child, signal);
    }
}

impl Run {
    /// Has `prepare` run in the new process before the program starts.
    ///
    /// # Safety
    ///
    /// As [`CommandExt::pre_exec`]: between fork and exec, `prepare` may only do what is
    /// async-signal-safe; it must not allocate or take locks.
    pub(crate) unsafe fn before_exec(
        mut self,
        prepare: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        // SAFETY: the caller promises what `pre_exec` asks for.
        unsafe { self.command.pre_exec(prepare) };
        self
    }

    /// Runs it as [`NOBODY`], a user without rights.
    pub(crate) fn by_nobody(self) -> Self {
        // SAFETY: setgroups, setgid and setuid as bare system calls neither allocate nor take
        // locks. They change the calling thread only, which is the only one after fork.
        unsafe {
            self.before_exec(|| {
                use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
                set_thread_groups(&[])?;
                set_thread_gid(rustix::process::Gid::from_raw(NOBODY))?;
                set_thread_uid(rustix::process::Uid::from_raw(NOBODY))?;
                Ok(())
            })
        }
    }

    /// Runs it with this umask.
    pub(crate) fn umask(self, mask: u32) -> Self {
        // SAFETY: umask is async-signal-safe, and nothing else is called.
        unsafe {
            self.before_exec(move || {
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
                Ok(())
            })
        }
    }
}

/// Has a program start with the signals that interrupt it, also where they are ignored here: a
/// shell has what it starts with `&` ignore them, and nohup one of them.
pub(crate) fn with_default_signals(command: &mut Command) {
    let prepare = || {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: SIG_DFL is a valid action for these.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: `signal` is async-signal-safe, and nothing else is called.
    unsafe { command.pre_exec(prepare) };
}

/// Whether a process was killed: no exit status is there.
pub(crate) fn was_killed(status: std::process::ExitStatus) -> bool {
    status.code().is_none()
}

/// What is not written of a file is a hole.
pub(crate) fn allow_holes(_: &std::fs::File) {}

/// Which file it is: device and inode.
pub(crate) type Id = (u64, u64);

/// Of what the path leads to.
pub(crate) fn id(path: &Path) -> std::io::Result<Id> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The names of what the path leads to.
pub(crate) fn links(path: &Path) -> std::io::Result<u64> {
    std::fs::metadata(path).map(|metadata| metadata.nlink())
}

/// The bytes of its disk that what the path leads to has.
pub(crate) fn allocated(path: &Path) -> std::io::Result<u64> {
    std::fs::metadata(path).map(|metadata| metadata.blocks() * 512)
}

/// Makes a symbolic link.
pub(crate) fn symlink(leads_to: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(leads_to, path)
}

/// Sets the permission bits.
pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// How much there is to be read from a pipe.
pub(crate) fn bytes_in_pipe(pipe: &std::io::PipeReader) -> std::io::Result<u64> {
    Ok(rustix::io::ioctl_fionread(pipe)?)
}

/// The permission bits.
pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

/// Sets the times of access and of modification, of a symbolic link itself.
pub(crate) fn set_times(path: &Path, time: SystemTime) {
    let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let time = Timespec::try_from(time).unwrap();
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// The ranges of a file that are no holes, as start and end.
pub(crate) fn data_ranges(file: &std::fs::File) -> Vec<(u64, u64)> {
    use rustix::fs::SeekFrom;
    let mut ranges = Vec::new();
    let mut at = 0;
    loop {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => return ranges,
            Err(error) => panic!("SEEK_DATA: {error}"),
        };
        at = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap();
        ranges.push((start, at));
    }
}
