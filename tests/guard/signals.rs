//! What the signal handler takes, what it passes on, and how it comes and goes.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{c_int, c_void, siginfo_t};

use super::*;

fn in_child(test: &str, body: fn()) -> Option<ExitStatus> {
    in_child_of(module_path!(), test, body)
}

fn dies_of_sigbus(status: Option<ExitStatus>) {
    assert!(status.is_none_or(|status| status.signal() == Some(libc::SIGBUS)), "{status:?}");
}

/// Touches a map that is gone, without a guard.
fn fault_elsewhere() -> u8 {
    let directory = tempfile::tempdir().unwrap();
    let path = file_of(directory.path(), PAGE);
    let file = File::options().read(true).write(true).open(path).unwrap();
    let map = memmap2::MmapRaw::map_raw(&file).unwrap();
    file.set_len(0).unwrap();
    // SAFETY: the map lives, and has this byte; that its page is gone is the point.
    unsafe { map.as_ptr().read_volatile() }
}

fn action_now() -> libc::sigaction {
    // SAFETY: all bytes zero is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null pointer changes nothing; `action` is valid for writes.
    assert_eq!(unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut action) }, 0);
    action
}

fn set_action(handler: usize, flags: c_int) {
    // SAFETY: all bytes zero is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: the action is valid, its handlers are the functions below.
    let result = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

fn send() {
    // SAFETY: it takes no memory.
    assert_eq!(unsafe { libc::raise(libc::SIGBUS) }, 0);
}

static CALLS: AtomicUsize = AtomicUsize::new(0);
static ADDRESS: AtomicUsize = AtomicUsize::new(0);

/// Puts a page where there is none, and has the instruction run again.
extern "C" fn repair(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the kernel passes a valid `siginfo_t`.
    let info = unsafe { &*info };
    // SAFETY: the tests have it called for faults only, which have an address.
    let address = unsafe { info.si_addr() } as usize;
    ADDRESS.store(address, Ordering::Relaxed);
    // SAFETY: the page is the map's of `fault_elsewhere`, which nobody refers to.
    let page = unsafe {
        libc::mmap(
            (address & !(PAGE - 1)) as *mut c_void,
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        // SAFETY: it may be called in a handler.
        unsafe { libc::abort() };
    }
}

extern "C" fn count(signal: c_int) {
    assert_eq!(signal, libc::SIGBUS);
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Installed above ours: passes every signal on to what it found.
extern "C" fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let below = ADDRESS.load(Ordering::Relaxed);
    // SAFETY: the tests below store the address of a handler with three arguments there.
    let below: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
        unsafe { std::mem::transmute(below) };
    below(signal, info, context);
}

#[test]
fn a_fault_in_a_mapped_read_is_an_error_and_not_passed_on() {
    passes(in_child("a_fault_in_a_mapped_read_is_an_error_and_not_passed_on", || {
        set_action(count as *const () as usize, 0);
        read_what_is_gone();
        assert_eq!(CALLS.load(Ordering::Relaxed), 0);
    }));
}

#[test]
fn a_fault_elsewhere_goes_to_the_handler_that_was_there() {
    passes(in_child("a_fault_elsewhere_goes_to_the_handler_that_was_there", || {
        set_action(repair as *const () as usize, libc::SA_SIGINFO);
        let guard = FaultGuard::install().unwrap();
        assert_eq!(fault_elsewhere(), 0);
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
        assert_ne!(ADDRESS.load(Ordering::Relaxed), 0);
        // And ours is still there.
        read_what_is_gone();
        drop(guard);
    }));
}

#[test]
fn a_signal_that_was_sent_goes_to_a_plain_handler() {
    passes(in_child("a_signal_that_was_sent_goes_to_a_plain_handler", || {
        set_action(count as *const () as usize, 0);
        let _guard = FaultGuard::install().unwrap();
        send();
        send();
        assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    }));
}

#[test]
fn a_handler_for_one_time_is_called_one_time() {
    dies_of_sigbus(in_child("a_handler_for_one_time_is_called_one_time", || {
        set_action(count as *const () as usize, libc::SA_RESETHAND);
        let _guard = FaultGuard::install().unwrap();
        send();
        if CALLS.load(Ordering::Relaxed) == 1 {
            send();
        }
    }));
}

#[test]
fn a_signal_that_was_sent_kills_by_default() {
    dies_of_sigbus(in_child("a_signal_that_was_sent_kills_by_default", || {
        set_action(libc::SIG_DFL, 0);
        let _guard = FaultGuard::install().unwrap();
        send();
    }));
}

#[test]
fn a_fault_elsewhere_kills_by_default() {
    dies_of_sigbus(in_child("a_fault_elsewhere_kills_by_default", || {
        set_action(libc::SIG_DFL, 0);
        let _guard = FaultGuard::install().unwrap();
        fault_elsewhere();
    }));
}

#[test]
fn a_fault_elsewhere_kills_as_usual_under_the_handler_of_std() {
    dies_of_sigbus(in_child("a_fault_elsewhere_kills_as_usual_under_the_handler_of_std", || {
        let _guard = FaultGuard::install().unwrap();
        fault_elsewhere();
    }));
}

#[test]
fn a_signal_that_was_sent_stays_ignored() {
    passes(in_child("a_signal_that_was_sent_stays_ignored", || {
        set_action(libc::SIG_IGN, 0);
        let _guard = FaultGuard::install().unwrap();
        send();
        read_what_is_gone();
    }));
}

#[test]
fn a_fault_elsewhere_kills_although_the_signal_is_ignored() {
    dies_of_sigbus(in_child("a_fault_elsewhere_kills_although_the_signal_is_ignored", || {
        set_action(libc::SIG_IGN, 0);
        let _guard = FaultGuard::install().unwrap();
        fault_elsewhere();
    }));
}

#[test]
fn the_last_token_restores_what_was_there_and_the_next_installs_again() {
    passes(in_child("the_last_token_restores_what_was_there_and_the_next_installs_again", || {
        set_action(count as *const () as usize, libc::SA_RESTART);
        let before = action_now();
        for _ in 0..3 {
            let first = FaultGuard::install().unwrap();
            assert_ne!(action_now().sa_sigaction, before.sa_sigaction);
            let second = first.clone();
            assert_eq!(first.uninstall().unwrap(), Restored::StillNeeded);
            assert_ne!(action_now().sa_sigaction, before.sa_sigaction);
            assert_eq!(second.uninstall().unwrap(), Restored::Previous);
            assert_eq!(action_now().sa_sigaction, before.sa_sigaction);
            assert_eq!(action_now().sa_flags, before.sa_flags);
            // A map brings its own token, and takes it away.
            read_what_is_gone();
            assert_eq!(action_now().sa_sigaction, before.sa_sigaction);
        }
    }));
}

#[test]
fn a_handler_above_ours_is_left_alone_and_makes_no_loop() {
    passes(in_child("a_handler_above_ours_is_left_alone_and_makes_no_loop", || {
        set_action(count as *const () as usize, 0);
        let guard = FaultGuard::install().unwrap();
        let ours = action_now();
        ADDRESS.store(ours.sa_sigaction, Ordering::Relaxed);
        set_action(pass_on as *const () as usize, libc::SA_SIGINFO);
        read_what_is_gone();
        assert_eq!(CALLS.swap(0, Ordering::Relaxed), 1);

        assert_eq!(guard.uninstall().unwrap(), Restored::LeftInstalled);
        assert_eq!(action_now().sa_sigaction, pass_on as *const () as usize);
        // Above it again, many times: a sent signal goes down the chain once.
        for _ in 0..10 {
            let guard = FaultGuard::install().unwrap();
            read_what_is_gone();
            assert_eq!(CALLS.swap(0, Ordering::Relaxed), 0);
            send();
            assert_eq!(CALLS.swap(0, Ordering::Relaxed), 2);
            assert_eq!(guard.uninstall().unwrap(), Restored::Previous);
        }
        // Once the other has gone, ours is taken up again, and then removed.
        set_action(ours.sa_sigaction, ours.sa_flags);
        let guard = FaultGuard::install().unwrap();
        read_what_is_gone();
        assert_eq!(guard.uninstall().unwrap(), Restored::Previous);
        assert_eq!(action_now().sa_sigaction, count as *const () as usize);
    }));
}

#[test]
fn a_thread_that_blocks_sigbus_gets_an_error_too() {
    passes(in_child("a_thread_that_blocks_sigbus_gets_an_error_too", || {
        let _guard = FaultGuard::install().unwrap();
        let thread = std::thread::spawn(|| {
            block_sigbus();
            read_what_is_gone();
            // Blocked after the first access: the one case in which it has to be said.
            block_sigbus();
            FaultGuard::unblock_this_thread().unwrap();
            read_what_is_gone();
        });
        thread.join().unwrap();
    }));
}

fn block_sigbus() {
    // SAFETY: all bytes zero is a valid set on Linux, and is made empty at once.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: the set is valid, and so is the signal.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGBUS) };
    // SAFETY: the set is valid; a null pointer asks for no old one.
    let error =
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    assert_eq!(error, 0);
}
