//! What is copied: a file, or a tree.

use std::fmt;

use crate::args::Size;
use crate::shape::{Count, Kind, Shape};

/// What each run of a group copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    File(Size),
    Tree(Shape, Count),
}

impl Payload {
    /// The tree of this kind, so many times smaller.
    pub(crate) fn tree(kind: Kind, shrink: u64) -> Self {
        let shape = Shape { kind, shrink };
        Self::Tree(shape, shape.count())
    }

    /// The bytes of all files.
    pub(crate) const fn size(&self) -> Size {
        match self {
            Self::File(size) => *size,
            Self::Tree(_, count) => Size(count.bytes),
        }
    }

    /// The number of files.
    pub(crate) const fn files(&self) -> u64 {
        match self {
            Self::File(_) => 1,
            Self::Tree(_, count) => count.files,
        }
    }

    /// The inodes that one copy takes, hard links split.
    pub(crate) const fn inodes(&self) -> u64 {
        match self {
            Self::File(_) => 1,
            Self::Tree(_, count) => count.files + count.directories + count.links + 1,
        }
    }

    /// What one copy takes of a file system.
    pub(crate) const fn room(&self) -> u64 {
        match self {
            Self::File(size) => size.0,
            Self::Tree(_, count) => count.room,
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(size) => size.fmt(f),
            Self::Tree(_, count) if count.bytes == 0 => write!(f, "{} empty files", count.files),
            Self::Tree(_, count) => {
                write!(f, "{} files, {:.0} MiB", count.files, Size(count.bytes).mebibytes())
            }
        }
    }
}
