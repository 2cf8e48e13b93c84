//! How far a copy has come: counted without cost, drawn on standard error when asked.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

use super::args::ProgressWhen;
use super::landing::Job;
use crate::options::Flush;
use crate::report::Event;

/// Draws in a second, and looks at the counters in a second.
const DRAWS_PER_SECOND: u8 = 20;
const BETWEEN_DRAWS: Duration = Duration::from_millis(1000 / DRAWS_PER_SECOND as u64);
/// Between two lines where there is no terminal: often enough to see that it lives.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

const BAR: &str = "{msg:24!} {bytes}/{total_bytes} {wide_bar} {percent}% {speed}/s {left} left";
const BAR_WITHOUT_END: &str = "{msg:24!} {bytes} {speed}/s {elapsed}";

/// What bytes of a copy are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// Those in the target, in memory at least.
    Copied,
    /// Those that have reached the disk.
    WrittenOut,
}

/// A length that is not known.
const UNKNOWN: u64 = u64::MAX;

/// The figures of the copy that runs, added to from all of its threads.
#[derive(Debug)]
struct Counters {
    counted: Counted,
    /// Bytes to copy, or [`UNKNOWN`].
    total: AtomicU64,
    done: AtomicU64,
    read_back: AtomicU64,
    /// Times that a copy was started, or started over.
    starts: AtomicU64,
    started: Mutex<Instant>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Standing {
    counted: &'static str,
    done: u64,
    total: Option<u64>,
    elapsed: Duration,
}

impl Counters {
    fn new(flush: Flush) -> Self {
        Self {
            counted: if flush == Flush::Sync { Counted::WrittenOut } else { Counted::Copied },
            total: AtomicU64::new(UNKNOWN),
            done: AtomicU64::new(0),
            read_back: AtomicU64::new(0),
            starts: AtomicU64::new(0),
            started: Mutex::new(Instant::now()),
        }
    }

    fn count(&self, event: Event) {
        match (event, self.counted) {
            (Event::Started { len }, _) => self.start(len),
            (Event::Copied { bytes }, Counted::Copied)
            | (Event::WrittenOut { bytes }, Counted::WrittenOut) => {
                self.done.fetch_add(bytes, Ordering::Relaxed);
            }
            (Event::ReadBack { bytes }, _) => {
                if self.read_back.fetch_add(bytes, Ordering::Relaxed) == 0 {
                    // Its speed is its own.
                    *lock(&self.started) = Instant::now();
                }
            }
            (Event::Copied { .. } | Event::WrittenOut { .. } | Event::Waiting, _) => {}
        }
    }

    fn start(&self, len: Option<u64>) {
        *lock(&self.started) = Instant::now();
        self.total.store(len.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.read_back.store(0, Ordering::Relaxed);
        self.starts.fetch_add(1, Ordering::Relaxed);
    }

    fn standing(&self) -> Standing {
        let total = Some(self.total.load(Ordering::Relaxed)).filter(|total| *total != UNKNOWN);
        let read_back = self.read_back.load(Ordering::Relaxed);
        let (counted, done) = match (read_back, self.counted) {
            (0, Counted::Copied) => ("copied", self.done.load(Ordering::Relaxed)),
            (0, Counted::WrittenOut) => ("on the disk", self.done.load(Ordering::Relaxed)),
            (read_back, _) => ("read back", read_back),
        };
        Standing { counted, done, total, elapsed: lock(&self.started).elapsed() }
    }
}

impl Standing {
    /// The line that SIGUSR1 asks for.
    fn line(&self, job: &str) -> String {
        let bytes = match self.total {
            Some(total) => {
                let percent = percent(self.done, total);
                format!("{} of {total} bytes ({percent}%)", self.done)
            }
            None => format!("{} bytes", self.done),
        };
        let seconds = self.elapsed.as_secs_f64();
        let speed = HumanBytes(per_second(self.done, self.elapsed));
        format!("mycp: {job}: {bytes} {}, {seconds:.1} s, {speed}/s\n", self.counted)
    }
}

fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        _ => u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(u64::MAX),
    }
}

pub(super) fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    let nanoseconds = elapsed.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX)
}

/// The progress of a run.
#[derive(Debug)]
pub(super) struct Progress {
    counters: Arc<Counters>,
    painter: Option<Painter>,
}

impl Progress {
    /// Counts, and draws if `when` says so; only then there is a thread.
    pub(super) fn new(when: ProgressWhen, flush: Flush) -> io::Result<Self> {
        let counters = Arc::new(Counters::new(flush));
        let terminal = when != ProgressWhen::Never && io::stderr().is_terminal();
        let painter = match (when, terminal) {
            (ProgressWhen::Never, _) | (ProgressWhen::Auto, false) => None,
            (ProgressWhen::Auto | ProgressWhen::Always, true) => {
                Some(Painter::start(&counters, Canvas::Bar(ProgressBar::hidden()))?)
            }
            (ProgressWhen::Always, false) => {
                Some(Painter::start(&counters, Canvas::Lines { last: Instant::now() })?)
            }
        };
        Ok(Self { counters, painter })
    }

    /// Shows `job` until [`end`](Self::end).
    pub(super) fn begin(&self, job: &Job) {
        if let Some(painter) = &self.painter {
            let starts = self.counters.starts.load(Ordering::Relaxed);
            painter.screen().show(job, starts);
        }
    }

    /// Clears the bar away: what follows may be printed.
    pub(super) fn end(&self) {
        if let Some(painter) = &self.painter {
            painter.screen().hide(&self.counters);
        }
    }

    /// Takes notice of an event; costs an atomic addition.
    pub(super) fn count(&self, event: Event) {
        self.counters.count(event);
    }

    /// Prints where `job` stands.
    pub(super) fn print_standing(&self, job: &Job) {
        let line = self.counters.standing().line(&label(job));
        self.while_hidden(|| print(&line));
    }

    /// Does `print` with no bar in its way.
    pub(super) fn while_hidden<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.painter {
            None => print(),
            Some(painter) => match &painter.screen().canvas {
                Canvas::Bar(bar) => bar.suspend(print),
                Canvas::Lines { .. } => print(),
            },
        }
    }

    /// Ends the thread, if there is one.
    pub(super) fn finish(self) {
        if let Some(painter) = self.painter {
            painter.stop();
        }
    }
}

fn label(job: &Job) -> String {
    format!("{} -> {}", job.source, job.target)
}

/// Writes on standard error; where that fails there is nobody left to tell.
fn print(text: &str) {
    io::stderr().write_all(text.as_bytes()).ok();
}

/// Draws the counters at its own pace, so that those who copy do not wait for a terminal.
#[derive(Debug)]
struct Painter {
    screen: Arc<Mutex<Screen>>,
    /// The thread ends when this is dropped.
    running: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Painter {
    fn start(counters: &Arc<Counters>, canvas: Canvas) -> io::Result<Self> {
        let screen = Arc::new(Mutex::new(Screen { canvas, job: None }));
        let (running, stopped) = mpsc::channel();
        let (its_screen, its_counters) = (Arc::clone(&screen), Arc::clone(counters));
        let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
            while stopped.recv_timeout(BETWEEN_DRAWS) == Err(RecvTimeoutError::Timeout) {
                lock(&its_screen).draw(&its_counters);
            }
        })?;
        Ok(Self { screen, running, thread })
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        lock(&self.screen)
    }

    fn stop(self) {
        drop(self.running);
        // A panic of the painter has been printed already, and concerns no file.
        self.thread.join().ok();
    }
}

/// What is drawn, and on what.
#[derive(Debug)]
struct Screen {
    canvas: Canvas,
    job: Option<Shown>,
}

/// The copy that is shown.
#[derive(Debug)]
struct Shown {
    label: String,
    name: String,
    /// [`Counters::starts`] when it was last looked at: while it has not grown, there is nothing
    /// to draw, and when it grows again, the copy was started over.
    starts: u64,
    drawn: bool,
}

#[derive(Debug)]
enum Canvas {
    /// A terminal.
    Bar(ProgressBar),
    /// A file or pipe: a line now and then.
    Lines { last: Instant },
}

impl Screen {
    fn show(&mut self, job: &Job, starts: u64) {
        let target = job.target.path().and_then(|path| path.file_name());
        let name = match target {
            // Endpoint's Display escapes what could move the cursor.
            Some(name) => crate::options::Quoted(name.as_ref()).to_string(),
            None => job.target.to_string(),
        };
        self.job = Some(Shown { label: label(job), name, starts, drawn: false });
    }

    fn hide(&mut self, counters: &Counters) {
        let Some(mut job) = self.job.take() else { return };
        match &self.canvas {
            Canvas::Bar(bar) => bar.finish_and_clear(),
            Canvas::Lines { .. } => {
                job.drawn |= counters.starts.load(Ordering::Relaxed) != job.starts;
                if job.drawn {
                    print(&counters.standing().line(&job.label));
                }
            }
        }
    }

    fn draw(&mut self, counters: &Counters) {
        let Some(job) = &mut self.job else { return };
        let starts = counters.starts.load(Ordering::Relaxed);
        let begins = starts != job.starts;
        if !begins && !job.drawn {
            return;
        }
        (job.starts, job.drawn) = (starts, true);
        let standing = counters.standing();
        match &mut self.canvas {
            Canvas::Bar(bar) => {
                if begins {
                    *bar = new_bar(&job.name, &standing);
                }
                bar.set_position(standing.done);
            }
            Canvas::Lines { last } => {
                if last.elapsed() >= BETWEEN_LINES {
                    *last = Instant::now();
                    print(&standing.line(&job.label));
                }
            }
        }
    }
}

/// A bar for the copy that stands so. Everything is set before it is drawn for the first time.
fn new_bar(name: &str, standing: &Standing) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(standing.total, target)
        .with_message(name.to_owned())
        .with_elapsed(standing.elapsed);
    let template = if standing.total.is_some() { BAR } else { BAR_WITHOUT_END };
    match ProgressStyle::with_template(template) {
        // The means since the start: indicatif's own begin with what came before the first look.
        Ok(style) => bar.with_style(style.with_key("speed", speed).with_key("left", left)),
        // The templates are constants; a test builds them.
        Err(_) => bar,
    }
}

fn speed(state: &ProgressState, f: &mut dyn fmt::Write) {
    // A key has no way to report an error, and none can come from writing to memory.
    write!(f, "{}", HumanBytes(per_second(state.pos(), state.elapsed()))).ok();
}

fn left(state: &ProgressState, f: &mut dyn fmt::Write) {
    let rest = state.len().unwrap_or(0).saturating_sub(state.pos());
    match rest.checked_div(per_second(state.pos(), state.elapsed())) {
        Some(seconds) => write!(f, "{:#}", HumanDuration(Duration::from_secs(seconds))).ok(),
        None => f.write_str("?").ok(),
    };
}

/// The figures stay right when a thread that held the lock panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job { source: "a".into(), target: "b".into() }
    }

    fn counted(flush: Flush, events: &[Event]) -> Standing {
        let counters = Counters::new(flush);
        events.iter().for_each(|event| counters.count(*event));
        counters.standing()
    }

    #[test]
    fn with_sync_only_what_has_reached_the_disk_is_counted() {
        let events = [
            Event::Started { len: Some(100) },
            Event::Copied { bytes: 50 },
            Event::WrittenOut { bytes: 20 },
        ];
        let standing = counted(Flush::None, &events);
        assert_eq!((standing.done, standing.counted), (50, "copied"));
        let standing = counted(Flush::Sync, &events);
        assert_eq!((standing.done, standing.counted), (20, "on the disk"));
    }

    #[test]
    fn a_copy_that_is_started_over_is_counted_from_zero() {
        let events = [
            Event::Started { len: Some(100) },
            Event::Copied { bytes: 90 },
            Event::Started { len: Some(80) },
            Event::Copied { bytes: 8 },
        ];
        let standing = counted(Flush::None, &events);
        assert_eq!((standing.done, standing.total), (8, Some(80)));
    }

    #[test]
    fn reading_back_is_counted_by_itself() {
        let events = [
            Event::Started { len: Some(100) },
            Event::Copied { bytes: 100 },
            Event::ReadBack { bytes: 20 },
            Event::ReadBack { bytes: 10 },
        ];
        let standing = counted(Flush::None, &events);
        assert_eq!((standing.done, standing.counted), (30, "read back"));
    }

    #[test]
    fn the_line_says_how_much_of_what_and_how_fast() {
        let standing = Standing {
            counted: "copied",
            done: 512 << 20,
            total: Some(1 << 30),
            elapsed: Duration::from_secs(2),
        };
        assert_eq!(
            standing.line(&label(&job())),
            "mycp: 'a' -> 'b': 536870912 of 1073741824 bytes (50%) copied, 2.0 s, 256.00 MiB/s\n"
        );
        let endless = Standing { total: None, done: 0, ..standing };
        assert_eq!(endless.line("'-' -> 'b'"), "mycp: '-' -> 'b': 0 bytes copied, 2.0 s, 0 B/s\n");
    }

    #[test]
    fn an_empty_file_is_complete_and_no_length_overflows() {
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(per_second(u64::MAX, Duration::ZERO), u64::MAX);
    }

    #[test]
    fn the_bars_can_be_built() {
        ProgressStyle::with_template(BAR).unwrap();
        ProgressStyle::with_template(BAR_WITHOUT_END).unwrap();
    }
}
