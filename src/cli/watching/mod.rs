//! `--watch`: a mirror that goes on. First the whole tree, then what changes, until interrupted.
//!
//! The whole tree is mirrored again, and watched anew, when changes may have been missed: when the
//! system says so, when the source is another directory than before or its mounts are others, when
//! something has failed, and once an hour, for what nobody is told of.

mod notices;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use notices::{Notices, State};

use super::interrupt;
use super::output::Output;
use super::progress::Progress;
use super::request::Request;
use super::watch::Watcher;
use crate::copy::Session;
use crate::options::ObjectId;
use crate::sys::mounts::mounts_below;
use crate::sys::names::{Follow, facts_of_path};
use crate::tree::{Operand, Parts, Summary, Trees};

/// Between two looks at what signals have asked for, and at what has changed.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// Between two looks whether the source is still the same directory.
const BETWEEN_LOOKS_AT_SOURCE: Duration = Duration::from_secs(1);
/// Between two mirrors of the whole tree, whatever is told.
const BETWEEN_WHOLES: Duration = Duration::from_secs(3600);
/// After a failure, doubled by each that follows, so that errors do not flood.
const DELAY_MIN: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);

/// Keeps the target equal to the source until a signal ends it.
///
/// # Errors
///
/// What lets nothing be watched, before anything is mirrored.
pub(super) fn keep(request: &Request, output: &mut Output) -> Result<()> {
    let Some(operand) = request.operands.first() else { return Ok(()) };
    let progress = Progress::new(request)?;
    let mut keeper = Keeper {
        request,
        operand,
        progress: &progress,
        output,
        notices: None,
        source: None,
        mounts: Vec::new(),
        looked: Instant::now(),
        whole_at: Instant::now(),
        delay: Duration::ZERO,
        retry: None,
    };
    let kept = keeper.keep();
    progress.finish();
    kept
}

struct Keeper<'a> {
    request: &'a Request,
    operand: &'a Operand,
    progress: &'a Progress,
    output: &'a mut Output,
    /// Nothing where watching has failed.
    notices: Option<Notices>,
    /// Which directory is watched, and what is mounted in it.
    source: Option<ObjectId>,
    mounts: Vec<String>,
    /// When that was looked at.
    looked: Instant,
    /// When the whole tree was mirrored.
    whole_at: Instant,
    /// How long was waited after the last failure.
    delay: Duration,
    /// When what failed is tried again.
    retry: Option<Instant>,
}

/// What is to be done.
enum Next {
    /// The whole tree is to be watched anew, and mirrored.
    Whole,
    /// What has changed is to be mirrored.
    Batch,
}

/// What a mirror came to.
struct Mirrored {
    summary: Summary,
    wants_whole: bool,
}

impl Keeper<'_> {
    fn keep(&mut self) -> Result<()> {
        if !self.watch_anew()? {
            return Ok(());
        }
        let first = self.mirror(None);
        if first.summary.directories == 0 && first.summary.failed > 0 {
            // Not even begun: nothing says that it ever could be.
            return Ok(());
        }
        self.judge(&first);
        while let Some(next) = self.wait() {
            match next {
                Next::Whole => self.whole(),
                Next::Batch => self.batch(),
            }
        }
        Ok(())
    }

    /// Waits for something to do; nothing is left when a signal asks for the end.
    fn wait(&mut self) -> Option<Next> {
        loop {
            if interrupt::stop_requested() {
                return None;
            }
            if interrupt::take_status_request() {
                self.progress.print_standing();
            }
            if self.is_another_source() {
                return Some(Next::Whole);
            }
            let state = self.notices.as_ref().map_or(State::Quiet, Notices::state);
            match (self.retry, state) {
                (Some(due), _) if Instant::now() >= due => return Some(Next::Whole),
                (Some(_), _) => {}
                (None, State::Lost) => return Some(Next::Whole),
                (None, _) if self.whole_at.elapsed() >= BETWEEN_WHOLES => return Some(Next::Whole),
                // What is mounted is not told of.
                (None, State::Batch) if self.mounts_now() != self.mounts => {
                    return Some(Next::Whole);
                }
                (None, State::Batch) => return Some(Next::Batch),
                (None, State::Quiet) => {}
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Whether the name of the source has come to be another directory's: that is told only if it
    /// was moved itself, not if a directory above it was.
    fn is_another_source(&mut self) -> bool {
        if self.looked.elapsed() < BETWEEN_LOOKS_AT_SOURCE {
            return false;
        }
        self.looked = Instant::now();
        let seen = self.source_now();
        // That it is gone is told once.
        std::mem::replace(&mut self.source, seen) != seen
    }

    fn source_now(&self) -> Option<ObjectId> {
        let path = self.operand.source.path()?;
        facts_of_path(path, Follow::Yes).ok().flatten().map(|facts| facts.id)
    }

    fn mounts_now(&self) -> Vec<String> {
        self.operand.source.path().map(mounts_below).unwrap_or_default()
    }

    /// Watches the whole tree anew; `false` when a signal has ended that.
    fn watch_anew(&mut self) -> Result<bool> {
        let Some(path) = self.operand.source.path().map(ToOwned::to_owned) else { return Ok(true) };
        let selection = self.request.options.selection.clone();
        (self.source, self.mounts) = (self.source_now(), self.mounts_now());
        let old = self.notices.take();
        let begun = attended(move || {
            drop(old);
            Notices::begin(&path, &selection)
        })?;
        self.notices = begun.transpose()?;
        Ok(self.notices.is_some())
    }

    /// Mirrors the whole tree, watched anew.
    fn whole(&mut self) {
        match self.watch_anew() {
            Ok(false) => return,
            Ok(true) => {}
            // Where there is none, the mirror says so.
            Err(error) if self.source.is_some() => self.tell(&error),
            Err(_) => {}
        }
        let mirrored = self.mirror(None);
        self.judge(&mirrored);
    }

    /// Mirrors what has changed, and the whole tree where that does not do.
    fn batch(&mut self) {
        let Some(mut notices) = self.notices.take() else { return };
        let gathered = attended(move || {
            let gathered = notices.gather();
            (notices, gathered)
        });
        let gathered = match gathered {
            Ok(Some((notices, gathered))) => {
                self.notices = Some(notices);
                gathered.context("cannot watch what is new")
            }
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let parts = match gathered {
            Ok(parts) => parts,
            Err(error) => {
                self.tell(&error);
                self.notices = None;
                return self.postpone();
            }
        };
        let mut mirrored = self.mirror(Some(&parts));
        if mirrored.wants_whole && mirrored.summary.failed == 0 && !interrupt::stop_requested() {
            mirrored = self.mirror(None);
        }
        self.judge(&mirrored);
    }

    fn mirror(&mut self, parts: Option<&Parts>) -> Mirrored {
        if parts.is_none() {
            self.whole_at = Instant::now();
        }
        let session = Session::new();
        session.protect_source(&self.operand.source);
        let watcher = Watcher::new(self.output, None, self.progress, self.request.replacing);
        let trees = Trees::new(&self.request.options, &watcher, &session);
        let trees = match parts {
            Some(parts) => trees.limited_to(parts),
            None => trees,
        };
        watcher.begin(self.operand);
        trees.copy(self.operand);
        let (wants_whole, summary) = (trees.wants_whole(), trees.finish());
        drop(watcher);
        self.progress.has_mirrored(parts.map(Parts::count));
        self.progress.while_hidden(|| self.output.summary(&summary));
        Mirrored { summary, wants_whole }
    }

    /// Has the whole tree mirrored later if something has failed, or was missed meanwhile.
    fn judge(&mut self, mirrored: &Mirrored) {
        let state = self.notices.as_ref().map(Notices::state);
        if mirrored.summary.failed == 0 && state.is_some_and(|state| state != State::Lost) {
            (self.delay, self.retry) = (Duration::ZERO, None);
        } else {
            self.postpone();
        }
    }

    fn tell(&mut self, error: &anyhow::Error) {
        self.progress.while_hidden(|| self.output.error(error.as_ref()));
    }

    fn postpone(&mut self) {
        self.delay = (self.delay * 2).clamp(DELAY_MIN, DELAY_MAX);
        self.retry = Some(Instant::now() + self.delay);
    }
}

/// Does what can take long on a thread of its own, and leaves it there when a signal asks for the
/// end, which comes at once then.
fn attended<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<Option<T>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("watches".into()).spawn(move || sender.send(work()).ok())?;
    loop {
        match receiver.recv_timeout(BETWEEN_LOOKS) {
            Ok(done) => return Ok(Some(done)),
            Err(RecvTimeoutError::Timeout) if interrupt::stop_requested() => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("cannot watch: a thread failed"),
        }
    }
}
