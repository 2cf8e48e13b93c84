//! Segments of the kinds that each system has: POSIX and System V ones, or sections of Windows.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use mycp::lock::{Semaphore, Wait};
use mycp::shm::{self, Access, Creation, Region, Segment, SegmentName};

const MYCP: &str = env!("CARGO_BIN_EXE_mycp");
const MYCP_SHM: &str = env!("CARGO_BIN_EXE_mycp-shm");

/// A new segment of each kind that this system has, which is there as long as this is.
struct Made {
    word: String,
    segment: Segment,
}

impl Made {
    fn each(test: &str, len: u64) -> Vec<Self> {
        let id = std::process::id();
        let words = match cfg!(windows) {
            true => vec![format!("win:Local\\mycp-segments-{test}-{id}")],
            false => vec![format!("shm:/mycp-segments-{test}-{id}"), "sysv:private".to_owned()],
        };
        let made = words.into_iter().map(|word| {
            let options = Segment::options().creation(Creation::New { len });
            let segment = options.open(&word.parse().unwrap()).unwrap();
            let word = segment.id().map_or(word, |id| format!("sysv:id={id}"));
            Self { word, segment }
        });
        made.collect()
    }

    fn name(&self) -> SegmentName {
        self.word.parse().unwrap()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A section goes by itself.
        drop(shm::remove(&self.name()));
    }
}

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program).args(words).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.clone()
}

/// What a program says that fails.
#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Bytes of which no two pages are equal.
fn content(len: usize) -> Vec<u8> {
    let mut hash = blake3::Hasher::new().finalize_xof();
    let mut bytes = vec![0; len];
    hash.fill(&mut bytes);
    bytes
}

fn bytes_of(region: &Region, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    region.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn stores_are_seen_at_once_and_readers_cannot_store() {
    for made in Made::each("stores", 4096) {
        let writer = made.segment.map().unwrap();
        let reader = Segment::options().access(Access::Read).open(&made.name()).unwrap();
        let reader = reader.map().unwrap();
        for value in 0..100_u8 {
            writer.write_at(17, &[value]).unwrap();
            assert_eq!(bytes_of(&reader, 18)[17], value);
        }
        let denied = reader.write_at(0, b"x").unwrap_err();
        assert_eq!(denied.os_error().unwrap().kind(), std::io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn a_file_is_copied_into_a_segment_and_out_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for len in [1, 4096, 3_000_001] {
        let bytes = content(len);
        std::fs::write(path("file"), &bytes).unwrap();
        for made in Made::each("copies", len as u64) {
            let word = made.word.as_str();
            for engine in ["auto", "mmap", "buffered"] {
                made.segment.map().unwrap().write_at(0, &vec![0; len]).unwrap();
                let engine = format!("--engine={engine}");
                done(&run(MYCP, &[&engine, "--verify", &path("file"), word]));
                assert!(bytes_of(&made.segment.map().unwrap(), len) == bytes, "{word} {engine}");
            }
            // A section has whole pages, and zeros behind what was copied.
            let expected = [&bytes[..], &vec![0; made.segment.len().unwrap() as usize - len]];
            assert!(done(&run(MYCP, &[word, "-"])) == expected.concat(), "{word}");
            done(&run(MYCP, &["--engine=buffered", "--verify", word, &path("back")]));
            assert!(std::fs::read(path("back")).unwrap() == expected.concat(), "{word}");

            std::fs::write(path("long"), [&bytes[..], &[1; 8192]].concat()).unwrap();
            let said = refused(&run(MYCP, &[&path("long"), word]));
            assert!(said.contains("it has only ") && said.contains(" are needed"), "{said}");
            assert!(bytes_of(&made.segment.map().unwrap(), len) == bytes, "{word}");
            let said = refused(&run(MYCP, &[word, word]));
            assert!(said.contains("are the same file"), "{said}");
        }
    }
}

/// Copies these bytes through a pipe.
fn fill(word: &str, bytes: &[u8]) -> Output {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut copy = Command::new(MYCP);
    copy.args(["-", word]).stdin(reader).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = copy.spawn().unwrap();
    // Only the program has the other end: the pipe ends with it.
    drop(copy);
    // A program that does not read to the end closes the pipe: that is its right.
    drop(writer.write_all(bytes));
    drop(writer);
    child.wait_with_output().unwrap()
}

#[test]
fn a_pipe_fills_a_segment_and_what_is_behind_its_end_stays() {
    const LEN: usize = 300 << 10;
    for made in Made::each("pipe", LEN as u64) {
        made.segment.map().unwrap().write_at(0, &[7; LEN]).unwrap();
        for len in [200_000, LEN] {
            let bytes = content(len);
            done(&fill(&made.word, &bytes));
            let seen = bytes_of(&made.segment.map().unwrap(), LEN);
            let stays = seen[len..].iter().all(|byte| *byte == 7);
            assert!(seen[..len] == bytes && stays, "{}: {len} bytes", made.word);
        }
        let said = refused(&fill(&made.word, &content(LEN + 1)));
        assert!(said.contains("it has only 307200 bytes, and "), "{said}");
        assert_eq!(made.segment.len().unwrap(), LEN as u64);
    }
}

#[test]
fn one_that_exists_is_not_made_again_and_a_short_one_is_not_taken() {
    for made in Made::each("exists", 5000) {
        let SegmentName::SystemV(_) = made.name() else {
            let open = |creation| Segment::options().creation(creation).open(&made.name());
            let again = open(Creation::New { len: 1 }).unwrap_err();
            let kind = again.os_error().unwrap().kind();
            assert_eq!(kind, std::io::ErrorKind::AlreadyExists, "{}", made.word);
            assert!(!open(Creation::Either { len: 5000 }).unwrap().is_new());
            let short = open(Creation::Either { len: 8193 }).unwrap_err();
            assert!(matches!(short.cause, mycp::Cause::TooSmall { needed: 8193, .. }), "{short:?}");
            continue;
        };
    }
}

#[test]
fn programs_say_where_a_word_is_no_segment() {
    let words =
        ["shm:", "shm:/a/b", "sysv:key=0", "sysv:id=-1", "win:x", "win:Local\\", "name", ""];
    for word in words {
        let said = refused(&run(MYCP_SHM, &["rm", "--", word]));
        assert!(said.starts_with("mycp-shm: invalid value '"), "{said}");
    }
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let target = target.to_str().unwrap();
    let said = refused(&run(MYCP, &["shm:/a/b", target]));
    assert!(said.starts_with("mycp: 'shm:/a/b': a name has no"), "{said}");
    // None is made by a copy, so that it would say nothing.
    let said = refused(&run(MYCP, &["--shm-mode=600", target, "win:Local\\mycp"]));
    assert!(said.contains("--shm-mode is about segments that are made"), "{said}");
    let said = refused(&run(MYCP, &["win:x", target]));
    assert!(said.starts_with("mycp: 'win:x': a name is Local\\NAME or Global\\NAME"), "{said}");
}

#[test]
fn kinds_that_a_system_does_not_have_are_told_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"bytes").unwrap();
    let file = file.to_str().unwrap();
    let expected: &[(&str, &str)] = match cfg!(windows) {
        true => &[
            ("shm:/mycp", "Windows has no POSIX shared memory"),
            ("sysv:key=7", "Windows has no System V shared memory"),
        ],
        false => &[("win:Local\\mycp", "sections are Windows' own")],
    };
    for (word, why) in expected {
        for (program, words) in [
            (MYCP, &[file, word][..]),
            (MYCP, &[word, "-"]),
            (MYCP, &["--lock", file, word]),
            (MYCP_SHM, &["stat", word]),
            (MYCP_SHM, &["rm", word]),
            (MYCP_SHM, &["create", word, "--size", "1"]),
            (MYCP_SHM, &["create", "--hold", word, "--size", "1"]),
        ] {
            let said = refused(&run(program, words));
            assert!(said.trim_end().ends_with(why), "{words:?}: {said}");
        }
    }
    let semaphores: &[(&str, &str)] = match cfg!(windows) {
        true => &[
            ("sem:/mycp", "Windows has neither POSIX nor System V semaphores"),
            ("sysv:key=7", "Windows has neither POSIX nor System V semaphores"),
        ],
        false => &[("win:Local\\mycp", "semaphores of such a name are Windows' own")],
    };
    for (word, why) in semaphores {
        let name = word.parse().unwrap();
        for made in [Semaphore::create(&name, 1, 0o600), Semaphore::open(&name)] {
            assert_eq!(made.unwrap_err().to_string(), *why, "{word}");
        }
    }
}

#[test]
fn only_what_would_go_is_held() {
    let words = ["create", "--hold", "--size", "1"];
    for made in Made::each("held", 1) {
        let SegmentName::Section(_) = made.name() else {
            let said = refused(&run(MYCP_SHM, &[&words[..], &[&made.word]].concat()));
            assert!(said.contains("--hold is about sections"), "{said}");
            continue;
        };
        let said = refused(&run(MYCP_SHM, &["create", &made.word, "--size", "1"]));
        assert!(said.contains("it would go with this process: --hold keeps it"), "{said}");
    }
}

#[test]
fn a_semaphore_is_taken_for_a_copy_and_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"bytes").unwrap();
    let file = file.to_str().unwrap();
    let kind = if cfg!(windows) { "win:Local\\" } else { "sem:/" };
    let lock = format!("{kind}mycp-segments-lock-{}", std::process::id());
    let semaphore = Semaphore::create(&lock.parse().unwrap(), 1, 0o600).unwrap();
    let option = format!("--lock={lock}");
    let mut copies = Vec::new();
    for made in Made::each("semaphore", 5) {
        copies.push(run(MYCP, &[&option, file, &made.word]));
        let taken = semaphore.acquire(Wait::No).unwrap();
        let refused = run(MYCP, &[&option, "--lock-wait=0.05", file, &made.word]);
        drop(taken);
        copies.push(run(MYCP, &[&option, "--lock-wait=60", file, &made.word]));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("another process has locked it"), "{said}");
    }
    let missing = format!("{option}-missing");
    let said = refused(&run(MYCP, &[&missing, file, &Made::each("missing", 5)[0].word]));
    assert!(said.contains("cannot lock ") && said.contains("semaphore '"), "{said}");
    assert_eq!(semaphore.count().unwrap(), 1);
    // One of Windows goes with this process.
    assert_eq!(Semaphore::remove(&lock.parse().unwrap()).is_ok(), cfg!(unix));
    copies.iter().for_each(|copy| drop(done(copy)));
}

/// What only a section does.
#[cfg(windows)]
mod sections {
    use std::io::{BufRead, BufReader};
    use std::process::Child;

    use mycp::Cause;

    use super::*;

    fn word(test: &str) -> String {
        format!("win:Local\\mycp-sections-{test}-{}", std::process::id())
    }

    /// `mycp-shm create --hold`, killed when it is dropped.
    struct Holder(Child);

    impl Holder {
        fn new(word: &str, size: &str) -> Self {
            let mut child = Command::new(MYCP_SHM)
                .args(["create", "--hold", word, "--size", size])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert!(line.contains(" is held until Ctrl+C"), "{line}");
            Self(child)
        }
    }

    impl Drop for Holder {
        fn drop(&mut self) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }

    fn open(word: &str) -> Result<Segment, mycp::Error> {
        Segment::options().open(&word.parse().unwrap())
    }

    #[test]
    fn one_process_is_killed_and_the_other_goes_on() {
        let word = word("killed");
        let holder = Holder::new(&word, "5000");
        let shown = String::from_utf8(done(&run(MYCP_SHM, &["stat", &word]))).unwrap();
        assert!(shown.contains("8192") && shown.contains("used"), "{shown}");
        let region = open(&word).unwrap().map().unwrap();
        region.write_at(8191, b"x").unwrap();
        drop(holder);
        assert_eq!(bytes_of(&region, 8192)[8191], b'x');
        // It lives by this process' view alone.
        let again = open(&word).unwrap().map().unwrap();
        assert_eq!(bytes_of(&again, 8192)[8191], b'x');
        // By the library: the program would hold what it should not have made.
        let new = Segment::options().creation(Creation::New { len: 1 });
        let twice = new.open(&word.parse().unwrap()).unwrap_err();
        assert_eq!(twice.os_error().unwrap().kind(), std::io::ErrorKind::AlreadyExists);
        drop((region, again));
        assert_eq!(open(&word).unwrap_err().os_error().unwrap().raw_os_error(), Some(2));
    }

    #[test]
    fn what_nobody_holds_is_not_copied_to() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, b"bytes").unwrap();
        let word = word("nobody");
        let said = refused(&run(MYCP, &[file.to_str().unwrap(), &word]));
        assert!(said.contains("it would go with the end of this process"), "{said}");
        let said = refused(&run(MYCP, &[&word, "-"]));
        assert!(said.contains("cannot open ") && said.contains("(os error 2)"), "{said}");
    }

    #[test]
    fn what_windows_does_not_do_says_so() {
        let made = &Made::each("not", 1)[0];
        let name = made.name();
        let is_unsupported = |error: mycp::Error, why: &str| {
            let told = matches!(error.cause, Cause::Unsupported(told) if told.contains(why));
            assert!(told, "{error:?}");
        };
        is_unsupported(shm::remove(&name).unwrap_err(), "goes with the last process that has it");
        is_unsupported(shm::list().unwrap_err(), "no call that lists sections");
        let replace = Segment::options().creation(Creation::Replace { len: 1 }).open(&name);
        is_unsupported(replace.unwrap_err(), "goes with the last process that has it");
        let new = word("mode").parse().unwrap();
        let mode = Segment::options().creation(Creation::New { len: 1 }).mode(0o640).open(&new);
        is_unsupported(mode.unwrap_err(), "mode 600");
        is_unsupported(
            made.segment.set_permissions(0o600, None).unwrap_err(),
            "no permission bits",
        );
        let said = refused(&run(MYCP, &["--lock", &made.word, "-"]));
        assert!(said.contains("sections have no bytes that could be locked"), "{said}");
        for words in [&["ls"][..], &["prune"], &["rm", &made.word]] {
            refused(&run(MYCP_SHM, words));
        }
    }

    #[test]
    fn an_object_of_another_kind_is_not_taken_for_a_section() {
        let word = word("kind");
        let semaphore = Semaphore::create(&word.parse().unwrap(), 1, 0o600).unwrap();
        let new = Segment::options().creation(Creation::New { len: 1 });
        for tried in [open(&word), new.open(&word.parse().unwrap())] {
            let error = tried.unwrap_err();
            let said = error.os_error().unwrap().to_string();
            assert_eq!(said, "an object of another kind has that name");
        }
        drop(semaphore);
        drop(new.open(&word.parse().unwrap()).unwrap());
    }
}
