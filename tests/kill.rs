//! A kill at any instant leaves the old target or the new one, never a part of either.
//!
//! Tools that truncate the target first leave a mixture in nearly every one of these runs.

use std::time::Duration;

use crate::support::{Chance, ENGINES, Sandbox, content, scaled};
use crate::wine;

const LEN: usize = 24 << 20;

/// Which content the target had before.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Old,
    Nothing,
}

/// How killed runs ended; a test in which none was really killed shows nothing.
#[derive(Default, Debug)]
struct Tally {
    killed: u64,
    ended_before: u64,
    new_seen: u64,
    leftovers_seen: u64,
}

struct Setting<'a> {
    arguments: [&'a str; 4],
    before: Before,
    old: &'a [u8],
    new: &'a [u8],
}

impl Setting<'_> {
    fn prepare(&self, sandbox: &Sandbox) {
        match self.before {
            Before::Old => drop(sandbox.write("target", self.old)),
            Before::Nothing => drop(std::fs::remove_file(sandbox.path("target"))),
        }
    }

    /// The shortest of three undisturbed runs.
    fn measure(&self, sandbox: &Sandbox) -> Duration {
        let run = || {
            self.prepare(sandbox);
            sandbox.mycp(self.arguments).good().elapsed
        };
        run().min(run()).min(run())
    }

    fn kill_once(&self, sandbox: &Sandbox, after: Duration, tally: &mut Tally) {
        self.prepare(sandbox);
        let running = sandbox.run(self.arguments).start();
        std::thread::sleep(after);
        running.kill();
        let ended = running.end();
        match ended.status.code() {
            _ if ended.was_killed() => tally.killed += 1,
            Some(0) => tally.ended_before += 1,
            _ => panic!("{ended}"),
        }
        let situation = format!("{}, {:?}, killed after {after:?}", ended.description, self.before);
        let seen = std::fs::read(sandbox.path("target"));
        match (seen, self.before) {
            (Ok(seen), _) if seen == self.new => tally.new_seen += 1,
            (Ok(_), _) if ended.is_good() => panic!("{situation}: done, but not the new content"),
            (Ok(seen), Before::Old) if seen == self.old => (),
            (Err(error), Before::Nothing) if error.kind() == std::io::ErrorKind::NotFound => (),
            (Ok(seen), _) => panic!("{situation}: neither old nor new, {} bytes", seen.len()),
            (Err(error), _) => panic!("{situation}: {error}"),
        }
        tally.leftovers_seen += u64::from(!sandbox.leftovers().is_empty());
    }

    fn recover(&self, sandbox: &Sandbox) {
        let ended = sandbox.mycp(self.arguments).good();
        let situation = format!("{} after killed runs", ended.description);
        assert!(sandbox.read("target") == self.new, "{situation}: not the new content");
        sandbox.assert_tidy(&situation);
    }
}

fn killed_at_any_instant(flush: &str) {
    let mut chance = Chance::new("kill");
    let sandbox = Sandbox::new();
    let (old, new) = (content(1, LEN - 4321), content(2, LEN));
    sandbox.write("source", &new);
    let mut tally = Tally::default();
    let kills = scaled(150);
    for engine in ENGINES {
        for before in [Before::Old, Before::Nothing] {
            let engine = format!("--engine={engine}");
            let arguments = [&*engine, flush, "source", "target"];
            let setting = Setting { arguments, before, old: &old, new: &new };
            let duration = setting.measure(&sandbox);
            for _ in 0..kills.div_ceil(8) {
                let after = chance.shorter_than(duration + duration / 10);
                setting.kill_once(&sandbox, after, &mut tally);
                if sandbox.leftovers().len() >= 8 {
                    setting.recover(&sandbox);
                }
            }
            setting.recover(&sandbox);
        }
    }
    eprintln!("{tally:?}");
    let runs = tally.killed + tally.ended_before;
    // Under Wine a program's start takes most of the time, and differs.
    let share = if wine::lacks(wine::Lack::Pace) { 5 } else { 2 };
    assert!(tally.killed > runs / share, "too few runs were killed: {tally:?}");
}

#[test]
fn a_killed_copy_leaves_the_old_target_or_the_new_one() {
    killed_at_any_instant("--flush=none");
}

#[test]
fn a_killed_copy_that_flushes_leaves_the_old_target_or_the_new_one() {
    killed_at_any_instant("--flush=sync");
}

/// A reader never finds a part, nor for an instant nothing, while one copy follows another.
#[test]
fn a_reader_finds_a_whole_target_at_any_instant() {
    if wine::cannot("kill::a_reader_finds_a_whole_target_at_any_instant") {
        return;
    }
    let sandbox = Sandbox::new();
    let contents = [content(3, 3 << 20), content(4, (2 << 20) + 99)];
    for (name, bytes) in ["even", "odd"].iter().zip(&contents) {
        sandbox.write(name, bytes);
    }
    sandbox.write("target", &contents[0]);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = [0_u32; 2];
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let bytes = sandbox.read("target");
                let which = contents.iter().position(|content| *content == bytes);
                let Some(which) = which else { panic!("a part of {} bytes", bytes.len()) };
                seen[which] += 1;
            }
            seen
        });
        for round in 0..scaled(40) as usize {
            let engine = format!("--engine={}", ENGINES[round / 2 % ENGINES.len()]);
            let source = ["even", "odd"][round % 2];
            let ended = sandbox.mycp([&*engine, source, "target"]);
            if reader.is_finished() {
                break;
            }
            ended.good();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let seen = reader.join().unwrap();
        assert!(seen.iter().all(|count| *count > 0), "only one content was seen: {seen:?}");
    });
}
