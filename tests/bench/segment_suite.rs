//! Which competitors copy into shared memory.
//!
//! A shell gives the source a name of a segment, has the copy made there, and moves it to where it
//! is looked at; that takes some milliseconds, of all competitors alike.

use crate::args::{Plan, Suite};
use crate::machine::FileSystem;
use crate::payload::Payload;
use crate::rivals::{Cast, Competitor};
use crate::runner::{Group, Sharing, TargetBefore};

/// The group whose source is a file.
pub(crate) const FROM_FILE: &str = "from a file";
/// The group whose source is a segment, too.
pub(crate) const FROM_SEGMENT: &str = "from a segment";

/// mycp, in both groups.
pub(crate) const SEGMENT: &str = "mycp, to shm:/NAME";
/// What [`FROM_FILE`] is compared with.
pub(crate) const CP: &str = "cp, to /dev/shm/NAME";
/// What [`FROM_SEGMENT`] is compared with: both mapped, one call of memcpy.
pub(crate) const MEMCPY: &str = "memcpy, mapped";

/// The groups, in the order in which they run: where segments are.
pub(crate) fn groups(plan: &Plan, cast: &Cast, file_system: &FileSystem) -> Vec<Group> {
    if !file_system.directory.starts_with("/dev/shm") {
        return Vec::new();
    }
    let group = |variant, size, competitors, baseline| Group {
        suite: Suite::Segment,
        variant,
        payload: Payload::File(size),
        competitors,
        baseline,
        ours: SEGMENT,
        target: TargetBefore::Nothing,
        sharing: Sharing::Spoils,
        rounds: plan.rounds,
        spawns: 1,
    };
    let at = |size| {
        [
            group(FROM_FILE, size, from_file(cast), CP),
            group(FROM_SEGMENT, size, from_segment(cast), MEMCPY),
        ]
    };
    plan.sizes.iter().flat_map(|size| at(*size)).collect()
}

fn from_file(cast: &Cast) -> Vec<Competitor> {
    let moved = |copy: &str| format!(r#"n=mycp-bench-$$; {copy} && mv /dev/shm/$n "$2""#);
    let ours = moved(r#""$0" "$1" shm:/$n"#);
    let theirs = moved(r#"cp "$1" /dev/shm/$n"#);
    let rivals = [cast.script_of_mycp(SEGMENT, &ours), cast.script(&["cp"], CP, &theirs)];
    rivals.into_iter().flatten().collect()
}

fn from_segment(cast: &Cast) -> Vec<Competitor> {
    let moved = |copy: &str| {
        format!(
            r#"s=mycp-bench-s$$; n=mycp-bench-$$; ln "$1" /dev/shm/$s; {copy}; e=$?
            rm /dev/shm/$s; mv /dev/shm/$n "$2"; exit $e"#
        )
    };
    let ours = moved(r#""$0" shm:/$s shm:/$n"#);
    let theirs = moved(r#"cp /dev/shm/$s /dev/shm/$n"#);
    let mut all: Vec<_> = cast.script_of_mycp(SEGMENT, &ours).into_iter().collect();
    all.extend(cast.script(&["cp"], CP, &theirs));
    all.extend(cast.own_script(MEMCPY, &moved(r#""$0" --memcpy /dev/shm/$s /dev/shm/$n"#)));
    all
}
