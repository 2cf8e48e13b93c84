//! How things are said.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::options::{Quoted, SegmentName};
use crate::shm::{Status, Use};
use crate::sys::users;

/// A segment's spelling, as it can be typed; quoted where it has characters that a terminal would
/// not show.
pub(super) fn object(name: &SegmentName) -> String {
    let spelling = name.spelling();
    let quoted = Quoted(spelling.as_ref()).to_string();
    match spelling.to_str() {
        Some(plain) if quoted == format!("'{plain}'") && !plain.contains(' ') => plain.to_owned(),
        _ => quoted,
    }
}

/// The name of a user, or the number of one without a name.
pub(super) fn owner(uid: u32) -> String {
    users::user_name(uid).unwrap_or_else(|| uid.to_string())
}

/// The same of a group.
pub(super) fn group(gid: u32) -> String {
    users::group_name(gid).unwrap_or_else(|| gid.to_string())
}

/// Permission bits as lsipc(1) prints them, if there are any.
pub(super) fn perms(status: &Status) -> Option<String> {
    status.mode.map(|mode| format!("{mode:04o}"))
}

/// What is special about a segment.
pub(super) fn state(status: &Status) -> Option<&'static str> {
    match status {
        Status { is_removed: true, .. } => Some("dest"),
        Status { len: 0, .. } => Some("empty"),
        Status { usage: Use::Unused, .. } => Some("unused"),
        Status { is_locked: true, .. } => Some("locked"),
        _ => None,
    }
}

/// Whether processes use it.
pub(super) const fn usage(usage: Use) -> &'static str {
    match usage {
        Use::Used => "used",
        Use::Unused => "unused",
        Use::Unknown => "unknown",
    }
}

/// Where it is what time.
pub(super) struct Zone(TimeZone);

impl Zone {
    /// That of this system.
    pub(super) fn here() -> Self {
        Self(TimeZone::system())
    }

    /// A moment to the minute.
    pub(super) fn short(&self, time: SystemTime) -> String {
        self.format(time, "%Y-%m-%d %H:%M")
    }

    /// A moment to the second, with its distance from UTC.
    pub(super) fn long(&self, time: SystemTime) -> String {
        self.format(time, "%Y-%m-%d %H:%M:%S %:z")
    }

    fn format(&self, time: SystemTime, how: &str) -> String {
        match Timestamp::try_from(time) {
            Ok(time) => time.to_zoned(self.0.clone()).strftime(how).to_string(),
            // Behind the year 9999.
            Err(_) => "-".to_owned(),
        }
    }
}

/// A moment in UTC, as RFC 3339 has it.
pub(super) fn rfc3339(time: SystemTime) -> Option<String> {
    Timestamp::try_from(time).ok().map(|time| time.to_string())
}
