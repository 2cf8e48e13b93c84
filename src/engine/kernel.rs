//! `copy_file_range`: the kernel copies, or the file server does, or the blocks are shared.

use super::passes::ReadOnly;
use super::{Engine, Job, Lane, Outcome};
use crate::error::{Error, Operation};
use crate::object::early_end;
use crate::options::EngineName;
use crate::sys::{Errno, clone};
use crate::units::ByteRange;

/// The engine.
pub(super) struct Kernel;

impl Engine for Kernel {
    fn name(&self) -> EngineName {
        EngineName::Kernel
    }

    // Large, because each call on a file system that shares blocks makes an extent of its own;
    // below the 0x7ffff000 bytes that Linux moves in one call at most.
    fn block_bytes(&self) -> u64 {
        64 << 20
    }

    // The target's inode is locked throughout each call.
    fn threads_max(&self) -> usize {
        1
    }

    fn copy_segment(&self, job: &Job<'_>, segment: ByteRange, lane: &mut Lane) -> Outcome {
        let (Some(source), Some(target)) = (job.source.file(), job.target.file()) else {
            return Outcome::cannot("only files can be copied by the kernel");
        };
        let mut rest = segment;
        while !rest.is_empty() {
            let copied = rest.start() - segment.start();
            let len = usize::try_from(rest.len()).unwrap_or(usize::MAX).min(1 << 30);
            match clone::copy_file_range(source, target, rest.start(), len) {
                // The end of the file, or a file system that makes its content up as it is read
                // and answers 0 to this call (procfs; LWN 846403).
                Ok(0) => {
                    let error = early_end(job.source, rest);
                    return match error.os_error() {
                        None => Outcome::Failed { copied, error },
                        Some(_) => Outcome::Unsupported {
                            copied,
                            why: "the kernel found no bytes where the file has some".to_owned(),
                        },
                    };
                }
                Ok(count) => {
                    lane.moved += count as u64;
                    rest = rest.skip(count as u64);
                }
                Err(error) if means_unsupported(&error) => {
                    return Outcome::Unsupported {
                        copied,
                        why: format!("the kernel does not copy between these files: {error}"),
                    };
                }
                Err(error) => {
                    let error = Error::new(Operation::Copy, job.source.endpoint(), error).at(rest);
                    return Outcome::Failed { copied, error };
                }
            }
        }
        // What the kernel copied unseen is hashed by reading it.
        if lane.hasher.is_some() {
            ReadOnly.copy_segment(job, segment, lane)
        } else {
            Outcome::Done
        }
    }
}

/// Whether another engine may do what this error says that the kernel does not.
fn means_unsupported(error: &std::io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            // Two file systems, on most kernels.
            Errno::XDEV
            // Not regular files; a file system that refuses these offsets.
            | Errno::INVAL | Errno::OPNOTSUPP | Errno::BADF
            // A kernel without it; a seccomp filter that forbids it; SELinux.
            | Errno::NOSYS | Errno::PERM
            // A swap file or a running program; CIFS with some servers.
            | Errno::TXTBSY | Errno::NOENT
            // Near the greatest offset (Linux 6.17), where reading works.
            | Errno::FBIG | Errno::OVERFLOW
        )
    )
}
