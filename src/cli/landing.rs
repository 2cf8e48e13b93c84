//! Where things land: the rules by which cp makes pairs of its operands.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::args::Args;
use super::request::Refusal;
use crate::options::{Endpoint, Quoted};
use crate::sys::file::{Follow, Kind, facts_of_path};

/// One thing to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) source: Endpoint,
    pub(super) target: Endpoint,
}

/// Knows which names lead to directories.
pub(super) trait Directories {
    /// Whether `path` leads to a directory; nothing of that name is an error.
    fn is_directory(&self, path: &Path) -> io::Result<bool>;
}

/// The file system, at this moment; whatever is done later asks again, by handle.
pub(super) struct FileSystem;

impl Directories for FileSystem {
    fn is_directory(&self, path: &Path) -> io::Result<bool> {
        let facts = facts_of_path(path, Follow::Yes)?.ok_or(rustix::io::Errno::NOENT)?;
        Ok(facts.kind == Kind::Directory)
    }
}

/// The pairs that the operands of `args` make.
pub(super) fn jobs(args: &Args, directories: &dyn Directories) -> Result<Vec<Job>, Refusal> {
    let named = named_directory(args, directories)?;
    let operands = args.operands.as_slice();
    match (operands, &named) {
        ([], _) => return Err(Refusal::usage("missing file operand")),
        ([only], None) => {
            let only = Quoted(only.as_ref());
            return Err(Refusal::Usage(format!("missing target operand after {only}")));
        }
        _ => {}
    }
    if let Some(directory) = named {
        return into_directory(args, operands, &directory);
    }
    if args.no_target_directory {
        return match operands {
            [source, target] => Ok(vec![one(args, source, target, directories)?]),
            _ => {
                let extra = operands.get(2).map(PathBuf::from).unwrap_or_default();
                Err(Refusal::Usage(format!("extra operand {}", Quoted(&extra))))
            }
        };
    }
    let Some((last, sources)) = operands.split_last() else {
        return Err(Refusal::usage("missing file operand"));
    };
    match (is_directory_operand(last, directories), sources) {
        (Ok(()), _) => into_directory(args, sources, Path::new(last)),
        (Err(_), [source]) => Ok(vec![one(args, source, last, directories)?]),
        (Err(error), _) => {
            Err(Refusal::Operand(format!("target {}: {error}", Quoted(last.as_ref()))))
        }
    }
}

/// The directory of `-t`, if it was given.
fn named_directory(args: &Args, directories: &dyn Directories) -> Result<Option<PathBuf>, Refusal> {
    let directory = match args.target_directory.as_slice() {
        [] => return Ok(None),
        [directory] => directory,
        _ => return Err(Refusal::usage("multiple target directories specified")),
    };
    if args.no_target_directory {
        return Err(Refusal::usage(
            "cannot combine --target-directory (-t) and --no-target-directory (-T)",
        ));
    }
    // A bad directory is told after a missing operand, as cp does.
    if args.operands.is_empty() {
        return Err(Refusal::usage("missing file operand"));
    }
    match is_directory_operand(directory.as_os_str(), directories) {
        Ok(()) => Ok(Some(directory.clone())),
        Err(error) => {
            Err(Refusal::Operand(format!("target directory {}: {error}", Quoted(directory))))
        }
    }
}

/// Says in an error why `operand` is no directory.
fn is_directory_operand(
    operand: &std::ffi::OsStr,
    directories: &dyn Directories,
) -> io::Result<()> {
    // `-` is standard output, whatever the working directory has of that name.
    match operand != "-" && directories.is_directory(Path::new(operand))? {
        true => Ok(()),
        false => Err(rustix::io::Errno::NOTDIR.into()),
    }
}

fn into_directory(
    args: &Args,
    sources: &[OsString],
    directory: &Path,
) -> Result<Vec<Job>, Refusal> {
    sources
        .iter()
        .map(|source| {
            let Endpoint::File(source) = source_endpoint(args, source) else {
                return Err(Refusal::usage(
                    "standard input has no name to be copied under: name the target file",
                ));
            };
            // What ends in `..` has no name of its own; its content would land in the directory.
            let target = match source.file_name() {
                Some(name) => directory.join(name),
                None => directory.to_path_buf(),
            };
            Ok(Job { source: source.into(), target: target.into() })
        })
        .collect()
}

fn one(
    args: &Args,
    source: &OsString,
    target: &OsString,
    directories: &dyn Directories,
) -> Result<Job, Refusal> {
    let path = Path::new(target);
    if names_directory(path) && !matches!(directories.is_directory(path), Ok(true)) {
        // Path::file_name() forgets the slash, so it has to be honoured here.
        let error = io::Error::from(rustix::io::Errno::NOTDIR);
        return Err(Refusal::Operand(format!("cannot create {}: {error}", Quoted(path))));
    }
    let target = if target == "-" { Endpoint::Standard } else { path.into() };
    Ok(Job { source: source_endpoint(args, source), target })
}

fn source_endpoint(args: &Args, operand: &OsString) -> Endpoint {
    let path = Path::new(operand);
    match () {
        () if operand == "-" => Endpoint::Standard,
        () if args.strip_trailing_slashes => Endpoint::File(without_slashes(path).to_path_buf()),
        () => path.into(),
    }
}

/// Whether `path` can only be the name of a directory: it ends in a slash, `.` or `..`.
fn names_directory(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let last = text.rsplit(|byte| std::path::is_separator(char::from(*byte))).next();
    // Nothing at all is not a name of a directory, but no name.
    !text.is_empty() && matches!(last, Some(b"" | b"." | b".."))
}

/// `path` without slashes at its end.
fn without_slashes(path: &Path) -> &Path {
    let stripped = path.components().as_path();
    // as_path() takes a `/.` from the end, too; that is a directory either way.
    let dots = path.as_os_str().len() - stripped.as_os_str().len();
    let text = path.as_os_str().as_encoded_bytes();
    let end = text.get(text.len() - dots..).unwrap_or_default();
    if end.iter().all(|byte| std::path::is_separator(char::from(*byte))) { stripped } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world with the directories `d` and `e`, the file `f`, and nothing else.
    struct Small;

    impl Directories for Small {
        fn is_directory(&self, path: &Path) -> io::Result<bool> {
            match path.to_str() {
                Some("d" | "d/" | "e" | "d/." | "..") => Ok(true),
                Some("f" | "-") => Ok(false),
                Some("f/" | "f/.") => Err(rustix::io::Errno::NOTDIR.into()),
                _ => Err(rustix::io::Errno::NOENT.into()),
            }
        }
    }

    fn landed(words: &[&str]) -> String {
        let line = ["mycp"].iter().chain(words).map(OsString::from);
        match jobs(&Args::read(line).unwrap(), &Small) {
            Ok(jobs) => {
                let pairs = jobs.iter().map(|job| format!("{} -> {}", job.source, job.target));
                pairs.collect::<Vec<_>>().join(", ")
            }
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn two_operands_are_a_pair_unless_the_second_is_a_directory() {
        assert_eq!(landed(&["f", "g"]), "'f' -> 'g'");
        assert_eq!(landed(&["x/f", "d"]), "'x/f' -> 'd/f'");
        assert_eq!(landed(&["x/f", "d/"]), "'x/f' -> 'd/f'");
        assert_eq!(landed(&["-T", "x/f", "d"]), "'x/f' -> 'd'");
    }

    #[test]
    fn several_sources_need_a_directory() {
        assert_eq!(landed(&["f", "x/g", "d"]), "'f' -> 'd/f', 'x/g' -> 'd/g'");
        assert_eq!(landed(&["-t", "d", "f"]), "'f' -> 'd/f'");
        assert_eq!(landed(&["f", "-t", "d", "e"]), "'f' -> 'd/f', 'e' -> 'd/e'");
        assert_eq!(landed(&["f", "g", "f"]), "target 'f': Not a directory (os error 20)");
        assert_eq!(landed(&["f", "g", "x"]), "target 'x': No such file or directory (os error 2)");
        assert_eq!(
            landed(&["-t", "x", "f"]),
            "target directory 'x': No such file or directory (os error 2)"
        );
        assert_eq!(landed(&["f", "g", "-"]), "target '-': Not a directory (os error 20)");
        assert_eq!(landed(&["-T", "f", "g", "h"]), "extra operand 'h'");
    }

    #[test]
    fn a_name_that_ends_in_a_slash_or_dots_must_be_a_directory() {
        for target in ["x/", "f/", "x/.", "f/.", "x/.."] {
            let message = format!("cannot create '{target}': Not a directory (os error 20)");
            assert_eq!(landed(&["f", target]), message);
        }
        assert_eq!(landed(&["f", "d/."]), "'f' -> 'd/./f'");
        assert_eq!(landed(&["f", ".."]), "'f' -> '../f'");
        assert_eq!(landed(&["-T", "f", "d/"]), "'f' -> 'd/'");
    }

    #[test]
    fn sources_keep_their_slashes_unless_told() {
        assert_eq!(landed(&["f/", "d"]), "'f/' -> 'd/f'");
        assert_eq!(landed(&["--strip", "f//", "d"]), "'f' -> 'd/f'");
        assert_eq!(landed(&["--strip", "/", "d"]), "'/' -> 'd'");
        assert_eq!(landed(&["--strip", "f/./", "d"]), "'f/./' -> 'd/f'");
        assert_eq!(landed(&["x/..", "d"]), "'x/..' -> 'd'");
    }

    #[test]
    fn a_dash_is_a_stream_and_has_no_name() {
        assert_eq!(landed(&["-", "g"]), "'-' -> 'g'");
        assert_eq!(landed(&["f", "-"]), "'f' -> '-'");
        assert_eq!(landed(&["-", "-"]), "'-' -> '-'");
        assert_eq!(landed(&["./-", "g"]), "'./-' -> 'g'");
        assert!(landed(&["-", "d"]).starts_with("standard input has no name"));
        assert!(landed(&["f", "-", "d"]).starts_with("standard input has no name"));
    }
}
