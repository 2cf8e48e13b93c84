//! Files as tests look at them, by the same words on each system.

#[cfg(target_os = "linux")]
pub(crate) use super::everything::stamp;
#[cfg(unix)]
pub(crate) use super::unix::{
    FileExt, Id, allocated, allow_holes, bytes_in_pipe, chmod, data_ranges, id, links, mode,
    set_times, symlink, was_killed,
};
#[cfg(windows)]
pub(crate) use super::windows::{
    FileExt, Id, allocated, allow_holes, bytes_in_pipe, chmod, data_ranges, id, links, mode,
    set_times, stamp, symlink, was_killed,
};

/// What a program said, as it says it on Unix: with slashes, and the words of Linux for errors.
pub(crate) fn as_on_unix(said: &str) -> String {
    if !cfg!(windows) {
        return said.to_owned();
    }
    said.lines().map(|line| line_as_on_unix(line) + "\n").collect()
}

fn line_as_on_unix(line: &str) -> String {
    /// Numbers of Windows, and what stands for them.
    const WORDS: [(&str, &str, &str); 5] = [
        ("2", "No such file or directory", "2"),
        ("3", "No such file or directory", "2"),
        ("80", "File exists", "17"),
        ("183", "File exists", "17"),
        ("267", "Not a directory", "20"),
    ];
    // In JSON it is escaped.
    let mut line = line.replace(r"\\", "/").replace('\\', "/").replace("/\"", "\\\"");
    for (number, words, on_linux) in WORDS {
        let end = format!(" (os error {number})");
        if let Some(at) = line.find(&end) {
            let begin = line[..at].rfind([':', '"']).map_or(0, |begin| begin + 1);
            let space = if line[begin..].starts_with(' ') { " " } else { "" };
            let rest = line[at + end.len()..].to_owned();
            let rest = rest.replace(
                &format!("\"os_error\":{number}}}"),
                &format!("\"os_error\":{on_linux}}}"),
            );
            line = format!("{}{space}{words} (os error {on_linux}){rest}", &line[..begin]);
            break;
        }
    }
    line
}
