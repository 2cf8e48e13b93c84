//! Bugs that were found once, each with its story, so that none comes back.
//!
//! What depends on an instant is made to fall into it: a pipe that is drained late holds a copy in
//! its middle, one that is fed late before its first byte.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{PipeWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::files::{bytes_in_pipe, chmod};
use crate::support::sandbox::{Running, leftovers};
use crate::support::{Chance, Ended, FileExt, Run, Sandbox, assert_same_bytes, content};
use crate::wine;

#[cfg(target_os = "linux")]
mod linux;

/// More than a pipe and the buffer before it hold, so that a dammed copy is in its middle.
const LEN: usize = 1 << 20;

/// Waits until `condition` holds; fails when that takes too long.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Starts it with a pipe as standard input, the source `-`, which does not end before what is
/// returned is dropped.
fn fed(run: Run) -> (Running, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    (run.input_file(reader).start(), writer)
}

/// The content of every regular file in a directory.
fn contents(directory: &Path) -> BTreeSet<Vec<u8>> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap()).collect()
}

/// A run whose standard output or target is full, since nobody drains it yet.
struct Dammed {
    running: Running,
    pipe: Box<dyn Read>,
}

/// Waits until there is something in a pipe, and no more comes.
#[track_caller]
fn wait_until_full(mut waiting: impl FnMut() -> u64) {
    let mut before = 0;
    wait_until("the pipe is full", || {
        let now = waiting();
        let is_full = now > 0 && now == before;
        before = now;
        std::thread::sleep(Duration::from_millis(20));
        is_full
    });
}

impl Dammed {
    /// Starts a copy of `source` to standard output, with these options, that gets as far as the
    /// pipe lets it.
    fn by_pipe(sandbox: &Sandbox, options: &[&str], source: &str) -> Self {
        let run = sandbox.run(options.iter().copied().chain([source, "-"]));
        let (reader, writer) = std::io::pipe().unwrap();
        let running = run.output_file(writer).start();
        wait_until_full(|| bytes_in_pipe(&reader).unwrap());
        Self { running, pipe: Box::new(reader) }
    }

    /// Takes what is in the pipe and what still comes.
    fn drain(mut self) -> (Ended, Vec<u8>) {
        let mut received = Vec::new();
        self.pipe.read_to_end(&mut received).unwrap();
        (self.running.end(), received)
    }
}

/// What becomes of a source in the middle of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meddling {
    Rewritten,
    RewrittenAndGrown,
    CutToHalf,
    CutToNothing,
}

impl Meddling {
    const ALL: [Self; 4] =
        [Self::Rewritten, Self::RewrittenAndGrown, Self::CutToHalf, Self::CutToNothing];

    fn meddle(self, source: &Path) {
        let file = File::options().write(true).open(source).unwrap();
        match self {
            Self::Rewritten => file.write_all_at(&content(103, LEN), 0).unwrap(),
            Self::RewrittenAndGrown => file.write_all_at(&content(103, LEN + 5000), 0).unwrap(),
            Self::CutToHalf => file.set_len(LEN as u64 / 2).unwrap(),
            Self::CutToNothing => file.set_len(0).unwrap(),
        }
    }

    /// Each received byte is the one that the source had at its place, then or now.
    #[track_caller]
    fn assert_one_attempt(self, received: &[u8], ended: &Ended) {
        let (old, new) = (content(102, LEN), content(103, LEN));
        assert!(received.len() <= LEN, "{self:?}: {} bytes of {LEN}: {ended}", received.len());
        let rewritten = matches!(self, Self::Rewritten | Self::RewrittenAndGrown);
        let fits = |(at, byte): (usize, &u8)| *byte == old[at] || rewritten && *byte == new[at];
        let count = received.iter().enumerate().take_while(|place| fits(*place)).count();
        assert_eq!(count, received.len(), "{self:?}: another byte at {count}: {ended}");
    }
}

/// Starts a dammed copy with these options of this source.
type Dam = fn(&Sandbox, &[&str], &str) -> Dammed;

#[track_caller]
fn assert_not_sent_twice(dam: Dam) {
    for options in [&[] as &[&str], &["--on-change=retry"], &["--on-change=fail"]] {
        for meddling in Meddling::ALL {
            let sandbox = Sandbox::new();
            let source = sandbox.write("source", &content(102, LEN));
            let dammed = dam(&sandbox, options, "source");
            meddling.meddle(&source);
            let (ended, received) = dammed.drain();
            meddling.assert_one_attempt(&received, &ended);
            let ended = ended.failed().says("source'");
            let why = ["changed", "shrank"];
            assert!(why.iter().any(|word| ended.errors.contains(word)), "{ended}");
        }
    }
}

/// A source that changed was "copied once more" into a pipe as well, behind what the pipe had
/// got already: the reader had the content twice, and the status was 0.
#[test]
fn a_source_that_changes_on_its_way_into_a_pipe_is_not_sent_twice() {
    assert_not_sent_twice(Dammed::by_pipe);
}

/// A file that is all read before the pipe is full is cut while its last bytes wait.
#[test]
fn a_small_source_cut_behind_its_reading_is_sent_once() {
    let bytes = content(102, 100_000);
    let sandbox = Sandbox::new();
    let source = sandbox.write("source", &bytes);
    let dammed = Dammed::by_pipe(&sandbox, &[], "source");
    Meddling::CutToNothing.meddle(&source);
    let (ended, received) = dammed.drain();
    assert!(bytes.starts_with(&received), "{} bytes: {ended}", received.len());
    ended.failed().says("source'");
}

#[track_caller]
fn assert_sent_once_with_a_warning(dam: Dam) {
    let grown = content(104, LEN + 10_001);
    let sandbox = Sandbox::new();
    let source = sandbox.write("source", &grown[..LEN]);
    let dammed = dam(&sandbox, &[], "source");
    let mut source = File::options().append(true).open(source).unwrap();
    source.write_all(&grown[LEN..]).unwrap();
    let (ended, received) = dammed.drain();
    assert_same_bytes(&received, &grown[..LEN], &ended.to_string());
    ended.good().says("warning").says("grew");
}

/// Whether a source only grew was found out by comparing it with the target, which a pipe does not
/// let be read: a growing log on its way into a pipe was sent twice, and then refused.
#[test]
fn a_source_that_grows_on_its_way_into_a_pipe_is_sent_once_with_a_warning() {
    assert_sent_once_with_a_warning(Dammed::by_pipe);
}

/// The files `a` and `b`, one inode, and the directory `T`.
fn linked_pair() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"linked content");
    std::fs::hard_link(sandbox.path("a"), sandbox.path("b")).unwrap();
    sandbox.directory("T");
    sandbox
}

#[cfg(unix)]
fn mode(sandbox: &Sandbox, name: &str) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&sandbox.metadata(name)) & 0o7777
}

#[track_caller]
fn assert_tidy_in_t(sandbox: &Sandbox, ended: &Ended) {
    let left = leftovers(&sandbox.path("T"));
    assert!(left.is_empty(), "left behind {left:?}: {ended}");
}

/// The second name was made a link to the first target, although `--attributes-only` is to leave
/// content alone: what `T/b` had held was gone.
#[test]
fn attributes_only_keeps_the_content_of_the_targets_of_linked_sources() {
    let sandbox = linked_pair();
    sandbox.write("T/a", b"content of a");
    sandbox.write("T/b", b"content of b");
    chmod(&sandbox.path("a"), 0o640);
    let ended = sandbox.mycp(["--attributes-only", "--preserve=all", "a", "b", "T"]).good();
    assert_same_bytes(&sandbox.read("T/a"), b"content of a", &ended.description);
    assert_same_bytes(&sandbox.read("T/b"), b"content of b", &ended.description);
    #[cfg(unix)]
    assert_eq!(mode(&sandbox, "T/b"), 0o640, "{ended}");
    assert_tidy_in_t(&sandbox, &ended);
}

/// The first target was remembered by its name, under which another file lay by then: `T/b` became
/// a link to a copy of `y/a`.
#[test]
fn a_link_is_made_to_the_copy_of_the_source_and_not_to_what_took_its_name() {
    let sandbox = Sandbox::new();
    for name in ["x", "y", "T"] {
        sandbox.directory(name);
    }
    sandbox.write("x/a", b"content of x");
    std::fs::hard_link(sandbox.path("x/a"), sandbox.path("x/b")).unwrap();
    sandbox.write("y/a", b"content of y");
    let arguments = ["--backup=numbered", "--preserve=links", "x/a", "y/a", "x/b", "T"];
    let ended = sandbox.mycp(arguments).good();
    assert_same_bytes(&sandbox.read("T/a"), b"content of y", &ended.description);
    assert_same_bytes(&sandbox.read("T/b"), b"content of x", &ended.description);
    assert_same_bytes(&sandbox.read("T/a.~1~"), b"content of x", &ended.description);
    assert_tidy_in_t(&sandbox, &ended);
}

/// `--in-place` is asked for to keep the inode; making a link replaced it all the same.
#[test]
fn in_place_keeps_the_inodes_of_the_targets_of_linked_sources() {
    let sandbox = linked_pair();
    sandbox.write("T/a", b"one");
    sandbox.write("T/b", b"two");
    let before = (sandbox.id("T/a"), sandbox.id("T/b"));
    let ended = sandbox.mycp(["--in-place", "--preserve=links", "a", "b", "T"]).good();
    assert_eq!((sandbox.id("T/a"), sandbox.id("T/b")), before, "{ended}");
    assert_same_bytes(&sandbox.read("T/a"), b"linked content", &ended.description);
    assert_same_bytes(&sandbox.read("T/b"), b"linked content", &ended.description);
    assert_tidy_in_t(&sandbox, &ended);
}

/// A first target that was a symbolic link had its content stored behind it; the second target
/// became another name of that symbolic link, which led nowhere if it was relative.
#[test]
fn a_target_does_not_become_a_link_to_a_symbolic_link() {
    if wine::cannot("regression::a_target_does_not_become_a_link_to_a_symbolic_link") {
        return;
    }
    let sandbox = linked_pair();
    sandbox.directory("elsewhere");
    sandbox.write("elsewhere/real", b"old");
    sandbox.symlink("../elsewhere/real", "T/a");
    let ended = sandbox.mycp(["--preserve=links", "a", "b", "T"]).good();
    assert!(sandbox.path("T/a").is_symlink(), "{ended}");
    assert!(!sandbox.path("T/b").is_symlink(), "{ended}");
    assert_same_bytes(&sandbox.read("elsewhere/real"), b"linked content", &ended.description);
    assert_same_bytes(&sandbox.read("T/b"), b"linked content", &ended.description);
    assert_tidy_in_t(&sandbox, &ended);
}

/// What has to stay true while all this is put right. Where both names led to one inode before,
/// renaming the new link onto the old name did nothing and left the temporary (rename(2)).
#[test]
fn linked_sources_become_one_inode_whatever_was_there() {
    for before in [&[] as &[&str], &["T/a"], &["T/b"], &["T/a", "T/b"], &["both"]] {
        let sandbox = linked_pair();
        for name in before {
            match *name {
                "both" => {
                    sandbox.write("T/a", b"old");
                    std::fs::hard_link(sandbox.path("T/a"), sandbox.path("T/b")).unwrap();
                }
                name => drop(sandbox.write(name, b"old")),
            }
        }
        let ended = sandbox.mycp(["--preserve=links", "a", "b", "T"]).good();
        assert_eq!(sandbox.id("T/a"), sandbox.id("T/b"), "{before:?}: {ended}");
        assert_ne!(sandbox.id("T/a"), sandbox.id("a"), "{before:?}: {ended}");
        assert_same_bytes(&sandbox.read("T/b"), b"linked content", &ended.description);
        assert_eq!(sandbox.links("T/a"), 2, "{before:?}: {ended}");
        assert_tidy_in_t(&sandbox, &ended);
    }
}

/// One more than the highest number there is: that overflowed, to 0 and so to the simple backup's
/// name, under which another content lay. A number with more digits was not seen at all.
#[test]
fn a_backup_with_an_enormous_number_makes_no_other_backup_vanish() {
    for enormous in ["18446744073709551615", "18446744073709551614", "99999999999999999999999"] {
        for control in ["--backup=numbered", "--backup=existing"] {
            let sandbox = Sandbox::new();
            sandbox.write("source", b"new");
            sandbox.write("n", b"current");
            sandbox.write("n~", b"simple backup");
            sandbox.write("n.~1~", b"first backup");
            sandbox.write(format!("n.~{enormous}~"), b"enormous backup");
            let before = contents(sandbox.root());
            for _ in 0..3 {
                let ended = sandbox.mycp([control, "source", "n"]).orderly();
                let after = contents(sandbox.root());
                assert!(before.is_subset(&after), "{enormous}: something is lost: {ended}");
                assert!(!ended.is_good() || sandbox.read("n") == b"new", "{ended}");
                sandbox.assert_tidy(&ended.description);
            }
        }
    }
}

/// What a run with this number copies.
fn version(number: usize) -> Vec<u8> {
    format!("version {number}").into_bytes()
}

/// Fails unless the target and its numbered backups are the versions `0..=last`.
#[track_caller]
fn assert_all_versions(sandbox: &Sandbox, last: usize) {
    let name = |number| match number {
        0 => "target".to_owned(),
        number => format!("target.~{number}~"),
    };
    let kept: Vec<_> = (0..=last).map(|number| std::fs::read(sandbox.path(name(number)))).collect();
    let kept: BTreeSet<_> = kept.into_iter().flatten().collect();
    let lost: Vec<_> = (0..=last).filter(|number| !kept.contains(&version(*number))).collect();
    assert!(lost.is_empty(), "the versions {lost:?} of {last} are lost");
    sandbox.assert_tidy("concurrent numbered backups");
}

/// Two runs found the same number free, and the second one's backup took the first one's place;
/// or both backed up the same old target, and one's copy was replaced without a backup.
#[test]
fn numbered_backups_of_concurrent_runs_keep_every_version() {
    // Where Wine stands in for Windows, a program takes long to start and to end.
    const RUNS: usize = if cfg!(windows) { 4 } else { 20 };
    let sandbox = Sandbox::new();
    sandbox.write("target", &version(0));
    let start = |number| {
        let (running, mut writer) = fed(sandbox.run(["--backup=numbered", "-", "target"]));
        writer.write_all(&version(number)).unwrap();
        (running, writer)
    };
    let (runs, writers): (Vec<_>, Vec<_>) = (1..=RUNS).map(start).unzip();
    wait_until("each has a temporary", || sandbox.leftovers().len() == RUNS);
    // They all come to their ends now.
    drop(writers);
    for running in runs {
        running.end().good();
    }
    assert_all_versions(&sandbox, RUNS);
}

/// The backup of the second target took the name that the first copy had just been given.
#[test]
fn a_backup_does_not_take_the_place_of_what_this_run_has_copied() {
    for control in ["-b", "--backup=simple"] {
        let sandbox = Sandbox::new();
        sandbox.directory("x");
        sandbox.directory("T");
        sandbox.write("x/a~", b"copied first");
        sandbox.write("x/a", b"copied second");
        sandbox.write("T/a", b"was there");
        let ended = sandbox.mycp([control, "x/a~", "x/a", "T"]).failed().says("a'");
        assert_same_bytes(&sandbox.read("T/a~"), b"copied first", &ended.description);
        assert_same_bytes(&sandbox.read("T/a"), b"was there", &ended.description);
        assert_tidy_in_t(&sandbox, &ended);
    }
}

/// The manifest lay under the name that the backup was given: nobody saw its lines again.
#[test]
fn a_backup_does_not_take_the_place_of_the_manifest() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"new");
    sandbox.write("b", b"old");
    let ended = sandbox.mycp(["-b", "--manifest=b~", "a", "b"]).failed();
    assert!(contents(sandbox.root()).contains(&b"old"[..]), "the old content is lost: {ended}");
    sandbox.assert_tidy(&ended.description);
}

/// A stream was read and written although blocks were to be shared or nothing.
#[test]
fn a_stream_cannot_be_a_reflink() {
    const STREAMS: &[(&str, &str)] = if cfg!(target_os = "linux") {
        &[("-", "out"), ("/proc/version", "out"), ("a", "-")]
    } else {
        &[("-", "out"), ("a", "-")]
    };
    let sandbox = Sandbox::new();
    sandbox.write("a", b"content");
    for old in [None, Some(b"old")] {
        for &(source, target) in STREAMS {
            drop(std::fs::remove_file(sandbox.path("out")));
            if let Some(old) = old {
                sandbox.write("out", old);
            }
            for option in ["--reflink=always", "--engine=reflink"] {
                let run = sandbox.run([option, source, target]).input(b"content");
                let ended = run.end().failed();
                let left = std::fs::read(sandbox.path("out")).ok();
                assert_eq!(left.as_deref(), old.map(|old| &old[..]), "{ended}");
                assert!(ended.output.is_empty(), "{ended}");
                sandbox.assert_tidy(&ended.description);
            }
        }
    }
}

/// A stream's zeros were stored, whatever `--sparse=always` said.
#[test]
fn zeros_of_a_stream_become_holes() {
    const PIECE: usize = 4 << 20;
    let stores_zeros = wine::cannot("regression::zeros_of_a_stream_become_holes");
    let data = content(105, 70_001);
    let zeros = vec![0; PIECE];
    let inputs = [
        [&*data, &zeros, &data, &zeros[..PIECE - 123]].concat(),
        [&*zeros, &data].concat(),
        zeros[..PIECE - 1].to_vec(),
    ];
    for input in &inputs {
        for old in [None, Some(input.len() + 100_000), Some(1_000_000)] {
            for way in [&["--sparse=always"] as &[&str], &["--sparse=always", "--in-place"]] {
                let sandbox = Sandbox::new();
                if let Some(len) = old {
                    sandbox.write("out", &content(106, len));
                }
                let run = sandbox.run(way.iter().copied().chain(["-", "out"]));
                let ended = run.input(input).end().good();
                assert_same_bytes(&sandbox.read("out"), input, &format!("{old:?}, {ended}"));
                let allocated = sandbox.allocated("out");
                // Pieces that are not zero, and what a pipe's short reads leave around them.
                let limit = 2 * data.len() as u64 + (1 << 20);
                let is_less = allocated < limit || stores_zeros;
                assert!(is_less, "{allocated} of {} bytes: {ended}", input.len());
                sandbox.assert_tidy(&ended.description);
            }
        }
    }
}

/// The same from an open file, from where it stands.
#[test]
fn zeros_of_an_open_file_become_holes() {
    let sandbox = Sandbox::new();
    let bytes = [&content(105, 5000)[..], &vec![0; 4 << 20]].concat();
    let mut input = File::open(sandbox.write("input", &bytes)).unwrap();
    input.seek(SeekFrom::Start(1000)).unwrap();
    let ended = sandbox.run(["--sparse=always", "-", "out"]).input_file(input).end().good();
    assert_same_bytes(&sandbox.read("out"), &bytes[1000..], &ended.description);
    assert!(sandbox.allocated("out") < 1 << 20, "{ended}");
}

/// The temporary of a backup was one byte longer than the longest name.
#[test]
fn the_longest_names_are_copied_backed_up_and_linked() {
    // Each takes some runs.
    let lengths = if cfg!(windows) { vec![240, 242, 254, 255] } else { (240..=255).collect() };
    for len in lengths {
        let sandbox = Sandbox::new();
        let name = "n".repeat(len);
        sandbox.write("source", b"first");
        sandbox.mycp(["source", &name]).good();
        assert_same_bytes(&sandbox.read(&name), b"first", "a long name");
        sandbox.write("source", b"second");
        sandbox.mycp(["source", &name]).good();
        assert_same_bytes(&sandbox.read(&name), b"second", "a long name replaced");
        if len < 255 {
            let backup = format!("{name}~");
            sandbox.write(&backup, b"an older backup");
            sandbox.mycp(["--backup=simple", "source", &name]).good();
            assert_same_bytes(&sandbox.read(&backup), b"second", "a long name's backup");
        } else {
            // There is no name for a backup: refused, or kept under one that fits.
            sandbox.write("source", b"third");
            let ended = sandbox.mycp(["--backup=simple", "source", &name]).orderly();
            assert!(contents(sandbox.root()).contains(&b"second"[..]), "lost: {ended}");
        }
        sandbox.assert_tidy("long names");
        let sandbox = linked_pair();
        std::fs::rename(sandbox.path("b"), sandbox.path(&name)).unwrap();
        for _ in 0..2 {
            let ended = sandbox.mycp(["--preserve=links", "a", &name, "T"]).good();
            let linked = format!("T/{name}");
            assert_eq!(sandbox.id("T/a"), sandbox.id(&linked), "{ended}");
            assert_tidy_in_t(&sandbox, &ended);
        }
    }
}

/// What a system counts in names: bytes, or the halves of characters of UTF-16.
fn length(name: &str) -> usize {
    if cfg!(windows) { name.encode_utf16().count() } else { name.len() }
}

/// A long name was cut in the middle of a character for its temporary: file systems that take
/// valid UTF-8 only (ZFS with utf8only, ext4 with strict casefolding, APFS) refuse such a name.
#[test]
fn a_long_name_is_not_cut_within_a_character() {
    if wine::cannot("regression::a_long_name_is_not_cut_within_a_character") {
        return;
    }
    let longest = |first: &str, character: &str| {
        let count = (255 - length(first)) / length(character);
        let name = format!("{first}{}", character.repeat(count));
        // Up to the last one.
        let rest = 255 - length(&name);
        name + &"x".repeat(rest)
    };
    let names = ["", "a", "ab", "abc"].into_iter().flat_map(|first| {
        ["é", "€", "𝄞"].into_iter().map(move |character| longest(first, character))
    });
    for name in names {
        assert_eq!(length(&name), 255);
        let sandbox = Sandbox::new();
        let (running, writer) = fed(sandbox.run(["-", &name]));
        wait_until("there is a temporary", || !sandbox.leftovers().is_empty());
        running.kill();
        running.end();
        for left in sandbox.leftovers() {
            let text = left.to_str().unwrap_or_else(|| panic!("not Unicode: {left:?}"));
            assert!(length(text) <= 255, "{left:?}");
        }
        drop(writer);
        sandbox.write("source", b"whole");
        let ended = sandbox.mycp(["source", &name]).good();
        assert_same_bytes(&sandbox.read(&name), b"whole", &ended.description);
        sandbox.assert_tidy(&ended.description);
    }
}

/// Nothing kept a second run from writing into the target that the first was writing into: both
/// succeeded, and the target had some of each.
#[test]
fn two_runs_in_place_leave_no_mixture_in_silence() {
    const PART: usize = 300_000;
    for option in ["--in-place", "--sparse=auto"] {
        let sandbox = Sandbox::new();
        let (first, second) = (content(107, 2 * PART), content(108, 2 * PART));
        sandbox.write("second", &second);
        sandbox.write("target", &content(109, PART));
        if option != "--in-place" {
            // Then it is written in place without being asked.
            std::fs::hard_link(sandbox.path("target"), sandbox.path("other")).unwrap();
        }
        let (one, mut writer) = fed(sandbox.run([option, "-", "target"]));
        writer.write_all(&first[..PART]).unwrap();
        let begun = || sandbox.read("target").starts_with(&first[..PART / 2]);
        wait_until("the first run writes", begun);
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| sandbox.mycp([option, "second", "target"]));
            // One that waits for the first to end is right as well.
            let limit = Instant::now() + Duration::from_secs(1);
            while !other.is_finished() && Instant::now() < limit {
                std::thread::sleep(Duration::from_millis(5));
            }
            writer.write_all(&first[PART..]).unwrap();
            drop(writer);
            (one.end(), other.join().unwrap())
        });
        for ended in [&one, &other] {
            assert!(ended.is_good() || ended.errors.contains("target'"), "{ended}");
        }
        let seen = sandbox.read("target");
        if one.is_good() && other.is_good() {
            assert!(seen == first || seen == second, "a mixture: {one}\n{other}");
        } else {
            // Who failed has failed before it wrote anything.
            assert!(one.is_good() || other.is_good(), "neither is done: {one}\n{other}");
            let expected = if one.is_good() { &first } else { &second };
            assert_same_bytes(&seen, expected, &format!("{one}\n{other}"));
        }
    }
}

/// The program started this many times for one target, each with a temporary and none with
/// content: they wait for the pipes.
fn waiting_runs(sandbox: &Sandbox, count: usize) -> Vec<(Running, PipeWriter)> {
    let before = sandbox.leftovers().len();
    let runs = (0..count).map(|_| fed(sandbox.run(["-", "target"]))).collect();
    wait_until("each has a temporary", || sandbox.leftovers().len() == before + count);
    runs
}

/// Leftovers were looked for up to the fourth number in a row that none had: those behind such a
/// gap, which many concurrent runs make, stayed for ever.
#[test]
fn leftovers_of_many_concurrent_runs_are_all_removed_by_the_next() {
    const HALF: usize = 12;
    if wine::cannot("regression::leftovers_of_many_concurrent_runs_are_all_removed_by_the_next") {
        return;
    }
    let mut chance = Chance::new("leftovers of many runs");
    for killed_first in [false, true] {
        let sandbox = Sandbox::new();
        sandbox.write("target", b"old");
        let (good, writers): (Vec<_>, Vec<_>) = waiting_runs(&sandbox, HALF).into_iter().unzip();
        let mut bad = waiting_runs(&sandbox, HALF);
        let mut kill_all = || {
            while !bad.is_empty() {
                let (running, never_written) =
                    bad.swap_remove(chance.below(bad.len() as u64) as usize);
                running.kill();
                assert!(running.end().was_killed());
                drop(never_written);
            }
        };
        if killed_first {
            kill_all();
        }
        drop(writers);
        for running in good {
            running.end().good();
        }
        if !killed_first {
            kill_all();
        }
        let whole = content(110, 100_000);
        sandbox.write("source", &whole);
        let ended = sandbox.mycp(["source", "target"]).good();
        assert_same_bytes(&sandbox.read("target"), &whole, &ended.description);
        sandbox.assert_tidy(&ended.description);
    }
}

/// Something that changes a file's change time, and not its content.
type Touch = fn(&Sandbox);

const TOUCHES: [(&str, Touch); 3] = [
    ("chmod", |sandbox| {
        let source = sandbox.path("source");
        // On Windows that makes it read-only.
        chmod(&source, 0o400);
        chmod(&source, 0o644);
    }),
    ("touch -a", |sandbox| {
        let times = std::fs::FileTimes::new().set_accessed(std::time::SystemTime::now());
        let file = File::options().write(true).open(sandbox.path("source"));
        file.unwrap().set_times(times).unwrap();
    }),
    ("ln", |sandbox| {
        drop(std::fs::remove_file(sandbox.path("link")));
        std::fs::hard_link(sandbox.path("source"), sandbox.path("link")).unwrap();
    }),
];

#[track_caller]
fn assert_no_change_for_a_pipe(name: &str, touch: Touch) {
    let bytes = content(111, LEN);
    let sandbox = Sandbox::new();
    sandbox.write("source", &bytes);
    let dammed = Dammed::by_pipe(&sandbox, &[], "source");
    touch(&sandbox);
    let (ended, received) = dammed.drain();
    assert_same_bytes(&received, &bytes, &format!("{name}, {ended}"));
    assert_eq!(ended.good().errors, "", "{name}");
}

/// The change time counted as a change of content: a backup program that linked the source, or a
/// chmod, had it copied again; two of them failed the copy, and a pipe got it twice.
#[test]
fn what_leaves_content_and_modification_time_alone_is_no_change_for_a_pipe() {
    for (name, touch) in TOUCHES {
        assert_no_change_for_a_pipe(name, touch);
    }
}

/// Rewrites the source, and gives it the modification time that it had.
fn rewrite_in_secret(source: &Path) {
    let file = File::options().write(true).open(source).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    Meddling::Rewritten.meddle(source);
    file.set_modified(modified).unwrap();
    assert_eq!(file.metadata().unwrap().modified().unwrap(), modified);
}

/// What the mending of the story before must not forget: only the change time tells of this.
#[test]
fn a_rewrite_with_the_old_time_put_back_is_noticed_for_a_pipe() {
    let sandbox = Sandbox::new();
    let source = sandbox.write("source", &content(102, LEN));
    let dammed = Dammed::by_pipe(&sandbox, &[], "source");
    rewrite_in_secret(&source);
    let (ended, received) = dammed.drain();
    Meddling::Rewritten.assert_one_attempt(&received, &ended);
    ended.failed().says("source'").says("changed");
}

/// What has the name of a temporary, and was put there by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    SymbolicLink,
    DanglingLink,
    #[cfg(target_os = "linux")]
    Fifo,
    Directory,
    HardLink,
    LockedFile,
}

impl Obstacle {
    const LINKS: [Self; 2] = [Self::SymbolicLink, Self::DanglingLink];
    const OTHERS: &[Self] = &[
        #[cfg(target_os = "linux")]
        Self::Fifo,
        Self::Directory,
        Self::HardLink,
        Self::LockedFile,
    ];

    /// Puts it there; what is returned has to be kept.
    fn put(self, sandbox: &Sandbox, name: &str) -> Option<File> {
        match self {
            Self::SymbolicLink => sandbox.symlink("precious", name),
            Self::DanglingLink => sandbox.symlink("nothing", name),
            #[cfg(target_os = "linux")]
            Self::Fifo => drop(linux::make_fifo(sandbox, name)),
            Self::Directory => {
                sandbox.directory(name);
                sandbox.write(format!("{name}/inside"), b"inside");
            }
            Self::HardLink => {
                std::fs::hard_link(sandbox.path("precious"), sandbox.path(name)).unwrap();
            }
            Self::LockedFile => {
                let file = File::open(sandbox.write(name, b"locked")).unwrap();
                file.lock().unwrap();
                return Some(file);
            }
        }
        None
    }

    #[track_caller]
    fn assert_unharmed(self, sandbox: &Sandbox, name: &str, ended: &Ended) {
        assert_same_bytes(&sandbox.read("precious"), b"precious", &format!("{self:?}, {ended}"));
        #[cfg(unix)]
        assert_eq!(mode(sandbox, "precious"), 0o640, "{self:?}: {ended}");
        assert!(!sandbox.path("nothing").exists(), "{self:?}: {ended}");
        match self {
            Self::Directory => {
                assert_same_bytes(&sandbox.read(format!("{name}/inside")), b"inside", "inside");
            }
            Self::LockedFile => assert_same_bytes(&sandbox.read(name), b"locked", "locked"),
            _ => {}
        }
    }
}

/// Has files copied where this has the name of a temporary.
#[track_caller]
fn assert_not_harmed(obstacle: Obstacle) {
    let ways = [
        &["a", "b"] as &[&str],
        &["--backup=simple", "a", "b"],
        &["--remove-destination", "a", "b"],
        &["--preserve=all", "--flush=sync", "a", "b"],
        &["--preserve=links", "a", "linked/b", "-t", "."],
    ];
    let names: &[_] = match cfg!(windows) {
        // Fewer, since a program takes long to start where Wine stands in.
        true => &[".b.mycp-000000", ".b.mycp-000000~"],
        false => &[".b.mycp-000000", ".b.mycp-000001", ".b.mycp-000000~"],
    };
    for name in names {
        for way in ways {
            let sandbox = Sandbox::new();
            sandbox.write("precious", b"precious");
            chmod(&sandbox.path("precious"), 0o640);
            sandbox.directory("linked");
            sandbox.directory("linked/a");
            sandbox.write("a", b"new");
            sandbox.write("b", b"old");
            sandbox.write("b~", b"older");
            std::fs::hard_link(sandbox.path("a"), sandbox.path("linked/b")).unwrap();
            let held = obstacle.put(&sandbox, name);
            let ended = sandbox.mycp(way).orderly();
            // On Windows nobody else reads what is locked.
            drop(held);
            obstacle.assert_unharmed(&sandbox, name, &ended);
            let copied = way.contains(&"-t") || ended.is_good();
            let expected: &[u8] = if copied { b"new" } else { b"old" };
            assert_same_bytes(&sandbox.read("b"), expected, &format!("{obstacle:?}, {ended}"));
        }
    }
}

/// The next run opens, locks and removes what killed ones left, by the name alone: so it has to
/// look what it is.
#[test]
fn what_has_a_temporarys_name_and_is_none_is_not_harmed() {
    for obstacle in Obstacle::OTHERS {
        assert_not_harmed(*obstacle);
    }
}

/// And what a link leads to.
#[test]
fn what_a_link_with_a_temporarys_name_leads_to_is_not_harmed() {
    if wine::cannot("regression::what_a_link_with_a_temporarys_name_leads_to_is_not_harmed") {
        return;
    }
    for obstacle in Obstacle::LINKS {
        assert_not_harmed(obstacle);
    }
}
