//! Who competes: mycp with its engines, and the programs found on PATH.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

/// Copiers that are looked for, in the order of the tables.
pub(crate) const RIVALS: [&str; 9] =
    ["cp", "dd", "rsync", "tar", "xcp", "cpz", "cpx", "fcp", "rclone"];

/// A program that was found, and what it says it is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

/// One word of a command line, the two paths not yet known.
#[derive(Clone, Debug)]
enum Word {
    Text(OsString),
    /// A path behind this prefix and before this suffix.
    Path(Operand, String, String),
}

/// Which path a word takes.
#[derive(Clone, Copy, Debug)]
enum Operand {
    Source,
    Target,
    /// The directory that the target is to be made in.
    Into,
}

/// What stands for them in templates.
const OPERANDS: [(&str, Operand); 3] =
    [("SOURCE", Operand::Source), ("TARGET", Operand::Target), ("INTO", Operand::Into)];

impl Word {
    fn of_template(word: &str) -> Self {
        OPERANDS
            .iter()
            .find_map(|(name, operand)| {
                let (prefix, suffix) = word.split_once(name)?;
                Some(Self::Path(*operand, prefix.to_owned(), suffix.to_owned()))
            })
            .unwrap_or_else(|| Self::Text(word.into()))
    }

    fn path(operand: Operand) -> Self {
        Self::Path(operand, String::new(), String::new())
    }
}

/// A command line that takes part, and the name it goes by in the tables.
#[derive(Clone, Debug)]
pub(crate) struct Competitor {
    pub(crate) name: String,
    /// A run of mycp that fails is this project's failure; a rival's is not.
    pub(crate) is_mycp: bool,
    words: Vec<Word>,
}

impl Competitor {
    /// The program and its arguments for one copy.
    pub(crate) fn command(&self, source: &Path, target: &Path) -> Vec<OsString> {
        self.words
            .iter()
            .map(|word| match word {
                Word::Text(text) => text.clone(),
                Word::Path(operand, prefix, suffix) => {
                    let path = match operand {
                        Operand::Source => source,
                        Operand::Target => target,
                        Operand::Into => target.parent().unwrap_or(target),
                    };
                    let mut word = OsString::from(prefix);
                    word.push(path);
                    word.push(suffix);
                    word
                }
            })
            .collect()
    }
}

/// The programs at hand.
#[derive(Debug)]
pub(crate) struct Cast {
    mycp: PathBuf,
    shell: Option<PathBuf>,
    pub(crate) programs: Vec<Program>,
    /// Rivals that were asked for and are not on PATH.
    pub(crate) missing: Vec<String>,
}

impl Cast {
    /// Looks for the rivals, only those `wanted` if any are named; cp always.
    pub(crate) fn look(mycp: &Path, wanted: Option<&[String]>, search_path: &OsStr) -> Self {
        let mut cast = Self {
            mycp: mycp.to_owned(),
            shell: find("sh", search_path),
            programs: vec![Program {
                name: "mycp".to_owned(),
                path: mycp.to_owned(),
                version: version(mycp),
            }],
            missing: Vec::new(),
        };
        let known = RIVALS.iter().map(|name| (*name).to_owned());
        let unknown = wanted.unwrap_or_default().iter();
        let unknown = unknown.filter(|name| !RIVALS.contains(&name.as_str()));
        cast.missing.extend(unknown.map(|name| format!("{name} (not one that is known)")));
        for name in known {
            if name != "cp" && wanted.is_some_and(|wanted| !wanted.contains(&name)) {
                continue;
            }
            match find(&name, search_path) {
                Some(path) => {
                    let version = version(&path);
                    cast.programs.push(Program { name, path, version });
                }
                None => cast.missing.push(name),
            }
        }
        cast
    }

    /// mycp with these options, as its name.
    pub(crate) fn mycp(&self, options: &str) -> Competitor {
        let mut words = vec![Word::Text(self.mycp.clone().into_os_string())];
        words.extend(options.split_whitespace().map(|word| Word::Text(word.into())));
        words.extend([Word::path(Operand::Source), Word::path(Operand::Target)]);
        let name = format!("mycp {options}").trim_end().to_owned();
        Competitor { name, is_mycp: true, words }
    }

    /// `program` as `name`, with the arguments of `template`, in which SOURCE, TARGET and INTO, the
    /// target's directory, stand for paths; `None` when it is not at hand.
    pub(crate) fn rival(&self, program: &str, name: &str, template: &str) -> Option<Competitor> {
        let path = self.path_of(program)?.clone().into_os_string();
        let mut words = vec![Word::Text(path)];
        words.extend(template.split_whitespace().map(Word::of_template));
        Some(Competitor { name: name.to_owned(), is_mycp: false, words })
    }

    /// `script` of the shell as `name`, with the source as `$1` and the target as `$2`; `None`
    /// when one of the programs that it `needs` is not at hand.
    pub(crate) fn script(&self, needs: &[&str], name: &str, script: &str) -> Option<Competitor> {
        needs.iter().try_for_each(|program| self.path_of(program).map(|_| ()))?;
        let mut words = vec![Word::Text(self.shell.clone()?.into_os_string())];
        words.extend(["-c", script, "sh"].map(|word| Word::Text(word.into())));
        words.extend([Word::path(Operand::Source), Word::path(Operand::Target)]);
        Some(Competitor { name: name.to_owned(), is_mycp: false, words })
    }

    /// mycp with these options as `name`, once for each of the `parts` of the source, one after the
    /// other; the time of a shell and a mkdir, some milliseconds, counts as theirs.
    pub(crate) fn mycp_apart(
        &self,
        name: &str,
        options: &str,
        parts: [&str; 2],
    ) -> Option<Competitor> {
        let copies = parts.map(|part| format!(r#""$0" {options} "$1/{part}" "$2/{part}""#));
        self.script_of_mycp(name, &format!(r#"mkdir "$2" && {}"#, copies.join(" && ")))
    }

    /// A `script` of the shell with mycp as `$0`, the source as `$1`, and the target as `$2`.
    pub(crate) fn script_of_mycp(&self, name: &str, script: &str) -> Option<Competitor> {
        let competitor = self.script_with(name, script, self.mycp.clone())?;
        Some(Competitor { is_mycp: true, ..competitor })
    }

    /// The same with this benchmark as `$0`.
    pub(crate) fn own_script(&self, name: &str, script: &str) -> Option<Competitor> {
        self.script_with(name, script, std::env::current_exe().ok()?)
    }

    fn script_with(&self, name: &str, script: &str, program: PathBuf) -> Option<Competitor> {
        let mut words = vec![Word::Text(self.shell.clone()?.into_os_string())];
        words.extend(["-c", script].map(|word| Word::Text(word.into())));
        words.push(Word::Text(program.into_os_string()));
        words.extend([Word::path(Operand::Source), Word::path(Operand::Target)]);
        Some(Competitor { name: name.to_owned(), is_mycp: false, words })
    }

    fn path_of(&self, program: &str) -> Option<&PathBuf> {
        self.programs.iter().find(|one| one.name == program).map(|one| &one.path)
    }
}

/// The path that executing `name` would run.
///
/// Looked up once, so that no competitor pays for a longer walk along PATH.
fn find(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search_path).map(|directory| directory.join(name)).find(|path| {
        let facts = File::open(path).and_then(|file| file.metadata());
        facts.is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    })
}

/// The first line that names a version, on either output: fcp writes it to standard error.
fn version(program: &Path) -> String {
    let answer = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let text = answer.map(|answer| [answer.stdout, answer.stderr].concat()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| line.contains('.') && line.contains(char::is_numeric));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}
