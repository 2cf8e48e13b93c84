//! Where experiments are made: mounts that nobody else sees, and disks behind loop devices.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::crash::simulated::disk::{Disk, NAME, Shelf};
use crate::crash::simulated::error::{Error, Result};
use crate::crash::simulated::image::Image;
use crate::crash::simulated::system::FileSystem;
use crate::sync::lock;
use crate::sys::loopback::{self, LoopDevice};
use crate::sys::undertaker::Undertaker;
use crate::sys::{mounts, platform};

/// A mount namespace of the laboratory's own. When its last process ends, killed or not, the kernel
/// unmounts all that is in it, and so frees the loop devices; a process of its own ends the FUSE
/// server, for which threads of this one may wait.
#[derive(Debug)]
pub struct Room {
    directory: PathBuf,
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
        sweep();
        let system = |what| move |error: rustix::io::Errno| Error::System(what, error.into());
        platform::own_mounts()
            .map_err(|error| Error::System("get a mount namespace, which takes root", error))?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private)
            .map_err(system("keep mounts from being seen by others"))?;
        // What is there is hidden in this namespace only.
        let directory = PathBuf::from("/mnt");
        rustix::mount::mount(NAME, &directory, "tmpfs", MountFlags::empty(), None)
            .map_err(system("mount a file system in memory"))?;
        let undertaker = Undertaker::watch(&directory.join(SHELF))
            .map_err(|error| Error::System("start a process", error))?;
        Ok(Self { directory, _undertaker: undertaker })
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
        let file = file.map_err(|error| Error::File { what: "open", path, error })?;
        // mkfs.btrfs takes loop devices whose files have one name for one device.
        let device = LoopDevice::attach(&file, &format!("{NAME}-{number}"))
            .map_err(|error| Error::System("attach a loop device", error))?;
        let drive = Self { disk, device, directory, is_mounted: false };
        drive.check()?;
        Ok(drive)
    }

    /// Sees to it that the file system above will flush the disk, and that this is seen.
    fn check(&self) -> Result<()> {
        let cache = self.device.attribute("queue/write_cache");
        let cache =
            cache.map_err(|error| Error::System("ask for the loop device's cache", error))?;
        if cache != "write back" {
            let what = format!("its cache is '{cache}', so that nobody would flush it");
            return Err(Error::Untrusted(what));
        }
        let before = self.disk.flushes();
        let device = File::options().write(true).open(self.device.path());
        device
            .and_then(|device| device.sync_all())
            .map_err(|error| Error::System("flush the loop device", error))?;
        if self.disk.flushes() == before {
            return Err(Error::Untrusted("a flush does not arrive".to_owned()));
        }
        Ok(())
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
            _ => {
                Err(Error::Untrusted(format!("not '{}' is mounted", self.device.path().display())))
            }
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

impl Drop for Drive {
    fn drop(&mut self) {
        if self.is_mounted {
            // After an error; the namespace's end does it at the latest.
            drop(FileSystem::unmount(&self.directory));
        }
    }
}

/// Unmounts what a killed laboratory left mounted for its user to look at: file systems on a disk
/// that nobody serves any more. What cannot be unmounted is in nobody's way.
fn sweep() {
    for (device, directory) in mounts::on_loop_devices() {
        if loopback::is_abandoned(&device, NAME) {
            rustix::mount::unmount(&directory, UnmountFlags::DETACH).ok();
        }
    }
}
