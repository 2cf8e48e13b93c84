//! What programs promise of the states that a crash leaves.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::copy::is_temporary_name;
use crate::crash::simulated::cripple::Cripple;

/// Something that a program may promise of every crash state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Promise {
    /// What existed stays: what the program does not change is as it is, and a name that is there
    /// before and after never vanishes in between. A program that removes a file to make it anew,
    /// as `cp --remove-destination` does, breaks this: a crash in between leaves neither.
    Bystanders,
    /// No sector has anything but old bytes, new ones or zeros, and no name is there but those of
    /// before and after, and of temporaries ([`Temporaries`]). What a temporary has is in a version
    /// of some file: anything else may be what others have deleted.
    ///
    /// Names are judged here and not under [`Promise::Whole`], which speaks of those that have
    /// versions: whoever writes in place promises no whole file, and no strange name either.
    NoForeign,
    /// A name shows the old content or the new one, and never vanishes in between.
    Whole,
    /// What has the length and the time of its source has its content.
    Fresh,
    /// When the program has ended, all that it made is there.
    Done,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Bystanders, Self::NoForeign, Self::Whole, Self::Fresh, Self::Done];

    /// Its name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bystanders => "bystanders",
            Self::NoForeign => "no-foreign",
            Self::Whole => "whole",
            Self::Fresh => "fresh",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which names may be there that are neither before nor after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Temporaries {
    /// Those of mycp: `.NAME.mycp-XXXXXX`, and all that is below.
    Mycp,
    /// Those of the crippled copiers.
    Crippled,
    /// All: nobody knows what a user's command calls them. A sector may be of any place in a file,
    /// where parts are put together; one that is of none, as of a compressed temporary, cannot be
    /// told from what others have deleted, and breaks the promise.
    Anybody,
}

impl Temporaries {
    /// Whether a path leads to one, or below one.
    pub(crate) fn has(self, path: &Path) -> bool {
        match self {
            Self::Mycp => path.iter().any(is_temporary_name),
            Self::Crippled => path.iter().any(Cripple::is_temporary_name),
            Self::Anybody => true,
        }
    }

    /// The place that a sector of theirs must have been at.
    pub(crate) fn place(self, at: usize) -> usize {
        match self {
            Self::Mycp | Self::Crippled => at,
            Self::Anybody => 0,
        }
    }
}
