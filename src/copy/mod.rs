//! One object to another: decide, stage, move, verify, publish.

use crate::error::Result;
use crate::options::{CopyOptions, Endpoint};
use crate::report::{Done, Observer};

/// Copies objects with one set of options.
#[derive(Clone, Copy)]
pub struct Copier<'a> {
    options: &'a CopyOptions,
    observer: &'a dyn Observer,
}

impl<'a> Copier<'a> {
    /// A copier with these options that nobody watches.
    #[must_use]
    pub fn new(options: &'a CopyOptions) -> Self {
        Self { options, observer: &() }
    }

    /// The same, watched by `observer`.
    #[must_use]
    pub fn observer(self, observer: &'a dyn Observer) -> Self {
        Self { observer, ..self }
    }

    /// Copies `source` to `target`, the very object: a directory as target is an error.
    ///
    /// # Errors
    ///
    /// Whatever fails; the target is then as it was, unless it was written in place.
    pub fn copy(&self, source: &Endpoint, target: &Endpoint) -> Result<Done> {
        let _ = (self.options, self.observer, source, target);
        Err(crate::error::Error::new(
            crate::error::Operation::Copy,
            source,
            crate::error::Cause::Unsupported("being built"),
        ))
    }
}
