//! Threads.

/// Has the calling thread run only when no other wants to, as far as the system lets it.
#[cfg(target_os = "linux")]
pub(crate) fn give_way() {
    // On Linux a thread has a priority of its own (setpriority(2)); 0 is the calling one.
    rustix::process::setpriority_process(None, 19).ok();
}

/// Has the calling thread run only when no other wants to (`PRIO_DARWIN_BG`, setpriority(2)).
#[cfg(target_os = "macos")]
pub(crate) fn give_way() {
    // SAFETY: it takes numbers; 0 is the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_DARWIN_THREAD, 0, libc::PRIO_DARWIN_BG);
    }
}
