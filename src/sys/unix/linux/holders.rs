//! Who keeps a file system in use.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::super::names;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its number.
    pub(crate) pid: u32,
    /// Its name, as proc_pid_comm(5) has it.
    pub(crate) name: OsString,
}

/// The processes that have something below a directory open or mapped, or are in it: those that
/// see the mounts which the calling thread sees, but for this one. None that end meanwhile, and
/// none whose files the caller may not see.
///
/// Nothing is asked of a file system, which may not answer.
pub(crate) fn of(directory: &Path) -> Vec<Holder> {
    let Ok(directory) = names::canonical(directory) else { return Vec::new() };
    let Ok(room) = std::fs::read_link("/proc/thread-self/ns/mnt") else { return Vec::new() };
    let shares = |process: &Path| {
        std::fs::read_link(process.join("ns/mnt")).is_ok_and(|namespace| namespace == room)
    };
    let mut holders = Vec::new();
    for process in entries(Path::new("/proc")) {
        let number = process.file_name().and_then(|name| name.to_str()?.parse().ok());
        let Some(pid) = number.filter(|pid| *pid != std::process::id()) else { continue };
        if shares(&process) && links(&process).any(|link| link.starts_with(&directory)) {
            let mut name = std::fs::read(process.join("comm")).unwrap_or_default();
            name.pop_if(|last| *last == b'\n');
            holders.push(Holder { pid, name: OsString::from_vec(name) });
        }
    }
    holders.sort_by_key(|holder| holder.pid);
    holders
}

/// What leads from a process to files.
fn links(process: &Path) -> impl Iterator<Item = PathBuf> {
    let single = ["cwd", "root", "exe"].map(|name| process.join(name));
    let many = ["fd", "map_files"].map(|name| entries(&process.join(name)));
    single.into_iter().chain(many.into_iter().flatten()).filter_map(|link| link.read_link().ok())
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn those_are_found_that_are_in_a_directory_or_have_something_open_there() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), "x").unwrap();
        let run = |line: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", line]).current_dir(place.path()).stdin(Stdio::piped());
            command.spawn().unwrap()
        };
        let mut children =
            [run("exec cat"), run("exec 7<file; cd /; exec cat"), run("cd /; exec cat")];
        let begun = std::time::Instant::now();
        let expected = [&children[0], &children[1]].map(std::process::Child::id);
        let is_so = || {
            let found = of(place.path());
            let numbers: Vec<_> = found.iter().map(|holder| holder.pid).collect();
            numbers == expected && found.iter().all(|holder| holder.name == "cat")
        };
        while !is_so() {
            assert!(begun.elapsed().as_secs() < 20, "{:?}", of(place.path()));
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(of(place.path()), []);
    }
}
