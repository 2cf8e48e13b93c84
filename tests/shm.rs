//! Segments of shared memory, as the library, `mycp` and `mycp-shm` have them.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mycp::shm::{self, Access, Creation, Region, Segment, SegmentName, Status, Use};
use mycp::{Cause, Operation};
use serde_json::Value;

use crate::support::{Sandbox, content};

mod help;
mod peers;

/// Segments of a test, removed when it ends, however it does.
struct Names {
    prefix: String,
    /// Between the keys of other processes and other tests.
    keys: u32,
    made: std::cell::RefCell<Vec<SegmentName>>,
}

impl Names {
    fn new(test: &str) -> Self {
        let prefix = format!("mycp-test-{test}-{}", std::process::id());
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let test = TESTS.fetch_add(1, Ordering::Relaxed) & 0xff;
        let keys = 0x6d00_0000 | (std::process::id() & 0xfff) << 12 | test << 4;
        Self { prefix, keys, made: Default::default() }
    }

    fn note(&self, word: &str) -> SegmentName {
        let name: SegmentName = word.parse().unwrap();
        self.made.borrow_mut().push(name.clone());
        name
    }

    /// The spelling of a POSIX name.
    fn posix(&self, name: &str) -> String {
        let word = format!("shm:/{}-{name}", self.prefix);
        self.note(&word);
        word
    }

    /// The spelling of a key that nobody else has; the number is less than 16.
    fn key(&self, number: u32) -> String {
        let word = format!("sysv:key={:#x}", self.keys | number);
        self.note(&word);
        word
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for name in self.made.borrow().iter() {
            drop(shm::remove(name));
        }
    }
}

fn named(word: &str) -> SegmentName {
    word.parse().unwrap()
}

fn file_of(word: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/{}", word.strip_prefix("shm:/").unwrap()))
}

fn bytes_of(region: &Region) -> Vec<u8> {
    let mut bytes = vec![0; region.len() as usize];
    region.read_at(0, &mut bytes).unwrap();
    bytes
}

fn read(word: &str) -> Vec<u8> {
    let segment = Segment::options().access(Access::Read).open(&named(word)).unwrap();
    bytes_of(&segment.map().unwrap())
}

/// Runs one of the programs.
fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program).args(words).stdin(Stdio::null()).output().unwrap()
}

const MYCP: &str = env!("CARGO_BIN_EXE_mycp");
const MYCP_SHM: &str = env!("CARGO_BIN_EXE_mycp-shm");

#[track_caller]
fn done(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a program says that fails.
#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A name of each kind.
fn kinds(names: &Names) -> [String; 2] {
    [names.posix("each"), names.key(1)]
}

#[test]
fn making_and_finding_are_what_was_asked_for() {
    let names = Names::new("making");
    for word in kinds(&names) {
        let name = named(&word);
        let open = |creation| Segment::options().creation(creation).open(&name);
        let errno = |result: Result<Segment, mycp::Error>| {
            let error = result.unwrap_err();
            (error.operation, error.os_error().unwrap().raw_os_error().unwrap())
        };
        assert_eq!(errno(open(Creation::Existing)), (Operation::Open, 2), "{word}");
        let made = open(Creation::New { len: 5000 }).unwrap();
        assert!(made.is_new());
        assert_eq!(made.len().unwrap(), 5000, "the length is not rounded");
        let region = made.map().unwrap();
        assert_eq!((region.len(), region.mapped_len()), (5000, 8192));
        assert!(bytes_of(&region).iter().all(|byte| *byte == 0));
        region.write_at(4999, b"x").unwrap();
        let past = region.write_at(4999, b"xy").unwrap_err();
        assert!(matches!(past.cause, Cause::TooSmall { len: 5000, needed: 5001 }), "{past:?}");

        assert_eq!(errno(open(Creation::New { len: 1 })), (Operation::Create, 17), "{word}");
        let again = open(Creation::Either { len: 5000 }).unwrap();
        assert!(!again.is_new());
        assert_eq!(bytes_of(&again.map().unwrap())[4999], b'x');
        let short = open(Creation::Either { len: 5001 }).unwrap_err();
        assert!(matches!(short.cause, Cause::TooSmall { len: 5000, needed: 5001 }), "{short:?}");

        let new = open(Creation::Replace { len: 10 }).unwrap();
        assert!(new.is_new());
        assert_eq!(read(&word), [0; 10]);
        // Whoever has the old one goes on with it.
        region.write_at(0, b"y").unwrap();
        assert_eq!(bytes_of(&region)[4999], b'x');
        // Dropping removes nothing.
        drop(new);
        assert_eq!(open(Creation::Existing).unwrap().len().unwrap(), 10);
        assert!(open(Creation::New { len: 0 }).is_err());
    }
}

#[test]
fn the_mode_is_what_was_asked_for_whatever_the_umask() {
    let names = Names::new("mode");
    for word in kinds(&names) {
        // A process of its own, since the umask is one's for all threads.
        let line = format!("umask 077; exec {MYCP_SHM} create {word} --size 1 --mode 646");
        done(&run("sh", &["-c", &line]));
        let status = shm::status(&named(&word)).unwrap();
        assert_eq!((status.mode, status.len), (Some(0o646), 1));
        let segment = Segment::options().open(&named(&word)).unwrap();
        segment.set_permissions(0o600, None).unwrap();
        assert_eq!(segment.status().unwrap().mode, Some(0o600));
    }
    let word = names.posix("default");
    done(&run("sh", &["-c", &format!("umask 0; exec {MYCP_SHM} create {word} --size 1")]));
    assert_eq!(file_of(&word).metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn one_that_has_no_bytes_yet_is_waited_for_and_not_used() {
    let names = Names::new("unfinished");
    let word = names.posix("object");
    let file = std::fs::File::create(file_of(&word)).unwrap();
    let open = |wait| Segment::options().wait(wait).open(&named(&word));
    let error = open(Duration::ZERO).unwrap_err();
    assert!(matches!(error.cause, Cause::Unfinished), "{error:?}");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| open(Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(20));
        file.set_len(7).unwrap();
        assert_eq!(waits.join().unwrap().unwrap().len().unwrap(), 7);
    });
    file.set_len(0).unwrap();
    let line = done(&run(MYCP_SHM, &["ls", "--json"]));
    let line = line.lines().find(|line| line.contains(&names.prefix)).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["status"], &line["size"]), (&"empty".into(), &0.into()));
}

#[test]
fn a_removed_segment_goes_with_the_last_detach_and_is_shown_until_then() {
    let names = Names::new("removed");
    let word = names.key(2);
    let made = Segment::options().creation(Creation::New { len: 10 }).open(&named(&word)).unwrap();
    let id = format!("sysv:id={}", made.id().unwrap());
    let region = made.map().unwrap();
    done(&run(MYCP_SHM, &["rm", &word]));
    assert!(shm::status(&named(&word)).is_err(), "its key is gone");
    let status = shm::status(&named(&id)).unwrap();
    assert!(status.is_removed);
    assert_eq!((status.attached, status.usage), (Some(1), Use::Used));
    let shown = done(&run(MYCP_SHM, &["stat", &id]));
    assert!(shown.contains("status:") && shown.contains("dest"), "{shown}");
    // On Linux it can be attached by its identifier.
    assert_eq!(read(&id).len(), 10);
    drop(region);
    let gone = shm::status(&named(&id)).unwrap_err();
    assert_eq!(gone.os_error().unwrap().raw_os_error(), Some(2));
}

#[test]
fn what_is_copied_to_a_segment_and_from_it_is_the_same() {
    let sandbox = Sandbox::new();
    let names = Names::new("copies");
    // Below and above what is read in one go, and off the page.
    for (number, len) in [1, 4096, 100_001, 9_000_003].into_iter().enumerate() {
        let bytes = content(number as u64, len);
        let file = sandbox.write("file", &bytes);
        let file = file.to_str().unwrap();
        let back = sandbox.path("back");
        let back = back.to_str().unwrap();
        let words = [names.posix(&format!("a{number}")), names.key(number as u32 + 3)];
        let others = [names.posix(&format!("b{number}")), names.key(number as u32 + 8)];
        for word in &words {
            done(&run(MYCP, &["--verify", file, word]));
            assert!(read(word) == bytes, "{word}");
            assert_eq!(shm::status(&named(word)).unwrap().mode, Some(0o600));
            done(&run(MYCP, &["--verify", word, back]));
            assert!(sandbox.read("back") == bytes, "{word}");
            let sent = run(MYCP, &[word, "-"]);
            assert!(sent.stdout == bytes, "{word}");
            std::fs::remove_file(back).unwrap();
        }
        for (word, other) in words.iter().zip(others.iter().rev()) {
            done(&run(MYCP, &[word, other]));
            assert!(read(other) == bytes, "{word} {other}");
        }
        // An existing one is written in place, and what is behind the source stays.
        let shorter = content(99, len - len / 3);
        let short = sandbox.write("short", &shorter);
        for word in words.iter().chain(&others) {
            let segment = Segment::options().access(Access::Read).open(&named(word)).unwrap();
            let region = segment.map().unwrap();
            let said = done(&run(MYCP, &["--explain", short.to_str().unwrap(), word]));
            assert!(said.contains("written in place: others may have mapped"), "{said}");
            let now = bytes_of(&region);
            assert!(
                now[..shorter.len()] == shorter && now[shorter.len()..] == bytes[shorter.len()..]
            );
        }
    }
}

#[test]
fn a_pipe_fills_a_segment_and_stops_at_its_end() {
    let names = Names::new("pipe");
    for word in kinds(&names) {
        done(&run(MYCP_SHM, &["create", &word, "--size", "300K"]));
        let fill = |len: usize| {
            let line = format!("head -c {len} /dev/zero | tr '\\0' x | {MYCP} - {word}");
            run("sh", &["-c", &line])
        };
        done(&fill(200_000));
        let bytes = read(&word);
        assert!(
            bytes[..200_000].iter().all(|byte| *byte == b'x') && bytes[200_000..] == [0; 107_200]
        );
        done(&fill(307_200));
        let said = refused(&fill(307_201));
        assert!(said.contains("it has only 307200 bytes, and "), "{said}");
        assert_eq!(shm::status(&named(&word)).unwrap().len, 307_200);
    }
}

#[test]
fn what_cannot_be_copied_says_why_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let names = Names::new("refused");
    let file = sandbox.write("file", &content(1, 5000));
    let file = file.to_str().unwrap();
    let empty = sandbox.write("empty", b"");
    let directory = sandbox.path("directory");
    std::fs::create_dir(&directory).unwrap();
    let directory = directory.to_str().unwrap();
    let target = sandbox.path("target");
    let target = target.to_str().unwrap();
    for word in kinds(&names) {
        for (words, expected) in [
            (
                &[word.as_str(), target][..],
                "cannot open 'WORD': No such file or directory (os error 2)",
            ),
            (&["--flush", file, &word], "cannot flush 'WORD': it is on no disk"),
            (&["-p", file, &word], "--preserve needs a target that is a file, not a segment"),
            (&["--delta", file, &word], "--delta needs a target that is a file, not a segment"),
            (&["--lock-wait", file, &word], "--lock-wait waits for what --mirror and --lock lock"),
            (&["--lock", file, target], "--lock locks segments, and none is named"),
            (&["--shm-mode=640", &word, target], "--shm-mode is about segments that are made"),
            // The default, which was not seen to be said.
            (&["--shm-mode=600", &word, target], "--shm-mode is about segments that are made"),
            (&["--mirror", file, &word], "--mirror needs a target that is a file, not a segment"),
            (&["--lock=name", file, &word], "it can be record, or a semaphore: sem:/NAME,"),
            (&["--lock=sysv:private", file, &word], "is named by its identifier, sysv:id=ID"),
            (&["--lock=sem:/a/b", file, &word], ": 'sem:/a/b': a name has no slash but the first"),
            (&["-r", directory, &word], "cannot copy the directory "),
            (
                &[empty.to_str().unwrap(), &word],
                "cannot create 'WORD': the source is empty, and a segment has at least one byte",
            ),
            (&["-", &word], "cannot create 'WORD': the length of the source is not known"),
        ] {
            let said = refused(&run(MYCP, words));
            let spelled = named(&word).to_string();
            let expected = expected.replace("'WORD'", &spelled);
            assert!(said.contains(&expected), "{words:?}: {said}");
            assert!(shm::status(&named(&word)).is_err(), "{words:?}");
            assert!(!sandbox.path("target").exists(), "{words:?}");
        }
        done(&run(MYCP_SHM, &["create", &word, "--size", "4999"]));
        let said = refused(&run(MYCP, &[file, &word]));
        assert!(said.contains("it has only 4999 bytes, and 5000 are needed"), "{said}");
        assert_eq!(read(&word), [0; 4999]);
        let said = refused(&run(MYCP, &[&word, &word]));
        assert!(said.contains("are the same file"), "{said}");
        done(&run(MYCP, &["-n", &word, &word]));
    }
}

/// Rewrites the source when its copy has begun, once.
struct Rewriting<'a> {
    source: &'a std::path::Path,
    bytes: Vec<u8>,
    is_done: std::sync::atomic::AtomicBool,
}

impl mycp::Observer for Rewriting<'_> {
    fn event(&self, event: mycp::Event) -> mycp::Flow {
        let is_first = matches!(event, mycp::Event::Copied { .. })
            && !self.is_done.swap(true, std::sync::atomic::Ordering::SeqCst);
        if is_first {
            std::thread::sleep(Duration::from_millis(20));
            std::fs::write(self.source, &self.bytes).unwrap();
        }
        mycp::Flow::Continue
    }
}

#[test]
fn a_source_that_changes_does_not_change_the_length_of_a_segment() {
    let sandbox = Sandbox::new();
    let names = Names::new("changing");
    let options = mycp::CopyOptions::default();
    let copy = |old: &[u8], new: &[u8], word: &str| {
        let source = sandbox.write("source", old);
        let observer =
            Rewriting { source: &source, bytes: new.to_vec(), is_done: Default::default() };
        let target = mycp::Endpoint::Segment(named(word));
        let endpoint = mycp::Endpoint::from(source.clone());
        mycp::Copier::new(&options).observer(&observer).copy(&endpoint, &target)
    };
    let (old, new) = (content(1, 9_000_000), content(2, 9_000_000));
    let longer = content(3, 9_000_001);
    for word in kinds(&names) {
        // To a new one.
        copy(&old, &new, &word).unwrap();
        assert!(read(&word) == new, "{word}");
        // To one that is there.
        copy(&new, &old, &word).unwrap();
        assert!(read(&word) == old, "{word}");
        let error = copy(&old, &longer, &word).unwrap_err();
        assert!(matches!(error.cause, Cause::Changed), "{error:?}");
        assert_eq!(shm::status(&named(&word)).unwrap().len, 9_000_000);
        shm::remove(&named(&word)).unwrap();
        let error = copy(&old, &longer, &word).unwrap_err();
        assert!(matches!(error.cause, Cause::Changed), "{error:?}");
        assert!(shm::status(&named(&word)).is_err(), "nothing is left of it");
    }
}

/// Does something when a copy has begun, once.
struct Meanwhile<F>(std::sync::Mutex<Option<F>>);

impl<F: FnOnce() + Send> mycp::Observer for Meanwhile<F> {
    fn event(&self, event: mycp::Event) -> mycp::Flow {
        if matches!(event, mycp::Event::Copied { .. })
            && let Some(act) = self.0.lock().unwrap().take()
        {
            act();
        }
        mycp::Flow::Continue
    }
}

#[test]
fn a_new_object_has_no_name_while_it_is_filled() {
    let sandbox = Sandbox::new();
    let names = Names::new("hidden");
    let word = names.posix("object");
    let source = sandbox.write("source", &content(1, 9_000_000));
    let seen = std::sync::Mutex::new(None);
    let look = || *seen.lock().unwrap() = Some(shm::status(&named(&word)).is_ok());
    let observer = Meanwhile(std::sync::Mutex::new(Some(look)));
    let options = mycp::CopyOptions::default();
    let (source, target) = (mycp::Endpoint::from(source), mycp::Endpoint::Segment(named(&word)));
    mycp::Copier::new(&options).observer(&observer).copy(&source, &target).unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(false));
    assert_eq!(shm::status(&named(&word)).unwrap().len, 9_000_000);
}

#[test]
fn a_locked_object_that_is_replaced_meanwhile_is_an_error() {
    let sandbox = Sandbox::new();
    let names = Names::new("replaced");
    let word = names.posix("object");
    let bytes = sandbox.write("bytes", &content(1, 9_000_000));
    done(&run(MYCP, &[bytes.to_str().unwrap(), &word]));
    let replace = || {
        let options = Segment::options().creation(Creation::Replace { len: 9_000_000 });
        drop(options.open(&named(&word)).unwrap());
    };
    let observer = Meanwhile(std::sync::Mutex::new(Some(replace)));
    let segments = mycp::SegmentChoices { guarding: mycp::Guarding::Record, ..Default::default() };
    let options = mycp::CopyOptions { segments, ..Default::default() };
    let source = mycp::Endpoint::Segment(named(&word));
    let target = mycp::Endpoint::from(sandbox.path("back"));
    let copied = mycp::Copier::new(&options).observer(&observer).copy(&source, &target);
    assert!(matches!(copied.unwrap_err().cause, Cause::Replaced));
}

#[test]
fn two_copies_do_not_mix_in_one_object() {
    let sandbox = Sandbox::new();
    let names = Names::new("mix");
    let word = names.posix("object");
    let file = sandbox.write("file", &content(1, 5000));
    done(&run(MYCP_SHM, &["create", &word, "--size", "5000"]));
    let other = std::fs::File::open(file_of(&word)).unwrap();
    other.try_lock().unwrap();
    let said = refused(&run(MYCP, &[file.to_str().unwrap(), &word]));
    let id = std::process::id();
    assert!(said.contains("cannot lock ") && said.contains(&format!("process {id}")), "{said}");
    assert_eq!(read(&word), [0; 5000]);
    other.unlock().unwrap();
    done(&run(MYCP, &[file.to_str().unwrap(), &word]));
    assert!(read(&word) == content(1, 5000));
}

#[test]
fn a_segment_without_a_key_is_told_by_its_identifier() {
    let sandbox = Sandbox::new();
    let names = Names::new("private");
    let file = sandbox.write("file", b"bytes");
    let said = done(&run(MYCP, &["--json", file.to_str().unwrap(), "sysv:private"]));
    let line: Value = serde_json::from_str(&said).unwrap();
    let word = line["target"].as_str().unwrap();
    names.note(word);
    assert_eq!(word, format!("sysv:id={}", line["segment_id"]));
    assert_eq!(read(word), b"bytes");
    let word = done(&run(MYCP_SHM, &["create", "sysv:private", "--size", "3"]));
    names.note(word.trim_end());
    assert_eq!(read(word.trim_end()), [0; 3]);
    let by_path = format!("sysv:ftok={},9", file.display());
    names.note(&by_path);
    done(&run(MYCP, &[file.to_str().unwrap(), &by_path]));
    let key = shm::status(&named(&by_path)).unwrap().key.unwrap();
    let inode = file.metadata().unwrap().ino();
    assert_eq!(u64::from(key.get().cast_unsigned() & 0xffff), inode & 0xffff);
}

#[test]
fn what_nobody_uses_is_listed_and_removed_with_yes_only() {
    let names = Names::new("prune");
    let (used, unused) = (names.posix("used"), names.posix("unused"));
    let (attached, left) = (names.key(14), names.key(15));
    for word in [&used, &unused, &attached, &left] {
        // By a process that ends.
        done(&run(MYCP_SHM, &["create", word, "--size", "5000"]));
    }
    let _open = Segment::options().access(Access::Read).open(&named(&used)).unwrap();
    let mapped = Segment::options().access(Access::Read).open(&named(&attached)).unwrap().map();
    let id = |word: &str| shm::status(&named(word)).unwrap().id.unwrap();
    let [attached_id, left_id] = [&attached, &left].map(|word| format!("sysv:id={}", id(word)));
    let said = done(&run(MYCP_SHM, &["prune"]));
    assert!(said.contains(&unused) && said.contains(&left_id), "{said}");
    let words: Vec<_> = said.split_whitespace().collect();
    assert!(!words.contains(&used.as_str()) && !words.contains(&attached_id.as_str()), "{said}");
    // Of these only, since others of this machine may be in the list.
    for word in [&used, &unused, &attached_id, &left_id] {
        let expected = [&unused, &left_id].contains(&word);
        assert_eq!(shm::remove_unused(&named(word)).unwrap(), expected, "{word}");
        assert_eq!(shm::status(&named(word)).is_err(), expected, "{word}");
    }
    drop(mapped);
}

#[test]
fn listed_is_what_lsipc_and_ipcs_say() {
    let names = Names::new("listed");
    let (posix, key) = (names.posix("object"), names.key(13));
    done(&run(MYCP_SHM, &["create", &posix, "--size", "12345", "--mode", "640"]));
    done(&run(MYCP_SHM, &["create", &key, "--size", "12345", "--mode", "640"]));
    let status: Status = shm::status(&named(&key)).unwrap();
    let said = done(&run(MYCP_SHM, &["ls"]));
    let line = |word: &str| {
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(word));
        line.unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line(&posix)[1..5], ["-", &whoami(), "0640", "12345"]);
    let id = format!("sysv:id={}", status.id.unwrap());
    let ours = line(&id);
    let key = status.key.unwrap().to_string();
    assert_eq!(ours[1..6], [key.as_str(), &whoami(), "0640", "12345", "0"]);
    let theirs = done(&run("ipcs", &["-m"]));
    let theirs = theirs.lines().find(|line| line.starts_with(&key)).unwrap();
    let theirs: Vec<_> = theirs.split_whitespace().collect();
    let id = status.id.unwrap().to_string();
    assert_eq!(theirs[..6], [key.as_str(), &id, &whoami(), "640", "12345", "0"]);
}

fn whoami() -> String {
    done(&run("id", &["-un"])).trim_end().to_owned()
}

#[test]
fn rm_goes_on_after_a_failure_and_tells_it() {
    let names = Names::new("rm");
    let (one, two) = (names.posix("one"), names.posix("two"));
    done(&run(MYCP_SHM, &["create", &one, "--size", "1"]));
    done(&run(MYCP_SHM, &["create", &two, "--size", "1"]));
    let said = refused(&run(MYCP_SHM, &["rm", &one, "sysv:key=0x7fffffff", &two]));
    let expected =
        "mycp-shm: cannot remove 'sysv:key=0x7fffffff': No such file or directory (os error 2)\n";
    assert_eq!(said, expected);
    assert!(!file_of(&one).exists() && !file_of(&two).exists());
}

/// A process in mount and IPC namespaces of its own, where these are small.
fn in_a_small_world(line: &str) -> Output {
    let script = format!(
        "mount --make-rprivate / && mount -t tmpfs -o size=1m tmpfs /dev/shm && \
         echo 100000 >/proc/sys/kernel/shmmax && echo 30 >/proc/sys/kernel/shmall && \
         echo 3 >/proc/sys/kernel/shmmni && {line}"
    );
    Command::new("unshare").args(["-m", "-i", "sh", "-c", &script]).output().unwrap()
}

#[test]
#[ignore = "needs root"]
fn too_little_memory_and_limits_are_errors_that_leave_nothing() {
    let sandbox = Sandbox::new();
    let large = sandbox.write("large", &content(1, 2 << 20));
    let large = large.display();
    let small = sandbox.write("small", &content(2, 60_000));
    let small = small.display();
    let is_empty = "ls -A /dev/shm; ipcs -m | grep -c 0x";
    for (line, expected) in [
        (format!("{MYCP} {large} shm:/x"), "No space left on device (os error 28)"),
        (format!("{MYCP} --engine=mmap {large} shm:/x"), "cannot reserve space for 'shm:/x' bytes"),
        (
            format!("{MYCP_SHM} create shm:/x --size 2M"),
            "cannot create 'shm:/x': No space left on device (os error 28)",
        ),
        // SHMMAX.
        (
            format!("{MYCP_SHM} create sysv:key=1 --size 100001"),
            "cannot create 'sysv:key=0x00000001': Invalid argument (os error 22)",
        ),
        (format!("{MYCP} {large} sysv:key=1"), "cannot create 'sysv:key=0x00000001': Invalid"),
        (
            format!("{MYCP_SHM} create sysv:key=1 --size 100001"),
            "mycp-shm: hint: it is longer than kernel.shmmax lets a segment be",
        ),
        (format!("{MYCP} {large} sysv:key=1"), "mycp: hint: it is longer than kernel.shmmax"),
        // SHMALL, in pages.
        (
            format!(
                "{MYCP} {small} sysv:key=1 && {MYCP_SHM} rm sysv:key=1 && \
                 {MYCP_SHM} create sysv:key=1 --size 70000 && \
                 {{ {MYCP} {small} sysv:key=2; s=$?; {MYCP_SHM} rm sysv:key=1; exit $s; }}"
            ),
            "cannot create 'sysv:key=0x00000002': No space left on device (os error 28)",
        ),
        // SHMMNI.
        (
            format!(
                "for k in 1 2 3 4; do {MYCP_SHM} create sysv:key=$k --size 1 || s=1; done; \
                 {MYCP_SHM} rm sysv:key=1 sysv:key=2 sysv:key=3; exit $s"
            ),
            "cannot create 'sysv:key=0x00000004': No space left on device (os error 28)",
        ),
        (
            format!(
                "for k in 1 2 3 4; do {MYCP_SHM} create sysv:key=$k --size 1 || s=1; done; \
                 {MYCP_SHM} rm sysv:key=1 sysv:key=2 sysv:key=3; exit $s"
            ),
            "hint: kernel.shmmni or kernel.shmall is reached; mycp-shm prune lists what nobody",
        ),
    ] {
        let output = in_a_small_world(&format!("( {line} ); s=$?; {is_empty}; exit $s"));
        let said = refused(&output);
        assert!(said.contains(expected), "{line}: {said}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "0\n", "{line}");
    }
}

#[test]
#[ignore = "needs root"]
fn another_user_can_do_what_the_mode_says() {
    let sandbox = Sandbox::new();
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o777)).unwrap();
    let names = Names::new("users");
    let back = sandbox.path("back");
    let back = back.to_str().unwrap();
    let file = sandbox.write("file", b"theirs");
    // Where everybody finds them.
    let programs = Sandbox::within("/tmp".as_ref());
    std::fs::set_permissions(programs.root(), PermissionsExt::from_mode(0o755)).unwrap();
    let [mycp, mycp_shm] = [MYCP, MYCP_SHM].map(|program| {
        let there = programs.path(program.rsplit('/').next().unwrap());
        std::fs::copy(program, &there).unwrap();
        there.to_str().unwrap().to_owned()
    });
    let nobody = |words: &[&str]| {
        let drop_to = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        run("setpriv", &[&drop_to, words].concat())
    };
    for word in kinds(&names) {
        done(&run(MYCP_SHM, &["create", &word, "--size", "6"]));
        let spelled = named(&word).to_string();
        for (words, verb) in [
            (&[mycp.as_str(), &word, back][..], "open"),
            (&[mycp.as_str(), file.to_str().unwrap(), &word], "open"),
            (&[mycp_shm.as_str(), "rm", &word], "remove"),
        ] {
            let said = refused(&nobody(words));
            let denied = ["Permission denied", "Operation not permitted"];
            let is_expected = said.contains(&spelled) && denied.iter().any(|it| said.contains(it));
            assert!(is_expected, "{words:?}: {verb}: {said}");
        }
        // It is listed for everybody, and was refused to who asks for it.
        let shown = done(&nobody(&[&mycp_shm, "stat", "--json", &word]));
        assert!(shown.contains("\"size\":6,"), "{shown}");
        // What is not one's own is not pruned, and neither asked about.
        let pruned = done(&nobody(&[&mycp_shm, "prune"]));
        let status = shm::status(&named(&word)).unwrap();
        assert!(!pruned.contains(&object(&status)), "{pruned}");
        assert_eq!(read(&word), [0; 6]);

        let segment = Segment::options().open(&named(&word)).unwrap();
        segment.set_permissions(0o644, None).unwrap();
        drop(segment);
        done(&nobody(&[&mycp, &word, back]));
        assert_eq!(sandbox.read("back"), [0; 6]);
        std::fs::remove_file(back).unwrap();
        assert!(refused(&nobody(&[&mycp, file.to_str().unwrap(), &word])).contains("denied"));
        let segment = Segment::options().open(&named(&word)).unwrap();
        segment.set_permissions(0o666, None).unwrap();
        drop(segment);
        done(&nobody(&[&mycp, file.to_str().unwrap(), &word]));
        assert_eq!(read(&word), b"theirs");
    }
}

fn object(status: &Status) -> String {
    status.name.spelling().to_str().unwrap().to_owned()
}

#[test]
fn a_record_lock_is_waited_for_as_long_as_is_said() {
    let sandbox = Sandbox::new();
    let names = Names::new("locked");
    let word = names.posix("object");
    done(&run(MYCP_SHM, &["create", &word, "--size", "100"]));
    let file = std::fs::File::options().read(true).write(true).open(file_of(&word)).unwrap();
    let range = mycp::ByteRange::between(50, 51);
    let lock = |sharing| mycp::lock::RecordLock::lock(&file, range, sharing, mycp::lock::Wait::No);
    let back = sandbox.path("back");
    let back = back.to_str().unwrap();
    let held = lock(mycp::lock::Sharing::Exclusive).unwrap();
    let said = refused(&run(MYCP, &["--lock", "--lock-wait=0.05", &word, back]));
    assert!(
        said.contains("cannot lock ") && said.contains("another process has locked it"),
        "{said}"
    );
    assert!(!sandbox.path("back").exists());
    drop(held);
    // A shared one is no obstacle to reading, but to writing.
    let held = lock(mycp::lock::Sharing::Shared).unwrap();
    done(&run(MYCP, &["--lock", "--lock-wait=0.05", &word, back]));
    refused(&run(MYCP, &["--lock", "--lock-wait=0", back, &word]));
    let waits = Command::new(MYCP).args(["--lock", back, &word]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    drop(held);
    assert!(waits.wait_with_output().unwrap().status.success());
}

/// It was copied without a lock where the segment was yet to be made.
#[test]
fn a_record_lock_of_a_system_v_segment_is_refused_whether_it_is_there_or_not() {
    let sandbox = Sandbox::new();
    let names = Names::new("unlocked");
    let word = names.key(1);
    let file = sandbox.write("file", b"bytes");
    let file = file.to_str().unwrap();
    let expected = "System V segments have no bytes that could be locked: name a semaphore";
    let said = refused(&run(MYCP, &["--lock", file, &word]));
    assert!(said.contains(expected), "{said}");
    assert!(shm::status(&named(&word)).is_err());
    done(&run(MYCP, &[file, &word]));
    let back = sandbox.path("back");
    for operands in [[file, &word], [&word, back.to_str().unwrap()]] {
        let said = refused(&run(MYCP, &["--lock", operands[0], operands[1]]));
        assert!(said.contains(expected), "{said}");
    }
    assert!(!back.exists());
}

#[test]
fn what_has_the_name_of_an_object_and_is_none_is_neither_followed_nor_waited_for() {
    let sandbox = Sandbox::new();
    let names = Names::new("strange");
    let (link, fifo, directory) = (names.posix("link"), names.posix("fifo"), names.posix("dir"));
    let precious = sandbox.write("precious", b"precious");
    let file = sandbox.write("file", b"other");
    let copy = sandbox.path("copy");
    let (file, copy) = (file.to_str().unwrap(), copy.to_str().unwrap());
    std::os::unix::fs::symlink(&precious, file_of(&link)).unwrap();
    done(&run("mkfifo", &[file_of(&fifo).to_str().unwrap()]));
    std::fs::create_dir(file_of(&directory)).unwrap();
    for word in [&link, &fifo, &directory] {
        for (program, words) in [
            (MYCP, &[file, word][..]),
            (MYCP, &["--lock", file, word]),
            (MYCP, &[word, copy]),
            (MYCP, &["--lock", word, copy]),
            (MYCP_SHM, &["stat", word]),
            (MYCP_SHM, &["create", "--or-existing", "--size", "1", word]),
        ] {
            let said = refused(&run("timeout", &[&["60", program], words].concat()));
            assert!(said.contains("it is no shared memory, but a"), "{words:?}: {said}");
        }
        let listed = done(&run(MYCP_SHM, &["ls"]));
        assert!(!listed.contains(word.as_str()), "{listed}");
    }
    assert_eq!(sandbox.read("precious"), b"precious");
    std::fs::remove_dir(file_of(&directory)).unwrap();
}

#[test]
fn a_record_lock_of_a_system_v_segment_is_refused_also_before_it_is_made() {
    let sandbox = Sandbox::new();
    let names = Names::new("lock-sysv");
    let file = sandbox.write("file", b"bytes");
    let word = names.key(13);
    for _ in 0..2 {
        let said = refused(&run(MYCP, &["--lock", file.to_str().unwrap(), &word]));
        assert!(said.contains("have no bytes that could be locked: name a semaphore"), "{said}");
    }
    assert!(shm::status(&named(&word)).is_err());
}

#[test]
fn a_copy_that_fails_leaves_no_segment_and_one_with_holes_has_all_its_memory() {
    let sandbox = Sandbox::new();
    let names = Names::new("staged");
    let file = sandbox.write("file", &content(1, 5000));
    let file = file.to_str().unwrap();
    let holes = sandbox.path("holes");
    std::fs::File::create(&holes).unwrap().set_len(1 << 20).unwrap();
    for word in kinds(&names) {
        refused(&run(MYCP, &["--engine=reflink", file, &word]));
        assert!(shm::status(&named(&word)).is_err(), "{word}");
        done(&run(MYCP, &[holes.to_str().unwrap(), &word]));
        let status = shm::status(&named(&word)).unwrap();
        assert!(status.allocated.is_none_or(|bytes| bytes == 1 << 20), "{status:?}");
    }
}

#[test]
fn a_posix_semaphore_is_given_back_after_the_copy() {
    use mycp::lock::Semaphore;
    let sandbox = Sandbox::new();
    let names = Names::new("given-back");
    let word = names.posix("object");
    let file = sandbox.write("file", b"bytes");
    let lock = format!("sem:/mycp-given-back-{}", std::process::id());
    let name = lock.parse().unwrap();
    let semaphore = Semaphore::create(&name, 1, 0o600).unwrap();
    let copied = run(MYCP, &[&format!("--lock={lock}"), file.to_str().unwrap(), &word]);
    let failed = run(
        MYCP,
        &[&format!("--lock={lock}"), "--lock-wait=9", "--flush", file.to_str().unwrap(), &word],
    );
    Semaphore::remove(&name).unwrap();
    done(&copied);
    refused(&failed);
    assert_eq!(semaphore.count().unwrap(), 1);
}
