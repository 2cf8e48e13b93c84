//! Which engines to try, in which order, and why: a pure decision.

use crate::options::{CopyOptions, EngineChoice, EngineName, Reflink, Sparse};
use crate::sys::platform::FileSystem;

/// What the choice depends on, besides the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Circumstances {
    pub(crate) len: u64,
    pub(crate) source: Side,
    pub(crate) target: Side,
    /// Whether one device holds both.
    pub(crate) same_device: bool,
    /// Whether the target is new, so that the whole of it can become a clone.
    pub(crate) target_blank: bool,
}

/// One side of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) file_system: FileSystem,
    /// Whether it is a regular file (and not a device).
    pub(crate) regular: bool,
}

/// An engine to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) engine: EngineName,
    pub(crate) why: &'static str,
}

/// Below this the two maps cost more than they save (measured on ext4 and XFS, 2 cores).
const MAPPED_BYTES_MIN: u64 = 4 << 20;

/// The engines to try: each goes on where the one before could not. Never empty.
pub(crate) fn choose(options: &CopyOptions, at: Circumstances) -> Vec<Choice> {
    if let EngineChoice::Only(engine) = options.engine {
        return vec![Choice { engine, why: "it was asked for" }];
    }
    if options.reflink == Reflink::Always {
        return vec![Choice { engine: EngineName::Reflink, why: "--reflink=always was given" }];
    }
    let mut choices = Vec::new();
    let mut push = |engine, why| choices.push(Choice { engine, why });
    let may_share = options.reflink == Reflink::Auto && options.sparse == Sparse::Auto;
    let both_regular = at.source.regular && at.target.regular;
    if may_share && both_regular && at.same_device {
        if at.target_blank && can_clone(at.target.file_system) {
            push(EngineName::Reflink, "the file system can share the blocks");
        }
        // On a server, or below a FUSE daemon, the bytes need not come here at all.
        if matches!(at.target.file_system, FileSystem::Network | FileSystem::Fuse) {
            push(EngineName::Kernel, "the bytes are copied where they are");
        }
    }
    if both_regular && options.sparse != Sparse::Always && maps_win(at) {
        push(EngineName::Mmap, "stores through maps run in parallel");
        push(EngineName::Buffered, "it works on every file");
    } else if !both_regular {
        push(EngineName::Buffered, "one side is not a regular file");
    } else if at.len < MAPPED_BYTES_MIN {
        push(EngineName::Buffered, "the file is small");
    } else if options.sparse == Sparse::Always {
        push(EngineName::Buffered, "zeros have to be looked for");
    } else {
        push(EngineName::Buffered, "it is the fastest on this file system");
    }
    choices
}

/// Whether an attempt at cloning is worth a system call.
fn can_clone(file_system: FileSystem) -> bool {
    !matches!(file_system, FileSystem::Ext | FileSystem::Memory | FileSystem::Pseudo)
}

/// Whether the mapped engine is the fastest: measured with `cargo bench`, by target.
fn maps_win(at: Circumstances) -> bool {
    at.len >= MAPPED_BYTES_MIN
        && matches!(at.target.file_system, FileSystem::Ext | FileSystem::Xfs)
        // A fault in a map of these may wait for a network or a daemon, and cannot be stopped.
        && !matches!(
            at.source.file_system,
            FileSystem::Network | FileSystem::Fuse | FileSystem::Pseudo
        )
}
