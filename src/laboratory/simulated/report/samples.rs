//! Findings that nobody has found, for tests.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Outcome, Settled, Setup};
use crate::crash::simulated::{
    Aftermath, Cripple, Example, Exposure, FileSystem, Findings, Flaw, Kept, Loss, Page, Point,
    Promise, Property, Reduction, Stored, Stores, SyncMode, Workload,
};
use crate::laboratory::simulated::explore::{Subject, Trial};
use crate::units::ByteRange;

pub(super) fn setup() -> Setup {
    Setup { kernel: "Linux 6.1.2".to_owned(), mount_options: String::new(), seed: 5 }
}

/// 60 of many states, half of them drawn at random, in which nothing is wrong.
fn findings() -> Findings {
    Findings {
        states: 60,
        drawn: 30,
        ended: 20,
        is_exhaustive: false,
        legal_log2: 31.4,
        changes: 9,
        flushes: 4,
        tried: Promise::ALL.into(),
        breaches: HashMap::new(),
        examples: HashMap::new(),
        stores: Stores::default(),
        flushes_took: Vec::new(),
        unmountable: 0,
        unmountable_whole: 0,
        unmountable_because: None,
        elapsed: Duration::from_secs(2),
    }
}

fn outcome(workload: Workload, subject: Subject, findings: Findings) -> Outcome {
    let trial = Trial { system: FileSystem::Ext4, workload, subject };
    Outcome { verdict: trial.verdict(&findings), trial, findings, recording: None }
}

/// Of a mode, data and size survive in so many of 100 cases, attributes in all of none, the name in
/// 30.
pub(super) fn mode(name: &str, kept: u64) -> Outcome {
    let mode: SyncMode = name.parse().unwrap();
    let mut findings = findings();
    let mut keep = |property, kept, of| {
        let entry: &mut Kept = findings.stores.kept.entry(property).or_default();
        (entry.kept, entry.of) = (kept, of);
    };
    keep(Property::Data, kept, 100);
    keep(Property::Size, kept, 100);
    keep(Property::Name, 30, 100);
    for property in [Property::Data, Property::Size, Property::Name] {
        if findings.stores.kept.get(&property).is_some_and(|it| it.lost() > 0) {
            findings.examples.insert(Flaw::Lost(property), example());
        }
    }
    findings.flushes_took = [30, 10, 20].map(Duration::from_micros).into();
    outcome(Workload::of_stores(Path::new("mycp-crash"), mode), Subject::Mode(mode), findings)
}

/// A command in which nothing is wrong.
pub(super) fn command(words: &[&str]) -> Outcome {
    let words = words.iter().map(OsString::from).collect();
    outcome(Workload::of_command(words), Subject::Command, findings())
}

/// One that breaks what it promises in 4 states, and what it does not promise in 7.
pub(super) fn broken_command() -> Outcome {
    let mut workload = Workload::of_command(vec!["copy".into(), "a".into()]);
    workload.promises = vec![Promise::Bystanders, Promise::Whole];
    outcome(workload, Subject::Command, broken())
}

fn broken() -> Findings {
    let mut findings = findings();
    findings.breaches = HashMap::from([(Promise::Whole, 4), (Promise::Done, 7)]);
    findings.examples = HashMap::from([(Flaw::Broken(Promise::Whole), example())]);
    findings
}

fn example() -> Example {
    let path = PathBuf::from(OsString::from_vec(b"target/m\xfe".to_vec()));
    let range = ByteRange::between;
    let loss = |number, (start, end), arrived, stored| Loss {
        number,
        range: range(start, end),
        arrived: range(start, arrived),
        stored,
    };
    let stored = Stored::File { path: path.clone(), range: range(512, 1536) };
    Example {
        state: 17,
        path,
        what: "it is gone".to_owned(),
        losses: vec![loss(1, (4096, 5120), 4608, stored), loss(2, (0, 512), 0, Stored::Other)],
        pending: 3,
        has_ended: true,
        reduction: Reduction::Minimal,
    }
}

/// A crippled copier, and whether something is found wrong with it.
pub(super) fn control(cripple: Cripple, is_found: bool) -> Outcome {
    let workload = Workload::of_cripple(Path::new("mycp-crash"), cripple);
    let findings = if is_found { broken() } else { findings() };
    outcome(workload, Subject::Cripple(cripple), findings)
}

/// Six stores that are lost at once, of which nothing is known after a second, and that are there
/// after two.
pub(super) fn settled(mode: &str) -> Settled {
    let exposure = [Some(6), None, Some(0)].into_iter().zip(0..);
    let point = |milliseconds, returned, second| Point {
        time: Duration::from_millis(milliseconds),
        returned,
        pages: vec![Page::Unchanged, second],
    };
    Settled {
        system: FileSystem::Ext4,
        mode: mode.parse().unwrap(),
        aftermath: Aftermath {
            acknowledged: 6,
            exposure: exposure.map(|(lost, seconds)| Exposure { seconds, lost }).collect(),
            points: vec![point(5, 1, Page::Old), point(2000, 6, Page::Torn)],
        },
    }
}
