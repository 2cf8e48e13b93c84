//! The command line that shows a state.

use std::path::Path;

/// What to type to look into a state of a recording. `None` where a shell cannot be given the name.
pub(super) fn line(recording: &Path, seed: u64, state: u64) -> Option<String> {
    let recording = quoted(recording.to_str()?)?;
    Some(format!("mycp-crash replay --seed {seed} --state {state} --mount /mnt {recording}"))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    match word {
        word if word.contains(char::is_control) => None,
        // What begins like an option is none behind a directory.
        word if word.starts_with('-') => quoted(&format!("./{word}")),
        word if word.chars().all(is_plain) => Some(word.to_owned()),
        word => Some(format!("'{}'", word.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_the_name_as_it_is() {
        let line = |name: &str| super::line(Path::new(name), 3, 17);
        let begin = "mycp-crash replay --seed 3 --state 17 --mount /mnt ";
        for (name, word) in [
            ("dir/ext4-01-copy.recording", "dir/ext4-01-copy.recording"),
            ("my dir/x", "'my dir/x'"),
            ("it's", r"'it'\''s'"),
            ("-x", "./-x"),
        ] {
            assert_eq!(line(name), Some(format!("{begin}{word}")));
        }
        assert_eq!(line("a\nb"), None);
    }
}
