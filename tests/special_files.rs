//! Things that are no plain files, as source and as target; names that lead elsewhere.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::support::mounts::{LoopDevice, Mounts};
use crate::support::{ENGINES, Sandbox, assert_same_bytes, content};

const LEN: usize = (3 << 20) + 17;

fn make_fifo(sandbox: &Sandbox, name: &str) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.path(name), mode).unwrap();
}

/// Files of /proc say that they are empty; `copy_file_range` believes it and mmap refuses.
#[test]
fn a_file_of_proc_is_copied_although_its_length_is_0() {
    for engine in ["auto", "buffered"] {
        for file in
            ["/proc/version", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled"]
        {
            let Ok(expected) = std::fs::read(file) else { continue };
            let sandbox = Sandbox::new();
            let ended = sandbox.mycp([&*format!("--engine={engine}"), file, "target"]).good();
            // The clock of a processor may change between two reads; not much else does.
            let seen = sandbox.read("target");
            let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').count();
            assert_eq!(lines(&seen), lines(&expected), "{ended}");
            assert!(file == "/proc/cpuinfo" || seen == expected, "{ended}");
        }
    }
    for engine in ["mmap", "kernel"] {
        let sandbox = Sandbox::new();
        let engine = format!("--engine={engine}");
        let ended = sandbox.mycp([&*engine, "/proc/version", "target"]).orderly();
        if ended.is_good() {
            let expected = std::fs::read("/proc/version").unwrap();
            assert_same_bytes(&sandbox.read("target"), &expected, &ended.description);
        } else {
            assert!(!sandbox.path("target").exists(), "a part is left: {ended}");
        }
    }
}

/// A file whose length says little: `SEEK_DATA` and the length are not asked for in vain.
#[test]
fn a_file_of_proc_replaces_a_longer_target() {
    let sandbox = Sandbox::new();
    sandbox.write("target", &content(70, 100_000));
    let ended = sandbox.mycp(["/proc/version", "target"]).good();
    let expected = std::fs::read("/proc/version").unwrap();
    assert_same_bytes(&sandbox.read("target"), &expected, &ended.description);
}

/// What the test does with a FIFO.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Reads,
    Writes,
}

/// Opens a FIFO in a thread that nobody joins: it waits for ever when the program does not open
/// the other end. What `work` returns has to come soon after the program's end.
fn at_the_other_end<T: Send + 'static>(
    sandbox: &Sandbox,
    side: Side,
    work: impl FnOnce(File) -> T + Send + 'static,
) -> impl FnOnce() -> T {
    let (path, write) = (sandbox.path("pipe"), side == Side::Writes);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let pipe = File::options().read(!write).write(write).open(path).unwrap();
        drop(sender.send(work(pipe)));
    });
    move || {
        let soon = std::time::Duration::from_secs(10);
        receiver.recv_timeout(soon).expect("the program did not open and close the FIFO")
    }
}

#[test]
fn a_fifo_is_read_to_its_end() {
    let bytes = content(71, LEN);
    let sandbox = Sandbox::new();
    make_fifo(&sandbox, "pipe");
    let written = bytes.clone();
    let writer = at_the_other_end(&sandbox, Side::Writes, move |mut pipe| {
        pipe.write_all(&written).unwrap();
    });
    let ended = sandbox.mycp(["pipe", "target"]).good();
    writer();
    assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
    assert!(sandbox.metadata("target").is_file(), "{ended}");
}

#[test]
fn a_fifo_as_target_is_written_and_stays_a_fifo() {
    let bytes = content(72, LEN);
    let sandbox = Sandbox::new();
    make_fifo(&sandbox, "pipe");
    sandbox.write("source", &bytes);
    let reader = at_the_other_end(&sandbox, Side::Reads, |mut pipe| {
        let mut seen = Vec::new();
        pipe.read_to_end(&mut seen).unwrap();
        seen
    });
    let ended = sandbox.mycp(["source", "pipe"]).good();
    assert!(sandbox.metadata("pipe").file_type().is_fifo(), "{ended}");
    assert_same_bytes(&reader(), &bytes, &ended.description);
    sandbox.assert_tidy(&ended.description);
}

/// A reader that goes away is a failed write (EPIPE), not SIGPIPE.
#[test]
fn a_fifo_whose_reader_goes_away_is_an_error() {
    let sandbox = Sandbox::new();
    make_fifo(&sandbox, "pipe");
    sandbox.write("source", &content(73, LEN));
    let reader = at_the_other_end(&sandbox, Side::Reads, |mut pipe| {
        pipe.read_exact(&mut [0; 100]).unwrap();
    });
    sandbox.mycp(["source", "pipe"]).failed().says("Broken pipe");
    reader();
}

#[test]
fn dev_null_takes_everything_and_stays_what_it_is() {
    let sandbox = Sandbox::new();
    sandbox.write("source", &content(74, LEN));
    let before = std::fs::metadata("/dev/null").unwrap();
    for way in [&[] as &[&str], &["--flush=none"], &["-f"], &["--in-place"]] {
        let ended = sandbox.mycp(way.iter().copied().chain(["source", "/dev/null"])).good();
        let after = std::fs::metadata("/dev/null").unwrap();
        assert_eq!((after.ino(), after.rdev()), (before.ino(), before.rdev()), "{ended}");
    }
    let ended = sandbox.mycp(["/dev/null", "target"]).good();
    assert_eq!(sandbox.metadata("target").len(), 0, "{ended}");
}

#[test]
fn dev_full_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("source", &content(75, LEN));
    sandbox.mycp(["source", "/dev/full"]).failed().says("No space left on device");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ended = sandbox.run(["source", "-"]).output_file(full).end();
    ended.failed().says("No space left on device");
}

#[test]
fn a_dash_is_standard_input_and_output() {
    let bytes = content(76, LEN);
    let sandbox = Sandbox::new();
    sandbox.write("source", &bytes);
    let ended = sandbox.mycp(["source", "-"]).good();
    assert_same_bytes(&ended.output, &bytes, &ended.description);
    let ended = sandbox.run(["-", "target"]).input(&bytes).end().good();
    assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
    let ended = sandbox.run(["-", "-"]).input(&bytes).end().good();
    assert_same_bytes(&ended.output, &bytes, &ended.description);
    let ended = sandbox.run(["-", "empty"]).input(b"").end().good();
    assert_same_bytes(&sandbox.read("empty"), b"", &ended.description);
}

/// Standard input and output that are files are used from where they stand, not from the start.
#[test]
fn a_dash_goes_on_where_the_descriptor_stands() {
    use std::io::Seek;
    let bytes = content(77, LEN);
    let sandbox = Sandbox::new();
    sandbox.write("source", &bytes);
    let mut file = File::open(sandbox.path("source")).unwrap();
    file.seek(std::io::SeekFrom::Start(1000)).unwrap();
    let ended = sandbox.run(["-", "target"]).input_file(file).end().good();
    assert_same_bytes(&sandbox.read("target"), &bytes[1000..], &ended.description);
    let mut file = File::create(sandbox.path("written")).unwrap();
    file.write_all(b"before").unwrap();
    let ended = sandbox.run(["source", "-"]).output_file(file.try_clone().unwrap()).end().good();
    file.write_all(b"behind").unwrap();
    let expected = [b"before", &*bytes, b"behind"].concat();
    assert_same_bytes(&sandbox.read("written"), &expected, &ended.description);
}

#[test]
fn a_name_that_is_a_dash_is_reached_by_its_path() {
    let sandbox = Sandbox::new();
    sandbox.write("-", b"a file");
    sandbox.mycp(["./-", "target"]).good();
    assert_same_bytes(&sandbox.read("target"), b"a file", "./- as a source");
}

#[test]
fn an_empty_file_is_copied() {
    for engine in ENGINES {
        for flush in ["--flush=none", "--flush=async", "--flush=sync"] {
            let sandbox = Sandbox::new();
            sandbox.write("source", b"");
            sandbox.write("target", b"old");
            let engine = format!("--engine={engine}");
            let ended = sandbox.mycp([&*engine, flush, "source", "target"]).good();
            assert_same_bytes(&sandbox.read("target"), b"", &ended.description);
            sandbox.mycp([&*engine, flush, "source", "new"]).good();
            assert_same_bytes(&sandbox.read("new"), b"", &ended.description);
        }
    }
}

#[test]
fn a_target_with_other_hard_links_is_written_in_place_for_all_of_them() {
    for engine in ENGINES {
        let bytes = content(78, LEN);
        let sandbox = Sandbox::new();
        sandbox.write("source", &bytes);
        sandbox.write("target", &content(79, LEN + 5000));
        std::fs::hard_link(sandbox.path("target"), sandbox.path("other")).unwrap();
        let inode = sandbox.metadata("target").ino();
        let engine = format!("--engine={engine}");
        let ended = sandbox.mycp([&*engine, "--explain", "source", "target"]).good();
        for name in ["target", "other"] {
            assert_same_bytes(&sandbox.read(name), &bytes, &ended.description);
            assert_eq!(sandbox.metadata(name).ino(), inode, "{name}: {ended}");
        }
        ended.tells("hard links");
        sandbox.assert_tidy("a target with hard links");
    }
}

#[test]
fn in_place_keeps_the_inode() {
    for engine in ENGINES {
        for old_len in [0, 100, LEN + 9000] {
            let bytes = content(80, LEN);
            let sandbox = Sandbox::new();
            sandbox.write("source", &bytes);
            sandbox.write("target", &content(81, old_len));
            let inode = sandbox.metadata("target").ino();
            let engine = format!("--engine={engine}");
            let ended = sandbox.mycp([&*engine, "--in-place", "source", "target"]).good();
            assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
            assert_eq!(sandbox.metadata("target").ino(), inode, "{ended}");
        }
    }
}

#[test]
fn a_symbolic_link_as_target_is_followed_and_stays() {
    let bytes = content(82, LEN);
    for leads_to in ["real", "d/real", "soft"] {
        let sandbox = Sandbox::new();
        sandbox.write("source", &bytes);
        sandbox.directory("d");
        sandbox.write("real", b"old");
        sandbox.write("d/real", b"old");
        sandbox.symlink("d/real", "soft");
        sandbox.symlink(leads_to, "target");
        let ended = sandbox.mycp(["source", "target"]).good();
        assert_same_bytes(&sandbox.read(leads_to), &bytes, &ended.description);
        let link = std::fs::read_link(sandbox.path("target")).unwrap();
        assert_eq!(link, Path::new(leads_to), "{ended}");
        assert!(sandbox.path("soft").is_symlink(), "{ended}");
        sandbox.assert_tidy(&ended.description);
        assert!(crate::support::sandbox::leftovers(&sandbox.path("d")).is_empty(), "{ended}");
    }
}

#[test]
fn a_dangling_link_as_target_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    sandbox.symlink("nothing", "target");
    let ended = sandbox.mycp(["source", "target"]).failed().says("dangling");
    assert!(!sandbox.path("nothing").exists(), "{ended}");
    let ended = sandbox.mycp(["--remove-destination", "source", "target"]).good();
    assert!(!sandbox.path("target").is_symlink(), "{ended}");
    assert_same_bytes(&sandbox.read("target"), b"new", &ended.description);
}

#[test]
fn a_link_that_leads_to_itself_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    symlink("target", sandbox.path("target")).unwrap();
    sandbox.mycp(["source", "target"]).failed();
    sandbox.mycp(["target", "other"]).failed();
    assert!(!sandbox.path("other").exists());
}

#[test]
fn a_directory_is_no_target_and_no_source() {
    let sandbox = Sandbox::new();
    sandbox.write("source", b"new");
    sandbox.directory("d");
    sandbox.mycp(["-T", "source", "d"]).failed().says("d'");
    sandbox.mycp(["d", "target"]).failed().says("d'");
    sandbox.mycp(["source", "missing/target"]).failed();
    sandbox.mycp(["source", "target/"]).failed();
    sandbox.mycp(["missing", "target"]).failed().says("missing'");
    sandbox.mycp(["source/", "target"]).failed();
    assert!(!sandbox.path("target").exists());
    sandbox.mycp(["source", "d"]).good();
    assert_same_bytes(&sandbox.read("d/source"), b"new", "into a directory");
}

#[test]
#[ignore = "needs root: takes another user's part"]
fn in_a_directory_without_write_permission_the_target_is_written_in_place() {
    for engine in ENGINES {
        let bytes = content(83, LEN);
        let sandbox = Sandbox::new();
        sandbox.write("source", &bytes);
        sandbox.directory("d");
        let target = sandbox.write("d/target", b"old");
        std::fs::set_permissions(&target, PermissionsExt::from_mode(0o666)).unwrap();
        let inode = sandbox.metadata("d/target").ino();
        let engine = format!("--engine={engine}");
        let run = sandbox.run([&*engine, "--explain", "source", "d/target"]);
        let ended = run.by_nobody().end().good();
        assert_same_bytes(&sandbox.read("d/target"), &bytes, &ended.description);
        assert_eq!(sandbox.metadata("d/target").ino(), inode, "{ended}");
        ended.tells("directory");
        // But no new file is made there.
        sandbox.run(["source", "d/new"]).by_nobody().end().failed().says("Permission denied");
    }
}

#[test]
#[ignore = "needs root: takes another user's part"]
fn what_may_not_be_read_or_written_is_an_error() {
    let sandbox = Sandbox::new();
    let secret = sandbox.write("secret", b"secret");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    sandbox.directory("d");
    std::fs::set_permissions(sandbox.path("d"), PermissionsExt::from_mode(0o777)).unwrap();
    let ended = sandbox.run(["secret", "d/target"]).by_nobody().end().failed();
    assert!(ended.errors.contains("Permission denied"), "{ended}");
    assert!(!sandbox.path("d/target").exists(), "{ended}");
    // cp opens the target for writing; that it could be replaced does not make it writable.
    sandbox.write("source", b"new");
    let target = sandbox.write("d/target", b"old");
    std::fs::set_permissions(&target, PermissionsExt::from_mode(0o444)).unwrap();
    let ended = sandbox.run(["source", "d/target"]).by_nobody().end().failed();
    assert_same_bytes(&sandbox.read("d/target"), b"old", &ended.description);
    let ended = sandbox.run(["-f", "source", "d/target"]).by_nobody().end().good();
    assert_same_bytes(&sandbox.read("d/target"), b"new", &ended.description);
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn a_bind_mounted_file_as_target_is_written_in_place() {
    for engine in ENGINES {
        let bytes = content(84, LEN);
        let sandbox = Sandbox::new();
        let mut mounts = Mounts::new();
        sandbox.write("source", &bytes);
        sandbox.write("real", b"old");
        sandbox.write("target", b"");
        mounts.bind(&sandbox.path("real"), &sandbox.path("target"));
        let engine = format!("--engine={engine}");
        let ended = sandbox.mycp([&*engine, "--explain", "source", "target"]).good();
        assert_same_bytes(&sandbox.read("real"), &bytes, &ended.description);
        ended.tells("mount");
        sandbox.assert_tidy("a bind-mounted target");
    }
}

#[test]
#[ignore = "needs root: mounts file systems"]
fn a_block_device_is_copied_and_written() {
    let mounts = Mounts::new();
    let device = LoopDevice::new(&mounts.image("image", 8));
    let sandbox = Sandbox::new();
    let device_path = device.path.as_os_str();
    for engine in ["auto", "mmap", "buffered"] {
        let bytes = content(85 + engine.len() as u64, 8 << 20);
        sandbox.write("source", &bytes[..5 << 20]);
        let engine = format!("--engine={engine}");
        let flush = "--flush=sync";
        let arguments = [engine.as_ref(), flush.as_ref(), "source".as_ref(), device_path];
        let ended = sandbox.mycp(arguments).orderly();
        // The mapped engine may decline a device; the others may not.
        assert!(ended.is_good() || engine.ends_with("mmap"), "{ended}");
        if ended.is_good() {
            let mut seen = vec![0; 5 << 20];
            File::open(&device.path).unwrap().read_exact(&mut seen).unwrap();
            assert_same_bytes(&seen, &bytes[..5 << 20], &ended.description);
        }
        let whole = std::fs::read(&device.path).unwrap();
        let arguments = [engine.as_ref(), device_path, "target".as_ref()];
        let ended = sandbox.mycp(arguments).orderly();
        assert!(ended.is_good() || engine.ends_with("mmap"), "{ended}");
        if ended.is_good() {
            assert_same_bytes(&sandbox.read("target"), &whole, &ended.description);
        }
        drop(std::fs::remove_file(sandbox.path("target")));
        // One block more than the device has.
        sandbox.write("source", &content(86, (8 << 20) + 512));
        let arguments = [engine.as_ref(), "source".as_ref(), device_path];
        sandbox.mycp(arguments).failed();
    }
    assert!(std::fs::metadata(&device.path).unwrap().file_type().is_block_device());
}
