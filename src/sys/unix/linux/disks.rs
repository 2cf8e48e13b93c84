//! Block devices and file systems as `/sys` and `/proc` describe them.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::sys::disks::Disk;
use crate::sys::mounts::MountLine;

/// The directories where the kernel describes them.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    sys: PathBuf,
    proc: PathBuf,
}

impl Kernel {
    /// Those of the running kernel.
    pub(crate) fn running() -> Self {
        Self { sys: "/sys".into(), proc: "/proc".into() }
    }

    /// What it says of the block device with this number, major and minor.
    ///
    /// # Errors
    ///
    /// When there is no such device, or no sysfs.
    pub(crate) fn disk(&self, (major, minor): (u32, u32)) -> io::Result<Disk> {
        // The directory is where its name and its whole are; the link tells neither.
        let directory = self.sys.join(format!("dev/block/{major}:{minor}")).canonicalize()?;
        let name = directory.file_name().map(|name| name.to_string_lossy().replace('!', "/"));
        let whole = directory.parent().filter(|_| directory.join("partition").exists());
        let flag = |file: &str| line(&directory.join(file)).map(|text| text != "0");
        let backing_file = std::fs::read(directory.join("loop/backing_file")).ok();
        Ok(Disk {
            name: name.unwrap_or_default(),
            whole: whole.and_then(number),
            write_cache: line(&directory.join("queue/write_cache")),
            fua: flag("queue/fua"),
            rotational: flag("queue/rotational"),
            model: line(&directory.join("device/model")).filter(|model| !model.is_empty()),
            backing_file: backing_file.map(|bytes| {
                let path = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                PathBuf::from(std::ffi::OsStr::from_bytes(path))
            }),
            direct_io: flag("loop/dio"),
            mapper: line(&directory.join("dm/name")),
            raid: line(&directory.join("md/level")),
            bus: None,
            sectors: None,
            members: numbers_in(&directory.join("slaves")),
        })
    }

    /// The numbers of the devices that a file system is on.
    pub(crate) fn numbers_of(&self, line: &MountLine) -> Vec<(u32, u32)> {
        let of_source = number_of(Path::new(&line.source));
        let mut numbers = match (line.device, of_source) {
            // It has several devices, of which one is named.
            ((0, _), Some(number)) => match self.disk(number) {
                Ok(disk) if line.file_system == "btrfs" => self.members_of_btrfs(&disk.name),
                _ => vec![number],
            },
            ((0, _), None) => Vec::new(),
            (number, _) => vec![number],
        };
        if let ((0, _), [], Some(number)) = (line.device, numbers.as_slice(), of_source) {
            numbers.push(number);
        }
        // XFS may keep its log, and the bytes of some files, on devices of their own.
        let others = line.super_options.iter().filter_map(|option| {
            let path = option.strip_prefix("logdev=").or_else(|| option.strip_prefix("rtdev="));
            number_of(Path::new(path?))
        });
        numbers.extend(others);
        numbers
    }

    /// All devices of the btrfs that one of this name belongs to; none if it belongs to none.
    fn members_of_btrfs(&self, name: &str) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        for file_system in entries(&self.sys.join("fs/btrfs")) {
            let devices = file_system.join("devices");
            if devices.join(name.replace('/', "!")).exists() {
                found = numbers_in(&devices);
            }
        }
        found
    }

    /// Whether the ext4 on the device of this name has a journal; `None` where that is not told.
    pub(crate) fn has_ext4_journal(&self, name: &str) -> Option<bool> {
        let name = name.replace('/', "!");
        // "<none>", or the number of the journal's thread (fs/ext4/sysfs.c).
        line(&self.sys.join("fs/ext4").join(name).join("journal_task")).map(|task| task != "<none>")
    }

    /// All options of the ext4 on the device of this name, the ones that nobody gave included;
    /// none where they are not told.
    pub(crate) fn options_of_ext4(&self, name: &str) -> Vec<String> {
        let name = name.replace('/', "!");
        let text = std::fs::read_to_string(self.proc.join("fs/ext4").join(name).join("options"));
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

/// The number of the block device that `path` leads to, if it is one.
fn number_of(path: &Path) -> Option<(u32, u32)> {
    use crate::sys::file::Kind;
    use crate::sys::names::{Follow, facts_of_path};
    let facts = facts_of_path(path, Follow::Yes).ok()??;
    let device = facts.device;
    let is_block = facts.kind == Kind::BlockDevice;
    is_block.then(|| (rustix::fs::major(device), rustix::fs::minor(device)))
}

/// The text of a file of one line; `None` if it cannot be read, as where this kind has none.
fn line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// The number of the device that a directory describes.
fn number(directory: &Path) -> Option<(u32, u32)> {
    let text = line(&directory.join("dev"))?;
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The numbers of the devices in a directory, in the order of their names.
fn numbers_in(directory: &Path) -> Vec<(u32, u32)> {
    entries(directory).iter().filter_map(|entry| number(entry)).collect()
}

/// What is in a directory, in the order of the names; nothing where there is no such directory.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up `/sys` and `/proc`.
    struct Made(tempfile::TempDir);

    impl Made {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn link(&self, at: &str, to: &str) {
            let at = self.0.path().join(at);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(self.0.path().join(to), at).unwrap();
        }

        fn kernel(&self) -> Kernel {
            Kernel { sys: self.0.path().join("sys"), proc: self.0.path().join("proc") }
        }
    }

    #[test]
    fn a_partition_leads_to_its_disk() {
        let made = Made::new();
        made.file("sys/devices/block/sda/dev", "8:0\n");
        made.file("sys/devices/block/sda/queue/write_cache", "write back\n");
        made.file("sys/devices/block/sda/queue/fua", "1\n");
        made.file("sys/devices/block/sda/queue/rotational", "0\n");
        made.file("sys/devices/block/sda/device/model", "Best Disk   \n");
        made.file("sys/devices/block/sda/sda1/dev", "8:1\n");
        made.file("sys/devices/block/sda/sda1/partition", "1\n");
        made.link("sys/dev/block/8:0", "sys/devices/block/sda");
        made.link("sys/dev/block/8:1", "sys/devices/block/sda/sda1");
        let part = made.kernel().disk((8, 1)).unwrap();
        assert_eq!((part.name.as_str(), part.whole), ("sda1", Some((8, 0))));
        let disk = made.kernel().disk((8, 0)).unwrap();
        let expected = Disk {
            name: "sda".into(),
            write_cache: Some("write back".into()),
            fua: Some(true),
            rotational: Some(false),
            model: Some("Best Disk".into()),
            ..Disk::default()
        };
        assert_eq!(disk, expected);
        assert!(made.kernel().disk((8, 2)).is_err());
    }

    #[test]
    fn a_stack_leads_to_its_members() {
        let made = Made::new();
        made.file("sys/devices/block/sdb/dev", "8:16\n");
        made.file("sys/devices/block/cciss!c0d0/dev", "104:0\n");
        made.file("sys/devices/block/md0/md/level", "raid1\n");
        made.link("sys/devices/block/md0/slaves/sdb", "sys/devices/block/sdb");
        made.link("sys/devices/block/md0/slaves/cciss!c0d0", "sys/devices/block/cciss!c0d0");
        made.link("sys/dev/block/9:0", "sys/devices/block/md0");
        made.link("sys/dev/block/104:0", "sys/devices/block/cciss!c0d0");
        let raid = made.kernel().disk((9, 0)).unwrap();
        assert_eq!(raid.raid.as_deref(), Some("raid1"));
        assert_eq!(raid.members, [(104, 0), (8, 16)]);
        assert_eq!(made.kernel().disk((104, 0)).unwrap().name, "cciss/c0d0");
        made.link("sys/fs/btrfs/f00/devices/sdb", "sys/devices/block/sdb");
        made.link("sys/fs/btrfs/f00/devices/cciss!c0d0", "sys/devices/block/cciss!c0d0");
        assert_eq!(made.kernel().members_of_btrfs("cciss/c0d0"), [(104, 0), (8, 16)]);
        assert!(made.kernel().members_of_btrfs("sdc").is_empty());
    }

    #[test]
    fn a_loop_device_tells_its_file_and_ext4_its_journal_and_options() {
        let made = Made::new();
        made.file("sys/devices/block/loop0/loop/backing_file", "/a b\n");
        made.file("sys/devices/block/loop0/loop/dio", "0\n");
        made.link("sys/dev/block/7:0", "sys/devices/block/loop0");
        made.file("sys/fs/ext4/loop0/journal_task", "<none>\n");
        made.file("sys/fs/ext4/sda1/journal_task", "77\n");
        made.file("proc/fs/ext4/sda1/options", "rw\nnobarrier\n");
        let kernel = made.kernel();
        let disk = kernel.disk((7, 0)).unwrap();
        assert_eq!((disk.backing_file, disk.direct_io), (Some("/a b".into()), Some(false)));
        assert_eq!(kernel.has_ext4_journal("loop0"), Some(false));
        assert_eq!(kernel.has_ext4_journal("sda1"), Some(true));
        assert_eq!(kernel.has_ext4_journal("sda2"), None);
        assert_eq!(kernel.options_of_ext4("sda1"), ["rw", "nobarrier"]);
        assert!(kernel.options_of_ext4("sda2").is_empty());
    }
}
