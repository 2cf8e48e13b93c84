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
    if !crate::wine::lacks(crate::wine::Lack::CaseOfNames) {
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

/// The short name (8.3) that the system has made for a file; `None` where it makes none.
#[cfg(windows)]
fn short_name(path: &std::path::Path) -> Option<String> {
    use std::os::windows::ffi::{OsStrExt, OsStringExt};
    use windows_sys::Win32::Storage::FileSystem::GetShortPathNameW;
    let path = path.to_str().unwrap().replace('/', r"\");
    let wide: Vec<u16> = std::ffi::OsStr::new(&path).encode_wide().chain([0]).collect();
    let mut found = [0; 512];
    // SAFETY: the path ends in a zero, and the buffer has so many units.
    let len = unsafe { GetShortPathNameW(wide.as_ptr(), found.as_mut_ptr(), 512) } as usize;
    assert!((1..512).contains(&len), "{path}");
    let short = std::ffi::OsString::from_wide(&found[..len]).into_string().unwrap();
    let name = short.rsplit('\\').next().unwrap().to_owned();
    (!path.ends_with(&name)).then_some(name)
}

/// A source from another system can have a file of the name that the target's has made up for one
/// with a long name. The second copy took that for its target, and the first was lost.
#[cfg(windows)]
#[test]
fn a_file_is_not_replaced_under_its_short_name() {
    let sandbox = Sandbox::new();
    make(&sandbox, &["t/LongFileName.txt", "t/A directory/file", "s/last"]);
    let Some(short) = short_name(&sandbox.path("t/LongFileName.txt")) else { return };
    let directory = short_name(&sandbox.path("t/A directory")).unwrap();
    make(&sandbox, &[&format!("s/{short}"), &format!("s/{directory}/file"), "x/y"]);
    for way in [&["-rT"] as &[&str], &["-aT", "-j1"], &["--mirror"], &["-rT", "-n"]] {
        let ended = sandbox.mycp(way.iter().copied().chain(["s", "t"])).failed();
        for (name, other) in [(&short, "LongFileName.txt"), (&directory, "A directory")] {
            let words = format!("cannot create 't/{name}': it and 't/{other}' would have one name");
            assert_eq!(ended.errors.matches(&words).count(), 1, "{words}: {ended}");
        }
        for path in ["t/LongFileName.txt", "t/A directory/file"] {
            let expected = format!("content of {path}");
            assert_same_bytes(&sandbox.read(path), expected.as_bytes(), &ended.description);
        }
        assert_same_bytes(&sandbox.read("t/last"), b"content of s/last", &ended.description);
    }
    let to = format!("t/{short}");
    for way in [&["-T"] as &[&str], &["-fT"], &["-T", "--remove-destination"], &["-bT"]] {
        sandbox.mycp(way.iter().copied().chain(["x/y", &to])).failed().says("would have one name");
    }
    assert_same_bytes(&sandbox.read("t/LongFileName.txt"), b"content of t/LongFileName.txt", "-T");
    // A name that only looks like one is as good as any.
    make(&sandbox, &["s2/short~1.txt"]);
    for _ in 0..2 {
        sandbox.mycp(["-rT", "s2", "t"]).good();
    }
    assert_same_bytes(&sandbox.read("t/short~1.txt"), b"content of s2/short~1.txt", "-rT");
}
