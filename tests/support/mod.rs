//! What the tests share: a place to work in, the program under test, seeded chance.

// What POSIX has, and what Linux alone has.
#[cfg(target_os = "linux")]
pub(crate) mod everything;
#[cfg(target_os = "linux")]
pub(crate) mod fuse;
#[cfg(target_os = "linux")]
pub(crate) mod mounts;
#[cfg(unix)]
pub(crate) mod unix;
#[cfg(unix)]
use unix as system;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

pub(crate) mod files;
pub(crate) mod sandbox;
pub(crate) mod snapshot;

#[cfg(windows)]
pub(crate) use system::processor_time;
pub(crate) use system::{set_apart, with_default_signals};

pub(crate) use files::{FileExt, data_ranges};
pub(crate) use sandbox::{Ended, Run, Sandbox, assert_same_bytes, is_mycp, same_content};

use std::time::Duration;

/// The engines that copy any regular file, as `--engine` takes them.
#[cfg(not(windows))]
pub(crate) const ENGINES: [&str; 4] = ["auto", "mmap", "buffered", "kernel"];
/// The kernel of Windows has no call that the other one could be.
#[cfg(windows)]
pub(crate) const ENGINES: [&str; 3] = ["auto", "mmap", "buffered"];

/// A file of `len` bytes, the same for the same seed.
pub(crate) fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut chance = Chance { state: seed };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&chance.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Writes a file of which no two pages are equal, nor to those of one of another seed, and none is
/// zeros.
pub(crate) fn write_large(path: &std::path::Path, seed: u64, len: u64) {
    const MIB: u64 = 1 << 20;
    let mut block = content(seed, MIB as usize);
    let file = std::fs::File::create(path).unwrap();
    for at in (0..len).step_by(MIB as usize) {
        for page in block.chunks_mut(4096) {
            page[..8].copy_from_slice(&(at | seed).to_le_bytes());
        }
        let part = (len - at).min(MIB) as usize;
        file.write_all_at(&block[..part], at).unwrap();
    }
}

/// How much has come of a copy of such a file of `len` bytes, in whole MiB: it may have its length,
/// and its room on the disk, before.
pub(crate) fn arrived_of_large(path: &std::path::Path, len: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    let Ok(file) = std::fs::File::open(path) else { return 0 };
    let has_come = |at: &u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at * MIB + MIB - 4096).is_ok() && bytes != [0; 8]
    };
    (0..len / MIB).filter(has_come).count() as u64 * MIB
}

/// Random numbers that a failed test can repeat.
#[derive(Debug)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    /// Starts from `MYCP_TEST_SEED`, or else from the clock; a failing test prints the seed.
    pub(crate) fn new(test: &str) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self::new_or(test, now.unwrap().as_nanos() as u64)
    }

    /// Starts from `MYCP_TEST_SEED`, or else from this seed.
    pub(crate) fn new_or(test: &str, seed: u64) -> Self {
        let seed = match std::env::var("MYCP_TEST_SEED") {
            Ok(text) => text.parse().expect("MYCP_TEST_SEED is a number"),
            Err(_) => seed,
        };
        // The test harness shows this only when the test fails.
        eprintln!("{test}: MYCP_TEST_SEED={seed} repeats it");
        Self { state: seed }
    }

    /// For one of several threads, which all draw their own.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A time shorter than `limit`.
    pub(crate) fn shorter_than(&mut self, limit: Duration) -> Duration {
        Duration::from_nanos(self.below(limit.as_nanos().max(1) as u64))
    }

    /// One of `things`.
    pub(crate) fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len() as u64) as usize]
    }
}

/// `count`, times `MYCP_TEST_SCALE` where that is more than 1.
pub(crate) fn scaled(count: u64) -> u64 {
    let scale = std::env::var("MYCP_TEST_SCALE").ok().and_then(|text| text.parse().ok());
    count * scale.unwrap_or(1_u64).max(1)
}
