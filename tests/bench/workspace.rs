//! The files that are copied, and the place where the copies go.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::args::Size;
use crate::machine::{self, FileSystem};
use crate::payload::Payload;
use crate::random::{Random, xorshift};
use crate::tree;

/// Small: peaks of children are measured from this process's own size up (see `runner`).
const BUFFER_BYTES: usize = 256 << 10;

/// Sources greater than this are kept one at a time, so that they stay in the page cache.
const KEPT_SOURCE_MAX: Size = Size(256 << 20);

/// Room that is left alone in every file system.
const MARGIN_BYTES: u64 = 64 << 20;

/// Targets up to this size stay until the end: ext4 slows the making of files for minutes after
/// many were deleted, and would slow all competitors alike until they looked alike.
const KEPT_TARGET_MAX: Size = Size(64 << 10);

const LARGE_TARGETS: &str = "large";
const TREE_TARGETS: &str = "trees";

/// A directory of the benchmark's own, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: TempDir,
    sources: Vec<Payload>,
    batches: u32,
    /// How often copies were removed from a file system that then makes files slowly.
    slowing_removals: u32,
}

impl Workspace {
    /// Makes it inside `directory`.
    pub(crate) fn new(directory: &Path, keep: bool) -> Result<Self> {
        fs::create_dir_all(directory)
            .and_then(|()| {
                let mut builder = tempfile::Builder::new();
                builder.prefix("mycp-bench-").disable_cleanup(keep).tempdir_in(directory)
            })
            .and_then(|root| {
                fs::create_dir(root.path().join(LARGE_TARGETS))?;
                fs::create_dir(root.path().join(TREE_TARGETS))?;
                Ok(Self { root, sources: Vec::new(), batches: 0, slowing_removals: 0 })
            })
            .with_context(|| format!("cannot make a directory in '{}'", directory.display()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Why there is not enough room for a source and `targets` copies of `payload`; `None` when
    /// there is.
    pub(crate) fn lacks_room(
        &mut self,
        payload: &Payload,
        targets: u64,
        file_system: &FileSystem,
    ) -> Result<Option<String>> {
        let copies = if self.sources.contains(payload) { targets } else { targets + 1 };
        let mut lack = self.lack(payload, copies, file_system);
        if lack.is_some() {
            self.clear_trees(file_system)?;
            self.drop_large_files(payload)?;
            lack = self.lack(payload, copies, file_system);
        }
        Ok(lack)
    }

    /// Removes large sources but `payload`; trees stay, so that ext4 has few inodes to avoid, see
    /// [`Self::next_tree_batch`].
    fn drop_large_files(&mut self, payload: &Payload) -> Result<()> {
        let goes = |other: &mut Payload| {
            let is_file = matches!(other, Payload::File(_));
            is_file && other.size() > KEPT_SOURCE_MAX && other != payload
        };
        for other in self.sources.extract_if(.., goes) {
            let old = self.root.path().join(source_name(&other));
            fs::remove_file(&old).with_context(|| cannot("remove", &old))?;
        }
        Ok(())
    }

    fn lack(&self, payload: &Payload, copies: u64, file_system: &FileSystem) -> Option<String> {
        let needed = payload.room().saturating_mul(copies).saturating_add(MARGIN_BYTES);
        let mut free = machine::free_bytes(self.path()).unwrap_or(0);
        if file_system.is_memory() {
            free = free.min(machine::memory_available());
        }
        if free < needed {
            return Some(format!("needs {} MiB, {} MiB are free", needed >> 20, free >> 20));
        }
        let needed = payload.inodes().saturating_mul(copies);
        let free = machine::free_inodes(self.path())?;
        (free < needed).then(|| format!("needs {needed} inodes, {free} are free"))
    }

    /// What is to be copied, made when there is none yet, and written out.
    pub(crate) fn source(&mut self, payload: &Payload) -> Result<PathBuf> {
        let path = self.root.path().join(source_name(payload));
        if self.sources.contains(payload) {
            return Ok(path);
        }
        if payload.size() > KEPT_SOURCE_MAX {
            self.drop_large_files(payload)?;
        }
        match payload {
            Payload::File(size) => fill(&path, *size, SOURCE_SEED)?,
            Payload::Tree(shape, _) => tree::make(*shape, &path)?,
        }
        self.sources.push(*payload);
        Ok(path)
    }

    /// A directory for the next targets of `size` bytes: a new one for small ones, the one
    /// emptied for large ones.
    pub(crate) fn next_batch(&mut self, size: Size) -> Result<PathBuf> {
        if size > KEPT_TARGET_MAX {
            self.clear_large()?;
            return Ok(self.root.path().join(LARGE_TARGETS));
        }
        let root = self.root.path().to_owned();
        self.new_batch(&root)
    }

    /// A new directory for the next copy of a tree, and nothing left to write to the disk.
    ///
    /// The copy before is removed first. Not so on ext4: until minutes later it looks past the
    /// inodes that were freed, one by one, for each file that is made. There copies stay until
    /// there is no room for another.
    pub(crate) fn next_tree_batch(
        &mut self,
        payload: &Payload,
        file_system: &FileSystem,
    ) -> Result<PathBuf> {
        let stays = file_system.avoids_freed_inodes();
        if !stays || self.lack(payload, 1, file_system).is_some() {
            self.clear_trees(file_system)?;
        }
        let targets = self.root.path().join(TREE_TARGETS);
        tree::sync(&targets)?;
        self.new_batch(&targets)
    }

    /// A directory for a target that one round leaves to the next, made when there is none.
    pub(crate) fn lasting_directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.path().join(TREE_TARGETS).join(name.to_lowercase());
        fs::create_dir_all(&path).with_context(|| cannot("make", &path))?;
        Ok(path)
    }

    fn new_batch(&mut self, inside: &Path) -> Result<PathBuf> {
        self.batches += 1;
        let next = inside.join(format!("batch-{}", self.batches));
        fs::create_dir(&next).with_context(|| cannot("make", &next))?;
        Ok(next)
    }

    /// Removes the large targets.
    pub(crate) fn clear_large(&self) -> Result<()> {
        clear(&self.root.path().join(LARGE_TARGETS)).map(|_| ())
    }

    /// Removes the copies of trees.
    pub(crate) fn clear_trees(&mut self, file_system: &FileSystem) -> Result<()> {
        let removed = clear(&self.root.path().join(TREE_TARGETS))?;
        if removed > 0 && file_system.avoids_freed_inodes() {
            self.slowing_removals += 1;
        }
        Ok(())
    }

    /// What makes the figures of trees doubtful.
    pub(crate) fn warning(&self) -> Option<String> {
        (self.slowing_removals > 0).then(|| {
            format!(
                "To make room copies were removed {} times, after which this file system makes \
                 files slowly for minutes: take a larger one.",
                self.slowing_removals,
            )
        })
    }
}

fn source_name(payload: &Payload) -> String {
    match payload {
        Payload::File(size) => format!("source-{}", size.0),
        Payload::Tree(shape, _) => format!("{:?}-{}", shape.kind, shape.shrink).to_lowercase(),
    }
}

/// Removes what is in `directory`, and counts its entries.
fn clear(directory: &Path) -> Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(directory).with_context(|| cannot("list", directory))? {
        let path = entry.with_context(|| cannot("list", directory))?.path();
        remove(&path).with_context(|| cannot("remove", &path))?;
        removed += 1;
    }
    Ok(removed)
}

/// "cannot make 'file'".
pub(crate) fn cannot(verb: &str, path: &Path) -> String {
    format!("cannot {verb} '{}'", path.display())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(_) if path.is_dir() => fs::remove_dir_all(path),
        other => other,
    }
}

/// Bytes that no compressor or search for zeros makes fewer.
#[derive(Debug)]
pub(crate) struct RandomBytes {
    state: u64,
    buffer: Vec<u8>,
}

impl RandomBytes {
    /// Other ones for each `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { state, buffer: vec![0; BUFFER_BYTES] }
    }

    /// Writes the next `size` of them.
    pub(crate) fn write(&mut self, file: &mut File, size: Size) -> io::Result<()> {
        let mut left = size.0;
        while left > 0 {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            for chunk in self.buffer[..take.next_multiple_of(8)].chunks_exact_mut(8) {
                self.state = xorshift(self.state);
                chunk.copy_from_slice(&self.state.to_ne_bytes());
            }
            file.write_all(&self.buffer[..take])?;
            left = left.saturating_sub(u64::try_from(take).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

/// Makes, or overwrites in place, a file of `size` random bytes, other ones for each `seed`, and
/// waits until they are on the disk.
pub(crate) fn fill(path: &Path, size: Size, seed: u64) -> Result<()> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| cannot("make", path))?;
    RandomBytes::new(seed).write(&mut file, size).with_context(|| cannot("write", path))?;
    file.sync_all().with_context(|| cannot("flush", path))
}

/// The seed of every source.
pub(crate) const SOURCE_SEED: u64 = 1;

/// Changes one in a hundred of the pages of a file of `size` bytes, and waits until that is on the
/// disk.
pub(crate) fn change_pages(path: &Path, size: Size) -> Result<()> {
    const PAGE: usize = 4096;
    let file = File::options().write(true).open(path).with_context(|| cannot("open", path))?;
    let pages = usize::try_from(size.0).unwrap_or(usize::MAX) / PAGE;
    let mut random = Random::new(3);
    for _ in 0..pages / 100 {
        let at = u64::try_from(random.below(pages) * PAGE + 17).unwrap_or(0);
        file.write_all_at(b"changed", at).with_context(|| cannot("write", path))?;
    }
    file.sync_all().with_context(|| cannot("flush", path))
}

/// One that takes the whole of a small file and finds its end: trees have many.
fn buffer_for(file: &File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    Ok(vec![0; len.saturating_add(1).min(BUFFER_BYTES)])
}

/// Reads all of `path`, so that it is in the page cache as far as that goes.
pub(crate) fn warm(path: &Path) -> Result<()> {
    let mut file = File::open(path).with_context(|| cannot("open", path))?;
    let mut buffer = buffer_for(&file).with_context(|| cannot("look at", path))?;
    while file.read(&mut buffer).with_context(|| cannot("read", path))? > 0 {}
    Ok(())
}

/// Fails unless `target` has `size` bytes.
pub(crate) fn check_length(target: &Path, size: Size) -> Result<()> {
    let facts = target.symlink_metadata().context("no target was made")?;
    if facts.len() != size.0 {
        bail!("the target has {} of {} bytes", facts.len(), size.0);
    }
    Ok(())
}

/// Fails unless both files have the same bytes.
pub(crate) fn check_content(source: &Path, target: &Path) -> Result<()> {
    let open = |path: &Path| File::open(path).with_context(|| cannot("open", path));
    let (mut left, mut right) = (open(source)?, open(target)?);
    let mut own = buffer_for(&left).with_context(|| cannot("look at", source))?;
    let mut copied = vec![0; own.len()];
    let mut offset = 0;
    loop {
        let count = read_full(&mut left, &mut own).with_context(|| cannot("read", source))?;
        let other = read_full(&mut right, &mut copied).with_context(|| cannot("read", target))?;
        if count != other || own[..count] != copied[..count] {
            bail!("the target differs from the source behind byte {offset}");
        }
        if count == 0 {
            return Ok(());
        }
        offset += count;
    }
}

fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
