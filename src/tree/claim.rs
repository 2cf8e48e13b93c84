//! One mirror of a target at a time.
//!
//! Each locks the target's root, and holds the lock to its end. A root that is not there yet is
//! made under a temporary name, which only one run can lock ([`StagedDirectory::claim`]); it gets
//! its name with the lock on it.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Trees;
use super::root::Root;
use super::start::Into;
use crate::copy::{Contents, Directory, Making, Place, Precious, StagedDirectory};
use crate::error::{Cause, Context, Error, Operation, Result};
use crate::lock::{self, Locked};
use crate::metadata::{self, Attributes};
use crate::options::{Endpoint, LockWait, MirrorOptions};
use crate::sys::names::{Follow, Spot};

/// Between two looks at a lock that another process holds: no user waits for longer.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What an attempt to lock a target came to.
enum Taken {
    /// It is this run's until the files are closed.
    Held(Box<Root>, Vec<File>),
    /// Another process has locked this, or its name.
    Busy(Option<File>),
    /// Somebody has made it in the meantime.
    Appeared,
}

impl Trees<'_> {
    /// Opens both sides of a tree, and keeps other mirrors from the target of a mirror until the
    /// files that come with it are closed.
    ///
    /// # Errors
    ///
    /// Those of [`Root::open`]; [`Cause::Busy`] when another process has locked the target for
    /// longer than is waited, [`Cause::Stopped`] when the observer ends the waiting.
    pub(super) fn open_root(
        &self,
        source: (&Path, &Endpoint),
        target: (&Path, &Endpoint),
    ) -> Result<(Root, Vec<File>)> {
        let mut since = None;
        loop {
            // Looked at anew each time: who has held the lock may have made it, or removed it.
            let root = Root::open(source, target, self.options)?;
            let mirror = self.options.mirror.filter(|mirror| !mirror.dry_run);
            let Some(mirror) = mirror else { return Ok((root, Vec::new())) };
            match self.take(root, target.1)? {
                Taken::Held(root, lock) => return Ok((*root, lock)),
                Taken::Busy(file) => self.wait(target.1, file.as_ref(), mirror, &mut since)?,
                Taken::Appeared => {}
            }
            if self.is_stopped() {
                return Err(Error::new(Operation::Lock, target.1, Cause::Stopped));
            }
        }
    }

    fn take(&self, root: Root, target: &Endpoint) -> Result<Taken> {
        if let Some((locked, files)) = root.try_lock_name().context(Operation::Lock, target)? {
            if locked == Locked::Busy {
                return Ok(Taken::Busy(None));
            }
            // Another run may have made it before this one had the lock.
            let is_there = match &root.target {
                Into::New(place) => {
                    place.spot().facts(Follow::No).context(Operation::Stat, target)?.is_some()
                }
                _ => false,
            };
            return Ok(match is_there {
                true => Taken::Appeared,
                false => Taken::Held(Box::new(root), files),
            });
        }
        let Root { source, target: into } = root;
        match into {
            Into::New(place) | Into::Instead(place, _) => self.begin(source, &place, target),
            Into::Begun(begun) => {
                let lock = begun.1.handle().try_clone().context(Operation::Lock, target);
                let lock = lock.inspect_err(|_| begun.0.remove())?;
                let target = Into::Begun(begun);
                Ok(Taken::Held(Box::new(Root { source, target }), vec![lock]))
            }
            Into::Existing(directory) => {
                // Opened once more: it is not to be given up when the directory is closed.
                let handle = Spot::within(&*directory, OsStr::new("."))
                    .open_directory(Follow::No)
                    .context(Operation::Open, target)?;
                let file = File::from(handle);
                Ok(match lock::try_lock(&file).context(Operation::Lock, target)? {
                    Locked::Held | Locked::Unsupported => {
                        let target = Into::Existing(directory);
                        Taken::Held(Box::new(Root { source, target }), vec![file])
                    }
                    Locked::Busy => Taken::Busy(Some(file)),
                })
            }
        }
    }

    /// Makes a root that is not there yet.
    fn begin(&self, source: Directory, place: &Place, target: &Endpoint) -> Result<Taken> {
        let attributes = Attributes::from(&source.facts);
        let mode = metadata::new_directory_mode(&attributes, &self.options.preserve).at_open;
        let precious = Precious { source: source.id(), session: Some(self.session) };
        let contents = Contents { source: &source, options: self.options, precious };
        let making = StagedDirectory::claim(place, mode, contents);
        let begun = match making.context(Operation::Create, target)? {
            Making::Begun(begun) => begun,
            Making::Busy(file) => return Ok(Taken::Busy(Some(file))),
        };
        // Another run may have had the temporary name before, and given the directory its own.
        match place.spot().facts(Follow::No).context(Operation::Stat, target) {
            Ok(None) => self.take(Root { source, target: Into::Begun(begun) }, target),
            there => {
                begun.0.remove();
                there.map(|_| Taken::Appeared)
            }
        }
    }

    /// Waits a moment for who has locked the target, and tells of it before the first.
    fn wait(
        &self,
        target: &Endpoint,
        file: Option<&File>,
        mirror: MirrorOptions,
        since: &mut Option<Instant>,
    ) -> Result<()> {
        let is_first = since.is_none();
        let waited = since.get_or_insert_with(Instant::now).elapsed();
        let moment = match mirror.lock_wait {
            LockWait::No => Duration::ZERO,
            LockWait::For(limit) => limit.saturating_sub(waited).min(BETWEEN_LOOKS),
            LockWait::Forever => BETWEEN_LOOKS,
        };
        if moment.is_zero() {
            let holder = file.and_then(lock::holder);
            return Err(Error::new(Operation::Lock, target, Cause::Busy { holder }));
        }
        if is_first {
            self.watch.waits(target, file.and_then(lock::holder).as_ref());
        }
        std::thread::sleep(moment);
        Ok(())
    }
}
