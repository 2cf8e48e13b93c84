//! When times are hard to believe: a pure function of what was measured, and where.

use std::time::Duration;

use crate::crash::contract::{Answer, Call};
use crate::crash::flush::SyncMode;
use crate::crash::place::{Device, DeviceKind, Place, WriteCache};

use super::{Extent, Measured, times_of};

/// No device that has to empty a cache answers sooner: the way to it and back takes as long.
const FLUSH_MIN: Duration = Duration::from_micros(20);
/// What turns 7,200 times a minute passes by the same place so often in a second.
const TURNS_PER_SECOND: f64 = 120.0;

/// A reason not to believe that what was flushed is safe: evidence, and no proof.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// Nothing there survives a crash, so that the times say nothing of a disk.
    Volatile,
    /// The mount keeps flushes from the device.
    Unflushed,
    /// The kernel sends this device no flush.
    WriteThrough {
        /// Its name.
        device: String,
    },
    /// A device with a volatile cache emptied it sooner than the way there takes.
    TooFast {
        /// Its name.
        device: String,
        /// Half of all `fsync` were not longer.
        median: Duration,
    },
    /// A disk wrote the same place more often than it turns.
    FasterThanItTurns {
        /// Its name.
        device: String,
        /// How many `fsync` it did in a second.
        per_second: f64,
        /// Whether it is a virtual disk, which often says that it turns without having anything
        /// that could.
        is_virtual: bool,
    },
}

/// What is hard to believe of what was measured in `place`.
pub(super) fn doubts(place: &Place, measured: &[Measured]) -> Vec<Doubt> {
    let contract = place.contract();
    let fsync =
        contract.guarantees.iter().find(|guarantee| guarantee.call == Call::Flush(SyncMode::Fsync));
    if fsync.is_some_and(|guarantee| guarantee.data == Answer::No) {
        return vec![Doubt::Volatile];
    }
    let mut doubts = Vec::new();
    if fsync.is_some_and(|guarantee| guarantee.cache == Answer::No) {
        doubts.push(Doubt::Unflushed);
    }
    let devices: Vec<&Device> = place.layers().into_iter().flat_map(Place::own_devices).collect();
    for device in &devices {
        if device.write_cache == Some(WriteCache::Through)
            && !matches!(device.kind, DeviceKind::Partition)
        {
            doubts.push(Doubt::WriteThrough { device: device.name.clone() });
        }
    }
    if let Some(times) = times_of(measured, SyncMode::Fsync, Extent::Page) {
        let disks = devices.iter().filter(|device| matches!(device.kind, DeviceKind::Disk));
        for disk in disks {
            let device = disk.name.clone();
            let median = times.percentile(50);
            if disk.write_cache == Some(WriteCache::Back) && median < FLUSH_MIN {
                doubts.push(Doubt::TooFast { device, median });
            } else if disk.rotational == Some(true) && median.as_secs_f64() * TURNS_PER_SECOND < 1.0
            {
                let is_virtual = disk.is_virtual();
                let per_second = 1.0 / median.as_secs_f64().max(1e-9);
                doubts.push(Doubt::FasterThanItTurns { device, per_second, is_virtual });
            }
        }
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::contract::samples;
    use crate::crash::statistics::Statistics;

    /// The doubts when each `fsync` takes so long.
    fn of(place: &Place, fsync: Duration) -> Vec<Doubt> {
        let times = Statistics::of(&[fsync; 3]).unwrap();
        doubts(place, &[Measured { mode: SyncMode::Fsync, extent: Extent::Page, times }])
    }

    fn on(device: Device) -> Place {
        Place { devices: vec![device], ..samples::place("ext4", &["rw"]) }
    }

    const MICRO: Duration = Duration::from_micros(1);

    #[test]
    fn a_flush_that_takes_its_time_is_believed() {
        let disk = || samples::disk("sda", Some(WriteCache::Back));
        assert_eq!(of(&on(disk()), 20 * MICRO), []);
        let too_fast = Doubt::TooFast { device: "sda".into(), median: 19 * MICRO };
        assert_eq!(of(&on(disk()), 19 * MICRO), [too_fast]);
    }

    #[test]
    fn a_disk_does_no_more_than_its_turns() {
        let disk =
            |name| Device { rotational: Some(true), ..samples::disk(name, Some(WriteCache::Back)) };
        assert_eq!(of(&on(disk("sda")), 8400 * MICRO), []);
        for (name, expected) in [("sda", false), ("vda", true)] {
            match of(&on(disk(name)), 1000 * MICRO).as_slice() {
                [Doubt::FasterThanItTurns { device, per_second, is_virtual }] => {
                    assert_eq!((device.as_str(), *is_virtual), (name, expected));
                    assert!((per_second - 1000.0).abs() < 1e-6);
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(of(&on(samples::disk("sda", Some(WriteCache::Back))), 1000 * MICRO), []);
    }

    #[test]
    fn a_part_is_as_its_whole() {
        let part = Device {
            kind: DeviceKind::Partition,
            write_cache: None,
            members: vec![samples::disk("sda", Some(WriteCache::Through))],
            ..samples::disk("sda1", None)
        };
        assert_eq!(of(&on(part), MICRO), [Doubt::WriteThrough { device: "sda".into() }]);
    }

    #[test]
    fn times_without_flushes_say_nothing() {
        assert_eq!(of(&samples::place("tmpfs", &["rw"]), MICRO), [Doubt::Volatile]);
        let mut place = on(samples::disk("sda", Some(WriteCache::Back)));
        place.mount.options.push("nobarrier".into());
        assert_eq!(of(&place, 1000 * MICRO), [Doubt::Unflushed]);
    }
}
