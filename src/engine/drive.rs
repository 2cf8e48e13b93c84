//! Cuts a range into blocks and has threads copy them with one engine.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::{Engine, Job, Lane, Outcome};
use crate::digest::{TreeHash, UNIT_BYTES};
use crate::error::{Cause, Error, Operation, Result};
use crate::object::Object;
use crate::options::{Flush, THREADS_MAX};
use crate::report::{Event, Flow};
use crate::sync::{into_inner, lock};
use crate::units::{ByteRange, Granule};

/// What a run of one engine over a range came to.
#[derive(Debug)]
pub(crate) struct Pass {
    /// How it ended. A count of copied bytes in it is a multiple of [`UNIT_BYTES`].
    pub(crate) outcome: Outcome,
    /// Bytes stored.
    pub(crate) moved: u64,
    /// Bytes left as holes.
    pub(crate) holes: u64,
    /// Threads that took part.
    pub(crate) threads: usize,
    /// Ranges whose write-out was started.
    pub(crate) write_outs: u64,
}

impl Pass {
    /// A pass that ended before it began.
    pub(crate) fn ended(outcome: Outcome) -> Self {
        Self { outcome, moved: 0, holes: 0, threads: 1, write_outs: 0 }
    }
}

/// Copies `range` with `engine`, on at most `threads` threads, this one included; without a number,
/// on as many as there are cores.
pub(crate) fn run(
    engine: &dyn Engine,
    job: &Job<'_>,
    range: ByteRange,
    threads: Threads<'_>,
) -> Pass {
    let mut pass = Pass::ended(engine.prepare(job, range));
    if !matches!(pass.outcome, Outcome::Done) {
        return pass;
    }
    let block_bytes = if job.hash.is_some() {
        UNIT_BYTES.min(engine.block_bytes())
    } else {
        engine.block_bytes()
    };
    let shared = Shared::new(engine, job, range, block_bytes);
    let blocks = shared.blocks();
    let threads_max = usize::try_from(blocks).unwrap_or(usize::MAX).min(engine.threads_max());
    if blocks == 1 {
        // Threads would cost more than they do.
        shared.alone(&mut pass);
        pass.outcome = shared.outcome();
        return pass;
    }
    std::thread::scope(|scope| {
        let Follower { sender, thread: follower } = shared.spawn_follower(scope);
        let mut others = Vec::new();
        let helping = sender.clone();
        let recruit = || {
            while others.len() + 1 < threads_max
                && let Some(spell) = threads.another(others.len() + 1)
            {
                let sender = helping.clone();
                let (shared, work) = (&shared, Shared::work);
                let help = move || {
                    let lane = work(shared, sender, || {});
                    drop(spell);
                    lane
                };
                match Builder::new().spawn_scoped(scope, help) {
                    Ok(thread) => others.push(thread),
                    // Where no thread can be had, there are fewer.
                    Err(_) => break,
                }
            }
        };
        let mut lanes = vec![shared.work(sender, recruit)];
        drop(helping);
        pass.threads += others.len();
        lanes.extend(others.into_iter().map(finished));
        for lane in lanes {
            pass.moved += lane.moved;
            pass.holes += lane.holes;
        }
        pass.write_outs = follower.map_or(0, finished);
    });
    pass.outcome = shared.outcome();
    pass
}

/// Who copies the blocks of a range besides the calling thread.
#[derive(Clone, Copy)]
pub(crate) enum Threads<'a> {
    /// Threads of its own, so many with the calling one, or as many as there are cores.
    Own(Option<NonZeroUsize>),
    /// Those that would be idle otherwise, as they become so.
    Spare(&'a dyn Spare),
}

/// Threads that may have nothing to do.
pub(crate) trait Spare: Sync {
    /// Takes one of the idle threads' place, if there is one.
    fn take(&self) -> bool;

    /// Gives the place back.
    fn give_back(&self);

    /// How many are idle now.
    fn idle(&self) -> usize;
}

/// The place of an idle thread, held while a helper runs in its stead.
struct Spell<'a>(Option<&'a dyn Spare>);

impl Drop for Spell<'_> {
    fn drop(&mut self) {
        if let Some(spare) = self.0 {
            spare.give_back();
        }
    }
}

impl<'a> Threads<'a> {
    /// The right to run one more beside `running` threads.
    fn another(self, running: usize) -> Option<Spell<'a>> {
        match self {
            Self::Own(wanted) => (running < threads_or_cores(wanted)).then(|| Spell(None)),
            Self::Spare(spare) => spare.take().then(|| Spell(Some(spare))),
        }
    }

    /// How many there are now, the calling one included.
    pub(crate) fn now(self) -> usize {
        match self {
            Self::Own(wanted) => threads_or_cores(wanted),
            Self::Spare(spare) => 1 + spare.idle(),
        }
    }
}

/// The number of threads to use where none is given: as many as there are cores, as they were at
/// the first question. On Linux that takes reading several files of the control group, so it is
/// not asked for small files.
pub(crate) fn threads_or_cores(threads: Option<NonZeroUsize>) -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    let ask = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    threads.map_or_else(|| *CORES.get_or_init(ask), NonZeroUsize::get).min(THREADS_MAX)
}

/// What a thread returned; its panic is passed on.
fn finished<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The thread that follows the copying with write-out, if there is one, and the way to tell it
/// what has been copied.
struct Follower<'scope> {
    sender: Option<SyncSender<ByteRange>>,
    thread: Option<ScopedJoinHandle<'scope, u64>>,
}

/// Blocks that may wait for the follower; then the copying waits for it.
const FOLLOWED_BLOCKS_MAX: usize = 64;

/// Bytes whose write-out may be under way while the next are copied. It bounds the dirty memory
/// of a flushed copy, and is far more than a device needs to be busy.
const WRITE_OUT_BYTES_MAX: u64 = 64 << 20;

/// What the threads of one run share.
struct Shared<'a> {
    engine: &'a dyn Engine,
    job: &'a Job<'a>,
    range: ByteRange,
    granule: Granule,
    /// Offset from which the next block is taken.
    next: Mutex<u64>,
    stop: AtomicBool,
    /// The outcome that came first in the file, and the offset where that was.
    ended: Mutex<Option<(u64, Outcome)>>,
}

impl<'a> Shared<'a> {
    fn new(engine: &'a dyn Engine, job: &'a Job<'a>, range: ByteRange, block_bytes: u64) -> Self {
        // Powers of two by the trait's contract; a hash needs whole units.
        let granule = Granule::new(block_bytes.next_power_of_two()).unwrap_or(UNIT);
        Self {
            engine,
            job,
            range,
            granule,
            next: Mutex::new(range.start()),
            stop: AtomicBool::new(false),
            ended: Mutex::new(None),
        }
    }

    /// How many blocks the range is cut into, at multiples of the block's size.
    fn blocks(&self) -> u64 {
        let begin = self.granule.floor(self.range.start());
        (self.range.end() - begin).div_ceil(self.granule.bytes()).max(1)
    }

    /// Copies the one block on the calling thread.
    fn alone(&self, pass: &mut Pass) {
        let (sender, receiver) = match self.job.flush {
            Flush::None => (None, None),
            Flush::Async | Flush::Sync => {
                let (sender, receiver) = sync_channel(1);
                (Some(sender), Some(receiver))
            }
        };
        let lane = self.work(sender, || {});
        pass.moved = lane.moved;
        pass.holes = lane.holes;
        pass.write_outs = receiver.map_or(0, |receiver| self.follow(receiver));
    }

    /// Starts the follower, where one is wanted.
    fn spawn_follower<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
    ) -> Follower<'scope> {
        let nobody = Follower { sender: None, thread: None };
        if self.job.flush == Flush::None {
            return nobody;
        }
        let (sender, receiver) = sync_channel(FOLLOWED_BLOCKS_MAX);
        // Where no thread can be had nothing is written out early; what has to be on the disk is
        // flushed at the end in any case.
        match Builder::new().spawn_scoped(scope, || self.follow(receiver)) {
            Ok(thread) => Follower { sender: Some(sender), thread: Some(thread) },
            Err(_) => nobody,
        }
    }

    /// Takes blocks and copies them until there is none or somebody failed.
    fn work(&self, follower: Option<SyncSender<ByteRange>>, mut recruit: impl FnMut()) -> Lane {
        let mut lane = Lane::default();
        while !self.stop.load(Ordering::Relaxed) {
            recruit();
            let block = match self.take(&mut lane) {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err((offset, error)) => {
                    self.end(offset, Outcome::failed(error));
                    break;
                }
            };
            match self.copy_block(block, &mut lane) {
                Outcome::Done => {}
                Outcome::Unsupported { copied, why } => {
                    self.end(block.start() + copied, Outcome::Unsupported { copied, why });
                    break;
                }
                Outcome::Failed { copied, error } => {
                    self.end(block.start() + copied, Outcome::Failed { copied, error });
                    break;
                }
            }
            let flow = self.job.observer.event(Event::Copied { bytes: block.len() });
            if flow == Flow::Stop {
                self.end(block.end(), Outcome::failed(stopped(self.job.target)));
                break;
            }
            if let Some(follower) = &follower
                && follower.send(block).is_err()
            {
                // The follower failed, and has said so.
                break;
            }
        }
        lane
    }

    /// The next block to copy. Holes before it are passed over, unless they have to be hashed.
    fn take(&self, lane: &mut Lane) -> Result<Option<ByteRange>, (u64, Error)> {
        let mut next = lock(&self.next);
        let rest = ByteRange::between(*next, self.range.end());
        if rest.is_empty() {
            return Ok(None);
        }
        let mut start = rest.start();
        if self.job.hash.is_none() {
            let data = self.job.next_data(rest).map_err(|error| (start, error))?;
            let data_start = data.map_or(rest.end(), |data| data.start());
            let hole = ByteRange::between(start, data_start);
            if !hole.is_empty() {
                lane.hole(self.job, hole).map_err(|error| (start, error))?;
                start = data_start;
                *next = start;
                let bytes = hole.len();
                let mut flow = self.job.observer.event(Event::Copied { bytes });
                if flow == Flow::Continue && self.job.flush == Flush::Sync {
                    // There is nothing of it to write.
                    flow = self.job.observer.event(Event::WrittenOut { bytes });
                }
                if flow == Flow::Stop {
                    return Err((start, stopped(self.job.target)));
                }
            }
            if start == rest.end() {
                return Ok(None);
            }
        }
        let end = self.granule.next(start).min(rest.end());
        *next = end;
        Ok(Some(ByteRange::between(start, end)))
    }

    /// Copies the data of a block, passes over its holes, and hashes both.
    fn copy_block(&self, block: ByteRange, lane: &mut Lane) -> Outcome {
        lane.hasher = self.job.hash.map(|_| TreeHash::unit(block.start()));
        let mut rest = block;
        while !rest.is_empty() {
            let copied = rest.start() - block.start();
            let data = match self.job.next_data(rest) {
                Ok(data) => data.unwrap_or(ByteRange::between(rest.end(), rest.end())),
                Err(error) => return Outcome::Failed { copied, error },
            };
            let hole = ByteRange::between(rest.start(), data.start());
            if let Err(error) = lane.hole(self.job, hole) {
                return Outcome::Failed { copied, error };
            }
            if !data.is_empty() {
                let before = data.start() - block.start();
                match self.engine.copy_segment(self.job, data, lane) {
                    Outcome::Done => {}
                    Outcome::Unsupported { copied, why } => {
                        return Outcome::Unsupported { copied: before + copied, why };
                    }
                    Outcome::Failed { copied, error } => {
                        return Outcome::Failed { copied: before + copied, error };
                    }
                }
            }
            rest = ByteRange::between(data.end(), block.end());
        }
        if let (Some(tree), Some(hasher)) = (self.job.hash, lane.hasher.take()) {
            tree.put(block.start(), &hasher);
        }
        Outcome::Done
    }

    /// Starts the write-out of each block as it comes; with [`Flush::Sync`] also waits for it,
    /// some way behind. Returns how many were started.
    fn follow(&self, blocks: Receiver<ByteRange>) -> u64 {
        let mut under_way: VecDeque<ByteRange> = VecDeque::new();
        let mut bytes = 0;
        let mut count = 0;
        let mut step = |block: Option<ByteRange>| -> Result<(), (u64, Error)> {
            let bytes_max = if block.is_some() { WRITE_OUT_BYTES_MAX } else { 0 };
            if let Some(block) = block {
                self.job.target.start_write_out(block).map_err(|error| (block.start(), error))?;
                count += 1;
                if self.job.flush == Flush::Sync {
                    under_way.push_back(block);
                    bytes += block.len();
                }
            }
            while bytes > bytes_max
                && let Some(oldest) = under_way.pop_front()
            {
                self.job.target.wait_write_out(oldest).map_err(|error| (oldest.start(), error))?;
                bytes -= oldest.len();
                let event = Event::WrittenOut { bytes: oldest.len() };
                if self.job.observer.event(event) == Flow::Stop {
                    return Err((oldest.start(), stopped(self.job.target)));
                }
            }
            Ok(())
        };
        let blocks = blocks.into_iter().map(Some).chain([None]);
        for block in blocks {
            if let Err((offset, error)) = step(block) {
                self.end(offset, Outcome::failed(error));
                break;
            }
        }
        count
    }

    /// Notes that the run ends at `offset`, unless something else ends it before.
    fn end(&self, offset: u64, outcome: Outcome) {
        self.stop.store(true, Ordering::Relaxed);
        let mut ended = lock(&self.ended);
        let fails = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
        // A failure counts before an end from which another engine could go on: that engine would
        // not meet it again. The system tells a failed write-out once.
        let comes_first =
            ended.as_ref().is_none_or(|(earlier, before)| match (fails(&outcome), fails(before)) {
                (true, false) => true,
                (false, true) => false,
                _ => offset < *earlier,
            });
        if comes_first {
            *ended = Some((offset, outcome));
        }
    }

    /// The outcome of the run.
    ///
    /// Blocks are taken in order, so that everything before the first place that failed was taken
    /// by a thread that did not fail, and is copied. The count is rounded down to whole units,
    /// because the next engine has to hash those from their start.
    fn outcome(self) -> Outcome {
        let Some((offset, outcome)) = into_inner(self.ended) else {
            return Outcome::Done;
        };
        let copied = UNIT.floor(offset).saturating_sub(self.range.start());
        match outcome {
            Outcome::Done => Outcome::Done,
            Outcome::Unsupported { why, .. } => Outcome::Unsupported { copied, why },
            Outcome::Failed { error, .. } => Outcome::Failed { copied, error },
        }
    }
}

/// [`UNIT_BYTES`] as an alignment.
const UNIT: Granule = match Granule::new(UNIT_BYTES) {
    Some(unit) => unit,
    None => panic!("a unit is a power of two"),
};

/// The error of a copy that the observer stopped.
pub(crate) fn stopped(target: &dyn Object) -> Error {
    Error::new(Operation::Copy, target.endpoint(), Cause::Stopped)
}
