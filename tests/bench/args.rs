//! The words of the command line, and the plan that they make.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Copies files of several sizes with every engine of mycp, and trees, and does the same with every
/// rival found on PATH.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo bench --bench copy --", max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where to copy, one directory for each file system; without any, under cargo's target
    /// directory.
    ///
    /// Measure on a freshly made ext4: where many files were deleted within the last minutes,
    /// making one is slow, because ext4 looks past the inodes that were just freed.
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directories: Vec<PathBuf>,

    /// Sizes of the files, as 4K, 1M, 1G; of all groups that do not say theirs.
    #[arg(long = "size", value_name = "SIZE", value_delimiter = ',',
          default_values = ["4K", "1M", "64M", "1G"])]
    pub(crate) sizes: Vec<Size>,

    /// The greatest file of `memory` and `linear`.
    #[arg(long, value_name = "SIZE", default_value = "8G")]
    pub(crate) large: Size,

    /// Make the trees of `tree`, `empty`, `mixed` and `mirror` so many times smaller.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) shrink: u64,

    /// Rounds that count, at most 3 of `empty`; one before them is dropped.
    #[arg(long, value_name = "N", default_value_t = 7,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// Runs of each competitor in a round of `small`, or as many as one second takes.
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) spawns: u32,

    /// Copy the file SOURCE to TARGET by one call of memcpy(3), and nothing else.
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"], hide = true, exclusive = true)]
    pub(crate) memcpy: Option<Vec<PathBuf>>,

    /// Only these groups.
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    pub(crate) only: Vec<Suite>,

    /// Only these rivals; cp, which the figures are compared with, always runs.
    #[arg(long, value_name = "RIVAL", value_delimiter = ',')]
    pub(crate) rivals: Option<Vec<String>>,

    /// Write every single result and the facts about the machine to FILE.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// A smoke run of 1 MiB and 16 MiB in two rounds, and of small trees in one: fails when a run
    /// of mycp does, whatever the times.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Measure what the project promises about its speed, and print it as a table.
    #[arg(long)]
    pub(crate) shows: bool,

    /// Leave the files that were copied where they are.
    #[arg(long)]
    pub(crate) keep: bool,

    /// The mycp to measure, instead of the one just built.
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_mycp"))]
    pub(crate) mycp: PathBuf,

    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// What is compared in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Suite {
    /// A new target that gets bytes of its own.
    Move,
    /// A new target that may share the source's blocks, where the file system can.
    Clone,
    /// A new target that is on the disk when the copy ends.
    Sync,
    /// A new target that is read back and compared.
    Verify,
    /// A target of the same size that is already there.
    Replace,
    /// A target that is all but equal, of which what differs is stored; and one that is equal.
    Delta,
    /// One file of 4 KiB: what a process costs.
    Small,
    /// The greatest resident set with a small and with a large source.
    Memory,
    /// Seconds per GiB from 64 MiB to the large source.
    Linear,
    /// A tree of about 20,000 files and 350 MB.
    Tree,
    /// A tree of 1,000,000 empty files.
    Empty,
    /// A tree of 3 files of 1 GiB and 10,000 small ones, and its two parts one after the other.
    Mixed,
    /// The tree of `tree`, and a target that is to be made equal to it: equal, or nearly so.
    Mirror,
    /// A new segment of shared memory, from a file and from a segment; in /dev/shm.
    Segment,
}

impl Suite {
    /// What its table is headed by.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Move => "move: a new target, every byte written",
            Self::Clone => "clone: a new target, blocks may be shared",
            Self::Sync => "sync: a new target, on the disk at the end",
            Self::Verify => "verify: a new target, read back and compared",
            Self::Replace => "replace: a target of the same size is already there",
            Self::Delta => "delta: a target that is there is nearly equal, or equal",
            Self::Small => "small: one file of 4 KiB, the whole process",
            Self::Memory => "memory: the greatest resident set",
            Self::Linear => "linear: the same work at each size",
            Self::Tree => "tree: many small files in many directories",
            Self::Empty => "empty: names alone",
            Self::Mixed => "mixed: large files beside small ones, and both apart",
            Self::Mirror => "mirror: a tree that is there is made equal to another",
            Self::Segment => "segment: a new segment of shared memory",
        }
    }
}

/// A number of bytes, written as 4K or 1G.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Size(pub(crate) u64);

const UNITS: [(&str, u32); 4] = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];

impl Size {
    /// As a number of GiB.
    #[expect(clippy::cast_precision_loss, reason = "for rates, of which three digits are shown")]
    pub(crate) fn gibibytes(self) -> f64 {
        self.0 as f64 / f64::from(1 << 30)
    }

    /// As a number of MiB.
    pub(crate) fn mebibytes(self) -> f64 {
        self.gibibytes() * 1024.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let upper = word.to_ascii_uppercase();
        let plain = upper.strip_suffix("IB").unwrap_or(&upper);
        let (digits, shift) = UNITS
            .iter()
            .find_map(|(unit, shift)| Some((plain.strip_suffix(unit)?, *shift)))
            .unwrap_or((plain, 0));
        let number: u64 = digits.parse().map_err(|_| format!("'{word}' is no size"))?;
        number
            .checked_mul(1 << shift)
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(|| format!("'{word}' is out of range"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(_, shift)| self.0 >= 1 << shift && self.0.is_multiple_of(1 << shift));
        match whole {
            Some((unit, shift)) => write!(f, "{} {unit}iB", self.0 >> shift),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// What is to be run in each directory.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) suites: Vec<Suite>,
    pub(crate) sizes: Vec<Size>,
    pub(crate) memory_sizes: Vec<Size>,
    pub(crate) linear_sizes: Vec<Size>,
    pub(crate) rounds: u32,
    pub(crate) spawns: u32,
    /// How many times smaller trees are.
    pub(crate) shrink: u64,
    pub(crate) tree_rounds: u32,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The size of the one file of `small`.
pub(crate) const SMALL: Size = Size(4 * KIB);

/// The size that the table of promises speaks of.
pub(crate) const PROMISED: Size = Size(GIB);

impl Plan {
    /// What `arguments` ask for.
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let mut suites = arguments.only.clone();
        if suites.is_empty() {
            suites = Suite::value_variants().to_vec();
        }
        // `cargo test --benches` runs benchmarks too, without `--bench`: to see that they work.
        if arguments.quick || (!arguments.bench && arguments.directories.is_empty()) {
            let sizes = vec![Size(MIB), Size(16 * MIB)];
            return Self {
                suites,
                memory_sizes: sizes.clone(),
                linear_sizes: sizes.clone(),
                sizes,
                rounds: 2,
                spawns: 10,
                shrink: 200,
                tree_rounds: 1,
            };
        }
        let mut plan = Self {
            suites,
            sizes: arguments.sizes.clone(),
            memory_sizes: vec![Size(16 * MIB), arguments.large],
            linear_sizes: vec![Size(64 * MIB), PROMISED, arguments.large],
            rounds: arguments.rounds,
            spawns: arguments.spawns,
            shrink: arguments.shrink,
            tree_rounds: arguments.rounds,
        };
        if arguments.shows {
            plan.sizes = vec![PROMISED];
            plan.suites.retain(|suite| !matches!(suite, Suite::Clone | Suite::Replace));
        }
        plan.linear_sizes.sort_unstable();
        plan.linear_sizes.dedup();
        plan
    }
}
