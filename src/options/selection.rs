//! Which names of a tree are copied.

use std::ffi::OsStr;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Which names below a directory that is copied are copied with it, as the lines of a `.gitignore`
/// file say (gitignore(5)): a name that the last line that matches it excludes is left out, and a
/// directory with all that is in it.
///
/// Names are taken relative to the directory that is the operand. The operand itself is always
/// copied.
///
/// # Example
///
/// ```
/// use std::path::Path;
///
/// let selection = mycp::Selection::new(["*.o", "!keep.o", "/target/"])?;
/// assert!(!selection.has(Path::new("src/main.o"), false));
/// assert!(selection.has(Path::new("src/keep.o"), false));
/// assert!(!selection.has(Path::new("target"), true));
/// assert!(selection.has(Path::new("src/target"), true));
/// # Ok::<(), mycp::PatternError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Selection {
    lines: Vec<String>,
    matcher: Gitignore,
}

/// A line that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line:?} is no pattern: {why}")]
pub struct PatternError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub why: String,
}

impl Selection {
    /// What these lines leave, of which later ones count more.
    ///
    /// # Errors
    ///
    /// The first line that is no pattern.
    pub fn new<L: Into<String>>(lines: impl IntoIterator<Item = L>) -> Result<Self, PatternError> {
        let lines: Vec<String> = lines.into_iter().map(Into::into).collect();
        let mut builder = GitignoreBuilder::new("");
        for line in &lines {
            as_glob(line)
                .and_then(|glob| builder.add_line(None, &glob).map_err(|error| reason(&error)))
                .map_err(|why| PatternError { line: line.clone(), why })?;
        }
        let matcher = builder.build();
        let matcher = matcher
            .map_err(|error| PatternError { line: lines.join("\n"), why: reason(&error) })?;
        Ok(Self { lines, matcher })
    }

    /// Whether all is copied, since no line says anything else.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.matcher.is_empty()
    }

    /// Whether what has this path, relative to the operand, is copied when the directory that it is
    /// in is.
    #[must_use]
    pub fn has(&self, path: &Path, is_directory: bool) -> bool {
        !self.matcher.matched(path, is_directory).is_ignore()
    }

    /// The same, without a look where all is copied.
    pub(crate) fn has_path(&self, path: &Path, is_directory: bool) -> bool {
        self.is_all() || self.has(path, is_directory)
    }

    /// The same of a name in a directory that has the path `below`; no path is made where all is
    /// copied.
    pub(crate) fn has_in(&self, below: &Path, name: &OsStr, is_directory: bool) -> bool {
        self.is_all() || self.has(&below.join(name), is_directory)
    }
}

/// A line of a `.gitignore` file as the matcher reads it, which knows alternatives in braces, and
/// trims white space of all kinds, where git trims spaces that have no backslash before them: in
/// braces of its own, white space is what it is.
///
/// # Errors
///
/// What the matcher would take for something else: classes of characters by name, and a backslash
/// between brackets.
fn as_glob(line: &str) -> Result<String, String> {
    let mut glob = String::with_capacity(line.len());
    // Without the spaces at its end that nothing keeps.
    let mut kept = 0;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(space) if space.is_whitespace() => glob.extend(['{', space, '}']),
                next => {
                    glob.push(c);
                    glob.extend(next);
                }
            },
            _ if c != ' ' && c.is_whitespace() => glob.extend(['{', c, '}']),
            '{' | '}' => glob.extend(['\\', c]),
            '[' => {
                glob.push(c);
                // Here these are no end, and no class.
                glob.extend(rest.next_if(|next| matches!(next, '!' | '^')));
                glob.extend(rest.next_if_eq(&']'));
                loop {
                    let c = rest.next().ok_or("a bracket is not closed")?;
                    if c == '\\' {
                        return Err("a backslash between brackets is not supported".to_owned());
                    }
                    glob.push(c);
                    if glob.ends_with("[:") {
                        return Err("classes such as [:alpha:] are not supported".to_owned());
                    }
                    if c == ']' {
                        break;
                    }
                }
            }
            _ => glob.push(c),
        }
        if c != ' ' {
            kept = glob.len();
        }
    }
    glob.truncate(kept);
    Ok(glob)
}

/// The innermost cause, without the line, which is told beside it.
fn reason(error: &ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => err.clone(),
        ignore::Error::WithLineNumber { err, .. }
        | ignore::Error::WithPath { err, .. }
        | ignore::Error::WithDepth { err, .. } => reason(err),
        other => other.to_string(),
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self { lines: Vec::new(), matcher: Gitignore::empty() }
    }
}

impl PartialEq for Selection {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Selection {}

#[cfg(test)]
mod tests {
    use super::as_glob;

    #[test]
    fn spaces_at_the_end_count_behind_a_backslash_alone() {
        for (line, glob) in [
            ("a ", "a"),
            (" a b  ", " a b"),
            ("a\\ ", "a{ }"),
            ("a\\  ", "a{ }"),
            ("a\\\\ ", "a\\\\"),
            ("a\t ", "a{\t}"),
            ("  ", ""),
        ] {
            assert_eq!(as_glob(line).as_deref(), Ok(glob), "{line:?}");
        }
    }
}
