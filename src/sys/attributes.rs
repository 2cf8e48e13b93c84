//! Attributes of open objects, and the calls that each system has for them.

use std::fs::File;
use std::io;

use super::file::{Facts, Timestamp};

pub(crate) use super::system::attributes::*;

/// What one `fstat` tells of an object's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Permission bits, setuid, setgid and sticky included: `st_mode & 07777`.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) accessed: Timestamp,
    pub(crate) modified: Timestamp,
    /// As with [`Facts`].
    pub(crate) born: Option<Timestamp>,
}

impl Attributes {
    /// The attributes of an open object.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }
}

impl From<&Facts> for Attributes {
    fn from(facts: &Facts) -> Self {
        let Facts { mode, uid, gid, accessed, modified, born, .. } = *facts;
        Self { mode, uid, gid, accessed, modified, born }
    }
}
