//! What each call promises in a place: knowledge as data, and a pure function that applies it.
//!
//! The promises are those of the manual pages and of the kernel's documentation, of Windows those
//! of Microsoft's, and of macOS those of Apple's, each named. What nothing documents is not
//! promised here, whatever kernels do.

mod rules;

use std::path::Path;

use crate::options::Quoted;
use crate::sys::family::Family;

use super::flush::SyncMode;
use super::place::{Device, DeviceKind, Layer, Place, WriteCache};
use rules::{Effect, Fact, Knowledge, Rules};

/// A call that something is promised of, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// One that flushes, or none.
    Flush(SyncMode),
    /// `fsync` of the directory that has the file's name, and of nothing else.
    DirectoryFsync,
    /// `rename` over an existing name.
    Rename,
    /// On Windows: the same, written through.
    RenameThrough,
    /// On Windows: a write that is not buffered, and written through, as one with `O_DIRECT` and
    /// `O_DSYNC`.
    Direct,
}

impl Call {
    /// How it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flush(mode) => mode.as_str(),
            Self::DirectoryFsync => "fsync of the directory",
            Self::Rename => "rename",
            Self::RenameThrough => "rename, write-through",
            Self::Direct => "O_DIRECT",
        }
    }
}

/// Whether something survives a crash that follows the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does, all of it.
    Yes,
    /// What was in the range of the call does.
    Range,
    /// It may be lost.
    No,
    /// It cannot be told from here: it depends on a server, or on what is not shown.
    Unknown,
    /// No flush is sent, because the kernel takes the device's cache for none, or for a safe one.
    NotSent,
    /// The call is not about it.
    NotConcerned,
}

/// What a call promises when it has returned without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// The call.
    pub call: Call,
    /// The bytes that were stored before.
    pub data: Answer,
    /// The length, and what else is needed to find the bytes.
    pub size: Answer,
    /// Mode, owner, times and extended attributes.
    pub attributes: Answer,
    /// The name, if it is new or another.
    pub name: Answer,
    /// Whether the device was told to empty its volatile cache.
    pub cache: Answer,
    /// Where that is written.
    pub source: &'static str,
    /// What else there is to know; empty if there is nothing.
    pub remark: &'static str,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// What was flushed can be lost.
    Warning,
    /// Good to know.
    Note,
}

/// Something to know of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// How bad it is.
    pub weight: Weight,
    /// The mount or the device that it is about.
    pub about: String,
    /// What was found there.
    pub found: String,
    /// What follows from it.
    pub reason: &'static str,
    /// What can be done about it; empty if nothing need be.
    pub remedy: &'static str,
    /// Where that is written; empty for what the kernel itself says here.
    pub source: &'static str,
}

/// What holds in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// One for each call.
    pub guarantees: Vec<Guarantee>,
    /// The warnings, each layer's before those of the layers below it.
    pub warnings: Vec<Warning>,
}

/// What holds in `place`.
pub(super) fn contract(place: &Place) -> Contract {
    let rules = rules::of(place.family);
    let mut collected = Collected { rules, effects: Vec::new(), warnings: Vec::new() };
    for layer in place.layers() {
        collected.look(layer);
    }
    let Collected { effects, warnings, .. } = collected;
    let guarantees = rules.guarantees.iter().map(|it| weakened(*it, &effects)).collect();
    Contract { guarantees, warnings }
}

/// What is left of a guarantee when all layers have had these effects.
fn weakened(guarantee: Guarantee, effects: &[Effect]) -> Guarantee {
    let has = |effect| effects.contains(&effect);
    let answer = |answer| match answer {
        Answer::Yes | Answer::Range if has(Effect::Lost) => Answer::No,
        Answer::Yes | Answer::Range if has(Effect::Unknown) => Answer::Unknown,
        other => other,
    };
    let cache = match answer(guarantee.cache) {
        Answer::Yes if has(Effect::Unflushed) => Answer::No,
        Answer::Yes if has(Effect::NotSent) => Answer::NotSent,
        Answer::Yes if has(Effect::CacheUnseen) => Answer::Unknown,
        other => other,
    };
    Guarantee {
        data: answer(guarantee.data),
        size: answer(guarantee.size),
        attributes: answer(guarantee.attributes),
        name: answer(guarantee.name),
        cache,
        ..guarantee
    }
}

/// Collects what is known of each layer.
struct Collected {
    rules: Rules,
    effects: Vec<Effect>,
    warnings: Vec<Warning>,
}

impl Collected {
    fn look(&mut self, place: &Place) {
        let system = place.mount.file_system.as_str();
        let about = Quoted(&place.mount.point).to_string();
        let is_one_of = |systems: &[&str]| systems.iter().any(|other| is_system(system, other));
        let rules = self.rules;
        let mut is_known = is_one_of(rules.on_devices);
        for rule in rules.systems.iter().filter(|rule| is_one_of(rule.systems)) {
            is_known = true;
            self.effects.push(rule.effect);
            self.warn(rule.warning(&about, format!("it is {system}")));
        }
        if let Some(fact) = rules.of_all {
            self.note(fact, &about);
        } else if !is_known {
            let (effect, known) = rules.unheard_of;
            self.effects.push(effect);
            self.warn(known.warning(&about, format!("it is {system}")));
        }
        if place.journal == Some(false) {
            self.warn_of(rules.no_journal, &about, format!("{system} without a journal"));
        }
        for rule in rules.options.iter().filter(|rule| rule.is_for(system)) {
            if let Some(option) = rule.options.iter().find(|option| place.has_option(option)) {
                self.effects.push(rule.effect);
                self.warn(rule.warning(&about, format!("{} {option}", rules.has_option)));
            }
        }
        if let Some(below) = &place.below {
            self.look_below(&about, below);
        } else if place.devices.is_empty() && is_one_of(rules.on_devices) {
            self.note(rules.no_device, &about);
        }
        for device in place.own_devices() {
            self.look_at(device);
        }
    }

    fn look_at(&mut self, device: &Device) {
        let about = &device.name;
        let what = |what: &str| match &device.model {
            Some(model) => format!("{what}: {model}"),
            None => what.to_owned(),
        };
        match &device.kind {
            DeviceKind::Memory => {
                self.effects.push(Effect::Lost);
                self.warn(rules::MEMORY.warning(about, "it is memory".to_owned()));
            }
            DeviceKind::Network => {
                self.effects.push(Effect::Unknown);
                self.warn(rules::NETWORK.warning(about, "it is of another machine".to_owned()));
            }
            DeviceKind::Unseen => self.note(self.rules.unseen_device, about),
            DeviceKind::Loop { backing, direct_io } => {
                let path = Quoted(&backing.path);
                let way = if *direct_io { "with" } else { "without" };
                let found = format!("it is the file {path}, {way} direct I/O");
                self.warn_of(self.rules.of_loop, about, found);
                self.look_below(about, backing);
            }
            DeviceKind::Disk if device.is_virtual() => {
                self.warn(rules::VIRTUAL.warning(about, what("it is a virtual disk")));
            }
            DeviceKind::Disk
            | DeviceKind::Partition
            | DeviceKind::Mapper(_)
            | DeviceKind::Raid(_) => {}
        }
        // What is said of memory is worse, and a part has the cache of its whole.
        if matches!(device.kind, DeviceKind::Memory | DeviceKind::Partition | DeviceKind::Unseen) {
            return;
        }
        match device.write_cache {
            Some(WriteCache::Back) => (),
            Some(WriteCache::Through) => {
                if let Some((effect, [of_disk, of_virtual])) = self.rules.write_through {
                    self.effects.push(effect);
                    let found = what("its cache counts as \"write through\"");
                    let known = if device.is_virtual() { of_virtual } else { of_disk };
                    self.warn(known.warning(about, found));
                }
            }
            Some(WriteCache::Unflushed) => {
                self.effects.push(Effect::Unflushed);
                let found = what("its volatile cache is not flushed");
                self.warn_of(self.rules.unflushed, about, found);
            }
            None => self.note(self.rules.unseen_cache, about),
        }
    }

    fn look_below(&mut self, about: &str, layer: &Layer) {
        if let Err(error) = &layer.place {
            self.effects.push(Effect::Unknown);
            let path: &Path = &layer.path;
            let found = format!("{} cannot be looked at: {}", Quoted(path), error.cause);
            self.warn(rules::UNSEEN_LAYER.warning(about, found));
        }
    }

    fn note(&mut self, fact: Fact, about: &str) {
        self.effects.push(fact.effect);
        self.warn(fact.warning(about));
    }

    /// Warns with what the family has to say of it, if it has something.
    fn warn_of(&mut self, known: Option<Knowledge>, about: &str, found: String) {
        if let Some(known) = known {
            self.warn(known.warning(about, found));
        }
    }

    fn warn(&mut self, warning: Warning) {
        // Several devices below may lead to the same layer.
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Whether a file system is of this kind: FUSE appends the name of the server's program.
fn is_system(system: &str, kind: &str) -> bool {
    system
        .strip_prefix(kind)
        .is_some_and(|rest| rest.is_empty() || (kind == "fuse" && rest.starts_with('.')))
}

#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
mod tests;
