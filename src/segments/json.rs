//! A JSON object a line for each segment.

use serde::Serialize;

use super::words::{group, owner, perms, rfc3339, state, usage};
use crate::options::SegmentName;
use crate::program::json::{self, Hex, Name};
use crate::shm::Status;

/// A segment. The names of the fields are a promise to whoever reads them by machine.
#[derive(Serialize)]
struct Line {
    name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<Hex>,
    kind: &'static str,
    key: Option<String>,
    id: Option<i32>,
    owner: Option<String>,
    uid: Option<u32>,
    group: Option<String>,
    gid: Option<u32>,
    creator_uid: Option<u32>,
    creator_gid: Option<u32>,
    perms: Option<String>,
    size: u64,
    allocated: Option<u64>,
    nattch: Option<u64>,
    status: Option<&'static str>,
    usage: &'static str,
    cpid: Option<u32>,
    lpid: Option<u32>,
    attach_time: Option<String>,
    detach_time: Option<String>,
    change_time: Option<String>,
    /// Whether `prune` has removed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<bool>,
}

/// The lines of these.
///
/// # Errors
///
/// None that is known.
pub(super) fn lines(found: &[Status]) -> serde_json::Result<String> {
    found.iter().map(|status| line(status, None)).collect()
}

/// The line of one; `removed` says what became of it.
pub(super) fn line(status: &Status, removed: Option<bool>) -> serde_json::Result<String> {
    let (name, name_bytes) = json::name(status.name.spelling());
    let line = Line {
        name,
        name_bytes,
        kind: match status.name {
            SegmentName::Posix(_) => "posix",
            SegmentName::SystemV(_) => "sysv",
            SegmentName::Section(_) => "section",
            SegmentName::Anonymous(_) => "anonymous",
        },
        key: status.key.map(|key| key.to_string()),
        id: status.id,
        owner: status.owner.map(|it| owner(it.uid)),
        uid: status.owner.map(|it| it.uid),
        group: status.owner.map(|it| group(it.gid)),
        gid: status.owner.map(|it| it.gid),
        creator_uid: status.creator.map(|it| it.uid),
        creator_gid: status.creator.map(|it| it.gid),
        perms: perms(status),
        size: status.len,
        allocated: status.allocated,
        nattch: status.attached,
        status: state(status),
        usage: usage(status.usage),
        cpid: status.creator_pid,
        lpid: status.last_pid,
        attach_time: status.attach_time.and_then(rfc3339),
        detach_time: status.detach_time.and_then(rfc3339),
        change_time: status.change_time.and_then(rfc3339),
        removed,
    };
    json::line(&line)
}
