//! What was typed: the options, their abbreviations, and the two help texts.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, ValueHint};

use super::order::{
    Preserving, Selecting, attributes_in_order, links_followed, selecting_in_order,
};
use super::words::{
    ATTRIBUTES, AttributeList, BACKUP_WANTED, BackupWanted, COMPARE, ENGINE, FLUSH, FOREVER,
    ON_CHANGE, PROGRESS, ProgressWhen, REFLINK, SPARSE, UPDATE, VERIFY, guarding, lock_wait,
    threads,
};
use crate::options::{
    Compare, Dereference, EngineChoice, Flush, Guarding, LockWait, OnChange, Reflink, Sparse,
    Update, Verify,
};
use crate::program::generate::{GENERATED, Generated};
use crate::program::words::{choice, octal_mode};

const USAGE: &str = "\
mycp [OPTION]... SOURCE TARGET
       mycp [OPTION]... SOURCE... DIRECTORY
       mycp [OPTION]... -t DIRECTORY SOURCE...";

const ABOUT: &str = "\
Copies SOURCE to TARGET, or several SOURCEs into DIRECTORY; directories with -r or -a.

A target has its old content or the complete new one at every instant, and exit status 0 means \
that every call that could fail was checked. Options of cp have cp's meaning; long ones can be \
abbreviated, and so can their values. The operand - is standard input or standard output; a file \
of that name is ./-";

const AFTER_LONG: &str = "\
Exit status: 0 done, 1 something failed or the command line is wrong; a run that a signal ended \
dies of that signal (130 in a shell for SIGINT), its temporary files removed. SIGUSR1 prints \
where it stands.";

const COPIED: &str = "What is copied";
const GOES: &str = "Where copies go";
const MIRROR: &str = "Mirrors";
const EXISTING: &str = "Existing targets";
const KEPT: &str = "What is kept";
const MOVES: &str = "How bytes move";
const SURE: &str = "Being sure";
const SEGMENTS: &str =
    "Shared memory (shm:/NAME, sysv:key=KEY, sysv:id=ID, sysv:ftok=PATH,N, win:Local\\NAME)";
const SAID: &str = "What is said";

/// The command line as it was typed.
#[derive(Debug, Parser)]
#[command(
    name = "mycp",
    version,
    about = "Copies SOURCE to TARGET, or several SOURCEs into DIRECTORY",
    long_about = ABOUT,
    after_long_help = AFTER_LONG,
    override_usage = USAGE,
    args_override_self = true,
    infer_long_args = true,
    disable_help_flag = true,
    disable_version_flag = true,
    hide_possible_values = true,
    max_term_width = 100,
    help_template = "{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}{after-help}"
)]
pub(super) struct Args {
    /// Sources, and the target unless -t names it.
    #[arg(hide = true, value_hint = ValueHint::AnyPath)]
    pub(super) operands: Vec<OsString>,

    /// Copy directories with all that is in them (also -R)
    ///
    /// Symbolic links are then copied as links unless -L or -H is given; FIFOs, sockets and devices
    /// are made anew. An error is told, and does not stop the rest. A directory that is there
    /// already takes in what is copied.
    #[arg(short, short_alias = 'R', long, help_heading = COPIED)]
    pub(super) recursive: bool,

    /// Copy everything as it is: -d -r --preserve=all
    ///
    /// Of this option, -d, -H, -L and -P, the last one says which symbolic links are followed;
    /// --no-preserve behind it takes attributes away again.
    #[arg(short, long, help_heading = COPIED)]
    pub(super) archive: bool,

    /// Follow symbolic links that are operands
    #[arg(short = 'H', help_heading = COPIED)]
    pub(super) follow_operands: bool,

    /// Follow all symbolic links of the sources
    ///
    /// The default without -r, and with -l.
    #[arg(short = 'L', long, help_heading = COPIED)]
    pub(super) dereference: bool,

    /// Copy symbolic links as links
    ///
    /// The default with -r, unless -l is given.
    #[arg(short = 'P', long, help_heading = COPIED)]
    pub(super) no_dereference: bool,

    /// Copy links as links: -P --preserve=links
    #[arg(short = 'd', help_heading = COPIED)]
    pub(super) keep_links: bool,

    /// Make hard links to files, no copies
    ///
    /// Directories are made anew, with -r.
    #[arg(short, long, help_heading = COPIED)]
    pub(super) link: bool,

    /// Make symbolic links to files, no copies
    ///
    /// Sources have to be absolute names, unless the links come into the working directory.
    #[arg(short, long, help_heading = COPIED)]
    pub(super) symbolic_link: bool,

    /// Stay on the file system of each source
    ///
    /// Of another one that is mounted in a source, only the directory is made.
    #[arg(short = 'x', long, help_heading = COPIED)]
    pub(super) one_file_system: bool,

    /// Leave out names that match PATTERN
    ///
    /// PATTERN is as in a .gitignore file: *.o is such a name anywhere, /tmp/ a directory of that
    /// name in the SOURCE itself, a/**/b at any depth below a. What is in a directory that is left
    /// out is left out, too. Of the patterns that match a name, the last one counts.
    #[arg(long, value_name = "PATTERN", action = clap::ArgAction::Append, help_heading = COPIED)]
    pub(super) exclude: Vec<OsString>,

    /// Copy names that match PATTERN, though excluded before
    #[arg(long, value_name = "PATTERN", action = clap::ArgAction::Append, help_heading = COPIED)]
    pub(super) include: Vec<OsString>,

    /// Read patterns from FILE, as lines of a .gitignore
    ///
    /// There a line that begins with ! includes, and one that begins with # is a comment.
    #[arg(long, value_name = "FILE", action = clap::ArgAction::Append, help_heading = COPIED)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) exclude_from: Vec<OsString>,

    /// Make TARGET equal to SOURCE, a directory: -aT --delta
    ///
    /// What is equal already is left alone: what has the length, the modification time and all
    /// attributes of the source (see --compare). What SOURCE does not have is deleted from TARGET,
    /// last, and only when nothing has failed. TARGET is made if it is not there.
    #[arg(long, help_heading = MIRROR)]
    pub(super) mirror: bool,

    /// How --mirror compares content: quick, content
    ///
    /// quick: length and modification time, the default. content: every byte.
    #[arg(long, value_name = "HOW", value_parser = choice(COMPARE), requires = "mirror")]
    #[arg(help_heading = MIRROR)]
    pub(super) compare: Option<Compare>,

    /// Print what --mirror would change, and change nothing
    ///
    /// The lines are those that --changes prints.
    #[arg(long, requires = "mirror", help_heading = MIRROR)]
    pub(super) dry_run: bool,

    /// Print a line for each change of --mirror
    ///
    /// A line has three words: what is done (create, update, replace, attributes, link, delete),
    /// in what the target differed (new, kind, size, time, content, text, device, mode, owner,
    /// xattr, links, extra, excluded; several are separated by commas), and the name in quotes.
    #[arg(long, requires = "mirror", help_heading = MIRROR)]
    pub(super) changes: bool,

    /// Delete nothing if --mirror would delete more than N names
    ///
    /// All that is in a directory counts, and files that directories take the place of. More than
    /// N is an error, status 1.
    #[arg(long, value_name = "N", requires = "mirror", help_heading = MIRROR)]
    pub(super) max_delete: Option<u64>,

    /// Delete what --exclude leaves out, too
    #[arg(long, requires = "mirror", help_heading = MIRROR)]
    pub(super) delete_excluded: bool,

    /// Have --mirror empty TARGET when SOURCE is empty
    ///
    /// Without it that is an error: a disk that is not mounted looks so.
    #[arg(long, requires = "mirror", help_heading = MIRROR)]
    pub(super) allow_empty: bool,

    /// Wait while another process has locked TARGET
    ///
    /// SECONDS at most, or without a value as long as it takes. A mirror locks TARGET to its end,
    /// against other mirrors; without this option, a TARGET that is locked is an error. With --lock
    /// it is for that lock.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = FOREVER, value_parser = lock_wait)]
    #[arg(help_heading = MIRROR)]
    pub(super) lock_wait: Option<LockWait>,

    /// Go on with --mirror, as SOURCE changes
    ///
    /// Until it is interrupted. What changes is mirrored a moment later, and the whole tree again
    /// when changes were missed, when something has failed, after a delay, and once an hour. On a
    /// terminal a line of status is shown, unless --progress=never is given. Each time counts as a
    /// run of its own: for --max-delete, and for --json, which prints a summary of each.
    #[arg(long, requires = "mirror", help_heading = MIRROR)]
    pub(super) watch: bool,

    /// With -r, copy what FIFOs and devices yield
    ///
    /// Without it, -r makes them anew; without -r, they are always read.
    #[arg(long, help_heading = COPIED)]
    pub(super) copy_contents: bool,

    /// Copy all sources into DIRECTORY
    ///
    /// Given once. The last operand is then a source, too.
    #[arg(short, long, value_name = "DIRECTORY", action = clap::ArgAction::Append)]
    #[arg(value_hint = ValueHint::DirPath, help_heading = GOES)]
    pub(super) target_directory: Vec<PathBuf>,

    /// Never copy into TARGET: it is the copy's own name
    ///
    /// There is then one source. A TARGET that is a directory takes in what is in a SOURCE that is
    /// one, too; for any other SOURCE it is an error.
    #[arg(short = 'T', long, help_heading = GOES)]
    pub(super) no_target_directory: bool,

    /// Put each source under its whole name below DIRECTORY
    ///
    /// a/b/c is copied to DIRECTORY/a/b/c. Directories on the way that are missing are made, with
    /// the attributes of the source's.
    #[arg(long, help_heading = GOES)]
    pub(super) parents: bool,

    /// Remove trailing slashes from sources
    #[arg(long, help_heading = GOES)]
    pub(super) strip_trailing_slashes: bool,

    /// Keep replaced content: none, simple, numbered, existing
    ///
    /// Without a value, $VERSION_CONTROL says which, or else existing. none or off: keep nothing.
    /// simple or never: under the name with the suffix. numbered or t: as NAME.~1~, NAME.~2~ and so
    /// on. existing or nil: numbered if there is a numbered one already, else simple.
    #[arg(short, long, value_name = "CONTROL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "", value_parser = BACKUP_WANTED)]
    #[arg(action = clap::ArgAction::Append, help_heading = EXISTING)]
    pub(super) backup: Vec<BackupWanted>,

    /// Put SUFFIX behind a simple backup's name, not ~
    ///
    /// Asks for a backup, as -b does. Without it, $SIMPLE_BACKUP_SUFFIX is the suffix. One that is
    /// empty or has a slash in it counts as ~.
    #[arg(short = 'S', long, value_name = "SUFFIX", help_heading = EXISTING)]
    pub(super) suffix: Option<OsString>,

    /// Replace a target even if it cannot be opened for writing
    #[arg(short, long, help_heading = EXISTING)]
    pub(super) force: bool,

    /// Ask before a target is replaced
    ///
    /// The question goes to standard error, the answer is a line of standard input; one that
    /// starts with y or Y is yes. A file that is skipped for a no makes the exit status 1. Of -i
    /// and -n the last one counts.
    #[arg(short, long, overrides_with = "no_clobber", help_heading = EXISTING)]
    pub(super) interactive: bool,

    /// Skip targets that exist, like --update=none
    ///
    /// Rules out -u, and an -i before it.
    #[arg(short, long, overrides_with = "interactive", help_heading = EXISTING)]
    pub(super) no_clobber: bool,

    /// Replace which targets: all, none, none-fail, older
    ///
    /// all: every one, the default. none: none, which is no failure. none-fail: none, which is a
    /// failure. older, or no value: those whose modification time is before the source's.
    #[arg(short, long, value_name = "WHICH", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "older", value_parser = choice(UPDATE))]
    #[arg(help_heading = EXISTING)]
    pub(super) update: Option<Update>,

    /// Remove the target's name first, whatever it names
    ///
    /// A symbolic link is replaced, not followed. The new file still takes the name over in one
    /// step, and only when it is complete.
    #[arg(long, help_heading = EXISTING)]
    pub(super) remove_destination: bool,

    /// Follow links to directories where directories are copied
    ///
    /// Without it, a symbolic link in the target's tree that has the name of a directory of the
    /// source is an error.
    #[arg(long, help_heading = EXISTING)]
    pub(super) keep_directory_symlink: bool,

    /// Write into an existing target, keeping its inode
    ///
    /// A run that is interrupted leaves a mixture of old and new content.
    #[arg(long, help_heading = EXISTING)]
    pub(super) in_place: bool,

    /// Store only what differs from what the target holds
    ///
    /// Source and target are compared through memory maps; pages that are equal are neither
    /// written nor dirtied. Where the file system can clone, the old file is cloned, and the clone
    /// takes its name when the rest has been stored into it. With --in-place the pages go into the
    /// target itself. Else a target that differs is copied as a whole. What is copied is on the
    /// disk before it gets the source's times.
    #[arg(long, help_heading = EXISTING)]
    pub(super) delta: bool,

    /// Keep attributes; without a list, mode,ownership,timestamps
    ///
    /// ATTRIBUTES are separated by commas: mode (permissions and ACLs), ownership, timestamps,
    /// links (hard links among the sources), context, xattr, all. What is named is kept or the
    /// copy fails; but the owner is kept only where this user may give files away, and by all, so
    /// are context, xattr and ACLs only where that can be done. Of this option and --no-preserve,
    /// the later one counts.
    #[arg(short, long, value_name = "ATTRIBUTES", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "mode,ownership,timestamps", value_parser = ATTRIBUTES)]
    #[arg(action = clap::ArgAction::Append, help_heading = KEPT)]
    pub(super) preserve: Vec<AttributeList>,

    /// Do not keep these attributes
    ///
    /// Without mode, a new file gets the default permissions, not the source's.
    #[arg(long, value_name = "ATTRIBUTES", value_parser = ATTRIBUTES)]
    #[arg(action = clap::ArgAction::Append, help_heading = KEPT)]
    pub(super) no_preserve: Vec<AttributeList>,

    /// Copy attributes, no content
    #[arg(long, help_heading = KEPT)]
    pub(super) attributes_only: bool,

    /// Holes: auto as in the source, always make them, never
    ///
    /// auto: holes of the source become holes of the target, the default. always: blocks of zeros
    /// become holes, too. never: the target gets no hole, which rules out shared blocks.
    #[arg(long, value_name = "WHEN", value_parser = choice(SPARSE), help_heading = KEPT)]
    pub(super) sparse: Option<Sparse>,

    /// Move bytes by: auto, mmap, reflink, kernel, buffered
    ///
    /// auto: whichever suits the file, the default. mmap: through maps of both sides. reflink: the
    /// file system shares the blocks. kernel: copy_file_range. buffered: read and write. A named
    /// engine is used or the copy fails; it never falls back to another.
    #[arg(long, value_name = "ENGINE", value_parser = choice(ENGINE), help_heading = MOVES)]
    pub(super) engine: Option<EngineChoice>,

    /// Share blocks with the source: auto, always, never
    ///
    /// auto: where the file system can, the default. always, or no value: or the copy fails.
    /// never: every byte is written anew.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "always", value_parser = choice(REFLINK), help_heading = MOVES)]
    pub(super) reflink: Option<Reflink>,

    /// Use at most N threads
    ///
    /// Without it, as many as there are processors, where the files are worth them; 1024 at most.
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = MOVES)]
    pub(super) threads: Option<NonZeroUsize>,

    /// Bring copies to the disk: none, async, sync
    ///
    /// none: the system writes when it likes, the default. async: write-out is started early and
    /// not waited for. sync, or no value: exit status 0 means that content, size, requested
    /// attributes and the name are on the disk.
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "sync", value_parser = choice(FLUSH), help_heading = SURE)]
    pub(super) flush: Option<Flush>,

    /// Read copies back and compare: medium, cache
    ///
    /// medium, or no value: flushed, dropped from the page cache and read back from the medium.
    /// cache: read back from wherever the system has it, most likely from memory.
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "medium", value_parser = choice(VERIFY), help_heading = SURE)]
    pub(super) verify: Option<Verify>,

    /// Write the hashes of what was copied to FILE
    ///
    /// One line for each file, for b3sum --check: the BLAKE3 hash of what was read from the
    /// source, under the target's name. FILE is written anew.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = SURE)]
    pub(super) manifest: Option<PathBuf>,

    /// If the source changes meanwhile: fail, retry, warn
    ///
    /// Without it, a source that only grew is copied to its first length, with a warning, and one
    /// that was rewritten or shrank is copied once more and then fails. fail: any change fails the
    /// copy. retry: any change has it copied once more. warn: any change is only a warning.
    #[arg(long, value_name = "RULE", value_parser = choice(ON_CHANGE), help_heading = SURE)]
    pub(super) on_change: Option<OnChange>,

    /// Hold a lock while a segment is copied
    ///
    /// So that a snapshot of a live segment is of one moment. record, or no value: a record lock on
    /// all bytes of POSIX objects (fcntl), shared on the source and exclusive on the target.
    /// sem:/NAME, sysv:key=KEY, sysv:id=ID, sysv:ftok=PATH,N or win:Local\NAME: a semaphore that
    /// exists, of which one is taken. Those who change the segment have to take the same. Waits
    /// until it can be had, or as --lock-wait says.
    #[arg(long, value_name = "LOCK", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "record", value_parser = guarding, help_heading = SEGMENTS)]
    pub(super) lock: Option<Guarding>,

    /// Permission bits of a new segment, octal [default: 600]
    ///
    /// Whatever the umask is.
    #[arg(long, value_name = "MODE", value_parser = octal_mode, help_heading = SEGMENTS)]
    pub(super) shm_mode: Option<u32>,

    /// Print each copy as 'source' -> 'target'
    #[arg(short, long, help_heading = SAID)]
    pub(super) verbose: bool,

    /// Print how each file was copied, and why (also --debug)
    #[arg(long, alias = "debug", help_heading = SAID)]
    pub(super) explain: bool,

    /// Print one JSON object a line for each file
    ///
    /// Its "event" is copied, skipped or failed, of a mirror also deleted and, with --changes or
    /// --dry-run, change. With -r there is also warning, for what a
    /// directory lacks when all that is in it has been copied, and on the last line summary.
    /// Lengths are in bytes; a name that is not UTF-8 has its bytes in hexadecimal in a second
    /// field, as "source_bytes".
    #[arg(long, conflicts_with_all = ["verbose", "explain"], help_heading = SAID)]
    pub(super) json: bool,

    /// Show a progress bar: auto on a terminal, always, never
    ///
    /// It counts what has been copied, and with --flush=sync and without -r what has reached the
    /// disk. With -r it counts files, too. always prints a line a second where standard error is no
    /// terminal. Without the option, never.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "auto", value_parser = choice(PROGRESS), help_heading = SAID)]
    pub(super) progress: Option<ProgressWhen>,

    /// Print the manual page, or completions for a shell
    ///
    /// man, bash, zsh or fish, on standard output. Needs no operands.
    #[arg(long, value_name = "WHAT", value_parser = choice(GENERATED), help_heading = SAID)]
    #[arg(exclusive = true, hide_short_help = true)]
    pub(super) generate: Option<Generated>,

    /// Print this help: -h a line for each option, --help all
    #[arg(short, long, action = clap::ArgAction::Help, help_heading = SAID)]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version, help_heading = SAID)]
    version: Option<bool>,

    /// The lists of --preserve and --no-preserve in the order in which they were typed, with those
    /// that -a and -d stand for.
    #[arg(skip)]
    pub(super) attributes: Vec<(Preserving, AttributeList)>,

    /// What --exclude, --include and --exclude-from name, in the order in which they were typed.
    #[arg(skip)]
    pub(super) selecting: Vec<(Selecting, OsString)>,

    /// What the last of -a, -d, -H, -L and -P says.
    #[arg(skip)]
    pub(super) links_followed: Option<Dereference>,
}

impl Args {
    /// Reads the command line, the program's name first.
    pub(super) fn read(line: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(line)?;
        let mut args = Self::from_arg_matches(&matches)?;
        args.attributes = attributes_in_order(&matches);
        args.links_followed = links_followed(&matches);
        args.selecting = selecting_in_order(&matches);
        args.no_target_directory |= args.mirror;
        args.progress = args.progress.or(args.watch.then_some(ProgressWhen::Auto));
        Ok(args)
    }
}
