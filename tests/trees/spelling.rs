//! Names that Windows does not take, and names that it takes for one.
//!
//! A directory with such names comes from a server or from another system on the same machine, or
//! is set to tell upper from lower case. On Windows the tests set theirs so; Wine cannot, and has
//! them made by the system below it.

use super::make;
use crate::support::{Sandbox, assert_same_bytes};

/// Makes files whose names are all told apart.
#[cfg(windows)]
fn make_exactly(sandbox: &Sandbox, names: &[&str]) {
    use std::process::{Command, Stdio};
    if !crate::wine::is_wine() {
        for name in names {
            let directory = sandbox.path(name).parent().unwrap().to_owned();
            std::fs::create_dir_all(&directory).unwrap();
            let mut tool = Command::new("fsutil");
            tool.args(["file", "setCaseSensitiveInfo"]).arg(&directory).arg("enable");
            assert!(tool.status().unwrap().success(), "{tool:?}");
            // This prefix has a name taken as it is.
            let path = format!(r"\\?\{}", sandbox.path(name).display()).replace('/', r"\");
            std::fs::write(path, format!("content of {name}")).unwrap();
        }
        return;
    }
    // Drive Z: is the root of the system below.
    let root = sandbox.root().to_str().unwrap().replace('\\', "/");
    let root = root.strip_prefix("Z:").unwrap();
    let mut lines = format!("cd '{root}' || exit\n");
    for name in names {
        lines += &format!("mkdir -p \"$(dirname '{name}')\"\n");
        lines += &format!("printf 'content of {name}' >'{name}'\n");
    }
    sandbox.write("list.sh", (lines + "touch made\n").as_bytes());
    let list = format!("{root}/list.sh");
    let mut shell = Command::new("cmd");
    shell.args(["/c", "start", "/unix", "/bin/sh", &list]).stdin(Stdio::null());
    assert!(shell.status().unwrap().success(), "{shell:?}");
    let started = std::time::Instant::now();
    while !sandbox.path("made").exists() {
        assert!(started.elapsed().as_secs() < 30, "{shell:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Where every name is one of its own, they are copied.
#[cfg(not(windows))]
#[test]
fn names_that_windows_does_not_take_are_names_here() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["s/nul", "s/A", "s/a", "s/d/x.", "s/last"]);
    sandbox.mycp(["-rT", "s", "t"]).good();
    for name in ["nul", "A", "a", "d/x.", "last"] {
        let expected = format!("content of s/{name}");
        assert_same_bytes(&sandbox.read(format!("t/{name}")), expected.as_bytes(), name);
    }
}

#[cfg(windows)]
#[test]
fn names_that_would_become_one_are_told_and_none_is_copied() {
    for way in [&["-rT"] as &[&str], &["-aT", "-j1"], &["--mirror"]] {
        let sandbox = Sandbox::new();
        let names = ["s/A", "s/a", "s/other", "s/D/1", "s/d/2", "s/e/B", "s/e/b", "s/e/last"];
        make_exactly(&sandbox, &names);
        let ended = sandbox.mycp(way.iter().copied().chain(["s", "t"])).failed();
        for (one, other) in [("A", "a"), ("a", "A"), ("D", "d"), ("e/B", "e/b"), ("e/b", "e/B")] {
            let words = format!("cannot copy 's/{one}': it and 's/{other}' would have one name");
            assert_eq!(ended.errors.matches(&words).count(), 1, "{words}: {ended}");
        }
        for name in ["A", "D", "e/B"] {
            assert!(!sandbox.path("t").join(name).exists(), "{name}: {ended}");
        }
        assert_same_bytes(&sandbox.read("t/other"), b"content of s/other", &ended.description);
        assert_same_bytes(&sandbox.read("t/e/last"), b"content of s/e/last", &ended.description);
    }
}

/// What patterns leave out is in nobody's way.
#[cfg(windows)]
#[test]
fn of_names_that_would_become_one_all_but_one_can_be_left_out() {
    let sandbox = Sandbox::new();
    make_exactly(&sandbox, &["s/A", "s/a", "s/nul", "s/last"]);
    sandbox.mycp(["-rT", "--exclude=A", "--exclude=nul", "s", "t"]).good();
    assert!(sandbox.path("t/a").exists() && sandbox.path("t/last").exists());
}

#[cfg(windows)]
#[test]
fn names_that_windows_does_not_take_are_told_and_the_rest_is_copied() {
    for way in [&["-rT"] as &[&str], &["-aT", "--flush"], &["--mirror", "-j1"]] {
        let sandbox = Sandbox::new();
        let names = ["s/nul", "s/aux.txt", "s/ends in a dot.", "s/d/com1", "s/d/fine", "s/fine"];
        make_exactly(&sandbox, &names);
        let ended = sandbox.mycp(way.iter().copied().chain(["s", "t"])).failed();
        for (name, why) in [
            ("nul", "a device of this name"),
            ("aux.txt", "a device of this name"),
            ("ends in a dot.", "cuts dots"),
            ("d/com1", "a device of this name"),
        ] {
            let line = ended.errors.lines().find(|line| line.contains(&format!("'t/{name}'")));
            assert!(line.is_some_and(|line| line.contains(why)), "{name}: {ended}");
        }
        assert_same_bytes(&sandbox.read("t/fine"), b"content of s/fine", &ended.description);
        assert_same_bytes(&sandbox.read("t/d/fine"), b"content of s/d/fine", &ended.description);
    }
}

/// Two operands of one name.
#[cfg(windows)]
#[test]
fn operands_that_would_become_one_file_do_not_replace_each_other() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["x/a", "y/A", "d/"]);
    let ended = sandbox.mycp(["x/a", "y/A", "d"]).failed().says("will not overwrite just-created");
    assert_same_bytes(&sandbox.read("d/a"), b"content of x/a", &ended.description);
}
