//! One command line in one world, and what it comes to under a program.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;
use rustix::process::{PidfdFlags, Signal};

use super::snapshot::{Snapshot, look};
use super::world::{Kind, Moment, World, below, clear, rooted};
use crate::support::sandbox::{is_mycp, program};
use crate::support::unix::NOBODY;

/// Nothing in these worlds takes as long: what does hangs.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Where the world is below a directory of its own: so deep that a relative link that was copied
/// to another depth does not lead out of it.
pub(crate) const DEPTH: &str = "1/2/3/w";

/// Who copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The user that runs the tests.
    Caller,
    /// A user without rights; the world is theirs.
    Nobody,
}

/// How the target is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Behind the sources.
    Last,
    /// Behind the source, with `-T`.
    Itself,
    /// With `-t`.
    Directory,
}

/// One command line in one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) umask: u32,
    pub(crate) who: Who,
    /// Where it is run, below the root.
    pub(crate) directory: Vec<u8>,
    /// One word each.
    pub(crate) options: Vec<String>,
    pub(crate) form: Form,
    /// [`ROOT`](super::world::ROOT) at the start is the world's root.
    pub(crate) sources: Vec<Vec<u8>>,
    pub(crate) target: Vec<u8>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// GNU cp, from the `PATH`.
    Gnu,
    /// mycp, or what `MYCP_UNDER_TEST` names.
    UnderTest,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: String,
    /// Lines of standard output, sorted.
    pub(crate) output: Vec<Vec<u8>>,
    pub(crate) errors: String,
    /// When it began and ended.
    pub(crate) span: (Moment, Moment),
    pub(crate) snapshot: Snapshot,
}

impl Case {
    /// Whether the command line has an option: one of these letters, or `long` with any value.
    pub(crate) fn has(&self, letters: &str, long: &str) -> bool {
        self.options.iter().any(|option| match option.strip_prefix("--") {
            Some(rest) => !long.is_empty() && rest.split('=').next() == Some(long),
            // A suffix follows its letter.
            None => option.split('S').next().unwrap_or_default().contains(|c| letters.contains(c)),
        })
    }

    /// Whether a source is named by way of a directory above another.
    pub(crate) fn names_above(&self) -> bool {
        let above = |source: &Vec<u8>| source.split(|c| *c == b'/').any(|part| part == b"..");
        self.sources.iter().any(above)
    }

    /// Whether directories are copied.
    pub(crate) fn recurses(&self) -> bool {
        self.has("rRa", "recursive")
    }

    /// Whether a program that is right could wait for ever: for the writer of a FIFO.
    pub(crate) fn may_hang(&self) -> bool {
        let has_fifo = self.world.entries.iter().any(|entry| entry.kind == Kind::Fifo);
        has_fifo && (!self.recurses() || self.has("", "copy-contents"))
    }

    /// Whether something may be kept by `--backup=simple` in a directory that is the target: cp 9.1
    /// puts that into the working directory (its NEWS: "[bug introduced in
    /// coreutils-9.1]"; mended in 9.2), and over what is there.
    pub(crate) fn backs_up_into_directory(&self) -> bool {
        self.form != Form::Itself && self.options.iter().any(|option| option == "--backup=simple")
    }

    /// Whether what is replaced may be kept under another name.
    pub(crate) fn backs_up(&self) -> bool {
        self.has("b", "backup")
            || self.options.iter().any(|o| o.starts_with("-S") || o.starts_with("--suffix"))
    }

    /// The command line behind the program's name.
    pub(crate) fn words(&self, program: Program, root: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = self
            .options
            .iter()
            .filter_map(|option| match program {
                Program::UnderTest if is_mycp() => Some(option.as_str()),
                _ => in_old_words(option),
            })
            .map(OsString::from)
            .collect();
        let target = rooted(&self.target, root).into_os_string();
        match self.form {
            Form::Last => {}
            Form::Itself => words.push("-T".into()),
            Form::Directory => words.extend(["-t".into(), target.clone()]),
        }
        let operands = self.sources.iter().chain([&self.target]);
        if operands.into_iter().any(|operand| operand.starts_with(b"-")) {
            words.push("--".into());
        }
        words.extend(self.sources.iter().map(|source| rooted(source, root).into_os_string()));
        if self.form != Form::Directory {
            words.push(target);
        }
        words
    }

    /// Makes the world below `place`, runs the program in it, and looks at what is there then.
    pub(crate) fn run(&self, which: Program, place: &Path) -> Outcome {
        clear(place);
        let root = place.join(DEPTH);
        self.world.make(&root, self.owner());
        // Whoever writes into a FIFO waits for a reader. One that the caller cannot reach, a
        // program that runs as the caller cannot either.
        let fifos = self.world.entries.iter().filter(|entry| entry.kind == Kind::Fifo);
        let readers = fifos.filter_map(|entry| reader(&below(&root, &entry.path)).ok());
        let readers: Vec<File> = readers.collect();

        let mut command = Command::new(match which {
            Program::Gnu => "cp".into(),
            Program::UnderTest => program(),
        });
        command.args(self.words(which, &root)).current_dir(below(&root, &self.directory));
        let begin = now();
        let (status, output, errors) = run(command, self.umask, self.who);
        let span = (begin, now());
        drop(readers);

        let mut output: Vec<Vec<u8>> = output.split(|byte| *byte == b'\n').map(Vec::from).collect();
        output.sort();
        Outcome {
            status,
            output,
            errors: String::from_utf8_lossy(&errors).into_owned(),
            span,
            snapshot: look(&root),
        }
    }

    /// Who owns what has no owner of its own, where that is not the caller.
    pub(crate) fn owner(&self) -> Option<(u32, u32)> {
        (self.who == Who::Nobody).then_some((NOBODY, NOBODY))
    }
}

/// What GNU cp before 9.3, which knows no `--update=WHICH`, calls the same; `None` for what it
/// does anyway.
pub(crate) fn in_old_words(option: &str) -> Option<&str> {
    match option {
        "--update=all" => None,
        "--update=none" => Some("-n"),
        "--update=older" => Some("-u"),
        option => Some(option),
    }
}

fn reader(path: &Path) -> std::io::Result<File> {
    const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    File::options().read(true).custom_flags(NONBLOCK).open(path)
}

fn now() -> Moment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Moment { seconds: now.as_secs() as i64, nanoseconds: now.subsec_nanos() }
}

/// Runs it to its end. No pipes, and so no threads that read them: there are thousands of runs.
fn run(mut command: Command, umask: u32, who: Who) -> (String, Vec<u8>, Vec<u8>) {
    let memory = || File::from(rustix::fs::memfd_create("output", MemfdFlags::CLOEXEC).unwrap());
    let (output, errors) = (memory(), memory());
    let handed = |file: &File| Stdio::from(file.as_fd().try_clone_to_owned().unwrap());
    command.stdin(Stdio::null()).stdout(handed(&output)).stderr(handed(&errors));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").process_group(0);
    let prepare = move || {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
        if who == Who::Nobody {
            rustix::thread::set_thread_groups(&[])?;
            rustix::thread::set_thread_gid(rustix::process::Gid::from_raw(NOBODY))?;
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(NOBODY))?;
        }
        Ok(())
    };
    // SAFETY: bare system calls, which neither allocate nor take locks; those for the user change
    // the calling thread only, which is the only one after fork.
    unsafe { command.pre_exec(prepare) };
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));

    let pid = rustix::process::Pid::from_child(&child);
    let pidfd: OwnedFd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let mut ready = [PollFd::new(&pidfd, PollFlags::IN)];
    let limit = Timespec::try_from(TIME_LIMIT).unwrap();
    let hangs = rustix::event::poll(&mut ready, Some(&limit)).unwrap() == 0;
    if hangs {
        rustix::process::kill_process_group(pid, Signal::KILL).unwrap();
    }
    let status = child.wait().unwrap();
    let status = if hangs { "hangs".to_owned() } else { status.to_string() };
    (status, content(&output), content(&errors))
}

fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A word as a shell takes it, whatever its bytes.
pub(crate) fn quoted(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-=,:~+@^".contains(byte);
    if !word.is_empty() && word.iter().all(plain) && !word.starts_with(b"~") {
        return String::from_utf8(word.to_vec()).unwrap();
    }
    let printable = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'\'' && *byte != b'\\';
    if word.iter().all(printable) {
        return format!("'{}'", OsStr::from_bytes(word).display());
    }
    let escaped: String = word
        .iter()
        .map(|byte| match byte {
            byte if printable(byte) => char::from(*byte).to_string(),
            byte => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("$'{escaped}'")
}
