//! Results as JSON, one object a line.
//!
//! The names of the fields are those of [`Report`](crate::Report); they are a promise to whoever
//! reads them by machine.

use serde::Serialize;

use super::explain;
use super::output::Failure;
use crate::change::Change;
use crate::error::{Error, Operation};
use crate::options::Endpoint;
use crate::program::json::{self, Hex, Name, hex, line};
use crate::report::{
    Delta, DeltaInto, EngineUse, InPlaceReason, ObjectKind, Report, Skip, Warning, Way,
};
use crate::tree::Summary;
use crate::units::ByteRange;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Copied(Box<Copied<'a>>),
    Skipped {
        #[serde(flatten)]
        names: Names,
        why: &'static str,
    },
    Failed {
        #[serde(flatten)]
        names: Names,
        operation: &'static str,
        endpoint: Name,
        #[serde(skip_serializing_if = "Option::is_none")]
        endpoint_bytes: Option<Hex>,
        range: Option<Range>,
        cause: String,
        os_error: Option<i32>,
    },
    Warning {
        #[serde(flatten)]
        names: Names,
        #[serde(flatten)]
        warned: Warned,
    },
    Summary {
        files: u64,
        directories: u64,
        others: u64,
        links: u64,
        bytes: u64,
        skipped: u64,
        failed: u64,
        deleted: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        changes: Option<u64>,
        file_systems_flushed: u64,
    },
    Deleted {
        target: Name,
        #[serde(skip_serializing_if = "Option::is_none")]
        target_bytes: Option<Hex>,
        kind: &'static str,
    },
    Change {
        action: &'static str,
        reasons: Vec<&'static str>,
        kind: &'static str,
        target: Name,
        #[serde(skip_serializing_if = "Option::is_none")]
        target_bytes: Option<Hex>,
    },
}

#[derive(Serialize)]
struct Copied<'a> {
    #[serde(flatten)]
    names: Names,
    kind: &'static str,
    way: &'static str,
    in_place_because: Option<&'static str>,
    target_dev: Option<u64>,
    target_ino: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment_id: Option<i32>,
    len: u64,
    holes: u64,
    engines: Vec<Engine<'a>>,
    passed_over: Vec<PassedOver<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<DeltaUse>,
    flushes: Flushes,
    blake3: Option<String>,
    verified: u64,
    retries: u32,
    backup: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_bytes: Option<Hex>,
    leftovers: usize,
    warnings: Vec<Warned>,
    elapsed_seconds: f64,
}

#[derive(Serialize)]
struct Names {
    source: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_bytes: Option<Hex>,
    target: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_bytes: Option<Hex>,
}

#[derive(Serialize)]
struct Engine<'a> {
    engine: &'static str,
    bytes: u64,
    threads: usize,
    why: &'a str,
    stopped: Option<&'a str>,
}

#[derive(Serialize)]
struct PassedOver<'a> {
    engine: &'static str,
    why: &'a str,
}

#[derive(Serialize)]
struct DeltaUse {
    into: &'static str,
    stored: u64,
    threads: usize,
}

#[derive(Serialize)]
struct Flushes {
    started: u64,
    files: u64,
    directories: u64,
}

#[derive(Serialize)]
struct Warned {
    warning: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Range {
    start: u64,
    end: u64,
}

/// The line for something that a mirror changes, or would.
pub(super) fn changed(target: &Endpoint, change: &Change) -> serde_json::Result<String> {
    let (target, target_bytes) = name(target);
    let Change { action, kind, reasons } = change;
    let reasons = reasons.iter().map(|reason| reason.as_str()).collect();
    let (action, kind) = (action.as_str(), kind.as_str());
    line(&Event::Change { action, reasons, kind, target, target_bytes })
}

/// The line for something that a mirror has deleted.
pub(super) fn deleted(target: &Endpoint, kind: ObjectKind) -> serde_json::Result<String> {
    let (target, target_bytes) = name(target);
    line(&Event::Deleted { target, target_bytes, kind: kind.as_str() })
}

/// The line for a copy.
pub(super) fn copied(report: &Report) -> serde_json::Result<String> {
    let (way, in_place_because) = match report.way {
        Way::Created => ("created", None),
        Way::Replaced => ("replaced", None),
        Way::Linked => ("linked", None),
        Way::LinkedToSource => ("linked_to_source", None),
        Way::SymbolicLink => ("symbolic_link", None),
        Way::Merged => ("merged", None),
        Way::Kept => ("kept", None),
        Way::InPlace(reason) => ("in_place", Some(in_place(reason))),
    };
    line(&Event::Copied(Box::new(Copied {
        names: names(&report.source, &report.target),
        kind: report.kind.as_str(),
        way,
        in_place_because,
        target_dev: report.target_id.map(|id| id.dev),
        target_ino: report.target_id.map(|id| id.ino),
        segment_id: report.segment_id,
        len: report.len,
        holes: report.holes,
        engines: report.engines.iter().map(engine).collect(),
        passed_over: report
            .passed_over
            .iter()
            .map(|(engine, why)| PassedOver { engine: engine.as_str(), why })
            .collect(),
        delta: report.delta.map(delta),
        flushes: Flushes {
            started: report.flushes.started,
            files: report.flushes.files,
            directories: report.flushes.directories,
        },
        blake3: report.hash.map(|hash| hash.to_hex().to_string()),
        verified: report.verified,
        retries: report.retries,
        backup: report.backup.as_deref().map(|path| path.to_string_lossy().into_owned()),
        backup_bytes: report.backup.as_deref().and_then(hex),
        leftovers: report.leftovers,
        warnings: report.warnings.iter().map(warned).collect(),
        elapsed_seconds: report.elapsed.as_secs_f64(),
    })))
}

/// The line for an object that was left alone.
pub(super) fn skipped(
    source: &Endpoint,
    target: &Endpoint,
    skip: Skip,
) -> serde_json::Result<String> {
    let why = match skip {
        Skip::Exists => "exists",
        Skip::NotOlder => "not_older",
        Skip::Declined => "declined",
        Skip::Linked => "linked",
        Skip::Equal => "equal",
    };
    line(&Event::Skipped { names: names(source, target), why })
}

/// The line for what became known of an object after its own line.
pub(super) fn warning(
    source: &Endpoint,
    target: &Endpoint,
    warning: &Warning,
) -> serde_json::Result<String> {
    line(&Event::Warning { names: names(source, target), warned: warned(warning) })
}

/// The line for the end of a run over trees.
pub(super) fn summary(summary: &Summary) -> serde_json::Result<String> {
    let Summary { files, directories, others, links, bytes, skipped, failed, .. } = *summary;
    let Summary { deleted, changes, flushes, .. } = *summary;
    line(&Event::Summary {
        files,
        directories,
        others,
        links,
        bytes,
        skipped,
        failed,
        deleted,
        changes,
        file_systems_flushed: flushes,
    })
}

/// The line for an object that failed.
pub(super) fn failed(
    source: &Endpoint,
    target: &Endpoint,
    failure: &Failure<'_>,
) -> serde_json::Result<String> {
    let (operation, endpoint, range, os_error) = match failure {
        Failure::Library(error) => (error.operation, &error.endpoint, error.range, os_error(error)),
        Failure::JustCreated => (Operation::Copy, target, None, None),
    };
    let cause = match failure {
        Failure::Library(error) => chain(error),
        Failure::JustCreated => failure.sentence(source, target),
    };
    let (endpoint, endpoint_bytes) = name(endpoint);
    line(&Event::Failed {
        names: names(source, target),
        operation: operation.words(),
        endpoint,
        endpoint_bytes,
        range: range.map(|range: ByteRange| Range { start: range.start(), end: range.end() }),
        cause,
        os_error,
    })
}

/// The number of the system's error among the causes.
fn os_error(error: &Error) -> Option<i32> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let number = cause.downcast_ref::<std::io::Error>();
        if let Some(number) = number.and_then(std::io::Error::raw_os_error) {
            return Some(number);
        }
        next = cause.source();
    }
    None
}

/// The causes of an error, the nearest first.
fn chain(error: &Error) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn warned(warning: &Warning) -> Warned {
    let text = explain::warning(warning);
    let warning = match warning {
        Warning::Grew { .. } => "grew",
        Warning::Changed => "changed",
        Warning::ReadBackFromMemory { .. } => "read_back_from_memory",
        Warning::NotKept(_) => "not_kept",
    };
    Warned { warning, text }
}

const fn in_place(reason: InPlaceReason) -> &'static str {
    match reason {
        InPlaceReason::Segment => "segment",
        InPlaceReason::Asked => "asked",
        InPlaceReason::AttributesOnly => "attributes_only",
        InPlaceReason::HardLinks => "hard_links",
        InPlaceReason::NotRegular => "not_regular",
        InPlaceReason::OpenFile => "open_file",
        InPlaceReason::MountPoint => "mount_point",
        InPlaceReason::Directory => "directory",
        InPlaceReason::Owner => "owner",
        InPlaceReason::Attributes => "attributes",
    }
}

fn delta(delta: Delta) -> DeltaUse {
    let into = match delta.into {
        DeltaInto::Nothing => "nothing",
        DeltaInto::Clone => "clone",
        DeltaInto::Target => "target",
        DeltaInto::NewFile => "new_file",
        DeltaInto::Leftover => "leftover",
    };
    DeltaUse { into, stored: delta.stored, threads: delta.threads }
}

fn engine(used: &EngineUse) -> Engine<'_> {
    Engine {
        engine: used.engine.as_str(),
        bytes: used.bytes,
        threads: used.threads,
        why: &used.why,
        stopped: used.stopped.as_deref(),
    }
}

fn names(source: &Endpoint, target: &Endpoint) -> Names {
    let (source, source_bytes) = name(source);
    let (target, target_bytes) = name(target);
    Names { source, source_bytes, target, target_bytes }
}

fn name(endpoint: &Endpoint) -> (Name, Option<Hex>) {
    match endpoint {
        Endpoint::File(path) => json::name(path.as_os_str()),
        Endpoint::Standard => ("-".to_owned(), None),
        Endpoint::Segment(name) => json::name(name.spelling()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;
    use crate::cli::explain::tests::full_report;
    use crate::sys::Errno;
    use crate::sys::samples::not_unicode;

    #[test]
    fn a_copy_is_one_line_with_all_that_a_report_has() {
        assert_eq!(
            copied(&full_report()).unwrap(),
            include_str!("../../fixtures/cli/copied.jsonl")
        );
    }

    #[test]
    fn a_failure_names_operation_object_bytes_and_cause() {
        let not_utf8 = Endpoint::from(Path::new(&not_unicode()));
        let cause = || io::Error::from(Errno::ACCESS);
        let error = Error::new(Operation::Map, &not_utf8, cause()).at(ByteRange::between(0, 4096));
        // Each system has its own bytes, numbers and words.
        let number = format!("\"os_error\":{}", cause().raw_os_error().unwrap());
        let expected = include_str!("../../fixtures/cli/failed.jsonl")
            .replace("61ff", &crate::program::json::hex(not_unicode()).unwrap())
            .replace("Permission denied (os error 13)", &cause().to_string())
            .replace("\"os_error\":13", &number);
        assert_eq!(
            failed(&not_utf8, &Endpoint::Standard, &Failure::Library(&error)).unwrap(),
            expected
        );
    }

    #[test]
    fn a_skip_says_why() {
        assert_eq!(
            skipped(&"a".into(), &"b".into(), Skip::NotOlder).unwrap(),
            "{\"event\":\"skipped\",\"source\":\"a\",\"target\":\"b\",\"why\":\"not_older\"}\n"
        );
    }

    #[test]
    fn a_summary_has_all_figures() {
        let counted = Summary { files: 1, directories: 2, bytes: 3, ..Summary::default() };
        assert_eq!(
            summary(&counted).unwrap(),
            "{\"event\":\"summary\",\"files\":1,\"directories\":2,\"others\":0,\"links\":0,\
             \"bytes\":3,\"skipped\":0,\"failed\":0,\"deleted\":0,\
             \"file_systems_flushed\":0}\n"
        );
    }
}
