//! What can be chosen about a mirror.

use std::time::Duration;

/// How the content of an existing target is compared with the source's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// Length and modification time.
    #[default]
    Quick,
    /// Every byte.
    Content,
}

/// How the target of a tree is made equal to its source (`--mirror`): what is equal already,
/// attributes included, is left alone; what the source does not have is deleted, last, and only
/// when nothing has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MirrorOptions {
    /// What makes content equal.
    pub compare: Compare,
    /// Whether nothing is done, and the watch is told what would be.
    pub dry_run: bool,
    /// Whether the watch is told of each change that has been made.
    pub changes: bool,
    /// How many names may be deleted; with more to delete, none is. `None`: any number.
    pub max_delete: Option<u64>,
    /// Whether what [`CopyOptions::selection`](crate::CopyOptions::selection) leaves out is deleted
    /// from the target, too.
    pub delete_excluded: bool,
    /// Whether the target of a source that is empty is emptied.
    pub allow_empty: bool,
    /// How long a target that another process has locked is waited for.
    pub lock_wait: LockWait,
}

/// How long a lock is waited for. A stop that the observer asks for ends the waiting, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockWait {
    /// Not at all.
    #[default]
    No,
    /// At most so long; then it fails as if it had not waited.
    For(Duration),
    /// As long as it takes.
    Forever,
}
