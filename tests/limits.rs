//! Limits of the process are errors like others, not signals.

use std::os::unix::fs::MetadataExt;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::support::{ENGINES, Run, Sandbox, assert_same_bytes, content, is_mycp};

const LEN: usize = 5 << 20;

fn limited(run: Run, resource: Resource, limit: u64) -> Run {
    let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
    // SAFETY: setrlimit is one system call, which neither allocates nor takes locks.
    unsafe { run.before_exec(move || Ok(setrlimit(resource, limit)?)) }
}

/// The kernel answers a write past RLIMIT_FSIZE with SIGXFSZ, which kills whom it surprises.
#[test]
fn the_file_size_limit_is_an_error_that_leaves_the_old_target() {
    for engine in ENGINES {
        for flush in ["--flush=none", "--flush=sync"] {
            for way in [&[] as &[&str], &["--sparse=always"]] {
                // The kernel's engine does not look for zeros.
                if engine == "kernel" && !way.is_empty() {
                    continue;
                }
                for has_old in [true, false] {
                    let sandbox = Sandbox::new();
                    sandbox.write("source", &content(40, LEN));
                    if has_old {
                        sandbox.write("target", b"old");
                    }
                    let engine = format!("--engine={engine}");
                    let options = [&*engine, flush].into_iter().chain(way.iter().copied());
                    let run = sandbox.run(options.chain(["source", "target"]));
                    let ended = limited(run, Resource::Fsize, 3 << 20).end().failed();
                    assert!(ended.errors.contains("File too large"), "{ended}");
                    let seen = std::fs::read(sandbox.path("target")).ok();
                    assert!(seen == has_old.then(|| b"old".to_vec()), "not as it was: {ended}");
                    sandbox.assert_tidy(&ended.description);
                }
            }
        }
    }
}

#[test]
fn a_target_written_in_place_reports_the_file_size_limit_too() {
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        sandbox.write("source", &content(40, LEN));
        sandbox.write("target", b"old");
        let engine = format!("--engine={engine}");
        let run = sandbox.run([&*engine, "--in-place", "source", "target"]);
        limited(run, Resource::Fsize, 3 << 20).end().failed().says("File too large");
    }
}

/// Whether so little is left that the program cannot even say its version.
fn is_too_little(sandbox: &Sandbox, resource: Resource, limit: u64) -> bool {
    is_mycp() && !limited(sandbox.run(["--version"]), resource, limit).end().is_good()
}

/// With little address space maps and threads fail; then a copy is made by other means, or an
/// error says what is missing.
#[test]
fn little_address_space_gives_a_copy_or_an_error() {
    let bytes = content(41, 20 << 20);
    for engine in ENGINES {
        let mut copies = 0;
        for mib in [6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 256] {
            let sandbox = Sandbox::new();
            sandbox.write("source", &bytes);
            sandbox.write("target", b"old");
            let engine = format!("--engine={engine}");
            let run = sandbox.run([&*engine, "source", "target"]);
            let ended = limited(run, Resource::As, mib << 20).end();
            if is_too_little(&sandbox, Resource::As, mib << 20) {
                continue;
            }
            let ended = ended.orderly();
            copies += u32::from(ended.is_good());
            assert!(ended.is_good() || !ended.errors.is_empty(), "{mib} MiB: silent: {ended}");
            let expected = if ended.is_good() { &bytes[..] } else { b"old" };
            assert_same_bytes(&sandbox.read("target"), expected, &ended.description);
            sandbox.assert_tidy(&ended.description);
        }
        assert!(copies > 0, "{engine}: 256 MiB of address space are not enough");
    }
}

#[test]
fn few_descriptors_give_a_copy_or_an_error() {
    let bytes = content(42, 5 << 20);
    for engine in ENGINES {
        let mut copies = 0;
        for descriptors in [4, 5, 6, 7, 8, 10, 16, 64] {
            let sandbox = Sandbox::new();
            sandbox.write("source", &bytes);
            sandbox.write("target", b"old");
            let engine = format!("--engine={engine}");
            let run = sandbox.run([&*engine, "--flush=sync", "source", "target"]);
            let ended = limited(run, Resource::Nofile, descriptors).end();
            if is_too_little(&sandbox, Resource::Nofile, descriptors) {
                continue;
            }
            let ended = ended.orderly();
            copies += u32::from(ended.is_good());
            let expected = if ended.is_good() { &bytes[..] } else { b"old" };
            assert_same_bytes(&sandbox.read("target"), expected, &ended.description);
            let left = sandbox.leftovers();
            assert!(left.is_empty(), "{descriptors} descriptors: {left:?} left by {ended}");
        }
        assert!(copies > 0, "{engine}: 64 descriptors are not enough");
    }
}

/// P9: what a copy takes in memory does not grow with the file.
#[test]
fn a_file_larger_than_the_address_space_is_copied() {
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        let source = sandbox.write("source", b"");
        let file = std::fs::File::options().write(true).open(&source).unwrap();
        file.set_len(3 << 30).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"the end", (3 << 30) - 7).unwrap();
        let engine = format!("--engine={engine}");
        let run = sandbox.run([&*engine, "source", "target"]);
        let ended = limited(run, Resource::As, 1 << 30).end().good();
        let same = crate::support::same_content(&source, &sandbox.path("target"));
        assert!(same.is_ok(), "{same:?}: {ended}");
        assert!(sandbox.metadata("target").blocks() < 1 << 12, "holes were filled: {ended}");
    }
}
