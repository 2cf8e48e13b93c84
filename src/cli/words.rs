//! The words that options take as values, and what each means.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::options::{
    BackupControl, Compare, EngineChoice, EngineName, Flush, Guarding, LockWait, OnChange, Reflink,
    SemaphoreName, Sparse, SystemVName, THREADS_MAX, Update, Verify,
};
use crate::program::words::{Value, Words, meaning};

/// Which backup the options ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackupWanted {
    /// What the environment says.
    Default,
    /// This one.
    Control(BackupControl),
}

/// When a progress bar is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ProgressWhen {
    /// Never.
    #[default]
    Never,
    /// When standard error is a terminal.
    Auto,
    /// Always.
    Always,
}

/// One word of a list of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Mode,
    Ownership,
    Timestamps,
    Links,
    Context,
    Xattr,
    All,
}

/// The words of one `--preserve` or `--no-preserve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AttributeList(pub(super) Vec<Attribute>);

const ATTRIBUTE: Words<Attribute> = &[
    ("mode", Attribute::Mode),
    ("timestamps", Attribute::Timestamps),
    ("ownership", Attribute::Ownership),
    ("links", Attribute::Links),
    ("context", Attribute::Context),
    ("xattr", Attribute::Xattr),
    ("all", Attribute::All),
];
const BACKUP: Words<BackupControl> = &[
    ("none", BackupControl::None),
    ("off", BackupControl::None),
    ("simple", BackupControl::Simple),
    ("never", BackupControl::Simple),
    ("existing", BackupControl::Existing),
    ("nil", BackupControl::Existing),
    ("numbered", BackupControl::Numbered),
    ("t", BackupControl::Numbered),
];
pub(super) const ENGINE: Words<EngineChoice> = &[
    ("auto", EngineChoice::Auto),
    ("mmap", EngineChoice::Only(EngineName::Mmap)),
    ("reflink", EngineChoice::Only(EngineName::Reflink)),
    ("kernel", EngineChoice::Only(EngineName::Kernel)),
    ("buffered", EngineChoice::Only(EngineName::Buffered)),
];
pub(super) const FLUSH: Words<Flush> =
    &[("none", Flush::None), ("async", Flush::Async), ("sync", Flush::Sync)];
pub(super) const ON_CHANGE: Words<OnChange> =
    &[("fail", OnChange::Fail), ("retry", OnChange::Retry), ("warn", OnChange::Warn)];
pub(super) const COMPARE: Words<Compare> =
    &[("quick", Compare::Quick), ("content", Compare::Content)];
pub(super) const PROGRESS: Words<ProgressWhen> = &[
    ("auto", ProgressWhen::Auto),
    ("always", ProgressWhen::Always),
    ("never", ProgressWhen::Never),
];
pub(super) const REFLINK: Words<Reflink> =
    &[("auto", Reflink::Auto), ("always", Reflink::Always), ("never", Reflink::Never)];
pub(super) const SPARSE: Words<Sparse> =
    &[("auto", Sparse::Auto), ("always", Sparse::Always), ("never", Sparse::Never)];
pub(super) const UPDATE: Words<Update> = &[
    ("all", Update::All),
    ("none", Update::None),
    ("none-fail", Update::NoneFail),
    ("older", Update::Older),
];
pub(super) const VERIFY: Words<Verify> = &[("medium", Verify::Medium), ("cache", Verify::Cache)];

/// Which backup: a word, or none.
pub(super) const BACKUP_WANTED: Value<BackupControl, BackupWanted> =
    Value::new(BACKUP, backup_wanted);

/// Words with commas between them.
pub(super) const ATTRIBUTES: Value<Attribute, AttributeList> = Value::new(ATTRIBUTE, attributes);

/// The backup control that `typed` names, for the option and for `$VERSION_CONTROL`.
pub(super) fn backup_control(typed: &str) -> Result<BackupControl, String> {
    meaning(BACKUP, typed)
}

fn backup_wanted(words: Words<BackupControl>, typed: &str) -> Result<BackupWanted, String> {
    if typed.is_empty() {
        return Ok(BackupWanted::Default);
    }
    meaning(words, typed).map(BackupWanted::Control)
}

fn attributes(words: Words<Attribute>, typed: &str) -> Result<AttributeList, String> {
    let words = typed.split(',').map(|word| meaning(words, word));
    words.collect::<Result<_, _>>().map(AttributeList)
}

/// What `--lock-wait` means without a value.
pub(super) const FOREVER: &str = "forever";

/// The value of `--lock-wait`.
pub(super) fn lock_wait(typed: &str) -> Result<LockWait, &'static str> {
    if typed == FOREVER {
        return Ok(LockWait::Forever);
    }
    let seconds = typed.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
    seconds.map(LockWait::For).ok_or("it can be any number of seconds, such as 60 or 0.5")
}

/// The value of `--lock`.
pub(super) fn guarding(typed: &str) -> Result<Guarding, String> {
    if typed == "record" {
        return Ok(Guarding::Record);
    }
    match SemaphoreName::new(typed) {
        Ok(SemaphoreName::SystemV(SystemVName::Private)) => {
            Err("a semaphore without a key is named by its identifier, sysv:id=ID".to_owned())
        }
        Ok(name) => Ok(Guarding::Semaphore(name)),
        Err(error) if typed.contains(':') => Err(error.to_string()),
        Err(_) => Err("it can be record, or a semaphore: sem:/NAME, sysv:key=KEY, sysv:id=ID, \
                       sysv:ftok=PATH,N or win:Local\\NAME"
            .to_owned()),
    }
}

/// The value of `-j`.
pub(super) fn threads(typed: &str) -> Result<NonZeroUsize, &'static str> {
    let threads = typed.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= THREADS_MAX);
    threads.ok_or("it can be any whole number from 1 to 1024")
}
