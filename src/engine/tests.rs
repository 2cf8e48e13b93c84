//! Engines over objects in memory whose n-th call fails.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::delta::Compare;
use super::passes::ReadOnly;
use super::{Before, Engine, Holes, Job, Outcome, Zeros, by_name, drive};
use crate::digest::{TreeHash, UNIT_BYTES};
use crate::error::{Cause, Error, Operation, Result};
use crate::object::Object;
use crate::options::{Endpoint, EngineName, Flush};
use crate::report::{Event, Flow, Observer};
use crate::sys::Errno;
use crate::sys::map::{Access, Mapping};
use crate::units::ByteRange;

/// Which call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    NextData,
    StartWriteOut,
    WaitWriteOut,
}

/// Bytes in memory, read at most 100,000 at a time.
#[derive(Debug)]
struct Memory {
    endpoint: Endpoint,
    bytes: Mutex<Vec<u8>>,
    /// Data lies in these ranges only; `None`: everywhere.
    data: Option<Vec<ByteRange>>,
    fails: Option<(Call, usize)>,
    calls: AtomicUsize,
}

impl Memory {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            endpoint: Endpoint::from("memory"),
            bytes: Mutex::new(bytes),
            data: None,
            fails: None,
            calls: AtomicUsize::new(0),
        }
    }

    fn failing(self, call: Call, number: usize) -> Self {
        Self { fails: Some((call, number)), ..self }
    }

    fn call(&self, call: Call, operation: Operation, at: u64) -> Result<()> {
        match self.fails {
            Some((which, number))
                if which == call && self.calls.fetch_add(1, Ordering::Relaxed) == number =>
            {
                let error = io::Error::from(Errno::IO);
                let bytes = ByteRange::between(at, at + 1);
                Err(Error::new(operation, &self.endpoint, error).at(bytes))
            }
            _ => Ok(()),
        }
    }

    fn content(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl Object for Memory {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn file(&self) -> Option<&File> {
        None
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.call(Call::Read, Operation::Read, offset)?;
        let bytes = self.bytes.lock().unwrap();
        let rest = bytes.get(index(offset)..).unwrap_or_default();
        let count = rest.len().min(into.len()).min(100_000);
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn read_ahead(&self, _: ByteRange) {}

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<()> {
        self.call(Call::Write, Operation::Write, offset)?;
        let start = index(offset);
        self.bytes.lock().unwrap()[start..start + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn map(&self, range: ByteRange, _: Access) -> Result<Mapping> {
        let error = io::Error::from(Errno::NODEV);
        Err(Error::new(Operation::Map, &self.endpoint, error).at(range))
    }

    fn next_data(&self, offset: u64) -> Result<Option<ByteRange>> {
        self.call(Call::NextData, Operation::FindHoles, offset)?;
        let rest = ByteRange::between(offset, u64::MAX);
        let all = [ByteRange::first(self.len()?)];
        let data = self.data.as_deref().unwrap_or(&all);
        Ok(data.iter().map(|data| data.intersection(rest)).find(|data| !data.is_empty()))
    }

    fn reserve(&self, _: ByteRange) -> Result<()> {
        Ok(())
    }

    fn clear(&self, range: ByteRange) -> Result<()> {
        self.bytes.lock().unwrap()[index(range.start())..index(range.end())].fill(0);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.bytes.lock().unwrap().resize(index(len), 0);
        Ok(())
    }

    fn start_write_out(&self, range: ByteRange) -> Result<()> {
        self.call(Call::StartWriteOut, Operation::Flush, range.start())
    }

    fn wait_write_out(&self, range: ByteRange) -> Result<()> {
        self.call(Call::WaitWriteOut, Operation::Flush, range.start())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

const UNIT: usize = 2 << 20;

fn content(len: usize) -> Vec<u8> {
    (1..=251).cycle().take(len).collect()
}

fn job<'a>(source: &'a dyn Object, target: &'a dyn Object) -> Job<'a> {
    Job {
        source,
        target,
        holes: Holes::Ignore,
        zeros: Zeros::Store,
        before: Before::Blank,
        hash: None,
        flush: Flush::None,
        observer: &(),
    }
}

fn run(engine: &dyn Engine, job: &Job<'_>, range: ByteRange) -> drive::Pass {
    drive::run(engine, job, range, drive::Threads::Own(NonZeroUsize::new(2)))
}

fn buffered() -> &'static dyn Engine {
    by_name(EngineName::Buffered)
}

#[test]
fn short_reads_add_up_to_the_whole() {
    let bytes = content(3 * UNIT + 12_345);
    let source = Memory::new(bytes.clone());
    let target = Memory::new(vec![0; bytes.len()]);
    let tree = TreeHash::new(bytes.len() as u64);
    let job = Job { hash: Some(&tree), ..job(&source, &target) };
    let pass = run(buffered(), &job, ByteRange::first(bytes.len() as u64));
    assert!(matches!(pass.outcome, Outcome::Done));
    assert_eq!(pass.moved, bytes.len() as u64);
    assert_eq!(target.content(), bytes);
    assert_eq!(tree.finish(), Some(blake3::hash(&bytes)));
}

#[test]
fn an_early_end_is_an_error_and_not_a_loop() {
    let source = Memory::new(content(UNIT + 5));
    let target = Memory::new(vec![0; 4 * UNIT]);
    let pass = run(buffered(), &job(&source, &target), ByteRange::first(4 * UNIT_BYTES));
    let Outcome::Failed { copied, error } = pass.outcome else { panic!("{:?}", pass.outcome) };
    assert!(matches!(error.cause, Cause::Shrank { len } if len == UNIT_BYTES + 5));
    assert_eq!(copied, UNIT_BYTES);
}

#[test]
fn every_failed_read_and_write_is_reported_and_what_is_before_it_is_copied() {
    let bytes = content(4 * UNIT);
    for call in [Call::Read, Call::Write] {
        for number in [0, 1, 20, 50, 80] {
            let source = Memory::new(bytes.clone());
            let target = Memory::new(vec![0; bytes.len()]);
            let (source, target) = match call {
                Call::Read => (source.failing(call, number), target),
                _ => (source, target.failing(call, number)),
            };
            let pass =
                run(buffered(), &job(&source, &target), ByteRange::first(bytes.len() as u64));
            let Outcome::Failed { copied, error } = pass.outcome else {
                panic!("{call:?} {number}: {:?}", pass.outcome)
            };
            assert_eq!(Errno::from_io_error(error.os_error().unwrap()), Some(Errno::IO));
            assert!(error.range.is_some(), "the error names no place");
            let done = index(copied);
            assert_eq!(target.content()[..done], bytes[..done], "{call:?} {number}");
        }
    }
}

#[test]
fn an_engine_that_cannot_leaves_the_rest_to_the_next() {
    let bytes = content(2 * UNIT);
    let (source, target) = (Memory::new(bytes.clone()), Memory::new(vec![0; bytes.len()]));
    for name in [EngineName::Mmap, EngineName::Kernel, EngineName::Reflink] {
        let pass = run(by_name(name), &job(&source, &target), ByteRange::first(2 * UNIT_BYTES));
        let unsupported = matches!(pass.outcome, Outcome::Unsupported { copied: 0, .. });
        assert!(unsupported, "{name}: {:?}", pass.outcome);
    }
}

#[test]
fn holes_are_passed_over_and_hashed() {
    let mut bytes = vec![0; 5 * UNIT];
    let data = [
        ByteRange::between(4096, 8192),
        ByteRange::between(UNIT_BYTES - 512, UNIT_BYTES + 512),
        ByteRange::between(4 * UNIT_BYTES + 1, 4 * UNIT_BYTES + 2),
    ];
    for range in data {
        bytes[index(range.start())..index(range.end())].fill(7);
    }
    for before in [Before::Blank, Before::Content] {
        for hashed in [false, true] {
            let mut source = Memory::new(bytes.clone());
            source.data = Some(data.to_vec());
            let old = if before == Before::Blank { 0 } else { 9 };
            let target = Memory::new(vec![old; bytes.len()]);
            let tree = TreeHash::new(bytes.len() as u64);
            let job = Job {
                holes: Holes::Seek,
                before,
                hash: hashed.then_some(&tree),
                ..job(&source, &target)
            };
            let pass = run(buffered(), &job, ByteRange::first(bytes.len() as u64));
            assert!(matches!(pass.outcome, Outcome::Done));
            assert_eq!(pass.moved, 4096 + 1024 + 1);
            assert_eq!(pass.moved + pass.holes, bytes.len() as u64);
            assert!(target.content() == bytes, "{before:?} {hashed}");
            if hashed {
                assert_eq!(tree.finish(), Some(blake3::hash(&bytes)));
            }
        }
    }
}

#[test]
fn zeros_are_left_out_where_that_is_asked_for() {
    let mut bytes = content(UNIT + 100);
    bytes[8192..65_536].fill(0);
    for (before, old) in [(Before::Blank, 0), (Before::Content, 9)] {
        let source = Memory::new(bytes.clone());
        let target = Memory::new(vec![old; bytes.len()]);
        let job = Job { zeros: Zeros::Skip, before, ..job(&source, &target) };
        let pass = run(buffered(), &job, ByteRange::first(bytes.len() as u64));
        assert!(matches!(pass.outcome, Outcome::Done));
        assert!(pass.holes > 40_000, "{} bytes of holes", pass.holes);
        assert!(target.content() == bytes, "{before:?}");
    }
}

#[test]
fn a_failed_search_for_data_is_not_the_end_of_the_data() {
    let bytes = content(2 * UNIT);
    let source = Memory::new(bytes.clone()).failing(Call::NextData, 2);
    let target = Memory::new(vec![0; bytes.len()]);
    let job = Job { holes: Holes::Seek, ..job(&source, &target) };
    let pass = run(buffered(), &job, ByteRange::first(bytes.len() as u64));
    assert!(matches!(pass.outcome, Outcome::Failed { .. }), "{:?}", pass.outcome);
}

#[test]
fn every_failed_write_out_fails_the_copy() {
    let bytes = content(40 * UNIT);
    for call in [Call::StartWriteOut, Call::WaitWriteOut] {
        for number in [0, 1, 19, 39] {
            let source = Memory::new(bytes.clone());
            let target = Memory::new(vec![0; bytes.len()]).failing(call, number);
            let job = Job { flush: Flush::Sync, ..job(&source, &target) };
            let pass = run(buffered(), &job, ByteRange::first(bytes.len() as u64));
            let Outcome::Failed { error, .. } = pass.outcome else {
                panic!("{call:?} {number}: {:?}", pass.outcome)
            };
            assert_eq!(error.operation, Operation::Flush);
        }
    }
}

/// Stops at the n-th event.
struct Stopper(AtomicUsize);

impl Observer for Stopper {
    fn event(&self, _: Event) -> Flow {
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) {
            Ok(_) => Flow::Continue,
            Err(_) => Flow::Stop,
        }
    }
}

#[test]
fn an_observer_stops_the_copy_at_any_event() {
    let bytes = content(6 * UNIT);
    for flush in [Flush::None, Flush::Sync] {
        for number in 0..6 {
            let (source, target) = (Memory::new(bytes.clone()), Memory::new(vec![0; bytes.len()]));
            let stopper = Stopper(AtomicUsize::new(number));
            let job = Job { observer: &stopper, flush, ..job(&source, &target) };
            let pass = run(buffered(), &job, ByteRange::first(bytes.len() as u64));
            let Outcome::Failed { error, .. } = pass.outcome else { panic!("{number}") };
            assert!(matches!(error.cause, Cause::Stopped));
        }
    }
}

#[test]
fn a_comparison_finds_one_different_byte() {
    let bytes = content(3 * UNIT);
    let range = ByteRange::first(bytes.len() as u64);
    let source = Memory::new(bytes.clone());
    let same = Memory::new(bytes.clone());
    assert!(matches!(run(&Compare, &job(&source, &same), range).outcome, Outcome::Done));
    for at in [0, UNIT, 3 * UNIT - 1] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let other = Memory::new(other);
        let pass = run(&Compare, &job(&source, &other), range);
        assert!(matches!(pass.outcome, Outcome::Failed { .. }), "byte {at}");
    }
}

#[test]
fn reading_for_the_hash_stores_nothing() {
    let bytes = content(2 * UNIT + 3);
    let (source, target) = (Memory::new(bytes.clone()), Memory::new(Vec::new()));
    let tree = TreeHash::new(bytes.len() as u64);
    let job = Job { hash: Some(&tree), ..job(&source, &target) };
    let pass = run(&ReadOnly, &job, ByteRange::first(bytes.len() as u64));
    assert!(matches!(pass.outcome, Outcome::Done));
    assert_eq!(tree.finish(), Some(blake3::hash(&bytes)));
    assert_eq!(target.content(), b"");
}
