//! `--delta`: the target becomes the source, and what was equal is not written.

use std::fs::File;
use std::path::Path;

use crate::support::files::chmod;
#[cfg(target_os = "linux")]
use crate::support::mounts::{Kind, Mounts};
use crate::support::{
    Chance, Ended, FileExt, Sandbox, assert_same_bytes, content, data_ranges, files, same_content,
    scaled,
};
use crate::wine;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// The ways of storing what differs.
const WAYS: [&[&str]; 4] =
    [&["--delta"], &["--delta", "--in-place"], &["--delta", "-j1"], &["--delta", "-p"]];

/// What the run says of one field of its JSON line.
fn told(ended: &Ended, pointer: &str) -> serde_json::Value {
    let line = String::from_utf8_lossy(&ended.output);
    let line = line.lines().find(|line| line.contains("\"way\"")).unwrap_or("{}");
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    json.pointer(pointer).cloned().unwrap_or_default()
}

fn delta(sandbox: &Sandbox, way: &[&str]) -> Ended {
    sandbox.mycp(way.iter().copied().chain(["--json", "source", "target"])).good()
}

#[cfg(unix)]
fn mode(sandbox: &Sandbox, name: &str) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&sandbox.metadata(name)) & 0o7777
}

/// Makes `target` differ from `source` in some pages; returns how many.
fn with_changed_pages(sandbox: &Sandbox, len: u64, pages: &[u64]) -> Vec<u8> {
    let bytes = content(900, len as usize);
    sandbox.write("source", &bytes);
    let mut old = bytes.clone();
    for page in pages {
        old[(page * PAGE) as usize + 5] ^= 1;
    }
    sandbox.write("target", &old);
    bytes
}

#[test]
fn only_pages_that_differ_are_stored() {
    for way in WAYS {
        let sandbox = Sandbox::new();
        let pages = [0, 1, 7, 511, 512, 1023, 2000];
        let bytes = with_changed_pages(&sandbox, 2001 * PAGE, &pages);
        let ended = delta(&sandbox, way);
        assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        let into = told(&ended, "/delta/into");
        let stored = told(&ended, "/delta/stored").as_u64().unwrap();
        if into == "new_file" {
            assert_eq!(stored, 2001 * PAGE, "{ended}");
        } else {
            assert_eq!(stored, PAGE * pages.len() as u64, "{ended}");
        }
        let expected = if way.contains(&"--in-place") { "target" } else { "new_file or clone" };
        assert!(expected.contains(into.as_str().unwrap()), "{into}: {ended}");
        sandbox.assert_tidy(&ended.description);
    }
}

#[test]
fn a_target_that_is_equal_is_kept() {
    for (way, len) in WAYS.iter().flat_map(|way| [0, 1, 5000, 3 * MIB + 1].map(|len| (way, len))) {
        let sandbox = Sandbox::new();
        let bytes = with_changed_pages(&sandbox, len, &[]);
        chmod(&sandbox.path("source"), 0o741);
        let (before, id) = (sandbox.metadata("target"), sandbox.id("target"));
        let ended = delta(&sandbox, way);
        assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        let after = sandbox.metadata("target");
        assert_eq!(id, sandbox.id("target"), "{ended}");
        if way.contains(&"-p") {
            #[cfg(unix)]
            assert_eq!(mode(&sandbox, "target"), 0o741, "{ended}");
            let source = sandbox.metadata("source");
            assert_eq!(after.modified().unwrap(), source.modified().unwrap(), "{ended}");
        } else if !way.contains(&"--in-place") {
            assert_eq!(told(&ended, "/way"), "kept", "{ended}");
            assert_eq!(before.modified().unwrap(), after.modified().unwrap(), "{ended}");
        }
        assert_eq!(told(&ended, "/delta/stored"), 0, "{ended}");
    }
}

#[test]
fn lengths_that_differ_become_equal() {
    let lens = [0, 1, PAGE - 1, PAGE, PAGE + 1, 200_000, 2 * MIB, 5 * MIB + 3];
    for way in WAYS {
        for (source, target) in lens.iter().flat_map(|a| lens.map(|b| (*a, b))) {
            let sandbox = Sandbox::new();
            let bytes = content(7, source as usize);
            sandbox.write("source", &bytes);
            sandbox.write("target", &content(7, target as usize));
            let ended = delta(&sandbox, way);
            assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
            sandbox.assert_tidy(&ended.description);
        }
    }
}

/// Random files with holes, and targets that are random mutations of them.
fn random_pairs(directory: &Path, rounds: u64, ways: &[&[&str]]) {
    let mut chance = Chance::new("delta");
    for round in 0..rounds {
        let sandbox = Sandbox::within(directory);
        let len = chance.below(6 * MIB);
        for name in ["source", "target"] {
            let file = File::create(sandbox.path(name)).unwrap();
            file.set_len(len).unwrap();
        }
        let open = |name: &str| File::options().write(true).open(sandbox.path(name)).unwrap();
        let (source, target) = (open("source"), open("target"));
        let mut piece = |files: &[&File]| {
            let at = chance.below(len.max(1));
            let bytes = match chance.below(4) {
                0 => vec![0; chance.below(100_000) as usize],
                _ => content(chance.next(), chance.below(400_000) as usize),
            };
            for file in files {
                file.write_all_at(&bytes[..bytes.len().min((len - at) as usize)], at).unwrap();
            }
        };
        for _ in 0..round % 7 {
            piece(&[&source, &target]);
        }
        for _ in 0..round % 3 {
            piece(&[&source]);
            piece(&[&target]);
        }
        let target_len = match chance.below(3) {
            0 => len,
            _ => chance.below(2 * len + 1),
        };
        target.set_len(target_len).unwrap();
        drop((source, target));
        let way = *chance.pick(ways);
        let mut more = vec!["--verify=cache", "--flush", "--sparse=always", "-a"];
        more.truncate(chance.below(5) as usize);
        let words = way.iter().copied().chain(more.last().copied());
        let ended = sandbox.mycp(words.chain(["source", "target"])).good();
        let same = same_content(&sandbox.path("source"), &sandbox.path("target"));
        assert!(same.is_ok(), "round {round}: {same:?}: {ended}");
        sandbox.assert_tidy(&ended.description);
    }
}

#[test]
fn any_target_becomes_the_source() {
    let sandbox = Sandbox::new();
    random_pairs(sandbox.root(), scaled(120), &WAYS);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn any_target_becomes_the_source_on_each_file_system() {
    for kind in Kind::ALL {
        let mut mounts = Mounts::new();
        random_pairs(&mounts.add(kind, kind.smallest_mib().max(200)), scaled(60), &WAYS);
    }
}

/// Where the source has a hole the target gets one; a hole of both is neither read nor written.
#[test]
fn holes_are_kept_and_not_read() {
    if wine::cannot("delta::holes_are_kept_and_not_read") {
        return;
    }
    for way in WAYS {
        let sandbox = Sandbox::new();
        for (name, places) in [("source", [0, 400 * MIB]), ("target", [0, 600 * MIB])] {
            let file = File::create(sandbox.path(name)).unwrap();
            files::allow_holes(&file);
            file.set_len(900 * MIB).unwrap();
            for place in places {
                file.write_all_at(&content(3 + place, 50_000), place).unwrap();
            }
        }
        let ended = delta(&sandbox, way);
        let same = same_content(&sandbox.path("source"), &sandbox.path("target"));
        assert!(same.is_ok(), "{same:?}: {ended}");
        let file = File::open(sandbox.path("target")).unwrap();
        let data: u64 = data_ranges(&file).iter().map(|(start, end)| end - start).sum();
        assert!(data < MIB, "{data} bytes of data: {ended}");
    }
}

#[test]
fn other_names_of_a_target_see_the_new_content_and_stay() {
    let sandbox = Sandbox::new();
    let bytes = with_changed_pages(&sandbox, 3 * MIB, &[4, 5]);
    std::fs::hard_link(sandbox.path("target"), sandbox.path("other")).unwrap();
    let ended = delta(&sandbox, &["--delta"]);
    assert_same_bytes(&sandbox.read("other"), &bytes, &ended.description);
    assert_eq!(told(&ended, "/delta/into"), "target", "{ended}");
    assert_eq!(told(&ended, "/delta/stored"), 2 * PAGE, "{ended}");
}

#[cfg(unix)]
#[test]
fn a_target_that_may_not_be_written_stays_as_it_is() {
    let sandbox = Sandbox::new();
    with_changed_pages(&sandbox, 3 * MIB, &[4, 5]);
    let old = sandbox.read("target");
    for (name, mode) in [("source", 0o644), ("target", 0o444)] {
        chmod(&sandbox.path(name), mode);
    }
    chmod(sandbox.root(), 0o777);
    let ended = sandbox.run(["--delta", "source", "target"]).by_nobody().end().failed();
    assert_same_bytes(&sandbox.read("target"), &old, &ended.description);
}

/// What is stored begins anywhere, and goes over the end of a block that threads take.
#[test]
fn a_file_that_grew_a_little_is_patched_at_its_end() {
    let block = 8 * MIB;
    for way in WAYS {
        for (old, new, changed) in [
            (block - 608, block + 11_392, None),
            (block + 2 * MIB, block + 2 * MIB, Some(block - MIB)),
            (3 * block - 800, 3 * block + 1200, None),
            (2 * block, 2 * block, Some(2 * block - 1)),
        ] {
            let sandbox = Sandbox::new();
            let bytes = content(4, new as usize);
            sandbox.write("source", &bytes);
            let mut before = bytes[..old as usize].to_vec();
            if let Some(place) = changed {
                before[place as usize] ^= 1;
            }
            sandbox.write("target", &before);
            let words = way.iter().copied().chain(["source", "target"]);
            let limit = std::time::Duration::from_secs(60);
            let ended = sandbox.run(words).time_limit(limit).end().good();
            assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        }
    }
}

/// A view of Windows does not reach past the end of its file.
///
/// A map may store behind the end of a file, in its last page; on tmpfs these bytes are the file's
/// when it grows.
#[cfg(unix)]
#[test]
fn what_a_map_left_behind_the_end_does_not_become_content() {
    let memory = Path::new("/dev/shm");
    let here = std::env::temp_dir();
    for directory in [&*here, memory].into_iter().filter(|path| path.is_dir()) {
        for way in WAYS {
            let sandbox = Sandbox::within(directory);
            let mut bytes = vec![b'x'; 1000];
            sandbox.write("target", &bytes);
            let file = File::options().read(true).write(true).open(sandbox.path("target")).unwrap();
            let map = memmap2::MmapOptions::new().len(4096).map_raw(&file).unwrap();
            // SAFETY: the page is mapped for writing, and no reference to it exists.
            unsafe { map.as_mut_ptr().wrapping_add(1000).write_bytes(0x5a, 3096) };
            drop(map);
            bytes.resize(21_000, 0);
            bytes.extend(b"end");
            sandbox.write("source", &bytes);
            let words = way.iter().copied().chain(["source", "target"]);
            let ended = sandbox.mycp(words).good();
            assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        }
    }
}

/// Somebody makes the old file equal to the source while its clone is patched: what is equal there
/// by then is not in the clone.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn a_target_that_changes_after_it_was_cloned_is_noticed() {
    for kind in [Kind::Xfs, Kind::Btrfs] {
        let mut mounts = Mounts::new();
        let disk = mounts.add(kind, kind.smallest_mib().max(300));
        let mut chance = Chance::new("changing target");
        for round in 0..scaled(20) {
            let sandbox = Sandbox::within(&disk);
            let bytes = content(round, 24 << 20);
            sandbox.write("source", &bytes);
            let target = sandbox.write("target", &vec![b'x'; 24 << 20]);
            let running = sandbox.run(["-p", "--delta", "-j1", "source", "target"]).start();
            std::thread::sleep(chance.shorter_than(std::time::Duration::from_millis(40)));
            let file = File::options().write(true).open(&target);
            if let Ok(file) = file {
                for at in (0..bytes.len()).step_by(1 << 20) {
                    file.write_all_at(&bytes[at..at + 4096], at as u64).unwrap();
                }
            }
            let ended = running.end().good();
            assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        }
    }
}

/// To clone a small file and to patch the clone takes longer than to write it.
#[test]
fn a_mirror_stores_small_files_whole_and_of_large_ones_what_differs() {
    let sandbox = Sandbox::new();
    for root in ["s", "t"] {
        sandbox.directory(root);
    }
    let lengths = [("small", 64 << 10), ("large", (64 << 10) + 1)];
    for (name, len) in lengths {
        sandbox.write(format!("s/{name}"), &content(1, len));
        let target = sandbox.write(format!("t/{name}"), &content(2, len));
        let target = File::options().write(true).open(target).unwrap();
        target.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let ended = sandbox.mycp(["--mirror", "--json", "s", "t"]).good();
    let reports = ended.json();
    for (name, is_patched) in [("small", false), ("large", true)] {
        let target = format!("t/{name}");
        let json = reports.iter().find(|json| json["target"] == target).unwrap();
        let line = &json.to_string();
        assert_eq!(json.pointer("/delta/into").is_some(), is_patched, "{line}");
        assert_same_bytes(
            &sandbox.read(format!("t/{name}")),
            &sandbox.read(format!("s/{name}")),
            line,
        );
    }
}

#[cfg(unix)]
#[test]
fn a_target_that_is_equal_does_not_stay_setuid() {
    let sandbox = Sandbox::new();
    with_changed_pages(&sandbox, 5000, &[]);
    chmod(&sandbox.path("target"), 0o4755);
    delta(&sandbox, &["--delta"]);
    assert_eq!(mode(&sandbox, "target"), 0o755);
}

/// What the target is like is kept, as by a copy of everything.
#[cfg(unix)]
#[test]
fn a_patched_target_keeps_its_mode() {
    for way in [WAYS[0], WAYS[1]] {
        let sandbox = Sandbox::new();
        with_changed_pages(&sandbox, 3 * MIB, &[4, 5]);
        chmod(&sandbox.path("target"), 0o604);
        delta(&sandbox, way);
        assert_eq!(mode(&sandbox, "target"), 0o604, "{way:?}");
    }
}

#[test]
fn a_hash_is_that_of_all_bytes() {
    for (way, pages) in WAYS.iter().flat_map(|way| [(way, &[][..]), (way, &[3, 700][..])]) {
        let sandbox = Sandbox::new();
        let bytes = with_changed_pages(&sandbox, 5 * MIB + 77, pages);
        let words = way.iter().copied();
        let ended = sandbox.mycp(words.chain(["--manifest=sums", "source", "target"])).good();
        let sums = String::from_utf8(sandbox.read("sums")).unwrap();
        assert!(sums.starts_with(&*blake3::hash(&bytes).to_hex()), "{sums}: {ended}");
    }
}

/// The calls on the target, in order, as strace shows them.
#[cfg(target_os = "linux")]
fn calls(way: &[&str], pages: &[u64]) -> Vec<String> {
    let sandbox = Sandbox::new();
    with_changed_pages(&sandbox, 3 * MIB, pages);
    // Files that are made in one tick have one time.
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    File::open(sandbox.path("source")).unwrap().set_modified(before).unwrap();
    let log = sandbox.path("log");
    use std::ffi::OsStr;
    let words = ["strace", "-f", "-qq", "-y", "-o"].map(OsStr::new);
    let trace = ["-e", "trace=fsync,utimensat,pwrite64,renameat,renameat2,rename"].map(OsStr::new);
    let words: Vec<_> = words.into_iter().chain([log.as_os_str()]).chain(trace).collect();
    let arguments = way.iter().copied().chain(["-j1", "source", "target"]);
    crate::support::Run::through(&words, sandbox.root(), arguments).end().good();
    let log = std::fs::read_to_string(log).unwrap();
    let name = |line: &str| {
        let (_, rest) = line.split_once(char::is_whitespace)?;
        Some(rest.trim_start().split_once('(')?.0.to_owned())
    };
    let about = ["/target>", "/.target.mycp-000000>", "\"target\""];
    let is_about = |line: &&str| about.iter().any(|words| line.contains(words));
    log.lines().filter(is_about).filter_map(name).collect()
}

/// After a crash a target with the source's size and times has its content (P7): the times come
/// when the content is on the disk, and those of the old content are gone before the first store.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs strace"]
fn times_come_after_the_content_is_on_the_disk() {
    let in_place = calls(&["--delta", "--in-place", "-p"], &[5, 9]);
    assert_eq!(in_place, ["utimensat", "fsync", "pwrite64", "pwrite64", "fsync", "utimensat"]);
    assert_eq!(calls(&["--delta", "--in-place", "-p"], &[]), ["fsync", "utimensat"]);
    assert_eq!(calls(&["--delta", "-p"], &[]), ["fsync", "utimensat"]);
    let staged = calls(&["--delta", "-p"], &[5, 9]);
    let staged: Vec<_> = staged.iter().filter(|call| *call != "pwrite64").collect();
    assert_eq!(staged, ["utimensat", "fsync", "renameat"]);
    let flushed = calls(&["--flush", "--in-place", "-p", "--engine=mmap"], &[5, 9]);
    assert_eq!(flushed, ["utimensat", "fsync", "fsync", "utimensat", "fsync"]);
}

/// The device's own counters say how much of the file is written.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root: mounts file systems"]
fn the_device_gets_little_more_than_what_differs() {
    for (kind, way) in
        [(Kind::Ext4, WAYS[1]), (Kind::Xfs, WAYS[1]), (Kind::Xfs, WAYS[0]), (Kind::Btrfs, WAYS[0])]
    {
        let mut mounts = Mounts::new();
        let disk = mounts.add(kind, 600);
        let sandbox = Sandbox::within(&disk);
        let pages: Vec<u64> = (0..160).map(|number| number * 100 + 7).collect();
        let bytes = with_changed_pages(&sandbox, 64 * MIB, &pages);
        rustix::fs::syncfs(File::open(&disk).unwrap()).unwrap();
        let before = written_to(&disk);
        let ended = delta(&sandbox, way);
        rustix::fs::syncfs(File::open(&disk).unwrap()).unwrap();
        let written = written_to(&disk) - before;
        assert_same_bytes(&sandbox.read("target"), &bytes, &ended.description);
        let changed = pages.len() as u64 * PAGE;
        // The trees of btrfs take their part of so little.
        let limit = if kind == Kind::Btrfs { 4 * changed } else { changed * 3 / 2 };
        eprintln!("{kind:?} {way:?}: {written} bytes written for {changed}");
        assert!(written <= limit, "{written} bytes written for {changed}: {ended}");
    }
}

/// Bytes written to the loop device below a mount point.
#[cfg(target_os = "linux")]
fn written_to(mount: &Path) -> u64 {
    let dev = mount.display();
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(&*mount.to_string_lossy())).unwrap();
    let device = line.split(" - ").nth(1).unwrap().split(' ').nth(1).unwrap();
    let name = device.strip_prefix("/dev/").unwrap_or_else(|| panic!("{device} of {dev}"));
    let stat = std::fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
    stat.split_whitespace().nth(6).unwrap().parse::<u64>().unwrap() * 512
}
