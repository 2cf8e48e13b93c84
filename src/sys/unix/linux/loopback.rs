//! Loop devices: block devices whose content is a file (loop(4)).

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A loop device. It lets go of its file when it is dropped and no longer mounted, and when the
/// process is killed.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    // Closing the last handle frees the device (`LO_FLAGS_AUTOCLEAR`).
    handle: File,
    number: u32,
}

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const BLKFLSBUF: libc::c_ulong = 0x1261;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_info64` of `linux/loop.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

const EMPTY: Info = Info {
    device: 0,
    inode: 0,
    rdevice: 0,
    offset: 0,
    size_limit: 0,
    number: 0,
    encrypt_type: 0,
    encrypt_key_size: 0,
    flags: 0,
    file_name: [0; 64],
    crypt_name: [0; 64],
    encrypt_key: [0; 32],
    init: [0; 2],
};

/// `struct loop_config` of the same.
#[repr(C)]
#[derive(Clone, Copy)]
struct Configuration {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

impl LoopDevice {
    /// Puts a free loop device of 512-byte sectors on a file, past the page cache where that can
    /// be.
    ///
    /// # Errors
    ///
    /// Those of open(2) on `/dev/loop-control` and the device, and of the calls of loop(4).
    pub(crate) fn attach(file: &File, name: &str) -> io::Result<Self> {
        let control = File::options().read(true).write(true).open("/dev/loop-control")?;
        loop {
            // SAFETY: the call takes no pointer.
            let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
            let number = u32::try_from(number).map_err(|_| super::super::errno::errno_of_libc())?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let handle = File::options().read(true).write(true).open(path)?;
            match configure(&handle, file, name) {
                // Somebody else was faster.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                result => return result.map(|()| Self { handle, number }),
            }
        }
    }

    /// Its path, `/dev/loop0` for example.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/dev/loop{}", self.number))
    }

    /// One of its attributes in sysfs(5), such as `queue/write_cache`.
    ///
    /// # Errors
    ///
    /// Those of reading it.
    pub(crate) fn attribute(&self, name: &str) -> io::Result<String> {
        let directory = format!("/sys/block/loop{}", self.number);
        let text = std::fs::read_to_string(Path::new(&directory).join(name))?;
        Ok(text.trim_end().to_owned())
    }

    /// Forgets what the page cache holds of it, after its file has been given another content.
    ///
    /// # Errors
    ///
    /// Those of the call (`BLKFLSBUF`).
    pub(crate) fn forget_cached(&self) -> io::Result<()> {
        forget_cached(&self.handle)
    }
}

/// The file that a loop device is made of, as it is called where it is. Nothing is asked of the
/// file, whose file system may not answer, and so not of the device either.
pub(crate) fn backing_file(device: &Path) -> Option<PathBuf> {
    let file = Path::new("/sys/block").join(device.file_name()?).join("loop/backing_file");
    let mut name = std::fs::read(file).ok()?;
    name.pop_if(|last| *last == b'\n');
    Some(OsString::from_vec(name).into())
}

fn forget_cached(handle: &File) -> io::Result<()> {
    // SAFETY: the call takes no pointer.
    match unsafe { libc::ioctl(handle.as_raw_fd(), BLKFLSBUF) } {
        0 => Ok(()),
        _ => Err(super::super::errno::errno_of_libc()),
    }
}

fn configure(device: &File, file: &File, name: &str) -> io::Result<()> {
    let mut file_name = [0; 64];
    for (into, byte) in file_name[..63].iter_mut().zip(name.bytes()) {
        *into = byte;
    }
    let flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    let info = Info { flags, file_name, ..EMPTY };
    let fd = u32::try_from(file.as_raw_fd()).unwrap_or(u32::MAX);
    let configuration = Configuration { fd, block_size: 512, info, reserved: [0; 8] };
    // SAFETY: the structure has the layout of the kernel's, which only reads it.
    match unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const configuration) } {
        0 => Ok(()),
        _ => Err(super::super::errno::errno_of_libc()),
    }
}
