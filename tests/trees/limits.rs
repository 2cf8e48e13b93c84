//! A copy of any tree gets by with few descriptors and threads, and little memory (P9).

use crate::support::Sandbox;
use crate::wine;

#[cfg(target_os = "linux")]
pub(super) mod linux;

/// A directory is not found again as what another is in, where a link leads to that.
#[test]
fn a_deep_tree_behind_links_is_copied() {
    if wine::cannot("trees::limits::a_deep_tree_behind_links_is_copied") {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("elsewhere/in")).unwrap();
    sandbox.write("elsewhere/in/file", b"behind a link");
    let deep = ["d"; 90].join("/");
    for level in 1..=90 {
        let path = format!("source/{}", ["d"; 90][..level].join("/"));
        std::fs::create_dir_all(sandbox.path(&path)).unwrap();
        sandbox.write(format!("{path}/file"), b"a file");
        if level > 60 {
            let elsewhere = sandbox.path("elsewhere");
            sandbox.symlink(elsewhere, format!("{path}/link"));
        }
    }
    for threads in ["-j1", "-j4"] {
        sandbox.mycp(["-rLT", threads, "source", "target"]).good();
        let last = format!("target/{deep}/link/in/file");
        assert_eq!(sandbox.read(&last), b"behind a link");
        std::fs::remove_dir_all(sandbox.path("target")).unwrap();
    }
}

#[test]
fn no_more_threads_are_used_than_are_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.directory("source");
    sandbox.write("source/large", &crate::support::content(1, 48 << 20));
    for engine in ["mmap", "buffered"] {
        let engine = format!("--engine={engine}");
        let options = ["-rT", "-j1", "--explain", "--reflink=never", &engine];
        let ended = sandbox.mycp(options.into_iter().chain(["source", "target"])).good();
        let output = String::from_utf8_lossy(&ended.output);
        assert!(output.contains("by 1 thread"), "{output}");
    }
}
