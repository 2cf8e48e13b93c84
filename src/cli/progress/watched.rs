//! The status line of a mirror that goes on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::HumanBytes;

use super::super::explain::{Count, Many};
use crate::options::Endpoint;
use crate::report::Event;
use crate::sync::lock;

/// What a mirror that goes on has done.
#[derive(Debug)]
pub(super) struct Watched {
    source: String,
    /// Of the mirror that is under way.
    objects: AtomicU64,
    bytes: AtomicU64,
    batches: Mutex<Batches>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Batches {
    changes: u64,
    count: u64,
    last: Option<Instant>,
    under_way: bool,
    /// Mirrors of all kinds.
    begun: u64,
}

impl Watched {
    pub(super) fn new(source: Option<&Endpoint>) -> Self {
        let source = source.map(ToString::to_string).unwrap_or_default();
        let (objects, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { source, objects, bytes, batches: Mutex::default() }
    }

    pub(super) fn count(&self, event: Event) {
        if let Event::Copied { bytes } = event {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn ended(&self) {
        self.objects.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begin(&self) {
        self.objects.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        let mut batches = lock(&self.batches);
        batches.under_way = true;
        batches.begun += 1;
    }

    /// Takes notice of the end of a mirror: of so many changes, or of the whole tree.
    pub(super) fn end(&self, changes: Option<u64>) {
        let mut batches = lock(&self.batches);
        batches.under_way = false;
        if let Some(changes) = changes {
            batches.changes += changes;
            batches.count += 1;
            batches.last = Some(Instant::now());
        }
    }

    /// A number that grows with each mirror.
    pub(super) fn edition(&self) -> u64 {
        lock(&self.batches).begun
    }

    pub(super) fn line(&self) -> String {
        let source = &self.source;
        let batches = *lock(&self.batches);
        if batches.under_way {
            let objects = Count(self.objects.load(Ordering::Relaxed), "object");
            let bytes = HumanBytes(self.bytes.load(Ordering::Relaxed));
            return format!("mirroring {source}: {objects}, {bytes} copied");
        }
        let Some(last) = batches.last else { return format!("watching {source}: no changes yet") };
        let changes = Count(batches.changes, "change");
        let count = Many(batches.count, "batch", "batches");
        format!("watching {source}: {changes} in {count}, last {} s ago", last.elapsed().as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_done_and_what_was() {
        let watched = Watched::new(Some(&"s".into()));
        watched.begin();
        watched.ended();
        watched.count(Event::Copied { bytes: 2048 });
        assert_eq!(watched.line(), "mirroring 's': 1 object, 2.00 KiB copied");
        watched.end(None);
        assert_eq!(watched.line(), "watching 's': no changes yet");
        for (changes, line) in [
            (1, "watching 's': 1 change in 1 batch, last 0 s ago"),
            (11, "watching 's': 12 changes in 2 batches, last 0 s ago"),
        ] {
            watched.begin();
            assert_eq!(watched.line(), "mirroring 's': 0 objects, 0 B copied");
            watched.end(Some(changes));
            assert_eq!(watched.line(), line);
        }
    }
}
