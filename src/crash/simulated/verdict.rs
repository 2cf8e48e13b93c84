//! What is said in the end.

use std::fmt;

use crate::crash::flush::SyncMode;
use crate::crash::simulated::findings::Findings;
use crate::crash::simulated::promise::Promise;

/// What can be said of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No state that was looked at breaks it: within the model, and the bound on their number.
    Holds,
    /// Nothing: a control that had to find something found nothing, or no state could be judged,
    /// or none could break it.
    Inconclusive,
    /// A state breaks it.
    Violated,
}

impl Verdict {
    /// Its name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "HOLDS",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Violated => "VIOLATED",
        }
    }

    /// On what was promised, by what was found. A promise that no state could have broken is none
    /// that holds.
    #[must_use]
    pub fn on_promises(promises: &[Promise], findings: &Findings) -> Self {
        let is_broken = |promise| findings.breaches.get(promise).is_some_and(|count| *count > 0);
        let is_tried = promises.iter().all(|promise| findings.tried.contains(promise));
        Self::of(promises.iter().any(is_broken), is_tried, findings)
    }

    /// On what a way to flush promises.
    #[must_use]
    pub fn on_mode(mode: SyncMode, findings: &Findings) -> Self {
        let kept = |property| findings.stores.kept.get(property).copied().unwrap_or_default();
        let is_lost = mode.promises().iter().any(|property| kept(property).lost() > 0);
        let is_tried = mode.promises().iter().all(|property| kept(property).of > 0);
        match Self::on_promises(&[Promise::Bystanders], findings) {
            Self::Holds => Self::of(is_lost, is_tried, findings),
            other => other,
        }
    }

    fn of(is_violated: bool, is_tried: bool, findings: &Findings) -> Self {
        match findings.judged() {
            0 => Self::Inconclusive,
            _ if is_violated => Self::Violated,
            // Nobody knows what is there.
            _ if findings.unmountable_whole > 0 => Self::Inconclusive,
            _ if is_tried => Self::Holds,
            _ => Self::Inconclusive,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
