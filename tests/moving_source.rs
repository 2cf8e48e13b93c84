//! A source that shrinks, grows or is rewritten while it is copied ends in a whole copy or in an
//! error: never in a signal, an endless loop, or a mixture that passes for a copy.
//!
//! ripgrep, rsync and tac have died of SIGBUS when a mapped file shrank; xcp and uutils cp have
//! looped for ever.
//!
//! What no copier can see by time stamps: Linux stamps a file when `write` begins, so a copy that
//! begins and ends within one call of `write` finds equal stamps and may find a mixture. The
//! rewriting thread here stamps again after each write, so that only a copy which fits whole into
//! one write escapes; a run that had a write as long as that is not judged.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{
    Chance, ENGINES, Ended, FileExt, Run, Sandbox, content, files, is_mycp, scaled,
};
use crate::wine::{Lack, lacks};

const RULES: [&str; 4] = ["default", "fail", "retry", "warn"];
const BLOCK: usize = 512;
const OLD: &[u8] = b"the old target";

/// One copy under a moving source: the file, what was asked for, what was seen before.
struct Case<'a> {
    sandbox: &'a Sandbox,
    engine: &'a str,
    rule: &'a str,
    has_old: bool,
}

/// How the copies of one test ended; a test in which all went one way shows little.
#[derive(Default, Debug)]
struct Tally {
    copied: u64,
    refused: u64,
    warned: u64,
    not_judged: u64,
    grown: u64,
    grown_in_silence: u64,
}

impl Case<'_> {
    fn run(&self) -> Run {
        match self.has_old {
            true => drop(self.sandbox.write("target", OLD)),
            false => drop(std::fs::remove_file(self.sandbox.path("target"))),
        }
        let engine = format!("--engine={}", self.engine);
        let on_change = format!("--on-change={}", self.rule);
        let mut arguments = vec![&*engine];
        if self.rule != "default" {
            arguments.push(&on_change);
        }
        arguments.extend(["source", "target"]);
        self.sandbox.run(arguments)
    }

    /// The shortest of three runs that nothing disturbs.
    fn measure(&self) -> Duration {
        let run = || self.run().end().good().elapsed;
        run().min(run()).min(run())
    }

    /// Judges a run that ended; returns the target when there is a new one.
    fn judge(&self, ended: &Ended, tally: &mut Tally) -> Option<Vec<u8>> {
        self.sandbox.assert_tidy(&ended.description);
        let target = std::fs::read(self.sandbox.path("target")).ok();
        match ended.status.code() {
            Some(0) => {
                tally.copied += 1;
                tally.warned += u64::from(!ended.errors.is_empty());
                assert!(target.is_some(), "no target: {ended}");
                return target;
            }
            Some(1) => tally.refused += 1,
            _ => panic!("{ended}"),
        }
        assert!(ended.errors.contains("source'"), "the source is not named: {ended}");
        let old = self.has_old.then(|| OLD.to_vec());
        assert!(target == old, "the target is not as it was: {ended}");
        None
    }
}

/// Makes each case and calls `body` with it, for each engine, each rule, with and without target.
fn for_each_case(rounds: u64, mut body: impl FnMut(&Case)) {
    let sandbox = Sandbox::new();
    for round in 0..rounds {
        for engine in ENGINES {
            for rule in RULES {
                body(&Case { sandbox: &sandbox, engine, rule, has_old: round % 2 == 0 });
            }
        }
    }
}

/// Does `meddle` while the copy runs; says how it ended and what `meddle` returned.
fn meddled<T>(run: Run, meddle: impl FnOnce() -> T) -> (Ended, T) {
    let running = run.start();
    let value = meddle();
    (running.end(), value)
}

fn shortened_to(new_len: u64, name: &str) {
    const LEN: usize = 6 << 20;
    let mut chance = Chance::new(name);
    let whole = content(3, LEN);
    let mut tally = Tally::default();
    for_each_case(scaled(4), |case| {
        case.sandbox.write("source", &whole);
        let duration = case.measure();
        let after = chance.shorter_than(duration);
        let source = File::options().write(true).open(case.sandbox.path("source")).unwrap();
        let (ended, ()) = meddled(case.run(), || {
            std::thread::sleep(after);
            match source.set_len(new_len) {
                // Windows cuts no file that somebody has mapped (ERROR_USER_MAPPED_FILE).
                Err(error) if cfg!(windows) && error.raw_os_error() == Some(1224) => {}
                cut => cut.unwrap(),
            }
        });
        let Some(target) = case.judge(&ended, &mut tally) else { return };
        let complete = target == whole || target == whole[..new_len as usize];
        let warned = case.rule == "warn" && !ended.errors.is_empty();
        assert!(complete || warned, "a mixture of {} bytes as a copy: {ended}", target.len());
    });
    eprintln!("{tally:?}");
    assert!(tally.copied > 0, "no copy was made: {tally:?}");
}

#[test]
fn a_source_emptied_while_it_is_copied_is_no_signal_and_no_mixture() {
    shortened_to(0, "emptied");
}

#[test]
fn a_source_halved_while_it_is_copied_is_no_signal_and_no_mixture() {
    shortened_to(3 << 20, "halved");
}

#[test]
fn a_source_cut_to_a_page_and_a_byte_is_no_signal_and_no_mixture() {
    shortened_to(4097, "cut to a page and a byte");
}

#[test]
fn a_source_that_grows_is_copied_to_the_length_it_had() {
    const LEN: usize = 6 << 20;
    const GROWTH: usize = 10_001;
    let mut chance = Chance::new("growing");
    let grown = content(4, LEN + GROWTH);
    let mut tally = Tally::default();
    for_each_case(scaled(5), |case| {
        case.sandbox.write("source", &grown[..LEN]);
        let duration = case.measure();
        let after = chance.shorter_than(duration);
        let source = File::options().append(true).open(case.sandbox.path("source")).unwrap();
        let run = case.run();
        let old = inode(&case.sandbox.path("target"));
        let (ended, published) = meddled(run, || {
            std::thread::sleep(after);
            std::io::Write::write_all(&mut &source, &grown[LEN..]).unwrap();
            inode(&case.sandbox.path("target")) != old
        });
        let target = case.judge(&ended, &mut tally);
        if matches!(case.rule, "default" | "warn" | "retry") {
            assert!(ended.is_good(), "growth alone is no failure: {ended}");
        }
        let Some(target) = target else { return };
        assert!(target == grown[..LEN] || target == grown, "not a state of the source: {ended}");
        // It grew after the length was taken and before the copy had its name.
        if target.len() == LEN && !published {
            let warns = matches!(case.rule, "default" | "warn");
            tally.grown += 1;
            tally.grown_in_silence += u64::from(!warns || !ended.errors.contains("warning"));
        }
    });
    eprintln!("{tally:?}");
    // Some may have grown between the last look and the name.
    let silent_at_most = tally.grown / 5;
    assert!(!is_mycp() || tally.grown > 0, "no growth fell into a copy: {tally:?}");
    // Under Wine what comes behind the last look takes as long as the copy.
    let is_asked = is_mycp() && !lacks(Lack::Pace);
    assert!(!is_asked || tally.grown_in_silence <= silent_at_most, "no warning: {tally:?}");
}

fn inode(path: &Path) -> Option<files::Id> {
    files::id(path).ok()
}

/// The content of one generation: its number in each block of 512 bytes.
fn generation(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = content(number, len);
    for block in bytes.chunks_mut(BLOCK) {
        block[..8].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// Rewrites the source until it is told to stop; returns the longest time one write took.
fn rewrite(source: &Path, generations: &[Vec<u8>], pause: Duration, stop: &AtomicBool) -> Duration {
    let source = File::options().write(true).open(source).unwrap();
    let mut longest = Duration::ZERO;
    for bytes in generations.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return longest;
        }
        let begun = Instant::now();
        assert_eq!(source.write_at(bytes, 0).unwrap(), bytes.len(), "a generation is one write");
        longest = longest.max(begun.elapsed());
        // The stamp that follows the content.
        source.write_at(&bytes[..1], 0).unwrap();
        std::thread::sleep(pause);
    }
    unreachable!("the cycle does not end");
}

fn rewritten(len: usize, name: &str) {
    let mut chance = Chance::new(name);
    let generations: Vec<_> = (0..4).map(|number| generation(number, len)).collect();
    let mut tally = Tally::default();
    for_each_case(scaled(4), |case| {
        let source = case.sandbox.write("source", &generations[0]);
        let duration = case.measure();
        // From "nearly always" to "perhaps once".
        let limit = longest_pause(&mut chance, duration);
        let pause = chance.shorter_than(limit);
        let stop = AtomicBool::new(false);
        let (ended, longest) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| rewrite(&source, &generations, pause, &stop));
            let ended = case.run().end();
            stop.store(true, Ordering::Relaxed);
            (ended, writer.join().unwrap())
        });
        let Some(target) = case.judge(&ended, &mut tally) else { return };
        if generations.contains(&target) {
            return;
        }
        if longest > duration / 4 {
            tally.not_judged += 1;
            return;
        }
        let stamps: std::collections::BTreeSet<_> =
            target.chunks(BLOCK).map(|block| &block[..block.len().min(8)]).collect();
        let warned = case.rule == "warn" && !ended.errors.is_empty();
        assert!(warned, "{} generations pass for a copy ({longest:?}): {ended}", stamps.len());
    });
    eprintln!("{tally:?}");
    assert!(!is_mycp() || tally.refused > 0, "no rewriting fell into a copy: {tally:?}");
}

fn longest_pause(chance: &mut Chance, duration: Duration) -> Duration {
    const LIMITS: [Duration; 3] =
        [Duration::from_micros(50), Duration::from_millis(2), Duration::from_millis(50)];
    let fitting = LIMITS.iter().filter(|limit| **limit < duration * 10).count().max(1);
    *chance.pick(&LIMITS[..fitting])
}

#[test]
fn a_small_source_that_is_rewritten_gives_one_generation_or_an_error() {
    rewritten(64 << 10, "rewriting a small file");
}

#[test]
fn a_large_source_that_is_rewritten_gives_one_generation_or_an_error() {
    rewritten(6 << 20, "rewriting a large file");
}

#[test]
fn a_source_replaced_by_rename_is_copied_as_it_was_or_as_it_is() {
    const LEN: usize = 2 << 20;
    let mut chance = Chance::new("replaced by rename");
    let (first, second) = (content(5, LEN), content(6, LEN / 2));
    let mut tally = Tally::default();
    for_each_case(scaled(2), |case| {
        case.sandbox.write("source", &first);
        let duration = case.measure();
        case.sandbox.write("next", &second);
        let after = chance.shorter_than(duration);
        let (ended, ()) = meddled(case.run(), || {
            std::thread::sleep(after);
            let renamed = std::fs::rename(case.sandbox.path("next"), case.sandbox.path("source"));
            // Some file systems of Windows replace no file that is open.
            assert!(cfg!(windows) || renamed.is_ok(), "{renamed:?}");
        });
        if let Some(target) = case.judge(&ended, &mut tally) {
            assert!(target == first || target == second, "neither file: {ended}");
        }
    });
    eprintln!("{tally:?}");
}
