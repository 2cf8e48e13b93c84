//! Volumes.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::windows::ffi::OsStringExt;

use windows_sys::Wdk::Storage::FileSystem::{
    FS_INFORMATION_CLASS, FileFsDeviceInformation, FileFsSizeInformation,
    NtQueryVolumeInformationFile,
};
use windows_sys::Win32::Storage::FileSystem::GetVolumeInformationByHandleW;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::errno::{checked, status};
use super::handle::{self, AsHandle};

/// `FILE_READ_ONLY_VOLUME`.
pub(super) const READ_ONLY: u32 = 0x0008_0000;
/// `FILE_VOLUME_IS_COMPRESSED`.
pub(super) const COMPRESSED: u32 = 0x0000_8000;
/// `FILE_DAX_VOLUME`.
pub(super) const DIRECT_ACCESS: u32 = 0x2000_0000;

/// What is known of a volume.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    /// What its file system is called: "NTFS".
    pub(crate) file_system: String,
    /// Its serial number.
    pub(crate) serial: u32,
    /// What its file system can, and whether it is for reading only.
    pub(crate) flags: u32,
}

/// The volume that an open object is on.
///
/// # Errors
///
/// For what is on none.
pub(crate) fn of(object: &impl AsHandle) -> io::Result<Volume> {
    let mut name = [0_u16; 64];
    let room = u32::try_from(name.len()).unwrap_or(0);
    let (mut serial, mut flags) = (0, 0);
    // SAFETY: the buffer has so many units, the numbers live as long as the call, and what is null
    // is not asked for.
    checked(unsafe {
        GetVolumeInformationByHandleW(
            handle::raw(object),
            std::ptr::null_mut(),
            0,
            &raw mut serial,
            std::ptr::null_mut(),
            &raw mut flags,
            name.as_mut_ptr(),
            room,
        )
    })?;
    let len = name.iter().position(|unit| *unit == 0).unwrap_or(name.len());
    let file_system = OsString::from_wide(&name[..len]).to_string_lossy().into_owned();
    Ok(Volume { file_system, serial, flags })
}

/// How large a volume is: `FILE_FS_SIZE_INFORMATION` ([MS-FSCC] 2.5.8).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Sizes {
    _total_clusters: u64,
    /// Of those that this user may fill.
    pub(super) available_clusters: u64,
    sectors_per_cluster: u32,
    bytes_per_sector: u32,
}

impl Sizes {
    /// Bytes of a cluster.
    pub(super) fn cluster_bytes(self) -> u64 {
        u64::from(self.sectors_per_cluster) * u64::from(self.bytes_per_sector)
    }
}

/// The sizes of the volume that an open object is on.
///
/// # Errors
///
/// Those of `NtQueryVolumeInformationFile`.
pub(super) fn sizes_of(object: &impl AsHandle) -> io::Result<Sizes> {
    // SAFETY: that is the structure of the class, of numbers only.
    unsafe { query(object, FileFsSizeInformation) }
}

/// What kind of device a volume is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Characteristics {
    /// It is of another machine.
    pub(crate) is_remote: bool,
    /// Its medium can be taken out.
    pub(crate) is_removable: bool,
}

/// What kind of device the volume of an open object is on (`FileFsDeviceInformation`).
///
/// # Errors
///
/// Those of `NtQueryVolumeInformationFile`.
pub(crate) fn characteristics(object: &impl AsHandle) -> io::Result<Characteristics> {
    use windows_sys::Wdk::System::SystemServices::{
        FILE_FS_DEVICE_INFORMATION, FILE_REMOTE_DEVICE, FILE_REMOVABLE_MEDIA,
    };
    // SAFETY: that is the structure of the class, of numbers only.
    let found: FILE_FS_DEVICE_INFORMATION = unsafe { query(object, FileFsDeviceInformation) }?;
    let has = |characteristic| found.Characteristics & characteristic != 0;
    Ok(Characteristics {
        is_remote: has(FILE_REMOTE_DEVICE),
        is_removable: has(FILE_REMOVABLE_MEDIA),
    })
}

/// What `NtQueryVolumeInformationFile` tells of one class, whose structure `T` is.
///
/// # Safety
///
/// `T` is the structure of the class, and has no value that is not one.
unsafe fn query<T>(object: &impl AsHandle, class: FS_INFORMATION_CLASS) -> io::Result<T> {
    let mut found = MaybeUninit::<T>::zeroed();
    let mut block = MaybeUninit::<IO_STATUS_BLOCK>::zeroed();
    let bytes = u32::try_from(size_of::<T>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: it fills in as many bytes as it is told that there are.
    status(unsafe {
        NtQueryVolumeInformationFile(
            handle::raw(object),
            block.as_mut_ptr(),
            found.as_mut_ptr().cast(),
            bytes,
            class,
        )
    })?;
    // SAFETY: it was filled in, and the caller answers for its values.
    Ok(unsafe { found.assume_init() })
}
