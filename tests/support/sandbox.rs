//! A directory of its own for each test, and the program run in it under a time limit.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::files::{self, FileExt, data_ranges};
use super::system;

/// No copy in these tests takes as long; what does hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// mycp's own options, which another program under test does not get.
const OWN_OPTIONS: [&str; 9] = [
    "--engine",
    "--explain",
    "--flush",
    "--in-place",
    "--json",
    "--manifest",
    "--on-change",
    "--verify",
    "-j",
];

/// A directory of a test's own, removed at the end.
#[derive(Debug)]
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
}

impl Sandbox {
    /// One below the target directory, because `/tmp` is often a tmpfs.
    pub(crate) fn new() -> Self {
        Self::within(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// One below `parent`.
    pub(crate) fn within(parent: &Path) -> Self {
        let parent = std::path::absolute(parent).unwrap();
        let directory = tempfile::Builder::new().prefix("test-").tempdir_in(parent).unwrap();
        // Test users without rights walk through it.
        files::chmod(directory.path(), 0o755);
        Self { directory }
    }

    /// The directory.
    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    /// The path of `name` in it.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }

    /// Makes or replaces a file.
    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The content of a file.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Makes a directory.
    pub(crate) fn directory(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&self, leads_to: impl AsRef<Path>, name: impl AsRef<Path>) {
        files::symlink(leads_to.as_ref(), &self.path(name)).unwrap();
    }

    /// Attributes of what the name leads to.
    pub(crate) fn metadata(&self, name: impl AsRef<Path>) -> std::fs::Metadata {
        std::fs::metadata(self.path(name)).unwrap()
    }

    /// Which file the name leads to.
    pub(crate) fn id(&self, name: impl AsRef<Path>) -> files::Id {
        files::id(&self.path(name)).unwrap()
    }

    /// How many names it has.
    pub(crate) fn links(&self, name: impl AsRef<Path>) -> u64 {
        files::links(&self.path(name)).unwrap()
    }

    /// How many bytes of its disk it has.
    pub(crate) fn allocated(&self, name: impl AsRef<Path>) -> u64 {
        files::allocated(&self.path(name)).unwrap()
    }

    /// The program, to be run here with these arguments.
    pub(crate) fn run<I, S>(&self, arguments: I) -> Run
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Run::new(self.root(), arguments)
    }

    /// Runs the program here to its end.
    pub(crate) fn mycp<I, S>(&self, arguments: I) -> Ended
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.run(arguments).end()
    }

    /// Temporaries of mycp in the directory.
    pub(crate) fn leftovers(&self) -> Vec<OsString> {
        leftovers(self.root())
    }

    /// Fails when a temporary is left.
    #[track_caller]
    pub(crate) fn assert_tidy(&self, situation: &str) {
        let left = self.leftovers();
        assert!(left.is_empty(), "{situation}: left behind {left:?}");
    }
}

/// Names of the form `.NAME.mycp-XXXXXX` in `directory`.
pub(crate) fn leftovers(directory: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let is_temporary = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with('.') && name.contains(".mycp-")
    };
    entries.filter(is_temporary).collect()
}

/// Whether the program under test is mycp itself.
pub(crate) fn is_mycp() -> bool {
    std::env::var_os("MYCP_UNDER_TEST")
        .is_none_or(|path| Path::new(&path).file_stem().is_some_and(|name| name == "mycp"))
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    match std::env::var_os("MYCP_UNDER_TEST") {
        Some(path) => path.into(),
        None => env!("CARGO_BIN_EXE_mycp").into(),
    }
}

/// A run of the program under test, not yet started.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) command: Command,
    input: Vec<u8>,
    time_limit: Duration,
}

impl Run {
    fn new<I, S>(directory: &Path, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Self::through(&[], directory, arguments)
    }

    /// The program run by another one: `wrapper` is that one's words, the program follows.
    pub(crate) fn through<I, S>(wrapper: &[&OsStr], directory: &Path, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let program = program();
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        let own = |argument: &OsStr| {
            let argument = argument.as_encoded_bytes();
            OWN_OPTIONS.iter().any(|option| argument.starts_with(option.as_bytes()))
        };
        for argument in arguments {
            if is_mycp() || !own(argument.as_ref()) {
                command.arg(argument);
            }
        }
        command.current_dir(directory);
        system::set_apart(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, input: Vec::new(), time_limit: TIME_LIMIT }
    }

    /// Gives it these bytes through a pipe as standard input.
    pub(crate) fn input(mut self, bytes: &[u8]) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = bytes.to_vec();
        self
    }

    /// Gives it this file, or this end of a pipe, as standard input.
    pub(crate) fn input_file(mut self, file: impl Into<Stdio>) -> Self {
        self.command.stdin(file);
        self
    }

    /// Gives it this file as standard output.
    pub(crate) fn output_file(mut self, file: impl Into<Stdio>) -> Self {
        self.command.stdout(file);
        self
    }

    /// Gives it this file as standard error.
    pub(crate) fn errors_file(mut self, file: impl Into<Stdio>) -> Self {
        self.command.stderr(file);
        self
    }

    /// Gives it this much time.
    pub(crate) fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        let description = format!("{:?}", self.command);
        let started = Instant::now();
        system::with_default_signals(&mut self.command);
        let mut child = system::spawn(&mut self.command)
            .unwrap_or_else(|error| panic!("cannot start {description}: {error}"));
        let input = child.stdin.take().map(|mut pipe| {
            let bytes = std::mem::take(&mut self.input);
            // A program that does not read to the end closes the pipe: that is its right.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let output = child.stdout.take().map(read_all);
        let errors = child.stderr.take().map(read_all);
        let time_limit = self.time_limit;
        Running { description, started, child, input, output, errors, time_limit }
    }

    /// Runs it to its end.
    pub(crate) fn end(self) -> Ended {
        self.start().end()
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// A run that was started.
#[derive(Debug)]
pub(crate) struct Running {
    description: String,
    started: Instant,
    pub(super) child: Child,
    input: Option<JoinHandle<()>>,
    output: Option<JoinHandle<Vec<u8>>>,
    errors: Option<JoinHandle<Vec<u8>>>,
    time_limit: Duration,
}

impl Running {
    /// Kills it and whatever it started, without asking.
    pub(crate) fn kill(&self) {
        system::kill(&self.child);
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; one that takes too long is killed, and the test fails.
    pub(crate) fn end(mut self) -> Ended {
        let rest = self.time_limit.saturating_sub(self.started.elapsed());
        if !system::ends_within(&mut self.child, rest) {
            self.kill();
            drop(self.child.wait());
            panic!("{} hangs: killed after {:?}", self.description, self.time_limit);
        }
        let elapsed = self.started.elapsed();
        let status = self.child.wait().unwrap();
        let collect = |thread: Option<JoinHandle<Vec<u8>>>| {
            thread.map(|thread| thread.join().unwrap()).unwrap_or_default()
        };
        if let Some(thread) = self.input.take() {
            thread.join().unwrap();
        }
        Ended {
            output: collect(self.output.take()),
            errors: with_slashes(&collect(self.errors.take())),
            description: self.description,
            status,
            elapsed,
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The command line.
    pub(crate) description: String,
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it wrote to standard output.
    pub(crate) output: Vec<u8>,
    /// What it wrote to standard error, with slashes in its paths on each system.
    pub(crate) errors: String,
    /// From its start to its end.
    pub(crate) elapsed: Duration,
}

impl Ended {
    /// Fails unless the exit status is 0.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        self.with_status(0)
    }

    /// Fails unless the exit status is 1 and something was said about it.
    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        let ended = self.with_status(1);
        assert!(!ended.errors.is_empty(), "{} failed in silence", ended.description);
        ended
    }

    /// Fails unless it ended by itself, with status 0 or 1.
    #[track_caller]
    pub(crate) fn orderly(self) -> Self {
        let code = self.status.code();
        assert!(matches!(code, Some(0 | 1)), "{self}");
        self
    }

    #[track_caller]
    fn with_status(self, code: i32) -> Self {
        assert!(self.status.code() == Some(code), "status {code} was expected of {self}");
        self
    }

    /// Fails unless standard error contains `words`.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.errors.contains(words), "{words:?} is missing in what was said by {self}");
        self
    }

    /// Fails unless standard output or standard error contains `words`.
    #[track_caller]
    pub(crate) fn tells(self, words: &str) -> Self {
        let told = self.text().contains(words);
        assert!(told || self.errors.contains(words), "{words:?} is missing in the words of {self}");
        self
    }

    /// What it wrote to standard output, with slashes in its paths on each system.
    pub(crate) fn text(&self) -> String {
        with_slashes(&self.output)
    }

    /// The JSON lines that it wrote, with slashes in their paths on each system.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let output = String::from_utf8_lossy(&self.output);
        // A separator of Windows is escaped there.
        let output = if cfg!(windows) { output.replace(r"\\", "/") } else { output.into_owned() };
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Whether it was killed before it ended.
    pub(crate) fn was_killed(&self) -> bool {
        files::was_killed(self.status)
    }

    /// Whether it ended with status 0.
    pub(crate) fn is_good(&self) -> bool {
        self.status.success()
    }
}

/// What a program said, as a test that was written with slashes expects it.
fn with_slashes(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    if cfg!(windows) { said.replace('\\', "/") } else { said.into_owned() }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}", self.description, self.status)?;
        let output = String::from_utf8_lossy(&self.output[..self.output.len().min(2000)]);
        write!(f, "\nstdout: {output}\nstderr: {}", self.errors)
    }
}

/// Fails, naming the first difference and not printing the bytes.
#[track_caller]
pub(crate) fn assert_same_bytes(seen: &[u8], expected: &[u8], situation: &str) {
    if seen == expected {
        return;
    }
    let common = seen.iter().zip(expected).take_while(|(a, b)| a == b).count();
    panic!(
        "{situation}: differs from byte {common} on ({} bytes seen, {} expected)",
        seen.len(),
        expected.len()
    );
}

/// Whether two files have the same content; holes are not read.
pub(crate) fn same_content(left: &Path, right: &Path) -> Result<(), String> {
    let left = std::fs::File::open(left).unwrap();
    let right = std::fs::File::open(right).unwrap();
    let len = left.metadata().unwrap().len();
    if right.metadata().unwrap().len() != len {
        return Err(format!("{len} and {} bytes long", right.metadata().unwrap().len()));
    }
    let mut ranges = data_ranges(&left);
    ranges.extend(data_ranges(&right));
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for (start, end) in ranges {
        let mut at = start;
        while at < end {
            let step = (end - at).min(1 << 20) as usize;
            left.read_exact_at(&mut ours[..step], at).unwrap();
            right.read_exact_at(&mut theirs[..step], at).unwrap();
            if ours[..step] != theirs[..step] {
                let differs = ours.iter().zip(&theirs).position(|(a, b)| a != b).unwrap();
                return Err(format!("different at byte {}", at + differs as u64));
            }
            at += step as u64;
        }
    }
    Ok(())
}
