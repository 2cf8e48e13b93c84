//! A copy has everything that the source has (P8).

use crate::support::snapshot::Snapshot;
use crate::support::{Sandbox, content};

#[cfg(target_os = "linux")]
mod linux;

#[test]
fn hard_links_between_several_sources_stay_links() {
    let sandbox = Sandbox::new();
    for directory in ["one", "two", "into"] {
        sandbox.directory(directory);
    }
    for number in 0..50 {
        let bytes = content(number, 1000);
        let file = sandbox.write(format!("one/{number}"), &bytes);
        for other in [format!("two/{}", 49 - number), format!("beside-{number}")] {
            std::fs::hard_link(&file, sandbox.path(other)).unwrap();
        }
    }
    let beside: Vec<_> = (0..50).map(|number| format!("beside-{number}")).collect();
    let sources = ["one", "two"].into_iter().chain(beside.iter().map(|name| &**name));
    let ended = sandbox.mycp(["-a"].into_iter().chain(sources).chain(["into"])).good();
    let seen = Snapshot::of(&sandbox.path("into"));
    for number in 0..50 {
        let first = seen.at(&format!("one/{number}")).ino;
        for other in [format!("two/{}", 49 - number), format!("beside-{number}")] {
            assert_eq!(seen.at(&other).ino, first, "{other} is no link: {ended}");
        }
    }
}

/// Without `--preserve=links` each name gets a file of its own.
#[test]
fn hard_links_become_files_of_their_own_where_they_are_not_kept() {
    let sandbox = Sandbox::new();
    sandbox.directory("source");
    sandbox.write("source/a", b"linked");
    std::fs::hard_link(sandbox.path("source/a"), sandbox.path("source/b")).unwrap();
    for (way, target) in [(&["-r"] as &[&str], "one"), (&["-a", "--no-preserve=links"], "two")] {
        sandbox.mycp(way.iter().chain(&["source", target])).good();
        let seen = Snapshot::of(&sandbox.path(target));
        assert!(seen.at("a").linked.is_none() && seen.at("b").linked.is_none(), "{way:?}");
        assert!(seen.at("a").holds(b"linked") && seen.at("b").holds(b"linked"), "{way:?}");
    }
}
