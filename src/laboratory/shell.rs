//! Words of the command lines that are printed for a shell.

use std::path::Path;

use crate::options::Quoted;
use crate::sys::family::Family;

/// A word as a shell takes it. `None` where it cannot be typed as it is printed: what is no UTF-8,
/// and what has characters that move a terminal's cursor or reorder text.
pub(super) fn quoted(word: &Path) -> Option<String> {
    let word = word.to_str()?;
    if !word.chars().all(is_shown) {
        return None;
    }
    // What begins like an option is none behind a directory.
    let begin = if word.starts_with('-') { "./" } else { "" };
    let word = format!("{begin}{word}");
    match Family::running() {
        Family::Linux | Family::Macos => Some(for_unix(word)),
        Family::Windows | Family::Wine => for_windows(word),
    }
}

/// For the shells of Unix.
fn for_unix(word: String) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// For cmd.exe and PowerShell both; `None` for what one of them would replace between quotation
/// marks.
fn for_windows(word: String) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || r"/\._-+:=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Some(word);
    }
    // A backslash would take its meaning from the mark behind it.
    let is_changed = |c: char| "\"%!$`".contains(c);
    let cannot = word.contains(is_changed) || word.ends_with('\\');
    (!cannot).then(|| format!("\"{word}\""))
}

/// Whether a character is printed as itself.
fn is_shown(c: char) -> bool {
    let word = c.to_string();
    matches!(c, '\'' | '\\') || Quoted(Path::new(&word)).to_string() == format!("'{word}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)] // Its shell is asked.
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
        for name in ["a\nb", "\x1b[2J", "a\u{202e}b"] {
            assert_eq!(quoted(Path::new(name)), None, "{name:?}");
        }
        assert_eq!(quoted(Path::new(&crate::sys::samples::not_unicode())), None);
    }

    #[test]
    fn both_shells_of_windows_take_a_word_or_it_is_not_offered() {
        for (name, word) in [
            (r"C:\dir\x", Some(r"C:\dir\x")),
            (r"C:\my dir\x", Some("\"C:\\my dir\\x\"")),
            ("it's", Some("\"it's\"")),
            ("a,b", Some("\"a,b\"")),
            ("", Some("\"\"")),
            (r"my dir\", None),
            ("%PATH%", None),
            ("$(x)", None),
            ("a`b", None),
        ] {
            assert_eq!(for_windows(name.to_owned()).as_deref(), word, "{name}");
        }
    }
}
