//! What a path is on: the mount, the file system, and the devices under it.

use std::path::{Path, PathBuf};

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::Endpoint;
use crate::sys::disks::{Disk, Kernel, Sectors};
use crate::sys::family::Family;
use crate::sys::mounts::{MountLine, mount_of};
use crate::sys::names::{Follow, Spot};

use super::contract::{Contract, contract};

/// How many layers are looked through: more than the kernel lets anybody stack.
const DEPTH_MAX: u32 = 16;

/// Where something is kept.
#[derive(Debug)]
pub struct Place {
    /// What was looked at.
    pub path: PathBuf,
    /// Whose calls reach it.
    pub family: Family,
    /// The mount that it is on.
    pub mount: Mount,
    /// Whether the file system has a journal, where that is told: ext4 does.
    pub journal: Option<bool>,
    /// The block devices that the file system is on.
    pub devices: Vec<Device>,
    /// The directory in which a stacked file system keeps what is written: the upper one of
    /// overlayfs, the lower one of eCryptfs.
    pub below: Option<Layer>,
}

/// Something on another file system that carries a layer above it.
#[derive(Debug)]
pub struct Layer {
    /// Its path, as the kernel tells it.
    pub path: PathBuf,
    /// Where that is, or why it cannot be looked at.
    pub place: Result<Box<Place>>,
}

/// A mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's number of the mount.
    pub id: u64,
    /// The directory that it is mounted on.
    pub point: PathBuf,
    /// The kind of file system: "ext4".
    pub file_system: String,
    /// What is mounted: a device, a server's directory, or any word.
    pub source: PathBuf,
    /// The options of this mount, then those of the file system, and last the ones that are in
    /// effect without having been given, where the file system tells them. Each is there once.
    pub options: Vec<String>,
}

/// A block device.
#[derive(Debug)]
pub struct Device {
    /// Its name, as in `/dev`.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// How the kernel treats its cache.
    pub write_cache: Option<WriteCache>,
    /// Whether a single write can go past the cache (FUA).
    pub fua: Option<bool>,
    /// Whether it says that it turns.
    pub rotational: Option<bool>,
    /// What its maker calls it.
    pub model: Option<String>,
    /// What it is connected by, where that is told: Windows does.
    pub bus: Option<String>,
    /// Its sectors, where they are told: Windows does.
    pub sectors: Option<Sectors>,
    /// The devices that it is made of.
    pub members: Vec<Device>,
}

/// What a block device is.
#[derive(Debug)]
pub enum DeviceKind {
    /// A disk, or what looks like one to this kernel.
    Disk,
    /// A part of another device.
    Partition,
    /// A file that is used as a device.
    Loop {
        /// The file.
        backing: Layer,
        /// Whether it is read and written without the page cache.
        direct_io: bool,
    },
    /// Made of others by the device mapper, under this name.
    Mapper(String),
    /// Made of others as a RAID of this level.
    Raid(String),
    /// Memory.
    Memory,
    /// A device of another machine.
    Network,
    /// The kernel says nothing of it.
    Unseen,
}

/// How the kernel treats a device's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteCache {
    /// It is volatile, and flushed when someone asks for that.
    Back,
    /// There is none, or it is not volatile: Linux never sends a flush.
    Through,
    /// It is volatile, and Windows has been told to flush it never, because its power does not
    /// fail.
    Unflushed,
}

/// Finds out what `path` is on. Changes nothing.
///
/// # Errors
///
/// What `open` returns for a path that leads nowhere; [`Cause::Unsupported`] when its mount is not
/// among those of this process.
pub fn explain(path: impl AsRef<Path>) -> Result<Place> {
    Look { kernel: Kernel::running() }.place(path.as_ref(), DEPTH_MAX)
}

impl Place {
    /// What each call promises there, and what to be warned of.
    #[must_use]
    pub fn contract(&self) -> Contract {
        contract(self)
    }

    /// This place and all that it stands on, each before what is below it.
    #[must_use]
    pub fn layers(&self) -> Vec<&Place> {
        let mut found = vec![self];
        let mut layers: Vec<&Layer> = self.below.iter().collect();
        layers.extend(self.own_devices().into_iter().filter_map(Device::backing));
        for layer in layers {
            if let Ok(place) = &layer.place {
                found.extend(place.layers());
            }
        }
        found
    }

    /// The devices that its file system is on and what these are made of, files excepted.
    #[must_use]
    pub fn own_devices(&self) -> Vec<&Device> {
        self.devices.iter().flat_map(Device::with_members).collect()
    }

    /// Whether an option is in effect.
    #[must_use]
    pub fn has_option(&self, option: &str) -> bool {
        self.mount.options.iter().any(|other| other == option)
    }
}

impl Device {
    /// It and all that it is made of.
    fn with_members(&self) -> Vec<&Self> {
        let mut found = vec![self];
        found.extend(self.members.iter().flat_map(Self::with_members));
        found
    }

    /// The file that it is, if it is one.
    #[must_use]
    pub fn backing(&self) -> Option<&Layer> {
        match &self.kind {
            DeviceKind::Loop { backing, .. } => Some(backing),
            _ => None,
        }
    }

    /// Whether its name or model says that a hypervisor provides it.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        const NAMES: [&str; 2] = ["vd", "xvd"];
        const MODELS: [&str; 5] = ["QEMU", "VBOX", "Virtual", "VMware", "Amazon"];
        let model = self.model.as_deref().unwrap_or_default();
        matches!(self.kind, DeviceKind::Disk)
            && (NAMES.iter().any(|start| self.name.starts_with(start))
                || MODELS.iter().any(|word| model.contains(word)))
    }

    fn unseen((major, minor): (u32, u32)) -> Self {
        Self {
            name: format!("{major}:{minor}"),
            kind: DeviceKind::Unseen,
            write_cache: None,
            fua: None,
            rotational: None,
            model: None,
            bus: None,
            sectors: None,
            members: Vec::new(),
        }
    }
}

/// Looks at one layer after the other.
struct Look {
    kernel: Kernel,
}

impl Look {
    fn place(&self, path: &Path, depth: u32) -> Result<Place> {
        let endpoint = Endpoint::from(path);
        let handle =
            Spot::of_path(path).handle_of(Follow::Yes).context(Operation::Open, &endpoint)?;
        let line = mount_of(&handle).context(Operation::Resolve, &endpoint)?;
        let line = line.ok_or_else(|| {
            let cause = Cause::Unsupported("its mount is not one that this process can see");
            Error::new(Operation::Resolve, &endpoint, cause)
        })?;
        let devices: Vec<Device> = self
            .kernel
            .numbers_of(&line)
            .into_iter()
            .map(|number| self.device(number, depth))
            .collect();
        let below = directory_below(&line).map(|path| self.layer(path, depth));
        let mut mount = Mount {
            id: line.id,
            point: line.point,
            file_system: line.file_system,
            source: line.source.into(),
            options: Vec::new(),
        };
        let mut journal = None;
        let mut given = [line.options, line.super_options].concat();
        // ext2 and ext3 are mounted by the same code.
        if let ("ext2" | "ext3" | "ext4", Some(device)) =
            (mount.file_system.as_str(), devices.first())
        {
            journal = self.kernel.has_ext4_journal(&device.name);
            given.extend(self.kernel.options_of_ext4(&device.name));
        }
        for option in given {
            if !mount.options.contains(&option) {
                mount.options.push(option);
            }
        }
        let path = path.to_owned();
        Ok(Place { path, family: Family::running(), mount, journal, devices, below })
    }

    fn layer(&self, path: PathBuf, depth: u32) -> Layer {
        let refused = |why| {
            let endpoint = Endpoint::from(path.as_path());
            Err(Error::new(Operation::Resolve, &endpoint, Cause::Unsupported(why)))
        };
        let place = match depth.checked_sub(1) {
            _ if path.is_relative() => refused("it is relative to a directory that is not told"),
            Some(depth) => self.place(&path, depth).map(Box::new),
            None => refused("it is below too many other layers"),
        };
        Layer { path, place }
    }

    fn device(&self, number: (u32, u32), depth: u32) -> Device {
        let Some(depth) = depth.checked_sub(1) else { return Device::unseen(number) };
        let Ok(disk) = self.kernel.disk(number) else { return Device::unseen(number) };
        let members = disk.whole.iter().chain(&disk.members);
        let members = members.map(|number| self.device(*number, depth)).collect();
        let write_cache = match disk.write_cache.as_deref() {
            Some("write back") => Some(WriteCache::Back),
            Some("write through") => Some(WriteCache::Through),
            Some("write back, not flushed") => Some(WriteCache::Unflushed),
            _ => None,
        };
        Device {
            kind: self.kind(&disk, depth),
            write_cache,
            fua: disk.fua,
            rotational: disk.rotational,
            model: disk.model,
            bus: disk.bus,
            sectors: disk.sectors,
            members,
            name: disk.name,
        }
    }

    fn kind(&self, disk: &Disk, depth: u32) -> DeviceKind {
        let begins = |names: &[&str]| names.iter().any(|name| is_numbered(&disk.name, name));
        if disk.whole.is_some() {
            DeviceKind::Partition
        } else if let Some(path) = &disk.backing_file {
            let direct_io = disk.direct_io == Some(true);
            DeviceKind::Loop { backing: self.layer(path.clone(), depth), direct_io }
        } else if let Some(name) = &disk.mapper {
            DeviceKind::Mapper(name.clone())
        } else if let Some(level) = &disk.raid {
            DeviceKind::Raid(level.clone())
        } else if begins(&["zram", "ram"]) {
            DeviceKind::Memory
        } else if disk.bus.as_deref() == Some("Storage Spaces") {
            DeviceKind::Raid("a storage space".to_owned())
        } else if begins(&["nbd", "rbd"]) || disk.bus.as_deref() == Some("iSCSI") {
            DeviceKind::Network
        } else {
            DeviceKind::Disk
        }
    }
}

/// Whether a name is this word with a number behind it.
fn is_numbered(name: &str, word: &str) -> bool {
    name.strip_prefix(word).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The directory in which a stacked file system keeps what is written.
fn directory_below(line: &MountLine) -> Option<PathBuf> {
    match line.file_system.as_str() {
        "overlay" => {
            let upper =
                line.super_options.iter().find_map(|option| option.strip_prefix("upperdir="));
            upper.map(PathBuf::from)
        }
        "ecryptfs" => Some(PathBuf::from(&line.source)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_not_looked_for_where_it_may_not_be() {
        let look = Look { kernel: Kernel::running() };
        let cause = |path: &str, depth| look.layer(path.into(), depth).place.unwrap_err().cause;
        assert!(cause("upper", 5).to_string().starts_with("it is relative"));
        let absolute = std::env::temp_dir();
        let refused = cause(absolute.to_str().unwrap(), 0).to_string();
        assert!(refused.starts_with("it is below too many"), "{refused}");
        assert!(look.layer(absolute, 1).place.is_ok());
    }

    #[test]
    fn a_number_makes_a_name_of_memory() {
        assert!(is_numbered("zram0", "zram") && is_numbered("ram15", "ram"));
        assert!(!is_numbered("ramdisk", "ram") && !is_numbered("sda", "ram"));
    }
}
