//! What the trees consist of: pure functions that name each object before any is made.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use super::random::Random;

/// Which tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sources of packages as a registry unpacks them: 20,000 files in 3,000 directories, 350 MB.
    Packages,
    /// 1,000,000 files without a byte in 1,000 directories.
    Empty,
    /// Three files of 1 GiB in one directory, and 10,000 small ones below another.
    Mixed,
}

/// A tree, every part of it so many times smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) shrink: u64,
}

/// One object of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    Directory,
    /// A file, and its place in the order of all files of the tree.
    File {
        len: u64,
        number: u64,
    },
    /// A symbolic link to a name in its own directory.
    Symlink(&'a Path),
    /// Another name of a file, which is given from the tree's root on.
    HardLink(&'a Path),
}

/// How much of everything a tree has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) links: u64,
    pub(crate) bytes: u64,
    /// What it takes of a file system, roughly.
    pub(crate) room: u64,
}

/// The part of [`Kind::Mixed`] that has the large files.
pub(crate) const LARGE: &str = "large";
/// The part of [`Kind::Mixed`] that has the small files.
pub(crate) const SMALL: &str = "small";

const GIB: u64 = 1 << 30;

/// Counted in the unpacked sources of 266 crates: 15,520 files in 2,233 directories, nine levels
/// deep; mean 17.0 kB; a quarter below 1.1 kB, half below 3.6 kB, three quarters below 10.9 kB,
/// 99 in 100 below 227 kB, the greatest 2.9 MB. [`file_len`] comes within a fifth of all but the
/// last.
const PACKAGE_FILES: u64 = 67;
const PACKAGE_DIRECTORIES: usize = 10;
const DEPTH_MAX: usize = 8;

/// What an inode and its name take, with a share of the directory's block.
const NAME_BYTES: u64 = 1 << 10;
const BLOCK_BYTES: u64 = 4 << 10;

impl Shape {
    /// Tells `visit` of every object, directories before what is in them; paths are relative.
    pub(crate) fn each<E>(
        self,
        visit: &mut impl FnMut(&Path, Node<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.kind {
            Kind::Packages => packages(Path::new(""), self.part(20_000), 0, visit),
            Kind::Empty => empty(self.part(1_000_000), visit),
            Kind::Mixed => {
                let (large, small) = (Path::new(LARGE), Path::new(SMALL));
                visit(large, Node::Directory)?;
                for number in 0..3 {
                    let len = self.part(GIB);
                    visit(&large.join(format!("{number}.bin")), Node::File { len, number })?;
                }
                visit(small, Node::Directory)?;
                packages(small, self.part(10_000), 3, visit)
            }
        }
    }

    /// Counts all of it.
    pub(crate) fn count(self) -> Count {
        let mut count = Count::default();
        let Ok(()) = self.each::<Infallible>(&mut |_, node| {
            match node {
                Node::Directory => count.directories += 1,
                Node::Symlink(_) | Node::HardLink(_) => count.links += 1,
                Node::File { len, .. } => {
                    count.files += 1;
                    count.bytes += len;
                    count.room += len.next_multiple_of(BLOCK_BYTES);
                }
            }
            count.room += NAME_BYTES;
            Ok(())
        });
        count
    }

    fn part(self, whole: u64) -> u64 {
        (whole / self.shrink.max(1)).max(1)
    }
}

fn empty<E>(files: u64, visit: &mut impl FnMut(&Path, Node<'_>) -> Result<(), E>) -> Result<(), E> {
    const IN_DIRECTORY: u64 = 1_000;
    let mut directory = PathBuf::new();
    for number in 0..files {
        if number % IN_DIRECTORY == 0 {
            directory = PathBuf::from(format!("directory-{:04}", number / IN_DIRECTORY));
            visit(&directory, Node::Directory)?;
        }
        let path = directory.join(format!("file-{number:07}"));
        visit(&path, Node::File { len: 0, number })?;
    }
    Ok(())
}

/// So many files below `root`, their numbers from `first` on.
fn packages<E>(
    root: &Path,
    files: u64,
    first: u64,
    visit: &mut impl FnMut(&Path, Node<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut random = Random::new(1);
    for start in (0..files).step_by(usize::try_from(PACKAGE_FILES).unwrap_or(1)) {
        let index = start / PACKAGE_FILES;
        let package = root.join(format!("package-{index:03}"));
        let directories = directories(package, &mut random);
        for directory in &directories {
            visit(directory, Node::Directory)?;
        }
        let mut last = PathBuf::new();
        for number in start..files.min(start + PACKAGE_FILES) {
            let directory = &directories[random.below(directories.len())];
            last = directory.join(format!("module_{:02}.rs", number - start));
            let len = file_len(&mut random);
            visit(&last, Node::File { len, number: first + number })?;
        }
        if let Some(name) = last.file_name() {
            visit(&last.with_file_name("latest.rs"), Node::Symlink(Path::new(name)))?;
        }
        if index.is_multiple_of(2) {
            visit(&directories[0].join("same.rs"), Node::HardLink(&last))?;
        }
    }
    Ok(())
}

/// The directories of one package, each behind the one that it is in: two of three go deeper.
fn directories(package: PathBuf, random: &mut Random) -> Vec<PathBuf> {
    let depth_max = package.components().count() + DEPTH_MAX - 1;
    let mut all = vec![package];
    for index in 1..PACKAGE_DIRECTORIES {
        let mut parent = random.below(index);
        if random.below(3) > 0 {
            parent = index - 1;
        }
        if all[parent].components().count() >= depth_max {
            parent = 0;
        }
        all.push(all[parent].join(format!("part_{index}")));
    }
    all
}

/// A length of the logarithmic normal distribution.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 1 to 4e8, whatever the bell gives"
)]
fn file_len(random: &mut Random) -> u64 {
    const MEDIAN: f64 = 3600.0;
    const DEVIATION: f64 = 1.83;
    (MEDIAN * (DEVIATION * random.bell()).exp()) as u64
}
