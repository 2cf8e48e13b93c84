//! What a crash state is judged by: what there was, what there is to be, and what was promised.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::copy::is_temporary_name;
use crate::crash::simulated::observe::{Content, Kind, Object, Observed, by_path};
use crate::crash::simulated::record::SECTOR;

/// Something that a program may promise of every crash state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Promise {
    /// What the program does not change stays as it is.
    Bystanders,
    /// No sector has anything but old bytes, new ones or zeros.
    NoForeign,
    /// A name shows the old content or the new one, and never vanishes in between.
    Whole,
    /// What has the length and the time of its source has its content.
    Fresh,
    /// When the program has ended, all that it made is there.
    Done,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Bystanders, Self::NoForeign, Self::Whole, Self::Fresh, Self::Done];

    /// Its name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bystanders => "bystanders",
            Self::NoForeign => "no-foreign",
            Self::Whole => "whole",
            Self::Fresh => "fresh",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That a state does not keep a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breach {
    /// Which.
    pub promise: Promise,
    /// The object, relative to the root of the file system.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// What there was before a program ran and what there is after it, without a crash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Oracle {
    before: Observed,
    after: Observed,
    /// Names that lead to a copy, and the names of what it is a copy of.
    #[serde(with = "by_path")]
    copies: BTreeMap<PathBuf, PathBuf>,
}

impl Oracle {
    /// `target` is a copy of `source`, and so is what is below of the same names there.
    pub(crate) fn new(before: Observed, after: Observed, (source, target): (&Path, &Path)) -> Self {
        let mut copies = BTreeMap::new();
        for name in after.objects.keys() {
            let original = name.strip_prefix(target).map(|below| source.join(below));
            if let Ok(original) = original
                && after.objects.contains_key(&original)
            {
                copies.insert(name.clone(), original);
            }
        }
        Self { before, after, copies }
    }

    /// What there was before and after.
    pub(crate) fn versions(&self) -> (&Observed, &Observed) {
        (&self.before, &self.after)
    }

    /// What of `promises` a state breaks. Whether the program had ended counts for some.
    pub(crate) fn judge(
        &self,
        state: &Observed,
        has_ended: bool,
        promises: &[Promise],
    ) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (path, what) in &state.failures {
            let promise = Promise::Bystanders;
            let what = format!("it cannot be looked at: {what}");
            breaches.push(Breach { promise, path: path.clone(), what });
        }
        for promise in promises {
            let found = match promise {
                Promise::Bystanders => self.bystanders(state),
                Promise::NoForeign => self.foreign(state),
                Promise::Whole => self.mixed(state),
                Promise::Fresh => self.false_fresh(state),
                Promise::Done if has_ended => self.undone(state),
                Promise::Done => Vec::new(),
            };
            let breach = |(path, what): (&Path, String)| Breach {
                promise: *promise,
                path: path.to_owned(),
                what,
            };
            breaches.extend(found.into_iter().map(breach));
        }
        breaches
    }

    /// The names that the program leaves alone.
    fn is_bystander(&self, path: &Path, object: &Object) -> bool {
        match self.after.objects.get(path) {
            // What is done in a directory changes its times.
            Some(after) if object.kind == Kind::Directory => after.kind == Kind::Directory,
            Some(after) => after == object,
            None => false,
        }
    }

    fn bystanders<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, object) in &self.before.objects {
            if !self.is_bystander(path, object) {
                continue;
            }
            let what = match state.objects.get(path) {
                None => "it is gone",
                Some(there) if there.kind != object.kind => "it is something else",
                Some(there) if there.content != object.content => "its content has changed",
                Some(there)
                    if object.kind != Kind::Directory && there.attributes != object.attributes =>
                {
                    "its attributes have changed"
                }
                Some(_) => continue,
            };
            found.push((path.as_path(), what.to_owned()));
        }
        found
    }

    fn foreign<'s>(&self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, object) in files(state) {
            let versions = [&self.before, &self.after].map(|tree| tree.objects.get(path));
            // What has no other version is somebody's temporary, which may hold anything.
            if versions == [None, None] {
                continue;
            }
            let has = |at: usize, mark: u64| {
                mark == 0
                    || versions.iter().flatten().any(|it| it.content.sectors.get(at) == Some(&mark))
            };
            // One that the file's end cuts cannot be compared with one that is whole.
            let whole = usize::try_from(object.content.len / SECTOR).unwrap_or(usize::MAX);
            let marks = object.content.sectors.iter().take(whole).enumerate();
            let foreign = marks.filter(|(at, mark)| !has(*at, **mark)).count();
            if foreign > 0 {
                found.push((path, format!("{foreign} sectors are neither old nor new nor zero")));
            }
        }
        found
    }

    fn mixed<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, old, new) in self.changed() {
            let there = state.objects.get(path);
            let content = |object: Option<&Object>| object.map(|it| (it.kind, it.content.clone()));
            let is_old = content(there) == content(old);
            let is_new = content(there) == content(new);
            if !is_old && !is_new {
                found.push((path, difference(there, old, new)));
            }
        }
        found
    }

    fn false_fresh<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, object) in files(state) {
            let source = self.copies.get(path).and_then(|source| self.after.objects.get(source));
            let Some(source) = source.filter(|source| source.kind == Kind::File) else { continue };
            let looks_equal = source.content.len == object.content.len
                && source.attributes.modified == object.attributes.modified;
            if looks_equal && source.content != object.content {
                let what = difference(Some(object), None, Some(source));
                found.push((path, format!("it looks like its source, but {what}")));
            }
        }
        found
    }

    fn undone<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, old, new) in self.changed() {
            let there = state.objects.get(path);
            let what = match (there, new) {
                (None, None) => continue,
                (Some(_), None) => "it is not deleted".to_owned(),
                (None, Some(_)) => "it is not there".to_owned(),
                (Some(there), Some(new)) if there.content != new.content => {
                    difference(Some(there), old, Some(new))
                }
                (Some(there), Some(new)) => match attributes_missing(there, new) {
                    Some(which) => format!("it has not the new {which}"),
                    None => continue,
                },
            };
            found.push((path, what));
        }
        found.extend(self.undone_directories(state));
        found
    }

    /// Directories that have not the attributes that they are to have; of times, those that are
    /// their sources'.
    fn undone_directories<'s>(&'s self, state: &'s Observed) -> Vec<(&'s Path, String)> {
        let mut found = Vec::new();
        for (path, new) in &self.after.objects {
            let Some(there) = state.objects.get(path).filter(|_| new.kind == Kind::Directory)
            else {
                continue;
            };
            let source = self.copies.get(path).and_then(|source| self.after.objects.get(source));
            let is_stamped =
                source.is_some_and(|it| it.attributes.modified == new.attributes.modified);
            match attributes_missing(there, new) {
                Some("time") if !is_stamped => {}
                Some(which) => found.push((path.as_path(), format!("it has not the new {which}"))),
                None => {}
            }
        }
        found
    }

    /// What the program makes, changes or removes, before and after it.
    fn changed(&self) -> impl Iterator<Item = (&Path, Option<&Object>, Option<&Object>)> {
        let names = self.before.objects.keys().chain(
            self.after.objects.keys().filter(|name| !self.before.objects.contains_key(*name)),
        );
        names.filter_map(|name| {
            let (old, new) = (self.before.objects.get(name), self.after.objects.get(name));
            let counts = match (old, new) {
                _ if is_temporary(name) => false,
                (Some(old), Some(new)) if new.kind == Kind::Directory => old.kind != new.kind,
                _ => old != new,
            };
            counts.then_some((name.as_path(), old, new))
        })
    }
}

fn files(state: &Observed) -> impl Iterator<Item = (&Path, &Object)> {
    let files = state.objects.iter().filter(|(_, object)| object.kind == Kind::File);
    files.map(|(path, object)| (path.as_path(), object))
}

fn is_temporary(path: &Path) -> bool {
    path.iter().any(is_temporary_name)
}

fn attributes_missing(there: &Object, new: &Object) -> Option<&'static str> {
    let (there, new) = (&there.attributes, &new.attributes);
    [
        (there.mode != new.mode, "mode"),
        (there.owner != new.owner, "owner"),
        (there.extended != new.extended, "extended attributes"),
        (there.modified != new.modified, "time"),
    ]
    .into_iter()
    .find_map(|(differs, which)| differs.then_some(which))
}

/// In what something is neither of its two versions.
fn difference(there: Option<&Object>, old: Option<&Object>, new: Option<&Object>) -> String {
    let Some(there) = there else { return "it is gone".to_owned() };
    if there.kind != Kind::File {
        return format!("it is a {:?}", there.kind).to_lowercase();
    }
    let marks = |object: Option<&Object>, at: usize| {
        object.and_then(|it: &Object| it.content.sectors.get(at).copied())
    };
    let Content { len, sectors } = &there.content;
    let (mut olds, mut news, mut zeros, mut others) = (0, 0, 0, 0);
    for (at, mark) in sectors.iter().enumerate() {
        match Some(*mark) {
            it if it == marks(new, at) => news += 1,
            it if it == marks(old, at) => olds += 1,
            Some(0) => zeros += 1,
            _ => others += 1,
        }
    }
    let wanted = new.or(old).map_or(0, |it| it.content.len);
    format!(
        "of its {len} bytes (to be {wanted}), {news} sectors are new, {olds} old, {zeros} zero, \
         {others} others"
    )
}
