//! What semaphores are called, and what guards segments that are copied.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use super::segment::{
    NameError, PosixName, SEGMENT_MODE, SectionName, SegmentName, SystemVName, behind,
};
use super::{LockWait, Quoted};

/// The name of a semaphore: `sem:/name`, or one of System V or of Windows, spelled as segments are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SemaphoreName {
    /// A POSIX semaphore (sem_open(3)).
    Posix(PosixName),
    /// The first of a System V set (semget(2)).
    SystemV(SystemVName),
    /// One of Windows (CreateSemaphoreW), `win:Local\name` or `win:Global\name`.
    Windows(SectionName),
}

/// Names of semaphores have `sem.` before them where they are kept.
const SEMAPHORE_NAME_BYTES_MAX: usize = 251;

const NO_SEMAPHORE: &str =
    "a semaphore is sem:/NAME, sysv:key=KEY, sysv:id=ID, sysv:ftok=PATH,N or win:Local\\NAME";

impl SemaphoreName {
    /// The semaphore that a word names.
    ///
    /// # Errors
    ///
    /// For words that are not spelled so.
    pub fn new(word: impl AsRef<OsStr>) -> Result<Self, NameError> {
        let word = word.as_ref();
        let Some(name) = behind(word, "sem:") else {
            let is_kind = ["sysv:", "win:"].into_iter().any(|it| behind(word, it).is_some());
            return match is_kind.then(|| SegmentName::new(word)).transpose()? {
                Some(SegmentName::SystemV(name)) => Ok(Self::SystemV(name)),
                Some(SegmentName::Section(name)) => Ok(Self::Windows(name)),
                _ => Err(NameError::new(word, NO_SEMAPHORE)),
            };
        };
        let name = PosixName::new(name).map_err(|error| error.of(word))?;
        if name.as_os_str().len() > SEMAPHORE_NAME_BYTES_MAX {
            return Err(NameError::new(word, "a semaphore's name has at most 251 bytes"));
        }
        Ok(Self::Posix(name))
    }
}

impl std::str::FromStr for SemaphoreName {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        Self::new(word)
    }
}

impl fmt::Display for SemaphoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posix(name) => {
                let mut spelling = OsString::from("sem:/");
                spelling.push(name.as_os_str());
                fmt::Display::fmt(&Quoted(Path::new(&spelling)), f)
            }
            Self::SystemV(name) => fmt::Display::fmt(&SegmentName::SystemV(name.clone()), f),
            Self::Windows(name) => fmt::Display::fmt(&SegmentName::Section(name.clone()), f),
        }
    }
}

/// How segments are made and locked when they are copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentChoices {
    /// The permission bits of new ones, whatever the umask.
    pub mode: u32,
    /// What is held while they are copied.
    pub guarding: Guarding,
    /// How long that is waited for.
    pub wait: LockWait,
}

impl Default for SegmentChoices {
    fn default() -> Self {
        Self { mode: SEGMENT_MODE, guarding: Guarding::No, wait: LockWait::Forever }
    }
}

/// What is held while a segment is copied, so that others who heed it do not change it meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Guarding {
    /// Nothing.
    #[default]
    No,
    /// A record lock on all bytes of POSIX objects, and of no other segments: a shared one of the
    /// source, an exclusive one of the target.
    Record,
    /// A semaphore, of which one is taken.
    Semaphore(SemaphoreName),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(word: &str) -> String {
        match word.parse::<SemaphoreName>() {
            Ok(name) => name.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_spelling_comes_back() {
        for (word, spelling) in [
            ("sem:/name", "'sem:/name'"),
            ("sem:name", "'sem:/name'"),
            ("sysv:key=7", "'sysv:key=0x00000007'"),
            ("sysv:id=7", "'sysv:id=7'"),
            ("sysv:ftok=/a,7", "'sysv:ftok=/a,7'"),
            (
                r"win:Local\name",
                if cfg!(windows) { r"'win:Local\name'" } else { r"'win:Local\\name'" },
            ),
        ] {
            assert_eq!(spelled(word), spelling, "{word}");
        }
        assert!(SemaphoreName::new("sem:/".to_owned() + &"n".repeat(251)).is_ok());
        assert!(SemaphoreName::new("sem:/".to_owned() + &"n".repeat(252)).is_err());
    }

    /// `sem:/a/b` was called 'shm:/a/b', and what is no name at all was told to be a segment's.
    #[test]
    fn what_is_no_name_is_called_as_it_was_spelled() {
        assert_eq!(spelled("sem:/a/b"), "'sem:/a/b': a name has no slash but the first");
        assert_eq!(spelled("sem:"), "'sem:': a name has at least one character");
        assert!(spelled("win:name").ends_with(": a name is Local\\NAME or Global\\NAME"));
        assert!(spelled("sysv:key=x").ends_with(": a key is a number of 32 bits"));
        for word in ["name", "", "shm:/name"] {
            assert!(spelled(word).ends_with(NO_SEMAPHORE), "{}", spelled(word));
        }
    }
}
