//! System V shared memory, which this system does not have.

use std::io;

use super::Attachment;
use crate::options::{SegmentAccess, SystemVName};
use crate::sys::sysv::{Get, SegmentFacts};

/// Why there are none.
pub(crate) const ABSENCE: Option<&str> = Some("Windows has no System V shared memory");

fn absent<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Windows has no System V IPC"))
}

pub(crate) const PRIVATE: i32 = 0;

pub(crate) fn get(_: i32, _: Get) -> io::Result<i32> {
    absent()
}

pub(crate) fn key_of(name: &SystemVName) -> io::Result<Option<i32>> {
    match name {
        SystemVName::Key(key) => Ok(Some(key.get())),
        SystemVName::Id(_) | SystemVName::Private => Ok(None),
        SystemVName::Ftok { .. } => absent(),
    }
}

pub(crate) fn facts(_: i32) -> io::Result<SegmentFacts> {
    absent()
}

pub(crate) fn facts_without_right(_: i32) -> io::Result<SegmentFacts> {
    absent()
}

pub(crate) fn set(_: i32, _: u32, _: u32, _: u32) -> io::Result<()> {
    absent()
}

pub(crate) fn remove(_: i32) -> io::Result<()> {
    absent()
}

pub(crate) fn list() -> io::Result<Vec<SegmentFacts>> {
    Ok(Vec::new())
}

impl Attachment {
    /// Attaches none.
    pub(crate) fn new(_: i32, _: SegmentAccess) -> io::Result<Self> {
        absent()
    }
}
