//! Counting semaphores of processes: those of Windows, and those of Unix, which it does not have.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, HANDLE, NTSTATUS};
use windows_sys::Win32::System::Threading::{
    CreateSemaphoreW, OpenSemaphoreW, ReleaseSemaphore, SEMAPHORE_ALL_ACCESS,
};

use super::Errno;
use super::errno::{checked, last, status};
use super::objects::{self, Waited};
use crate::options::{PosixName, SEGMENT_MODE, SectionName};

/// A named semaphore of the kernel, which goes with its last handle.
#[derive(Debug)]
pub(crate) struct WindowsSemaphore {
    handle: OwnedHandle,
}

impl WindowsSemaphore {
    /// Opens an existing one.
    ///
    /// # Errors
    ///
    /// `NOENT` where there is none, `ACCESS` where it may not be used.
    pub(crate) fn open(name: &SectionName) -> io::Result<Self> {
        let called = objects::wide(name.as_str());
        // SAFETY: the name ends with a NUL and lives as long as the call.
        let opened = unsafe { OpenSemaphoreW(SEMAPHORE_ALL_ACCESS, 0, called.as_ptr()) };
        Ok(Self { handle: objects::owned(opened, last())?.0 })
    }

    /// Makes a new one with that count, for its user.
    ///
    /// # Errors
    ///
    /// `EXIST` where there is one; `Unsupported` for another mode than 0600.
    pub(crate) fn make(name: &SectionName, count: u16, mode: u32) -> io::Result<Self> {
        if mode & 0o777 != SEGMENT_MODE {
            let why = "a semaphore of Windows is for its user, mode 600, and for nobody else";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        let called = objects::wide(name.as_str());
        let (count, most) = (i32::from(count), i32::from(i16::MAX));
        // SAFETY: the name ends with a NUL and lives as long as the call.
        let made = unsafe { CreateSemaphoreW(std::ptr::null(), count, most, called.as_ptr()) };
        // Asked at once: success says by this whether there was one.
        match objects::owned(made, last())? {
            (_, said) if objects::is_code(&said, ERROR_ALREADY_EXISTS) => Err(Errno::EXIST.into()),
            (handle, _) => Ok(Self { handle }),
        }
    }

    /// Takes one, waiting so long or for ever; whether there was one.
    ///
    /// # Errors
    ///
    /// Those of `WaitForSingleObject`.
    pub(crate) fn acquire(&self, wait: Option<Duration>) -> io::Result<bool> {
        // What is too far away to be counted never comes.
        let deadline = wait.and_then(|wait| Instant::now().checked_add(wait));
        Ok(objects::wait(&self.handle, deadline)? != Waited::No)
    }

    /// Gives one back.
    ///
    /// # Errors
    ///
    /// `ERROR_TOO_MANY_POSTS` at the highest count.
    pub(crate) fn release(&self) -> io::Result<()> {
        let handle = self.handle.as_raw_handle();
        // SAFETY: it takes a handle, which is open, a number, and nowhere to write to.
        checked(unsafe { ReleaseSemaphore(handle, 1, std::ptr::null_mut()) })
    }

    /// How many there are now.
    ///
    /// # Errors
    ///
    /// Those of `NtQuerySemaphore`; no call of Win32 tells without changing it.
    pub(crate) fn count(&self) -> io::Result<u32> {
        let mut found = SemaphoreInformation { count: 0, most: 0 };
        let bytes = u32::try_from(size_of_val(&found)).map_err(|_| io::ErrorKind::InvalidInput)?;
        let handle = self.handle.as_raw_handle();
        // SAFETY: it fills in what it is given, of this size.
        status(unsafe {
            let found = (&raw mut found).cast();
            NtQuerySemaphore(handle, SEMAPHORE_BASIC, found, bytes, std::ptr::null_mut())
        })?;
        Ok(found.count)
    }
}

/// `SEMAPHORE_BASIC_INFORMATION`.
#[repr(C)]
struct SemaphoreInformation {
    count: u32,
    most: u32,
}

/// `SemaphoreBasicInformation`, of `SEMAPHORE_INFORMATION_CLASS`.
const SEMAPHORE_BASIC: i32 = 0;

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtQuerySemaphore(
        semaphore: HANDLE,
        class: i32,
        information: *mut c_void,
        bytes: u32,
        written: *mut u32,
    ) -> NTSTATUS;
}

fn absent<T>() -> io::Result<T> {
    let why = "Windows has neither POSIX nor System V semaphores";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// None can be opened.
#[derive(Debug)]
pub(crate) enum PosixSemaphore {}

impl PosixSemaphore {
    pub(crate) fn open(_: &PosixName) -> io::Result<Self> {
        absent()
    }

    pub(crate) fn make(_: &PosixName, _: u32, _: u32) -> io::Result<Self> {
        absent()
    }

    pub(crate) fn acquire(&self, _: Option<Duration>) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn release(&self) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn count(&self) -> io::Result<u32> {
        match *self {}
    }
}

pub(crate) fn unlink(_: &PosixName) -> io::Result<()> {
    absent()
}

/// None can be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SystemVSemaphore {}

impl SystemVSemaphore {
    pub(crate) fn find(_: i32) -> io::Result<Self> {
        absent()
    }

    pub(crate) fn by_id(_: i32) -> io::Result<Self> {
        absent()
    }

    pub(crate) fn make(_: i32, _: u16, _: u32) -> io::Result<Self> {
        absent()
    }

    pub(crate) fn ready(self) -> io::Result<Self> {
        match self {}
    }

    pub(crate) fn id(self) -> i32 {
        match self {}
    }

    pub(crate) fn acquire(self, _: Option<Duration>) -> io::Result<bool> {
        match self {}
    }

    pub(crate) fn release(self) -> io::Result<()> {
        match self {}
    }

    pub(crate) fn count(self) -> io::Result<u32> {
        match self {}
    }

    pub(crate) fn remove(self) -> io::Result<()> {
        match self {}
    }
}
