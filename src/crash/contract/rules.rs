//! What is known of calls, file systems, mount options and devices, and where it is written.

mod linux;
mod macos;
mod windows;

use super::{Answer, Call, Family, Guarantee, SyncMode, Warning, Weight};

/// All that is known of a family of systems.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) guarantees: &'static [Guarantee],
    pub(super) systems: &'static [SystemRule],
    /// The file systems that are on block devices of this machine.
    pub(super) on_devices: &'static [&'static str],
    pub(super) options: &'static [OptionRule],
    /// What is said before the word of an option.
    pub(super) has_option: &'static str,
    /// What a file system that is not known does, and what to say of it.
    pub(super) unheard_of: (Effect, Knowledge),
    /// What a device that cannot be looked at does, or one whose cache cannot, and what to say.
    pub(super) no_device: (Effect, Knowledge),
    /// What a cache that is not flushed because it need not be does, and what to say of it: of a
    /// disk, and of a virtual one.
    pub(super) write_through: (Effect, [Knowledge; 2]),
    /// What all of the family have in common, where that is something.
    pub(super) of_all: Option<(Effect, Knowledge)>,
}

const LINUX: Rules = Rules {
    guarantees: &linux::GUARANTEES,
    systems: linux::SYSTEMS,
    on_devices: linux::ON_DEVICES,
    options: linux::OPTIONS,
    has_option: "the mount option",
    unheard_of: (Effect::None, linux::UNHEARD_OF),
    no_device: (Effect::CacheUnseen, linux::NO_DEVICE),
    write_through: (Effect::NotSent, [linux::WRITE_THROUGH, linux::WRITE_THROUGH_VIRTUAL]),
    of_all: None,
};

const MACOS: Rules = Rules {
    guarantees: &macos::GUARANTEES,
    systems: macos::SYSTEMS,
    on_devices: macos::ON_DEVICES,
    options: macos::OPTIONS,
    has_option: "the mount option",
    unheard_of: (Effect::Unknown, macos::UNHEARD_OF),
    // The flush goes to the drive whether it can be seen or not.
    no_device: (Effect::None, macos::NO_DEVICE),
    write_through: (Effect::None, [macos::NO_DEVICE; 2]),
    of_all: None,
};

const WINDOWS: Rules = Rules {
    guarantees: &windows::GUARANTEES,
    systems: windows::SYSTEMS,
    on_devices: windows::ON_DEVICES,
    options: windows::OPTIONS,
    has_option: "the volume is",
    unheard_of: (Effect::Unknown, windows::UNHEARD_OF),
    no_device: (Effect::CacheUnseen, windows::NO_DEVICE),
    write_through: (Effect::None, [windows::WRITE_THROUGH; 2]),
    of_all: None,
};

/// Nothing is known of the file systems and disks that Wine makes up.
const WINE: Rules = Rules {
    systems: &[],
    on_devices: &[],
    options: &[],
    of_all: Some((Effect::Unknown, windows::WINE)),
    ..WINDOWS
};

/// Those of a family.
pub(super) const fn of(family: Family) -> Rules {
    match family {
        Family::Linux => LINUX,
        Family::Macos => MACOS,
        Family::Windows => WINDOWS,
        Family::Wine => WINE,
    }
}

/// What a fact does to the promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// Nothing survives.
    Lost,
    /// Whoever serves the files decides.
    Unknown,
    /// The file system sends no flush to the device.
    Unflushed,
    /// The kernel drops flushes of the device.
    NotSent,
    /// The cache cannot be seen.
    CacheUnseen,
}

/// What there is to say when something is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knowledge {
    weight: Weight,
    reason: &'static str,
    remedy: &'static str,
    source: &'static str,
}

impl Knowledge {
    pub(super) fn warning(&self, about: &str, found: String) -> Warning {
        let Self { weight, reason, remedy, source } = *self;
        Warning { weight, about: about.to_owned(), found, reason, remedy, source }
    }
}

/// What is known of some file systems.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemRule {
    pub(super) systems: &'static [&'static str],
    pub(super) effect: Effect,
    knowledge: Knowledge,
}

impl SystemRule {
    pub(super) fn warning(&self, about: &str, found: String) -> Warning {
        self.knowledge.warning(about, found)
    }
}

/// What is known of a mount option.
#[derive(Clone, Copy, Debug)]
pub(super) struct OptionRule {
    /// The file systems that have it; none where all have.
    systems: &'static [&'static str],
    /// The ways to write it.
    pub(super) options: &'static [&'static str],
    pub(super) effect: Effect,
    knowledge: Knowledge,
}

impl OptionRule {
    pub(super) fn is_for(&self, system: &str) -> bool {
        self.systems.is_empty() || self.systems.contains(&system)
    }

    pub(super) fn warning(&self, about: &str, found: String) -> Warning {
        self.knowledge.warning(about, found)
    }
}

const fn guarantee(call: Call, answers: [Answer; 5], source: &'static str) -> Guarantee {
    let [data, size, attributes, name, cache] = answers;
    Guarantee { call, data, size, attributes, name, cache, source, remark: "" }
}

const fn remarked(guarantee: Guarantee, remark: &'static str) -> Guarantee {
    Guarantee { remark, ..guarantee }
}

const fn warning(reason: &'static str, remedy: &'static str, source: &'static str) -> Knowledge {
    Knowledge { weight: Weight::Warning, reason, remedy, source }
}

const fn note(reason: &'static str, remedy: &'static str, source: &'static str) -> Knowledge {
    Knowledge { weight: Weight::Note, reason, remedy, source }
}

const fn system(
    systems: &'static [&'static str],
    effect: Effect,
    knowledge: Knowledge,
) -> SystemRule {
    SystemRule { systems, effect, knowledge }
}

const fn option(
    systems: &'static [&'static str],
    options: &'static [&'static str],
    effect: Effect,
    knowledge: Knowledge,
) -> OptionRule {
    OptionRule { systems, options, effect, knowledge }
}

pub(super) const NO_JOURNAL: Knowledge = warning(
    "a crash in the middle of a change can leave the file system itself inconsistent, and its \
     repair may cut or move files, also ones that were flushed",
    "tune2fs -O has_journal, while it is not mounted; until then e2fsck after each crash",
    "fs/ext4/sysfs.c, journal_task; ext4(5)",
);

pub(super) const UNFLUSHED: Knowledge = windows::UNFLUSHED;

pub(super) const UNSEEN_LAYER: Knowledge = warning(
    "what is promised depends on it",
    "look at it from where it can be seen, as root, or from outside of the container",
    "",
);

pub(super) const MEMORY: Knowledge =
    warning("it is gone with the power", "keep what has to survive on a disk", "");

pub(super) const NETWORK: Knowledge = warning(
    "the other machine decides what a flush does",
    "look at what it does, and at its own disks",
    "",
);

pub(super) const LOOP: Knowledge = note(
    "a flush of the device becomes an fsync of that file, so that the promises of its file system \
     hold; direct I/O or not makes no difference to that",
    "",
    "drivers/block/loop.c, lo_req_flush",
);

pub(super) const VIRTUAL: Knowledge = note(
    "whether a flush reaches a real disk is up to the hypervisor: some can be told to answer \
     flushes without doing anything, which cannot be seen from here",
    "look at how it was started: QEMU's cache=unsafe, Firecracker's cache_type Unsafe, its default",
    "virt-install(1), --disk cache; Firecracker, docs/api_requests/block-caching.md",
);
