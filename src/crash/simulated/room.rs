//! Where experiments are made: mounts that nobody else sees, and disks behind loop devices.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::crash::simulated::disk::{Disk, NAME, Shelf, owner_of};
use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::image::{Image, PAGE};
use crate::crash::simulated::random::Random;
use crate::crash::simulated::system::FileSystem;
use crate::options::Quoted;
use crate::sync::lock;
use crate::sys::linux::loopback::{self, LoopDevice};
use crate::sys::linux::owners::Owner;
use crate::sys::linux::undertaker::Undertaker;
use crate::sys::linux::{children, mounting};
use crate::sys::mounts;

/// A mount namespace of the laboratory's own. When its last process ends, killed or not, the kernel
/// unmounts all that is in it, and so frees the loop devices; a process of its own sees to it that
/// none is left: it kills what a command has left in the background, and ends the FUSE server, for
/// which threads of this one may wait.
#[derive(Debug)]
pub struct Room {
    directory: PathBuf,
    risk: Option<io::Error>,
    _undertaker: Undertaker,
}

/// The directory of the room that disks are in.
const SHELF: &str = "shelf";

impl Room {
    /// Enters a room of one's own.
    ///
    /// The calling thread gets a mount namespace of its own, which those that it starts afterwards
    /// share: to be called before any other thread is started. When the thread ends, the room does.
    ///
    /// # Errors
    ///
    /// Those of unshare(2), mount(2) and of making a directory; `EPERM` for whom may not mount.
    pub fn enter() -> Result<Self> {
        let system = |what| move |error| Error::System(what, error);
        // Before they are in the room, too.
        detach_disks(Owner::has_ended);
        mounting::own_mounts().map_err(system("get a mount namespace, which takes root"))?;
        mounting::keep_to_this_namespace()
            .map_err(system("keep mounts from being seen by others"))?;
        // Those of others would be kept in use here, and those who make file systems ask all.
        detach_disks(|_| true);
        // What is there is hidden in this namespace only.
        let directory = PathBuf::from("/mnt");
        mounting::mount(Path::new(NAME), &directory, "tmpfs", "")
            .map_err(system("mount a file system in memory"))?;
        let undertaker =
            Undertaker::watch(&directory.join(SHELF)).map_err(system("start a process"))?;
        // Of all threads: they share memory and locks with those that serve the disks.
        let risk = children::flush_for_others().err();
        Ok(Self { directory, risk, _undertaker: undertaker })
    }

    /// Why the threads that serve the disks may wait for themselves when memory is short; `None` if
    /// they do not. Before Linux 5.6, and without `CAP_SYS_RESOURCE`, nothing can be done about it.
    #[must_use]
    pub fn risk(&self) -> Option<&io::Error> {
        self.risk.as_ref()
    }

    /// Mounts so many empty disks in it.
    pub(crate) fn shelf(&self, count: usize, len: u64) -> Result<Shelf> {
        let directory = self.directory(SHELF)?;
        Shelf::mount(&directory, count, len)
            .map_err(|error| Error::System("serve disks through FUSE", error))
    }

    /// Makes a directory in it.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::File { what: "make the directory", path, error })
            }
            _ => Ok(path),
        }
    }
}

/// Held by whoever mounts btrfs.
static MOUNTING: Mutex<()> = Mutex::new(());

/// A simulated disk behind a loop device, with a directory to mount it on.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) disk: Arc<Disk>,
    device: LoopDevice,
    pub(crate) directory: PathBuf,
    is_mounted: bool,
}

impl Drive {
    /// Takes a disk from the shelf.
    pub(crate) fn attach(room: &Room, shelf: &Shelf, number: usize) -> Result<Self> {
        let directory = room.directory(&format!("drive-{number}"))?;
        Self::attach_at(shelf, number, directory)
    }

    /// The same, to be mounted on a directory that is there.
    pub(crate) fn attach_at(shelf: &Shelf, number: usize, directory: PathBuf) -> Result<Self> {
        let Some((disk, path)) = shelf.disk(number) else {
            return Err(Error::Untrusted(format!("there is no disk {number}")));
        };
        let file = File::options().read(true).write(true).open(&path);
        // mkfs.btrfs takes loop devices whose files have one name for one device.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = file.map_err(|error| Error::File { what: "open", path, error })?;
        let device = LoopDevice::attach(&file, &name)
            .map_err(|error| Error::System("attach a loop device", error))?;
        let drive = Self { disk, device, directory, is_mounted: false };
        drive.check()?;
        Ok(drive)
    }

    /// Sees to it that the file system above will flush the disk, that this is seen, and that all
    /// that is written is recorded as it is, and nothing else.
    fn check(&self) -> Result<()> {
        let attribute =
            |name, what| self.device.attribute(name).map_err(|error| Error::System(what, error));
        distrust(
            &attribute("loop/dio", "ask how the loop device reads and writes")?,
            &attribute("queue/write_cache", "ask for the loop device's cache")?,
        )?;
        let before = self.disk.image();
        let flushes = self.disk.flushes();
        let mut expected = before.clone();
        self.disk.record(u64::MAX);
        self.write_pattern(&mut expected)
            .map_err(|error| Error::System("write to the loop device", error))?;
        let there = self.disk.image();
        let record = self.disk.recorded()?;
        self.insert(before)?;
        let untrusted = |what: &str| Err(Error::Untrusted(what.to_owned()));
        if self.disk.flushes() == flushes {
            return untrusted("a flush does not arrive");
        }
        if there.digest() != expected.digest() {
            return untrusted("it does not hold what was written");
        }
        // All was done before the flush, which makes all of it durable.
        let [at_flush, end] = [record.crash_points().first().copied(), Some(record.end())]
            .map(|at| record.crash(at.unwrap_or_default(), true));
        if end.durable.digest() != expected.digest() || !end.pending.is_empty() {
            return untrusted("what was written and flushed is not in the record as it is");
        }
        if at_flush.pending.is_empty() {
            return untrusted("what was written is in the record as if it were flushed");
        }
        Ok(())
    }

    /// Writes something at the begin and at the end of the device, and flushes it.
    fn write_pattern(&self, expected: &mut Image) -> io::Result<()> {
        let device = File::options().write(true).open(self.device.path())?;
        let mut random = Random::new(3);
        let last = expected.len().saturating_sub(PAGE as u64);
        for (offset, len) in [(0, 3 * PAGE), (last, PAGE)] {
            let bytes = random.bytes(len);
            device.write_all_at(&bytes, offset)?;
            expected.write(offset, &bytes);
        }
        device.sync_all()
    }

    pub(crate) fn device(&self) -> PathBuf {
        self.device.path()
    }

    /// Puts another content on the disk, of which nothing is mounted.
    pub(crate) fn insert(&self, image: Image) -> Result<()> {
        self.disk.replace(image);
        self.forget_cached()
    }

    fn forget_cached(&self) -> Result<()> {
        self.device
            .forget_cached()
            .map_err(|error| Error::System("empty the loop device's cache", error))
    }

    pub(crate) fn mount(&mut self, system: FileSystem, options: &str) -> Result<()> {
        // btrfs looks for the other devices of a file system by its identity, which is that of
        // every other state.
        let _one_at_a_time = (system == FileSystem::Btrfs).then(|| lock(&MOUNTING));
        system.mount(&self.device.path(), &self.directory, options)?;
        self.is_mounted = true;
        let mounted = File::open(&self.directory)
            .and_then(mounts::mount_of)
            .map_err(|error| Error::System("see what is mounted", error))?;
        match mounted {
            Some(mount) if Path::new(&mount.source) == self.device.path() => Ok(()),
            _ => Err(Error::Untrusted(format!("not {} is mounted", Quoted(&self.device.path())))),
        }
    }

    /// Repairs the file system, which is not mounted.
    pub(crate) fn repair(&self, system: FileSystem) -> Result<()> {
        system.repair(&self.device.path())
    }

    pub(crate) fn unmount(&mut self) -> Result<()> {
        FileSystem::unmount(&self.directory)?;
        self.is_mounted = false;
        self.forget_cached()
    }
}

/// Whether a loop device would keep something to itself, going by its attributes `loop/dio` and
/// `queue/write_cache`.
fn distrust(direct: &str, cache: &str) -> Result<()> {
    if direct != "1" {
        let what = "its loop device gathers writes in the page cache";
        return Err(Error::Untrusted(what.to_owned()));
    }
    if cache != "write back" {
        let what = format!("its cache is '{cache}', so that nobody would flush it");
        return Err(Error::Untrusted(what));
    }
    Ok(())
}

impl Drop for Drive {
    fn drop(&mut self) {
        if self.is_mounted {
            // After an error. Who has anything of it open keeps it, out of sight.
            mounting::unmount(&self.directory).or_else(|_| mounting::detach(&self.directory)).ok();
        }
    }
}

/// Takes the file systems on simulated disks of some owners out of sight: of laboratories that were
/// killed, which nobody serves any more, say. What cannot be unmounted is in nobody's way.
///
/// It asks none of them, nor their devices: one that is served by a process that is stopped would
/// not answer.
fn detach_disks(of: impl Fn(Owner) -> bool) {
    for (device, directory) in mounting::on_loop_devices() {
        let owner = loopback::backing_file(&device).and_then(|file| owner_of(&file));
        if owner.is_some_and(&of) {
            mounting::detach(&directory).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::simulated::disk::Fault;

    #[test]
    fn a_loop_device_with_a_cache_of_its_own_or_none_that_is_flushed_is_not_trusted() {
        assert!(distrust("1", "write back").is_ok());
        let said = |direct, cache| distrust(direct, cache).unwrap_err().to_string();
        assert!(said("0", "write back").contains("page cache"));
        assert!(said("1", "write through").contains("'write through'"));
    }

    #[test]
    #[ignore = "needs root, loop devices and FUSE"]
    fn a_disk_that_does_something_wrong_is_not_trusted() {
        let room = Room::enter().unwrap();
        let attach = |fault: Option<Fault>| {
            let shelf = room.shelf(1, 1 << 20).unwrap();
            if let Some(fault) = fault {
                shelf.disk(0).unwrap().0.break_by(fault);
            }
            Drive::attach(&room, &shelf, 0).map(drop)
        };
        attach(None).unwrap();
        for (fault, what) in [
            (Fault::FlushIsLost, "a flush does not arrive"),
            (Fault::FlushIsNotRecorded, "not in the record as it is"),
            (Fault::WriteIsNotRecorded, "not in the record as it is"),
            (Fault::RecordIsWrong, "not in the record as it is"),
            (Fault::WriteIsWrong, "does not hold what was written"),
        ] {
            let error = attach(Some(fault)).unwrap_err().to_string();
            assert!(error.contains("not to be trusted"), "{fault:?}: {error}");
            assert!(error.contains(what), "{fault:?}: {error}");
        }
    }
}
