//! Which competitors copy which trees.

use crate::args::{Plan, Suite};
use crate::machine::FileSystem;
use crate::payload::Payload;
use crate::rivals::{Cast, Competitor};
use crate::runner::{Group, Sharing, TargetBefore};
use crate::shape::{Kind, LARGE, SMALL};

/// The variant in which each competitor comes as it is, and shares blocks if that is its way.
pub(crate) const AS_IT_COMES: &str = "as each comes";
/// The variant in which every byte is written; only where blocks could be shared.
pub(crate) const MOVING: &str = "every byte written";
/// The variant in which all is on the disk at the end.
pub(crate) const FLUSHED: &str = "on the disk at the end";
/// The same for those that flush each file, where a group of its own has them.
///
/// rsync takes a quarter of an hour to flush 1,000,000 files on a disk of 1 ms a flush.
pub(crate) const EACH_FLUSHED: &str = "a tenth of them, on the disk at the end";

/// Content and modes.
pub(crate) const PLAIN: &str = "mycp -r";
/// All that cp -a keeps.
pub(crate) const ARCHIVE: &str = "mycp -a";
/// All of it, on the disk.
pub(crate) const ARCHIVE_SYNC: &str = "mycp -a --flush=sync";
/// What [`PLAIN`] does to the mixed tree, its parts one after the other.
pub(crate) const PARTS: &str = "mycp -r, its parts apart";
/// The same of [`PLAIN_MOVE`].
pub(crate) const PARTS_MOVE: &str = "mycp -r --reflink=never, its parts apart";
/// [`PLAIN`] without shared blocks.
pub(crate) const PLAIN_MOVE: &str = "mycp -r --reflink=never";

/// Keeps what [`ARCHIVE`] keeps.
pub(crate) const CP_ARCHIVE: &str = "cp -a";
/// The parallel rival that keeps most.
pub(crate) const CPX: &str = "cpx -r --preserve=all";
/// The rival that is fastest most of the time.
pub(crate) const CPZ: &str = "cpz";
/// Flushes each file.
pub(crate) const RSYNC_SYNC: &str = "rsync -a --fsync";
/// Rivals of [`PLAIN`].
pub(crate) const FAST: [&str; 4] = [CPZ, "fcp", "xcp -r", CP];

const CP: &str = "cp -r";
const CP_MOVE: &str = "cp -r --reflink=never";
const CP_ARCHIVE_MOVE: &str = "cp -a --reflink=never";
const ARCHIVE_MOVE: &str = "mycp -a --reflink=never";
const CP_ARCHIVE_SYNC: &str = "cp -a, sync -f";

/// More rounds of a million files say no more, and each takes many minutes.
const EMPTY_ROUNDS_MAX: u32 = 3;

/// The groups of a suite of trees, in the order in which they run; none of other suites.
pub(crate) fn groups(
    suite: Suite,
    plan: &Plan,
    cast: &Cast,
    file_system: &FileSystem,
) -> Vec<Group> {
    let (kind, rounds) = match suite {
        Suite::Tree => (Kind::Packages, plan.tree_rounds),
        Suite::Empty => (Kind::Empty, plan.tree_rounds.min(EMPTY_ROUNDS_MAX)),
        Suite::Mixed => (Kind::Mixed, plan.tree_rounds),
        _ => return Vec::new(),
    };
    let payload = Payload::tree(kind, plan.shrink);
    let group = |variant, competitors, baseline, ours| Group {
        suite,
        variant,
        payload,
        competitors,
        baseline,
        ours,
        target: TargetBefore::Nothing,
        sharing: if variant == MOVING { Sharing::Spoils } else { Sharing::Wanted },
        rounds,
        spawns: 1,
    };
    match kind {
        Kind::Packages => {
            let mut all = vec![group(AS_IT_COMES, as_each_comes(cast), CP_ARCHIVE, ARCHIVE)];
            if file_system.clones {
                all.push(group(MOVING, moving(cast), CP_ARCHIVE_MOVE, ARCHIVE_MOVE));
            }
            let competitors = [flushed(cast), each_flushed(cast)].concat();
            all.push(group(FLUSHED, competitors, CP_ARCHIVE_SYNC, ARCHIVE_SYNC));
            all
        }
        Kind::Empty => {
            let tenth = Payload::tree(kind, plan.shrink.saturating_mul(10));
            let competitors = [flushed(cast), each_flushed(cast)].concat();
            let each = group(EACH_FLUSHED, competitors, CP_ARCHIVE_SYNC, ARCHIVE_SYNC);
            vec![
                group(AS_IT_COMES, as_each_comes(cast), CP_ARCHIVE, ARCHIVE),
                group(FLUSHED, flushed(cast), CP_ARCHIVE_SYNC, ARCHIVE_SYNC),
                Group { payload: tenth, ..each },
            ]
        }
        Kind::Mixed => {
            let mut all = vec![group(AS_IT_COMES, mixed(cast), CP, PLAIN)];
            if file_system.clones {
                all.push(group(MOVING, mixed_moving(cast), CP_MOVE, PLAIN_MOVE));
            }
            all
        }
    }
}

fn tar(cast: &Cast) -> Option<Competitor> {
    let script = r#"mkdir "$2" && tar -C "$1" -cf - . | tar -C "$2" -xf -"#;
    cast.script(&["tar"], "tar | tar", script)
}

fn as_each_comes(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("-r"), cast.mycp("-a")];
    let rivals = [
        cast.rival("cp", CP, "-r SOURCE TARGET"),
        cast.rival("cp", CP_ARCHIVE, "-a SOURCE TARGET"),
        cast.rival("rsync", "rsync -a", "-a SOURCE/ TARGET"),
        tar(cast),
        cast.rival("xcp", "xcp -r", "--no-progress -r SOURCE TARGET"),
        cast.rival("cpz", CPZ, "SOURCE TARGET"),
        cast.rival("fcp", "fcp", "SOURCE TARGET"),
        cast.rival("cpx", CPX, "--no-config -r --preserve=all SOURCE INTO"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn moving(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("-r --reflink=never"), cast.mycp("-a --reflink=never")];
    let rivals = [
        cast.rival("cp", CP_MOVE, "-r --reflink=never SOURCE TARGET"),
        cast.rival("cp", CP_ARCHIVE_MOVE, "-a --reflink=never SOURCE TARGET"),
        cast.rival("rsync", "rsync -a", "-a SOURCE/ TARGET"),
        tar(cast),
        cast.rival(
            "xcp",
            "xcp -r --reflink=never",
            "--no-progress -r --reflink=never SOURCE TARGET",
        ),
        cast.rival(
            "cpx",
            "cpx -r --preserve=all --reflink=never",
            "--no-config -r --preserve=all --reflink=never SOURCE INTO",
        ),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn flushed(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("-a --flush=sync")];
    let cp = r#"cp -a "$1" "$2" && sync -f "$2""#;
    all.extend(cast.script(&["cp"], CP_ARCHIVE_SYNC, cp));
    all
}

fn each_flushed(cast: &Cast) -> Vec<Competitor> {
    let rivals = [
        cast.rival("rsync", RSYNC_SYNC, "-a --fsync SOURCE/ TARGET"),
        cast.rival("xcp", "xcp -r --fsync", "--no-progress -r --fsync SOURCE TARGET"),
    ];
    rivals.into_iter().flatten().collect()
}

fn mixed(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("-r")];
    all.extend(cast.mycp_apart(PARTS, "-r", [LARGE, SMALL]));
    let rivals = [
        cast.rival("cp", CP, "-r SOURCE TARGET"),
        cast.rival("xcp", "xcp -r", "--no-progress -r SOURCE TARGET"),
        cast.rival("cpz", CPZ, "SOURCE TARGET"),
        cast.rival("fcp", "fcp", "SOURCE TARGET"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn mixed_moving(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("-r --reflink=never")];
    all.extend(cast.mycp_apart(PARTS_MOVE, "-r --reflink=never", [LARGE, SMALL]));
    all.extend(cast.rival("cp", CP_MOVE, "-r --reflink=never SOURCE TARGET"));
    all
}
