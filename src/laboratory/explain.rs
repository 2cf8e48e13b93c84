//! `mycp-crash explain`: what a crash may take away under a path.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueHint;
use serde_json::{Value, json};

use crate::crash::{
    Answer, Contract, Device, DeviceKind, Guarantee, Layer, Place, Sectors, Warning, Weight,
    WriteCache, explain,
};
use crate::options::Quoted;
use crate::program;
use crate::program::say::print;
use crate::program::table::{paragraph, table};
use crate::sys::family::Family;

/// What was typed after `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// A file or directory of the file system that is meant
    #[arg(value_hint = ValueHint::AnyPath)]
    path: PathBuf,
}

/// Prints what is known of a path.
pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let place = explain(&args.path)?;
    let contract = place.contract();
    match args.json {
        true => print(format!("{}\n", as_json(&place, &contract)))?,
        false => print(as_text(&place, &contract))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn as_text(place: &Place, contract: &Contract) -> String {
    let mut text = described(place);
    text += "\nWhat survives a crash after the call has returned without an error:\n\n";
    text += &table_of(&contract.guarantees);
    text += &warnings(&contract.warnings);
    text
}

/// What a path is on, down to the devices.
pub(super) fn described(place: &Place) -> String {
    let mut text = String::new();
    if let Some(release) = Family::release() {
        text += &paragraph("system       ", "             ", &release);
    }
    describe(&mut text, place, "");
    text
}

fn describe(text: &mut String, place: &Place, indent: &str) {
    let mount = &place.mount;
    let (path, point, source) = (Quoted(&place.path), Quoted(&mount.point), Quoted(&mount.source));
    let hanging = format!("{indent}             ");
    let mut entry = |key: &str, words: &str| {
        *text += &paragraph(&format!("{indent}{key:<13}"), &hanging, words);
    };
    entry("path", &path.to_string());
    entry("mounted on", &format!("{point}, from {source}"));
    let journal = match place.journal {
        Some(true) => ", with a journal",
        Some(false) => ", without a journal",
        None => "",
    };
    entry("file system", &format!("{}{journal}", mount.file_system));
    let options: Vec<_> = mount.options.iter().map(|option| printable(option)).collect();
    entry("options", &options.join(", "));
    if let Some(below) = &place.below {
        describe_layer(text, "stored in", below, indent);
    }
    for device in &place.devices {
        describe_device(text, "device", device, indent);
    }
}

fn describe_layer(text: &mut String, key: &str, layer: &Layer, indent: &str) {
    match &layer.place {
        Ok(place) => {
            writeln!(text, "{indent}{key}:").ok();
            describe(text, place, &format!("{indent}  "));
        }
        Err(error) => {
            writeln!(text, "{indent}{key:<13}{error}: {}", error.cause).ok();
        }
    }
}

fn describe_device(text: &mut String, key: &str, device: &Device, indent: &str) {
    let mut words = vec![format!("{}, {}", device.name, kind(device))];
    words.extend(device.model.as_deref().map(printable));
    words.extend(device.write_cache.map(|cache| format!("cache: {}", cache_words(cache))));
    words.extend(device.fua.map(|fua| (if fua { "FUA" } else { "no FUA" }).to_owned()));
    words.extend(
        device
            .rotational
            .map(|it| (if it { "says that it turns" } else { "does not turn" }).to_owned()),
    );
    words.extend(device.bus.as_deref().map(|bus| format!("by {bus}")));
    words.extend(device.sectors.map(sectors));
    let lead = format!("{indent}{key:<13}");
    *text += &paragraph(&lead, &format!("{indent}             "), &words.join(", "));
    let indent = format!("{indent}  ");
    if let Some(backing) = device.backing() {
        describe_layer(text, "stored in", backing, &indent);
    }
    for member in &device.members {
        describe_device(text, "on", member, &indent);
    }
}

fn sectors(Sectors { logical_bytes, physical_bytes }: Sectors) -> String {
    match logical_bytes == physical_bytes {
        true => format!("sectors of {logical_bytes} bytes"),
        false => format!("sectors of {logical_bytes} bytes, {physical_bytes} inside"),
    }
}

fn kind(device: &Device) -> String {
    match &device.kind {
        DeviceKind::Disk if device.is_virtual() => "a virtual disk".into(),
        DeviceKind::Disk => "a disk".into(),
        DeviceKind::Partition => "a partition".into(),
        DeviceKind::Loop { backing, direct_io } => {
            let way = if *direct_io { "with" } else { "without" };
            format!("the file {} {way} direct I/O", Quoted(&backing.path))
        }
        DeviceKind::Mapper(name) => format!("made by the device mapper as {}", printable(name)),
        DeviceKind::Raid(level) => printable(level),
        DeviceKind::Memory => "memory".into(),
        DeviceKind::Network => "a device of another machine".into(),
        DeviceKind::Unseen => "of which the kernel says nothing".into(),
    }
}

/// Text of the kernel's without what could move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

const fn cache_words(cache: WriteCache) -> &'static str {
    match cache {
        WriteCache::Back => "write back",
        WriteCache::Through => "write through",
        WriteCache::Unflushed => "write back, not flushed",
    }
}

const fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::Range => "range",
        Answer::No => "no",
        Answer::Unknown => "?",
        Answer::NotSent => "not sent",
        Answer::NotConcerned => "-",
    }
}

/// What it takes for a yes to hold.
const OF_YES: &str = "\"Yes\" holds for a crash of the system. For a loss of power it takes a \
                      \"yes\" at \"flushes the cache\", too, or devices whose caches keep their \
                      content.";

/// What the words of the table mean that do not say it themselves.
const LEGEND: [(Answer, &str); 4] = [
    (Answer::Range, "what was in the range of the call"),
    (Answer::NotConcerned, "the call is not about it"),
    (Answer::Unknown, "cannot be told from here, see below"),
    (Answer::NotSent, "the kernel sends the device no flush, see below"),
];

const fn answers(guarantee: &Guarantee) -> [Answer; 5] {
    [guarantee.data, guarantee.size, guarantee.attributes, guarantee.name, guarantee.cache]
}

fn table_of(guarantees: &[Guarantee]) -> String {
    let heads = ["call", "data", "size", "attributes", "name", "flushes the cache", "source"];
    let mut rows = vec![heads.map(str::to_owned)];
    for guarantee in guarantees {
        let [data, size, attributes, name, cache] = answers(guarantee).map(answer);
        let call = guarantee.call.as_str();
        let row = [call, data, size, attributes, name, cache, guarantee.source];
        rows.push(row.map(str::to_owned));
    }
    let mut text = table(&rows);
    text.push('\n');
    let is_there = |one| guarantees.iter().any(|guarantee| answers(guarantee).contains(&one));
    if is_there(Answer::Yes) {
        text += &paragraph("", "", OF_YES);
    }
    for (one, meaning) in LEGEND {
        if is_there(one) {
            writeln!(text, "{}: {meaning}.", answer(one)).ok();
        }
    }
    text.push('\n');
    for guarantee in guarantees.iter().filter(|guarantee| !guarantee.remark.is_empty()) {
        text +=
            &paragraph("", "  ", &format!("{}: {}.", guarantee.call.as_str(), guarantee.remark));
    }
    text
}

fn warnings(warnings: &[Warning]) -> String {
    let mut text = String::new();
    for weight in [Weight::Warning, Weight::Note] {
        for warning in warnings.iter().filter(|warning| warning.weight == weight) {
            let lead = match weight {
                Weight::Warning => "warning: ",
                Weight::Note => "note: ",
            };
            let Warning { about, found, reason, .. } = warning;
            let sentence = printable(&format!("{lead}{about}: {found}: {reason}."));
            text.push('\n');
            text += &paragraph("", "  ", &sentence);
            for (key, words) in [("remedy", warning.remedy), ("source", warning.source)] {
                if !words.is_empty() {
                    text += &paragraph("  ", "    ", &format!("{key}: {words}"));
                }
            }
        }
    }
    text
}

fn as_json(place: &Place, contract: &Contract) -> Value {
    let guarantee = |guarantee: &Guarantee| {
        json!({
            "call": guarantee.call.as_str(),
            "data": answer_name(guarantee.data),
            "size": answer_name(guarantee.size),
            "attributes": answer_name(guarantee.attributes),
            "name": answer_name(guarantee.name),
            "flushes_cache": answer_name(guarantee.cache),
            "source": guarantee.source,
            "remark": guarantee.remark,
        })
    };
    let warning = |warning: &Warning| {
        json!({
            "weight": match warning.weight {
                Weight::Warning => "warning",
                Weight::Note => "note",
            },
            "about": warning.about,
            "found": warning.found,
            "reason": warning.reason,
            "remedy": warning.remedy,
            "source": warning.source,
        })
    };
    json!({
        "place": place_as_json(place),
        "promises": contract.guarantees.iter().map(guarantee).collect::<Vec<_>>(),
        "warnings": contract.warnings.iter().map(warning).collect::<Vec<_>>(),
    })
}

const fn answer_name(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::Range => "range",
        Answer::No => "no",
        Answer::Unknown => "unknown",
        Answer::NotSent => "not_sent",
        Answer::NotConcerned => "not_concerned",
    }
}

/// A place as JSON.
pub(super) fn place_as_json(place: &Place) -> Value {
    let mut mount = json!({
        "id": place.mount.id,
        "file_system": place.mount.file_system,
        "options": place.mount.options,
    });
    put(&mut mount, "point", &place.mount.point);
    put(&mut mount, "source", &place.mount.source);
    let mut value = json!({
        "mount": mount,
        "journal": place.journal,
        "devices": place.devices.iter().map(device_as_json).collect::<Vec<_>>(),
        "below": place.below.as_ref().map(layer_as_json),
    });
    put(&mut value, "path", &place.path);
    if let Some(release) = Family::release() {
        value["system"] = release.into();
    }
    value
}

/// Adds a name, and its bytes where it is not UTF-8.
fn put(object: &mut Value, key: &str, name: impl AsRef<OsStr>) {
    let (text, bytes) = program::json::name(name);
    object[key] = text.into();
    if let Some(bytes) = bytes {
        object[format!("{key}_bytes")] = bytes.into();
    }
}

fn layer_as_json(layer: &Layer) -> Value {
    match &layer.place {
        Ok(place) => place_as_json(place),
        Err(error) => {
            let mut value = json!({ "error": format!("{error}: {}", error.cause) });
            put(&mut value, "path", &layer.path);
            value
        }
    }
}

fn device_as_json(device: &Device) -> Value {
    let (name, level, direct_io) = match &device.kind {
        DeviceKind::Mapper(name) => (Some(name), None, None),
        DeviceKind::Raid(level) => (None, Some(level), None),
        DeviceKind::Loop { direct_io, .. } => (None, None, Some(*direct_io)),
        _ => (None, None, None),
    };
    let mut value = json!({
        "name": device.name,
        "kind": match &device.kind {
            DeviceKind::Disk => "disk",
            DeviceKind::Partition => "partition",
            DeviceKind::Loop { .. } => "loop",
            DeviceKind::Mapper(_) => "mapper",
            DeviceKind::Raid(_) => "raid",
            DeviceKind::Memory => "memory",
            DeviceKind::Network => "network",
            DeviceKind::Unseen => "unseen",
        },
        "virtual": device.is_virtual(),
        "mapper_name": name,
        "raid_level": level,
        "write_cache": device.write_cache.map(cache_words),
        "fua": device.fua,
        "rotational": device.rotational,
        "model": device.model,
        "direct_io": direct_io,
        "backing": device.backing().map(layer_as_json),
        "members": device.members.iter().map(device_as_json).collect::<Vec<_>>(),
    });
    // What Linux does not tell is left out there.
    if let Some(bus) = &device.bus {
        value["bus"] = bus.as_str().into();
    }
    if let Some(Sectors { logical_bytes, physical_bytes }) = device.sectors {
        value["logical_sector_bytes"] = logical_bytes.into();
        value["physical_sector_bytes"] = physical_bytes.into();
    }
    value
}
