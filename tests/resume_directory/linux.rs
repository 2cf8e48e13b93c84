//! Directories that have a temporary name while they are filled, and what only Linux has.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{
    LEFTOVER, LEN, LONG, MIB, assert_copied, go_on, goes_on, in_leftover, kill_at, long_files,
    stored, with_leftover,
};
use crate::support::everything::set_attribute;
use crate::support::files::chmod;
use crate::support::mounts::{Kind, Mounts};
use crate::support::sandbox::leftovers;
use crate::support::unix::NOBODY;
use crate::support::{Sandbox, assert_same_bytes, content};

/// The directories of a tree whose root has its name.
#[test]
fn directories_in_a_tree_are_completed_as_well() {
    for way in ["--mirror", "-r", "-a"] {
        let sandbox = Sandbox::new();
        let (bytes, other) = (content(7, LEN as usize), content(8, LEN as usize));
        for name in ["s", "t", "s/a", "s/b", "s/c", "s/c/d", "s/e", "t/e", "s/f"] {
            sandbox.directory(name);
        }
        // `c` has no files any more, `e` is there, `f` has small ones only, and `g` is gone.
        for name in ["a", "b", "c", "e", "f", "g"] {
            for slot in [0, 1] {
                let leftover = sandbox.directory(format!("t/.{name}.mycp-00000{slot}"));
                chmod(&leftover, 0o700);
                sandbox.write(leftover.join("large"), if slot == 0 { &bytes } else { &other });
            }
        }
        for name in ["s/a/large", "s/b/large", "s/e/large"] {
            sandbox.write(name, &bytes);
        }
        sandbox.write("s/f/large", b"small");
        let target = if way == "--mirror" { "t" } else { "t/." };
        let source = if way == "--mirror" { "s" } else { "s/." };
        let ended = sandbox.mycp([way, "--delta", "--json", source, target]).good();
        for (name, bytes) in [("a", &bytes), ("b", &bytes), ("e", &bytes)] {
            let copy = sandbox.read(format!("t/{name}/large"));
            assert_same_bytes(&copy, bytes, &ended.description);
            let stored = stored(&ended, &format!("{name}/large"));
            assert_eq!(stored, if name == "e" { LEN } else { 0 }, "{name}: {ended}");
        }
        assert_eq!(sandbox.read("t/f/large"), b"small");
        assert!(sandbox.path("t/c/d").is_dir());
        for name in ["t", "t/a", "t/b", "t/c", "t/e", "t/f"] {
            let left = leftovers(&sandbox.path(name));
            assert!(left.is_empty(), "{name}: {left:?}: {ended}");
        }
    }
}

#[test]
fn a_file_of_the_right_size_and_time_is_not_trusted_there() {
    let mut bytes = content(7, LEN as usize);
    for at in [0, 5 * MIB + 17, LEN - 1] {
        bytes[at as usize] ^= 1;
    }
    for way in ["--mirror", "-a", "-r"] {
        let (sandbox, _) = with_leftover(&bytes);
        let times = sandbox.metadata("s/large").modified().unwrap();
        File::open(sandbox.path(in_leftover("large"))).unwrap().set_modified(times).unwrap();
        let ended = go_on(&sandbox, way);
        assert_copied(&sandbox, "t", &ended);
        assert!(goes_on(&ended, "large"), "{ended}");
        assert_eq!(stored(&ended, "large"), 2 * 4096 + LEN % 4096, "{ended}");
    }
}

/// Small files, links, large ones that the source does not have or has as something else, and one
/// that patterns leave out.
#[test]
fn what_nothing_goes_on_with_is_gone_in_the_end() {
    for way in ["--mirror", "-a", "-r"] {
        let (sandbox, bytes) = with_leftover(&content(7, LEN as usize)[..LEN as usize - 5]);
        for name in ["small", "gone", "shrunk", "excluded", ".link.mycp-000000"] {
            sandbox.write(in_leftover(name), &bytes);
        }
        sandbox.write(in_leftover("half"), &bytes[..1234]);
        sandbox.symlink("s", in_leftover("link"));
        for (name, bytes) in [("small", "s"), ("shrunk", ""), ("half", "h"), ("link", "l")] {
            sandbox.write(format!("s/{name}"), bytes.as_bytes());
        }
        sandbox.write("s/excluded", &bytes);
        let words = [way, "--delta", "--exclude=/excluded", "--json", "s", "t"];
        let ended = sandbox.mycp(words).good();
        std::fs::remove_file(sandbox.path("s/excluded")).unwrap();
        assert_copied(&sandbox, "t", &ended);
        assert!(goes_on(&ended, "large"), "{ended}");
        assert!(stored(&ended, "large") <= 4096 * 2, "{ended}");
    }
}

/// A run that is killed while it goes on with one leaves both kinds of names; and a name of the
/// source may look like a temporary's.
#[test]
fn names_that_look_like_temporaries_are_told_from_those_of_the_source() {
    for way in ["--mirror", "-r"] {
        let (sandbox, bytes) = with_leftover(b"begun");
        let other = content(9, LEN as usize);
        let odd = ".large.mycp-000001";
        sandbox.write(format!("s/{odd}"), &other);
        sandbox.write(in_leftover(odd), &other);
        sandbox.write(in_leftover(".large.mycp-000000"), &bytes);
        let ended = go_on(&sandbox, way);
        assert_copied(&sandbox, "t", &ended);
        assert_eq!(stored(&ended, ""), 0, "{ended}");
    }
}

#[test]
fn a_file_with_another_name_is_not_written_into_there() {
    let other = content(9, LEN as usize);
    for way in ["--mirror", "-r"] {
        let (sandbox, _) = with_leftover(&other);
        // So that there is something to go on with.
        let larger = sandbox.read("s/large");
        sandbox.write("s/larger", &larger);
        sandbox.write(in_leftover("larger"), &larger);
        std::fs::hard_link(sandbox.path(in_leftover("large")), sandbox.path("precious")).unwrap();
        chmod(&sandbox.path("precious"), 0o400);
        let ended = go_on(&sandbox, way);
        assert_copied(&sandbox, "t", &ended);
        assert_same_bytes(&sandbox.read("precious"), &other, &ended.description);
        assert!(goes_on(&ended, "larger") && !goes_on(&ended, "large"), "{ended}");
        let precious = sandbox.metadata("precious");
        assert_eq!((precious.nlink(), precious.mode() & 0o7777), (1, 0o400), "{ended}");
    }
}

/// What the interrupted run had not come to is left to the next one.
#[test]
fn a_signal_takes_nothing_from_what_a_killed_run_had_stored() {
    let sandbox = long_files();
    let words = ["--mirror", "--json", "-j1", "s", "t"];
    let directory = sandbox.path(LEFTOVER);
    let held = kill_at(sandbox.run(words).start(), &directory, LONG * 7 / 2);
    let running = sandbox.run(words).start();
    let started = Instant::now();
    while leftovers(&directory).is_empty() && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_micros(200));
    }
    running.signal(Signal::INT);
    let interrupted = running.end();
    let left = leftovers(&sandbox.path("t"));
    assert!(left.len() > 1, "{left:?}: {interrupted}");
    let ended = sandbox.mycp(words).good();
    assert_copied(&sandbox, "t", &ended);
    assert!(leftovers(&sandbox.path("t")).is_empty(), "{ended}");
    // Of the one that was being compared nothing is left.
    let stored = stored(&ended, "");
    assert!(stored <= LONG * 5 - held * 9 / 10, "{held} had arrived: {ended}");
}

/// Somebody else may have put into it what is not a run's, or have it open still.
#[test]
fn a_directory_that_others_could_use_is_not_gone_on_with() {
    let cases = [
        ("--mirror", 0o777, false),
        ("--mirror", 0o770, false),
        ("--mirror", 0o755, false),
        ("--mirror", 0o700, true),
        ("-r", 0o777, false),
        ("-r", 0o775, false),
        ("-r --no-preserve=mode", 0o777, false),
        ("-r", 0o755, true),
        ("-r", 0o700, true),
    ];
    for (way, mode, adopts) in cases {
        // Where a new one is everybody's as well.
        for umask in [0o022, 0] {
            let (sandbox, bytes) = with_leftover(&content(7, LEN as usize));
            chmod(&sandbox.path("s"), 0o755);
            chmod(&sandbox.path(LEFTOVER), mode);
            let words = way.split(' ').chain(["--delta", "--json", "s", "t"]);
            let ended = sandbox.run(words).umask(umask).end().good();
            assert_copied(&sandbox, "t", &ended);
            assert_same_bytes(&sandbox.read("t/large"), &bytes, &ended.description);
            assert_eq!(goes_on(&ended, "large"), adopts, "{mode:o}: {ended}");
            let is_default = way.contains("no-preserve") && umask == 0;
            let wanted = if is_default { 0o777 } else { 0o755 };
            assert_eq!(sandbox.metadata("t").mode() & 0o7777, wanted, "{mode:o}: {ended}");
        }
    }
}

#[test]
fn a_directory_that_a_live_run_has_is_left_to_it() {
    let (sandbox, bytes) = with_leftover(&content(7, LEN as usize));
    let live = File::open(sandbox.path(LEFTOVER)).unwrap();
    live.lock().unwrap();
    let ended = go_on(&sandbox, "-a");
    assert_same_bytes(&sandbox.read("t/large"), &bytes, &ended.description);
    assert!(!goes_on(&ended, "large"), "{ended}");
    assert_same_bytes(&sandbox.read(in_leftover("large")), &bytes, &ended.description);
}

#[test]
fn a_leftover_directory_loses_what_a_new_one_does_not_have() {
    for (way, mode) in [("--mirror", 0o751), ("-r", 0o750)] {
        let (sandbox, _) = with_leftover(&content(7, LEN as usize));
        chmod(&sandbox.path("s"), 0o751);
        chmod(&sandbox.path(LEFTOVER), 0o3700);
        for name in [LEFTOVER, &in_leftover("large")] {
            set_attribute(&sandbox.path(name), "user.test", b"old");
        }
        let inode = sandbox.id(in_leftover("large"));
        let words = [way, "--delta", "--json", "s", "t"];
        let ended = sandbox.run(words).umask(0o027).end().good();
        assert_copied(&sandbox, "t", &ended);
        assert_eq!(sandbox.id("t/large"), inode, "{ended}");
        assert_eq!(sandbox.metadata("t").mode() & 0o7777, mode, "{ended}");
        for name in ["t", "t/large"] {
            let mut names = [0; 256];
            let len = rustix::fs::listxattr(sandbox.path(name), &mut names[..]).unwrap();
            let names = String::from_utf8_lossy(&names[..len]).into_owned();
            assert!(!names.contains("user.test"), "{name}: {names}: {ended}");
        }
    }
}

/// A file there is made with the source's permissions, and whole ones have them.
#[test]
fn files_that_may_only_be_read_are_gone_on_with() {
    for (mode, way) in [(0o444, "-r"), (0o444, "--mirror"), (0o400, "-a"), (0o4555, "-a")] {
        let (sandbox, _) = with_leftover(&content(7, LEN as usize)[..LEN as usize - 5]);
        for name in ["s/large", &in_leftover("large")] {
            chmod(&sandbox.path(name), mode);
        }
        let nobody = Some(NOBODY);
        for name in ["", "s", "s/large", LEFTOVER, &in_leftover("large")] {
            if std::os::unix::fs::chown(sandbox.path(name), nobody, nobody).is_err() {
                return;
            }
        }
        for name in ["s/large", &in_leftover("large")] {
            chmod(&sandbox.path(name), mode);
        }
        let words = [way, "--delta", "--json", "s", "t"];
        let ended = sandbox.run(words).umask(0o022).by_nobody().end().good();
        assert_copied(&sandbox, "t", &ended);
        assert!(stored(&ended, "large") <= 2 * 4096, "{ended}");
        let wanted = if way == "-r" { mode & 0o777 } else { mode };
        assert_eq!(sandbox.metadata("t/large").mode() & 0o7777, wanted, "{ended}");
    }
}

/// Sharing the source's blocks takes no reading.
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_clone_of_the_source_is_preferred_to_any_leftover() {
    let mut mounts = Mounts::new();
    let disk = mounts.add(Kind::Xfs, 600);
    for (more, engine) in [("--reflink=auto", "reflink"), ("--reflink=never", "")] {
        let sandbox = Sandbox::within(&disk);
        for name in ["s", LEFTOVER] {
            sandbox.directory(name);
            chmod(&sandbox.path(name), 0o700);
            sandbox.write(format!("{name}/large"), &content(7, LEN as usize));
        }
        let ended = sandbox.mycp(["--mirror", more, "--json", "s", "t"]).good();
        assert_copied(&sandbox, "t", &ended);
        assert_eq!(goes_on(&ended, "large"), engine.is_empty(), "{ended}");
        let output = String::from_utf8_lossy(&ended.output).into_owned();
        assert_eq!(output.contains("\"engine\":\"reflink\""), !engine.is_empty(), "{ended}");
    }
}
