//! Made-up places.

use std::path::PathBuf;

use crate::crash::place::{Device, DeviceKind, Layer, Mount, Place, WriteCache};
use crate::error::{Cause, Error, Operation};
use crate::options::Endpoint;
use crate::sys::family::Family;

pub(crate) fn place(file_system: &str, options: &[&str]) -> Place {
    let mount = Mount {
        point: "/mnt".into(),
        file_system: file_system.into(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    };
    let (path, family) = (PathBuf::from("/mnt/file"), Family::Linux);
    Place { path, family, mount, journal: None, devices: Vec::new(), below: None }
}

pub(crate) fn disk(name: &str, write_cache: Option<WriteCache>) -> Device {
    Device {
        name: name.into(),
        kind: DeviceKind::Disk,
        write_cache,
        fua: Some(false),
        rotational: Some(false),
        model: None,
        bus: None,
        sectors: None,
        members: Vec::new(),
    }
}

/// A place whose file system is on one disk with a volatile cache.
pub(crate) fn on_disk(file_system: &str, options: &[&str]) -> Place {
    let devices = vec![disk("sda", Some(WriteCache::Back))];
    Place { devices, ..place(file_system, options) }
}

pub(crate) fn layer(place: Place) -> Layer {
    Layer { path: place.path.clone(), place: Ok(Box::new(place)) }
}

pub(crate) fn unseen_layer() -> Layer {
    let path = PathBuf::from("/gone");
    let cause = Cause::Unsupported("it is gone");
    let place = Err(Error::new(Operation::Open, &Endpoint::from(path.as_path()), cause));
    Layer { path, place }
}

/// A loop device over a file in `place`.
pub(crate) fn loop_device(backing: Layer) -> Device {
    Device {
        kind: DeviceKind::Loop { backing, direct_io: false },
        ..disk("loop0", Some(WriteCache::Back))
    }
}
