//! The log of a witness, which is its record: a file of lines, one for each thing that it was told.
//!
//! The first line says what the file is. Each other begins with the witness's own time, in
//! microseconds since 1970, and the run; then comes the event as it was told. A last line without
//! its end was never confirmed to anybody, and counts for nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::event::{Event, LINE_BYTES_MAX, RunId};
use super::history::History;
use super::store::flush_directory;
use crate::options::Quoted;

/// The first line.
const HEADER: &str = "mycp-crash record 1";

/// The last line of a record that is sent over the network.
pub(super) const COMPLETE: &str = "complete";

/// One line.
struct Entry {
    micros: u64,
    run: RunId,
    event: Event,
}

fn entry(line: &str) -> std::result::Result<Entry, String> {
    let no_entry =
        || format!("{:?} is no entry of a record", line.chars().take(100).collect::<String>());
    let (micros, rest) = line.split_once(' ').ok_or_else(no_entry)?;
    let (run, event) = rest.split_once(' ').ok_or_else(no_entry)?;
    Ok(Entry {
        micros: micros.parse().map_err(|_| no_entry())?,
        run: run.parse().map_err(|error| format!("{error}"))?,
        event: event.parse().map_err(|error| format!("{error}"))?,
    })
}

/// The lines of a record, with their numbers; ends at a line without an end.
struct Lines<R> {
    from: R,
    name: String,
    number: u64,
    /// Bytes of whole lines so far.
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the first line, too.
    fn new(from: R, name: String) -> Result<Self> {
        let mut lines = Self { from, name, number: 0, bytes: 0 };
        match lines.next()? {
            Some(line) if line == HEADER => Ok(lines),
            _ => Err(lines.wrong("this is no record: its first line is another".to_owned())),
        }
    }

    fn next(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let read = (&mut self.from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        self.number += 1;
        let count = read.map_err(|source| Error::File {
            operation: "read",
            path: PathBuf::from(&self.name),
            source,
        })?;
        if line.pop() != Some(b'\n') {
            let is_long = count as u64 == LINE_BYTES_MAX;
            return if is_long { Err(self.wrong("it is too long".to_owned())) } else { Ok(None) };
        }
        self.bytes += count as u64;
        String::from_utf8(line).map(Some).map_err(|_| self.wrong("it is no text".to_owned()))
    }

    fn wrong(&self, reason: String) -> Error {
        Error::Record { record: self.name.clone(), line: self.number, reason }
    }

    fn entry(&self, line: &str) -> Result<Entry> {
        entry(line).map_err(|reason| self.wrong(reason))
    }
}

/// Whether a record is to be read to the line that ends a transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Wherever the file does.
    AsFile,
    /// With a line that says so.
    Complete,
}

/// What a record tells about one run.
pub(crate) fn read(from: impl BufRead, name: &str, run: RunId, ends: Ends) -> Result<History> {
    let mut lines = Lines::new(from, name.to_owned())?;
    let mut history: Option<History> = None;
    let mut is_complete = false;
    while let Some(line) = lines.next()? {
        is_complete = line == COMPLETE && ends == Ends::Complete;
        if is_complete {
            break;
        }
        let Entry { micros, event, .. } = match lines.entry(&line)? {
            entry if entry.run == run => entry,
            _ => continue,
        };
        let noted = match (&mut history, event) {
            (None, Event::Begin(layout)) => {
                history = Some(History::new(layout, micros));
                Ok(())
            }
            (None, _) => Err("the run has not begun".to_owned()),
            (Some(history), event) => history.note(micros, &event),
        };
        noted.map_err(|reason| lines.wrong(reason))?;
    }
    if ends == Ends::Complete && !is_complete {
        return Err(lines.wrong("the transmission ends before its end".to_owned()));
    }
    history.ok_or_else(|| Error::NoSuchRun { record: name.to_owned(), run })
}

/// What the record in this file tells about one run.
pub(crate) fn read_file(path: &Path, run: RunId) -> Result<History> {
    let file = File::open(path).map_err(Error::file("open", path))?;
    read(BufReader::new(file), &Quoted(path).to_string(), run, Ends::AsFile)
}

/// A record that is written to.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
    runs: BTreeSet<RunId>,
}

impl LogFile {
    /// Opens a record to go on with it, or begins one. What is not one is left alone.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let options = || {
            let mut options = File::options();
            options.read(true).write(true);
            options
        };
        match options().create_new(true).open(path) {
            Ok(file) => Self::begin(file, path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::go_on(options().open(path).map_err(Error::file("open", path))?, path)
            }
            Err(error) => Err(Error::file("make", path)(error)),
        }
    }

    fn begin(file: File, path: &Path) -> Result<Self> {
        let mut log = Self { file, path: path.to_owned(), runs: BTreeSet::new() };
        log.append(&format!("{HEADER}\n"))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        flush_directory(parent.unwrap_or(Path::new(".")))?;
        Ok(log)
    }

    fn go_on(mut file: File, path: &Path) -> Result<Self> {
        let mut runs = BTreeSet::new();
        let mut lines = Lines::new(BufReader::new(&file), Quoted(path).to_string())?;
        while let Some(line) = lines.next()? {
            runs.insert(lines.entry(&line)?.run);
        }
        // What follows was never confirmed, and would spoil the line behind it.
        let len = lines.bytes;
        file.set_len(len).map_err(Error::file("cut off the unfinished last line of", path))?;
        file.seek(SeekFrom::Start(len)).map_err(Error::file("seek in", path))?;
        Ok(Self { file, path: path.to_owned(), runs })
    }

    /// Whether a run of this id is in the record already.
    pub(super) fn knows(&self, run: RunId) -> bool {
        self.runs.contains(&run)
    }

    /// Notes what a run told, and returns when that is on the disk.
    pub(super) fn note(&mut self, micros: u64, run: RunId, events: &[Event]) -> Result<()> {
        let lines: String =
            events.iter().map(|event| format!("{micros} {run} {event}\n")).collect();
        self.runs.insert(run);
        self.append(&lines)
    }

    fn append(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).map_err(Error::file("write", &self.path))?;
        self.file.sync_data().map_err(Error::file("flush", &self.path))
    }

    /// The record as it is now, for whoever reads it while it grows.
    pub(super) fn reader(&self) -> Result<impl Read + use<>> {
        let len = self.file.metadata().map_err(Error::file("look at", &self.path))?.len();
        let file = File::open(&self.path).map_err(Error::file("open", &self.path))?;
        Ok(file.take(len))
    }

    /// Sends the lines of a run.
    pub(super) fn send(from: impl Read, run: RunId, to: &mut impl Write) -> std::io::Result<()> {
        writeln!(to, "{HEADER}")?;
        let wanted = run.to_string();
        let mut line = String::new();
        let mut from = BufReader::new(from);
        while from.read_line(&mut line)? > 0 {
            if line.split(' ').nth(1) == Some(&wanted) {
                to.write_all(line.as_bytes())?;
            }
            line.clear();
        }
        writeln!(to, "{COMPLETE}")?;
        to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::flush::SyncMode;
    use crate::crash::witness::event::{Layout, Store};
    use crate::crash::witness::mode::Mode;

    const RUN: RunId = RunId(0xa);

    fn read_text(text: &str) -> Result<History> {
        read(text.as_bytes(), "it", RUN, Ends::AsFile)
    }

    const WHOLE: &str = "mycp-crash record 1\n\
        100 000000000000000a begin 000000000000000a 8 none,msync\n\
        150 000000000000000b begin 000000000000000b 8 none\n\
        200 000000000000000a pre msync 3 1\n\
        250 000000000000000b pre none 3 1\n\
        300 000000000000000a ack msync 3 1 77\n\
        400 000000000000000a pre none 3 1\n";

    #[test]
    fn a_run_is_told_apart_from_others() {
        let history = read_text(WHOLE).unwrap();
        assert_eq!(
            history.layout().modes,
            [Mode::InPlace(SyncMode::None), Mode::InPlace(SyncMode::Msync)]
        );
        assert_eq!(history.acknowledged(), 1);
        assert!(!history.has_ended());
        assert!(matches!(
            read(WHOLE.as_bytes(), "it", RunId(3), Ends::AsFile),
            Err(Error::NoSuchRun { .. })
        ));
    }

    #[test]
    fn a_record_that_ends_anywhere_counts_to_its_last_whole_line() {
        for len in 0..WHOLE.len() {
            match read_text(&WHOLE[..len]) {
                Ok(history) => {
                    assert_eq!(history.acknowledged(), u64::from(WHOLE[..len].contains("77\n")));
                }
                Err(error) => assert!(len < 80, "{len}: {error}"),
            }
        }
    }

    #[test]
    fn a_transmission_that_breaks_off_is_an_error() {
        let whole = format!("{WHOLE}{COMPLETE}\n");
        let read = |text: &str| read(text.as_bytes(), "it", RUN, Ends::Complete);
        assert!(read(&whole).is_ok());
        assert!(read(WHOLE).is_err());
        assert!(read(&whole[..whole.len() - 1]).is_err());
    }

    #[test]
    fn a_wrong_line_is_named() {
        for wrong in [
            "400 000000000000000a pre msync 8 1",
            "400 000000000000000a pre fsync 1 1",
            "400 000000000000000a ack msync 3 2 1",
            "400 000000000000000a ack msync 4 1 1",
            "400 000000000000000a pre msync 3 1",
            "400 000000000000000a begin 000000000000000a 8 none",
            "400 000000000000000a",
            "then 000000000000000a end",
            "400 a end",
            "",
        ] {
            let error = read_text(&format!("{WHOLE}{wrong}\n")).unwrap_err();
            assert!(error.to_string().starts_with("it, line 8: "), "{wrong}: {error}");
        }
        assert!(read_text("something else\n").is_err());
        let long = format!("{WHOLE}{}\n", "1".repeat(5000));
        assert!(read_text(&long).unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn garbage_is_an_error_and_nothing_worse() {
        let mut chance = blake3::Hasher::new().finalize_xof();
        for round in 0..2000_usize {
            let mut noise = [0; 16];
            chance.fill(&mut noise);
            let mut bytes = WHOLE.as_bytes().to_vec();
            for pair in noise[..2 * (1 + round % 8)].chunks(2) {
                let at = usize::from(pair[0]) * bytes.len() / 256;
                bytes[at] = pair[1];
            }
            for ends in [Ends::AsFile, Ends::Complete] {
                drop(read(bytes.as_slice(), "it", RUN, ends));
            }
        }
        let mut noise = vec![0; 100_000];
        chance.fill(&mut noise);
        assert!(read(noise.as_slice(), "it", RUN, Ends::AsFile).is_err());
    }

    #[test]
    fn a_record_is_gone_on_with_and_its_unfinished_line_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record");
        let begin = |run| {
            Event::Begin(Layout { run, pages: 8, modes: vec![Mode::InPlace(SyncMode::None)] })
        };
        LogFile::open(&path).unwrap().note(1, RUN, &[begin(RUN)]).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        // Longer than what comes to stand there.
        let unfinished = format!("2 000000000000000a pre {}", "n".repeat(100));
        file.write_all(unfinished.as_bytes()).unwrap();
        let mut log = LogFile::open(&path).unwrap();
        assert!(log.knows(RUN) && !log.knows(RunId(3)));
        let store = Store { mode: Mode::InPlace(SyncMode::None), page: 1, generation: 1 };
        log.note(3, RUN, &[Event::Announced(store)]).unwrap();
        let history = read_file(&path, RUN).unwrap();
        assert_eq!(history.pages().count(), 1);
        assert!(std::fs::read(&path).unwrap().ends_with(b"a pre none 1 1\n"), "the rest is left");
    }

    #[test]
    fn what_is_no_record_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("letter");
        std::fs::write(&path, "Dear reader\nunfinished").unwrap();
        assert!(LogFile::open(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"Dear reader\nunfinished");
    }
}
