//! What is run on a simulated disk: trees to begin with, and commands.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::crash::flush::SyncMode;
use crate::crash::simulated::cripple::Cripple;
use crate::crash::simulated::program::Program;
use crate::crash::simulated::promise::{Promise, Temporaries};
use crate::crash::simulated::random::Random;
use crate::crash::simulated::stores;

/// The directory that is copied from.
pub const SOURCE: &str = "source";

/// The directory that is copied to, which holds an older version.
pub const TARGET: &str = "target";

/// Stands for the directory that the disk is mounted on, in a command's words.
pub const MOUNT_POINT: &str = "{}";

/// A command with what it begins with and what it promises.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Workload {
    /// What it is called in tables.
    pub name: String,
    /// Makes what is there before the command runs, in the directory that it is given.
    pub prepare: fn(&Path) -> io::Result<()>,
    /// The command and its words; [`MOUNT_POINT`] stands for the mounted directory, which is also
    /// its working directory.
    pub command: Vec<OsString>,
    /// Whether the command is [`stores::run`], which tells what it was told.
    pub tells: bool,
    /// The second is a copy of the first, and so are the names below it of those there.
    pub copies: (PathBuf, PathBuf),
    /// What the command promises of every crash state.
    pub promises: Vec<Promise>,
    /// The names that it may leave besides.
    pub temporaries: Temporaries,
}

/// The workloads that mycp itself is tried with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Single files, and a tree, to new names and over old ones.
    Copy,
    /// A large file that is mostly the same.
    Delta,
    /// A directory that is made equal to another.
    Mirror,
}

impl Workload {
    /// A command of a user's, which is held to this: what existed and was not changed stays, and
    /// what the command has finished is there.
    #[must_use]
    pub fn of_command(command: Vec<OsString>) -> Self {
        let name = command.join(OsString::from(" ").as_os_str()).to_string_lossy().into_owned();
        let promises = vec![Promise::Bystanders, Promise::NoForeign, Promise::Done];
        Self::copying(name, command, promises, Temporaries::Anybody)
    }

    /// Stores through maps, flushed in one way; `laboratory` is the program that makes them.
    #[must_use]
    pub fn of_stores(laboratory: &Path, mode: SyncMode) -> Self {
        let words = ["work", "stores", mode.as_str(), MOUNT_POINT];
        Self {
            name: mode.to_string(),
            prepare: stores::prepare,
            command: line(laboratory, words),
            tells: true,
            copies: (SOURCE.into(), TARGET.into()),
            promises: vec![Promise::Bystanders],
            temporaries: Temporaries::Anybody,
        }
    }

    /// A copier with something wrong with it; `laboratory` is the program that has it.
    #[must_use]
    pub fn of_cripple(laboratory: &Path, cripple: Cripple) -> Self {
        let (source, target) = match cripple {
            // That is found out where a name appears.
            Cripple::NoDirectoryFlush => ("medium", "new"),
            // Both are of one length.
            Cripple::TimesFirst | Cripple::PageShort => ("large", "large"),
            _ => ("medium", "medium"),
        };
        let (source, target) = (format!("{SOURCE}/{source}"), format!("{TARGET}/{target}"));
        let command = line(laboratory, ["work", "cripple", cripple.as_str(), &source, &target]);
        let name = format!("crippled: {cripple}");
        let mut workload =
            Self::copying(name, command, Promise::ALL.to_vec(), Temporaries::Crippled);
        workload.copies = (source.into(), target.into());
        workload
    }

    /// mycp with some options, which decide what is promised.
    fn of_mycp(mycp: &Path, words: &str, promises: &[Promise]) -> Self {
        let name = format!("mycp {words}");
        let command = line(mycp, words.split(' '));
        let mut workload = Self::copying(name, command, promises.to_vec(), Temporaries::Mycp);
        let mut operands = words.split(' ').filter(|word| !word.starts_with('-'));
        if let (Some(source), Some(target)) = (operands.next(), operands.next()) {
            // cp's rule: a directory that is there takes the source in.
            let goes_into = target == TARGET && words.contains(" -a ");
            let target = Path::new(target);
            let target = if goes_into { target.join(source) } else { target.to_owned() };
            workload.copies = (source.into(), target);
        }
        workload
    }

    fn copying(
        name: String,
        command: Vec<OsString>,
        promises: Vec<Promise>,
        temporaries: Temporaries,
    ) -> Self {
        let copies = (SOURCE.into(), TARGET.into());
        let prepare = Self::prepare;
        Self { name, prepare, command, tells: false, copies, promises, temporaries }
    }

    /// The command, ready to run.
    pub(crate) fn program(&self) -> Program<'_> {
        Program { words: &self.command, tells: self.tells }
    }

    /// Makes what is there before the command runs.
    ///
    /// # Errors
    ///
    /// Those of making files.
    pub fn prepare(root: &Path) -> io::Result<()> {
        let mut random = Random::new(1);
        for (directory, age) in [(SOURCE, Age::New), (TARGET, Age::Old)] {
            prepare_tree(&root.join(directory), age, &mut random)?;
        }
        let bystander = File::create(root.join("bystander"))?;
        bystander.write_all_at(&random.bytes(5000), 0)?;
        File::open(root)?.sync_all()
    }
}

impl Kind {
    /// The commands of a workload; `mycp` is the program.
    #[must_use]
    pub fn commands(self, mycp: &Path) -> Vec<Workload> {
        use Promise::{Bystanders, Done, Fresh, NoForeign, Whole};
        let all = [Bystanders, NoForeign, Whole, Fresh, Done];
        let nothing = [Bystanders, NoForeign];
        let lines: &[(&str, &[Promise])] = match self {
            Self::Copy => &[
                ("--flush -p source/medium target/medium", &all),
                ("--flush -p --reflink=never source/medium target/medium", &all),
                ("--flush -p --engine=mmap source/medium target/new", &all),
                (
                    "--flush -p --in-place source/medium target/medium",
                    &[Bystanders, NoForeign, Fresh, Done],
                ),
                ("--flush -a source target", &all),
                ("--flush -aT --reflink=never source target", &all),
                ("-p --reflink=never source/medium target/medium", &nothing),
            ],
            Self::Delta => &[
                ("--flush -p --delta source/large target/large", &all),
                ("--flush -p --delta --reflink=never source/large target/large", &all),
                (
                    "--flush -p --delta --in-place source/large target/large",
                    &[Bystanders, NoForeign, Fresh, Done],
                ),
                (
                    "-p --delta --in-place source/large target/large",
                    &[Bystanders, NoForeign, Fresh],
                ),
            ],
            Self::Mirror => &[
                ("--flush --mirror source target", &all),
                ("--flush --mirror --reflink=never source target", &all),
                ("--mirror source target", &[Bystanders, NoForeign, Whole, Fresh]),
            ],
        };
        lines.iter().map(|(words, promises)| Workload::of_mycp(mycp, words, promises)).collect()
    }
}

fn line<'a>(program: &Path, words: impl IntoIterator<Item = &'a str>) -> Vec<OsString> {
    let words = words.into_iter().map(OsString::from);
    std::iter::once(program.as_os_str().to_owned()).chain(words).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Old,
    New,
}

/// Seconds since the epoch of the sources; targets are a day older.
const SOURCE_TIME: u64 = 1_600_000_000;

fn prepare_tree(root: &Path, age: Age, random: &mut Random) -> io::Result<()> {
    fs::create_dir_all(root.join("directory"))?;
    let names: [(&str, usize); 5] = [
        ("small", 1000),
        ("medium", 200_000),
        ("empty", 0),
        ("directory/inner", 20_000),
        ("sparse", 300_000),
    ];
    for (name, len) in names {
        // The older version is shorter.
        let len = if age == Age::Old { len / 2 } else { len };
        let file = File::create(root.join(name))?;
        if name == "sparse" {
            file.set_len(len as u64)?;
            file.write_all_at(&random.bytes(10_000), 0)?;
            file.write_all_at(&random.bytes(5000), len as u64 - 5000)?;
        } else {
            file.write_all_at(&random.bytes(len), 0)?;
        }
        finish(&file, age)?;
    }
    let large = File::create(root.join("large"))?;
    large.write_all_at(&Random::new(2).bytes(1 << 20), 0)?;
    if age == Age::New {
        for page in [3, 4, 100, 101, 200, 255] {
            large.write_all_at(&random.bytes(4096), page * 4096)?;
        }
    }
    finish(&large, age)?;
    match age {
        Age::New => {
            symlink("small", root.join("link"))?;
            fs::hard_link(root.join("small"), root.join("second"))
        }
        Age::Old => {
            let extra = File::create(root.join("extra"))?;
            extra.write_all_at(&random.bytes(3000), 0)?;
            finish(&extra, age)
        }
    }
}

fn finish(file: &File, age: Age) -> io::Result<()> {
    let (seconds, mode) = match age {
        Age::New => (SOURCE_TIME, 0o640),
        Age::Old => (SOURCE_TIME - 86_400, 0o600),
    };
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 123_456_789);
    file.set_times(FileTimes::new().set_modified(time).set_accessed(time))
}
