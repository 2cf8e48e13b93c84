//! Open objects: what is known of them, and the calls that each system has for them.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

use crate::options::ObjectId;
use crate::report::ObjectKind;

pub(crate) use super::system::file::*;

/// What kind of thing a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// Memory that processes share, and whose length is never changed.
    Segment,
}

impl From<Kind> for ObjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Regular => Self::File,
            Kind::Directory => Self::Directory,
            Kind::Symlink => Self::SymbolicLink,
            Kind::Pipe => Self::Fifo,
            Kind::Socket => Self::Socket,
            Kind::BlockDevice => Self::BlockDevice,
            Kind::CharDevice => Self::CharDevice,
            Kind::Segment => Self::Segment,
        }
    }
}

/// A moment as the file system counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// What is known of an object from its inode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) id: ObjectId,
    pub(crate) kind: Kind,
    pub(crate) len: u64,
    /// Bytes of the blocks that it occupies.
    pub(crate) allocated: u64,
    pub(crate) links: u64,
    /// The device that a device file stands for.
    pub(crate) device: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permission bits, setuid, setgid and sticky included.
    pub(crate) mode: u32,
    pub(crate) accessed: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
    /// When it was made, where that is kept with the other times: on Windows.
    pub(crate) born: Option<Timestamp>,
}

impl Timestamp {
    /// The time of change where a file system has none, as on FAT and exFAT: what Windows counts
    /// from.
    pub(crate) const NEVER: Self = Self { seconds: -11_644_473_600, nanoseconds: 0 };

    /// The same, or the next multiple of 2 s, as fastfat keeps it.
    fn up_to_even(self) -> Self {
        let odd = self.seconds.rem_euclid(2) + i64::from(self.nanoseconds > 0);
        match odd {
            0 => self,
            _ => Self { seconds: self.seconds - self.seconds.rem_euclid(2) + 2, nanoseconds: 0 },
        }
    }

    /// The same, cut down to a multiple of a step that a second is a multiple of.
    fn cut(self, step: u32) -> Self {
        Self { nanoseconds: self.nanoseconds - self.nanoseconds % step, ..self }
    }
}

/// Steps in which file systems count that do not count nanoseconds, the coarsest first: ext2, ext3
/// and ext4 with small inodes; exFAT; UDF and some servers; NTFS.
const STEPS: [u32; 4] = [1_000_000_000, 10_000_000, 1000, 100];

#[cfg(test)]
impl Facts {
    /// Those of a regular file, for tests.
    pub(crate) fn example(ino: u128) -> Self {
        let time = Timestamp { seconds: 100, nanoseconds: 5 };
        Self {
            id: ObjectId { dev: 1, ino },
            kind: Kind::Regular,
            len: 10,
            allocated: 4096,
            links: 1,
            device: 0,
            uid: 0,
            gid: 0,
            mode: 0o644,
            accessed: time,
            modified: time,
            changed: time,
            born: None,
        }
    }
}

impl Facts {
    /// Whether its modification time is `wanted`, as far as its file system can keep that.
    ///
    /// How far that is tells the object itself: its time of change, which only the kernel sets, is
    /// a multiple of the step, which on a file system with finer ones it practically never is.
    /// Where it has none, it may be FAT, on Windows.
    pub(crate) fn was_modified_at(&self, wanted: Timestamp) -> bool {
        self.modified == wanted
            || !self.tells_changes() && self.modified == wanted.up_to_even()
            || STEPS.into_iter().any(|step| {
                let is_kept = |time: Timestamp| time.cut(step) == time;
                is_kept(self.changed) && self.modified == wanted.cut(step)
            })
    }

    /// Whether a symbolic link is of the kind that leads to directories: on Windows there are two.
    pub(crate) fn leads_to_directory(&self) -> bool {
        self.mode & 0o111 != 0
    }

    /// Whether its file system keeps a time of change.
    pub(crate) fn tells_changes(&self) -> bool {
        self.changed != Timestamp::NEVER
    }

    /// The time since its last change, or modification where that is all that is known; `None` if
    /// that lies in the future.
    pub(crate) fn age(&self) -> Option<Duration> {
        let last = if self.tells_changes() { self.changed } else { self.modified };
        let seconds = u64::try_from(last.seconds).unwrap_or(0);
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, last.nanoseconds);
        SystemTime::now().duration_since(changed).ok()
    }
}

/// Writes all of `from` at `offset`.
pub(crate) fn write_all_at(file: &File, mut from: &[u8], mut offset: u64) -> io::Result<()> {
    while !from.is_empty() {
        match write_at(file, offset, from)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => {
                from = &from[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    ToRead,
    ToWrite,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
        Timestamp { seconds, nanoseconds }
    }

    #[test]
    fn times_are_compared_as_finely_as_the_target_keeps_them() {
        let file = tempfile::tempfile().unwrap();
        let facts = facts(&file).unwrap();
        let equal = |wanted, modified, changed| {
            Facts { modified, changed, ..facts }.was_modified_at(wanted)
        };
        let wanted = at(-7, 123_456_789);
        for (step, kept) in [
            (1_000_000_000, 0),
            (10_000_000, 120_000_000),
            (1000, 123_456_000),
            (100, 123_456_700),
            (1, 123_456_789),
        ] {
            let kept = at(-7, kept);
            assert!(equal(wanted, kept, at(9, 0)), "{step}");
            let times = |count: u64| (count * u64::from(step) / 2 % 1_000_000_000) as u32;
            assert!(equal(wanted, kept, at(9, times(14))), "{step}");
            // The file system counts in finer steps than that.
            let fine = at(9, times(15) + 1);
            assert_eq!(equal(wanted, kept, fine), step == 1, "{step}");
            for other in [at(-8, kept.nanoseconds), at(-7, kept.nanoseconds.wrapping_add(step))] {
                assert!(!equal(wanted, other, at(9, 0)), "{step}");
            }
        }
        // What the target has, the source does not lack.
        assert!(!equal(at(5, 0), at(5, 10_000_000), at(9, 0)));
    }

    #[test]
    fn times_are_rounded_up_to_2_seconds_where_no_change_is_told() {
        let example = Facts::example(1);
        let equal = |wanted, modified, changed| {
            Facts { modified, changed, ..example }.was_modified_at(wanted)
        };
        for (wanted, kept) in [
            (at(100, 0), 100),
            (at(100, 100), 102),
            (at(101, 0), 102),
            (at(101, 999_999_900), 102),
            (at(-3, 0), -2),
            (at(-4, 1), -2),
        ] {
            assert!(equal(wanted, at(kept, 0), Timestamp::NEVER), "{wanted:?}");
            // On Linux vfat cuts, and has a time of change.
            let is_kept = wanted == at(kept, 0);
            assert_eq!(equal(wanted, at(kept, 0), at(9, 0)), is_kept, "{wanted:?}");
            for other in [at(kept - 2, 0), at(kept + 2, 0), at(kept, 10_000_000)] {
                let is_cut = wanted.cut(1_000_000_000) == other;
                assert_eq!(equal(wanted, other, Timestamp::NEVER), is_cut, "{wanted:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_tells_no_change_is_as_old_as_its_modification() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(now.as_secs()).unwrap();
        let facts = |modified| Facts {
            modified: at(modified, 0),
            changed: Timestamp::NEVER,
            ..Facts::example(1)
        };
        let age = facts(seconds - 10).age().unwrap().as_secs();
        assert!((10..1000).contains(&age), "{age}");
        assert_eq!(facts(seconds + 1000).age(), None);
    }
}
