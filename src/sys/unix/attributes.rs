//! Owner, permission bits, times and extended attributes of open objects: what is the same on
//! every Unix.
//!
//! No call takes a path, so that a name that is replaced meanwhile cannot redirect one. On Linux a
//! handle of a symbolic link, a socket or a device that is not opened (`O_PATH`) allows none of the
//! calls that take descriptors (open(2)); it is reached by the link that `/proc/self/fd` has of it,
//! which leads to the very object.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps, XattrFlags, utimensat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

#[cfg(target_os = "macos")]
use super::acl;
use super::{bare, entries, extended};
use crate::sys::attributes::Attributes;
use crate::sys::file::Timestamp;

pub(crate) use super::extended::{has_security_contexts, keep_flags};

/// The POSIX access ACL of an object (acl(5)), as an extended attribute in the kernel's form. On
/// macOS lists are of another kind, and no extended attributes; there this stands for them.
pub(crate) const ACL: &CStr = c"system.posix_acl_access";

/// The ACL that what is made in a directory gets, in the same form.
pub(crate) const DEFAULT_ACL: &CStr = c"system.posix_acl_default";

/// The capabilities that a program gets when it is executed (capabilities(7)).
pub(crate) const CAPABILITY: &CStr = c"security.capability";

/// Whether objects have owners, and rights for each of their classes, that a copy can keep.
pub(crate) const HAS_OWNERS: bool = true;

/// "There is no such attribute".
#[cfg(target_os = "linux")]
const ABSENT: Errno = Errno::NODATA;
#[cfg(not(target_os = "linux"))]
const ABSENT: Errno = Errno::NOATTR;

impl From<&Metadata> for Attributes {
    fn from(metadata: &Metadata) -> Self {
        let timestamp = |seconds, nanoseconds| Timestamp {
            seconds,
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
        };
        Self {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            accessed: timestamp(metadata.atime(), metadata.atime_nsec()),
            modified: timestamp(metadata.mtime(), metadata.mtime_nsec()),
            born: None,
        }
    }
}

/// Nothing is left to be kept of a file that is replaced: its ACL is among its attributes.
pub(crate) fn keep_access_list(_: &File, _: &File) -> io::Result<()> {
    Ok(())
}

/// Sets the permission bits, setuid, setgid and sticky included (`fchmod`).
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let mode = entries::mode_of(mode);
    Ok(either(file, rustix::fs::fchmod(file, mode), |path| rustix::fs::chmod(path, mode))?)
}

/// `done`, or what `by_path` does where the handle allows nothing.
fn either<T>(
    file: &File,
    done: rustix::io::Result<T>,
    by_path: impl FnOnce(&str) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    match done {
        Err(Errno::BADF) => bare::by_path(file, by_path),
        done => done,
    }
}

/// Sets owner and group; `None` leaves one as it is (`fchown`).
///
/// Strips setuid, setgid and capabilities, whoever calls it.
pub(crate) fn set_owner(file: &File, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let (owner, group) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    let done = rustix::fs::fchown(file, owner, group);
    Ok(either(file, done, |path| rustix::fs::chown(path, owner, group))?)
}

/// Sets the access and the modification time (`futimens`).
pub(crate) fn set_times(file: &File, accessed: Timestamp, modified: Timestamp) -> io::Result<()> {
    let timespec =
        |time: Timestamp| Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    let times =
        Timestamps { last_access: timespec(accessed), last_modification: timespec(modified) };
    let done = rustix::fs::futimens(file, &times);
    Ok(either(file, done, |path| utimensat(CWD, path, &times, AtFlags::empty()))?)
}

/// Nobody can say when an object was made but the file system.
///
/// # Errors
///
/// `Unsupported`, always.
pub(crate) fn set_born(_: &File, _: Timestamp) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sets the modification time to now; the access time, too, for whom it may not be left out: who
/// may write into a file, but does not own it.
pub(crate) fn set_modified_now(file: &File) -> io::Result<()> {
    let time = |nanoseconds| Timespec { tv_sec: 0, tv_nsec: nanoseconds };
    let (now, omit) = (time(rustix::fs::UTIME_NOW), time(rustix::fs::UTIME_OMIT));
    let set = |last_access| {
        rustix::fs::futimens(file, &Timestamps { last_access, last_modification: now })
    };
    match set(omit) {
        Err(Errno::PERM | Errno::ACCESS) => Ok(set(now)?),
        result => Ok(result?),
    }
}

/// The permission bits that new files of this process do not get.
///
/// Read where the kernel tells it; `umask` itself can only be asked by changing it, for all
/// threads. Where it has to be, files that other threads make meanwhile get too little, never too
/// much.
pub(crate) fn file_mode_mask() -> u32 {
    // Asked once: a program that changes it while it copies cannot know for which files.
    static MASK: OnceLock<u32> = OnceLock::new();
    *MASK.get_or_init(ask_file_mode_mask)
}

fn ask_file_mode_mask() -> u32 {
    let told = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
        u32::from_str_radix(line.trim(), 8).ok()
    });
    told.unwrap_or_else(|| {
        let mask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        rustix::process::umask(mask);
        #[cfg_attr(
            target_os = "linux",
            expect(clippy::useless_conversion, reason = "it is narrower on other systems")
        )]
        u32::from(mask.as_raw_mode())
    })
}

/// The names of an object's extended attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Each with a NUL behind it.
    list: Vec<u8>,
}

impl Names {
    /// The names, in the order in which the system lists them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CStr> {
        self.list
            .split_inclusive(|&byte| byte == 0)
            .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
    }

    /// Whether `name` is one of them.
    pub(crate) fn contains(&self, name: &CStr) -> bool {
        self.iter().any(|listed| listed == name)
    }
}

/// Bytes that most lists of names, and most values, fit into, so that one call does.
const EXPECTED_BYTES: usize = 1024;

/// Times to ask anew for something that grows while it is asked for.
const ATTEMPTS: usize = 8;

/// The names of the extended attributes that the caller may see; none where the file system has
/// no such thing. One call, if there are few.
pub(crate) fn names(file: &File) -> io::Result<Names> {
    let read = |buffer: &mut [u8]| {
        let done = rustix::fs::flistxattr(file, &mut *buffer);
        either(file, done, |path| rustix::fs::listxattr(path, buffer))
    };
    let len = || {
        let done = rustix::fs::flistxattr_query(file);
        either(file, done, |path| rustix::fs::listxattr_query(path))
    };
    let list = match fitting(read, len) {
        Err(error) if is_unsupported(&error) => Vec::new(),
        list => list?,
    };
    #[cfg(target_os = "macos")]
    if acl::exists(file)? {
        return Ok(Names { list: [list.as_slice(), ACL.to_bytes_with_nul()].concat() });
    }
    Ok(Names { list })
}

/// Whether what has `name` in a directory has extended attributes; a link is not followed.
///
/// # Errors
///
/// Those of llistxattr(2), and where an older kernel has no `/proc`.
pub(crate) fn has_names_at(directory: &File, name: &OsStr) -> io::Result<bool> {
    let asked = match extended::attribute_names_len(directory, name) {
        // An older kernel, or a filter that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => bare::attribute_names_len(directory, name),
        asked => asked,
    };
    match asked.map_err(io::Error::from) {
        Ok(len) => Ok(len > 0),
        Err(error) if is_unsupported(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The name of an extended attribute, to be shown.
pub(crate) fn spelt(name: &CStr) -> OsString {
    OsStr::from_bytes(name.to_bytes()).to_os_string()
}

/// The value of an extended attribute; `None` when there is no such attribute.
pub(crate) fn value(file: &File, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    #[cfg(target_os = "macos")]
    if name == ACL {
        return acl::value(file);
    }
    let read = |buffer: &mut [u8]| {
        let done = rustix::fs::fgetxattr(file, name, &mut *buffer);
        either(file, done, |path| rustix::fs::getxattr(path, name, buffer))
    };
    let len = || {
        let done = rustix::fs::fgetxattr_query(file, name);
        either(file, done, |path| rustix::fs::getxattr_query(path, name))
    };
    match fitting(read, len) {
        Ok(value) => Ok(Some(value)),
        Err(error) if is(&error, ABSENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Calls `read` with a buffer that is large enough; `len` says how large that is.
fn fitting(
    read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    len: impl Fn() -> rustix::io::Result<usize>,
) -> io::Result<Vec<u8>> {
    let mut first = [0; EXPECTED_BYTES];
    match read(&mut first) {
        Ok(count) => return Ok(first.get(..count).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {}
        Err(error) => return Err(error.into()),
    }
    for _ in 0..ATTEMPTS {
        // One more than is needed: a buffer without a byte would be the question for the length.
        let mut buffer = vec![0; len()?.saturating_add(1)];
        match read(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                return Ok(buffer);
            }
            Err(Errno::RANGE) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::RANGE.into())
}

/// Sets an extended attribute, whether or not there is one of the name.
pub(crate) fn set_value(file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
    #[cfg(target_os = "macos")]
    if name == ACL {
        return acl::set(file, value);
    }
    let done = rustix::fs::fsetxattr(file, name, value, XattrFlags::empty());
    let by_path = |path: &str| rustix::fs::setxattr(path, name, value, XattrFlags::empty());
    Ok(either(file, done, by_path)?)
}

/// Removes an extended attribute, if there is one of the name.
pub(crate) fn remove_value(file: &File, name: &CStr) -> io::Result<()> {
    #[cfg(target_os = "macos")]
    if name == ACL {
        return acl::remove(file);
    }
    let done = rustix::fs::fremovexattr(file, name);
    match either(file, done, |path| rustix::fs::removexattr(path, name)) {
        Ok(()) | Err(ABSENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether an error says that the file system does not have such a thing.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    [Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS].iter().any(|&errno| is(error, errno))
}

/// Whether an error says that the caller may not do it.
pub(crate) fn is_forbidden(error: &io::Error) -> bool {
    [Errno::PERM, Errno::ACCESS].iter().any(|&errno| is(error, errno))
}

/// Whether an error of `fchown` says that the caller may not give files away, or that the
/// identity does not exist in its user namespace: what GNU cp takes as a refusal.
pub(crate) fn is_owner_refused(error: &io::Error) -> bool {
    [Errno::PERM, Errno::INVAL].iter().any(|&errno| is(error, errno))
}

/// Whether an error says that this object, file system or caller cannot have such an attribute,
/// and not that something broke: no such thing, no right, no room, a value that is refused.
pub(crate) fn is_refused(error: &io::Error) -> bool {
    let too_large = [Errno::TOOBIG, Errno::RANGE, Errno::NAMETOOLONG];
    is_unsupported(error)
        || is_forbidden(error)
        || is_no_room(error)
        || is(error, Errno::INVAL)
        || too_large.iter().any(|&errno| is(error, errno))
}

/// Whether an error says that the disk or the user's part of it is full.
pub(crate) fn is_no_room(error: &io::Error) -> bool {
    [Errno::NOSPC, Errno::DQUOT].iter().any(|&errno| is(error, errno))
}

fn is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

/// Tests as somebody else: on Linux the kernel's identities belong to threads, so a thread of its
/// own can have another while the other tests go on as they are.
#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod identity {
    use rustix::process::{Gid, Uid};
    use rustix::thread::{self, CapabilitySet};

    /// Runs `action` as another user; only root can.
    pub(crate) fn as_user<T: Send>(
        uid: u32,
        gid: u32,
        groups: &[u32],
        action: impl FnOnce() -> T + Send,
    ) -> T {
        apart(|| {
            let groups: Vec<Gid> = groups.iter().map(|&group| Gid::from_raw(group)).collect();
            thread::set_thread_groups(&groups).expect("root may choose its groups");
            thread::set_thread_gid(Gid::from_raw(gid)).expect("root may choose its group");
            thread::set_thread_uid(Uid::from_raw(uid)).expect("root may become anyone");
            action()
        })
    }

    /// Runs `action` as a root that may not give files away, as in many containers; only root can.
    pub(crate) fn as_root_without_chown<T: Send>(action: impl FnOnce() -> T + Send) -> T {
        apart(|| {
            let mut sets = thread::capabilities(None).expect("a thread may ask");
            sets.effective.remove(CapabilitySet::CHOWN);
            thread::set_capabilities(None, sets).expect("a thread may drop capabilities");
            action()
        })
    }

    fn apart<T: Send>(action: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(action).join().expect("the test passes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_longer_than_the_first_buffer_is_read_whole() {
        let file = tempfile::tempfile().unwrap();
        for len in [0, 1, EXPECTED_BYTES, EXPECTED_BYTES + 1, 3 * EXPECTED_BYTES] {
            let long = vec![7; len];
            set_value(&file, c"user.long", &long).unwrap();
            assert_eq!(value(&file, c"user.long").unwrap(), Some(long));
        }
    }

    #[test]
    fn a_list_longer_than_the_first_buffer_is_read_whole() {
        let file = tempfile::tempfile().unwrap();
        let wanted: Vec<_> =
            (0..40).map(|n| std::ffi::CString::new(format!("user.{n:050}")).unwrap()).collect();
        for name in &wanted {
            set_value(&file, name, b"").unwrap();
        }
        let listed = names(&file).unwrap();
        assert!(wanted.iter().all(|name| listed.contains(name)));
    }

    #[test]
    fn both_ways_tell_whether_a_name_has_attributes_and_follow_no_link() {
        let path = tempfile::tempdir().unwrap();
        let with = File::create(path.path().join("with")).unwrap();
        set_value(&with, c"user.some", b"value").unwrap();
        File::create(path.path().join("without")).unwrap();
        std::os::unix::fs::symlink("with", path.path().join("link")).unwrap();
        let directory = File::open(path.path()).unwrap();
        for (name, has) in [("with", true), ("without", false), ("link", false)] {
            let name = OsStr::new(name);
            assert_eq!(has_names_at(&directory, name).unwrap(), has, "{name:?}");
            let len = bare::attribute_names_len(&directory, name).unwrap();
            assert_eq!(len > 0, has, "{name:?}");
            match extended::attribute_names_len(&directory, name) {
                Err(error) => assert_eq!(error, Errno::NOSYS, "{name:?}"),
                Ok(asked) => assert_eq!(asked, len, "{name:?}"),
            }
        }
        let error = has_names_at(&directory, OsStr::new("absent")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_absent_attribute_is_no_error() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(value(&file, c"user.none").unwrap(), None);
        remove_value(&file, c"user.none").unwrap();
        assert!(!names(&file).unwrap().contains(c"user.none"));
    }

    #[test]
    fn times_are_kept_to_the_nanosecond_and_before_the_epoch() {
        let file = tempfile::tempfile().unwrap();
        let early = Timestamp { seconds: -1, nanoseconds: 999_999_999 };
        let late = Timestamp { seconds: 4_000_000_000, nanoseconds: 1 };
        set_times(&file, early, late).unwrap();
        let attributes = Attributes::of(&file).unwrap();
        assert_eq!((attributes.accessed, attributes.modified), (early, late));
    }

    #[test]
    fn the_mask_is_what_a_new_file_lacks() {
        use std::os::unix::fs::OpenOptionsExt;
        let directory = tempfile::tempdir().unwrap();
        let mut options = File::options();
        let options = options.write(true).create_new(true).mode(0o777);
        let file = options.open(directory.path().join("new")).unwrap();
        assert_eq!(Attributes::of(&file).unwrap().mode, 0o777 & !file_mode_mask());
    }
}
