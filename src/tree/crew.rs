//! The threads that copy a tree, and what each does next.
//!
//! A thread stays with a directory until all its names are taken, then begins a subdirectory of
//! the directory that was filled last, then helps another with a directory of many names. One that
//! finds nothing to do is lent to whoever copies a large file. So as few directories are under way
//! as keep all threads busy, and memory does not grow with the tree.

use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::batch::Rest;
use super::branch::Branch;
use crate::engine::drive::Spare;
use crate::sync::{lock, wait};

/// The count of threads that have nothing to do.
#[derive(Debug, Default)]
pub(super) struct Idle(AtomicIsize);

impl Idle {
    /// Notes that one has something to do again. Where a helper runs in its stead, there is one
    /// more than there should be until that has ended.
    fn wakes(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Spare for Idle {
    fn take(&self) -> bool {
        let taken = |idle: isize| (idle > 0).then_some(idle - 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    fn give_back(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn idle(&self) -> usize {
        usize::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// What there is to do for whoever asks.
#[derive(Debug)]
pub(super) struct Crew<'a> {
    idle: &'a Idle,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Directories whose names are being taken.
    taken_from: Vec<Arc<Branch>>,
    /// Directories whose subdirectories wait, the one that was filled last at the end.
    waiting: Vec<Arc<Branch>>,
    /// Threads that have something to do.
    busy: usize,
    /// Threads that wait.
    asleep: usize,
    ended: bool,
}

/// What a thread does next.
#[derive(Debug)]
pub(super) enum Task {
    /// Begin the subdirectory of that name.
    Begin(Arc<Branch>, std::ffi::OsString),
    /// Copy files of this directory.
    Help(Arc<Branch>),
    /// Give names to what was flushed.
    Release,
    /// Everything that could be done is done, but for what waits for a flush.
    Flush,
    /// There is nothing more.
    End,
}

impl<'a> Crew<'a> {
    /// A crew of `threads`, all of them busy.
    pub(super) fn new(threads: usize, idle: &'a Idle) -> Self {
        let state = State {
            taken_from: Vec::new(),
            waiting: Vec::new(),
            busy: threads,
            asleep: 0,
            ended: false,
        };
        Self { idle, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Notes a directory that has more names than one thread takes at once.
    pub(super) fn share(&self, branch: &Arc<Branch>) {
        let mut state = self.state();
        state.taken_from.push(Arc::clone(branch));
        self.wake_one(&state);
    }

    /// Notes that a directory that was shared has no more names.
    pub(super) fn taken(&self, branch: &Arc<Branch>) {
        self.state().taken_from.retain(|other| !Arc::ptr_eq(other, branch));
    }

    /// Notes a directory whose subdirectories can be begun.
    pub(super) fn filled(&self, branch: &Arc<Branch>) {
        let mut state = self.state();
        state.waiting.push(Arc::clone(branch));
        self.wake_one(&state);
    }

    /// Notes that there are names to be given.
    pub(super) fn flushed(&self) {
        let _state = self.state();
        self.changed.notify_all();
    }

    /// Ends the work of all, at once.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// A thread that cannot be had.
    pub(super) fn lacks_one(&self) {
        self.state().busy -= 1;
    }

    /// What the calling thread, which has done what it had, is to do next.
    pub(super) fn next(&self, rest: impl Fn() -> Rest) -> Task {
        let mut state = self.state();
        loop {
            if state.ended {
                return Task::End;
            }
            let rest = rest();
            if rest == Rest::IsFlushed {
                return Task::Release;
            }
            while let Some(branch) = state.waiting.last().map(Arc::clone) {
                let begun = branch.begin_subdirectory();
                if !matches!(begun, Some((_, true))) {
                    state.waiting.pop();
                }
                if let Some((name, more)) = begun {
                    if more || !state.waiting.is_empty() {
                        self.wake_one(&state);
                    }
                    return Task::Begin(branch, name);
                }
            }
            if let Some(branch) = state.taken_from.iter().rev().find(|branch| branch.has_names()) {
                let branch = Arc::clone(branch);
                self.wake_one(&state);
                return Task::Help(branch);
            }
            if state.busy == 1 {
                if rest == Rest::Waits {
                    return Task::Flush;
                }
                state.ended = true;
                self.changed.notify_all();
                return Task::End;
            }
            state.busy -= 1;
            state.asleep += 1;
            self.idle.give_back();
            state = wait(&self.changed, state);
            self.idle.wakes();
            state.asleep -= 1;
            state.busy += 1;
        }
    }

    /// One at a time: that one wakes the next, if there is something left for it.
    fn wake_one(&self, state: &State) {
        if state.asleep > 0 {
            self.changed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
