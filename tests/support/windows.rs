//! What the tests have of Windows.

use std::fs::{File, FileTimes};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::{ERROR_INTERNAL_ERROR, FILETIME, WAIT_OBJECT_0};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_STANDARD_INFO, FILE_WRITE_ATTRIBUTES, FileStandardInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx,
};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    FILE_ALLOCATED_RANGE_BUFFER, FSCTL_QUERY_ALLOCATED_RANGES, FSCTL_SET_SPARSE,
};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, TerminateProcess,
    WaitForSingleObject,
};

/// The exit status of what a test has killed; the program has no such.
const KILLED: u32 = 0xdead;

/// An environment with nothing but what programs need to start.
pub(crate) fn set_apart(command: &mut Command) {
    command.env_clear();
    for name in ["SystemRoot", "WINEPREFIX", "WINEDEBUG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// Starts a program. Wine fails now and then with an internal error, and then succeeds.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    const TRIES: usize = 5;
    for _ in 1..TRIES {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(ERROR_INTERNAL_ERROR.cast_signed()) => {}
            started => return started,
        }
    }
    command.spawn()
}

/// No signals are ignored here.
pub(crate) fn with_default_signals(_: &mut Command) {}

/// Kills it without asking.
pub(super) fn kill(child: &Child) {
    // SAFETY: the handle is the child's, and open. That it may have ended by itself is no error
    // that would count.
    unsafe { TerminateProcess(child.as_raw_handle(), KILLED) };
}

/// Waits for the end of a process, no longer than that.
pub(super) fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX - 1);
    // SAFETY: the handle is the child's, and open.
    let ended = unsafe { WaitForSingleObject(child.as_raw_handle(), milliseconds) };
    ended == WAIT_OBJECT_0
}

/// How long a process has had a processor.
pub(crate) fn processor_time(id: u32) -> Duration {
    // SAFETY: it takes numbers.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, id) };
    assert!(!process.is_null(), "{}", io::Error::last_os_error());
    // SAFETY: the call has opened it, and nobody else has it.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    let [begun, ended, in_system, in_program] = times.each_mut().map(std::ptr::from_mut);
    let handle = process.as_raw_handle();
    // SAFETY: the handle is open, and there is room for each of the times.
    let told = unsafe { GetProcessTimes(handle, begun, ended, in_system, in_program) };
    assert!(told != 0, "{}", io::Error::last_os_error());
    let steps =
        |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos(100 * (steps(times[2]) + steps(times[3])))
}

/// Whether a process was killed by [`kill`].
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.code() == Some(KILLED.cast_signed())
}

/// Reading and writing at an offset, as the trait of Unix of this name has it; the handle's own
/// position moves.
pub(crate) trait FileExt {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = self.read_at(bytes, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes = &mut bytes[read..];
            offset += read as u64;
        }
        Ok(())
    }

    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write_at(bytes, offset)?;
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }
}

impl FileExt for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(self, bytes, offset)
    }
}

/// Which file it is: volume and number.
pub(crate) type Id = (u64, u64);

/// Opens anything, for looking at it only.
fn look(path: &Path) -> io::Result<File> {
    File::options().access_mode(0).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

fn information(path: &Path) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    let file = look(path)?;
    // SAFETY: it has numbers only.
    let mut found: BY_HANDLE_FILE_INFORMATION = unsafe { std::mem::zeroed() };
    // SAFETY: the handle is open, and there is room for the structure.
    match unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut found) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(found),
    }
}

/// Of what the path leads to.
pub(crate) fn id(path: &Path) -> io::Result<Id> {
    let found = information(path)?;
    let number = u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow);
    Ok((found.dwVolumeSerialNumber.into(), number))
}

/// The names of what the path leads to.
pub(crate) fn links(path: &Path) -> io::Result<u64> {
    information(path).map(|found| found.nNumberOfLinks.into())
}

/// The bytes of its disk that what the path leads to has.
pub(crate) fn allocated(path: &Path) -> io::Result<u64> {
    let file = look(path)?;
    // SAFETY: it has numbers and truth values, for which zeros are good.
    let mut found: FILE_STANDARD_INFO = unsafe { std::mem::zeroed() };
    let bytes = size_of::<FILE_STANDARD_INFO>() as u32;
    let into = (&raw mut found).cast();
    let handle = file.as_raw_handle();
    // SAFETY: the handle is open, and there is room for so many bytes.
    match unsafe { GetFileInformationByHandleEx(handle, FileStandardInfo, into, bytes) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(found.AllocationSize.cast_unsigned()),
    }
}

/// Makes a symbolic link, of the kind that fits what it leads to.
pub(crate) fn symlink(leads_to: &Path, path: &Path) -> io::Result<()> {
    let from = path.parent().unwrap_or(Path::new(""));
    if from.join(leads_to).is_dir() {
        std::os::windows::fs::symlink_dir(leads_to, path)
    } else {
        std::os::windows::fs::symlink_file(leads_to, path)
    }
}

/// Of permission bits there is one here: whether the owner may write.
pub(crate) fn chmod(path: &Path, mode: u32) {
    let mut permissions = std::fs::metadata(path).unwrap().permissions();
    permissions.set_readonly(mode & 0o200 == 0);
    std::fs::set_permissions(path, permissions).unwrap();
}

/// How much there is to be read from a pipe.
pub(crate) fn bytes_in_pipe(pipe: &io::PipeReader) -> io::Result<u64> {
    let null = std::ptr::null_mut();
    let mut waiting = 0;
    let handle = pipe.as_raw_handle();
    // SAFETY: the handle is open, and nothing but the number is asked for.
    match unsafe { PeekNamedPipe(handle, null, 0, null.cast(), &raw mut waiting, null.cast()) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(waiting.into()),
    }
}

/// As permission bits: whether somebody may write.
pub(crate) fn mode(path: &Path) -> u32 {
    if std::fs::metadata(path).unwrap().permissions().readonly() { 0o444 } else { 0o666 }
}

/// Makes what is not written of a file a hole, where the file system knows such.
pub(crate) fn allow_holes(file: &File) {
    let (null, mut bytes) = (std::ptr::null_mut(), 0);
    // SAFETY: the handle is open, and nothing goes in or comes out. Where it fails there are none.
    unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            FSCTL_SET_SPARSE,
            null,
            0,
            null,
            0,
            &raw mut bytes,
            null.cast(),
        )
    };
}

/// The ranges of a file that are no holes, as start and end; all of it where nothing is known of
/// holes.
pub(crate) fn data_ranges(file: &File) -> Vec<(u64, u64)> {
    let len = file.metadata().unwrap().len();
    let all = FILE_ALLOCATED_RANGE_BUFFER { FileOffset: 0, Length: len.cast_signed() };
    let none = FILE_ALLOCATED_RANGE_BUFFER { FileOffset: 0, Length: 0 };
    let mut found = vec![none; 4096];
    let mut bytes = 0;
    // SAFETY: the handle is open, and both buffers have as many bytes as is said.
    let told = unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            FSCTL_QUERY_ALLOCATED_RANGES,
            (&raw const all).cast(),
            size_of_val(&all) as u32,
            found.as_mut_ptr().cast(),
            size_of_val(found.as_slice()) as u32,
            &raw mut bytes,
            std::ptr::null_mut(),
        )
    };
    if told == 0 {
        return vec![(0, len)];
    }
    found.truncate(bytes as usize / size_of::<FILE_ALLOCATED_RANGE_BUFFER>());
    let end =
        |range: &FILE_ALLOCATED_RANGE_BUFFER| (range.FileOffset + range.Length).cast_unsigned();
    found.iter().map(|range| (range.FileOffset.cast_unsigned(), end(range).min(len))).collect()
}

/// Gives everything below `root`, and `root` itself, times of its own.
pub(crate) fn stamp(root: &Path) {
    stamp_from(root, &mut 0);
}

fn stamp_from(path: &Path, moment: &mut u64) {
    if std::fs::symlink_metadata(path).unwrap().is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().for_each(|path| stamp_from(path, moment));
    }
    *moment += 1;
    let time = SystemTime::UNIX_EPOCH
        + Duration::new(1_000_000_000 + *moment * 1000, *moment as u32 * 100);
    let times = FileTimes::new().set_accessed(time + Duration::from_secs(1));
    set_both(path, times.set_modified(time));
}

/// Sets the times of access and of modification, of a symbolic link itself.
pub(crate) fn set_times(path: &Path, time: SystemTime) {
    set_both(path, FileTimes::new().set_accessed(time).set_modified(time));
}

fn set_both(path: &Path, times: FileTimes) {
    let options = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    let file = File::options().access_mode(FILE_WRITE_ATTRIBUTES).custom_flags(options).open(path);
    let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.set_times(times).unwrap();
}
