//! Trees on the disk: made, read, and compared with their copies.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};

use crate::args::Size;
use crate::shape::{Node, Shape};
use crate::sys;
use crate::workspace::{self, RandomBytes, cannot};

/// What every fiftieth file has.
const ATTRIBUTE: &str = "user.origin";

/// Makes all of `shape` as `root`, with times of the past, some executable files and some extended
/// attributes, and waits until it is on the disk.
pub(crate) fn make(shape: Shape, root: &Path) -> Result<()> {
    fs::create_dir(root).with_context(|| cannot("make", root))?;
    let mut bytes = RandomBytes::new(1);
    shape.each(&mut |relative, node| {
        let path = root.join(relative);
        match node {
            Node::Directory => fs::create_dir(&path),
            Node::Symlink(content) => {
                symlink(content, &path).and_then(|()| set_time(&path, Age::Source, 0))
            }
            Node::HardLink(original) => fs::hard_link(root.join(original), &path),
            Node::File { len, number } => make_file(&path, Size(len), number, &mut bytes)
                .and_then(|()| set_time(&path, Age::Source, number)),
        }
        .with_context(|| cannot("make", &path))?;
        if sys::interrupted() { bail!("interrupted") } else { Ok(()) }
    })?;
    // Only now, as every name that is made in a directory changes its time.
    shape.each(&mut |relative, node| {
        let path = root.join(relative);
        let set = match node {
            Node::Directory => set_time(&path, Age::Source, 0),
            _ => Ok(()),
        };
        set.with_context(|| cannot("set the time of", &path))
    })?;
    set_time(root, Age::Source, 0).with_context(|| cannot("set the time of", root))?;
    sync(root)
}

fn make_file(path: &Path, size: Size, number: u64, bytes: &mut RandomBytes) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    bytes.write(&mut file, size)?;
    give_attributes(&file, number)
}

/// Gives the file of this number the extended attribute and the mode that it has in every tree.
pub(crate) fn give_attributes(file: &File, number: u64) -> io::Result<()> {
    if number.is_multiple_of(50) {
        match rustix::fs::fsetxattr(file, ATTRIBUTE, b"registry", XattrFlags::empty()) {
            // tmpfs has such attributes since Linux 6.6, and other file systems have none.
            Ok(()) | Err(rustix::io::Errno::NOTSUP) => (),
            Err(error) => return Err(error.into()),
        }
    }
    if number.is_multiple_of(20) {
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Of when a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// From the first of January 2020 on, as each source.
    Source,
    /// From a month before.
    Old,
}

/// The modification, so long after the beginning of its age; nanoseconds, too, so that who drops
/// them is found.
pub(crate) fn set_time(path: &Path, age: Age, seconds: u64) -> io::Result<()> {
    let start_seconds: u64 = match age {
        Age::Source => 1_577_836_800,
        Age::Old => 1_575_158_400,
    };
    let time = Timespec {
        tv_sec: i64::try_from(start_seconds + seconds).unwrap_or(i64::MAX),
        tv_nsec: 123_456_700,
    };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Waits until all of the file system that `directory` is in is on the disk.
pub(crate) fn sync(directory: &Path) -> Result<()> {
    let handle = File::open(directory).with_context(|| cannot("open", directory))?;
    rustix::fs::syncfs(&handle).with_context(|| cannot("flush", directory))
}

/// Reads all of the tree, so that it is in the caches as far as that goes.
pub(crate) fn warm(root: &Path) -> Result<()> {
    for entry in entries(root)? {
        let path = entry.path();
        let facts = entry.metadata().with_context(|| cannot("look at", &path))?;
        if facts.is_dir() {
            warm(&path)?;
        } else if facts.is_file() && facts.len() > 0 {
            workspace::warm(&path)?;
        }
    }
    Ok(())
}

/// How a copy differs from its source in what not every copier keeps.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Whether any file has blocks in common with another.
    pub(crate) cloned: bool,
    /// What is not as it was, by kind.
    pub(crate) lost: BTreeSet<&'static str>,
}

/// Fails unless both trees have the same names, the same kinds of objects and the same bytes.
pub(crate) fn compare(source: &Path, target: &Path) -> Result<Compared> {
    let mut compared = Compared::default();
    compare_directory(source, target, &mut compared)?;
    Ok(compared)
}

fn compare_directory(source: &Path, target: &Path, compared: &mut Compared) -> Result<()> {
    let own = entries(source)?;
    for entry in &own {
        let path = entry.path();
        compare_entry(&path, &target.join(entry.file_name()), compared)?;
    }
    let others = entries(target)?;
    if others.len() != own.len() {
        bail!("'{}' has {} names, not {}", target.display(), others.len(), own.len());
    }
    compare_attributes(source, &look(source)?, target, &look(target)?, compared);
    Ok(())
}

fn compare_entry(source: &Path, target: &Path, compared: &mut Compared) -> Result<()> {
    let (own, copied) = (look(source)?, look(target)?);
    let kind = own.file_type();
    if kind != copied.file_type() {
        bail!("'{}' has become another kind of object", target.display());
    }
    if kind.is_dir() {
        return compare_directory(source, target, compared);
    }
    if own.len() != copied.len() {
        bail!("'{}' has {} of {} bytes", target.display(), copied.len(), own.len());
    }
    if kind.is_file() && own.len() > 0 {
        workspace::check_content(source, target)?;
        compared.cloned |=
            !compared.cloned && File::open(target).is_ok_and(|file| sys::shares_blocks(&file));
    }
    compare_attributes(source, &own, target, &copied, compared);
    Ok(())
}

fn compare_attributes(
    source: &Path,
    own: &Metadata,
    target: &Path,
    copied: &Metadata,
    compared: &mut Compared,
) {
    let times = |facts: &Metadata| (facts.mtime(), facts.mtime_nsec());
    let is_directory = own.is_dir();
    if times(own) != times(copied) {
        let kind = if is_directory { "times of directories" } else { "times" };
        compared.lost.insert(kind);
    }
    if own.mode() != copied.mode() {
        compared.lost.insert("modes");
    }
    if !is_directory && own.nlink() != copied.nlink() {
        compared.lost.insert("hard links");
    }
    if has_attribute(source) != has_attribute(target) {
        compared.lost.insert("attributes");
    }
}

fn has_attribute(path: &Path) -> bool {
    let mut none: [u8; 0] = [];
    rustix::fs::lgetxattr(path, ATTRIBUTE, &mut none).is_ok()
}

fn entries(directory: &Path) -> Result<Vec<DirEntry>> {
    fs::read_dir(directory).and_then(Iterator::collect).with_context(|| cannot("list", directory))
}

fn look(path: &Path) -> Result<Metadata> {
    path.symlink_metadata().with_context(|| cannot("look at", path))
}
