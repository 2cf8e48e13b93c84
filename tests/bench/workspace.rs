//! The files that are copied, and the place where the copies go.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::args::Size;
use crate::machine;

/// Small: peaks of children are measured from this process's own size up (see `runner`).
const BUFFER_BYTES: usize = 256 << 10;

/// Sources greater than this are kept one at a time, so that they stay in the page cache.
const KEPT_SOURCE_MAX: Size = Size(256 << 20);

/// Room that is left alone in every file system.
const MARGIN_BYTES: u64 = 64 << 20;

/// Targets up to this size stay until the end: ext4 slows the making of files for minutes after
/// many were deleted, and would slow all competitors alike until they looked alike.
const KEPT_TARGET_MAX: Size = Size(64 << 10);

/// A directory of the benchmark's own, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: TempDir,
    sources: Vec<Size>,
    batches: u32,
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
                fs::create_dir(root.path().join("large"))?;
                Ok(Self { root, sources: Vec::new(), batches: 0 })
            })
            .with_context(|| format!("cannot make a directory in '{}'", directory.display()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Why there is not enough room for a source of `size` and `targets` copies; `None` when
    /// there is.
    pub(crate) fn lacks_room(&self, size: Size, targets: u64, in_memory: bool) -> Option<String> {
        let files = if self.sources.contains(&size) { targets } else { targets + 1 };
        let needed = size.0.saturating_mul(files).saturating_add(MARGIN_BYTES);
        let mut free = machine::free_bytes(self.path()).unwrap_or(0);
        if in_memory {
            free = free.min(machine::memory_available());
        }
        let mebibytes = |bytes: u64| bytes >> 20;
        (free < needed)
            .then(|| format!("needs {} MiB, {} MiB are free", mebibytes(needed), mebibytes(free)))
    }

    /// A file of `size` random bytes, made when there is none yet, and written out.
    pub(crate) fn source(&mut self, size: Size) -> Result<PathBuf> {
        let path = self.source_path(size);
        if self.sources.contains(&size) {
            return Ok(path);
        }
        if size > KEPT_SOURCE_MAX {
            for other in self.sources.extract_if(.., |other| *other > KEPT_SOURCE_MAX) {
                let old = self.root.path().join(source_name(other));
                fs::remove_file(&old).with_context(|| cannot("remove", &old))?;
            }
        }
        fill(&path, size, 1)?;
        self.sources.push(size);
        Ok(path)
    }

    fn source_path(&self, size: Size) -> PathBuf {
        self.root.path().join(source_name(size))
    }

    /// A directory for the next targets of `size` bytes: a new one for small ones, the one
    /// emptied for large ones.
    pub(crate) fn next_batch(&mut self, size: Size) -> Result<PathBuf> {
        if size > KEPT_TARGET_MAX {
            self.clear_large()?;
            return Ok(self.large_path());
        }
        self.batches += 1;
        let next = self.root.path().join(format!("small-{}", self.batches));
        fs::create_dir(&next).with_context(|| cannot("make", &next))?;
        Ok(next)
    }

    /// Removes the large targets.
    pub(crate) fn clear_large(&self) -> Result<()> {
        let directory = self.large_path();
        for entry in fs::read_dir(&directory).with_context(|| cannot("list", &directory))? {
            let path = entry.with_context(|| cannot("list", &directory))?.path();
            remove(&path).with_context(|| cannot("remove", &path))?;
        }
        Ok(())
    }

    fn large_path(&self) -> PathBuf {
        self.root.path().join("large")
    }
}

fn source_name(size: Size) -> String {
    format!("source-{}", size.0)
}

fn cannot(verb: &str, path: &Path) -> String {
    format!("cannot {verb} '{}'", path.display())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(_) if path.is_dir() => fs::remove_dir_all(path),
        other => other,
    }
}

/// The next state of xorshift64: random enough to be incompressible, and faster than a disk.
pub(crate) const fn xorshift(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}

/// Makes, or overwrites in place, a file of `size` bytes that no compressor or search for zeros
/// makes smaller, other ones for each `seed`, and waits until they are on the disk.
pub(crate) fn fill(path: &Path, size: Size, seed: u64) -> Result<()> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| cannot("make", path))?;
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left = size.0;
    while left > 0 {
        for chunk in buffer.chunks_exact_mut(8) {
            state = xorshift(state);
            chunk.copy_from_slice(&state.to_ne_bytes());
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        file.write_all(&buffer[..take]).with_context(|| cannot("write", path))?;
        left -= u64::try_from(take)?;
    }
    file.sync_all().with_context(|| cannot("flush", path))
}

/// Reads all of `path`, so that it is in the page cache as far as that goes.
pub(crate) fn warm(path: &Path) -> Result<()> {
    let mut file = File::open(path).with_context(|| cannot("open", path))?;
    let mut buffer = vec![0; BUFFER_BYTES];
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
    let (mut own, mut copied) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
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
