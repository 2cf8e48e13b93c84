//! What is meant: from the words of the command line to pairs of objects and options.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::Environment;
use super::args::backup_control;
use super::args::{Args, Attribute, AttributeList, BackupWanted, Preserving, ProgressWhen};
use super::landing::{self, Directories, Job};
use crate::options::{
    Backup, BackupControl, Content, CopyOptions, Endpoint, EngineChoice, EngineName, Existing,
    Keep, Preserve, Reflink, Sparse, Update, Verify,
};

/// Everything that a run does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What to copy where, in the order of the command line.
    pub(super) jobs: Vec<Job>,
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
    /// What `args` mean, in this environment; asks only whether targets are directories.
    pub(super) fn new(
        args: Args,
        environment: &Environment,
        directories: &dyn Directories,
    ) -> Result<Self, Refusal> {
        let options = options(&args, environment)?;
        let request = Self {
            jobs: landing::jobs(&args, directories)?,
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
        };
        request.refuse_misuse_of_streams()?;
        Ok(request)
    }

    /// Standard input and output have no name and no attributes, and can serve one end only.
    fn refuse_misuse_of_streams(&self) -> Result<(), Refusal> {
        let reads = self.jobs.iter().any(|job| job.source == Endpoint::Standard);
        let writes = self.jobs.iter().any(|job| job.target == Endpoint::Standard);
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
    let update = if args.no_clobber { Update::None } else { args.update.unwrap_or_default() };
    let sparse = args.sparse.unwrap_or_default();
    // As cp: a clone, and with it copy_file_range, would bring holes along.
    let unshared = if sparse == Sparse::Never { Reflink::Never } else { Reflink::Auto };
    let options = CopyOptions {
        engine: args.engine.unwrap_or_default(),
        reflink: args.reflink.filter(|choice| *choice != Reflink::Auto).unwrap_or(unshared),
        sparse,
        flush: args.flush.unwrap_or_default(),
        on_change: args.on_change.unwrap_or_default(),
        verify: args.verify.unwrap_or_default(),
        hash: args.manifest.is_some(),
        preserve: preserve(&args.attributes),
        update,
        existing: existing(args),
        backup: backup(args, environment)?,
        content: if args.attributes_only { Content::AttributesOnly } else { Content::All },
        threads: args.threads,
        ..CopyOptions::default()
    };
    refuse_contradictions(args, &options)?;
    Ok(options)
}

fn existing(args: &Args) -> Existing {
    match () {
        () if args.in_place => Existing::InPlace,
        () if args.remove_destination => Existing::Remove,
        () if args.force => Existing::Force,
        () => Existing::Replace,
    }
}

/// What cannot both be had is refused, so that no option is taken and then ignored.
fn refuse_contradictions(args: &Args, options: &CopyOptions) -> Result<(), Refusal> {
    let engine = options.engine;
    let shares = [EngineName::Reflink, EngineName::Kernel].map(EngineChoice::Only);
    let rules: [(bool, &str); 12] = [
        (
            (args.backup.is_some() || args.suffix.is_some())
                && matches!(options.update, Update::None | Update::NoneFail),
            "--backup and -n or --update=none-fail are mutually exclusive",
        ),
        (
            options.reflink == Reflink::Always && options.sparse != Sparse::Auto,
            "--reflink can be used only with --sparse=auto",
        ),
        (
            engine == EngineChoice::Only(EngineName::Reflink) && options.sparse != Sparse::Auto,
            "--engine=reflink can be used only with --sparse=auto",
        ),
        (
            options.sparse == Sparse::Never && shares.contains(&engine),
            "--engine=kernel may bring holes along, which --sparse=never rules out",
        ),
        (
            options.reflink == Reflink::Always
                && !matches!(engine, EngineChoice::Auto | EngineChoice::Only(EngineName::Reflink)),
            "--reflink=always moves no bytes: the only engines for it are auto and reflink",
        ),
        (
            options.reflink == Reflink::Never && shares.contains(&engine),
            "--reflink=never rules out --engine=reflink and --engine=kernel, which share blocks",
        ),
        (
            args.attributes_only && options.verify != Verify::No,
            "--attributes-only copies no content that --verify could compare",
        ),
        (
            args.attributes_only && args.manifest.is_some(),
            "--attributes-only copies no content that --manifest could list",
        ),
        (
            args.attributes_only && engine != EngineChoice::Auto,
            "--attributes-only copies no content that --engine could move",
        ),
        (
            args.in_place && args.remove_destination,
            "--in-place writes into the target that --remove-destination removes",
        ),
        (args.in_place && args.force, "--in-place writes into the target that --force may replace"),
        (
            args.in_place && options.backup.control != BackupControl::None,
            "--in-place overwrites the content that --backup keeps",
        ),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, sentence)) => Err(Refusal::usage(*sentence)),
        None => Ok(()),
    }
}

/// As cp: a suffix asks for a backup, an option's value goes before the environment's.
fn backup(args: &Args, environment: &Environment) -> Result<Backup, Refusal> {
    let control = match args.backup {
        Some(BackupWanted::Control(control)) => control,
        Some(BackupWanted::Default) => control_of(environment.version_control.as_deref())?,
        None if args.suffix.is_some() => control_of(environment.version_control.as_deref())?,
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
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Flush, OnChange};

    /// A world in which nothing exists.
    struct Nothing;

    impl Directories for Nothing {
        fn is_directory(&self, _: &std::path::Path) -> std::io::Result<bool> {
            Err(rustix::io::Errno::NOENT.into())
        }
    }

    fn request(words: &[&str]) -> Result<Request, Refusal> {
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
        assert_eq!(request.jobs, [Job { source: "a".into(), target: "b".into() }]);
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
}
