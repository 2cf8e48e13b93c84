//! The disks that a volume is on, as far as Windows tells that everybody.
//!
//! A disk is opened without any right to its bytes, which takes no administrator. What it says of
//! itself comes as structures in which the driver may have put any byte, so that they are read as
//! bytes.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt;

use windows_sys::Win32::Storage::FileSystem as storage;
use windows_sys::Win32::System::Ioctl::{
    IOCTL_STORAGE_QUERY_PROPERTY, PropertyStandardQuery, STORAGE_PROPERTY_ID,
    STORAGE_PROPERTY_QUERY, StorageAccessAlignmentProperty, StorageDeviceProperty,
    StorageDeviceSeekPenaltyProperty, StorageDeviceWriteCacheProperty,
};

use super::native::control;
use crate::sys::disks::{Disk, Sectors};
use crate::sys::family::Family;
use crate::sys::mounts::MountLine;

/// What the system tells of its devices.
#[derive(Clone, Debug)]
pub(crate) struct Kernel;

impl Kernel {
    /// The running system's.
    pub(crate) fn running() -> Self {
        Self
    }

    /// The disk with this number, as in `\\.\PhysicalDrive0`; what it does not tell is left out.
    ///
    /// # Errors
    ///
    /// None, so that at least its name is told.
    pub(crate) fn disk(&self, (_, number): (u32, u32)) -> io::Result<Disk> {
        let name = format!("PhysicalDrive{number}");
        let opened = open(OsStr::new(&format!(r"\\.\{name}")));
        let Ok(device) = opened else { return Ok(Disk { name, ..Disk::default() }) };
        let of = |id| property(&device, id).unwrap_or_default();
        let [cache, about] = [StorageDeviceWriteCacheProperty, StorageDeviceProperty].map(of);
        Ok(Disk {
            name,
            write_cache: write_cache(&cache).map(str::to_owned),
            fua: writes_through(&cache),
            rotational: byte(&of(StorageDeviceSeekPenaltyProperty), 8).map(|it| it != 0),
            model: model(&about),
            bus: number_at(&about, 28).and_then(bus).map(str::to_owned),
            sectors: sectors(&of(StorageAccessAlignmentProperty)),
            ..Disk::default()
        })
    }

    /// The disks that a volume is on: those of its extents. Wine makes them up, so that there are
    /// none.
    pub(crate) fn numbers_of(&self, line: &MountLine) -> Vec<(u32, u32)> {
        if Family::running() == Family::Wine {
            return Vec::new();
        }
        // With the separator at the end it would be the root directory.
        let name = line.source.to_string_lossy().into_owned();
        let found = open(OsStr::new(name.trim_end_matches('\\'))).and_then(|it| extents(&it));
        disks_of_extents(&found.unwrap_or_default()).into_iter().map(|disk| (0, disk)).collect()
    }

    /// There is no ext4.
    pub(crate) fn has_ext4_journal(&self, _: &str) -> Option<bool> {
        None
    }

    /// As above.
    pub(crate) fn options_of_ext4(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Opens a device to ask it about itself.
fn open(name: &OsStr) -> io::Result<File> {
    File::options().access_mode(0).open(name)
}

/// `IOCTL_STORAGE_QUERY_PROPERTY`: one of the structures that begin with a version and a size.
fn property(device: &File, id: STORAGE_PROPERTY_ID) -> io::Result<Vec<u8>> {
    let query = STORAGE_PROPERTY_QUERY {
        PropertyId: id,
        QueryType: PropertyStandardQuery,
        AdditionalParameters: [0],
    };
    let mut found = vec![0_u8; 1024];
    // SAFETY: that is what the call takes, and what it gives is taken as bytes.
    let len = unsafe { control(device, IOCTL_STORAGE_QUERY_PROPERTY, &query, &mut found) }?;
    found.truncate(len);
    Ok(found)
}

/// `IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS`, of as many extents as a volume may have in practice.
fn extents(volume: &File) -> io::Result<Vec<u8>> {
    let mut found = vec![0_u8; 4096];
    let code = storage::IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS;
    // SAFETY: the call takes nothing, and what it gives is taken as bytes.
    let len = unsafe { control(volume, code, &(), &mut found) }?;
    found.truncate(len);
    Ok(found)
}

/// The numbers in a `VOLUME_DISK_EXTENTS`, each once, in the order of the numbers.
fn disks_of_extents(bytes: &[u8]) -> Vec<u32> {
    // A number and a gap, then of each extent: a number and a gap, begin and length.
    let (head, each) = (8, 24);
    let count = number_at(bytes, 0).unwrap_or(0) as usize;
    let rest = bytes.get(head..).unwrap_or_default().chunks_exact(each);
    let mut disks: Vec<u32> = rest.take(count).filter_map(|one| number_at(one, 0)).collect();
    disks.sort_unstable();
    disks.dedup();
    disks
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What a `STORAGE_WRITE_CACHE_PROPERTY` says of the cache.
fn write_cache(bytes: &[u8]) -> Option<&'static str> {
    const NONE: u32 = 1;
    const THROUGH: u32 = 3;
    const DISABLED: u32 = 1;
    const ENABLED: u32 = 2;
    let (kind, is_enabled) = (number_at(bytes, 8)?, number_at(bytes, 12)?);
    // "User selected power protection option through registry".
    let is_never_flushed = byte(bytes, 25)? != 0;
    match (kind, is_enabled) {
        (NONE | THROUGH, _) | (_, DISABLED) => Some("write through"),
        (_, ENABLED) if is_never_flushed => Some("write back, not flushed"),
        (_, ENABLED) => Some("write back"),
        _ => None,
    }
}

/// Whether that says that a single write can go past the cache.
fn writes_through(bytes: &[u8]) -> Option<bool> {
    match number_at(bytes, 20)? {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

/// The maker and the name in a `STORAGE_DEVICE_DESCRIPTOR`.
fn model(bytes: &[u8]) -> Option<String> {
    let text = |at| {
        let start = number_at(bytes, at).filter(|start| *start != 0)?;
        let rest = bytes.get(usize::try_from(start).ok()?..)?;
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        let text = String::from_utf8_lossy(&rest[..end]).trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let words: Vec<String> = [text(12), text(16)].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The sectors in a `STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR`.
fn sectors(bytes: &[u8]) -> Option<Sectors> {
    let (logical_bytes, physical_bytes) = (number_at(bytes, 16)?, number_at(bytes, 20)?);
    Some(Sectors { logical_bytes, physical_bytes })
}

/// What a `STORAGE_BUS_TYPE` is called.
fn bus(kind: u32) -> Option<&'static str> {
    Some(match kind.cast_signed() {
        storage::BusTypeScsi => "SCSI",
        storage::BusTypeAtapi => "ATAPI",
        storage::BusTypeAta => "ATA",
        storage::BusType1394 => "IEEE 1394",
        storage::BusTypeSsa => "SSA",
        storage::BusTypeFibre => "Fibre Channel",
        storage::BusTypeUsb => "USB",
        storage::BusTypeRAID => "RAID",
        storage::BusTypeiScsi => "iSCSI",
        storage::BusTypeSas => "SAS",
        storage::BusTypeSata => "SATA",
        storage::BusTypeSd => "SD",
        storage::BusTypeMmc => "MMC",
        storage::BusTypeVirtual => "a virtual bus",
        storage::BusTypeFileBackedVirtual => "a virtual bus, from a file",
        storage::BusTypeSpaces => "Storage Spaces",
        storage::BusTypeNvme => "NVMe",
        storage::BusTypeSCM => "storage-class memory",
        storage::BusTypeUfs => "UFS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers, one after the other, as a driver gives them.
    fn bytes(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn a_cache_is_what_its_property_says() {
        let of = |kind, is_enabled, through, flags: [u8; 4]| {
            let bytes = [&bytes(&[28, 28, kind, is_enabled, 0, through])[..], &flags].concat();
            (write_cache(&bytes), writes_through(&bytes))
        };
        let (flushed, protected) = ([1, 0, 0, 0], [1, 1, 0, 0]);
        assert_eq!(of(2, 2, 2, flushed), (Some("write back"), Some(true)));
        assert_eq!(of(0, 2, 1, flushed), (Some("write back"), Some(false)));
        assert_eq!(of(2, 2, 0, protected), (Some("write back, not flushed"), None));
        // What is off need not be flushed, whoever protects it.
        assert_eq!(of(2, 1, 0, protected), (Some("write through"), None));
        assert_eq!(of(1, 0, 0, flushed), (Some("write through"), None));
        assert_eq!(of(3, 2, 0, flushed), (Some("write through"), None));
        assert_eq!(of(0, 0, 0, flushed), (None, None));
        assert_eq!((write_cache(&[]), writes_through(&[0; 23])), (None, None));
    }

    #[test]
    fn a_disk_tells_its_maker_its_bus_and_its_sectors() {
        let head = bytes(&[40, 60, 0, 40, 48, 0, 0, 17, 0, 0]);
        let about = [&head[..], b"Maker  \0", b"Best Disk \0"].concat();
        assert_eq!(model(&about).as_deref(), Some("Maker Best Disk"));
        assert_eq!(number_at(&about, 28).and_then(bus), Some("NVMe"));
        let nameless = bytes(&[40, 60, 0, 0, 4000, 0, 0, 99]);
        assert_eq!((model(&nameless), number_at(&nameless, 28).and_then(bus)), (None, None));
        let found = sectors(&bytes(&[28, 28, 0, 0, 512, 4096, 0]));
        assert_eq!(found, Some(Sectors { logical_bytes: 512, physical_bytes: 4096 }));
        assert_eq!(sectors(&[0; 23]), None);
    }

    #[test]
    fn each_disk_of_a_volume_is_told_once() {
        let extent = |disk| bytes(&[disk, 0, 0, 0, 0, 0]);
        let of = |count, disks: &[u32]| {
            let extents: Vec<u8> = disks.iter().copied().flat_map(extent).collect();
            disks_of_extents(&[bytes(&[count, 0]), extents].concat())
        };
        assert_eq!(of(3, &[2, 1, 2]), [1, 2]);
        assert_eq!(of(1, &[0, 7]), [0]);
        assert_eq!(of(9, &[4]), [4]);
        assert!(disks_of_extents(&[1, 0]).is_empty());
    }

    #[test]
    fn a_disk_that_cannot_be_asked_still_has_its_name() {
        let disk = Kernel::running().disk((0, 4_000_000)).unwrap();
        assert_eq!(disk, Disk { name: "PhysicalDrive4000000".into(), ..Disk::default() });
    }
}
