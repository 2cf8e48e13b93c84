//! The library's mirror: what a caller learns of one that could not be finished.

use std::sync::atomic::{AtomicUsize, Ordering};

use mycp::tree::{Mirror, Watch};
use mycp::{Done, Endpoint, Event, Flow, Observer, Selection, Warning};

use super::make;
use crate::support::Sandbox;

/// Stops after so many objects.
struct Impatient(AtomicUsize);

impl Observer for Impatient {
    fn event(&self, _: Event) -> Flow {
        if self.0.load(Ordering::Relaxed) == 0 { Flow::Stop } else { Flow::Continue }
    }
}

impl Watch for Impatient {
    fn entry(&self, _: &Endpoint, _: &Endpoint, _: mycp::Result<Done>) {
        // In one step: several threads tell of entries.
        let less = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok();
    }

    fn warning(&self, _: &Endpoint, _: &Endpoint, _: &Warning) {}
}

fn mirror(sandbox: &Sandbox) -> Mirror {
    Mirror::new(sandbox.path("s"), sandbox.path("t"))
}

#[test]
fn a_mirror_that_is_stopped_is_incomplete_and_deletes_nothing() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..200).map(|number| format!("s/d{}/{number}", number % 7)).collect();
    make(&sandbox, &names.iter().map(String::as_str).collect::<Vec<_>>());
    make(&sandbox, &["t/extra"]);
    let error = mirror(&sandbox).run(&Impatient(AtomicUsize::new(5))).unwrap_err();
    assert!(error.stopped && error.summary.files < 200, "{error:?}");
    assert!(sandbox.path("t/extra").exists());
    let summary = mirror(&sandbox).run(&()).unwrap();
    assert_eq!(summary.deleted, 1);
    assert_eq!(mirror(&sandbox).plan().unwrap(), []);
}

#[test]
fn what_fails_is_counted() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/x.o", "t/x.o/1", "t/extra"]);
    let selection = Selection::new(["x.o/"]).unwrap();
    let mirror = mirror(&sandbox).selection(selection);
    let error = mirror.run(&()).unwrap_err();
    // One in the way of a file that is left out itself, and what was not deleted for that.
    assert_eq!((error.stopped, error.summary.failed, error.summary.files), (false, 2, 1));
    assert!(sandbox.path("t/extra").exists() && sandbox.path("t/a").exists());
    assert!(mirror.plan().is_err());
}
