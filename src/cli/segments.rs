//! What the command line says of segments.

use super::args::Args;
use super::request::{Refusal, Request};
use crate::options::{
    BackupControl, Content, Endpoint, Existing, Guarding, Keep, LockWait, Made, SegmentChoices,
    SegmentName, Update,
};

/// How segments are made and locked.
pub(super) fn choices(args: &Args) -> SegmentChoices {
    let SegmentChoices { mode, guarding, .. } = SegmentChoices::default();
    SegmentChoices {
        mode: args.shm_mode.unwrap_or(mode),
        guarding: args.lock.clone().unwrap_or(guarding),
        wait: match &args.lock {
            Some(_) => args.lock_wait.unwrap_or(LockWait::Forever),
            None => LockWait::Forever,
        },
    }
}

/// A segment has neither the attributes nor the other content that some options are about.
///
/// `mode` is that of `--shm-mode`.
pub(super) fn refuse_misuse(request: &Request, mode: Option<u32>) -> Result<(), Refusal> {
    let is_segment = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Segment(_));
    let reads = request.operands.iter().any(|operand| is_segment(&operand.source));
    let writes = request.operands.iter().any(|operand| is_segment(&operand.target));
    let options = &request.options;
    if !(reads || writes) && options.segments.guarding != Guarding::No {
        return Err(Refusal::usage("--lock locks segments, and none is named"));
    }
    // A section that a copy made would be gone with it.
    let is_made = |endpoint: &Endpoint| {
        is_segment(endpoint) && !matches!(endpoint, Endpoint::Segment(SegmentName::Section(_)))
    };
    if mode.is_some() && !request.operands.iter().any(|operand| is_made(&operand.target)) {
        return Err(Refusal::usage("--shm-mode is about segments that are made"));
    }
    if (reads || writes) && options.made != Made::Copy {
        return Err(Refusal::usage("-l and -s link names, and segments have none"));
    }
    if !writes {
        return Ok(());
    }
    let preserve = &options.preserve;
    let kept = [preserve.mode, preserve.ownership, preserve.timestamps, preserve.xattr];
    let culprit = match () {
        () if request.manifest.is_some() => "--manifest",
        () if options.existing == Existing::InPlace => "--in-place",
        () if options.mirror.is_some() => "--mirror",
        () if options.delta => "--delta",
        () if options.existing == Existing::Remove => "--remove-destination",
        () if options.content == Content::AttributesOnly => "--attributes-only",
        () if options.backup.control != BackupControl::None => "--backup",
        () if options.update == Update::Older => "--update",
        () if kept.iter().any(|keep| *keep != Keep::No) => "--preserve",
        () => return Ok(()),
    };
    Err(Refusal::Usage(format!("{culprit} needs a target that is a file, not a segment")))
}
