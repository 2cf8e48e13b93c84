//! Where things land: the rules by which cp makes pairs of its operands.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf, is_separator};

use super::args::Args;
use super::request::Refusal;
use crate::options::{CopyOptions, Directories, Endpoint, Quoted, SegmentName};
use crate::sys::Errno;
use crate::sys::file::Kind;
use crate::sys::names::{Follow, facts_of_path};
use crate::tree::Operand;

/// Knows what names lead to.
pub(super) trait Kinds {
    /// What kind of thing `path` is; nothing of that name is an error.
    fn kind(&self, path: &Path, follow: Follow) -> io::Result<Kind>;
}

/// The file system, at this moment; whatever is done later asks again, by handle.
pub(super) struct FileSystem;

impl Kinds for FileSystem {
    fn kind(&self, path: &Path, follow: Follow) -> io::Result<Kind> {
        let facts = facts_of_path(path, follow)?.ok_or(Errno::NOENT)?;
        Ok(facts.kind)
    }
}

/// The pairs that the words of `args` make.
pub(super) fn operands(
    args: &Args,
    options: &CopyOptions,
    kinds: &dyn Kinds,
) -> Result<Vec<Operand>, Refusal> {
    let named = named_directory(args, kinds)?;
    let words = args.operands.as_slice();
    match (words, &named) {
        ([], _) => return Err(Refusal::usage("missing file operand")),
        ([only], None) => {
            let only = Quoted(only.as_ref());
            return Err(Refusal::Usage(format!("missing target operand after {only}")));
        }
        _ => {}
    }
    if let Some(directory) = named {
        return into_directory(args, words, &directory);
    }
    if args.no_target_directory {
        return match words {
            [source, target] => Ok(vec![one(args, options, [source, target], kinds)?]),
            _ => {
                let extra = words.get(2).map(PathBuf::from).unwrap_or_default();
                Err(Refusal::Usage(format!("extra operand {}", Quoted(&extra))))
            }
        };
    }
    let Some((last, sources)) = words.split_last() else {
        return Err(Refusal::usage("missing file operand"));
    };
    match (must_be_directory(last, kinds), sources) {
        (Ok(()), _) => into_directory(args, sources, Path::new(last)),
        (Err(_), [source]) => Ok(vec![one(args, options, [source, last], kinds)?]),
        (Err(error), _) => {
            Err(Refusal::Operand(format!("target {}: {error}", Quoted(last.as_ref()))))
        }
    }
}

/// The directory of `-t`, if it was given.
fn named_directory(args: &Args, kinds: &dyn Kinds) -> Result<Option<PathBuf>, Refusal> {
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
    match must_be_directory(directory.as_os_str(), kinds) {
        Ok(()) => Ok(Some(directory.clone())),
        Err(error) => {
            Err(Refusal::Operand(format!("target directory {}: {error}", Quoted(directory))))
        }
    }
}

/// Says in an error why `word` is no directory.
fn must_be_directory(word: &OsStr, kinds: &dyn Kinds) -> io::Result<()> {
    // `-` is standard output, whatever the working directory has of that name.
    let is_path = word != "-" && !SegmentName::is_meant(word);
    match is_path && kinds.kind(Path::new(word), Follow::Yes)? == Kind::Directory {
        true => Ok(()),
        false => Err(Errno::NOTDIR.into()),
    }
}

fn into_directory(
    args: &Args,
    sources: &[OsString],
    directory: &Path,
) -> Result<Vec<Operand>, Refusal> {
    sources
        .iter()
        .map(|source| {
            let source = match source_endpoint(args, source)? {
                Endpoint::File(source) => source,
                Endpoint::Standard => {
                    return Err(Refusal::usage(
                        "standard input has no name to be copied under: name the target file",
                    ));
                }
                Endpoint::Segment(_) => {
                    return Err(Refusal::usage(
                        "a segment has no name to be copied under: name the target file",
                    ));
                }
            };
            let (name, parents_below) = match args.parents {
                true => (whole_name(&source), Some(directory.to_path_buf())),
                false => (own_name(&source).to_path_buf(), None),
            };
            // Joined with nothing, it would get a slash.
            let target = match name.as_os_str().is_empty() {
                true => directory.to_path_buf(),
                false => directory.join(name),
            };
            Ok(Operand { source: Endpoint::File(source), target: target.into(), parents_below })
        })
        .collect()
}

fn one(
    args: &Args,
    options: &CopyOptions,
    [source, target]: [&OsString; 2],
    kinds: &dyn Kinds,
) -> Result<Operand, Refusal> {
    if args.parents {
        return Err(Refusal::usage("with --parents, the destination must be a directory"));
    }
    let source = source_endpoint(args, source)?;
    if let Some(segment) = segment(target)? {
        return Ok(Operand { source, target: segment, parents_below: None });
    }
    let path = Path::new(target);
    if names_directory(path) && !can_be_directory(path, &source, options, kinds) {
        // Path::file_name() forgets the slash, so it has to be honoured here.
        let error = io::Error::from(Errno::NOTDIR);
        return Err(Refusal::Operand(format!("cannot create {}: {error}", Quoted(path))));
    }
    let target = if target == "-" { Endpoint::Standard } else { path.into() };
    Ok(Operand { source, target, parents_below: None })
}

/// Whether `target`, which can only be the name of a directory, is one or will be one.
fn can_be_directory(
    target: &Path,
    source: &Endpoint,
    options: &CopyOptions,
    kinds: &dyn Kinds,
) -> bool {
    match kinds.kind(target, Follow::Yes) {
        Ok(kind) => kind == Kind::Directory,
        // mkdir(2) takes a name that ends in slashes, but none that ends in `.` or `..`.
        Err(error) => {
            error.kind() == io::ErrorKind::NotFound
                && last_part(target).is_empty()
                && options.directories == Directories::Copied
                && source.path().is_some_and(|source| {
                    let kind = kinds.kind(source, Follow::of_operands(options.dereference));
                    matches!(kind, Ok(Kind::Directory))
                })
        }
    }
}

/// The segment that a word names, if it is spelled so; a file of such a name is `./shm:...`.
fn segment(word: &OsStr) -> Result<Option<Endpoint>, Refusal> {
    if !SegmentName::is_meant(word) {
        return Ok(None);
    }
    match SegmentName::new(word) {
        Ok(name) => Ok(Some(Endpoint::Segment(name))),
        Err(error) => Err(Refusal::Operand(error.to_string())),
    }
}

fn source_endpoint(args: &Args, word: &OsString) -> Result<Endpoint, Refusal> {
    if let Some(segment) = segment(word)? {
        return Ok(segment);
    }
    let path = Path::new(word);
    Ok(match () {
        () if word == "-" => Endpoint::Standard,
        () if args.strip_trailing_slashes => without_slashes(path).into(),
        () => path.into(),
    })
}

/// Whether `path` can only be the name of a directory: it ends in a slash, `.` or `..`.
fn names_directory(path: &Path) -> bool {
    // Nothing at all is not a name of a directory, but no name.
    !path.as_os_str().is_empty() && matches!(last_part(path), b"" | b"." | b"..")
}

/// What follows the last slash.
fn last_part(path: &Path) -> &[u8] {
    let text = path.as_os_str().as_encoded_bytes();
    text.rsplit(|byte| is_separator(char::from(*byte))).next().unwrap_or_default()
}

/// The name that a copy of `source` gets in a directory. What ends in `.` or `..` has none: what is
/// in it goes into the directory itself, as with cp, which does not climb to `DIRECTORY/..`.
fn own_name(source: &Path) -> &Path {
    let text = source.as_os_str().as_encoded_bytes();
    let mut parts = text.rsplit(|byte| is_separator(char::from(*byte)));
    match parts.find(|part| !part.is_empty()) {
        Some(b"." | b"..") => Path::new("."),
        _ => source.file_name().map(Path::new).unwrap_or(Path::new("")),
    }
}

/// The name that a copy of `source` gets below a directory with `--parents`.
fn whole_name(source: &Path) -> PathBuf {
    let parts = source.components();
    parts.filter(|part| !matches!(part, Component::RootDir | Component::Prefix(_))).collect()
}

/// `path` without slashes at its end.
fn without_slashes(path: &Path) -> &Path {
    let stripped = path.components().as_path();
    // as_path() takes a `/.` from the end, too; that is a directory either way.
    let dots = path.as_os_str().len() - stripped.as_os_str().len();
    let text = path.as_os_str().as_encoded_bytes();
    let end = text.get(text.len() - dots..).unwrap_or_default();
    if end.iter().all(|byte| is_separator(char::from(*byte))) { stripped } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world with the directories `d` and `e`, the file `f`, the link `l` to `d`, and nothing
    /// else.
    struct Small;

    impl Kinds for Small {
        fn kind(&self, path: &Path, follow: Follow) -> io::Result<Kind> {
            match (path.to_str(), follow) {
                (Some("d" | "d/" | "e" | "d/." | ".." | "l/"), _) | (Some("l"), Follow::Yes) => {
                    Ok(Kind::Directory)
                }
                (Some("l"), Follow::No) => Ok(Kind::Symlink),
                (Some("f" | "-"), _) => Ok(Kind::Regular),
                (Some("f/" | "f/."), _) => Err(Errno::NOTDIR.into()),
                _ => Err(Errno::NOENT.into()),
            }
        }
    }

    fn request(words: &[&str]) -> Result<Vec<Operand>, Refusal> {
        let line = ["mycp"].iter().chain(words).map(OsString::from);
        let environment = crate::cli::Environment::default();
        let request =
            crate::cli::request::Request::new(Args::read(line).unwrap(), &environment, &Small)?;
        Ok(request.operands)
    }

    /// What a command line comes to, with the separators and errors of Unix.
    fn landed(words: &[&str]) -> String {
        let told = match request(words) {
            Ok(operands) => {
                let pairs = operands
                    .iter()
                    .map(|Operand { source, target, .. }| format!("{source} -> {target}"));
                pairs.collect::<Vec<_>>().join(", ")
            }
            Err(refusal) => refusal.to_string(),
        };
        let words = |errno: Errno| io::Error::from(errno).to_string();
        told.replace(std::path::MAIN_SEPARATOR, "/")
            .replace(&words(Errno::NOTDIR), "Not a directory (os error 20)")
            .replace(&words(Errno::NOENT), "No such file or directory (os error 2)")
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
    }

    #[test]
    fn what_ends_in_dots_goes_into_the_directory_itself() {
        assert_eq!(landed(&["-r", "x/.", "d"]), "'x/.' -> 'd/.'");
        assert_eq!(landed(&["-r", "x/./", "d"]), "'x/./' -> 'd/.'");
        assert_eq!(landed(&["-r", "--strip", "x/./", "d"]), "'x/./' -> 'd/.'");
        assert_eq!(landed(&["-r", "x/..", "d"]), "'x/..' -> 'd/.'");
        assert_eq!(landed(&["-r", ".", "-t", "d/"]), "'.' -> 'd/.'");
        assert_eq!(landed(&["-r", "/", "d"]), "'/' -> 'd'");
        assert_eq!(landed(&["-r", "x/.y", "d"]), "'x/.y' -> 'd/.y'");
    }

    #[test]
    fn a_directory_can_be_made_under_a_name_with_a_slash_behind() {
        assert_eq!(landed(&["-r", "d", "x/"]), "'d' -> 'x/'");
        assert_eq!(landed(&["-rT", "d", "x//"]), "'d' -> 'x//'");
        assert_eq!(landed(&["-rL", "l", "x/"]), "'l' -> 'x/'");
        assert_eq!(landed(&["-rH", "l", "x/"]), "'l' -> 'x/'");
        assert_eq!(landed(&["-r", "l/", "x/"]), "'l/' -> 'x/'");
        for words in [
            ["-T", "d", "x/"],
            ["-r", "f", "x/"],
            ["-r", "l", "x/"],
            ["-r", "nothing", "x/"],
            ["-r", "-", "x/"],
            ["-r", "d", "x/."],
            ["-r", "d", "f/"],
        ] {
            let message = format!("cannot create '{}': Not a directory (os error 20)", words[2]);
            assert_eq!(landed(&words), message);
        }
    }

    #[test]
    fn with_parents_the_whole_name_is_kept_below_the_directory() {
        assert_eq!(landed(&["--parents", "x/y/f", "d"]), "'x/y/f' -> 'd/x/y/f'");
        // On Windows two slashes begin the name of a server.
        if !cfg!(windows) {
            assert_eq!(landed(&["--parents", "//x/f", "d"]), "'//x/f' -> 'd/x/f'");
        }
        assert_eq!(
            landed(&["--parents", "./x/f", "../y", "-t", "d"]),
            "'./x/f' -> 'd/./x/f', '../y' -> 'd/../y'"
        );
        assert_eq!(landed(&["-r", "--parents", "x/y/", "d/"]), "'x/y/' -> 'd/x/y'");
        assert_eq!(landed(&["-r", "--parents", "/", "d"]), "'/' -> 'd'");
        let below = |words: &[&str]| request(words).unwrap().remove(0).parents_below;
        assert_eq!(below(&["--parents", "x/f", "d"]), Some("d".into()));
        assert_eq!(below(&["x/f", "d"]), None);
        for words in [&["--parents", "f", "g"][..], &["--parents", "-T", "f", "d"]] {
            assert_eq!(landed(words), "with --parents, the destination must be a directory");
        }
    }

    #[test]
    fn segments_are_no_paths_and_have_no_names() {
        assert_eq!(landed(&["f", "shm:/s"]), "'f' -> 'shm:/s'");
        assert_eq!(landed(&["-T", "shm:/s", "sysv:key=7"]), "'shm:/s' -> 'sysv:key=0x00000007'");
        assert_eq!(landed(&["./shm:s", "g"]), "'./shm:s' -> 'g'");
        assert!(landed(&["shm:/s", "d"]).starts_with("a segment has no name"));
        assert_eq!(landed(&["f", "g", "shm:/s"]), "target 'shm:/s': Not a directory (os error 20)");
        assert_eq!(landed(&["f", "shm:/a/b"]), "'shm:/a/b': a name has no slash but the first");
        assert_eq!(
            landed(&["sysv:key=0", "f"]).split(':').nth(2),
            Some(" key 0 leads to no segment")
        );
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
