//! The machine and the file systems, as far as figures need them to be understood.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};
use serde::Serialize;

/// What the figures were taken on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    /// Whether tmpfs has large folios.
    pub(crate) huge_shared_memory: String,
    pub(crate) load_average: String,
}

impl Machine {
    /// As /proc and /sys tell it.
    pub(crate) fn look() -> Self {
        Self {
            kernel: first_line("/proc/sys/kernel/osrelease"),
            processor: processor(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory_bytes("MemTotal:"),
            huge_shared_memory: first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
            load_average: first_line("/proc/loadavg"),
        }
    }
}

/// Bytes of memory that new files can take without anything being pushed out to a disk.
pub(crate) fn memory_available() -> u64 {
    memory_bytes("MemAvailable:")
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "model name")
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn memory_bytes(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kibibytes| kibibytes * 1024)
}

/// The file system that a directory lies in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FileSystem {
    pub(crate) directory: PathBuf,
    /// As statfs names it.
    pub(crate) kind: String,
    pub(crate) device: String,
    pub(crate) mount_options: String,
    pub(crate) block_bytes: u64,
    pub(crate) free_bytes: u64,
    /// Whether it can share blocks between files.
    pub(crate) clones: bool,
}

/// `f_type` of statfs(2).
const KINDS: [(u64, &str); 11] = [
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0xF2F5_2010, "f2fs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x2FC1_2FC1, "zfs"),
    (0x6969, "nfs"),
    (0x794C_7630, "overlay"),
    (0x6573_5546, "fuse"),
    (0xFF53_4D42, "cifs"),
];

impl FileSystem {
    /// The one of `directory`, known to people as `name`; two small files are made in it to see
    /// whether it clones.
    pub(crate) fn look(directory: &Path, name: &Path) -> Result<Self> {
        let facts = rustix::fs::statfs(directory)
            .with_context(|| format!("cannot look at '{}'", directory.display()))?;
        // The low 32 bits are the magic; where f_type has no more, some read as negative.
        #[expect(clippy::cast_sign_loss, reason = "the sign is no part of the magic")]
        let magic = facts.f_type as u64 & 0xFFFF_FFFF;
        let kind = KINDS.iter().find(|(known, _)| *known == magic);
        let mount = Mount::of(directory);
        Ok(Self {
            directory: name.to_owned(),
            kind: kind.map_or_else(|| format!("{magic:#x}"), |(_, name)| (*name).to_owned()),
            device: mount.device,
            mount_options: mount.options,
            block_bytes: u64::try_from(facts.f_bsize).unwrap_or(0),
            free_bytes: free_bytes(directory)?,
            clones: can_clone(directory)?,
        })
    }

    /// Whether it keeps its files in memory alone.
    pub(crate) fn is_memory(&self) -> bool {
        self.kind == "tmpfs"
    }

    /// Whether making files is slow for minutes after many were removed: ext4 passes over the
    /// inodes that were freed lately (`recently_deleted` in its `ialloc.c`), looking at each.
    pub(crate) fn avoids_freed_inodes(&self) -> bool {
        self.kind == "ext4"
    }
}

/// How many more files `directory` can have; `None` where that is not limited.
pub(crate) fn free_inodes(directory: &Path) -> Option<u64> {
    let facts = rustix::fs::statfs(directory).ok()?;
    (facts.f_files > 0).then_some(facts.f_ffree)
}

/// What is left for new files in `directory`.
pub(crate) fn free_bytes(directory: &Path) -> Result<u64> {
    let facts = rustix::fs::statfs(directory)
        .with_context(|| format!("cannot look at '{}'", directory.display()))?;
    Ok(facts.f_bavail.saturating_mul(u64::try_from(facts.f_bsize).unwrap_or(0)))
}

fn can_clone(directory: &Path) -> Result<bool> {
    // Whole blocks: XFS clones nothing else, and nothing at all of an empty file.
    let mut source = tempfile::tempfile_in(directory).context("cannot make a file")?;
    source.write_all(&[1; 1 << 16]).context("cannot write a file")?;
    let target = tempfile::tempfile_in(directory).context("cannot make a file")?;
    Ok(rustix::fs::ioctl_ficlone(&target, &source).is_ok())
}

struct Mount {
    device: String,
    options: String,
}

impl Mount {
    /// The last mount on the longest mount point that `directory` lies under.
    fn of(directory: &Path) -> Self {
        let full = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut best = (0, Self { device: "unknown".to_owned(), options: String::new() });
        for line in table.lines() {
            // proc(5): ID, parent, device number, root, mount point, options, optional fields, a
            // dash, kind, device, options of the file system.
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let (Some(point), Some(own)) = (left.split(' ').nth(4), left.split(' ').nth(5)) else {
                continue;
            };
            let mut rest = right.split(' ').skip(1);
            let (Some(device), Some(shared)) = (rest.next(), rest.next()) else { continue };
            let point = unescape(point);
            if full.starts_with(&point) && point.as_os_str().as_bytes().len() >= best.0 {
                let options = format!("{own},{shared}");
                let found = Self { device: device.to_owned(), options };
                best = (point.as_os_str().as_bytes().len(), found);
            }
        }
        best.1
    }
}

/// mountinfo writes blanks as `\040`; no other character of a mount point matters here.
fn unescape(point: &str) -> PathBuf {
    PathBuf::from(point.replace("\\040", " "))
}
