//! One crash state, mounted where its user can look inside.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::losses::{Loss, Places};
use crate::crash::simulated::recording::Recording;
use crate::crash::simulated::room::{Drive, Room};
use crate::crash::simulated::states::{Bound, choose};

/// A state that is mounted; unmounted by [`Shown::unmount`], or when this is dropped.
#[derive(Debug)]
pub struct Shown {
    drive: Drive,
    // Ends the room, when the drive is unmounted.
    _keeper: Keeper,
    /// How many changes were pending.
    pub pending: usize,
    /// Which of them are lacking, and what they are.
    pub losses: Vec<Loss>,
    /// Whether the command had ended.
    pub has_ended: bool,
}

impl Shown {
    /// Mounts the state of that number at `directory`, which everybody sees, and its journal is
    /// replayed there. Of the changes that it lacks, only those in `lacking` are, where that is
    /// given. The file of the disk stays in a [`Room`].
    ///
    /// # Errors
    ///
    /// Those of mounting; `None` where there is no state of that number, or it does not lack what
    /// it is to lack.
    pub fn mount(
        recorded: &Recording,
        seed: u64,
        (number, lacking): (usize, Option<&[usize]>),
        directory: &Path,
    ) -> Result<Option<Self>> {
        let states = number.saturating_add(1);
        let states = choose(&recorded.record, recorded.is_honest, Bound { seed, states });
        let Some(state) = states.chosen.get(number) else { return Ok(None) };
        let all = state.lacking();
        let state = match lacking {
            Some(some) if some.iter().any(|number| !all.contains(number)) => return Ok(None),
            Some(some) => state.lacking_only(some),
            None => state.lacking_only(&all),
        };
        let len = recorded.record.disk_len();
        let (keeper, mut drive) = Keeper::attach(directory.to_owned(), len)?;
        drive.insert(state.image())?;
        drive.repair(recorded.system)?;
        drive.mount(recorded.system, &recorded.mount_options)?;
        let pending = state.crash.pending.len();
        let losses = Places::of(&recorded.oracle).losses(&state);
        let has_ended = recorded.ended <= state.at;
        Ok(Some(Self { drive, _keeper: keeper, pending, losses, has_ended }))
    }

    /// Unmounts it.
    ///
    /// # Errors
    ///
    /// Those of unmounting: somebody may be in it still.
    pub fn unmount(&mut self) -> Result<()> {
        self.drive.unmount()
    }
}

/// A thread with a room, which nobody else is in, and a disk.
#[derive(Debug)]
struct Keeper {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    fn attach(directory: PathBuf, len: u64) -> Result<(Self, Drive)> {
        let (end, ended) = mpsc::channel();
        let (attached, drive) = mpsc::channel();
        let keep = move || {
            let attach = |room: &Room| {
                let shelf = room.shelf(1, len)?;
                Ok((Drive::attach_at(&shelf, 0, directory)?, shelf))
            };
            let room = Room::enter();
            let (drive, kept) = match room.map(|room| (attach(&room), room)) {
                Ok((Ok((drive, shelf)), room)) => (Ok(drive), Some((shelf, room))),
                Ok((Err(error), _)) | Err(error) => (Err(error), None),
            };
            // Somebody waits for it.
            attached.send(drive).ok();
            // Until the other end is dropped.
            ended.recv().ok();
            drop(kept);
        };
        let thread = Some(std::thread::spawn(keep));
        let keeper = Self { end: Some(end), thread };
        let drive = drive.recv().unwrap_or_else(|_| {
            Err(Error::Untrusted("the thread that attaches it has ended".to_owned()))
        })?;
        Ok((keeper, drive))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
