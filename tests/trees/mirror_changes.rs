//! `--changes` and `--dry-run`: the lines that the README and the help promise.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use super::make;
#[cfg(target_os = "linux")]
use crate::support::everything::set_attribute;
use crate::support::files::{as_on_unix, chmod, stamp};
use crate::support::snapshot::Snapshot;
use crate::support::{Ended, Sandbox};

fn lines(ended: &Ended) -> Vec<String> {
    let output = ended.text();
    let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Two trees that differ in each way that there is a word for on this system.
fn differing() -> Sandbox {
    let sandbox = Sandbox::new();
    let both = [
        "attributes",
        "content",
        "excluded.o",
        "gone/x",
        "kind/y",
        "link",
        "linked/a",
        "linked/b",
        "longer",
        "mode",
        "other",
        "same",
        "xattr",
    ];
    make(&sandbox, &both.map(|name| format!("s/{name}")).each_ref().map(String::as_str));
    #[cfg(target_os = "linux")]
    sandbox.symlink("one", "s/text");
    stamp(&sandbox.path("s"));
    sandbox.mycp(["--mirror", "s", "t"]).good();
    std::fs::remove_dir_all(sandbox.path("s/gone")).unwrap();
    std::fs::remove_dir_all(sandbox.path("s/kind")).unwrap();
    std::fs::remove_file(sandbox.path("s/other")).unwrap();
    std::fs::remove_file(sandbox.path("s/linked/b")).unwrap();
    std::fs::hard_link(sandbox.path("s/linked/a"), sandbox.path("s/linked/b")).unwrap();
    std::fs::copy(sandbox.path("t/linked/a"), sandbox.path("t/linked/b")).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 600);
    for name in ["s/linked/a", "t/linked/a", "t/linked/b"] {
        let file = File::options().write(true).open(sandbox.path(name)).unwrap();
        file.set_times(FileTimes::new().set_accessed(time).set_modified(time)).unwrap();
    }
    make(&sandbox, &["s/kind", "s/new", "s/other/z"]);
    sandbox.write("s/longer", b"something longer than it was");
    sandbox.write("s/content", b"content of S/content");
    chmod(&sandbox.path("s/mode"), 0o500);
    #[cfg(target_os = "linux")]
    {
        set_attribute(&sandbox.path("s/xattr"), "user.test", b"1");
        std::fs::remove_file(sandbox.path("s/text")).unwrap();
        sandbox.symlink("two", "s/text");
    }
    sandbox
}

const EXPECTED: &[&str] = &[
    "attributes mode 't/mode'",
    "attributes time 't'",
    "attributes time 't/linked'",
    #[cfg(target_os = "linux")]
    "attributes xattr 't/xattr'",
    "create new 't/new'",
    "create new 't/other/z'",
    "delete excluded 't/excluded.o'",
    "delete extra 't/gone'",
    "delete extra 't/gone/x'",
    "delete extra 't/kind/y'",
    "link links 't/linked/a'",
    "link links 't/linked/b'",
    "replace kind 't/kind'",
    "replace kind 't/other'",
    "update size,time 't/longer'",
    "update time 't/content'",
    #[cfg(target_os = "linux")]
    "update time,text 't/text'",
];

#[test]
fn each_change_has_its_line() {
    let sandbox = differing();
    let words = ["--mirror", "--exclude=*.o", "--delete-excluded"];
    let before = Snapshot::of(sandbox.root());
    for threads in ["-j1", "-j4"] {
        let planned = sandbox.mycp([&words[..], &["--dry-run", threads, "s", "t"]].concat()).good();
        assert_eq!(lines(&planned), EXPECTED, "{planned}");
    }
    Snapshot::of(sandbox.root()).assert_contents(&before, "after two dry runs");
    let done = sandbox.mycp([&words[..], &["--changes", "s", "t"]].concat()).good();
    assert_eq!(lines(&done), EXPECTED, "{done}");
    let again = sandbox.mycp([&words[..], &["--changes", "s", "t"]].concat()).good();
    assert_eq!(lines(&again), Vec::<String>::new(), "{again}");
}

#[test]
fn bytes_that_differ_are_told_where_they_are_compared() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/b", "s/c"]);
    stamp(&sandbox.path("s"));
    sandbox.mycp(["--mirror", "s", "t"]).good();
    // Of the length and the time of the source.
    let time = sandbox.metadata("t/a").modified().unwrap();
    sandbox.write("t/a", b"content of s/A");
    let writable = |name| std::fs::File::options().write(true).open(sandbox.path(name)).unwrap();
    writable("t/a").set_modified(time).unwrap();
    writable("s/b").set_modified(std::time::SystemTime::now()).unwrap();
    let expected = ["attributes time 't/b'", "update content 't/a'"];
    for how in ["--dry-run", "--changes"] {
        let ended = sandbox.mycp(["--mirror", "--compare=content", how, "s", "t"]).good();
        assert_eq!(lines(&ended), expected, "{ended}");
    }
    assert_eq!(sandbox.read("t/a"), sandbox.read("s/a"));
}

#[test]
fn machines_are_told_the_same() {
    let sandbox = differing();
    let words = ["--mirror", "--dry-run", "--json", "--exclude=*.o", "--delete-excluded", "s", "t"];
    let ended = sandbox.mycp(words).good();
    let mut seen = Vec::new();
    for line in as_on_unix(&String::from_utf8_lossy(&ended.output)).lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        if event["event"] == "summary" {
            assert_eq!(event["changes"], EXPECTED.len(), "{line}");
            continue;
        }
        assert_eq!(event["event"], "change", "{line}");
        let reasons: Vec<_> = event["reasons"].as_array().unwrap().iter().collect();
        let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str().unwrap()).collect();
        let word = |key: &str| event[key].as_str().unwrap().to_owned();
        seen.push(format!("{} {} '{}'", word("action"), reasons.join(","), word("target")));
    }
    seen.sort_unstable();
    assert_eq!(seen, EXPECTED, "{ended}");
}

/// A target that is not there yet is planned as a whole.
#[test]
fn what_would_be_new_is_told_name_by_name() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "s/d/b", "s/d/e/c", "s/no.o"]);
    let expected = ["'t'", "'t/a'", "'t/d'", "'t/d/b'", "'t/d/e'", "'t/d/e/c'"]
        .map(|name| format!("create new {name}"));
    for how in ["--dry-run", "--changes"] {
        let ended = sandbox.mycp(["--mirror", "--exclude=*.o", how, "s", "t"]).good();
        assert_eq!(lines(&ended), expected, "{ended}");
        assert_eq!(sandbox.path("t").exists(), how == "--changes", "{ended}");
    }
}

/// What a real run refuses, a dry one does not tell as done.
#[test]
fn a_dry_run_refuses_what_a_real_one_would() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/a", "t/a", "t/x/b"]);
    for how in ["--dry-run", "--changes"] {
        let ended = sandbox.mycp(["--mirror", "--max-delete=1", how, "s", "t"]);
        let ended = ended.failed().says("2 of at most 1 names");
        assert!(sandbox.path("t/x/b").exists(), "{ended}");
        assert!(!lines(&ended).iter().any(|line| line.starts_with("delete")), "{ended}");
    }
}
