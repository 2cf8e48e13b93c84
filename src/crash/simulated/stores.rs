//! Stores through maps, and what each way of flushing them keeps.
//!
//! A program stores into files through shared maps (an old range, new length, a hole, a new file, a
//! file that replaces another), flushes each in one way, and says so when the call has returned.
//! What it said is looked for in every crash state.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::crash::flush::{Stored, SyncMode};
use crate::crash::simulated::random::Random;
use crate::sys::map::{Access, Mapping};
use crate::sys::{file, flush};
use crate::units::ByteRange;

/// What may be there after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Property {
    /// The bytes of the range.
    Data,
    /// A length that the range is in.
    Size,
    /// Mode, owner, modification time.
    Attributes,
    /// The name, leading to the new file.
    Name,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Data, Self::Size, Self::Attributes, Self::Name];

    /// Its name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Size => "size",
            Self::Attributes => "attributes",
            Self::Name => "name",
        }
    }
}

impl SyncMode {
    /// What the call promises when it has returned: msync(2), fsync(2), sync_file_range(2),
    /// open(2), sync(2).
    ///
    /// The name counts for files that are new or have been renamed; data without its name is of no
    /// use, and is not looked for where the name is not promised and not there.
    #[must_use]
    pub const fn promises(self) -> &'static [Property] {
        match self {
            Self::None | Self::MsyncAsync | Self::SyncFileRange => &[],
            Self::Msync | Self::Fdatasync | Self::ODsync => &[Property::Data, Property::Size],
            Self::Fsync => &[Property::Data, Property::Size, Property::Attributes],
            Self::FsyncDirectory | Self::Syncfs => &Property::ALL,
        }
    }
}

/// Stores `bytes` at `offset` of a file and flushes them. The map is returned, because what
/// munmap(2) does is no part of the experiment; and how long the call took that flushes.
fn store(
    mode: SyncMode,
    file: &File,
    offset: u64,
    bytes: &[u8],
) -> io::Result<(Mapping, Duration)> {
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let at = usize::try_from(offset).map_err(io::Error::other)?;
    let map = Mapping::file(file, 0, len, Access::ReadWrite)?;
    let begun;
    if mode == SyncMode::ODsync {
        begun = Instant::now();
        flush::write_through(file, offset, bytes)?;
    } else {
        map.write_at(at, bytes).map_err(|_| io::Error::other("a page of the map is not there"))?;
        begun = Instant::now();
        mode.flush(&Stored { file, map: &map, at, len: bytes.len() })?;
    }
    Ok((map, begun.elapsed()))
}

/// What the program has been told that it has: the bytes of a range of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The file, relative to the root.
    pub(crate) path: PathBuf,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether the name leads to it only since.
    pub(crate) is_named: bool,
    /// How long the calls took that flushed it; `None` where there was none.
    pub(crate) flush: Option<Duration>,
}

/// The file that has old bytes everywhere when its stores begin.
pub const OVERWRITTEN: &str = "overwritten";

const LEN: u64 = 64 << 10;

/// Makes the files that are stored into.
pub(crate) fn prepare(root: &Path) -> io::Result<()> {
    let mut random = Random::new(3);
    for name in [OVERWRITTEN, "grown", "named"] {
        let bytes = random.bytes(usize::try_from(LEN).map_err(io::Error::other)?);
        fs::write(root.join(name), bytes)?;
    }
    let hole = File::create(root.join("hole"))?;
    hole.set_len(LEN)?;
    hole.write_all_at(&random.bytes(4096), 0)?;
    File::open(root)?.sync_all()
}

/// Runs the program in a directory: after each flush it writes a line with the claim to `told`,
/// and goes on when it gets a byte from `noted`.
///
/// # Errors
///
/// Those of its calls.
pub fn run(
    mode: SyncMode,
    root: &Path,
    mut told: impl Write,
    mut noted: impl Read,
) -> io::Result<()> {
    let mut random = Random::new(4);
    let mut maps = Vec::new();
    let mut tell = |name: &str, range: ByteRange, is_named, took| -> io::Result<()> {
        let (start, end) = (range.start(), range.end());
        let flush = (mode != SyncMode::None).then_some(took);
        let claim = Claim { path: name.into(), start, end, is_named, flush };
        serde_json::to_writer(&mut told, &claim)?;
        told.write_all(b"\n")?;
        told.flush()?;
        noted.read_exact(&mut [0])
    };
    let open = |name: &str| File::options().read(true).write(true).open(root.join(name));
    let directory = File::open(root)?;
    for (name, offset, len) in [
        (OVERWRITTEN, 4096, 12_288),
        ("hole", 20_480, 8192),
        ("grown", LEN, 16_384),
        (OVERWRITTEN, 40_960, 4096),
    ] {
        let file = open(name)?;
        file::set_len(&file, file.metadata()?.len().max(offset + len))?;
        let bytes = random.bytes(usize::try_from(len).map_err(io::Error::other)?);
        let (map, took) = store(mode, &file, offset, &bytes)?;
        maps.push(map);
        tell(name, ByteRange::between(offset, offset + len), false, took)?;
    }
    for (name, temporary) in [("new", None), ("named", Some("temporary"))] {
        let path = root.join(temporary.unwrap_or(name));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        file.set_len(20_000)?;
        let (map, mut took) = store(mode, &file, 0, &random.bytes(20_000))?;
        maps.push(map);
        if temporary.is_some() {
            fs::rename(&path, root.join(name))?;
        }
        let begun = Instant::now();
        mode.flush_name(&directory)?;
        took += begun.elapsed();
        tell(name, ByteRange::first(20_000), true, took)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::contract::{Answer, Call, samples};
    use crate::sys::family::Family;

    #[test]
    fn what_a_way_to_flush_promises_is_said_alike_wherever_it_is_said() {
        let plain = samples::on_disk("ext4", &["rw"]).contract();
        let kept = |call| {
            let one = plain.guarantees.iter().find(|it| it.call == call).unwrap();
            let answers = [one.data, one.size, one.attributes, one.name];
            answers.map(|it| matches!(it, Answer::Yes | Answer::Range))
        };
        for mode in SyncMode::ALL {
            let expected = match mode {
                SyncMode::FsyncDirectory => {
                    let [file, directory] =
                        [Call::Flush(SyncMode::Fsync), Call::DirectoryFsync].map(kept);
                    [0, 1, 2, 3].map(|property| file[property] || directory[property])
                }
                mode => kept(Call::Flush(mode)),
            };
            let said = Property::ALL.map(|property| mode.promises().contains(&property));
            assert_eq!(said, expected, "{mode}");
            assert_eq!(mode.promises_data(Family::Linux), expected[0], "{mode}");
        }
    }
}
