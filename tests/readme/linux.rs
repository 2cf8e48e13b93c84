//! The commands as a shell runs them.

use super::*;

/// Whether a command mounts simulated disks, which needs root.
fn is_for_root(line: &str) -> bool {
    ["mycp-crash explore", "mycp-crash replay"].iter().any(|words| line.contains(words))
}

/// Runs a line of the README in a directory.
fn run_by_shell(line: &str, directory: &Path) {
    let program = Path::new(env!("CARGO_BIN_EXE_mycp")).parent().unwrap();
    // What has no end is given one.
    let is_endless = line.contains("--watch") || line.contains("mycp-crash replay");
    let (timeout, expected) = if is_endless { ("3", Some(124)) } else { ("300", Some(0)) };
    let output = Command::new("timeout")
        .args([timeout, "sh", "-ec", line])
        .current_dir(directory)
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", program.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), expected, "{line}: {errors}");
}

/// Removes the segments of the README, which a test that failed may have left.
fn remove_segments() {
    for name in ["shm:/mycp-counters", "shm:/mycp-photograph"] {
        drop(mycp::shm::remove(&name.parse().unwrap()));
    }
}

#[test]
fn every_command_of_the_readme_works() {
    let readme = readme();
    let sandbox = place();
    let photograph = sandbox.read("photograph.png");

    remove_segments();
    let all = commands(&readme, "sh").into_iter();
    let ours: Vec<_> =
        all.filter(|line| !line.starts_with("cargo ") && !is_for_root(line)).collect();
    assert!(ours.len() > 15, "only {} commands were found", ours.len());
    ours.iter().for_each(|line| run_by_shell(line, sandbox.root()));
    assert_eq!(sandbox.read("copy.png"), photograph);
    assert_eq!(sandbox.read("counters.saved"), vec![0; 64 << 10]);
    assert_eq!(sandbox.read("copy.png~").len(), photograph.len());
    assert_eq!(sandbox.read("album/notes.txt"), b"notes\n");
    assert_eq!(sandbox.read("again.txt"), b"text\n");
    assert_eq!(sandbox.read("archive/notes.txt"), b"notes\n");
    assert_eq!(sandbox.read("below/album/notes.txt"), b"notes\n");

    let manifest = String::from_utf8(sandbox.read("album.b3")).unwrap();
    let expected = format!(
        "{}  album/photograph.png\n{}  album/notes.txt\n",
        blake3::hash(&photograph),
        blake3::hash(b"notes\n")
    );
    assert_eq!(manifest, expected);
}

#[test]
#[ignore = "needs root, loop devices and FUSE"]
fn every_command_of_the_readme_for_root_works() {
    let readme = readme();
    let sandbox = Sandbox::new();
    let ours: Vec<_> =
        commands(&readme, "sh").into_iter().filter(|line| is_for_root(line)).collect();
    assert!(ours.len() > 3, "only {} commands were found", ours.len());
    ours.iter().for_each(|line| run_by_shell(line, sandbox.root()));
    assert!(sandbox.path("report/report.txt").exists());
}
