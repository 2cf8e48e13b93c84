//! Which engines to try, in which order, and why: a pure decision.

use crate::options::{CopyOptions, EngineChoice, EngineName, Flush, Reflink, Sparse};
use crate::sys::file_system::FileSystem;

/// What the choice depends on, besides the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Circumstances {
    pub(crate) len: u64,
    pub(crate) source: Side,
    pub(crate) target: Side,
    /// Whether one device holds both.
    pub(crate) same_device: bool,
    /// Threads that may be used.
    pub(crate) threads: usize,
    /// Whether the target is new, so that the whole of it can become a clone.
    pub(crate) target_blank: bool,
    /// Whether stores through maps are flushed at once, asked for or not.
    pub(crate) stores_are_flushed: bool,
}

/// One side of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) file_system: FileSystem,
    /// Whether it is a regular file (and not a device).
    pub(crate) regular: bool,
    /// Whether it is memory, without a file to be read and written.
    pub(crate) memory: bool,
}

/// An engine to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) engine: EngineName,
    pub(crate) why: &'static str,
}

/// Below this a file is read and written: two maps and a second thread cost more than they save.
pub(crate) const LARGE_BYTES_MIN: u64 = 4 << 20;

/// From this many threads on, maps of the target are taken.
///
/// With two threads on ext4 and XFS reading and writing takes 0.56 of cp's time, and maps 0.66 to
/// 0.7 (`cargo bench`): stores through a map cost more processor time, since the kernel clears each
/// page before it is overwritten. But a buffered write holds the file's lock, and of two threads
/// one waits while the other stores; more threads add nothing. Stores through maps need no lock.
/// Their 0.42 s of processor time for 1 GiB, over four threads, is less than the 0.19 s that
/// buffered threads level out at. That division is reasoning; it was measured with two cores only.
const MAPPED_THREADS_MIN: usize = 4;

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
        // One call for two, and the bytes do not pass through this process: a fifth less time on
        // tmpfs, where nothing is shared either. For large files two threads are quicker.
        if at.target.file_system == FileSystem::Memory && at.len < LARGE_BYTES_MIN {
            push(EngineName::Kernel, "the file is small, and in memory like its copy");
        }
        // On a server, or below a FUSE daemon, the bytes need not come here at all.
        if matches!(at.target.file_system, FileSystem::Network | FileSystem::Fuse) {
            push(EngineName::Kernel, "the bytes are copied where they are");
        }
    }
    if at.source.memory || at.target.memory {
        push(EngineName::Mmap, "a segment is mapped already");
        push(EngineName::Buffered, "what cannot be mapped is read and written");
    } else if !both_regular {
        push(EngineName::Buffered, "one side is not a regular file");
    } else if at.len < LARGE_BYTES_MIN {
        push(EngineName::Buffered, "the file is small");
    } else if options.sparse == Sparse::Always {
        push(EngineName::Buffered, "zeros have to be looked for");
    } else if maps_win(at) && at.stores_are_flushed && options.flush == Flush::None {
        push(EngineName::Buffered, "stores through maps would have to be flushed at once");
    } else if maps_win(at) {
        push(EngineName::Mmap, "stores through maps need no lock, and there are threads for them");
        push(EngineName::Buffered, "it works on every file");
    } else {
        push(EngineName::Buffered, "it is the fastest here with these threads");
    }
    choices
}

/// Whether an attempt at cloning is worth a system call.
fn can_clone(file_system: FileSystem) -> bool {
    !matches!(file_system, FileSystem::Ext | FileSystem::Memory | FileSystem::Pseudo)
}

/// Whether the mapped engine is the fastest.
fn maps_win(at: Circumstances) -> bool {
    at.threads >= MAPPED_THREADS_MIN
        && matches!(at.target.file_system, FileSystem::Ext | FileSystem::Xfs)
        // A fault in a map of the first two may wait for a network or a daemon, and cannot be
        // stopped; a map of a file in memory fills its holes when they are read.
        && !matches!(
            at.source.file_system,
            FileSystem::Network | FileSystem::Fuse | FileSystem::Pseudo | FileSystem::Memory
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file_system: FileSystem, len: u64, threads: usize) -> Circumstances {
        let side = Side { file_system, regular: true, memory: false };
        Circumstances {
            len,
            source: side,
            target: side,
            same_device: true,
            threads,
            target_blank: true,
            stores_are_flushed: false,
        }
    }

    fn chosen(options: &CopyOptions, at: Circumstances) -> Vec<EngineName> {
        choose(options, at).into_iter().map(|choice| choice.engine).collect()
    }

    #[test]
    fn a_named_engine_stands_alone() {
        for engine in
            [EngineName::Mmap, EngineName::Reflink, EngineName::Kernel, EngineName::Buffered]
        {
            let options =
                CopyOptions { engine: EngineChoice::Only(engine), ..CopyOptions::default() };
            assert_eq!(chosen(&options, at(FileSystem::Other, 1, 1)), [engine]);
        }
    }

    #[test]
    fn blocks_are_shared_where_that_can_be_and_may_be() {
        let auto = CopyOptions::default();
        let never = CopyOptions { reflink: Reflink::Never, ..CopyOptions::default() };
        let always = CopyOptions { reflink: Reflink::Always, ..CopyOptions::default() };
        let xfs = at(FileSystem::Xfs, 1 << 30, 2);
        assert_eq!(chosen(&auto, xfs), [EngineName::Reflink, EngineName::Buffered]);
        assert_eq!(chosen(&never, xfs), [EngineName::Buffered]);
        assert_eq!(chosen(&always, xfs), [EngineName::Reflink]);
        let elsewhere = Circumstances { same_device: false, ..xfs };
        assert_eq!(chosen(&auto, elsewhere), [EngineName::Buffered]);
        let existing = Circumstances { target_blank: false, ..xfs };
        assert_eq!(chosen(&auto, existing), [EngineName::Buffered]);
    }

    #[test]
    fn a_small_file_in_memory_is_copied_by_the_kernel() {
        let auto = CopyOptions::default();
        let small = at(FileSystem::Memory, 4096, 2);
        assert_eq!(chosen(&auto, small), [EngineName::Kernel, EngineName::Buffered]);
        assert_eq!(
            chosen(&auto, Circumstances { same_device: false, ..small }),
            [EngineName::Buffered]
        );
    }

    #[test]
    fn a_server_copies_its_own_files_only_where_blocks_may_be_shared() {
        let nfs = at(FileSystem::Network, 1 << 30, 8);
        let auto = CopyOptions::default();
        let expected = [EngineName::Reflink, EngineName::Kernel, EngineName::Buffered];
        assert_eq!(chosen(&auto, nfs), expected);
        let never = CopyOptions { reflink: Reflink::Never, ..CopyOptions::default() };
        assert_eq!(chosen(&never, nfs), [EngineName::Buffered]);
    }

    #[test]
    fn maps_are_taken_for_large_files_with_threads_and_always_have_a_way_out() {
        let auto = CopyOptions::default();
        let large = at(FileSystem::Ext, 1 << 30, 4);
        assert_eq!(chosen(&auto, large), [EngineName::Mmap, EngineName::Buffered]);
        for other in [
            at(FileSystem::Ext, 1 << 30, 2),
            at(FileSystem::Ext, 1 << 20, 16),
            at(FileSystem::Memory, 1 << 30, 16),
        ] {
            assert_eq!(chosen(&auto, other), [EngineName::Buffered], "{other:?}");
        }
    }

    #[test]
    fn maps_that_are_flushed_at_once_are_taken_only_where_a_flush_is_asked_for() {
        let large = at(FileSystem::Ext, 1 << 30, 4);
        let flushed = Circumstances { stores_are_flushed: true, ..large };
        for (flush, expected) in [
            (Flush::None, vec![EngineName::Buffered]),
            (Flush::Async, vec![EngineName::Mmap, EngineName::Buffered]),
            (Flush::Sync, vec![EngineName::Mmap, EngineName::Buffered]),
        ] {
            let options = CopyOptions { flush, ..CopyOptions::default() };
            assert_eq!(chosen(&options, flushed), expected, "{flush:?}");
        }
        // A segment is a map, and on no disk.
        let memory = Side { memory: true, ..flushed.target };
        let options = CopyOptions::default();
        let expected = [EngineName::Mmap, EngineName::Buffered];
        assert_eq!(chosen(&options, Circumstances { target: memory, ..flushed }), expected);
    }
}
