//! Standard input and output.

use std::fs::File;
use std::io;

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_SYNCHRONOUS_IO_ALERT, FILE_SYNCHRONOUS_IO_NONALERT, FileModeInformation,
    NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::Errno;
use super::errno::status;
use super::handle::{self, AsHandle};

/// Standard input as a file of its own.
///
/// # Errors
///
/// `BADF` if there is none; `Unsupported` if it is overlapped.
pub(crate) fn standard_input() -> io::Result<File> {
    own(&io::stdin())
}

/// Standard output as a file of its own.
///
/// # Errors
///
/// `BADF` if there is none; `Unsupported` if it is overlapped.
pub(crate) fn standard_output() -> io::Result<File> {
    own(&io::stdout())
}

fn own(stream: &impl AsHandle) -> io::Result<File> {
    // Duplicated, the second would be this process: it has the number that stands for that.
    if [std::ptr::null_mut(), INVALID_HANDLE_VALUE].contains(&handle::raw(stream)) {
        return Err(Errno::BADF.into());
    }
    if !is_synchronous(stream)? {
        let why = "it is open for overlapped calls, which would go on after they have returned";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    Ok(handle::of(stream).try_clone_to_owned()?.into())
}

/// Whether a call of a handle is over when it returns (`FileModeInformation`): the parent process
/// may have opened it otherwise, and then the system would write into buffers that are gone.
pub(super) fn is_synchronous(object: &impl AsHandle) -> io::Result<bool> {
    let mut mode = 0_u32;
    // SAFETY: it has numbers and a pointer that nobody follows, for which all zeros are a value.
    let mut block: IO_STATUS_BLOCK = unsafe { std::mem::zeroed() };
    // SAFETY: the class has one number of 32 bits, which there is room for. The system answers it
    // by itself, so that the call is over when it returns, whatever the handle is.
    status(unsafe {
        NtQueryInformationFile(
            handle::raw(object),
            &raw mut block,
            (&raw mut mode).cast(),
            4,
            FileModeInformation,
        )
    })?;
    Ok(mode & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::windows::fs::OpenOptionsExt;
    use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OVERLAPPED;

    #[test]
    fn a_stream_whose_calls_do_not_wait_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "content").unwrap();
        let overlapped =
            File::options().read(true).custom_flags(FILE_FLAG_OVERLAPPED).open(&path).unwrap();
        assert_eq!(own(&overlapped).unwrap_err().kind(), io::ErrorKind::Unsupported);
        let (reader, writer) = io::pipe().unwrap();
        let null = File::open("NUL").unwrap();
        let file = File::open(&path).unwrap();
        assert!(own(&file).is_ok() && own(&null).is_ok());
        assert!(own(&reader).is_ok() && own(&writer).is_ok());
    }
}
