//! Where one engine stops another goes on, and says so; a named one fails instead.

use std::ffi::OsStr;

use crate::support::{Ended, Run, Sandbox, assert_same_bytes, content};

const LEN: usize = 48 << 20;

/// Runs mycp while the source can be mapped only so often by each thread.
fn with_few_maps(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    let source = sandbox.path("source");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=mmap", "-e"];
    let words: Vec<&OsStr> = strace
        .into_iter()
        .map(OsStr::new)
        .chain(["inject=mmap:error=ENODEV:when=3+", "-P"].map(OsStr::new))
        .chain([source.as_os_str()])
        .collect();
    Run::through(&words, sandbox.root(), arguments).end()
}

#[test]
#[ignore = "needs strace"]
fn another_engine_goes_on_where_maps_end() {
    let sandbox = Sandbox::new();
    let bytes = content(51, LEN);
    sandbox.write("source", &bytes);
    // With four threads maps are the first choice, on ext4 and XFS.
    let arguments = ["-j4", "--reflink=never", "--explain", "--verify=cache", "source", "target"];
    let ended = with_few_maps(&sandbox, &arguments).good();
    assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
    let told = String::from_utf8_lossy(&ended.output).into_owned();
    assert!(told.contains("engine buffered"), "no other engine went on: {ended}");
    if told.contains("engine mmap") {
        assert!(told.contains("cannot be mapped"), "nothing on why it stopped: {ended}");
    }
    sandbox.assert_tidy(&ended.description);
}

#[test]
#[ignore = "needs strace"]
fn a_named_engine_is_not_replaced_by_another() {
    let sandbox = Sandbox::new();
    sandbox.write("source", &content(52, LEN));
    sandbox.write("target", b"old");
    let ended = with_few_maps(&sandbox, &["--engine=mmap", "source", "target"]).failed();
    assert_same_bytes(&sandbox.read("target"), b"old", &ended.description);
    assert!(ended.errors.contains("the mmap engine cannot"), "{ended}");
    sandbox.assert_tidy(&ended.description);
}
