//! Words of the command lines that are printed for a shell.

use std::path::Path;

use crate::options::Quoted;

/// A word as a shell takes it. `None` where it cannot be typed as it is printed: what is no UTF-8,
/// and what has characters that move a terminal's cursor or reorder text.
pub(super) fn quoted(word: &Path) -> Option<String> {
    let word = word.to_str()?;
    if !word.chars().all(is_shown) {
        return None;
    }
    // What begins like an option is none behind a directory.
    let begin = if word.starts_with('-') { "./" } else { "" };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Some(format!("{begin}{word}"));
    }
    Some(format!("'{begin}{}'", word.replace('\'', r"'\''")))
}

/// Whether a character is printed as itself.
fn is_shown(c: char) -> bool {
    let word = c.to_string();
    matches!(c, '\'' | '\\') || Quoted(Path::new(&word)).to_string() == format!("'{word}'")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_shell_takes_the_name_as_it_is() {
        for (name, word) in [
            ("dir/ext4-01-copy.recording", "dir/ext4-01-copy.recording"),
            ("my dir/x", "'my dir/x'"),
            ("it's", r"'it'\''s'"),
            (r"a\b", r"'a\b'"),
            ("$(x)", "'$(x)'"),
            ("grün", "'grün'"),
            ("-x", "./-x"),
            ("-x y", "'./-x y'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(name)).as_deref(), Some(word));
            let echo = ["-c", &format!("printf %s {word}")];
            let said = std::process::Command::new("sh").args(echo).output().unwrap().stdout;
            // The directory that a name like an option has been given is no other.
            let said = String::from_utf8(said).unwrap();
            assert_eq!(said.strip_prefix("./").unwrap_or(&said), name);
        }
        for name in [&b"a\nb"[..], b"a\xff", b"\x1b[2J", "a\u{202e}b".as_bytes()] {
            assert_eq!(quoted(Path::new(OsStr::from_bytes(name))), None, "{name:?}");
        }
    }
}
