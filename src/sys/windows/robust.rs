//! Mutexes in shared memory whose waiters are told when the owner dies.
//!
//! The kernel's mutexes tell of that (`WAIT_ABANDONED`), but have no place in memory, and are gone
//! with the last process that has them open: whoever comes then finds a new one that nobody ever
//! had. So the memory has a name, by which the kernel's mutex is found or made, and says besides
//! who has it: one that is free for the kernel and held by these words is a dead owner's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use windows_sys::Win32::System::Threading::{CreateMutexW, ReleaseMutex};

use super::Errno;
use super::errno::{checked, last};
use super::objects::{self, Name, Waited};
use crate::sync;
use crate::sys::place::Place;
use crate::sys::robust::Acquired;

/// Bytes of a mutex.
pub(crate) const MUTEX_BYTES: usize = STATE + size_of::<u32>();

/// Where the number of the process is that has it; 0 for none.
const OWNER: usize = Name::BYTES;
/// Where its state is.
const STATE: usize = OWNER + size_of::<u32>();

const SOUND: u32 = 0;
/// Its owner died, and nobody has said since that what it guards is whole.
const BROKEN: u32 = 1;
/// Who had it as such gave it up.
const LOST: u32 = 2;

/// The mutexes that this process has open, so that they are not looked up each time.
static OPEN: LazyLock<Mutex<HashMap<Name, Arc<OwnedHandle>>>> = LazyLock::new(Mutex::default);

/// How many are kept open that nobody has or waits for.
const OPEN_MAX: usize = 4096;

thread_local! {
    /// Those that this thread has. The kernel lets a thread have one twice, and would not tell.
    #[allow(
        clippy::missing_const_for_thread_local,
        reason = "it is const, which the lint does not see where threads have keys for such memory"
    )]
    static HELD: RefCell<Vec<(Name, Arc<OwnedHandle>)>> = const { RefCell::new(Vec::new()) };
}

/// Makes a mutex at an offset of the place.
///
/// # Errors
///
/// None; the kernel's is made by who locks it first.
pub(crate) fn init(place: &Place, offset: usize) -> io::Result<()> {
    Name::new().store(place, offset);
    place.word(offset + STATE).store(SOUND, Ordering::SeqCst);
    place.word(offset + OWNER).store(0, Ordering::SeqCst);
    Ok(())
}

/// Locks it, waiting until `deadline`, or for ever.
///
/// # Errors
///
/// Those that [`Acquired`] does not tell.
pub(crate) fn lock(
    place: &Place,
    offset: usize,
    deadline: Option<Instant>,
) -> io::Result<Acquired> {
    let name = Name::of(place, offset);
    if has(name)? {
        return Ok(Acquired::Deadlock);
    }
    let mutex = open(name)?;
    let waited = objects::wait(&mutex, deadline)?;
    if waited == Waited::No {
        return Ok(Acquired::No);
    }
    let (owner, state) = (place.word(offset + OWNER), place.word(offset + STATE));
    if state.load(Ordering::SeqCst) == LOST {
        owner.store(0, Ordering::SeqCst);
        release(&mutex)?;
        return Ok(Acquired::NotRecoverable);
    }
    let is_sound = waited == Waited::Had
        && owner.load(Ordering::SeqCst) == 0
        && state.load(Ordering::SeqCst) == SOUND;
    if !is_sound {
        // First: who is killed between the two leaves a state that says enough.
        state.store(BROKEN, Ordering::SeqCst);
    }
    owner.store(std::process::id(), Ordering::SeqCst);
    HELD.with_borrow_mut(|held| held.push((name, mutex)));
    Ok(if is_sound { Acquired::Sound } else { Acquired::OwnerDied })
}

/// Tells that what the mutex guards is whole again.
///
/// # Errors
///
/// `INVAL` when the calling thread has not got it as [`Acquired::OwnerDied`].
pub(crate) fn make_consistent(place: &Place, offset: usize) -> io::Result<()> {
    let state = place.word(offset + STATE);
    if !has(Name::of(place, offset))? || state.load(Ordering::SeqCst) != BROKEN {
        return Err(Errno::INVAL.into());
    }
    state.store(SOUND, Ordering::SeqCst);
    Ok(())
}

/// Gives it up; the calling thread has it. Nothing happens where it has not, or where the thread
/// ends, and its list of those that it has is gone: the next one is told of its death then.
pub(crate) fn unlock(place: &Place, offset: usize) {
    let name = Name::of(place, offset);
    let taken = HELD.try_with(|held| {
        let mut held = held.borrow_mut();
        let at = held.iter().position(|(other, _)| *other == name)?;
        Some(held.swap_remove(at).1)
    });
    let Ok(Some(mutex)) = taken else { return };
    let state = place.word(offset + STATE);
    if state.load(Ordering::SeqCst) == BROKEN {
        state.store(LOST, Ordering::SeqCst);
    }
    place.word(offset + OWNER).store(0, Ordering::SeqCst);
    // The thread has it, so that this cannot fail.
    drop(release(&mutex));
}

/// Whether this thread has it.
fn has(name: Name) -> io::Result<bool> {
    HELD.try_with(|held| held.borrow().iter().any(|(other, _)| *other == name))
        .map_err(|_| io::Error::other("this thread is ending, and can have no lock any more"))
}

/// The kernel's mutex of that name, made unless another has it open.
fn open(name: Name) -> io::Result<Arc<OwnedHandle>> {
    let mut mutexes = sync::lock(&OPEN);
    if let Some(found) = mutexes.get(&name) {
        return Ok(Arc::clone(found));
    }
    if mutexes.len() >= OPEN_MAX {
        // Closed they lose nothing: what is to be known of a free one is in memory.
        mutexes.retain(|_, mutex| Arc::strong_count(mutex) > 1);
    }
    let called = name.wide("");
    // SAFETY: the name ends with a NUL and lives as long as the call.
    let made = unsafe { CreateMutexW(std::ptr::null(), 0, called.as_ptr()) };
    let (mutex, _) = objects::owned(made, last())?;
    let mutex = Arc::new(mutex);
    mutexes.insert(name, Arc::clone(&mutex));
    Ok(mutex)
}

fn release(mutex: &OwnedHandle) -> io::Result<()> {
    // SAFETY: it takes a handle, which is open as long as it is borrowed.
    checked(unsafe { ReleaseMutex(mutex.as_raw_handle()) })
}
