//! How much there is to copy: found out on a thread of its own, once somebody wants to know.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::standing::Total;
use crate::cli::request::Request;
use crate::options::{CopyOptions, Endpoint};
use crate::tree::Totals;

/// A count of the objects and bytes of all sources.
pub(super) struct Scan {
    counted: Arc<Counted>,
    begun: AtomicBool,
}

struct Counted {
    sources: Vec<Endpoint>,
    options: CopyOptions,
    totals: Totals,
    stop: AtomicBool,
}

impl Scan {
    /// A scan that waits to be begun.
    pub(super) fn new(request: &Request) -> Self {
        let counted = Counted {
            sources: request.operands.iter().map(|operand| operand.source.clone()).collect(),
            options: request.options.clone(),
            totals: Totals::default(),
            stop: AtomicBool::new(false),
        };
        Self { counted: Arc::new(counted), begun: AtomicBool::new(false) }
    }

    /// Begins to count, unless that has begun already. Nobody waits for the thread: a file system
    /// that answers slowly must not keep a copy from its end.
    pub(super) fn begin(&self) {
        if self.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let counted = Arc::clone(&self.counted);
        let count = move || {
            let Counted { sources, options, totals, stop } = &*counted;
            totals.count(sources, options, stop);
        };
        // Without the thread nothing is lost but the totals.
        std::thread::Builder::new().name("totals".into()).spawn(count).ok();
    }

    /// Objects and bytes, as far as they are known.
    pub(super) fn so_far(&self) -> (Total, Total) {
        match self.counted.totals.so_far() {
            _ if !self.begun.load(Ordering::Relaxed) => (Total::Unknown, Total::Unknown),
            (objects, bytes, true) => (Total::Exactly(objects), Total::Exactly(bytes)),
            (objects, bytes, false) => (Total::AtLeast(objects), Total::AtLeast(bytes)),
        }
    }

    /// Has it stop: nobody wants to know any more.
    pub(super) fn stop(&self) {
        self.counted.stop.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scan").field(&self.so_far()).finish()
    }
}
