//! Threads.

/// Has the calling thread run only when no other wants to.
pub(crate) fn give_way() {
    use windows_sys::Win32::System::Threading::{
        GetCurrentThread, SetThreadPriority, THREAD_MODE_BACKGROUND_BEGIN,
    };
    // SAFETY: it takes nothing; what it returns stands for this thread.
    let thread = unsafe { GetCurrentThread() };
    // SAFETY: it takes the thread and a number.
    unsafe { SetThreadPriority(thread, THREAD_MODE_BACKGROUND_BEGIN) };
}
