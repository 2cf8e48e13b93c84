//! Copies files, through memory maps too: fast, whole, and on the disk when asked.
//!
//! The program `mycp` takes cp's operands and options; this library is what it is made of.
//! [`copy()`] copies one file, [`Copier`] does it with [`CopyOptions`] and an [`Observer`],
//! [`tree::Trees`] copies directories with all that is in them, [`tree::Mirror`] makes one
//! equal to another, and [`mapped`] reads, writes and compares files through maps that return
//! errors instead of raising SIGBUS. [`shm`] has memory that processes share, and [`lock`] the
//! locks for it.
//!
//! ```
//! use mycp::{Copier, CopyOptions, Done, Endpoint, Flush, Verify};
//!
//! let directory = tempfile::tempdir()?;
//! let source = directory.path().join("photograph");
//! std::fs::write(&source, [7; 100_000])?;
//!
//! let options =
//!     CopyOptions { flush: Flush::Sync, verify: Verify::Medium, ..CopyOptions::default() };
//! let (source, target) = (Endpoint::from(source), Endpoint::from(directory.path().join("copy")));
//! let done = Copier::new(&options).copy(&source, &target)?;
//! let Done::Copied(report) = done else { panic!("there was nothing to skip") };
//! assert_eq!(report.verified, 100_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way of a byte
//!
//! 1. `main` hands the arguments to `cli`, which turns words into a request: pairs of
//!    [`Endpoint`]s, and [`CopyOptions`].
//! 2. [`Copier::copy`] opens the source and notes what it is (`copy::source`), looks at what has
//!    the target's name (`copy::target`), and decides without touching anything (`copy::decide`):
//!    skip, refuse, create, replace, or write in place.
//! 3. `copy::run` carries that out: `copy::stage` makes a temporary beside the target,
//!    `copy::fill` fills it, and `copy::transfer` asks `engine::choose` which engines to try, in
//!    which order.
//! 4. `engine::drive` cuts the source into blocks of 2 MiB and hands them to threads. For each
//!    block it finds the data between the holes and gives it to an engine: `mapped` maps both
//!    sides (`sys::map`) and copies from map to map (`sys::guard`); `buffered` reads and writes;
//!    `kernel` and `reflink` have the kernel do it. The block is hashed by the thread that copied
//!    it (`digest`), and a follower starts its write-out while the next are copied.
//! 5. Back in `copy::fill` the source is looked at again: did it change? The attributes are set
//!    (`metadata`), the bytes are read back if that was asked for, the times are stamped, and the
//!    file is flushed. In `copy::run` the temporary takes the target's name in one step, and the
//!    directory is flushed.
//! 6. A [`Report`] says what was done; `cli` prints it.
//!
//! # The way of a tree
//!
//! 1. `cli` hands each operand to [`tree::Trees`]. `tree::root` opens both sides and refuses to
//!    copy a directory into itself, whatever it is called.
//! 2. `tree::walk` opens a directory of the source relative to the one that it is in, without
//!    following links, and makes the target's under a temporary name (`copy::staged_directory`),
//!    locked as a temporary file is. Both stay open: what is done in them is done relative to these
//!    handles (`copy::directory`), so that a path that is swapped meanwhile leads nobody outside.
//! 3. `tree::crew` gives the threads names to copy, a handful at once. Each object goes the way of
//!    a byte above, from `copy::source` on. In a directory that has a temporary name a file gets
//!    its own at once, which spares it the lock, the rename and more than half of all system
//!    calls; in one that was there before it is staged.
//! 4. When its files are there, the directory gets its name, and its subdirectories are begun, the
//!    ones of the deepest directory first. When they have ended, it gets its attributes, its times
//!    last (`tree::finish`), and is closed.
//! 5. With [`Flush::Sync`] what is whole waits (`tree::batch`) until one `syncfs` has brought it
//!    all to the disk; then it is named, and a last `syncfs` brings the names.
//! 6. A thread without work is lent to whoever copies a large file (`engine::drive`), block by
//!    block, so that one huge file at the end does not leave the others idle.
//!
//! Why directories and not files get temporary names: a name for each file would cost a tree of
//! small files a third of its speed, and one for the whole tree would have a copy of days begin
//! anew after an interruption. A killed run leaves at most one such directory for each that was
//! being filled, or waited for a flush, with nothing but files in it; the next run removes it and
//! finishes the job.
//!
//! With [`CopyOptions::delta`] the large files in such a directory are gone on with
//! (`copy::leftover_directory`). The next run locks it, gives it the attributes of a new one and
//! those files temporary names, removes the other files, and fills it as its own. So there is one
//! directory, however often runs are killed, and nothing is carried from one to another. What
//! nothing has gone on with is removed before the directory gets its name.
//!
//! A directory stays open as long as something in it is under way. Below a depth of 64 one that
//! only waits for a subdirectory is closed meanwhile (`tree::branch`), and then found again as what
//! that one is in, so that a tree can be deeper than a process can have files open.
//!
//! Hard links: the first name of a source is copied, the others are linked to it (`copy::session`).
//! The first copy's directory is found again from the root of the tree, component by component
//! without following links, and what was linked is compared with what was copied.
//!
//! # The way of a mirror
//!
//! A mirror ([`CopyOptions::mirror`]) goes the same way, with these differences.
//!
//! 1. `tree::claim` locks the target's root, from before it has its name to the end of the run:
//!    one mirror at a time has a target.
//! 2. When a directory is opened (`tree::start`), the target's names are listed; those that the
//!    source has are struck off that list.
//! 3. For each name `tree::walk` asks `tree::mirrored`, which has `copy::plan` look at both sides
//!    and `change::decide` say what is to be done, and why: nothing for what is equal already. A
//!    dry run ends here. A real one carries it out, as a copy would, but patches what differs in
//!    part only (`copy::delta`).
//! 4. Whatever is copied waits in `tree::batch` until its content is on the disk, flushed or not,
//!    so that nothing looks up to date that is not. Clones need not wait where the file system
//!    keeps the order.
//! 5. A directory whose parts have all ended gets the attributes that differ (`tree::finish`). What
//!    is left on its list is noted (`tree::mirrored`), but not yet deleted.
//! 6. In the end, if nothing has failed, that is looked at anew, through handles that are compared
//!    with those of the walk (`tree::prune`). It is counted, and deleted, each directory after what
//!    is in it (`tree::teardown`).
//! 7. Changes are told as they were decided. Which of several hard links is linked to which other
//!    depends on the threads; so that a dry run tells the same, such names are told in the end
//!    (`tree::changes`).
//!
//! With `--watch` one mirror follows the other (`cli::watching`): of the whole tree, or limited to
//! what has changed (`tree::parts`).
//!
//! # Shared memory
//!
//! A segment is an endpoint like a file. As a source, a POSIX object is a file to all that follows;
//! a System V segment is attached once, and its ranges are parts of that (`copy::segment`,
//! `sys::map`), so that the engines see no difference. As a target, a segment is written in place,
//! as a device is: its length is never changed. A new POSIX object is filled without a name
//! (`O_TMPFILE`) and linked to it in the end; a System V segment has its key at once, and is
//! removed if it could not be filled. `copy::guarding` holds the locks of `--lock` around all that.
//!
//! The locks in a segment are robust mutexes of pthreads (`sys::robust`): the kernel tells of the
//! death of an owner. [`lock::RwLock`] is made of 65 of them, and [`lock::Condvar`] of a number
//! that grows, so that there is nothing in it that could have an owner. That nothing but locks
//! touches the memory of a lock is what [`lock::Place::new`], the one `unsafe` function, is
//! promised.
//!
//! # The way of a crash
//!
//! The program `mycp-crash` (`laboratory`, over [`crash`]) finds out what a crash takes. On real
//! disks it asks (`crash::place`, `crash::contract`), measures (`crash::probe`) and has a second
//! machine be the witness of power cuts (`crash::witness`). All of these speak of the calls of
//! Linux, and on Windows and macOS of those that come nearest there ([`crash::SyncMode`]); each has
//! promises of its own (`crash::contract`). On simulated disks, which take Linux
//! (`crash::simulated`):
//!
//! 1. [`crash::simulated::Room`] is a mount namespace of its own, in which a FUSE server
//!    (`simulated::disk`) has files in memory, each behind a loop device. A process beside it ends
//!    the server by force when this one dies, so that nothing is left, however it ends.
//! 2. A file system is made on one of them, a command runs in it (`simulated::program`), and every
//!    write and flush of the disk is noted (`simulated::record`), in between the marks of what the
//!    command was told it has.
//! 3. `simulated::states` chooses crash points, and at each which of the pending writes arrived.
//!    An `Image` shares all pages but those that differ, so that a state costs no copy.
//! 4. Each state is mounted, and looked at down to each sector (`simulated::observe`). `oracle`
//!    compares it with what there was before the command and after it, `claims` with what was
//!    acknowledged. A state that shows something wrong is reduced to the losses that it takes
//!    (`minimal`), and these are told by what was in them (`losses`).
//! 5. What a copier with a step left out (`simulated::cripple`) or a disk that ignores flushes
//!    must lose is looked for in every run; if it is not found, nothing can be said.
//!
//! The kernel's FUSE and loop drivers send a flush only when the writes before it have completed: a
//! race of a write with a flush that overlaps it is not explored.
//!
//! Who stores through maps on a served disk is a process of its own: one that serves a disk and
//! maps its files would wait for itself.
//!
//! # Floors
//!
//! A module imports only from floors below its own; a test holds this table.
//!
//! | floor | modules | what they do |
//! | --- | --- | --- |
//! | 8 | `main`, `bin` | arguments in, exit status out |
//! | 7 | `cli`, `laboratory`, `segments` | words to requests, results to words |
//! | 6 | `tree` | many objects: directories, threads, batches |
//! | 6 | `crash` | what survives a crash |
//! | 5 | `copy` | one object to another: look, decide, stage, move, verify, publish |
//! | 4 | `engine` | one range one way; cutting, threads, choice |
//! | 3 | `object`, `mapped` | things with bytes, for the engines and for library users |
//! | 3 | `metadata`, `digest` | attributes; hashes |
//! | 3 | `shm`, `lock` | segments; locks, and free space |
//! | 3 | `change` | what a mirror does to a name, and why |
//! | 2 | `sys` | all `unsafe`, all `cfg(target_os)`; safe functions, `io::Result` |
//! | 1 | `error`, `report` | what failed; what was done; the observer |
//! | 1 | `program` | what both programs have: words of options, the manual page, names in JSON |
//! | 0 | `units`, `options`, `sync` | plain values; locks within the process |
//!
//! `digest` stands below `engine`, because blocks are
//! hashed while they are copied; reading back is a pass of `engine`.
//!
//! # What carries the weight
//!
//! - **An engine's outcome has no count when it is done** (`engine::Outcome`): all of it, or how
//!   far it came and why. The next engine goes on from there, so that a short copy cannot pass for
//!   a whole one.
//! - **No reference to mapped memory exists.** Maps are copied in and out by one routine in
//!   assembly whose instructions are known to the SIGBUS handler: a fault in it makes it return how
//!   far it came and where it stopped. No thread registers anything, and a fault anywhere else goes
//!   to the handler that was there before ([`FaultGuard`]).
//! - **A name never shows half a file.** The temporary `.NAME.mycp-XXXXXX` is locked while its run
//!   lives; the next run finds an unlocked one dead and removes it, or goes on with it. The numbers
//!   are tried in order, so that no directory is read for that.
//! - **The source is compared with itself.** Size, modification and change time at the end must be
//!   those of the beginning, and a write that was under way then is waited for, since it had
//!   set the times already. Where the times say too little, the contents are compared: to tell one
//!   that only grew from one that was rewritten, after a change of mode, and where the clock of the
//!   times is coarse, or, as on Windows, whoever has a file open for writing sets them late.
//! - **Nothing that can fail is left to a destructor**, but for the removal of a temporary whose
//!   copy has failed already; the next run repeats it.
//!
//! # Flushing
//!
//! [`Flush::Sync`] of one file, in order: blocks are stored, each one's write-out starts when it is
//! full (`sync_file_range`), at most 64 MiB behind; attributes; read-back, if asked for; times;
//! `fsync`; rename; `fsync` of the directory. The target is opened once and flushed through the
//! descriptor that was written to, since Linux reports a failed write-out once for each open file
//! description. An error on this way fails the copy; no flush is tried again.
//!
//! # Platforms
//!
//! `sys` picks one `system`, `sys/unix` or `sys/windows`, which have the same modules with the same
//! functions; what is the same everywhere stands beside the two, and shows the system's functions
//! under its own name (`sys::file::facts`). What only Linux has is in `sys::linux`, for what is
//! there on Linux only. Nothing else above `sys` names a system, but the laboratory, which tells
//! families of systems apart as data (`sys::family`): errors are told apart by the names that POSIX
//! has for them (`sys::Errno`), handles are `sys::handle`'s. What a system does not have is the
//! error "unsupported" there, and never something less.
//!
//! Linux on x86-64 and 64-bit ARM has everything. Windows differs where it must:
//!
//! - Every name is opened relative to the handle of its directory, which only the native calls can
//!   (`NtCreateFile`), and none leads to a stream or another directory.
//! - Nothing takes the name of a file that is open, but on new systems and some file systems, so
//!   that what is replaced is closed before (`copy::run`). No directory is renamed in which
//!   something is open: a new one is made under its own name (`tree::start`).
//! - Directories cannot be locked; a mirror's target is, and one in which a backup is made, by a
//!   name (`lock::try_lock_name`).
//! - A view does not reach past the end of its file (`sys::map::REACHES_PAST_END`).
//! - What is stored through a view is flushed before that is unmapped, since nobody is told
//!   later of what cannot be written (`sys::map::MUST_FLUSH_STORES`).
//! - FAT brings a name to the disk with its file, which is flushed under it once more
//!   (`sys::file::NAME_GOES_WITH_FILE`).
//!
//! macOS is a part of `sys/unix`, which picks a file of `sys/unix/linux` or `sys/unix/macos` for
//! what the two do in their own ways. It compiles, and has never run. It differs where it must:
//!
//! - There is no `O_PATH`, and no `/proc/self/fd`: what has to be known of an object, but not read,
//!   is opened for reading (`sys/unix/macos/bare.rs`).
//! - `fsync` goes no further than the device, so that everything is flushed by `F_FULLFSYNC`.
//! - A clone is always a new name, so that a target that is open gets none.

mod change;
#[doc(hidden)]
pub mod cli;
mod copy;
pub mod crash;
mod digest;
mod engine;
mod error;
#[doc(hidden)]
pub mod laboratory;
pub mod lock;
pub mod mapped;
mod metadata;
mod object;
mod options;
mod program;
mod report;
#[doc(hidden)]
pub mod segments;
pub mod shm;
mod sync;
mod sys;
pub mod tree;
mod units;

pub use change::{Action, Change, Reason};
pub use copy::{Copier, Session, copy};
pub use error::{Cause, Error, Holder, Kept, Operation, Result};
pub use mapped::{FaultGuard, Restored};
pub use options::{
    Backup, BackupControl, Compare, Content, CopyOptions, Dereference, Directories, DirectoryLink,
    Endpoint, EngineChoice, EngineName, Existing, Flush, Guarding, Keep, LockWait, Made,
    MirrorOptions, ObjectId, OnChange, PatternError, Preserve, Quoted, Reflink, SegmentChoices,
    Selection, Span, Sparse, Special, THREADS_MAX, Update, Verify,
};
pub use report::{
    Consent, Delta, DeltaInto, Done, EngineUse, Event, Flow, Flushes, InPlaceReason, Lost,
    ObjectKind, Observer, Report, Skip, Warning, Way,
};
pub use units::{ByteRange, Granule};
