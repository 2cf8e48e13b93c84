//! Memory that processes share, under one face: POSIX objects, System V segments, sections of
//! Windows, anonymous memory.
//!
//! A [`Segment`] is opened or made under a [`SegmentName`], and mapped as a [`Region`], whose bytes
//! are copied in and out; there is no `&[u8]` of them, since others may change them at any time.
//! What one process stores, all that have the segment see at once. In which order is for locks to
//! say: [`crate::lock`] has some that outlive their holders.
//!
//! ```
//! use mycp::shm::{self, Access, Creation, Segment, SegmentName};
//!
//! # #[cfg(unix)]
//! let name: SegmentName = format!("shm:/mycp-example-{}", std::process::id()).parse()?;
//! # #[cfg(windows)]
//! # let name: SegmentName = format!("win:Local\\mycp-example-{}", std::process::id()).parse()?;
//! let made = Segment::options().creation(Creation::New { len: 5000 }).open(&name)?;
//! made.map()?.write_at(4995, b"hello")?;
//!
//! let another = Segment::options().access(Access::Read).open(&name)?;
//! let mut bytes = [0; 5];
//! another.map()?.read_at(4995, &mut bytes)?;
//! assert_eq!(&bytes, b"hello");
//! # #[cfg(unix)]
//! shm::remove(&name)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What holds for all kinds but sections:
//!
//! - Making is explicit ([`Creation`]), and so is removing ([`remove`]): a segment outlives the
//!   processes that use it, and opening or dropping one never removes it.
//! - The memory of a new segment is reserved, so that too little of it is an error when it is made
//!   and no SIGBUS when it is used.
//! - A new segment has mode 0600 or what was asked for, whatever the umask is. A POSIX object gets
//!   its name when it has its bytes.
//! - The length is what was asked for; what is mapped is whole pages ([`Region::mapped_len`]).
//! - The length of an existing segment is never changed: whoever has mapped it would die of it.
//!
//! A section, `win:Local\name` in this session of the user or `win:Global\name` in all, is another
//! thing, and is taken as Windows has it:
//!
//! - It lives as long as a process has it open, and goes with the last that has: a [`Segment`] or
//!   a [`Region`] that is kept keeps it. It cannot be removed or replaced, and Win32 has no call
//!   that lists sections. What another program has mapped, and not open any more, keeps its bytes,
//!   but nobody finds it.
//! - It has whole pages, and which length was asked for is not kept: [`Segment::len`] is rounded
//!   up.
//! - It is for the user who makes it, and for administrators. It has no other mode.
//! - A name of all sessions needs the right to make such (`SeCreateGlobalPrivilege`), which
//!   services and administrators have.
//!
//! Memory without a name ([`Segment::anonymous`]) is handed on as an open file, and can be sealed.
//!
//! Sources: shm_overview(7), sysvipc(7), memfd_create(2), CreateFileMappingW.

mod anonymous;
mod region;
mod staged;
mod status;

use std::fs::File;
use std::time::{Duration, Instant};

pub use crate::options::{
    Key, NameError, PosixName, SEGMENT_MODE as MODE, SectionName, SegmentAccess as Access,
    SegmentName, SystemVName,
};
pub use anonymous::Seal;
pub use region::Region;
pub(crate) use status::reachable;
pub use status::{Owner, Status, Use, list, may_remove, remove, remove_unused, status};

use crate::error::{Cause, Context, Error, Operation, Result};
use crate::options::Endpoint;
use crate::sys::Errno;
use crate::sys::section::Section;
use crate::sys::sysv::{self, Get};
use crate::sys::{file, posix_shm};

/// Whether a segment is made or found. Lengths are in bytes, and at least 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Creation {
    /// It exists.
    #[default]
    Existing,
    /// It does not, and is made.
    New {
        /// Its length.
        len: u64,
    },
    /// It is made unless it exists; then it has at least that length.
    Either {
        /// Its length if it is made.
        len: u64,
    },
    /// An existing one is removed, and a new one made. Whoever has the old one goes on with it.
    Replace {
        /// The new one's length.
        len: u64,
    },
}

impl Creation {
    /// The length that is asked for.
    fn len(self) -> Option<u64> {
        match self {
            Self::Existing => None,
            Self::New { len } | Self::Either { len } | Self::Replace { len } => Some(len),
        }
    }
}

/// How a segment is opened: for reading and writing, existing, unless something else is said.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct SegmentOptions {
    access: Access,
    creation: Creation,
    mode: u32,
    wait: Duration,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self {
            access: Access::default(),
            creation: Creation::default(),
            mode: MODE,
            wait: Duration::ZERO,
        }
    }
}

/// A segment that is open, or known by its identifier.
#[derive(Debug)]
pub struct Segment {
    endpoint: Endpoint,
    access: Access,
    handle: Handle,
    made: bool,
}

#[derive(Debug)]
enum Handle {
    Posix(File),
    SystemV { id: i32 },
    Section(Section),
}

/// How often making and finding are tried in turn, when others make and remove meanwhile.
const ATTEMPTS_MAX: usize = 100;

const LOOK_AGAIN: Duration = Duration::from_millis(2);

impl SegmentOptions {
    /// What it is opened for.
    pub fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Whether it is made or found.
    pub fn creation(self, creation: Creation) -> Self {
        Self { creation, ..self }
    }

    /// The permission bits of a new one, of which the lower nine count; the umask does not. A
    /// section has none but [`MODE`].
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// How long one that has no bytes yet is waited for: others make the name first, and its bytes
    /// then.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Opens the segment, or makes it.
    ///
    /// # Errors
    ///
    /// [`Operation::Open`] or [`Operation::Create`] with what the system says: that there is none,
    /// or one already; that it may not be opened so; that there is no memory, or that a limit of
    /// System V IPC is reached. [`Cause::Unfinished`] for one without bytes, [`Cause::TooSmall`]
    /// for an existing one that is shorter than asked for, [`Cause::Unsupported`] for what this
    /// system does not have.
    pub fn open(self, name: &SegmentName) -> Result<Segment> {
        let endpoint = Endpoint::Segment(name.clone());
        if self.creation.len() == Some(0) {
            return Err(no_bytes(&endpoint));
        }
        status::reachable(Operation::Open, &endpoint)?;
        let opening = Opening { options: self, endpoint: &endpoint };
        let (handle, made) = match name {
            SegmentName::Posix(name) => opening.posix(name)?,
            SegmentName::SystemV(name) => opening.system_v(name)?,
            SegmentName::Section(name) => opening.section(name)?,
            SegmentName::Anonymous(_) => {
                return Err(status::nameless(Operation::Open, &endpoint));
            }
        };
        Ok(Segment { endpoint, access: self.access, handle, made })
    }
}

/// One attempt after the other, until a segment is found or made.
struct Opening<'a> {
    options: SegmentOptions,
    endpoint: &'a Endpoint,
}

impl Opening<'_> {
    /// Finds or makes it, again where it appeared or vanished in between.
    fn attempt(
        &self,
        mut find: impl FnMut() -> Result<Handle>,
        mut make: impl FnMut(u64) -> Result<Handle>,
        mut remove: impl FnMut() -> Result<()>,
    ) -> Result<(Handle, bool)> {
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            let tried = match self.options.creation {
                Creation::Existing => return find().map(|handle| (handle, false)),
                Creation::New { len } => return make(len).map(|handle| (handle, true)),
                Creation::Either { len } => match find() {
                    Err(error) if is(&error, Errno::NOENT) => make(len).map(|it| (it, true)),
                    found => found.map(|handle| (handle, false)),
                },
                Creation::Replace { len } => match remove() {
                    Err(error) if !is(&error, Errno::NOENT) => return Err(error),
                    _ => make(len).map(|handle| (handle, true)),
                },
            };
            match tried {
                Err(error) if is(&error, Errno::EXIST) => last = Some(error),
                other => return other,
            }
        }
        let exists = || Error::new(Operation::Create, self.endpoint, Cause::Exists);
        Err(last.unwrap_or_else(exists))
    }

    fn posix(&self, name: &PosixName) -> Result<(Handle, bool)> {
        let flags = match self.options.access {
            Access::Read => posix_shm::READ,
            Access::ReadWrite => posix_shm::READ_WRITE,
        };
        self.attempt(
            || {
                let file = posix_shm::open(name, flags).context(Operation::Open, self.endpoint)?;
                self.await_bytes(&file)?;
                Ok(Handle::Posix(file))
            },
            |len| {
                let file = posix_shm::make_reserved(len, self.options.mode)
                    .and_then(|file| posix_shm::publish(&file, name).map(|()| file))
                    .context(Operation::Create, self.endpoint)?;
                Ok(Handle::Posix(file))
            },
            || posix_shm::unlink(name).context(Operation::Remove, self.endpoint),
        )
    }

    /// Waits until an object has bytes, and looks whether they are enough.
    fn await_bytes(&self, file: &File) -> Result<()> {
        let started = Instant::now();
        loop {
            let len = file::facts(file).context(Operation::Stat, self.endpoint)?.len;
            if len > 0 {
                return self.check(len);
            }
            if started.elapsed() >= self.options.wait {
                return Err(Error::new(Operation::Open, self.endpoint, Cause::Unfinished));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn check(&self, len: u64) -> Result<()> {
        match self.options.creation.len() {
            Some(needed) if needed > len => {
                let cause = Cause::TooSmall { len, needed };
                Err(Error::new(Operation::Open, self.endpoint, cause))
            }
            _ => Ok(()),
        }
    }

    fn system_v(&self, name: &SystemVName) -> Result<(Handle, bool)> {
        let key = match name {
            SystemVName::Id(id) => return self.by_id(*id),
            name => sysv::key_of(name).context(Operation::Open, self.endpoint)?,
        };
        let key = key.unwrap_or(sysv::PRIVATE);
        let make = |len| {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            let id = sysv::get(key, Get::New { len, mode: self.options.mode })
                .context(Operation::Create, self.endpoint)?;
            Ok(Handle::SystemV { id })
        };
        let find = || {
            let id = sysv::get(key, Get::Existing).context(Operation::Open, self.endpoint)?;
            self.check_id(id)?;
            Ok(Handle::SystemV { id })
        };
        if key == sysv::PRIVATE {
            return match self.options.creation.len() {
                Some(len) => make(len).map(|handle| (handle, true)),
                // Without a key none is found; its identifier leads to it.
                None => {
                    let error = std::io::Error::from(Errno::NOENT);
                    Err(Error::new(Operation::Open, self.endpoint, error))
                }
            };
        }
        self.attempt(find, make, || {
            sysv::get(key, Get::Existing)
                .and_then(sysv::remove)
                .context(Operation::Remove, self.endpoint)
        })
    }

    fn section(&self, name: &SectionName) -> Result<(Handle, bool)> {
        let open =
            |operation| Section::open(name, self.options.access).context(operation, self.endpoint);
        let mode = self.options.mode;
        self.attempt(
            || {
                let section = open(Operation::Open)?;
                self.check(section.len())?;
                Ok(Handle::Section(section))
            },
            |len| {
                if mode & 0o777 != MODE {
                    let why = "a section is for its user, mode 600, and for nobody else";
                    return Err(Error::new(
                        Operation::Create,
                        self.endpoint,
                        Cause::Unsupported(why),
                    ));
                }
                let made = Section::make(name, len).context(Operation::Create, self.endpoint)?;
                Ok(Handle::Section(made))
            },
            || open(Operation::Remove).and_then(|_| Err(status::not_removed(self.endpoint))),
        )
    }

    fn by_id(&self, id: i32) -> Result<(Handle, bool)> {
        if let Creation::New { .. } | Creation::Replace { .. } = self.options.creation {
            let cause = Cause::Unsupported("the system chooses the identifier of a new segment");
            return Err(Error::new(Operation::Create, self.endpoint, cause));
        }
        self.check_id(id)?;
        Ok((Handle::SystemV { id }, false))
    }

    fn check_id(&self, id: i32) -> Result<()> {
        self.check(sysv::facts(id).context(Operation::Open, self.endpoint)?.len)
    }
}

fn no_bytes(endpoint: &Endpoint) -> Error {
    let why = "a segment has at least one byte";
    let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
    Error::new(Operation::Create, endpoint, error)
}

fn is(error: &Error, errno: Errno) -> bool {
    error.os_error().and_then(Errno::from_io_error) == Some(errno)
}

impl Segment {
    /// How one is opened.
    pub fn options() -> SegmentOptions {
        SegmentOptions::default()
    }

    /// What it was opened as.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether opening it has made it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.made
    }

    /// The identifier of a System V segment.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        match self.handle {
            Handle::SystemV { id } => Some(id),
            Handle::Posix(_) | Handle::Section(_) => None,
        }
    }

    /// The open file behind a POSIX object; another segment itself.
    pub(crate) fn into_file(self) -> Result<File, Self> {
        match self.handle {
            Handle::Posix(file) => Ok(file),
            Handle::SystemV { .. } | Handle::Section(_) => Err(self),
        }
    }

    /// Its length in bytes, as it was made; of a section whole pages.
    ///
    /// # Errors
    ///
    /// [`Operation::Stat`], where a System V segment has been removed.
    pub fn len(&self) -> Result<u64> {
        match &self.handle {
            Handle::Posix(file) => file::facts(file).map(|facts| facts.len),
            Handle::SystemV { id } => sysv::facts(*id).map(|facts| facts.len),
            Handle::Section(section) => Ok(section.len()),
        }
        .context(Operation::Stat, &self.endpoint)
    }

    /// Whether it has no bytes; a segment that was opened had some.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Maps all of it.
    ///
    /// # Errors
    ///
    /// [`Operation::Map`] with what the system says.
    pub fn map(&self) -> Result<Region> {
        Region::new(self)
    }

    /// What the system tells of it.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn status(&self) -> Result<Status> {
        status::of(self)
    }

    /// Sets the nine permission bits, and owner and group where they are given.
    ///
    /// # Errors
    ///
    /// [`Operation::SetMode`] or [`Operation::SetOwner`]: most systems let nobody give it away.
    pub fn set_permissions(&self, mode: u32, owner: Option<Owner>) -> Result<()> {
        status::set_permissions(self, mode, owner)
    }
}
