//! Whose memory a mapping is: its own, or a part of a segment that others share.

use std::ops::Range;
use std::sync::Arc;

use crate::sys::system::Attachment;
use crate::sys::system::view::View;

#[derive(Debug)]
pub(super) enum Memory {
    /// Unmapped when it is dropped.
    Mapped(View),
    /// Detached with the last part of it.
    Part { attachment: Arc<Attachment>, range: Range<usize> },
}

impl Memory {
    /// The range, which is inside of the segment.
    pub(super) fn part(attachment: &Arc<Attachment>, range: Range<usize>) -> Self {
        Self::Part { attachment: Arc::clone(attachment), range }
    }

    /// A range of it, if it is part of a segment.
    pub(super) fn sub(&self, part: Range<usize>) -> Option<Self> {
        match self {
            Self::Mapped(_) => None,
            Self::Part { attachment, range } => {
                let whole = range.start + part.start..range.start + part.end;
                Some(Self::part(attachment, whole))
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Mapped(memory) => memory.len(),
            Self::Part { range, .. } => range.len(),
        }
    }

    pub(super) fn as_ptr(&self) -> *const u8 {
        self.as_mut_ptr()
    }

    pub(super) fn as_mut_ptr(&self) -> *mut u8 {
        match self {
            Self::Mapped(memory) => memory.as_mut_ptr(),
            Self::Part { attachment, range } => attachment.as_mut_ptr().wrapping_add(range.start),
        }
    }
}

impl From<View> for Memory {
    fn from(memory: View) -> Self {
        Self::Mapped(memory)
    }
}
