//! Objects of the kernel that processes wait for, by names that shared memory has in it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::atomic::Ordering;
use std::time::Instant;

use windows_sys::Win32::Foundation::{
    ERROR_INVALID_HANDLE, HANDLE, WAIT_ABANDONED, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForSingleObject};

use super::errno::last;
use crate::sys::place::Place;

/// A name that no two places have, as it stands in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name([u32; WORDS]);

const WORDS: usize = 4;

impl Name {
    /// Bytes that it takes in memory.
    pub(super) const BYTES: usize = WORDS * size_of::<u32>();

    /// One that nobody has: of the system's generator, which the keys of hash tables are from.
    pub(super) fn new() -> Self {
        let state = RandomState::new();
        let hashes = [state.hash_one(0), state.hash_one(1)].map(u64::to_le_bytes);
        let word = |at: usize| {
            let [hash, half] = [at / 2, at % 2 * 4];
            u32::from_le_bytes(std::array::from_fn(|byte| hashes[hash][half + byte]))
        };
        Self(std::array::from_fn(word))
    }

    /// The one that a place has.
    pub(super) fn of(place: &Place, offset: usize) -> Self {
        Self(std::array::from_fn(|at| place.word(offset + at * 4).load(Ordering::SeqCst)))
    }

    /// Gives it to a place.
    pub(super) fn store(self, place: &Place, offset: usize) {
        for (at, word) in self.0.into_iter().enumerate() {
            place.word(offset + at * 4).store(word, Ordering::SeqCst);
        }
    }

    /// What the kernel knows it by, in all sessions, with something behind it.
    pub(super) fn wide(self, behind: &str) -> Vec<u16> {
        let [a, b, c, d] = self.0;
        wide(&format!("Global\\mycp-{a:08x}{b:08x}{c:08x}{d:08x}{behind}"))
    }
}

/// The name of an object as the calls take it.
pub(super) fn wide(name: &str) -> Vec<u16> {
    name.encode_utf16().chain([0]).collect()
}

/// The handle that a call has made, and what the system said right after it.
///
/// # Errors
///
/// What it said where there is none.
pub(super) fn owned(made: HANDLE, said: io::Error) -> io::Result<(OwnedHandle, io::Error)> {
    match made.is_null() {
        true if is_code(&said, ERROR_INVALID_HANDLE) => {
            Err(io::Error::other("an object of another kind has that name"))
        }
        true => Err(said),
        // SAFETY: the call has made the handle for this process, and nobody else has it.
        false => Ok((unsafe { OwnedHandle::from_raw_handle(made) }, said)),
    }
}

/// Whether an error is the one of that number.
pub(super) fn is_code(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

/// What became of waiting for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// It can be had, or has happened.
    Had,
    /// It is a mutex, and can be had, because the thread that had it has ended.
    Abandoned,
    /// Not in time.
    No,
}

/// Waits until a deadline, or for ever.
///
/// # Errors
///
/// Those of `WaitForSingleObject`.
pub(super) fn wait(object: &OwnedHandle, deadline: Option<Instant>) -> io::Result<Waited> {
    loop {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // Rounded up, so that nobody comes back before the time to look once more.
        let milliseconds = rest.map_or(INFINITE, |rest| {
            let rounded = rest.as_nanos().div_ceil(1_000_000);
            u32::try_from(rounded).unwrap_or(INFINITE).min(INFINITE - 1)
        });
        // SAFETY: it takes a handle, which is open as long as it is borrowed, and a number.
        match unsafe { WaitForSingleObject(object.as_raw_handle(), milliseconds) } {
            WAIT_OBJECT_0 => return Ok(Waited::Had),
            WAIT_ABANDONED => return Ok(Waited::Abandoned),
            WAIT_TIMEOUT if deadline.is_some_and(|it| it <= Instant::now()) => {
                return Ok(Waited::No);
            }
            // A little early, or after the longest time that the call knows.
            WAIT_TIMEOUT => {}
            _ => return Err(last()),
        }
    }
}
