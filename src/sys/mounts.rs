//! What is mounted where.

use std::path::Path;

use super::names;

/// What is mounted on a directory and below it, as lines that differ when the mounts do; none where
/// that cannot be told.
pub(crate) fn mounts_below(directory: &Path) -> Vec<String> {
    let Ok(directory) = names::canonical(directory) else { return Vec::new() };
    // A name may be anything.
    let lines = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    mounts_in(&String::from_utf8_lossy(&lines), &directory)
}

/// The same, of the lines of proc_pid_mountinfo(5), in which white space and backslashes of names
/// are octal.
fn mounts_in(lines: &str, directory: &Path) -> Vec<String> {
    let mut escaped = String::new();
    for c in directory.to_string_lossy().trim_end_matches('/').chars() {
        match c {
            ' ' | '\t' | '\n' | '\\' => escaped += &format!("\\{:03o}", u32::from(c)),
            c => escaped.push(c),
        }
    }
    let is_below = |line: &&str| {
        let rest = line.split(' ').nth(4).and_then(|point| point.strip_prefix(&escaped));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    lines.lines().filter(is_below).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_directory_are_found_and_no_others() {
        let lines = "24 1 254:0 / / rw - ext4 /dev/root rw\n\
                     31 24 0:41 / /a\\040b rw - tmpfs tmpfs rw\n\
                     32 24 0:41 / /a\\040b/c rw - tmpfs tmpfs rw\n\
                     33 24 0:41 / /a\\040bc rw - tmpfs tmpfs rw\n";
        let numbers = |directory| {
            let found = mounts_in(lines, Path::new(directory));
            found.iter().map(|line| line[..2].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(numbers("/a b"), ["31", "32"]);
        assert_eq!(numbers("/"), ["24", "31", "32", "33"]);
        assert!(numbers("/x").is_empty());
    }
}
