//! What segments of shared memory are called.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use os_str_bytes::OsStrBytesExt;

use super::Quoted;

/// The name of a segment of shared memory, spelled as operands are:
///
/// | spelling | what it names |
/// | --- | --- |
/// | `shm:/name` | a POSIX object (shm_open(3)) |
/// | `sysv:key=0x1234` | the System V segment with that key (shmget(2)) |
/// | `sysv:id=42` | the one with that identifier |
/// | `sysv:ftok=PATH,7` | the one whose key ftok(3) makes of a file and a number |
/// | `sysv:private` | a new one without a key (`IPC_PRIVATE`); it is named by its identifier then |
/// | `win:Local\name` | a Windows section (CreateFileMapping) |
///
/// # Example
///
/// ```
/// use mycp::shm::SegmentName;
///
/// let name: SegmentName = "sysv:key=0x5eed1234".parse()?;
/// assert_eq!(name.to_string(), "'sysv:key=0x5eed1234'");
/// assert!("shm:/a/b".parse::<SegmentName>().is_err());
/// # Ok::<(), mycp::shm::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SegmentName {
    /// A POSIX object.
    Posix(PosixName),
    /// A System V segment.
    SystemV(SystemVName),
    /// A Windows section.
    Section(SectionName),
    /// Memory without a name (memfd_create(2)), by a label for messages. No word names it.
    Anonymous(Arc<str>),
}

/// What a segment is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentAccess {
    /// Reading.
    Read,
    /// Reading and writing.
    #[default]
    ReadWrite,
}

/// The mode of a new segment: its owner may read and write it.
pub const SEGMENT_MODE: u32 = 0o600;

/// A name for shm_open(3), without its slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PosixName(Arc<OsStr>);

/// What leads to a System V segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemVName {
    /// Its key, which is not 0.
    Key(Key),
    /// Its identifier, which is one's own while the segment lives, and another's later.
    Id(i32),
    /// What ftok(3) makes its key of.
    Ftok {
        /// A file that exists. One that is made anew gives another key.
        path: Arc<Path>,
        /// The number of the project, 1 to 255.
        project: u8,
    },
    /// None: a new segment that only its identifier leads to.
    Private,
}

/// A key of System V IPC; never `IPC_PRIVATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(i32);

/// The name of a Windows section or semaphore: `Local\name`, of this session of the user, or
/// `Global\name`, of all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SectionName(Arc<str>);

/// Why something is no name of a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct NameError {
    name: String,
    why: &'static str,
}

/// Bytes of a POSIX name without its slash (`NAME_MAX`).
const POSIX_NAME_BYTES_MAX: usize = 255;

impl PosixName {
    /// The name, with its slash or without, as Python writes it.
    ///
    /// # Errors
    ///
    /// For names that shm_open(3) does not take: empty ones, those with another slash, `.`, `..`,
    /// and ones of more than 255 bytes.
    pub fn new(name: impl AsRef<OsStr>) -> Result<Self, NameError> {
        let name = name.as_ref();
        let bare = name.strip_prefix('/').unwrap_or(name);
        let bytes = bare.as_encoded_bytes();
        let why = match bytes {
            b"" => "a name has at least one character",
            b"." | b".." => "that is a directory",
            _ if bytes.contains(&b'/') => "a name has no slash but the first",
            _ if bytes.contains(&0) => "a name has no NUL",
            _ if bytes.len() > POSIX_NAME_BYTES_MAX => "a name has at most 255 bytes",
            _ => return Ok(Self(bare.into())),
        };
        let mut spelling = OsString::from("shm:/");
        spelling.push(bare);
        Err(NameError::new(&spelling, why))
    }

    /// The name without its slash: that of a file in `/dev/shm`, on Linux.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }
}

impl Key {
    /// The key; `None` for 0, which is `IPC_PRIVATE`.
    #[must_use]
    pub const fn new(key: i32) -> Option<Self> {
        if key == 0 { None } else { Some(Self(key)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Key {
    /// As ipcs(1) does: `0x5eed1234`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl SectionName {
    /// The name behind `win:`.
    ///
    /// # Errors
    ///
    /// When it does not begin with `Local\` or `Global\`, or has another backslash.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let bare = name.strip_prefix("Local\\").or_else(|| name.strip_prefix("Global\\"));
        let why = match bare {
            None => "a name is Local\\NAME or Global\\NAME",
            Some("") => "a name has at least one character",
            Some(bare) if bare.contains('\\') => "a name has no other backslash",
            Some(bare) if bare.contains('\0') => "a name has no NUL",
            Some(_) => return Ok(Self(name.into())),
        };
        Err(NameError::new(format!("win:{name}").as_ref(), why))
    }

    /// The name, with `Local\` or `Global\`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NameError {
    pub(crate) fn new(name: &OsStr, why: &'static str) -> Self {
        Self { name: Quoted(Path::new(name)).to_string(), why }
    }

    /// The same of another spelling of the name.
    pub(super) fn of(self, name: &OsStr) -> Self {
        Self::new(name, self.why)
    }
}

impl SegmentName {
    /// Whether a word is spelled as the name of a segment, right or wrong, and not as a path.
    #[must_use]
    pub fn is_meant(word: &OsStr) -> bool {
        ["shm:", "sysv:", "win:"].into_iter().any(|it| word.starts_with(it))
    }

    /// Its spelling, without quotes.
    #[must_use]
    pub fn spelling(&self) -> OsString {
        let joined = |before: &str, name: &OsStr, behind: &str| {
            let mut spelling = OsString::from(before);
            spelling.push(name);
            spelling.push(behind);
            spelling
        };
        match self {
            Self::Posix(name) => joined("shm:/", name.as_os_str(), ""),
            Self::Section(name) => format!("win:{}", name.as_str()).into(),
            Self::Anonymous(label) => format!("memfd:{label}").into(),
            Self::SystemV(SystemVName::Key(key)) => format!("sysv:key={key}").into(),
            Self::SystemV(SystemVName::Id(id)) => format!("sysv:id={id}").into(),
            Self::SystemV(SystemVName::Private) => "sysv:private".into(),
            Self::SystemV(SystemVName::Ftok { path, project }) => {
                joined("sysv:ftok=", path.as_os_str(), &format!(",{project}"))
            }
        }
    }

    /// The segment that a word names.
    ///
    /// # Errors
    ///
    /// When the word is none of the spellings above, or names what cannot be.
    pub fn new(word: impl AsRef<OsStr>) -> Result<Self, NameError> {
        let word = word.as_ref();
        if let Some(name) = behind(word, "shm:") {
            return PosixName::new(name).map(Self::Posix);
        }
        if let Some(rest) = behind(word, "sysv:ftok=") {
            return SystemVName::of_file(word, rest).map(Self::SystemV);
        }
        let wrong = |why| NameError::new(word, why);
        let text = word.to_str().ok_or(wrong("it is not UTF-8"))?;
        if let Some(name) = text.strip_prefix("win:") {
            return SectionName::new(name).map(Self::Section);
        }
        let Some(rest) = text.strip_prefix("sysv:") else {
            return Err(wrong(
                "a segment is shm:/NAME, sysv:key=KEY, sysv:id=ID, sysv:ftok=PATH,N or \
                 win:Local\\NAME",
            ));
        };
        let name = match rest.split_once('=') {
            None if rest == "private" => SystemVName::Private,
            Some(("key", key)) => {
                let key = number(key).ok_or(wrong("a key is a number of 32 bits"))?;
                let private = "key 0 leads to no segment: sysv:private makes one without a key";
                SystemVName::Key(Key::new(key).ok_or(wrong(private))?)
            }
            Some(("id", id)) => {
                let id = id.parse().ok().filter(|id| *id >= 0);
                SystemVName::Id(id.ok_or(wrong("an identifier is a number, not negative"))?)
            }
            _ => return Err(wrong("it is sysv:key=KEY, sysv:id=ID, sysv:ftok=PATH,N or private")),
        };
        Ok(Self::SystemV(name))
    }
}

impl SystemVName {
    /// That of `PATH,N`.
    fn of_file(word: &OsStr, rest: &OsStr) -> Result<Self, NameError> {
        let wrong = || NameError::new(word, "it is sysv:ftok=PATH,N with N from 1 to 255");
        let (path, project) = rest.rsplit_once(',').ok_or_else(wrong)?;
        let project = project.to_str().and_then(number);
        let project = project.and_then(|it| u8::try_from(it).ok()).filter(|it| *it > 0);
        match project {
            Some(project) if !path.is_empty() => {
                Ok(Self::Ftok { path: Path::new(path).into(), project })
            }
            _ => Err(wrong()),
        }
    }
}

/// What follows a prefix.
pub(crate) fn behind<'a>(word: &'a OsStr, prefix: &str) -> Option<&'a OsStr> {
    word.strip_prefix(prefix)
}

impl fmt::Display for SegmentName {
    /// As it is spelled, in quotes, control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Quoted(Path::new(&self.spelling())), f)
    }
}

impl std::str::FromStr for SegmentName {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        Self::new(word)
    }
}

/// A number of 32 bits, signed or not, decimal or with `0x`: keys are printed in all these ways.
fn number(text: &str) -> Option<i32> {
    let unsigned = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse::<u32>().ok(),
    };
    unsigned.map(u32::cast_signed).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(word: &str) -> String {
        match word.parse::<SegmentName>() {
            Ok(name) => name.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_spelling_comes_back() {
        for (word, spelling) in [
            ("shm:/name", "'shm:/name'"),
            ("shm:psm_12ab", "'shm:/psm_12ab'"),
            ("shm:/with space", "'shm:/with space'"),
            ("sysv:key=0x1234", "'sysv:key=0x00001234'"),
            ("sysv:key=4660", "'sysv:key=0x00001234'"),
            ("sysv:key=0xffffffff", "'sysv:key=0xffffffff'"),
            ("sysv:key=-1", "'sysv:key=0xffffffff'"),
            ("sysv:id=0", "'sysv:id=0'"),
            ("sysv:ftok=/a,b,7", "'sysv:ftok=/a,b,7'"),
            ("sysv:private", "'sysv:private'"),
            (
                r"win:Local\name",
                if cfg!(windows) { r"'win:Local\name'" } else { r"'win:Local\\name'" },
            ),
        ] {
            assert_eq!(spelled(word), spelling, "{word}");
            let name = word.parse::<SegmentName>().unwrap();
            assert_eq!(SegmentName::new(name.spelling()), Ok(name), "{word}");
        }
    }

    #[test]
    fn what_is_no_name_says_why() {
        for word in [
            "shm:",
            "shm:/",
            "shm:/.",
            "shm:..",
            "shm://a",
            "shm:/a/b",
            "sysv:",
            "sysv:key=",
            "sysv:key=0",
            "sysv:key=0x",
            "sysv:key=0x100000000",
            "sysv:key=x",
            "sysv:id=-1",
            "sysv:id=",
            "sysv:id=4294967296",
            "sysv:ftok=",
            "sysv:ftok=/a",
            "sysv:ftok=/a,0",
            "sysv:ftok=/a,256",
            "sysv:ftok=,7",
            "sysv:public",
            "win:name",
            "win:Local\\",
            "win:Local\\a\\b",
            "file",
        ] {
            assert!(word.parse::<SegmentName>().is_err(), "{word}");
        }
        assert!(PosixName::new("n".repeat(255)).is_ok());
        assert!(PosixName::new("n".repeat(256)).is_err());
        assert_eq!(spelled("shm:/a\n/b"), "'shm:/a\\n/b': a name has no slash but the first");
    }

    #[cfg(unix)]
    #[test]
    fn names_need_not_be_utf_8() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"shm:/\xff");
        assert_eq!(SegmentName::new(name).unwrap().to_string(), "'shm:/\\xff'");
        let file = OsStr::from_bytes(b"sysv:ftok=/\xff,1");
        assert_eq!(SegmentName::new(file).unwrap().to_string(), "'sysv:ftok=/\\xff,1'");
        assert!(SegmentName::new(OsStr::from_bytes(b"sysv:key=\xff")).is_err());
    }
}
