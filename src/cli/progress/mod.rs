//! How far a copy has come: counted without cost, drawn on standard error when asked.

mod bar;
mod figures;
mod scan;
mod standing;
mod watched;

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use figures::{Figures, FileFigures, TreeFigures};
use scan::Scan;
pub(super) use standing::per_second;
use watched::Watched;

use super::request::Request;
use super::words::ProgressWhen;
use crate::error::Result;
use crate::options::{Directories, Quoted};
use crate::report::{Done, Event};
use crate::sync::lock;
use crate::tree::Operand;

const BETWEEN_DRAWS: Duration = Duration::from_millis(1000 / bar::DRAWS_PER_SECOND as u64);
/// Between two lines where there is no terminal: often enough to see that it lives.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// The progress of a run.
#[derive(Debug)]
pub(super) struct Progress {
    figures: Arc<Figures>,
    /// The operand that is copied, where there is one at a time.
    label: Mutex<String>,
    painter: Option<Painter>,
}

impl Progress {
    /// Counts, and draws if the request says so; only then there is a thread.
    pub(super) fn new(request: &Request) -> io::Result<Self> {
        let figures = Arc::new(match request.options.directories {
            _ if request.watches => {
                let source = request.operands.first().map(|operand| &operand.source);
                Figures::Watched(Watched::new(source))
            }
            Directories::Refused => Figures::File(FileFigures::new(request.options.flush)),
            Directories::Copied => Figures::Trees(TreeFigures::new(Scan::new(request))),
        });
        let when = request.progress;
        let terminal = when != ProgressWhen::Never && io::stderr().is_terminal();
        let canvas = match (when, terminal) {
            (ProgressWhen::Never, _) | (ProgressWhen::Auto, false) => None,
            (ProgressWhen::Auto | ProgressWhen::Always, true) => {
                Some(Canvas::Bar(ProgressBar::hidden()))
            }
            (ProgressWhen::Always, false) => Some(Canvas::Lines { last: Instant::now() }),
        };
        let painter = canvas.map(|canvas| Painter::start(&figures, canvas)).transpose()?;
        if let (Some(_), Figures::Trees(trees)) = (&painter, &*figures) {
            trees.scan.begin();
        }
        Ok(Self { figures, label: Mutex::default(), painter })
    }

    /// Shows `operand`, or what is done of all trees.
    pub(super) fn begin(&self, operand: &Operand) {
        let edition = self.figures.edition();
        let label = match *self.figures {
            Figures::File(_) => format!("{} -> {}: ", operand.source, operand.target),
            Figures::Trees(_) => String::new(),
            Figures::Watched(ref watched) => {
                watched.begin();
                String::new()
            }
        };
        if let Figures::File(_) = *self.figures {
            self.hide();
        }
        lock(&self.label).clone_from(&label);
        if let Some(painter) = &self.painter {
            painter.screen().show(operand, label, edition);
        }
    }

    /// Takes notice that an object came to its end. Where it was shown by itself, the bar is
    /// cleared away.
    pub(super) fn ended(&self, result: &Result<Done>) {
        match &*self.figures {
            Figures::File(_) => self.hide(),
            Figures::Trees(trees) => trees.ended(result),
            Figures::Watched(watched) => watched.ended(),
        }
    }

    /// Takes notice of the end of one of several mirrors: of so many changes, or of the whole tree.
    pub(super) fn has_mirrored(&self, changes: Option<u64>) {
        if let Figures::Watched(watched) = &*self.figures {
            watched.end(changes);
        }
    }

    fn hide(&self) {
        if let Some(painter) = &self.painter {
            painter.screen().hide(&self.figures);
        }
    }

    /// Takes notice of an event; costs an atomic addition.
    pub(super) fn count(&self, event: Event) {
        self.figures.count(event);
    }

    /// Prints where the run stands. Who asks is likely to ask again, and is then told of how much.
    pub(super) fn print_standing(&self) {
        if let Figures::Trees(trees) = &*self.figures {
            trees.scan.begin();
        }
        let line = self.figures.line(&lock(&self.label));
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

    /// Clears the bar away, and ends the thread, if there is one.
    pub(super) fn finish(self) {
        self.hide();
        if let Figures::Trees(trees) = &*self.figures {
            trees.scan.stop();
        }
        if let Some(painter) = self.painter {
            painter.stop();
        }
    }
}

/// Writes on standard error; where that fails there is nobody left to tell.
fn print(text: &str) {
    io::stderr().write_all(text.as_bytes()).ok();
}

/// Draws the figures at its own pace, so that those who copy do not wait for a terminal.
#[derive(Debug)]
struct Painter {
    screen: Arc<Mutex<Screen>>,
    /// The thread ends when this is dropped.
    running: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Painter {
    fn start(figures: &Arc<Figures>, canvas: Canvas) -> io::Result<Self> {
        let screen = Arc::new(Mutex::new(Screen { canvas, shown: None }));
        let (running, stopped) = mpsc::channel();
        let (its_screen, its_figures) = (Arc::clone(&screen), Arc::clone(figures));
        let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
            while stopped.recv_timeout(BETWEEN_DRAWS) == Err(RecvTimeoutError::Timeout) {
                lock(&its_screen).draw(&its_figures);
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
    shown: Option<Shown>,
}

/// The copy that is shown.
#[derive(Debug)]
struct Shown {
    label: String,
    name: String,
    /// [`Figures::edition`] when it was last looked at.
    edition: u64,
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
    fn show(&mut self, operand: &Operand, label: String, edition: u64) {
        let target = operand.target.path().and_then(|path| path.file_name());
        let name = match target {
            // Endpoint's Display escapes what could move the cursor.
            Some(name) => Quoted(name.as_ref()).to_string(),
            None => operand.target.to_string(),
        };
        // Trees are shown together, from the first one on.
        self.shown.get_or_insert(Shown { label, name, edition, drawn: false });
    }

    fn hide(&mut self, figures: &Figures) {
        let Some(mut shown) = self.shown.take() else { return };
        match &self.canvas {
            Canvas::Bar(bar) => bar.finish_and_clear(),
            Canvas::Lines { .. } => {
                shown.drawn |= figures.edition() != shown.edition;
                if shown.drawn {
                    print(&figures.line(&shown.label));
                }
            }
        }
    }

    fn draw(&mut self, figures: &Figures) {
        let Some(shown) = &mut self.shown else { return };
        let edition = figures.edition();
        let begins = edition != shown.edition;
        if !begins && !shown.drawn {
            return;
        }
        (shown.edition, shown.drawn) = (edition, true);
        match (&mut self.canvas, figures.standing()) {
            (Canvas::Bar(bar), Some(standing)) => {
                if begins {
                    *bar = bar::new(&shown.name, &standing);
                }
                bar::update(bar, &standing);
            }
            (Canvas::Bar(bar), None) => {
                if bar.is_hidden() {
                    *bar = bar::line();
                }
                if let Figures::Watched(watched) = figures
                    && bar.message() != watched.line()
                {
                    bar.set_message(watched.line());
                }
            }
            (Canvas::Lines { last }, _) => {
                if last.elapsed() >= BETWEEN_LINES {
                    *last = Instant::now();
                    print(&figures.line(&shown.label));
                }
            }
        }
    }
}
