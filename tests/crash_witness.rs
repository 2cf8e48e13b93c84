//! A writer, a witness, and the verification after a cut.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::documented::assert_documented;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mycp-crash");

fn path_in(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}

/// How long anything here may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A process that is killed at the end of the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Process {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn first_line(&mut self) -> String {
        let mut line = String::new();
        let mut output = BufReader::with_capacity(1, self.0.stdout.as_mut().unwrap());
        output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Has it end as a user does.
    #[cfg(unix)]
    fn stop(self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(process, signal).unwrap();
        assert_eq!(self.end().0, Some(0));
    }

    /// Its exit status, and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let begin = Instant::now();
        let status = loop {
            match self.0.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
            assert!(begin.elapsed() < TIME_LIMIT, "it hangs");
        };
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

/// A witness that runs, and where.
struct Witness {
    process: Process,
    address: String,
}

impl Witness {
    fn start(mut command: Command, listen: &str, record: &Path, options: &[&str]) -> Self {
        command.args(["witness", "--listen", listen]).args(options).arg(record);
        let mut process = Process::start(command);
        let line = process.first_line();
        let address = line.strip_prefix("listening at ").expect(&line).to_owned();
        Self { process, address }
    }

    fn here(record: &Path, options: &[&str]) -> Self {
        Self::start(Command::new(PROGRAM), "127.0.0.1:0", record, options)
    }
}

fn write(mut command: Command, witness: &str, options: &[&str], directory: &Path) -> Process {
    command.args(["write", "--witness", witness]).args(options).arg(directory);
    Process::start(command)
}

fn write_here(witness: &str, options: &[&str], directory: &Path) -> Process {
    write(Command::new(PROGRAM), witness, options, directory)
}

fn verify(from: &str, of: impl AsRef<std::ffi::OsStr>, directory: &Path) -> (i32, Report) {
    let mut command = Command::new(PROGRAM);
    let output = command.args(["verify", "--json", from]).arg(of).arg(directory).output().unwrap();
    (output.status.code().unwrap(), Report::of(&output))
}

/// The same for a person.
fn verified_as_text(record: &Path, directory: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    let output = command.arg("verify").arg("--record").arg(record).arg(directory).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// The row of a table that begins so, its columns parted by one space.
fn row(text: &str, begin: &str) -> String {
    let row = text.lines().find(|line| line.starts_with(begin));
    let row = row.unwrap_or_else(|| panic!("{begin:?} begins no line of\n{text}"));
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What was found.
struct Report(serde_json::Value);

impl Report {
    fn of(output: &Output) -> Self {
        let errors = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        let printed =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{errors}"));
        assert_documented(&printed);
        Self(printed)
    }

    fn verdict(&self) -> &str {
        self.0["verdict"].as_str().unwrap()
    }

    fn modes(&self) -> &[serde_json::Value] {
        self.0["modes"].as_array().unwrap()
    }

    fn of_mode(&self, mode: &str) -> &serde_json::Value {
        self.modes().iter().find(|it| it["mode"] == mode).unwrap()
    }

    fn count(&self, mode: &str, what: &str) -> u64 {
        self.of_mode(mode)[what].as_u64().unwrap()
    }
}

/// Waits until the record has so many lines with these words.
fn wait_for(record: &Path, words: &str, count: usize) {
    let begin = Instant::now();
    loop {
        let text = std::fs::read_to_string(record).unwrap();
        if text.matches(words).count() >= count {
            return;
        }
        assert!(begin.elapsed() < TIME_LIMIT, "{words} does not appear {count} times");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn append(record: &Path, text: &str) {
    let old = std::fs::read_to_string(record).unwrap();
    std::fs::write(record, old + text).unwrap();
}

/// Run and time of the last line.
fn last(record: &Path) -> (String, String) {
    let text = std::fs::read_to_string(record).unwrap();
    let line = text.lines().last().unwrap();
    let mut words = line.split(' ').map(str::to_owned);
    let time = words.next().unwrap();
    (words.next().unwrap(), time)
}

/// A finished run in `run`, its record in `record`.
fn finished(sandbox: &TempDir, options: &[&str]) -> (PathBuf, PathBuf) {
    let (record, directory) = (path_in(sandbox, "record"), path_in(sandbox, "run"));
    let witness = Witness::here(&record, &["--once"]);
    let options: Vec<_> = ["--size", "1"].iter().chain(options).copied().collect();
    let (status, said) = write_here(&witness.address, &options, &directory).end();
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = witness.process.end();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("the writer stopped by itself"), "{said}");
    (record, directory)
}

#[test]
fn without_a_cut_nothing_is_lost_and_nothing_can_be_said() {
    let sandbox = tempfile::tempdir().unwrap();
    let (record, directory) = finished(&sandbox, &["--seconds", "1"]);
    let (status, report) = verify("--record", &record, &directory);
    assert_eq!((status, report.verdict()), (2, "inconclusive"));
    assert_eq!(report.0["why"], "nothing_lost");
    assert!(report.0["writer_stopped_by_itself"].as_bool().unwrap());
    for mode in report.modes() {
        assert!(mode["acknowledged"].as_u64().unwrap() > 0, "{mode}");
        assert_eq!(mode["lost"], 0, "{mode}");
    }
    let (status, text) = verified_as_text(&record, &directory);
    assert_eq!(status, Some(2));
    let heads = "mode promises acknowledged survived lost torn undecided no name median verdict";
    assert_eq!(row(&text, "mode "), heads);
    let acknowledged = report.count("fsync", "acknowledged");
    let expected = format!("fsync data {acknowledged} {acknowledged} 0 0 0 - ");
    assert!(row(&text, "fsync ").starts_with(&expected), "{text}");
    assert!(!text.contains("lost, by the seconds"), "{text}");
    assert!(text.contains("\nINCONCLUSIVE: even what was not synced is there"), "{text}");
}

/// Records and pages that are altered, as a disk would that lies.
#[test]
fn what_was_acknowledged_and_is_not_there_is_a_violation() {
    let sandbox = tempfile::tempdir().unwrap();
    let (record, directory) = finished(&sandbox, &["--seconds", "1"]);
    let whole = std::fs::read_to_string(&record).unwrap();
    let (run, time) = last(&record);
    for (mode, status, verdict) in
        [("msync", 1, "violated"), ("O_DSYNC", 1, "violated"), ("none", 0, "holds")]
    {
        let claim = format!("{time} {run} pre {mode} 0 999\n{time} {run} ack {mode} 0 999 1\n");
        append(&record, &claim);
        let (seen, report) = verify("--record", &record, &directory);
        assert_eq!((seen, report.verdict()), (status, verdict), "{mode}");
        assert!(report.count(mode, "lost") >= 1);
        assert_eq!(report.of_mode(mode)["lost_ages"][0].as_u64().unwrap(), 1);
        let (seen, text) = verified_as_text(&record, &directory);
        assert_eq!(seen, Some(status));
        let (_, ages) = text.split_once("to the end of the record:\n").unwrap();
        assert_eq!(row(ages, "mode "), "mode < 1 < 2 < 5 < 10 < 20 < 30 < 60 < 120 more");
        assert_eq!(row(ages, mode), format!("{mode} 1 0 0 0 0 0 0 0 0"));
        std::fs::write(&record, &whole).unwrap();
    }
    // A name that is gone, one that is there without its bytes, and pages that were damaged.
    let name_of = |mode: &str| {
        let names = std::fs::read_dir(directory.join(mode)).unwrap();
        names.map(|name| name.unwrap().path()).next().unwrap()
    };
    std::fs::remove_file(name_of("rename")).unwrap();
    std::fs::remove_file(name_of("new-file")).unwrap();
    // An empty file counts as one whose name is gone, which Windows may do.
    let without = if cfg!(windows) { vec![0; 4096] } else { Vec::new() };
    std::fs::write(name_of("new-file+directory"), without).unwrap();
    let fsync = directory.join("fsync");
    let bytes = std::fs::read(&fsync).unwrap();
    std::fs::write(&fsync, vec![0xa5; bytes.len()]).unwrap();
    let direct = directory.join("O_DSYNC");
    std::fs::write(&direct, vec![0; bytes.len()]).unwrap();
    let (status, report) = verify("--record", &record, &directory);
    assert_eq!((status, report.verdict()), (1, "violated"));
    for mode in ["rename", "new-file+directory", "fsync", "O_DSYNC"] {
        assert_eq!(report.of_mode(mode)["verdict"], "violated", "{mode}");
    }
    assert_eq!(report.count("rename", "names_missing"), 1);
    assert_eq!(report.count("new-file", "names_missing"), 1);
    assert_eq!(report.count("new-file", "broken"), 0, "its name was never promised");
    assert!(report.count("fsync", "sectors_foreign") > 0);
    assert!(report.count("O_DSYNC", "sectors_zero") > 0);
}

#[test]
fn a_record_that_is_older_than_the_pages_is_noticed() {
    let sandbox = tempfile::tempdir().unwrap();
    let (record, directory) = finished(&sandbox, &["--seconds", "1", "--modes", "none,fsync"]);
    let whole = std::fs::read_to_string(&record).unwrap();
    let half: Vec<_> = whole.lines().take(whole.lines().count() / 2).collect();
    std::fs::write(&record, half.join("\n") + "\n").unwrap();
    let (status, report) = verify("--record", &record, &directory);
    assert_eq!((status, report.0["why"].as_str()), (2, Some("old_record")));
}

#[test]
fn writers_at_once_are_told_apart_and_their_records_can_be_fetched() {
    let sandbox = tempfile::tempdir().unwrap();
    let record = path_in(&sandbox, "record");
    let witness = Witness::here(&record, &[]);
    let writers: Vec<_> = ["one", "two"]
        .map(|name| {
            let directory = path_in(&sandbox, name);
            let options = ["--seconds", "1", "--size", "1"];
            (write_here(&witness.address, &options, &directory), directory)
        })
        .into();
    for (writer, directory) in writers {
        let (status, said) = writer.end();
        assert_eq!(status, Some(0), "{said}");
        let (_, fetched) = verify("--witness", &witness.address, &directory);
        let (_, copied) = verify("--record", &record, &directory);
        assert_eq!(fetched.0, copied.0);
    }
    #[cfg(unix)]
    witness.process.stop(rustix::process::Signal::TERM);
}

#[test]
fn a_stopped_witness_leaves_a_record_of_all_that_it_confirmed_and_the_writer_stops() {
    let sandbox = tempfile::tempdir().unwrap();
    let (record, directory) = (path_in(&sandbox, "record"), path_in(&sandbox, "run"));
    let witness = Witness::here(&record, &[]);
    let writer = write_here(&witness.address, &["--size", "1"], &directory);
    wait_for(&record, " ack ", 50);
    // Windows has only the end of the process, by `TerminateProcess`.
    #[cfg(unix)]
    witness.process.stop(rustix::process::Signal::INT);
    #[cfg(windows)]
    drop(witness);
    let (status, said) = writer.end();
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("the witness at 127.0.0.1:") && said.contains("is gone"), "{said}");
    let (_, report) = verify("--record", &record, &directory);
    assert_eq!(report.0["writer_stopped_by_itself"], false);
    assert!(report.count("fsync", "acknowledged") >= 5);
    // It goes on with the same record.
    let witness = Witness::here(&record, &["--once"]);
    let options = ["--seconds", "1", "--size", "1", "--modes", "none"];
    assert_eq!(write_here(&witness.address, &options, &path_in(&sandbox, "more")).end().0, Some(0));
    assert_eq!(witness.process.end().0, Some(0));
    verify("--record", &record, &path_in(&sandbox, "more"));
}

#[test]
fn what_cannot_be_done_is_said_and_ends_with_2() {
    let sandbox = tempfile::tempdir().unwrap();
    std::fs::write(path_in(&sandbox, "letter"), b"Dear reader\n").unwrap();
    std::fs::create_dir(path_in(&sandbox, "full")).unwrap();
    std::fs::write(path_in(&sandbox, "full/mine"), b"").unwrap();
    let witness = Witness::here(&path_in(&sandbox, "record"), &[]);
    let address = witness.address.clone();
    for (arguments, words) in [
        (vec!["write", "--witness", "127.0.0.1:1", "new"], "cannot connect to 127.0.0.1:1"),
        (vec!["write", "--witness", &address, "full"], "'full' is not empty"),
        (vec!["write", "--witness", &address, "--modes", "some", "new"], "some"),
        (vec!["write", "--witness", &address, "--size", "0", "new"], "'0' for '--size <MIB>'"),
        (vec!["verify", "--record", "record", "full"], "no run was written to 'full'"),
        (vec!["verify", "full"], "--record"),
        (
            vec!["witness", "--listen", "127.0.0.1:0", "letter"],
            "'letter', line 1: this is no record",
        ),
    ] {
        let mut command = Command::new(PROGRAM);
        let output = command.current_dir(sandbox.path()).args(&arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
    assert!(!path_in(&sandbox, "new").exists(), "a failed start leaves nothing");
}

/// On Windows by `TerminateProcess`: what was stored stays in the system's memory, and is there.
#[test]
fn a_writer_that_is_killed_leaves_all_that_it_stored() {
    let sandbox = tempfile::tempdir().unwrap();
    let (record, directory) = (path_in(&sandbox, "record"), path_in(&sandbox, "run"));
    let witness = Witness::here(&record, &["--once"]);
    let writer = write_here(&witness.address, &["--size", "1"], &directory);
    wait_for(&record, " ack fsync ", 5);
    drop(writer);
    let (status, said) = witness.process.end();
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("stopped by itself"), "{said}");
    let (status, report) = verify("--record", &record, &directory);
    assert_eq!((status, report.0["why"].as_str()), (2, Some("nothing_lost")), "{}", report.0);
    assert_eq!(report.0["writer_stopped_by_itself"], false);
    assert!(report.count("fsync", "acknowledged") >= 5);
    for mode in report.modes() {
        assert_eq!(mode["lost"], 0, "{mode}");
    }
}

#[test]
fn a_name_is_promised_where_the_system_promises_it() {
    let sandbox = tempfile::tempdir().unwrap();
    let modes = "none,new-file,new-file+directory,rename";
    let (record, directory) = finished(&sandbox, &["--seconds", "1", "--modes", modes]);
    let (_, report) = verify("--record", &record, &directory);
    let of_directory = if cfg!(windows) { "data_of_name" } else { "data_and_name" };
    assert_eq!(report.of_mode("new-file")["promises"], "data_of_name");
    assert_eq!(report.of_mode("new-file+directory")["promises"], of_directory);
    assert_eq!(report.of_mode("rename")["promises"], "data_and_name");
}

#[test]
#[cfg(windows)] // Linux has all of them.
fn what_windows_lacks_is_refused_by_name_and_else_left_out() {
    let sandbox = tempfile::tempdir().unwrap();
    let directory = path_in(&sandbox, "new");
    let options = ["--modes", "none,fdatasync", "--seconds", "1"];
    let (status, said) = write_here("127.0.0.1:1", &options, &directory).end();
    assert_eq!(status, Some(2));
    assert!(said.starts_with("mycp-crash: mode fdatasync is unsupported here: Windows "), "{said}");
    assert!(!directory.exists());
    let witness = Witness::here(&path_in(&sandbox, "record"), &["--once"]);
    let options = ["--size", "1", "--seconds", "1"];
    let (status, said) = write_here(&witness.address, &options, &directory).end();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("mycp-crash: mode fdatasync is left out: Windows "), "{said}");
    assert!(said.contains(": 9 modes with "), "{said}");
    assert!(!directory.join("fdatasync").exists());
}

/// With signals, strace, and two machines that are network namespaces.
#[cfg(target_os = "linux")]
mod on_linux {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::support::Sandbox;
    use crate::support::mounts::{Kind, Mounts, succeed, words};

    /// A writer of Windows, of which `MYCP_WINDOWS_WRITER` has the words that run it.
    #[test]
    #[ignore = "needs Wine and the program for Windows"]
    fn a_writer_of_windows_tells_a_witness_of_linux() {
        let runner = std::env::var("MYCP_WINDOWS_WRITER").unwrap();
        let sandbox = Sandbox::new();
        let record = sandbox.path("record");
        let witness = Witness::here(&record, &["--once"]);
        let options = ["--seconds", "2", "--size", "1"];
        let writer = write(words(&runner), &witness.address, &options, &sandbox.path("run"));
        let (status, said) = writer.end();
        assert_eq!(status, Some(0), "{said}");
        let (status, said) = witness.process.end();
        assert_eq!(status, Some(0), "{said}");
        let (_, report) = verify("--record", &record, &sandbox.path("run"));
        assert_eq!(report.0["why"], "nothing_lost", "{}", report.0);
        assert_eq!(report.modes().len(), 9);
        for mode in report.modes() {
            assert!(mode["acknowledged"].as_u64().unwrap() > 0, "{mode}");
        }
    }

    /// Whatever a witness has answered is on its disk, or it has not answered.
    #[test]
    fn a_witness_that_cannot_flush_its_record_confirms_nothing_more() {
        let sandbox = Sandbox::new();
        let record = sandbox.path("record");
        let mut command =
            words("strace -f -qq -e trace=fdatasync -e inject=fdatasync:error=EIO:when=3");
        command.arg("-o").arg(sandbox.path("log")).arg(PROGRAM);
        let witness = Witness::start(command, "127.0.0.1:0", &record, &[]);
        let writer = write_here(&witness.address, &["--size", "1"], &sandbox.path("run"));
        for (process, words) in [
            (writer, "answers: refused: the witness failed: cannot flush"),
            (witness.process, "record': Input/output error"),
        ] {
            let (status, said) = process.end();
            assert_eq!(status, Some(2), "{said}");
            assert!(said.contains(words), "{said}");
        }
    }

    /// Two machines: network namespaces with a cable between them.
    struct Machines {
        names: [String; 2],
    }

    impl Machines {
        const ADDRESSES: [&str; 2] = ["10.77.0.1", "10.77.0.2"];

        fn new() -> Self {
            // Tests run at once, in one process.
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let name = |end| format!("mycp-{process}-{count}{end}");
            let machines = Self { names: ["a", "b"].map(name) };
            for name in &machines.names {
                succeed(words("ip netns add").arg(name));
            }
            let [one, two] = &machines.names;
            let ends = format!("ip -n {one} link add cut type veth peer name cut netns {two}");
            succeed(&mut words(&ends));
            for (name, address) in machines.names.iter().zip(Self::ADDRESSES) {
                succeed(&mut words(&format!("ip -n {name} addr add {address}/24 dev cut")));
                succeed(&mut words(&format!("ip -n {name} link set cut up")));
            }
            machines
        }

        /// The program, to be run on one of them by these words.
        fn program(&self, machine: usize, wrapper: &[&str]) -> Command {
            let mut command = words(&format!("ip netns exec {}", self.names[machine]));
            command.args(wrapper).arg(PROGRAM);
            command
        }
    }

    impl Drop for Machines {
        fn drop(&mut self) {
            for name in &self.names {
                if !words("ip netns del").arg(name).status().is_ok_and(|status| status.success()) {
                    eprintln!("cannot delete the network namespace {name}");
                }
            }
        }
    }

    /// Has a file system forget all that is not on the disk (the request of XFS, which ext4 has,
    /// too).
    fn shut_down(mounted: &Path) {
        const GOING_DOWN: libc::c_ulong = 0x8004_587d;
        let without_flush = 2_u32;
        let directory = std::fs::File::open(mounted).unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&directory);
        // SAFETY: the request reads one number, which outlives the call.
        let result = unsafe { libc::ioctl(descriptor, GOING_DOWN as _, &raw const without_flush) };
        assert_eq!(result, 0, "shutdown of {}", mounted.display());
    }

    /// Whether the writer lives on when its file system goes.
    #[derive(Clone, Copy, PartialEq)]
    enum Writer {
        Killed,
        Lives,
    }

    /// What is found after a cut; the writer has these options, and is run by these words.
    fn cut(kind: Kind, fate: Writer, options: &[&str], wrapper: &[&str]) -> (i32, Report) {
        // The mounts go first, and the namespaces of the network are bound in that of the mounts.
        let mut mounts = Mounts::new();
        let sandbox = Sandbox::new();
        let machines = Machines::new();
        let record = sandbox.path("record");
        let listen = format!("{}:7113", Machines::ADDRESSES[0]);
        let witness = Witness::start(machines.program(0, &[]), &listen, &record, &[]);
        let mounted = mounts.add(kind, kind.smallest_mib());
        let image = image_of(&mounted);
        let directory = mounted.join("run");
        let mut writer = write(machines.program(1, wrapper), &listen, options, &directory);
        wait_for(&record, " ack fsync ", 60);
        if fate == Writer::Killed {
            writer.0.kill().unwrap();
            writer.0.wait().unwrap();
        }
        shut_down(&mounted);
        if fate == Writer::Lives {
            let (status, said) = writer.end();
            assert_eq!(status, Some(2), "{said}");
            assert!(said.contains("mycp-crash: mode "), "{said}");
        } else {
            drop(writer);
        }
        succeed(words("umount").arg(&mounted));
        succeed(words("mount -o loop").arg(&image).arg(&mounted));
        let found = verify("--record", &record, &directory);
        drop(witness);
        found
    }

    /// The image of the file system that is mounted there.
    fn image_of(mounted: &Path) -> PathBuf {
        let output = words("findmnt -n -o SOURCE").arg(mounted).output().unwrap();
        let device = String::from_utf8(output.stdout).unwrap();
        let device = device.trim_end().strip_prefix("/dev/").unwrap();
        let image =
            std::fs::read_to_string(format!("/sys/block/{device}/loop/backing_file")).unwrap();
        image.trim_end().into()
    }

    #[test]
    #[ignore = "needs root"]
    fn a_cut_loses_what_was_not_synced_and_nothing_else() {
        for kind in [Kind::Ext4, Kind::Xfs] {
            for fate in [Writer::Killed, Writer::Lives] {
                let (status, report) = cut(kind, fate, &["--size", "8"], &[]);
                let text = serde_json::to_string_pretty(&report.0).unwrap();
                assert_eq!((status, report.verdict()), (0, "holds"), "{text}");
                assert_eq!(report.modes().len(), 10, "{text}");
                for mode in report.modes() {
                    // Names that are replaced are not claimed any more.
                    assert!(mode["acknowledged"].as_u64().unwrap() >= 30, "{mode}");
                    let may_lose = matches!(mode["mode"].as_str(), Some("none" | "msync-async"));
                    assert_eq!(mode["lost"].as_u64().unwrap() > 0, may_lose, "{mode}");
                }
            }
        }
    }

    /// The writer's system says that it has synced, and has not.
    #[test]
    #[ignore = "needs root"]
    fn a_system_that_lies_about_one_call_is_found_out() {
        let strace = "strace -f -qq -o /dev/null -e trace=msync,fdatasync -e";
        for (call, mode) in [("msync", "msync"), ("fdatasync", "fdatasync")] {
            let lie = format!("inject={call}:retval=0");
            let wrapper: Vec<_> = strace.split(' ').chain([&*lie]).collect();
            let options = ["--size", "8", "--modes", "none,msync,fdatasync,fsync"];
            let (status, report) = cut(Kind::Ext4, Writer::Lives, &options, &wrapper);
            let text = serde_json::to_string_pretty(&report.0).unwrap();
            assert_eq!((status, report.verdict()), (1, "violated"), "{text}");
            for found in report.modes() {
                let is_liar = found["mode"] == mode;
                assert_eq!(found["verdict"] == "violated", is_liar, "{found}");
            }
            assert_eq!(report.count(mode, "survived"), 0, "{text}");
        }
    }
}
