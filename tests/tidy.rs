//! Rules of the source that no other tool checks: floors, `unsafe`, lengths, unused fixtures.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A module imports only from floors below its own.
const FLOORS: [(&str, u32); 31] = [
    ("units", 0),
    ("sync", 0),
    ("options", 0),
    ("error", 1),
    ("report", 1),
    ("program", 1),
    ("sys", 2),
    ("object", 3),
    ("metadata", 3),
    ("window", 3),
    ("mapped", 3),
    ("shm", 3),
    ("lock", 3),
    ("engine", 4),
    ("digest", 3),
    ("delta", 4),
    ("change", 3),
    ("copy", 5),
    ("tree", 6),
    ("crash", 6),
    ("cli", 7),
    ("laboratory", 7),
    ("segments", 7),
    ("main", 8),
    ("bin", 8),
    // What `lib.rs` exports again, under the floor of the module that has it.
    ("Error", 1),
    ("Result", 1),
    ("Cause", 1),
    ("Operation", 1),
    ("Copier", 5),
    ("Observer", 1),
];

const LINE_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;

fn floor(module: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

struct Source {
    path: PathBuf,
    text: String,
}

/// The Rust files below `directory`.
fn sources(directory: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push(Source { path, text });
            }
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(!files.is_empty(), "{directory} has no Rust files");
    files
}

impl Source {
    /// The module below the crate's root that it belongs to: `engine` for `src/engine/mmap.rs`.
    fn module(&self) -> String {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let first = self.path.strip_prefix(from).unwrap().iter().next().unwrap();
        first.to_str().unwrap().trim_end_matches(".rs").to_owned()
    }

    /// The lines with their numbers; comments, strings and the tests at the end left out.
    fn code(&self) -> Vec<(usize, String)> {
        let mut lines = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            // By convention the tests are the last item of a file.
            if line.starts_with("#[cfg(test)]") {
                break;
            }
            lines.push((number + 1, without_strings_and_comments(line)));
        }
        lines
    }
}

fn without_strings_and_comments(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if in_string => drop(characters.next()),
            // A quotation mark as a character is no string.
            '\'' if !in_string && characters.peek() == Some(&'"') => drop(characters.next()),
            '"' => in_string = !in_string,
            '/' if !in_string && characters.peek() == Some(&'/') => break,
            c if !in_string => code.push(c),
            _ => (),
        }
    }
    code
}

/// Whether `text` has `word` between characters that belong to no word.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// The names that follow `crate::`, those of a `use crate::{a, b}` included.
fn imports(code: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // The number of each line is found again by the count of line ends before a place.
    let text: String = code.iter().map(|(_, line)| line.clone() + "\n").collect();
    let line_of = |at: usize| code[text[..at].matches('\n').count()].0;
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let names: Vec<String> = match rest.strip_prefix('{') {
            Some(list) => names_of_list(list),
            None => vec![first_name(rest)],
        };
        found.extend(names.into_iter().map(|name| (line_of(at), name)));
    }
    found
}

fn first_name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first name of each item of a list whose opening brace has been read.
fn names_of_list(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = vec![first_name(list)];
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(first_name(&list[at + 1..])),
            _ => (),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The complaints about one file's imports.
fn floor_complaints(source: &Source) -> String {
    let mut complaints = String::new();
    let module = source.module();
    if module == "lib" {
        return complaints;
    }
    let path = source.path.display();
    let Some(own) = floor(&module) else {
        return format!("{path}: the module {module} has no floor\n");
    };
    for (line, name) in imports(&source.code()) {
        if name == module {
            continue;
        }
        match floor(&name) {
            Some(other) if other < own => (),
            Some(other) => {
                writeln!(complaints, "{path}:{line}: floor {own} imports {name}, floor {other}")
                    .unwrap();
            }
            // An item that `lib.rs` exports again: the module's own path says its floor.
            None => writeln!(complaints, "{path}:{line}: {name} has no floor").unwrap(),
        }
    }
    complaints
}

/// Functions that are too long, by the indentation that rustfmt gives them.
fn long_functions(source: &Source) -> String {
    let mut complaints = String::new();
    let lines: Vec<_> = source.text.lines().collect();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indentation = &line[..line.len() - code.len()];
        let is_one_line = code.ends_with([';', '}']);
        if !has_word(code, "fn") || code.starts_with("//") || is_one_line {
            continue;
        }
        let end = format!("{indentation}}}");
        let Some(length) = lines[start..].iter().position(|line| *line == end) else { continue };
        if length + 1 > FUNCTION_LINES_MAX {
            let path = source.path.display();
            writeln!(complaints, "{path}:{}: a function of {} lines", start + 1, length + 1)
                .unwrap();
        }
    }
    complaints
}

#[test]
fn a_module_imports_only_from_floors_below() {
    let complaints: String = sources("src").iter().map(floor_complaints).collect();
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn unsafe_and_target_os_stay_in_sys() {
    let mut complaints = String::new();
    for source in sources("src").iter().filter(|source| source.module() != "sys") {
        let code_lines = source.code();
        for (at, (line, code)) in code_lines.iter().enumerate() {
            // The two modules that are there on Linux only, as a whole.
            let next = code_lines.get(at + 1).map_or("", |(_, code)| code);
            if code.starts_with("#[cfg") && next.ends_with("mod simulated;") {
                continue;
            }
            for word in ["unsafe", "target_os"] {
                if has_word(code, word) {
                    writeln!(complaints, "{}:{line}: {word}", source.path.display()).unwrap();
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn lines_functions_and_files_are_short() {
    let mut complaints = String::new();
    for source in &sources("src") {
        let count = source.text.lines().count();
        if count > FILE_LINES_MAX {
            writeln!(complaints, "{}: {count} lines", source.path.display()).unwrap();
        }
        complaints += &long_functions(source);
    }
    // A test's table or story may be long; its lines may not.
    for source in sources("src").into_iter().chain(sources("tests")) {
        for (number, line) in source.text.lines().enumerate() {
            let length = line.chars().count();
            if length > LINE_MAX {
                let path = source.path.display();
                writeln!(complaints, "{path}:{}: {length} characters", number + 1).unwrap();
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn every_fixture_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text: String =
        sources("src").into_iter().chain(sources("tests")).map(|source| source.text).collect();
    let mut unused = Vec::new();
    let mut directories = vec![root.join("fixtures")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                directories.push(path);
            } else if name != "README.md" && !text.contains(name) && !text.contains(folder) {
                // A folder that is named is read whole.
                unused.push(path);
            }
        }
    }
    assert!(unused.is_empty(), "no test names {unused:?}");
}

/// The checks find what they are for.
mod the_checks {
    use super::*;

    fn source(module: &str, text: &str) -> Source {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module);
        Source { path, text: text.to_owned() }
    }

    #[test]
    fn an_import_from_above_or_beside_is_found() {
        for text in [
            "use crate::cli::Request;",
            "use crate::engine::Outcome;",
            "use crate::{units::ByteRange, engine::{self, Ladder}};",
            "fn f() { crate::engine::run() }",
            "use crate::{\n    units::ByteRange,\n    copy::Copier,\n};",
            "use crate::unheard_of::Thing;",
        ] {
            assert!(!floor_complaints(&source("digest.rs", text)).is_empty(), "{text}");
        }
        for text in [
            "use crate::units::ByteRange;",
            "use crate::digest::Hash;",
            "// crate::engine is another",
            "pub(crate) fn f() {}",
            "const S: &str = \"crate::cli::X\";",
            "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::copy::Copier;\n}",
        ] {
            assert_eq!(floor_complaints(&source("digest.rs", text)), "", "{text}");
        }
        assert!(!floor_complaints(&source("unheard_of.rs", "")).is_empty());
    }

    #[test]
    fn a_long_function_is_found() {
        let body = "        call();\n".repeat(FUNCTION_LINES_MAX);
        let text = format!("impl X {{\n    fn long() {{\n{body}    }}\n}}\n");
        assert!(!long_functions(&source("copy.rs", &text)).is_empty());
        let text = "fn short() {\n    call();\n}\n".repeat(50);
        assert_eq!(long_functions(&source("copy.rs", &text)), "");
    }

    #[test]
    fn a_word_in_a_string_or_comment_is_no_code() {
        let code = |line| without_strings_and_comments(line);
        assert!(has_word(&code("unsafe { f() }"), "unsafe"));
        assert!(has_word(&code("#[cfg(target_os = \"linux\")]"), "target_os"));
        assert!(!has_word(&code("let text = \"unsafe\"; // unsafe"), "unsafe"));
        assert!(!has_word(&code("unsafe_op()"), "unsafe"));
        assert!(has_word(&code("'\"' => unsafe { f() }"), "unsafe"));
    }
}
