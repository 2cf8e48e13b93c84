//! What looks like litter and is not, and what a killed run leaves half done.

use crate::support::{Sandbox, assert_same_bytes};

/// Somebody who finds a leftover after a crash copies it to where it belongs. It was removed as a
/// leftover before the copy was whole, and a copy that failed lost both.
#[test]
fn a_source_named_like_a_temporary_is_copied_and_stays() {
    for leftover in [".b.mycp-000000", ".b.mycp-000002"] {
        let sandbox = Sandbox::new();
        sandbox.write(leftover, b"precious");
        let ended = sandbox.mycp([leftover, "b"]).good();
        assert_same_bytes(&sandbox.read(leftover), b"precious", &ended.description);
        assert_same_bytes(&sandbox.read("b"), b"precious", &ended.description);
    }
}

/// A later operand had the name of an earlier one's temporary.
#[test]
fn an_operand_named_like_a_temporary_is_copied_and_stays() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"one");
    sandbox.directory("d");
    sandbox.write("d/.a.mycp-000000", b"precious");
    sandbox.directory("e");
    let ended = sandbox.mycp(["-t", "d", "a", "e/../d/.a.mycp-000000"]).orderly();
    assert_same_bytes(&sandbox.read("d/.a.mycp-000000"), b"precious", &ended.description);
    assert_same_bytes(&sandbox.read("d/a"), b"one", &ended.description);
}

/// `mycp --manifest f - g <f` emptied f before it was read.
#[test]
fn a_manifest_does_not_empty_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.write("f", b"precious");
    let input = std::fs::File::open(sandbox.path("f")).unwrap();
    let run = sandbox.run(["--manifest=f", "-", "g"]).input_file(input);
    let ended = run.end().failed();
    assert_same_bytes(&sandbox.read("f"), b"precious", &ended.description);
}

#[cfg(target_os = "linux")]
fn traced(sandbox: &Sandbox, fault: &str) -> bool {
    let inject = format!("inject=/^rename:{fault}");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=/^rename", "-e", &inject];
    let words: Vec<_> = strace.into_iter().map(std::ffi::OsStr::new).collect();
    crate::support::Run::through(&words, sandbox.root(), ["-b", "a", "b"]).end().is_good()
}

/// A run with `-b` that failed or was killed behind its backup left both names to the old file.
/// The next copy wrote into it, because it had another link, and so into the backup.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn a_backup_outlives_a_run_that_ended_before_it_was_done() {
    for fault in ["error=EIO:when=1", "signal=KILL:when=1"] {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"new");
        sandbox.write("b", b"old");
        assert!(!traced(&sandbox, fault), "{fault} did not end the run");
        assert_eq!(sandbox.read("b"), b"old", "{fault}");
        let ended = sandbox.mycp(["a", "b"]).good();
        assert_same_bytes(&sandbox.read("b"), b"new", &ended.description);
        if sandbox.path("b~").exists() {
            assert_same_bytes(&sandbox.read("b~"), b"old", &ended.description);
        }
        assert_eq!(sandbox.links("b"), 1, "{fault}");
        sandbox.assert_tidy(&ended.description);
    }
}

/// Windows has no names for open files.
///
/// `(mycp a /dev/stdout; echo more) >out` gave `out` a new file, and `more` went to the old one.
#[cfg(unix)]
#[test]
fn an_open_file_is_written_to_and_not_replaced() {
    let sandbox = Sandbox::new();
    let bytes = crate::support::content(61, 70_001);
    sandbox.write("a", &bytes);
    sandbox.symlink("/proc/self/fd/1", "stdout");
    let before = sandbox.id(sandbox.write("out", b""));
    let output = std::fs::File::options().write(true).open(sandbox.path("out")).unwrap();
    let ended = sandbox.run(["a", "stdout"]).output_file(output).end().good();
    assert_same_bytes(&sandbox.read("out"), &bytes, &ended.description);
    assert_eq!(sandbox.id("out"), before, "{ended}");
}

/// Of two first copies to one name the slower one failed, because the name was taken by then.
#[test]
fn a_name_that_is_taken_meanwhile_is_replaced() {
    let sandbox = Sandbox::new();
    sandbox.write("b", b"other");
    let (source, mut writer) = std::io::pipe().unwrap();
    let slow = sandbox.run(["-", "new"]).input_file(source).start();
    // Its temporary is there when the copy waits for bytes.
    while sandbox.leftovers().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    sandbox.mycp(["b", "new"]).good();
    std::io::Write::write_all(&mut writer, b"slow").unwrap();
    drop(writer);
    let ended = slow.end().good();
    assert_same_bytes(&sandbox.read("new"), b"slow", &ended.description);
    sandbox.assert_tidy(&ended.description);
}
