//! What is meant: from the words of the command line to pairs of objects and options.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::Environment;
use super::args::Args;
use super::contradictions;
use super::landing::{self, Kinds};
use super::order::Preserving;
use super::words::{Attribute, AttributeList, BackupWanted, ProgressWhen, backup_control};
use super::{segments, selection};
use crate::options::{
    Backup, BackupControl, Content, CopyOptions, Dereference, Directories, DirectoryLink, Endpoint,
    Existing, Keep, Made, MirrorOptions, Preserve, Reflink, Span, Sparse, Special, Update, Verify,
};
use crate::tree::Operand;

/// Everything that a run does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What to copy where, in the order of the command line.
    pub(super) operands: Vec<Operand>,
    /// How.
    pub(super) options: CopyOptions,
    /// Whether the user is asked before a target is replaced.
    pub(super) replacing: Replacing,
    /// What is printed of what was done.
    pub(super) output: OutputMode,
    /// When a progress bar is drawn.
    pub(super) progress: ProgressWhen,
    /// Where the hashes go.
    pub(super) manifest: Option<PathBuf>,
    /// Whether a mirror goes on until it is interrupted.
    pub(super) watches: bool,
}

/// Whether the user is asked before a target is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replacing {
    Allowed,
    Asked,
}

/// What is printed on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputMode {
    /// Nothing.
    Silent,
    /// A line for each copy.
    Verbose,
    /// The same, and how and why.
    Explain,
    /// A JSON object for each operand.
    Json,
}

/// Why a command line is not carried out at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It says nothing that could be done; the help would help.
    Usage(String),
    /// What it names does not fit.
    Operand(String),
}

impl Refusal {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Operand(message) => f.write_str(message),
        }
    }
}

impl Request {
    /// What `args` mean, in this environment; asks only which operands are directories.
    pub(super) fn new(
        args: Args,
        environment: &Environment,
        kinds: &dyn Kinds,
    ) -> Result<Self, Refusal> {
        let options = options(&args, environment)?;
        let request = Self {
            operands: landing::operands(&args, &options, kinds)?,
            options,
            replacing: if args.interactive { Replacing::Asked } else { Replacing::Allowed },
            output: match () {
                () if args.json => OutputMode::Json,
                () if args.explain => OutputMode::Explain,
                () if args.verbose => OutputMode::Verbose,
                () => OutputMode::Silent,
            },
            progress: args.progress.unwrap_or_default(),
            manifest: args.manifest,
            watches: args.watch,
        };
        request.refuse_misuse_of_streams()?;
        segments::refuse_misuse(&request, args.shm_mode)?;
        Ok(request)
    }

    /// Standard input and output have no name and no attributes, and can serve one end only.
    fn refuse_misuse_of_streams(&self) -> Result<(), Refusal> {
        let reads = self.operands.iter().any(|operand| operand.source == Endpoint::Standard);
        let writes = self.operands.iter().any(|operand| operand.target == Endpoint::Standard);
        if (reads || writes) && self.options.made != Made::Copy {
            return Err(Refusal::usage("-l and -s link names, and standard streams have none"));
        }
        if reads && self.replacing == Replacing::Asked {
            return Err(Refusal::usage(
                "-i reads answers from standard input, which is the source",
            ));
        }
        if self.manifest.as_deref().is_some_and(|file| file == OsStr::new("-")) {
            return Err(Refusal::usage("--manifest needs a file; one of the name - is ./-"));
        }
        if !writes {
            return Ok(());
        }
        let options = &self.options;
        let culprit = match () {
            () if options.verify != Verify::No => "--verify",
            () if self.manifest.is_some() => "--manifest",
            () if options.existing == Existing::InPlace => "--in-place",
            () if options.delta => "--delta",
            () if options.existing == Existing::Remove => "--remove-destination",
            () if options.content == Content::AttributesOnly => "--attributes-only",
            () if options.backup.control != BackupControl::None => "--backup",
            () if options.update != Update::All => "--update",
            () if self.output != OutputMode::Silent => {
                return Err(Refusal::usage(
                    "-v, --explain and --json print on standard output, which is the target",
                ));
            }
            () => return Ok(()),
        };
        Err(Refusal::Usage(format!("{culprit} needs a target that is a file, not standard output")))
    }
}

/// The options of every copy of the run.
fn options(args: &Args, environment: &Environment) -> Result<CopyOptions, Refusal> {
    let update = match () {
        () if args.no_clobber => Update::None,
        () => args.update.unwrap_or_default(),
    };
    let sparse = args.sparse.unwrap_or_default();
    // As cp: a clone, and with it copy_file_range, would bring holes along.
    let unshared = if sparse == Sparse::Never { Reflink::Never } else { Reflink::Auto };
    let options = CopyOptions {
        segments: segments::choices(args),
        engine: args.engine.unwrap_or_default(),
        reflink: args.reflink.filter(|choice| *choice != Reflink::Auto).unwrap_or(unshared),
        sparse,
        flush: args.flush.unwrap_or_default(),
        on_change: args.on_change.unwrap_or_default(),
        verify: args.verify.unwrap_or_default(),
        delta: args.delta || args.mirror,
        mirror: args.mirror.then_some(MirrorOptions {
            compare: args.compare.unwrap_or_default(),
            dry_run: args.dry_run,
            changes: args.changes,
            max_delete: args.max_delete,
            delete_excluded: args.delete_excluded,
            allow_empty: args.allow_empty,
            lock_wait: args.lock_wait.unwrap_or_default(),
        }),
        hash: args.manifest.is_some(),
        preserve: preserve(&args.attributes),
        update,
        existing: existing(args),
        backup: backup(args, environment)?,
        content: content(args),
        directories: if recursive(args) { Directories::Copied } else { Directories::Refused },
        dereference: dereference(args),
        made: made(args),
        special: match recursive(args) && !args.copy_contents {
            true => Special::Made,
            false => Special::Read,
        },
        selection: selection::read(&args.selecting)?,
        span: if args.one_file_system { Span::OneFileSystem } else { Span::All },
        directory_link: match args.keep_directory_symlink {
            true => DirectoryLink::Followed,
            false => DirectoryLink::Refused,
        },
        threads: args.threads,
    };
    contradictions::refuse(args, &options)?;
    Ok(options)
}

fn recursive(args: &Args) -> bool {
    args.recursive || args.archive || args.mirror
}

/// As cp: links are what `-r` is for; what is to be a hard link has to be what the name leads to.
fn dereference(args: &Args) -> Dereference {
    let unsaid = match recursive(args) && !args.link {
        true => Dereference::Never,
        false => Dereference::Always,
    };
    args.links_followed.unwrap_or(unsaid)
}

fn made(args: &Args) -> Made {
    match () {
        () if args.link => Made::HardLink,
        () if args.symbolic_link => Made::SymbolicLink,
        () => Made::Copy,
    }
}

fn content(args: &Args) -> Content {
    match args.attributes_only {
        true => Content::AttributesOnly,
        false => Content::All,
    }
}

fn existing(args: &Args) -> Existing {
    match () {
        () if args.in_place => Existing::InPlace,
        () if args.remove_destination => Existing::Remove,
        // No link is written into, so that the name itself has to make way.
        () if args.force && made(args) != Made::Copy => Existing::Remove,
        () if args.force => Existing::Force,
        () => Existing::Replace,
    }
}

/// As cp: a suffix asks for a backup, an option's value goes before the environment's.
fn backup(args: &Args, environment: &Environment) -> Result<Backup, Refusal> {
    let asked = !args.backup.is_empty() || args.suffix.is_some();
    // The last value counts; a -b without one takes none away.
    let wanted = args.backup.iter().rev().find_map(|wanted| match wanted {
        BackupWanted::Control(control) => Some(*control),
        BackupWanted::Default => None,
    });
    let control = match wanted {
        Some(control) => control,
        None if asked => control_of(environment.version_control.as_deref())?,
        None => BackupControl::None,
    };
    let suffix = args.suffix.clone().or_else(|| environment.simple_backup_suffix.clone());
    Ok(match suffix.filter(is_file_name) {
        Some(suffix) => Backup { control, suffix },
        None => Backup { control, ..Backup::default() },
    })
}

fn control_of(version_control: Option<&OsStr>) -> Result<BackupControl, Refusal> {
    match version_control {
        None => Ok(BackupControl::Existing),
        Some(typed) if typed.is_empty() => Ok(BackupControl::Existing),
        Some(typed) => backup_control(&typed.to_string_lossy()).map_err(|valid| {
            let typed = crate::options::Quoted(typed.as_ref());
            Refusal::Usage(format!("invalid value {typed} for '$VERSION_CONTROL': {valid}"))
        }),
    }
}

fn is_file_name(suffix: &OsString) -> bool {
    !suffix.is_empty() && !suffix.to_string_lossy().contains(std::path::is_separator)
}

/// Goes through the lists as cp does: the later word counts, and `all` asks less of xattr and
/// context than their own names do.
fn preserve(lists: &[(Preserving, AttributeList)]) -> Preserve {
    let mut kept = Preserve::default();
    for (preserving, AttributeList(words)) in lists {
        let (must, may) = match preserving {
            Preserving::Yes => (Keep::Must, Keep::Try),
            Preserving::No => (Keep::No, Keep::No),
        };
        for word in words {
            match word {
                Attribute::Mode => kept.mode = must,
                Attribute::Ownership => kept.ownership = must,
                Attribute::Timestamps => kept.timestamps = must,
                Attribute::Links => kept.links = must,
                Attribute::Context => kept.context = must,
                Attribute::Xattr => kept.xattr = must,
                Attribute::All => {
                    (kept.mode, kept.ownership, kept.timestamps) = (must, must, must);
                    kept.links = must;
                    let weaker = |now: Keep| if may == Keep::No { may } else { now.max(may) };
                    (kept.context, kept.xattr) = (weaker(kept.context), weaker(kept.xattr));
                }
            }
            if matches!(word, Attribute::Mode | Attribute::All) {
                kept.default_mode = *preserving == Preserving::No;
                kept.acl_optional = *word == Attribute::All && *preserving == Preserving::Yes;
            }
        }
    }
    kept
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::options::{Flush, OnChange};
    use crate::sys::file::Kind;
    use crate::sys::names::Follow;

    /// A world in which nothing exists.
    struct Nothing;

    impl Kinds for Nothing {
        fn kind(&self, _: &std::path::Path, _: Follow) -> std::io::Result<Kind> {
            Err(crate::sys::Errno::NOENT.into())
        }
    }

    pub(in crate::cli) fn request(words: &[&str]) -> Result<Request, Refusal> {
        request_in(&Environment::default(), words)
    }

    fn request_in(environment: &Environment, words: &[&str]) -> Result<Request, Refusal> {
        let line = ["mycp"].iter().chain(words).map(OsString::from);
        Request::new(Args::read(line).unwrap(), environment, &Nothing)
    }

    fn options(words: &[&str]) -> CopyOptions {
        request(&[words, &["a", "b"]].concat()).unwrap().options
    }

    #[test]
    fn without_options_it_is_what_the_library_does_by_default() {
        let request = request(&["a", "b"]).unwrap();
        assert_eq!(request.options, CopyOptions::default());
        let operand = Operand { source: "a".into(), target: "b".into(), parents_below: None };
        assert_eq!(request.operands, [operand]);
        assert_eq!((request.output, request.manifest), (OutputMode::Silent, None));
    }

    #[test]
    fn bare_options_mean_what_the_manual_says() {
        assert_eq!(options(&["--flush"]).flush, Flush::Sync);
        assert_eq!(options(&["--verify"]).verify, Verify::Medium);
        assert_eq!(options(&["--reflink"]).reflink, Reflink::Always);
        assert_eq!(options(&["-u"]).update, Update::Older);
        assert_eq!(options(&["-b"]).backup.control, BackupControl::Existing);
        assert_eq!(request(&["--progress", "a", "b"]).unwrap().progress, ProgressWhen::Auto);
    }

    #[test]
    fn the_last_of_repeated_options_counts() {
        assert_eq!(options(&["--flush", "--flush=async"]).flush, Flush::Async);
        assert_eq!(options(&["-u", "--update=none"]).update, Update::None);
        assert_eq!(options(&["-i", "-n"]).update, Update::None);
        assert_eq!(options(&["-n", "-i"]).update, Update::All);
        assert_eq!(options(&["-n", "-u"]).update, Update::None);
        assert_eq!(options(&["--on-change=fail", "--on-change=warn"]).on_change, OnChange::Warn);
    }

    #[test]
    fn force_does_not_answer_the_question_of_interactive() {
        let request = request(&["-i", "-f", "a", "b"]).unwrap();
        assert_eq!(request.replacing, Replacing::Asked);
        assert_eq!(request.options.existing, Existing::Force);
    }

    #[test]
    fn attributes_are_gathered_in_the_order_of_the_words() {
        let kept = options(&["-p", "--no-preserve=mode"]).preserve;
        assert_eq!((kept.mode, kept.ownership, kept.default_mode), (Keep::No, Keep::Must, true));
        let kept = options(&["--no-preserve=mode", "-p"]).preserve;
        assert_eq!((kept.mode, kept.default_mode), (Keep::Must, false));
        let kept = options(&["--preserve=all"]).preserve;
        assert_eq!((kept.xattr, kept.context, kept.links), (Keep::Try, Keep::Try, Keep::Must));
        let kept = options(&["--preserve=xattr", "--pres=all", "--no-preserve=links"]).preserve;
        assert_eq!((kept.xattr, kept.links), (Keep::Must, Keep::No));
        assert!(options(&["--no-preserve=all"]).preserve.default_mode);
    }

    #[test]
    fn values_can_be_abbreviated_as_long_as_their_meaning_is_clear() {
        assert_eq!(options(&["--sparse=al"]).sparse, Sparse::Always);
        assert_eq!(options(&["--backup=num"]).backup.control, BackupControl::Numbered);
        assert_eq!(options(&["--preserve=o,ti"]).preserve.ownership, Keep::Must);
        assert_eq!(options(&["--update=none"]).update, Update::None);
        let line = ["mycp", "--sparse=a", "a", "b"].iter().map(OsString::from);
        let message = Args::read(line).unwrap_err().to_string();
        assert!(message.contains("it can be auto, always or never"), "{message}");
    }

    #[test]
    fn the_environment_names_the_backup_and_its_suffix() {
        let environment = |control: &str, suffix: &str| Environment {
            version_control: Some(control.into()),
            simple_backup_suffix: Some(suffix.into()),
        };
        let backup = |environment, words: &[&str]| {
            request_in(&environment, &[words, &["a", "b"]].concat()).map(|it| it.options.backup)
        };
        let simple =
            |suffix: &str| Ok(Backup { control: BackupControl::Simple, suffix: suffix.into() });
        assert_eq!(backup(environment("simple", ".old"), &["-b"]), simple(".old"));
        assert_eq!(backup(environment("simple", ".old"), &["-S", ".o"]), simple(".o"));
        assert_eq!(backup(environment("simple", "a/b"), &["-b"]), simple("~"));
        assert_eq!(backup(environment("t", ""), &["--backup=simple"]), simple("~"));
        let none = backup(environment("t", ".old"), &[]).unwrap();
        assert_eq!(none.control, BackupControl::None);
        let message = backup(environment("zz", ""), &["-b"]).unwrap_err().to_string();
        assert!(message.starts_with("invalid value 'zz' for '$VERSION_CONTROL'"), "{message}");
    }

    #[test]
    fn a_target_without_holes_shares_no_blocks() {
        assert_eq!(options(&["--sparse=never"]).reflink, Reflink::Never);
        assert_eq!(options(&["--sparse=never", "--reflink=auto"]).reflink, Reflink::Never);
    }

    #[test]
    fn a_manifest_needs_hashes() {
        assert!(options(&["--manifest=m"]).hash);
        assert!(!options(&["--verify"]).hash);
    }

    #[test]
    fn archive_is_all_that_the_manual_says() {
        let archive = options(&["-a"]);
        assert_eq!(archive, options(&["-dR", "--preserve=all"]));
        assert_eq!(archive, options(&["--archive"]));
        assert_eq!(archive.directories, Directories::Copied);
        assert_eq!(archive.dereference, Dereference::Never);
        assert_eq!((archive.preserve.links, archive.preserve.xattr), (Keep::Must, Keep::Try));
    }

    #[test]
    fn archive_and_d_keep_attributes_from_where_they_stand() {
        let kept = options(&["-a", "--no-preserve=links,mode"]).preserve;
        assert_eq!((kept.links, kept.mode, kept.default_mode), (Keep::No, Keep::No, true));
        let kept = options(&["--no-preserve=links,mode", "-a"]).preserve;
        assert_eq!((kept.links, kept.mode, kept.default_mode), (Keep::Must, Keep::Must, false));
        let kept = options(&["-a", "--no-preserve=mode", "-a"]).preserve;
        assert_eq!(kept.mode, Keep::Must);
        assert_eq!(options(&["-d", "--no-preserve=links"]).preserve.links, Keep::No);
        assert_eq!(options(&["--no-preserve=links", "-d"]).preserve.links, Keep::Must);
        assert_eq!(options(&["--preserve=xattr", "-a"]).preserve.xattr, Keep::Must);
    }

    #[test]
    fn links_are_followed_as_the_last_option_says_and_else_as_cp_does() {
        let followed = |words| options(words).dereference;
        assert_eq!(followed(&[]), Dereference::Always);
        for never in [&["-r"][..], &["-R"], &["-P"], &["-d"], &["-rs"], &["-LP"], &["-rHd"]] {
            assert_eq!(followed(never), Dereference::Never, "{never:?}");
        }
        for always in [&["-rl"][..], &["-L"], &["-rL"], &["-aL"], &["-PHL"], &["-L", "-r"]] {
            assert_eq!(followed(always), Dereference::Always, "{always:?}");
        }
        for operands in [&["-H"][..], &["-rH"], &["-aH"], &["-LPH"]] {
            assert_eq!(followed(operands), Dereference::Operands, "{operands:?}");
        }
        assert_eq!(followed(&["-L", "-H", "-a"]), Dereference::Never);
    }

    #[test]
    fn only_a_recursive_copy_makes_fifos_and_devices() {
        assert_eq!(options(&[]).special, Special::Read);
        assert_eq!(options(&["-r"]).special, Special::Made);
        assert_eq!(options(&["-a"]).special, Special::Made);
        assert_eq!(options(&["-r", "--copy-contents"]).special, Special::Read);
    }

    #[test]
    fn each_option_of_trees_is_handed_on() {
        assert_eq!(options(&["--recursive"]).directories, Directories::Copied);
        assert_eq!(options(&[]).directories, Directories::Refused);
        assert_eq!(options(&["-x"]).span, Span::OneFileSystem);
        assert_eq!(options(&["--keep-directory-symlink"]).directory_link, DirectoryLink::Followed);
        assert_eq!(options(&["--link"]).made, Made::HardLink);
        assert_eq!(options(&["--symbolic-link"]).made, Made::SymbolicLink);
    }

    #[test]
    fn what_makes_links_takes_force_for_removal() {
        assert_eq!(options(&["-lf"]).existing, Existing::Remove);
        assert_eq!(options(&["-sf"]).existing, Existing::Remove);
        assert_eq!(options(&["-l"]).existing, Existing::Replace);
    }

    #[test]
    fn what_cp_takes_and_ignores_beside_links_is_taken() {
        for option in ["--reflink", "--sparse=never", "--attributes-only", "-p", "-a", "-x"] {
            assert!(request(&["-l", option, "a", "b"]).is_ok(), "{option}");
            assert!(request(&["-s", option, "a", "b"]).is_ok(), "{option}");
        }
    }
}
