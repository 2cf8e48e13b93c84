//! Which competitors make a tree equal to another that it was copied from.
//!
//! mycp keeps hard links and extended attributes, and flushes changed content before it looks up
//! to date. `rsync -a` does neither: `-HAX` keeps the same, and `--fsync` flushes the same.

use crate::args::{Plan, Suite};
use crate::payload::Payload;
use crate::rivals::{Cast, Competitor};
use crate::runner::{Group, Sharing, TargetBefore};
use crate::shape::Kind;

/// The group in which nothing is to be done.
pub(crate) const EQUAL: &str = "nothing to do";
/// The group in which files of the source have changed, and few are new or gone.
pub(crate) const CHANGED: &str = "5 % changed";
/// The group in which all content is compared, and nothing is to be done.
pub(crate) const COMPARED: &str = "nothing to do, by content";

/// Compares lengths and times.
pub(crate) const MIRROR: &str = "mycp --mirror";
/// Compares content.
pub(crate) const MIRROR_CONTENT: &str = "mycp --mirror --compare=content";
/// What [`MIRROR`] is compared with.
pub(crate) const RSYNC: &str = "rsync -a --delete";
/// What [`MIRROR_CONTENT`] is compared with.
pub(crate) const RSYNC_CONTENT: &str = "rsync -ac --delete";

/// The groups, in the order in which they run.
pub(crate) fn groups(plan: &Plan, cast: &Cast) -> Vec<Group> {
    let payload = Payload::tree(Kind::Packages, plan.shrink);
    let group = |variant, target, competitors, (ours, baseline)| Group {
        suite: Suite::Mirror,
        variant,
        payload,
        competitors,
        baseline,
        ours,
        target,
        sharing: Sharing::Wanted,
        rounds: plan.tree_rounds,
        spawns: 1,
    };
    let by_time = (MIRROR, RSYNC);
    let by_content = (MIRROR_CONTENT, RSYNC_CONTENT);
    vec![
        group(EQUAL, TargetBefore::Equal, comparing(cast), by_time),
        group(CHANGED, TargetBefore::NearlyEqual, changing(cast), by_time),
        group(COMPARED, TargetBefore::EqualSeenInContent, reading(cast), by_content),
    ]
}

fn comparing(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("--mirror")];
    let rivals = [
        cast.rival("rsync", RSYNC, "-a --delete SOURCE/ TARGET"),
        cast.rival("rsync", "rsync -aHAX --delete", "-aHAX --delete SOURCE/ TARGET"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}

fn changing(cast: &Cast) -> Vec<Competitor> {
    let mut all = comparing(cast);
    let template = "-a --delete --fsync SOURCE/ TARGET";
    all.extend(cast.rival("rsync", "rsync -a --delete --fsync", template));
    all
}

fn reading(cast: &Cast) -> Vec<Competitor> {
    let mut all = vec![cast.mycp("--mirror --compare=content")];
    let rivals = [
        cast.rival("rsync", RSYNC_CONTENT, "-ac --delete SOURCE/ TARGET"),
        cast.rival("rsync", "rsync -aHAXc --delete", "-aHAXc --delete SOURCE/ TARGET"),
    ];
    all.extend(rivals.into_iter().flatten());
    all
}
