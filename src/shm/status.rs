//! What the system tells of segments; removing them.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::{Handle, Segment};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::{
    Endpoint, Key, ObjectId, PosixName, SectionName, SegmentAccess, SegmentName, SystemVName,
};
use crate::sys::Errno;
use crate::sys::file::{Facts, Timestamp};
use crate::sys::section::{self, Section};
use crate::sys::sysv::{self, Get, SegmentFacts};
use crate::sys::{attributes, file, posix_shm, processes};

/// A user and a group, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
}

/// Whether processes use a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Use {
    /// Some have it open, mapped or attached; or, of a System V segment, who made it or attached it
    /// last still lives and knows its identifier.
    Used,
    /// No living process does.
    Unused,
    /// The system does not tell: a POSIX object that belongs to somebody else.
    Unknown,
}

/// What the system tells of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// A name that leads to it: of a System V segment its identifier.
    pub name: SegmentName,
    /// The key of a System V segment, if it has one.
    pub key: Option<Key>,
    /// The identifier of a System V segment.
    pub id: Option<i32>,
    /// The identity of a POSIX object or a section.
    pub object_id: Option<ObjectId>,
    /// Its length in bytes, as it was made. A POSIX object of 0 is one whose maker has died before
    /// it gave it bytes, or is about to.
    pub len: u64,
    /// Bytes of memory that it occupies, of POSIX objects.
    pub allocated: Option<u64>,
    /// The nine permission bits; a section has none.
    pub mode: Option<u32>,
    /// Who owns it; a section's owner has no number.
    pub owner: Option<Owner>,
    /// Who has made it, of System V segments.
    pub creator: Option<Owner>,
    /// How often System V segments are attached.
    pub attached: Option<u64>,
    /// Whether processes use it.
    pub usage: Use,
    /// Whether it has been removed, and goes with the last detach (`SHM_DEST`).
    pub is_removed: bool,
    /// Whether it is kept from being swapped out (`SHM_LOCKED`).
    pub is_locked: bool,
    /// The process that has made a System V segment.
    pub creator_pid: Option<u32>,
    /// The process that has attached or detached it last, if one has.
    pub last_pid: Option<u32>,
    /// When it was last attached, if it ever was.
    pub attach_time: Option<SystemTime>,
    /// When it was last detached, if it ever was.
    pub detach_time: Option<SystemTime>,
    /// When it was made, or its owner or mode was changed.
    pub change_time: Option<SystemTime>,
}

/// All POSIX objects, by name, and all System V segments, in the system's order.
///
/// # Errors
///
/// What the system says when it is asked for them. One that vanishes meanwhile is left out, and so
/// is a kind that this system does not have. [`Cause::Unsupported`] where there are sections, of
/// which Win32 has no list.
pub fn list() -> Result<Vec<Status>> {
    if section::ABSENCE.is_none() {
        let why = Cause::Unsupported("Win32 has no call that lists sections");
        return Err(Error::new(Operation::Resolve, &Endpoint::from("win:"), why));
    }
    let mut found = Vec::new();
    let failed =
        |directory: &str, error| Error::new(Operation::Resolve, &Endpoint::from(directory), error);
    let names = posix_shm::list().map_err(|error| failed(posix_shm::DIRECTORY, error))?;
    for name in names {
        let endpoint = Endpoint::Segment(SegmentName::Posix(name.clone()));
        if let Some(facts) = posix_shm::facts(&name).context(Operation::Stat, &endpoint)? {
            let usage = usage_of_posix(&name);
            found.push(of_posix(SegmentName::Posix(name), &facts, usage));
        }
    }
    match sysv::list() {
        Ok(segments) => found.extend(segments.iter().map(of_system_v)),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOSYS) => {}
        Err(error) => return Err(failed("/proc/sysvipc/shm", error)),
    }
    Ok(found)
}

/// What the system tells of the segment with that name. It needs no right to read it, but for a
/// section.
///
/// # Errors
///
/// [`Operation::Stat`] with what the system says.
pub fn status(name: &SegmentName) -> Result<Status> {
    let endpoint = Endpoint::Segment(name.clone());
    reachable(Operation::Stat, &endpoint)?;
    match name {
        SegmentName::Posix(name) => {
            let facts = posix_shm::facts(name).context(Operation::Stat, &endpoint)?;
            let missing = || std::io::Error::from(Errno::NOENT);
            let facts = facts.ok_or_else(missing).context(Operation::Stat, &endpoint)?;
            Ok(of_posix(SegmentName::Posix(name.clone()), &facts, usage_of_posix(name)))
        }
        SegmentName::SystemV(name) => {
            let facts = id_of(name).and_then(sysv::facts_without_right);
            let facts = facts.context(Operation::Stat, &endpoint)?;
            Ok(of_system_v(&facts))
        }
        SegmentName::Section(name) => {
            let section = Section::open(name, SegmentAccess::Read);
            Ok(of_section(name, &section.context(Operation::Stat, &endpoint)?))
        }
        SegmentName::Anonymous(_) => Err(nameless(Operation::Stat, &endpoint)),
    }
}

/// Removes the segment: its name at once, its memory when no process has it any more.
///
/// # Errors
///
/// [`Operation::Remove`] with what the system says; [`Cause::Unsupported`] for a section, which
/// goes with the last process that has it and not before.
pub fn remove(name: &SegmentName) -> Result<()> {
    let endpoint = Endpoint::Segment(name.clone());
    reachable(Operation::Remove, &endpoint)?;
    match name {
        SegmentName::Posix(name) => posix_shm::unlink(name),
        SegmentName::SystemV(name) => id_of(name).and_then(sysv::remove),
        SegmentName::Section(_) => return Err(not_removed(&endpoint)),
        SegmentName::Anonymous(_) => return Err(nameless(Operation::Remove, &endpoint)),
    }
    .context(Operation::Remove, &endpoint)
}

/// Whether this user may remove a segment: its owner, who has made it, and root may.
#[must_use]
pub fn may_remove(status: &Status) -> bool {
    let owners = [status.owner, status.creator];
    let is_own = |owner: Owner| owner.uid == file::effective_uid();
    file::is_superuser() || owners.into_iter().flatten().any(is_own)
}

/// Removes the segment if no living process uses it, and says whether it did.
///
/// It is looked at once more for that; who opens it in the moment between that look and the removal
/// has a segment without a name.
///
/// # Errors
///
/// As [`remove`] and [`status`].
pub fn remove_unused(name: &SegmentName) -> Result<bool> {
    let is_unused = status(name)?.usage == Use::Unused;
    if is_unused {
        remove(name)?;
    }
    Ok(is_unused)
}

/// Makes sure that this system has segments of this kind.
///
/// # Errors
///
/// [`Cause::Unsupported`] where it does not.
pub(crate) fn reachable(operation: Operation, endpoint: &Endpoint) -> Result<()> {
    let absence = match endpoint {
        Endpoint::Segment(SegmentName::Posix(_)) => posix_shm::ABSENCE,
        Endpoint::Segment(SegmentName::SystemV(_)) => sysv::ABSENCE,
        Endpoint::Segment(SegmentName::Section(_)) => section::ABSENCE,
        Endpoint::Segment(SegmentName::Anonymous(_)) => posix_shm::NAMELESS_ABSENCE,
        _ => None,
    };
    let refused = |why| Err(Error::new(operation, endpoint, Cause::Unsupported(why)));
    absence.map_or(Ok(()), refused)
}

/// The error about a segment that no name leads to.
pub(super) fn nameless(operation: Operation, endpoint: &Endpoint) -> Error {
    Error::new(operation, endpoint, Cause::Unsupported("it has no name"))
}

/// The error about a section that was to go.
pub(super) fn not_removed(endpoint: &Endpoint) -> Error {
    let why = "a section goes with the last process that has it, and cannot be removed before";
    Error::new(Operation::Remove, endpoint, Cause::Unsupported(why))
}

fn id_of(name: &SystemVName) -> std::io::Result<i32> {
    if let SystemVName::Id(id) = name {
        return Ok(*id);
    }
    let key = sysv::key_of(name)?.ok_or(std::io::Error::from(Errno::NOENT))?;
    sysv::get(key, Get::Existing)
}

pub(super) fn of(segment: &Segment) -> Result<Status> {
    let endpoint = &segment.endpoint;
    match (&segment.handle, endpoint) {
        (Handle::Posix(file), Endpoint::Segment(name)) => {
            let facts = file::facts(file).context(Operation::Stat, endpoint)?;
            // This process has it open.
            Ok(of_posix(name.clone(), &facts, Use::Used))
        }
        (Handle::SystemV { id }, _) => {
            Ok(of_system_v(&sysv::facts(*id).context(Operation::Stat, endpoint)?))
        }
        (Handle::Section(section), Endpoint::Segment(SegmentName::Section(name))) => {
            Ok(of_section(name, section))
        }
        (Handle::Posix(_) | Handle::Section(_), _) => {
            Err(Error::new(Operation::Stat, endpoint, Cause::Inaccessible))
        }
    }
}

pub(super) fn set_permissions(segment: &Segment, mode: u32, owner: Option<Owner>) -> Result<()> {
    let endpoint = &segment.endpoint;
    match &segment.handle {
        Handle::Posix(file) => {
            if let Some(Owner { uid, gid }) = owner {
                let set = attributes::set_owner(file, Some(uid), Some(gid));
                set.context(Operation::SetOwner, endpoint)?;
            }
            attributes::set_mode(file, mode & 0o777).context(Operation::SetMode, endpoint)
        }
        Handle::SystemV { id } => {
            let operation = if owner.is_some() { Operation::SetOwner } else { Operation::SetMode };
            let now = sysv::facts(*id).context(operation, endpoint)?;
            let owner = owner.unwrap_or(Owner { uid: now.uid, gid: now.gid });
            sysv::set(*id, mode, owner.uid, owner.gid).context(operation, endpoint)
        }
        Handle::Section(_) => {
            let cause = Cause::Unsupported("a section has no permission bits");
            Err(Error::new(Operation::SetMode, endpoint, cause))
        }
    }
}

/// Whether anybody has the object. It has to be opened to find out.
fn usage_of_posix(name: &PosixName) -> Use {
    let asked =
        posix_shm::open(name, posix_shm::READ).and_then(|file: File| posix_shm::is_unused(&file));
    match asked {
        Ok(Some(true)) => Use::Unused,
        Ok(Some(false)) => Use::Used,
        Ok(None) | Err(_) => Use::Unknown,
    }
}

fn of_posix(name: SegmentName, facts: &Facts, usage: Use) -> Status {
    Status {
        name,
        key: None,
        id: None,
        object_id: Some(facts.id),
        len: facts.len,
        allocated: Some(facts.allocated),
        mode: Some(facts.mode & 0o777),
        owner: Some(Owner { uid: facts.uid, gid: facts.gid }),
        creator: None,
        attached: None,
        usage,
        is_removed: facts.links == 0,
        is_locked: false,
        creator_pid: None,
        last_pid: None,
        attach_time: None,
        detach_time: None,
        change_time: moment(facts.changed),
    }
}

fn of_section(name: &SectionName, section: &Section) -> Status {
    Status {
        name: SegmentName::Section(name.clone()),
        key: None,
        id: None,
        object_id: Some(section.id()),
        len: section.len(),
        allocated: None,
        mode: None,
        owner: None,
        creator: None,
        attached: None,
        // It lives because somebody has it.
        usage: Use::Used,
        is_removed: false,
        is_locked: false,
        creator_pid: None,
        last_pid: None,
        attach_time: None,
        detach_time: None,
        change_time: None,
    }
}

fn of_system_v(facts: &SegmentFacts) -> Status {
    let last_pid = Some(facts.last_pid).filter(|pid| *pid > 0);
    let pids = [Some(facts.creator_pid), last_pid];
    let lives = pids.into_iter().flatten().any(processes::lives);
    Status {
        name: SegmentName::SystemV(SystemVName::Id(facts.id)),
        key: Key::new(facts.key),
        id: Some(facts.id),
        object_id: None,
        len: facts.len,
        allocated: None,
        mode: Some(facts.mode),
        owner: Some(Owner { uid: facts.uid, gid: facts.gid }),
        creator: Some(Owner { uid: facts.creator_uid, gid: facts.creator_gid }),
        attached: Some(facts.attached),
        usage: if facts.attached > 0 || lives { Use::Used } else { Use::Unused },
        is_removed: facts.is_removed,
        is_locked: facts.is_locked,
        creator_pid: Some(facts.creator_pid),
        last_pid,
        attach_time: second(facts.attach_time),
        detach_time: second(facts.detach_time),
        change_time: second(facts.change_time),
    }
}

/// Seconds since 1970; 0 means never.
fn second(seconds: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn moment(time: Timestamp) -> Option<SystemTime> {
    second(time.seconds)?.checked_add(Duration::from_nanos(time.nanoseconds.into()))
}
