//! Which competitors do the same work: the groups of each suite of single files.

use crate::args::{Plan, SMALL, Size, Suite};
use crate::machine::FileSystem;
use crate::payload::Payload;
use crate::rivals::{Cast, Competitor};
use crate::runner::{Group, Sharing, TargetBefore};
use crate::{mirror_suite, segment_suite, tree_suites};

/// The default engine where blocks must not be shared: the "mycp" of most tables.
pub(crate) const MOVE: &str = "mycp --reflink=never";
/// The mapped engine by name.
pub(crate) const MOVE_MAPPED: &str = "mycp --reflink=never --engine mmap";
/// The variant of the moving groups in which the mapped engine and cp take turns without others.
///
/// Its pages are of 2 MiB, and a virtual machine that reports free ones of that size to its host
/// has most of them taken away while other competitors run; having them back costs more than the
/// copy. In turns with cp alone it finds those that it has just left.
pub(crate) const MAPPED_ALONE: &str = "mmap and cp alone";
/// What the moving groups are compared with.
pub(crate) const CP: &str = "cp --reflink=never";
/// The default engine, flushed.
pub(crate) const SYNC: &str = "mycp --reflink=never --flush=sync";
/// dd, flushed.
pub(crate) const DD_SYNC: &str = "dd bs=1M conv=fsync";
/// cp, flushed.
pub(crate) const CP_SYNC: &str = "cp --reflink=never, sync FILE";
/// The default engine, compared in the page cache.
pub(crate) const VERIFY_CACHE: &str = "mycp --reflink=never --verify=cache";
/// The default engine, compared with what the medium has.
pub(crate) const VERIFY_MEDIUM: &str = "mycp --reflink=never --verify";
/// cp and cmp.
pub(crate) const CP_COMPARE: &str = "cp --reflink=never, cmp";
/// cp and cmp with what the medium has.
pub(crate) const CP_COMPARE_MEDIUM: &str = "cp --reflink=never, sync FILE, drop, cmp";
/// What differs, stored into a clone where there can be one.
pub(crate) const DELTA: &str = "mycp -p --delta";
/// What differs, stored into the target itself.
pub(crate) const DELTA_IN_PLACE: &str = "mycp -p --delta --in-place";
/// rsync, as it comes.
pub(crate) const RSYNC: &str = "rsync -t";
/// rsync, into the target itself.
pub(crate) const RSYNC_IN_PLACE: &str = "rsync -t --inplace --no-whole-file";
/// The two compared.
pub(crate) const CMP: &str = "cmp";
/// The group in which a hundredth differs.
pub(crate) const NEARLY: &str = "1 % of the pages differ";
/// The group in which nothing differs.
pub(crate) const EQUAL: &str = "nothing differs";
/// Rivals of [`MOVE`] that write every byte, unless they clone.
pub(crate) const MOVERS: [&str; 5] =
    ["dd bs=1M", "rsync -W --inplace", "xcp --reflink=never", "cpz", "fcp"];

/// All groups of `suite` in `file_system`, in the order in which they run.
pub(crate) fn groups(
    suite: Suite,
    plan: &Plan,
    cast: &Cast,
    file_system: &FileSystem,
) -> Vec<Group> {
    let sizes = |build: fn(&Cast) -> Vec<Competitor>, base: &Group| {
        let at = |&size: &Size| Group {
            payload: Payload::File(size),
            spawns: spawns(size),
            ..base.again(build(cast))
        };
        plan.sizes.iter().map(at).collect::<Vec<_>>()
    };
    let base = Group {
        suite,
        variant: "",
        payload: Payload::File(SMALL),
        competitors: Vec::new(),
        baseline: CP,
        ours: MOVE,
        target: TargetBefore::Nothing,
        sharing: Sharing::Spoils,
        rounds: plan.rounds,
        spawns: 1,
    };
    match suite {
        Suite::Move => {
            let alone = Group { variant: MAPPED_ALONE, ..base.again(Vec::new()) };
            let mut all = sizes(moving, &base);
            all.extend(sizes(mapping, &alone));
            all
        }
        Suite::Clone if !file_system.clones => Vec::new(),
        Suite::Clone => {
            let sharing = Sharing::Wanted;
            sizes(cloning, &Group { baseline: "cp", ours: "mycp", sharing, ..base })
        }
        Suite::Sync => sizes(syncing, &Group { baseline: CP_SYNC, ours: SYNC, ..base }),
        Suite::Verify => {
            let cache = Group {
                variant: "cache",
                baseline: CP_COMPARE,
                ours: VERIFY_CACHE,
                ..base.again(Vec::new())
            };
            let mut all = sizes(verifying_cache, &cache);
            if !file_system.is_memory() {
                let medium = Group {
                    variant: "medium",
                    baseline: CP_COMPARE_MEDIUM,
                    ours: VERIFY_MEDIUM,
                    ..base
                };
                all.extend(sizes(verifying_medium, &medium));
            }
            all
        }
        Suite::Replace => sizes(replacing, &Group { target: TargetBefore::Other, ..base }),
        Suite::Delta => {
            let sharing = Sharing::Wanted;
            let base = Group { baseline: CP, ours: DELTA, sharing, ..base };
            let nearly =
                Group { variant: NEARLY, target: TargetBefore::NearlyEqual, ..base.again(vec![]) };
            let equal = Group {
                variant: EQUAL,
                target: TargetBefore::Equal,
                baseline: CMP,
                ..base.again(vec![])
            };
            let mut all = sizes(patching, &nearly);
            all.extend(sizes(comparing, &equal));
            all
        }
        Suite::Small => vec![Group {
            competitors: small(cast),
            baseline: "cp",
            ours: "mycp",
            sharing: Sharing::Wanted,
            spawns: plan.spawns,
            ..base
        }],
        Suite::Memory => {
            by_size(&plan.memory_sizes, cast, &Group { rounds: plan.rounds.min(2), ..base })
        }
        Suite::Linear => by_size(&plan.linear_sizes, cast, &base),
        Suite::Tree | Suite::Empty | Suite::Mixed => {
            tree_suites::groups(suite, plan, cast, file_system)
        }
        Suite::Mirror => mirror_suite::groups(plan, cast),
        Suite::Segment => segment_suite::groups(plan, cast, file_system),
    }
}

impl Group {
    fn again(&self, competitors: Vec<Competitor>) -> Self {
        Self { competitors, ..*self }
    }
}

/// Short runs are repeated within a round, so that its figure is a median already.
fn spawns(size: Size) -> u32 {
    const REPEATED_MAX: Size = Size(1 << 20);
    if size <= REPEATED_MAX { 10 } else { 1 }
}

fn by_size(sizes: &[Size], cast: &Cast, base: &Group) -> Vec<Group> {
    let competitors = || {
        let mut all = vec![cast.mycp("--reflink=never")];
        all.push(cast.mycp("--reflink=never --engine mmap"));
        all.extend(cast.rival("cp", CP, "--reflink=never SOURCE TARGET"));
        all
    };
    let at = |&size: &Size| Group { payload: Payload::File(size), ..base.again(competitors()) };
    sizes.iter().map(at).collect()
}

fn moving(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![
        cast.mycp("--reflink=never"),
        cast.mycp("--reflink=never --engine mmap"),
        cast.mycp("--reflink=never --engine buffered"),
        cast.mycp("--reflink=auto --engine kernel"),
    ];
    let rivals = [
        cast.rival("cp", CP, "--reflink=never SOURCE TARGET"),
        cast.rival("dd", "dd bs=1M", "if=SOURCE of=TARGET bs=1M status=none"),
        cast.rival("rsync", "rsync -W --inplace", "-W --inplace SOURCE TARGET"),
        cast.rival("xcp", "xcp --reflink=never", "--no-progress --reflink=never SOURCE TARGET"),
        cast.rival("cpz", "cpz", "SOURCE TARGET"),
        cast.rival("cpx", "cpx --reflink=never", "--no-config --reflink=never SOURCE TARGET"),
        cast.rival("fcp", "fcp", "SOURCE TARGET"),
        cast.rival("rclone", "rclone copyto", "--config /dev/null copyto SOURCE TARGET"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn mapping(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("--reflink=never --engine mmap")];
    all.extend(cast.rival("cp", CP, "--reflink=never SOURCE TARGET"));
    all
}

fn cloning(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp(""), cast.mycp("--engine reflink")];
    let rivals = [
        cast.rival("cp", "cp", "SOURCE TARGET"),
        cast.rival("cp", "cp --reflink=always", "--reflink=always SOURCE TARGET"),
        cast.rival("xcp", "xcp", "--no-progress SOURCE TARGET"),
        cast.rival("cpz", "cpz", "SOURCE TARGET"),
        cast.rival("cpx", "cpx", "--no-config SOURCE TARGET"),
        cast.rival("fcp", "fcp", "SOURCE TARGET"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn syncing(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![
        cast.mycp("--reflink=never --flush=sync"),
        cast.mycp("--reflink=never --flush=sync --engine mmap"),
        cast.mycp("--reflink=never --flush=sync --engine buffered"),
    ];
    let cp = r#"cp --reflink=never "$1" "$2" && sync "$2""#;
    let rivals = [
        cast.script(&["cp"], CP_SYNC, cp),
        cast.rival("dd", DD_SYNC, "if=SOURCE of=TARGET bs=1M conv=fsync status=none"),
        cast.rival("rsync", "rsync -W --inplace --fsync", "-W --inplace --fsync SOURCE TARGET"),
        cast.rival(
            "xcp",
            "xcp --reflink=never --fsync",
            "--no-progress --reflink=never --fsync SOURCE TARGET",
        ),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn verifying_cache(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![
        cast.mycp("--reflink=never --verify=cache"),
        cast.mycp("--reflink=never --verify=cache --engine mmap"),
    ];
    let cp = r#"cp --reflink=never "$1" "$2" && cmp "$1" "$2""#;
    all.extend(cast.script(&["cp"], CP_COMPARE, cp));
    all
}

fn verifying_medium(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![
        cast.mycp("--reflink=never --verify"),
        cast.mycp("--reflink=never --verify --engine mmap"),
    ];
    // dd without a block to write drops the pages of a whole file, as its manual shows.
    let cp = r#"cp --reflink=never "$1" "$2" && sync "$2" &&
        dd if=/dev/null of="$2" oflag=nocache conv=notrunc,fdatasync count=0 status=none &&
        cmp "$1" "$2""#;
    all.extend(cast.script(&["cp", "dd"], CP_COMPARE_MEDIUM, cp));
    all
}

fn replacing(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![
        cast.mycp("--reflink=never"),
        cast.mycp("--reflink=never --engine mmap"),
        cast.mycp("--reflink=never --in-place"),
        cast.mycp("--reflink=never --in-place --engine mmap"),
    ];
    let rsync = "rsync -W --ignore-times";
    let rsync_in_place = "rsync -W --ignore-times --inplace";
    let rivals = [
        cast.rival("cp", CP, "--reflink=never SOURCE TARGET"),
        cast.rival(
            "dd",
            "dd bs=1M conv=notrunc",
            "if=SOURCE of=TARGET bs=1M conv=notrunc status=none",
        ),
        cast.rival("rsync", rsync, "-W --ignore-times SOURCE TARGET"),
        cast.rival("rsync", rsync_in_place, "-W --ignore-times --inplace SOURCE TARGET"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn patching(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("-p --delta"), cast.mycp("-p --delta --in-place")];
    let rivals = [
        cast.rival("cp", CP, "--reflink=never SOURCE TARGET"),
        cast.rival("rsync", RSYNC, "-t SOURCE TARGET"),
        cast.rival("rsync", RSYNC_IN_PLACE, "-t --inplace --no-whole-file SOURCE TARGET"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn comparing(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("-p --delta")];
    all.extend(cast.script(&["cp"], CMP, r#"cmp "$1" "$2""#));
    all
}

fn small(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp(""), cast.mycp("--reflink=never")];
    let rivals = [
        cast.rival("cp", "cp", "SOURCE TARGET"),
        cast.rival("cp", CP, "--reflink=never SOURCE TARGET"),
        cast.rival("dd", "dd bs=1M", "if=SOURCE of=TARGET bs=1M status=none"),
        cast.rival("rsync", "rsync -W --inplace", "-W --inplace SOURCE TARGET"),
        cast.rival("xcp", "xcp", "--no-progress SOURCE TARGET"),
        cast.rival("cpz", "cpz", "SOURCE TARGET"),
        cast.rival("cpx", "cpx", "--no-config SOURCE TARGET"),
        cast.rival("fcp", "fcp", "SOURCE TARGET"),
        cast.rival("rclone", "rclone copyto", "--config /dev/null copyto SOURCE TARGET"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}
