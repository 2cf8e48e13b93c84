//! `mycp-crash explain`: what is found under a path, and what is said of it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::documented::assert_documented;

fn run(arguments: &[&OsStr]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mycp-crash"));
    command.arg("explain").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn explained(path: &Path) -> Value {
    let output = run(&["--json".as_ref(), path.as_os_str()]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path:?}: {}: {errors}", output.status);
    assert_eq!(errors, "");
    let printed = serde_json::from_slice(&output.stdout).unwrap();
    assert_documented(&printed);
    printed
}

/// Data, name and cache of a call.
fn answers<'a>(explained: &'a Value, call: &str) -> [&'a str; 3] {
    let promises = explained["promises"].as_array().unwrap();
    let promise = promises.iter().find(|promise| promise["call"] == call).unwrap();
    ["data", "name", "flushes_cache"].map(|key| promise[key].as_str().unwrap())
}

fn warnings(explained: &Value) -> Vec<&str> {
    let warnings = explained["warnings"].as_array().unwrap().iter();
    let warnings = warnings.filter(|warning| warning["weight"] == "warning");
    warnings.map(|warning| warning["found"].as_str().unwrap()).collect()
}

#[test]
fn each_call_says_what_it_keeps_and_where_that_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let explained = explained(directory.path());
    for promise in explained["promises"].as_array().unwrap() {
        assert!(!promise["source"].as_str().unwrap().is_empty(), "{promise}");
    }
    // The same words on all systems.
    for call in ["none", "msync-async"] {
        assert_eq!(answers(&explained, call), ["no", "no", "no"], "{call}");
    }
    for call in ["msync", "fsync", "syncfs", "O_DSYNC", "rename", "fsync of the directory"] {
        answers(&explained, call);
    }
    assert_eq!(answers(&explained, "fsync")[1], "no");
    let mount = &explained["place"]["mount"];
    assert!(mount["options"].as_array().unwrap().contains(&"rw".into()), "{mount}");
    let point = Path::new(mount["point"].as_str().unwrap());
    let path = directory.path().canonicalize().unwrap();
    // What makes it long on Windows is no part of what people write.
    let path = path.to_str().unwrap().trim_start_matches(r"\\?\").to_owned();
    assert!(Path::new(&path).starts_with(point), "{path} is not on {point:?}");
}

#[test]
fn a_path_that_cannot_be_looked_at_is_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&[directory.path().join("none").as_os_str()]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.starts_with("mycp-crash: cannot open '"), "{errors}");
    // ENOENT, and ERROR_FILE_NOT_FOUND.
    assert!(errors.ends_with("(os error 2)\n"), "{errors}");
    assert_eq!(run(&[]).status.code(), Some(2));
}

#[cfg(windows)]
mod on_windows {
    use super::*;

    #[test]
    fn a_volume_its_calls_and_the_release_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let explained = explained(directory.path());
        let place = &explained["place"];
        assert!(place["system"].as_str().unwrap().starts_with("Windows "), "{place}");
        let point = place["mount"]["point"].as_str().unwrap();
        assert!(point.ends_with(r":\"), "{place}");
        assert_eq!(place["mount"]["file_system"], "NTFS");
        let promises = explained["promises"].as_array().unwrap();
        let calls: Vec<_> = promises.iter().map(|one| one["call"].as_str().unwrap()).collect();
        for lacking in ["fdatasync", "sync_file_range"] {
            assert!(!calls.contains(&lacking), "{calls:?}");
        }
        for own in ["O_DIRECT", "rename, write-through"] {
            assert!(calls.contains(&own), "{calls:?}");
        }
        assert_eq!(answers(&explained, "rename"), ["no", "no", "no"]);
    }

    #[test]
    fn what_wine_makes_up_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let explained = explained(directory.path());
        let is_wine = explained["place"]["system"].as_str().unwrap().ends_with("made by Wine");
        assert_eq!(warnings(&explained).contains(&"this is Wine"), is_wine, "{explained}");
        if is_wine {
            assert_eq!(answers(&explained, "fsync"), ["unknown", "no", "unknown"]);
            assert_eq!(explained["place"]["devices"].as_array().unwrap().len(), 0);
        }
    }

    #[test]
    fn a_person_is_told_which_calls_these_are() {
        let directory = tempfile::tempdir().unwrap();
        let output = run(&[directory.path().as_os_str()]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        for expected in [
            "system       Windows ",
            "\nfile system  NTFS\n",
            "\nmsync-async: it is FlushViewOfFile, which starts the writing, ",
            "FlushFileBuffers",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
        assert!(!text.contains("(2)"), "a page of Unix's manual is named:\n{text}");
    }
}

/// What Linux tells, with its file systems, devices and options.
#[cfg(target_os = "linux")]
mod on_linux {
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::support::Sandbox;
    use crate::support::mounts::{Kind, LoopDevice, Mounts, succeed, words};

    /// What findmnt says of a path.
    fn findmnt(column: &str, path: &Path) -> String {
        let mut command = words("findmnt --noheadings --first-only --raw --output");
        let output = command.args([column, "--target"]).arg(path).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn an_error_is_told_as_the_system_tells_it() {
        let output = run(&["/no/such".as_ref()]);
        let errors = String::from_utf8_lossy(&output.stderr);
        let expected =
            "mycp-crash: cannot open '/no/such': No such file or directory (os error 2)\n";
        assert_eq!(errors, expected);
    }

    #[test]
    fn the_mount_is_the_one_that_findmnt_finds() {
        let sandbox = Sandbox::new();
        sandbox.write("file", b"");
        sandbox.symlink("/proc/self/status", "link");
        for path in [sandbox.path("file"), sandbox.path("link"), "/".into(), "/proc/self".into()] {
            let explained = explained(&path);
            let mount = &explained["place"]["mount"];
            assert_eq!(
                mount["point"],
                findmnt("TARGET", &path.canonicalize().unwrap()),
                "{path:?}"
            );
            assert_eq!(mount["file_system"], findmnt("FSTYPE", &path.canonicalize().unwrap()));
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_told_with_its_bytes() {
        let sandbox = Sandbox::new();
        let path = sandbox.root().join(OsStr::from_bytes(b"a\xff"));
        std::fs::write(&path, b"").unwrap();
        let place = &explained(&path)["place"];
        assert!(place["path"].as_str().unwrap().ends_with("/a\u{fffd}"), "{place}");
        assert!(place["path_bytes"].as_str().unwrap().ends_with("2f61ff"), "{place}");
        assert!(place["mount"]["point"].is_string() && place["mount"]["point_bytes"].is_null());
    }

    #[test]
    fn nothing_of_what_the_kernel_shows_survives() {
        let explained = explained("/proc".as_ref());
        for call in ["fsync", "syncfs", "msync"] {
            assert_eq!(answers(&explained, call), ["no", "no", "no"], "{call}");
        }
        assert_eq!(warnings(&explained), ["it is proc"]);
    }

    #[test]
    fn a_person_gets_a_table_with_sources_and_the_warnings() {
        let output = run(&["/proc".as_ref()]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        for expected in [
            "\nmounted on   '/proc', from 'proc'\n",
            "\nfsync                   no    no    no          no    no                 fsync(2)\n",
            "\nwarning: '/proc': it is proc: it shows what the kernel knows, and keeps nothing.\n",
            "  source: proc(5), sysfs(5)\n",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
        assert!(
            !text.contains("\nrange: ") && !text.contains("\"Yes\""),
            "a word that is not in the table is explained:\n{text}"
        );
    }

    #[test]
    #[ignore = "needs root"]
    fn an_image_leads_to_its_file_and_its_journal() {
        let mut mounts = Mounts::new();
        for (features, journal) in [("has_journal", true), ("^has_journal", false)] {
            let image = mounts.image(&format!("an image {journal}"), 64);
            succeed(words("mkfs.ext4 -q -F -O").arg(features).arg(&image));
            let directory = mounts.add_image(&image);
            let explained = explained(&directory);
            let place = &explained["place"];
            assert_eq!(place["journal"], journal);
            let warned = warnings(&explained).contains(&"ext4 without a journal");
            // The image may itself lie on an ext4 without one.
            let below = &place["devices"][0]["backing"]["journal"];
            assert_eq!(warned, !journal || *below == false, "{explained}");
            let device = &place["devices"][0];
            assert_eq!(device["kind"], "loop");
            assert_eq!(device["write_cache"], "write back");
            assert_eq!(device["backing"]["path"], image.to_str().unwrap());
            let point = findmnt("TARGET", &image);
            assert_eq!(device["backing"]["mount"]["point"], point.as_str());
            assert_eq!(answers(&explained, "fsync"), ["yes", "no", "yes"]);
            // In effect, although nobody gave it.
            let options = place["mount"]["options"].as_array().unwrap();
            assert!(options.contains(&"barrier".into()), "{options:?}");
            succeed(words("mount -o remount,nobarrier").arg(&directory));
            let explained = super::explained(&directory);
            assert_eq!(answers(&explained, "fsync"), ["yes", "no", "no"]);
            assert!(warnings(&explained).contains(&"the mount option nobarrier"));
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn an_image_in_memory_keeps_nothing() {
        let mut mounts = Mounts::new();
        let memory = mounts.add(Kind::Tmpfs, 100);
        let image = memory.join("image");
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        succeed(words("mkfs.ext4 -q -F").arg(&image));
        let directory = mounts.add_image(&image);
        let explained = explained(&directory);
        assert_eq!(answers(&explained, "fsync"), ["no", "no", "no"]);
        assert_eq!(warnings(&explained), ["it is tmpfs"]);
    }

    #[test]
    #[ignore = "needs root"]
    fn a_btrfs_has_all_of_its_devices() {
        let mut mounts = Mounts::new();
        let devices = ["one", "two"].map(|name| LoopDevice::new(&mounts.image(name, 256)));
        let paths = devices.each_ref().map(|device| &device.path);
        succeed(words("mkfs.btrfs -q -f -K -d raid1 -m raid1").args(paths));
        succeed(words("btrfs device scan").args(paths));
        let mut mount = words("mount -o nobarrier");
        mount.arg(paths[0]);
        let directory = mounts.mount(mount);
        let explained = explained(&directory);
        let found = explained["place"]["devices"].as_array().unwrap().iter();
        let mut found: Vec<_> =
            found.map(|one| format!("/dev/{}", one["name"].as_str().unwrap())).collect();
        found.sort();
        let mut expected = paths.map(|path| path.to_str().unwrap().to_owned());
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(answers(&explained, "fsync"), ["yes", "no", "no"]);
        succeed(words("umount").arg(&directory));
        succeed(words("btrfs device scan --forget").args(paths));
    }

    #[test]
    #[ignore = "needs root"]
    fn an_overlay_keeps_what_its_upper_directory_does_unless_it_is_volatile() {
        let mut mounts = Mounts::new();
        let directory = mounts.add(Kind::Ext4, 64);
        for name in ["lower", "upper", "work"] {
            std::fs::create_dir(directory.join(name)).unwrap();
        }
        let part = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            part("lower"),
            part("upper"),
            part("work")
        );
        for (volatile, expected) in [("", ["yes", "no", "yes"]), (",volatile", ["no", "no", "no"])]
        {
            let mut command = words("mount -t overlay overlay -o");
            command.arg(format!("{options}{volatile}"));
            let overlay = mounts.mount(command);
            let explained = explained(&overlay);
            assert_eq!(explained["place"]["below"]["path"], part("upper").as_str());
            assert_eq!(explained["place"]["below"]["devices"][0]["kind"], "loop");
            assert_eq!(answers(&explained, "fsync"), expected, "{volatile}");
            succeed(words("umount").arg(&overlay));
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn an_xfs_has_the_device_of_its_log() {
        let mut mounts = Mounts::new();
        let data = LoopDevice::new(&mounts.image("data", 300));
        let log = LoopDevice::new(&mounts.image("log", 100));
        let path = log.path.to_str().unwrap();
        succeed(words("mkfs.xfs -q -f -K -l").arg(format!("logdev={path}")).arg(&data.path));
        let mut mount = words("mount -o");
        mount.arg(format!("logdev={path}")).arg(&data.path);
        let directory = mounts.mount(mount);
        let explained = explained(&directory);
        let found = explained["place"]["devices"].as_array().unwrap().iter();
        let found: Vec<_> = found.map(|one| one["name"].as_str().unwrap()).collect();
        let name =
            |device: &LoopDevice| device.path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(found, [name(&data), name(&log)]);
        // Before the devices go.
        drop(mounts);
    }
}
