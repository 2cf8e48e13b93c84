//! FIFOs, devices, files of /proc, mounts, and what other users may not do.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::*;
use crate::support::files::chmod;
use crate::support::mounts::{LoopDevice, Mounts};

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
#[ignore = "needs root: takes another user's part"]
fn in_a_directory_without_write_permission_the_target_is_written_in_place() {
    for engine in ENGINES {
        let bytes = content(83, LEN);
        let sandbox = Sandbox::new();
        sandbox.write("source", &bytes);
        sandbox.directory("d");
        let target = sandbox.write("d/target", b"old");
        chmod(&target, 0o666);
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
    chmod(&secret, 0o600);
    sandbox.directory("d");
    chmod(&sandbox.path("d"), 0o777);
    let ended = sandbox.run(["secret", "d/target"]).by_nobody().end().failed();
    assert!(ended.errors.contains("Permission denied"), "{ended}");
    assert!(!sandbox.path("d/target").exists(), "{ended}");
    // cp opens the target for writing; that it could be replaced does not make it writable.
    sandbox.write("source", b"new");
    let target = sandbox.write("d/target", b"old");
    chmod(&target, 0o444);
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
