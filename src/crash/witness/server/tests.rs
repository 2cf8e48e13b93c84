//! A witness and its writers in one process.

use std::io::{BufRead, BufReader};

use super::*;
use crate::crash::flush::SyncMode;
use crate::crash::witness::client::Connection;
use crate::crash::witness::event::{Layout, Store};
use crate::crash::witness::log;
use crate::crash::witness::mode::Mode;

/// Stops the witness when it is told to, and keeps what it says.
#[derive(Default)]
struct Watched {
    stop: AtomicBool,
    endings: Mutex<Vec<String>>,
}

impl Watch for Watched {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn tick(&self, _: u64) {}

    fn began(&self, _: RunId, _: &str) {}

    fn ended(&self, run: RunId, acknowledged: u64, how: &Ended) {
        lock(&self.endings).push(format!("{run} {acknowledged} {how:?}"));
    }
}

/// Has `act` talk to a witness, and returns what it said of the ends of runs.
fn with_witness(record: &Path, act: impl FnOnce(&str)) -> Vec<String> {
    let witness = Witness::new("127.0.0.1:0", record).unwrap();
    let watched = Watched::default();
    std::thread::scope(|threads| {
        let serving = threads.spawn(|| witness.serve(Until::Stopped, &watched));
        let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            act(&witness.address().to_string());
        }));
        watched.stop.store(true, Ordering::Relaxed);
        serving.join().unwrap().unwrap();
        acted.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    crate::sync::into_inner(watched.endings)
}

fn begin(run: u64) -> Event {
    Event::Begin(Layout {
        run: RunId(run),
        pages: 8,
        modes: vec![Mode::InPlace(SyncMode::None), Mode::InPlace(SyncMode::Fsync)],
    })
}

fn stored(page: u64) -> [Event; 2] {
    let store = Store { mode: Mode::InPlace(SyncMode::Fsync), page, generation: 1 };
    [Event::Announced(store), Event::Acknowledged { store, micros: 5 }]
}

#[test]
fn what_was_answered_is_in_the_record_while_the_witness_still_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("record");
    with_witness(&path, |address| {
        let (mut one, mut two) =
            (Connection::new(address).unwrap(), Connection::new(address).unwrap());
        one.tell(&[begin(1)]).unwrap();
        two.tell(&[begin(2)]).unwrap();
        for page in 0..4 {
            one.tell(&stored(page)).unwrap();
            let history = log::read_file(&path, RunId(1)).unwrap();
            assert_eq!(history.acknowledged(), page + 1);
        }
        two.tell(&stored(0)).unwrap();
        for (run, expected) in [(1, 4), (2, 1)] {
            let fetched = Connection::new(address).unwrap().fetch(RunId(run)).unwrap();
            assert_eq!(fetched.acknowledged(), expected);
        }
    });
}

#[test]
fn the_ways_in_which_a_run_ends_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let endings = with_witness(&directory.path().join("record"), |address| {
        let mut one = Connection::new(address).unwrap();
        one.tell(&[begin(1)]).unwrap();
        one.tell(&stored(1)).unwrap();
        one.tell(&[Event::End]).unwrap();
        drop(one);
        let mut two = Connection::new(address).unwrap();
        two.tell(&[begin(2)]).unwrap();
        drop(two);
        let mut again = Connection::new(address).unwrap();
        let refused = again.tell(&[begin(1)]).unwrap_err();
        assert!(refused.to_string().contains("in the record already"), "{refused}");
        let refused = Connection::new(address).unwrap().fetch(RunId(9)).unwrap_err();
        assert!(refused.to_string().contains("knows no run"), "{refused}");
    });
    let mut endings = endings;
    endings.sort();
    assert!(endings[0].ends_with("1 1 ByItself"), "{endings:?}");
    assert!(endings[1].contains("2 0 "), "{endings:?}");
    assert_eq!(endings.len(), 2);
}

#[test]
fn garbage_is_refused_and_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("record");
    with_witness(&path, |address| {
        let mut one = Connection::new(address).unwrap();
        one.tell(&[begin(1)]).unwrap();
        let long = vec![b'x'; 5000];
        for garbage in [&b"GET / HTTP/1.0\r\n\r\n"[..], b"pre none 1 1\n", b"\xff\0\n", &long] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(garbage).unwrap();
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).unwrap();
            assert!(answer.starts_with(REFUSED), "{answer}");
        }
        one.tell(&stored(0)).unwrap();
    });
    assert_eq!(log::read_file(&path, RunId(1)).unwrap().acknowledged(), 1);
}

#[test]
fn a_writer_notices_that_the_witness_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = None;
    with_witness(&directory.path().join("record"), |address| {
        let mut connection = Connection::new(address).unwrap();
        connection.tell(&[begin(1)]).unwrap();
        one = Some(connection);
    });
    let gone = one.unwrap().tell(&stored(0)).unwrap_err();
    assert!(matches!(gone, Error::WitnessGone { noted: 1, .. }), "{gone}");
}
