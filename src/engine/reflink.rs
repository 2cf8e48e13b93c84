//! `FICLONE`: the file system shares the source's blocks with the target.

use super::{Engine, Job, Lane, Outcome};
use crate::error::{Error, Operation};
use crate::options::EngineName;
use crate::sys::{Errno, clone};
use crate::units::ByteRange;

/// The engine.
pub(super) struct Reflink;

impl Engine for Reflink {
    fn name(&self) -> EngineName {
        EngineName::Reflink
    }

    // The whole file at once.
    fn block_bytes(&self) -> u64 {
        1 << 63
    }

    fn threads_max(&self) -> usize {
        1
    }

    fn copy_segment(&self, job: &Job<'_>, segment: ByteRange, lane: &mut Lane) -> Outcome {
        let (Some(source), Some(target)) = (job.source.file(), job.target.file()) else {
            return Outcome::cannot("only files have blocks to share");
        };
        match clone::clone_file(source, target) {
            Ok(()) => {}
            Err(error) if means_unsupported(&error) => {
                return Outcome::cannot(format!("the blocks cannot be shared: {error}"));
            }
            Err(error) => {
                return Outcome::failed(Error::new(Operation::Clone, job.target.endpoint(), error));
            }
        }
        // The clone has the length that the source has now. What lies behind the length that it
        // had when it was opened is not part of this copy; an earlier end means that it shrank.
        match job.target.len() {
            Ok(len) if len < segment.end() => {
                Outcome::failed(crate::object::early_end(job.source, segment))
            }
            Ok(len) => {
                if len > segment.end()
                    && let Err(error) = job.target.set_len(segment.end())
                {
                    return Outcome::failed(error);
                }
                lane.moved += segment.len();
                Outcome::Done
            }
            Err(error) => Outcome::failed(error),
        }
    }
}

/// Whether the bytes may still be copied another way (ioctl_ficlone(2)).
pub(crate) fn means_unsupported(error: &std::io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            // Two file systems.
            Errno::XDEV
            // The file system cannot; not regular files; a swap file.
            | Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS | Errno::INVAL | Errno::TXTBSY
            // A seccomp filter, or a source that may not be shared.
            | Errno::PERM | Errno::ACCESS | Errno::BADF | Errno::ISDIR
        )
    )
}
