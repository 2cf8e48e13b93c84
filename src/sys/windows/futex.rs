//! Sleeping until a word in shared memory changes.
//!
//! `WaitOnAddress` knows the threads of one process only. So who sleeps makes an event whose name
//! has that of the place and what the word was in it, and who changes the word from that sets the
//! event, if there is one. It goes with those who sleep, and no death leaves anything behind.

use std::io;
use std::os::windows::io::AsRawHandle;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::ERROR_FILE_NOT_FOUND;
use windows_sys::Win32::System::Threading::{
    CreateEventW, EVENT_MODIFY_STATE, OpenEventW, SetEvent,
};

use super::errno::{checked, last};
use super::objects::{self, Name};
use crate::sys::place::Place;

/// Bytes of the word, and of what belongs to it.
pub(crate) const BYTES: usize = NAME + Name::BYTES;

const NAME: usize = size_of::<u32>();

/// Makes the word at an offset of the place: 0.
///
/// # Errors
///
/// None.
pub(crate) fn init(place: &Place, offset: usize) -> io::Result<()> {
    Name::new().store(place, offset + NAME);
    place.word(offset).store(0, Ordering::SeqCst);
    Ok(())
}

/// Sleeps until the word is not `seen`, or the time is up.
///
/// # Errors
///
/// Those of making the event, and of waiting for it.
pub(crate) fn wait(place: &Place, offset: usize, seen: u32, time: Duration) -> io::Result<()> {
    let deadline = Instant::now().checked_add(time);
    let called = event(place, offset, seen);
    // SAFETY: the name ends with a NUL and lives as long as the call.
    let made = unsafe { CreateEventW(std::ptr::null(), 1, 0, called.as_ptr()) };
    let (event, _) = objects::owned(made, last())?;
    // Only now: who has changed it before looked for the event in vain.
    if place.word(offset).load(Ordering::SeqCst) != seen {
        return Ok(());
    }
    objects::wait(&event, deadline).map(drop)
}

/// Adds one to the word, and wakes all who sleep, also where one would do: who finds nothing to do
/// sleeps again.
///
/// # Errors
///
/// Those of opening the event, but that there is none.
pub(crate) fn advance(place: &Place, offset: usize, _: u32) -> io::Result<()> {
    let before = place.word(offset).fetch_add(1, Ordering::SeqCst);
    let called = event(place, offset, before);
    // SAFETY: the name ends with a NUL and lives as long as the call.
    let opened = unsafe { OpenEventW(EVENT_MODIFY_STATE, 0, called.as_ptr()) };
    match objects::owned(opened, last()) {
        // SAFETY: it takes a handle, which is open.
        Ok((event, _)) => checked(unsafe { SetEvent(event.as_raw_handle()) }),
        // Nobody sleeps.
        Err(error) if objects::is_code(&error, ERROR_FILE_NOT_FOUND) => Ok(()),
        Err(error) => Err(error),
    }
}

fn event(place: &Place, offset: usize, seen: u32) -> Vec<u16> {
    Name::of(place, offset + NAME).wide(&format!("-{seen:08x}"))
}
