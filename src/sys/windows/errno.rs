//! Errors by the names that POSIX has for them, so that the same code tells them apart everywhere.

use std::io;

use windows_sys::Win32::Foundation as code;

/// What kind of failure an error of the system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::upper_case_acronyms, reason = "POSIX names errors so, without the E")]
pub(crate) enum Errno {
    ACCESS,
    AGAIN,
    BADF,
    BUSY,
    DQUOT,
    EXIST,
    FBIG,
    INTR,
    INVAL,
    IO,
    ISDIR,
    LOOP,
    MFILE,
    MLINK,
    NAMETOOLONG,
    NODEV,
    NOENT,
    NOLCK,
    NOMEM,
    NOSPC,
    NOSYS,
    NOTDIR,
    NOTEMPTY,
    NOTTY,
    OPNOTSUPP,
    OVERFLOW,
    PERM,
    PIPE,
    ROFS,
    /// Nothing is this here: a running program is what somebody does not share, which is `BUSY`,
    /// and its name cannot be given to another file either.
    TXTBSY,
    XDEV,
}

/// The codes of each, the one first that stands for it.
const CODES: [(Errno, &[u32]); 31] = [
    (
        Errno::ACCESS,
        &[
            code::ERROR_ACCESS_DENIED,
            code::ERROR_SYMLINK_CLASS_DISABLED,
            code::ERROR_UNTRUSTED_MOUNT_POINT,
        ],
    ),
    (Errno::AGAIN, &[code::ERROR_LOCK_VIOLATION]),
    (Errno::BADF, &[code::ERROR_INVALID_HANDLE]),
    (
        Errno::BUSY,
        &[
            code::ERROR_BUSY,
            code::ERROR_SHARING_VIOLATION,
            code::ERROR_USER_MAPPED_FILE,
            code::ERROR_DELETE_PENDING,
        ],
    ),
    (Errno::DQUOT, &[code::ERROR_DISK_QUOTA_EXCEEDED]),
    (Errno::EXIST, &[code::ERROR_ALREADY_EXISTS, code::ERROR_FILE_EXISTS]),
    (Errno::FBIG, &[code::ERROR_FILE_TOO_LARGE]),
    (Errno::INTR, &[code::ERROR_OPERATION_ABORTED]),
    (
        Errno::INVAL,
        &[
            code::ERROR_INVALID_PARAMETER,
            code::ERROR_INVALID_NAME,
            code::ERROR_BAD_PATHNAME,
            code::ERROR_NOT_A_REPARSE_POINT,
            code::ERROR_INVALID_REPARSE_DATA,
            code::ERROR_REPARSE_TAG_INVALID,
        ],
    ),
    (
        Errno::IO,
        &[
            code::ERROR_IO_DEVICE,
            code::ERROR_CRC,
            code::ERROR_READ_FAULT,
            code::ERROR_WRITE_FAULT,
            code::ERROR_GEN_FAILURE,
            code::ERROR_SECTOR_NOT_FOUND,
            code::ERROR_SEEK,
            code::ERROR_FILE_CORRUPT,
            code::ERROR_DISK_CORRUPT,
            code::ERROR_NOT_READY,
            code::ERROR_DEVICE_NOT_CONNECTED,
            code::ERROR_DEV_NOT_EXIST,
            // A server that is not reached has not said that there is no such file.
            code::ERROR_BAD_NETPATH,
            code::ERROR_BAD_NET_NAME,
            code::ERROR_NETNAME_DELETED,
            code::ERROR_UNEXP_NET_ERR,
            code::ERROR_SEM_TIMEOUT,
        ],
    ),
    (Errno::ISDIR, &[code::ERROR_DIRECTORY_NOT_SUPPORTED]),
    (Errno::LOOP, &[code::ERROR_STOPPED_ON_SYMLINK, code::ERROR_CANT_RESOLVE_FILENAME]),
    (Errno::MFILE, &[code::ERROR_TOO_MANY_OPEN_FILES]),
    (Errno::MLINK, &[code::ERROR_TOO_MANY_LINKS]),
    (Errno::NAMETOOLONG, &[code::ERROR_FILENAME_EXCED_RANGE, code::ERROR_BUFFER_OVERFLOW]),
    (Errno::NODEV, &[code::ERROR_BAD_DEV_TYPE, code::ERROR_BAD_UNIT, code::ERROR_INVALID_DRIVE]),
    (Errno::NOENT, &[code::ERROR_FILE_NOT_FOUND, code::ERROR_PATH_NOT_FOUND]),
    (Errno::NOLCK, &[code::ERROR_LOCK_FAILED]),
    (
        Errno::NOMEM,
        &[
            code::ERROR_NOT_ENOUGH_MEMORY,
            code::ERROR_OUTOFMEMORY,
            code::ERROR_COMMITMENT_LIMIT,
            code::ERROR_NO_SYSTEM_RESOURCES,
        ],
    ),
    (Errno::NOSPC, &[code::ERROR_DISK_FULL, code::ERROR_HANDLE_DISK_FULL]),
    (Errno::NOSYS, &[code::ERROR_CALL_NOT_IMPLEMENTED]),
    (Errno::NOTDIR, &[code::ERROR_DIRECTORY]),
    (Errno::NOTEMPTY, &[code::ERROR_DIR_NOT_EMPTY]),
    (Errno::NOTTY, &[code::ERROR_BAD_COMMAND]),
    (
        Errno::OPNOTSUPP,
        &[
            code::ERROR_NOT_SUPPORTED,
            code::ERROR_INVALID_FUNCTION,
            code::ERROR_BLOCK_TOO_MANY_REFERENCES,
            code::ERROR_EAS_NOT_SUPPORTED,
        ],
    ),
    (Errno::OVERFLOW, &[code::ERROR_ARITHMETIC_OVERFLOW]),
    (Errno::PERM, &[code::ERROR_PRIVILEGE_NOT_HELD]),
    (Errno::PIPE, &[code::ERROR_BROKEN_PIPE, code::ERROR_NO_DATA]),
    (Errno::ROFS, &[code::ERROR_WRITE_PROTECT]),
    (Errno::TXTBSY, &[]),
    (Errno::XDEV, &[code::ERROR_NOT_SAME_DEVICE]),
];

impl Errno {
    /// That of an error; `None` for one that is not the system's, or has no name here.
    pub(crate) fn from_io_error(error: &io::Error) -> Option<Self> {
        let number = error.raw_os_error()?.cast_unsigned();
        CODES.iter().find(|(_, codes)| codes.contains(&number)).map(|(errno, _)| *errno)
    }

    /// The system's number of an error of this kind.
    pub(crate) fn raw_os_error(self) -> i32 {
        let found = CODES.iter().find(|(errno, _)| *errno == self);
        let codes = found.map_or(&[code::ERROR_GEN_FAILURE][..], |(_, codes)| *codes);
        codes.first().map_or(0, |number| number.cast_signed())
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.raw_os_error())
    }
}

/// The error of a call of Win32 that has just failed.
#[expect(clippy::disallowed_methods, reason = "the one place that may ask, right after the call")]
pub(super) fn last() -> io::Error {
    io::Error::last_os_error()
}

/// What a call of Win32 returned: 0 is failure.
pub(super) fn checked(returned: i32) -> io::Result<()> {
    if returned == 0 { Err(last()) } else { Ok(()) }
}

/// What a call of the native system returned.
pub(super) fn status(returned: i32) -> io::Result<()> {
    // Bit 31 is set in errors, 30 and 31 in the worse ones ([MS-ERREF] 2.3); warnings, such as
    // that a buffer is too small, are told by who expects them.
    if returned >= 0 { Ok(()) } else { Err(of_status(returned)) }
}

/// The error that a status of the native system is.
pub(super) fn of_status(returned: i32) -> io::Error {
    let number = match returned {
        // Win32 says "access denied" of these, which hides what is wrong.
        code::STATUS_FILE_IS_A_DIRECTORY => code::ERROR_DIRECTORY_NOT_SUPPORTED,
        code::STATUS_DELETE_PENDING => code::ERROR_DELETE_PENDING,
        code::STATUS_USER_MAPPED_FILE => code::ERROR_USER_MAPPED_FILE,
        // SAFETY: it takes a number.
        other => unsafe { code::RtlNtStatusToDosError(other) },
    };
    io::Error::from_raw_os_error(number.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_told_by_what_stands_for_it() {
        for (errno, codes) in CODES.into_iter().filter(|(errno, _)| *errno != Errno::TXTBSY) {
            assert_eq!(Errno::from_io_error(&errno.into()), Some(errno));
            for number in codes {
                let error = io::Error::from_raw_os_error(number.cast_signed());
                assert_eq!(Errno::from_io_error(&error), Some(errno), "{number}");
            }
        }
        assert_eq!(Errno::from_io_error(&io::ErrorKind::NotFound.into()), None);
    }

    #[test]
    fn no_code_is_two_errors() {
        let mut all: Vec<u32> = CODES.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        all.sort_unstable();
        let len = all.len();
        all.dedup();
        assert_eq!(all.len(), len);
    }

    /// The standard library says "not found" of these, which a mirror would take for a deletion.
    #[test]
    fn what_cannot_be_reached_is_not_taken_for_missing() {
        for (number, errno) in [
            (code::ERROR_BAD_NETPATH, Errno::IO),
            (code::ERROR_BAD_NET_NAME, Errno::IO),
            (code::ERROR_INVALID_DRIVE, Errno::NODEV),
        ] {
            let error = io::Error::from_raw_os_error(number.cast_signed());
            assert_eq!(Errno::from_io_error(&error), Some(errno), "{number}");
        }
        for status in [code::STATUS_BAD_NETWORK_PATH, code::STATUS_BAD_NETWORK_NAME] {
            assert_eq!(Errno::from_io_error(&of_status(status)), Some(Errno::IO));
        }
    }

    #[test]
    fn what_win32_calls_denied_is_told_apart() {
        let told = |code| Errno::from_io_error(&of_status(code));
        assert_eq!(told(code::STATUS_FILE_IS_A_DIRECTORY), Some(Errno::ISDIR));
        assert_eq!(told(code::STATUS_NOT_A_DIRECTORY), Some(Errno::NOTDIR));
        assert_eq!(told(code::STATUS_DELETE_PENDING), Some(Errno::BUSY));
        assert_eq!(told(code::STATUS_USER_MAPPED_FILE), Some(Errno::BUSY));
        assert_eq!(told(code::STATUS_SHARING_VIOLATION), Some(Errno::BUSY));
        assert_eq!(told(code::STATUS_ACCESS_DENIED), Some(Errno::ACCESS));
        assert_eq!(told(code::STATUS_OBJECT_NAME_COLLISION), Some(Errno::EXIST));
        assert_eq!(told(code::STATUS_OBJECT_PATH_NOT_FOUND), Some(Errno::NOENT));
        assert_eq!(told(code::STATUS_NOT_SAME_DEVICE), Some(Errno::XDEV));
        assert_eq!(told(code::STATUS_DISK_FULL), Some(Errno::NOSPC));
        assert!(status(code::STATUS_BUFFER_OVERFLOW).is_err(), "a warning is no success");
        assert!(status(code::STATUS_PENDING).is_ok());
    }
}
