//! What was typed.

use clap::Subcommand;

use super::SPEAKER;
use super::create::CreateArgs;
use super::list::ListArgs;
use super::prune::PruneArgs;
use super::remove::RemoveArgs;
use super::show::ShowArgs;
use crate::options::SegmentName;
use crate::program::commands::Program;

const ABOUT: &str = "\
Lists, shows, makes and removes shared memory";

const ABOUT_LONG: &str = "\
Lists, shows, makes and removes shared memory: POSIX objects and System V segments, and, on \
Windows, sections. mycp copies them: mycp shm:/NAME FILE.

An OBJECT is spelled shm:/NAME, sysv:key=KEY, sysv:id=ID or sysv:ftok=PATH,N; keys are decimal or \
begin with 0x. A section is win:Local\\NAME, of this session, or win:Global\\NAME, of all. It goes \
with the last process that has it open: it is made, held and shown, but neither listed nor \
removed.";

const AFTER: &str = "\
Exit status: 0 done; 1 something failed, or the command line is wrong.";

/// The program.
pub(super) fn program() -> Program {
    let about_long = ABOUT_LONG.to_owned();
    Program { speaker: SPEAKER, about: ABOUT, about_long, after: AFTER }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all segments
    ///
    /// With the columns of lsipc(1) and ipcs(1). NATTCH counts how often a System V segment is
    /// attached; of POSIX objects the system does not tell. STATUS is dest for one that has been
    /// removed and goes with the last detach, locked for one that stays in memory, unused where no
    /// living process uses it, and empty for a POSIX object whose maker died, or is about to give
    /// it bytes. CPID and LPID are the processes that made a System V segment, and attached or
    /// detached it last.
    Ls(ListArgs),
    /// Show all that the system tells of segments
    Stat(ShowArgs),
    /// Make a segment
    ///
    /// Its memory is reserved and zero. A POSIX object gets its name when it has its bytes. It
    /// stays until it is removed, or the system ends. A section has whole pages, and stays as long
    /// as a process has it open: with --hold this one does.
    Create(CreateArgs),
    /// Remove segments
    ///
    /// Their names go at once, their memory when no process has them any more.
    Rm(RemoveArgs),
    /// List what no living process uses, and remove it with --yes
    ///
    /// A System V segment is unused when nobody has it attached, and neither the process that made
    /// it nor the last one that attached it lives. A POSIX object is unused when nobody has it open
    /// or mapped; of those that belong to others only root can tell, and else they are left.
    Prune(PruneArgs),
}

/// The segment that a word names.
pub(super) fn segment() -> impl clap::builder::TypedValueParser<Value = SegmentName> {
    use clap::builder::TypedValueParser;
    clap::builder::OsStringValueParser::new().try_map(SegmentName::new)
}
