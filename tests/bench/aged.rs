//! Targets of mirrors: trees that were equal to their source once.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::args::Size;
use crate::shape::{Node, Shape};
use crate::tree::{self, Age};
use crate::workspace::{RandomBytes, cannot};

/// What tells that a file of the target is not the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Its time, and of every second one the length, too.
    Time,
    /// Nothing but its content.
    Content,
}

/// What became of a file in the source since the target was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Nothing,
    Changed,
    /// It grew from half its length.
    Grown,
    /// It was made.
    Made,
    /// One beside it was removed.
    LostNeighbour,
}

impl Since {
    /// Five in a hundred are changed; some of them have attributes and other names.
    const fn of(number: u64) -> Self {
        match (number % 1000, number % 40) {
            (5, _) => Self::Made,
            (6, _) => Self::LostNeighbour,
            (_, 10) => Self::Changed,
            (_, 30) => Self::Grown,
            _ => Self::Nothing,
        }
    }
}

/// What the target has beside the file that [`Since::LostNeighbour`] tells of.
const REMOVED: &str = "removed.rs";

/// Makes `root`, which equals the whole of `shape`, what that was before some files changed.
///
/// Files are written in place, so that the file system has no freed inodes to look past. What a
/// mirror that keeps less has dropped is put back.
pub(crate) fn age(shape: Shape, root: &Path, sign: Sign) -> Result<()> {
    let mut bytes = RandomBytes::new(2);
    shape.each(&mut |relative, node| {
        let path = root.join(relative);
        match node {
            Node::File { len, number } => age_file(&path, (len, number), sign, &mut bytes),
            Node::HardLink(original) => link_again(&root.join(original), &path),
            Node::Directory | Node::Symlink(_) => Ok(()),
        }
        .with_context(|| cannot("change", &path))
    })
}

fn age_file(
    path: &Path,
    (len, number): (u64, u64),
    sign: Sign,
    bytes: &mut RandomBytes,
) -> io::Result<()> {
    let len = match (Since::of(number), sign) {
        (Since::Nothing, _) => return Ok(()),
        (Since::Made, _) => return fs::remove_file(path),
        (Since::LostNeighbour, _) => return fs::write(path.with_file_name(REMOVED), "removed"),
        (Since::Grown, Sign::Time) => len / 2,
        (Since::Grown, Sign::Content) | (Since::Changed, _) => len,
    };
    let mut file = File::options().write(true).truncate(true).open(path)?;
    bytes.write(&mut file, Size(len))?;
    tree::give_attributes(&file, number)?;
    let age = if sign == Sign::Time { Age::Old } else { Age::Source };
    tree::set_time(path, age, number)
}

/// Makes `path` another name of `original` again.
fn link_again(original: &Path, path: &Path) -> io::Result<()> {
    let id = |path: &Path| path.symlink_metadata().map(|facts| (facts.dev(), facts.ino()));
    match id(original) {
        // It has been made since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(original_id) if id(path)? == original_id => Ok(()),
        Ok(_) => fs::remove_file(path).and_then(|()| fs::hard_link(original, path)),
    }
}
