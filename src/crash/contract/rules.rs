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
    /// Of a file system that is not known.
    pub(super) unheard_of: (Effect, Knowledge),
    /// What all of the family have in common, where that is something.
    pub(super) of_all: Option<Fact>,
    /// Of a file system without the journal that others of its kind have, where that is told.
    pub(super) no_journal: Option<Knowledge>,
    /// Of a file that is used as a device, where there is such a thing.
    pub(super) of_loop: Option<Knowledge>,
    /// Where a file system is on a device and none is found.
    pub(super) no_device: Fact,
    /// Of a device that cannot be looked at.
    pub(super) unseen_device: Fact,
    /// Of a device that does not tell how its cache works.
    pub(super) unseen_cache: Fact,
    /// Of a cache that is not flushed because it need not be, of a disk and of a virtual one, where
    /// that is told.
    pub(super) write_through: Option<(Effect, [Knowledge; 2])>,
    /// Of a volatile cache that is not flushed, where that is told.
    pub(super) unflushed: Option<Knowledge>,
}

const LINUX: Rules = Rules {
    guarantees: &linux::GUARANTEES,
    systems: linux::SYSTEMS,
    on_devices: linux::ON_DEVICES,
    options: linux::OPTIONS,
    has_option: "the mount option",
    unheard_of: (Effect::None, linux::UNHEARD_OF),
    of_all: None,
    no_journal: Some(linux::NO_JOURNAL),
    of_loop: Some(linux::LOOP),
    no_device: linux::NO_DEVICE,
    unseen_device: linux::UNSEEN_DEVICE,
    unseen_cache: linux::UNSEEN_CACHE,
    write_through: Some((Effect::NotSent, [linux::WRITE_THROUGH, linux::WRITE_THROUGH_VIRTUAL])),
    unflushed: None,
};

const MACOS: Rules = Rules {
    guarantees: &macos::GUARANTEES,
    systems: macos::SYSTEMS,
    on_devices: macos::ON_DEVICES,
    options: macos::OPTIONS,
    has_option: "the mount option",
    unheard_of: (Effect::Unknown, macos::UNHEARD_OF),
    of_all: None,
    no_journal: None,
    of_loop: None,
    no_device: macos::NO_DEVICE,
    unseen_device: macos::UNSEEN_DEVICE,
    // No device is looked at.
    unseen_cache: macos::UNSEEN_DEVICE,
    write_through: None,
    unflushed: None,
};

const WINDOWS: Rules = Rules {
    guarantees: &windows::GUARANTEES,
    systems: windows::SYSTEMS,
    on_devices: windows::ON_DEVICES,
    options: windows::OPTIONS,
    has_option: "the volume is",
    unheard_of: (Effect::Unknown, windows::UNHEARD_OF),
    of_all: None,
    no_journal: None,
    of_loop: None,
    no_device: windows::NO_DEVICE,
    unseen_device: windows::UNSEEN_DEVICE,
    unseen_cache: windows::UNSEEN_CACHE,
    write_through: Some((Effect::None, [windows::WRITE_THROUGH; 2])),
    unflushed: Some(windows::UNFLUSHED),
};

/// Nothing is known of the file systems and disks that Wine makes up.
const WINE: Rules =
    Rules { systems: &[], on_devices: &[], options: &[], of_all: Some(windows::WINE), ..WINDOWS };

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

/// What is found, what it does to the promises, and what there is to say then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    pub(super) effect: Effect,
    found: &'static str,
    knowledge: Knowledge,
}

impl Fact {
    pub(super) fn warning(&self, about: &str) -> Warning {
        self.knowledge.warning(about, self.found.to_owned())
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

pub(super) const VIRTUAL: Knowledge = note(
    "whether a flush reaches a real disk is up to the hypervisor: some can be told to answer \
     flushes without doing anything, which cannot be seen from here",
    "look at how it was started: QEMU's cache=unsafe, Firecracker's cache_type Unsafe, its default",
    "virt-install(1), --disk cache; Firecracker, docs/api_requests/block-caching.md",
);
