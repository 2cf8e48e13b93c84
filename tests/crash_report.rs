//! `mycp-crash explore`: what its report says.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::documented::assert_documented;
use crate::support::Sandbox;

fn explore(words: &[&OsStr]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mycp-crash"));
    command.args(["explore", "--fs=ext4", "--states=8"]).args(words).output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter().for_each(assert_documented);
    lines
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_report_has_text_json_and_pictures() {
    // The laboratory hides what is there.
    let place = tempfile::tempdir_in("/mnt").unwrap();
    let directory = place.path().join("report");
    let words = ["--workload=msync", "--sync=msync", "--settle=1", "--report"].map(OsStr::new);
    let output = explore(&[&words[..], &[directory.as_os_str()]].concat());
    let printed = text(output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(output.stderr));
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(read("report.txt"), printed);
    for expected in [
        "Of real disks this says nothing.",
        "\n== ext4, mounted with its default options\n",
        "\nmsync        data, size  8 ",
        "\ncrippled: nothing             8 ",
        "\nmsync-async  6 of 6        the same after 1 s\n",
        "\nHOLDS: 8",
    ] {
        assert!(printed.contains(expected), "{expected:?} is not in\n{printed}");
    }
    let lines = lines(&read("report.json"));
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((of("trial"), of("settled"), of("end")), (7 + 3, 3, 1));
    let mode = lines.iter().find(|line| line["name"] == "msync").unwrap();
    assert_eq!(mode["verdict"], "holds");
    assert_eq!(mode["flush_calls"], 6);
    assert!(mode["flush_median_us"].as_f64() > Some(0.0), "{mode}");
    let end = lines.last().unwrap();
    assert_eq!((&end["event"], &end["verdict"]), (&"end".into(), &"holds".into()));
    assert!(end["states"].as_u64() > Some(60), "{end}");
    let settled = |mode: &str| {
        let is_it = |line: &&Value| line["event"] == "settled" && line["mode"] == mode;
        lines.iter().find(is_it).unwrap()
    };
    assert_eq!(settled("none")["lost"], serde_json::json!([6, 6]));
    assert_eq!(settled("msync")["points"].as_array().unwrap().last().unwrap()["pages"][1], "new");
    assert_eq!(settled("none")["points"].as_array().unwrap().last().unwrap()["pages"][1], "old");
    for picture in ["survival-ext4.svg", "pages-ext4.svg", "exposure-ext4.svg"] {
        let picture = read(picture);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    }
    // A recording for each trial, too.
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 5 + 10);
    assert!(Path::new(mode["recording"].as_str().unwrap()).exists(), "{mode}");
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn a_command_that_does_not_flush_gets_a_counterexample() {
    let line = ["--", "cp", "source/medium", "target/new"].map(OsStr::new);
    let output = explore(&line);
    let printed = text(output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}{}", text(output.stderr));
    for expected in [
        "\nVIOLATED  8 ",
        "\ncounterexamples to cp source/medium target/new:\n  done: state ",
        "after the command's end: 'target/new': ",
        "\nVIOLATED: 6",
    ] {
        assert!(printed.contains(expected), "{expected:?} is not in\n{printed}");
    }
    let output = explore(&[&[OsStr::new("--json")], &line[..]].concat());
    let lines = lines(&text(output.stdout));
    let command = lines.iter().find(|line| line["kind"] == "command").unwrap();
    assert_eq!(command["name"], "cp source/medium target/new");
    assert_eq!(command["promises"][4]["promise"], "done");
    assert_eq!(command["promises"][4]["example"]["object"], "target/new");
    assert_eq!(lines.last().unwrap()["verdict"], "violated");
}

#[test]
fn options_of_the_report_that_cannot_be_obeyed_are_refused() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("file", b"");
    let below = file.join("report");
    let below = below.to_str().unwrap();
    let report = sandbox.path("report");
    let report = report.to_str().unwrap();
    for (words, expected) in [
        (&["--settle=1"][..], "--report <DIR>"),
        (&["--settle=0", "--report", report], "whole number from 1 to 3600"),
        (&["--settle=1", "--workload=copy", "--report", report], "--settle is for --workload"),
        (&["--settle=1", "--report", report, "--", "true"], "cannot be used with"),
        (&["--report", below], "cannot make the directory"),
    ] {
        let output = explore(&words.iter().map(OsStr::new).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let errors = text(output.stderr);
        assert!(errors.contains(expected), "{words:?}: {errors}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}
