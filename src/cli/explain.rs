//! A report in words.

use std::fmt::{self, Display};

use indicatif::HumanBytes;

use super::progress::per_second;
use crate::options::Quoted;
use crate::report::{Delta, DeltaInto, EngineUse, ObjectKind, Report, Skip, Warning, Way};
use crate::tree::Summary;

/// `'a' -> 'b' (backup: 'b~')`, as cp prints it.
pub(super) fn headline(report: &Report) -> String {
    let Report { source, target, .. } = report;
    match &report.backup {
        Some(backup) => format!("{source} -> {target} (backup: {})\n", Quoted(backup)),
        None => format!("{source} -> {target}\n"),
    }
}

/// The headline, and a line for each thing that was chosen or done.
pub(super) fn report(report: &Report) -> String {
    Explanation(report).to_string()
}

struct Explanation<'a>(&'a Report);

impl Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        f.write_str(&headline(report))?;
        let thing = match report.kind {
            ObjectKind::File => "whole file",
            other => other.as_str(),
        };
        match report.way {
            Way::Created => writeln!(f, "  created: a {thing} under a new name")?,
            Way::Replaced => writeln!(f, "  replaced: a {thing} took the name over")?,
            Way::Linked => writeln!(f, "  linked: another name of a target copied before")?,
            Way::LinkedToSource => writeln!(f, "  linked: another name of the source")?,
            Way::SymbolicLink => writeln!(f, "  linked: a symbolic link to the source")?,
            Way::Merged => writeln!(f, "  merged: the directory was there")?,
            Way::Kept => writeln!(f, "  kept: its content is the source's already")?,
            Way::InPlace(reason) => writeln!(f, "  written in place: {}", reason.as_str())?,
        }
        let has_bytes = matches!(report.kind, ObjectKind::File | ObjectKind::Segment);
        if has_bytes && report.way != Way::LinkedToSource {
            write_length(f, report)?;
        }
        if let Some(delta) = &report.delta {
            write_delta(f, delta)?;
        }
        for engine in &report.engines {
            write_engine(f, engine)?;
        }
        for (engine, why) in &report.passed_over {
            writeln!(f, "  passed over {engine}: {why}")?;
        }
        write_assurance(f, report)?;
        for each in &report.warnings {
            writeln!(f, "  warning: {}", warning(each))?;
        }
        Ok(())
    }
}

fn write_length(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let seconds = report.elapsed.as_secs_f64();
    let speed = HumanBytes(per_second(report.len, report.elapsed));
    write!(f, "  length: {}", Count(report.len, "byte"))?;
    if report.holes > 0 {
        write!(f, ", {} of them in holes", report.holes)?;
    }
    writeln!(f, "; {seconds:.3} s, {speed}/s")
}

fn write_delta(f: &mut fmt::Formatter<'_>, delta: &Delta) -> fmt::Result {
    let stored = Count(delta.stored, "byte");
    let threads = Count(delta.threads as u64, "thread");
    match delta.into {
        DeltaInto::Nothing => writeln!(f, "  delta: no byte differs; compared by {threads}"),
        DeltaInto::Clone => {
            writeln!(f, "  delta: {stored} stored into a clone of the old file, by {threads}")
        }
        DeltaInto::Target => {
            writeln!(f, "  delta: {stored} stored into the target itself, by {threads}")
        }
        DeltaInto::NewFile => {
            writeln!(f, "  delta: it differs, and the file system cannot clone it: {stored} stored")
        }
        DeltaInto::Leftover => {
            writeln!(f, "  delta: {stored} stored into what a killed run had left, by {threads}")
        }
    }
}

fn write_engine(f: &mut fmt::Formatter<'_>, used: &EngineUse) -> fmt::Result {
    let EngineUse { engine, why, .. } = used;
    let (bytes, threads) = (Count(used.bytes, "byte"), Count(used.threads as u64, "thread"));
    write!(f, "  engine {engine}: {bytes} by {threads}, because {why}")?;
    match &used.stopped {
        Some(why) => writeln!(f, "; it stopped because {why}"),
        None => writeln!(f),
    }
}

fn write_assurance(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let flushes = &report.flushes;
    if flushes.started > 0 {
        writeln!(f, "  write-out started early: {}", Count(flushes.started, "range"))?;
    }
    if flushes.files > 0 || flushes.directories > 0 {
        let (files, others) =
            (Count(flushes.files, "file"), Many(flushes.directories, "directory", "directories"));
        writeln!(f, "  flushed and waited for: {files}, {others}")?;
    }
    if report.verified > 0 {
        writeln!(f, "  verified: {} read back and equal", Count(report.verified, "byte"))?;
    }
    if let Some(hash) = report.hash {
        writeln!(f, "  BLAKE3: {hash}")?;
    }
    if report.retries > 0 {
        writeln!(f, "  started over: {}", Count(u64::from(report.retries), "time"))?;
    }
    if report.leftovers > 0 {
        let files = Count(report.leftovers as u64, "temporary file");
        writeln!(f, "  removed: {files} of runs that were killed")?;
    }
    Ok(())
}

/// Why an object was left alone.
pub(super) const fn skip(skip: Skip) -> &'static str {
    match skip {
        Skip::Exists => "it exists",
        Skip::NotOlder => "it is not older than the source",
        Skip::Declined => "the answer was no",
        Skip::Equal => "it is equal to the source",
        Skip::Linked => "it is another name of the source already",
    }
}

/// What a warning says of its object.
pub(super) fn warning(warning: &Warning) -> String {
    match warning {
        Warning::Grew { copied, now } => {
            format!("it grew to {now} bytes while its first {copied} were copied")
        }
        Warning::Changed => "it changed while it was copied; the copy may be a mixture".to_owned(),
        Warning::ReadBackFromMemory { bytes } => {
            format!("{} could be compared in memory only, not on the medium", Count(*bytes, "byte"))
        }
        Warning::NotKept(lost) => format!("it could not be given the source's {}", lost.as_str()),
    }
}

/// What was flushed of trees.
pub(super) fn flushes(summary: &Summary) -> String {
    let times = Count(summary.flushes, "time");
    format!("flushed and waited for: the file systems of the targets, {times}\n")
}

/// The sentence for a run over trees of which something failed; of one object everything has been
/// said.
pub(super) fn not_copied(summary: &Summary) -> Option<String> {
    let Summary { files, directories, others, links, skipped, failed, .. } = *summary;
    let all = files + directories + others + links + skipped + failed;
    let were = if failed == 1 { "was" } else { "were" };
    (failed > 0 && all > 1).then(|| format!("{failed} of {all} objects {were} not copied"))
}

/// A number of things that take an s.
pub(super) struct Count(pub(super) u64, pub(super) &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        let plural = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {thing}{plural}")
    }
}

/// A number of things that do not.
pub(super) struct Many(pub(super) u64, pub(super) &'static str, pub(super) &'static str);

impl Display for Many {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one, many) = self;
        write!(f, "{count} {}", if *count == 1 { one } else { many })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::options::EngineName;
    use crate::report::InPlaceReason;

    pub(in crate::cli) fn full_report() -> Box<Report> {
        let way = Way::InPlace(InPlaceReason::HardLinks);
        let mut report = Report::new(&"a\n".into(), &"d/b".into(), way);
        report.len = 3 << 20;
        report.holes = 1 << 20;
        report.engines = vec![
            EngineUse {
                engine: EngineName::Mmap,
                bytes: 1 << 20,
                threads: 2,
                why: "it was tried".into(),
                stopped: Some("the map ended".into()),
            },
            EngineUse {
                engine: EngineName::Buffered,
                bytes: 1 << 20,
                threads: 1,
                why: "nothing else could go on".into(),
                stopped: None,
            },
        ];
        report.passed_over = vec![(EngineName::Reflink, "the file system cannot".into())];
        report.flushes = crate::report::Flushes { started: 1, files: 1, directories: 2 };
        report.hash = Some(blake3::hash(b""));
        report.verified = 2 << 20;
        report.retries = 1;
        report.backup = Some("d/b~".into());
        report.leftovers = 1;
        report.warnings = vec![Warning::Grew { copied: 3 << 20, now: 4 << 20 }];
        report.elapsed = Duration::from_millis(1500);
        report
    }

    #[test]
    fn an_explanation_says_all_that_a_report_has() {
        let expected = include_str!("../../fixtures/cli/explained.txt");
        assert_eq!(super::report(&full_report()), expected);
    }

    #[test]
    fn a_line_as_cp_prints_it() {
        assert_eq!(headline(&full_report()), "'a\\n' -> 'd/b' (backup: 'd/b~')\n");
    }

    #[test]
    fn what_is_no_file_has_a_kind_and_no_length() {
        let mut report = Report::new(&"a".into(), &"b".into(), Way::Created);
        report.kind = ObjectKind::Directory;
        let expected = "'a' -> 'b'\n  created: a directory under a new name\n";
        assert_eq!(super::report(&report), expected);
        (report.kind, report.way) = (ObjectKind::SymbolicLink, Way::Replaced);
        let expected = "'a' -> 'b'\n  replaced: a symbolic link took the name over\n";
        assert_eq!(super::report(&report), expected);
        (report.kind, report.way) = (ObjectKind::File, Way::LinkedToSource);
        let expected = "'a' -> 'b'\n  linked: another name of the source\n";
        assert_eq!(super::report(&report), expected);
    }

    #[test]
    fn failures_are_counted_at_the_end_unless_there_was_only_one_object() {
        let one = Summary { failed: 1, ..Summary::default() };
        assert_eq!(not_copied(&one), None);
        let none = Summary { files: 4, ..Summary::default() };
        assert_eq!(not_copied(&none), None);
        let some = Summary { files: 4, directories: 3, others: 2, links: 1, skipped: 5, ..one };
        assert_eq!(not_copied(&some).unwrap(), "1 of 16 objects was not copied");
        let many = Summary { failed: 3, bytes: 1000, ..some };
        assert_eq!(not_copied(&many).unwrap(), "3 of 18 objects were not copied");
    }
}
