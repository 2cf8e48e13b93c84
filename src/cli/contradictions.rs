//! Options that cannot both be had.
//!
//! They are refused, so that none is taken and then ignored. What cp takes and ignores is taken:
//! the command lines of cp have to work.

use super::args::Args;
use super::request::Refusal;
use crate::options::{
    BackupControl, CopyOptions, Dereference, Directories, EngineChoice, EngineName, Made, Reflink,
    Sparse, Update, Verify,
};

/// Whether the rule is broken, and what is said then.
type Rule = (bool, &'static str);

/// Refuses the first contradiction, if there is one.
pub(super) fn refuse(args: &Args, options: &CopyOptions) -> Result<(), Refusal> {
    let rules = [
        &about_mirrors(args, options)[..],
        &about_targets(args, options),
        &about_delta(args, options),
        &about_trees(args, options),
        &about_locks(args),
        &about_bytes(options),
        &without_bytes(args, options),
    ];
    match rules.into_iter().flatten().find(|(broken, _)| *broken) {
        Some((_, sentence)) => Err(Refusal::usage(*sentence)),
        None => Ok(()),
    }
}

fn about_mirrors(args: &Args, options: &CopyOptions) -> [Rule; 9] {
    let mirror = args.mirror;
    let backs_up = options.backup.control != BackupControl::None;
    [
        (
            mirror && (options.made != Made::Copy || args.attributes_only || args.copy_contents),
            "--mirror makes copies of everything, not what -l, -s, --attributes-only or \
             --copy-contents make",
        ),
        (
            mirror && (args.update.is_some() || args.no_clobber || args.interactive),
            "--mirror replaces whatever is not equal, where -u, -n and -i skip some of it",
        ),
        (
            mirror && (backs_up || args.remove_destination),
            "--mirror keeps nothing that the source has not, as backups are, and removes last",
        ),
        (
            mirror && args.keep_directory_symlink,
            "--mirror changes nothing outside TARGET, where --keep-directory-symlink leads",
        ),
        (
            args.dry_run && args.manifest.is_some(),
            "--dry-run copies nothing that --manifest could list",
        ),
        (
            mirror && (args.parents || !args.target_directory.is_empty()),
            "--mirror takes one SOURCE and its TARGET, not --parents and -t",
        ),
        (args.watch && args.dry_run, "--watch goes on with what --dry-run does not do"),
        (
            args.watch && args.manifest.is_some(),
            "--watch has no end at which --manifest could be written",
        ),
        (
            args.watch && options.dereference == Dereference::Always,
            "--watch sees what changes in SOURCE, not in what the links lead to that -L follows",
        ),
    ]
}

fn about_targets(args: &Args, options: &CopyOptions) -> [Rule; 6] {
    [
        (args.link && args.symbolic_link, "cannot make both hard and symbolic links"),
        (
            (!args.backup.is_empty() || args.suffix.is_some())
                && matches!(options.update, Update::None | Update::NoneFail),
            "--backup and -n or --update=none-fail are mutually exclusive",
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
        (
            args.in_place && options.made != Made::Copy,
            "--in-place writes into the target that -l and -s would make a link",
        ),
    ]
}

fn about_delta(args: &Args, options: &CopyOptions) -> [Rule; 5] {
    let delta = options.delta;
    [
        (
            delta && args.remove_destination,
            "--delta compares the target that --remove-destination removes",
        ),
        (
            delta && options.engine != EngineChoice::Auto,
            "--delta and --mirror move bytes in their own way: the only engine is auto",
        ),
        (
            delta && options.reflink == Reflink::Always,
            "--delta and --mirror store what differs, where --reflink=always stores nothing",
        ),
        (
            delta && options.sparse == Sparse::Never,
            "--delta and --mirror leave the holes of the target, which --sparse=never rules out",
        ),
        (
            delta && (options.made != Made::Copy || args.attributes_only),
            "--delta compares content, which -l, -s and --attributes-only do not copy",
        ),
    ]
}

fn about_bytes(options: &CopyOptions) -> [Rule; 5] {
    let engine = options.engine;
    let shares = [EngineName::Reflink, EngineName::Kernel].map(EngineChoice::Only);
    [
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
    ]
}

fn about_trees(args: &Args, options: &CopyOptions) -> [Rule; 1] {
    let selects = !args.selecting.is_empty();
    [(
        selects && options.directories == Directories::Refused,
        "--exclude, --include and --exclude-from select in directories, which -r copies",
    )]
}

fn about_locks(args: &Args) -> [Rule; 1] {
    let locks = args.mirror || args.lock.is_some();
    [(args.lock_wait.is_some() && !locks, "--lock-wait waits for what --mirror and --lock lock")]
}

fn without_bytes(args: &Args, options: &CopyOptions) -> [Rule; 6] {
    let links = options.made != Made::Copy;
    let verify = options.verify != Verify::No;
    let manifest = args.manifest.is_some();
    let engine = options.engine != EngineChoice::Auto;
    [
        (
            args.attributes_only && verify,
            "--attributes-only copies no content that --verify could compare",
        ),
        (
            args.attributes_only && manifest,
            "--attributes-only copies no content that --manifest could list",
        ),
        (
            args.attributes_only && engine,
            "--attributes-only copies no content that --engine could move",
        ),
        (links && verify, "-l and -s copy no content that --verify could compare"),
        (links && manifest, "-l and -s copy no content that --manifest could list"),
        (links && engine, "-l and -s copy no content that --engine could move"),
    ]
}
