//! File systems of a given size in image files, in a mount namespace that only the test sees.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Sandbox;

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tmpfs,
    /// Without extended attributes and ACLs, and of any size.
    Ramfs,
    Ext4,
    /// With times of whole seconds, as older ones have them.
    Ext4Coarse,
    /// With reflinks.
    Xfs,
    Btrfs,
}

impl Kind {
    /// Those for all that a file can have.
    pub(crate) const ALL: [Self; 4] = [Self::Tmpfs, Self::Ext4, Self::Xfs, Self::Btrfs];

    /// The smallest that mkfs makes without special options, in MiB.
    pub(crate) const fn smallest_mib(self) -> u64 {
        match self {
            Self::Tmpfs | Self::Ramfs | Self::Ext4 | Self::Ext4Coarse => 64,
            Self::Xfs => 300,
            Self::Btrfs => 256,
        }
    }

    fn make(self, image: &Path) {
        let mut command = match self {
            Self::Tmpfs | Self::Ramfs => unreachable!("it has no image"),
            Self::Ext4 => words("mkfs.ext4 -q -F -m 0 -E nodiscard"),
            Self::Ext4Coarse => words("mkfs.ext4 -q -F -m 0 -I 128"),
            Self::Xfs => words("mkfs.xfs -q -f -K -m reflink=1"),
            Self::Btrfs => words("mkfs.btrfs -q -f -K"),
        };
        succeed(command.arg(image));
    }
}

pub(crate) fn words(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

pub(crate) fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
}

/// File systems mounted for one test, unmounted at its end even when it panics.
///
/// They are mounted in a namespace of the test's thread, so that they disappear, and their loop
/// devices with them, even when the test's process is killed.
#[derive(Debug)]
pub(crate) struct Mounts {
    // Unmounted from the last to the first, before the directory below them goes.
    mounted: Vec<PathBuf>,
    sandbox: Sandbox,
}

impl Mounts {
    /// None yet.
    pub(crate) fn new() -> Self {
        enter_own_namespace();
        Self { mounted: Vec::new(), sandbox: Sandbox::new() }
    }

    /// Mounts a new, empty file system of `mib` mebibytes and returns its directory.
    pub(crate) fn add(&mut self, kind: Kind, mib: u64) -> PathBuf {
        match kind {
            Kind::Tmpfs => self.mount(words(&format!("mount -t tmpfs -o size={mib}m tmpfs"))),
            Kind::Ramfs => self.mount(words("mount -t ramfs ramfs")),
            Kind::Ext4 | Kind::Ext4Coarse | Kind::Xfs | Kind::Btrfs => {
                let image = self.image(&format!("image-{}", self.mounted.len()), mib);
                kind.make(&image);
                self.add_image(&image)
            }
        }
    }

    /// Mounts the file system in `image` and returns its directory.
    pub(crate) fn add_image(&mut self, image: &Path) -> PathBuf {
        let mut command = words("mount -o loop");
        command.arg(image);
        self.mount(command)
    }

    /// Mounts what a command line says that lacks only the directory, which is returned.
    pub(crate) fn mount(&mut self, mut command: Command) -> PathBuf {
        let directory = self.sandbox.directory(format!("mount-{}", self.mounted.len()));
        succeed(command.arg(&directory));
        self.mounted.push(directory.clone());
        directory
    }

    /// Makes `of` appear at `at`, which exists.
    pub(crate) fn bind(&mut self, of: &Path, at: &Path) {
        succeed(words("mount --bind").args([of, at]));
        self.mounted.push(at.to_owned());
    }

    /// Makes an empty image of `mib` mebibytes.
    pub(crate) fn image(&self, name: &str, mib: u64) -> PathBuf {
        let image = self.sandbox.write(name, b"");
        let file = std::fs::File::options().write(true).open(&image).unwrap();
        file.set_len(mib << 20).unwrap();
        image
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for directory in self.mounted.iter().rev() {
            let unmount = |option: &str| {
                let output = words(option).arg(directory).output();
                output.is_ok_and(|output| output.status.success())
            };
            // Busy for a moment while another test's child is between fork and exec.
            if !unmount("umount") && !unmount("umount -l") {
                eprintln!("cannot unmount {}", directory.display());
            }
        }
    }
}

/// A loop device over an image file, detached at the end.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    /// Its path in `/dev`.
    pub(crate) path: PathBuf,
}

impl LoopDevice {
    /// One over `image`.
    pub(crate) fn new(image: &Path) -> Self {
        // Another test may take the device that was found free.
        for _ in 0..20 {
            let output = words("losetup --find --show").arg(image).output().unwrap();
            if output.status.success() {
                let path = String::from_utf8(output.stdout).unwrap();
                return Self { path: path.trim_end().into() };
            }
            eprintln!("losetup: {}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("no loop device for {}", image.display());
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if !words("losetup --detach").arg(&self.path).status().is_ok_and(|status| status.success())
        {
            eprintln!("cannot detach {}", self.path.display());
        }
    }
}

/// Moves the calling thread, and what it starts from now on, into a mount namespace of its own.
pub(super) fn enter_own_namespace() {
    thread_local!(static ENTERED: Cell<bool> = const { Cell::new(false) });
    if ENTERED.replace(true) {
        return;
    }
    // SAFETY: a new mount namespace makes the thread's root, directory and umask its own
    // (CLONE_FS); the tests use none of them. Descriptors stay shared.
    let entered = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) };
    entered.expect("a mount namespace of its own (needs root)");
    succeed(&mut words("mount --make-rprivate /"));
}
